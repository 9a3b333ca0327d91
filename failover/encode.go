package failover

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"

	"lifeboat/internal/signers"
)

// Format is the version of a plan's text that this code writes and reads.
const Format = 1

// maxPlan caps a plan, in bytes; real ones are some 5 KiB.
const maxPlan = 1 << 20

// Errors of reading a plan, to test for with errors.Is.
var (
	// ErrNewerFormat: made by a newer lifeboat; use that one.
	ErrNewerFormat = errors.New("plan has a newer format than this lifeboat knows")
	// ErrCorrupt: it is no plan, or not in the one spelling that a plan has.
	ErrCorrupt = errors.New("plan is damaged")
	// ErrTruncated: its end is missing.
	ErrTruncated = errors.New("plan is cut short")
)

// Encode is the plan's only spelling: JSON, two spaces deep, ending with a newline.
func (p *Plan) Encode() ([]byte, error) {
	c := *p
	c.normalise()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&c); err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return b.Bytes(), nil
}

// Hash is the SHA-256 of the plan's only spelling, in hex: what people sign.
func (p *Plan) Hash() (string, error) {
	text, err := p.Encode()
	if err != nil {
		return "", err
	}
	return HashOf(text), nil
}

// HashOf is the hash of a plan's text.
func HashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Parse reads a plan in its only spelling. Its errors are ErrNewerFormat, ErrTruncated and
// ErrCorrupt.
func Parse(text []byte) (*Plan, error) {
	if len(text) > maxPlan {
		return nil, fmt.Errorf("%w: %d bytes is over the limit of %d", ErrCorrupt, len(text), maxPlan)
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := decode(text, &version, false); err != nil {
		return nil, err
	}
	if version.Format > Format {
		return nil, fmt.Errorf("%w: %d, known %d", ErrNewerFormat, version.Format, Format)
	}
	var p Plan
	if err := decode(text, &p, true); err != nil {
		return nil, err
	}
	canonical, err := p.Encode()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if !bytes.Equal(canonical, text) {
		return nil, fmt.Errorf("%w: it is not spelt as lifeboat spells it (edited, or sent through something that changes text)", ErrCorrupt)
	}
	return &p, nil
}

func decode(text []byte, into any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if strict {
		d.DisallowUnknownFields()
	}
	switch err := d.Decode(into); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: after %d bytes", ErrTruncated, len(text))
	case err != nil:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if !bytes.HasSuffix(text, []byte("}\n")) && bytes.HasSuffix(text, []byte("}")) {
		return fmt.Errorf("%w: its last newline is missing", ErrTruncated)
	}
	return nil
}

// normalise gives every empty list one spelling.
func (p *Plan) normalise() {
	p.Images, p.Keys, p.Quotas = listed(p.Images), listed(p.Keys), listed(p.Quotas)
	p.Forecast.Steps = listed(p.Forecast.Steps)
	p.Quorum.Seats, p.Quorum.BreakGlass = seats(p.Quorum.Seats), seats(p.Quorum.BreakGlass)
}

func seats(q signers.Quorum) signers.Quorum {
	own := signers.Quorum{} // not the caller's: others may be reading that
	for _, seat := range q {
		own = append(own, listed(slices.Clone(seat)))
	}
	return own
}

// listed is a list that is never null in JSON.
func listed[S ~[]E, E any](s S) S {
	if s == nil {
		return S{}
	}
	return s
}

var hexShape = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Validate refuses a plan that nobody should sign, with every problem.
func (p *Plan) Validate() error {
	var problems []error
	bad := func(text string, args ...any) { problems = append(problems, fmt.Errorf(text, args...)) }
	if p.Format != Format {
		bad("format is %d, want %d", p.Format, Format)
	}
	if err := CheckID(p.ID); err != nil {
		problems = append(problems, err)
	}
	if !slices.Contains([]Kind{Failover, Drill, Failback}, p.Kind) {
		bad("kind %q is not one of failover, drill, failback", p.Kind)
	}
	if p.Created.IsZero() || !p.Expires.After(p.Created) {
		bad("it has to expire after it is made")
	}
	if p.Stack.Name != p.StackName() {
		bad("stack %q does not belong to plan %s", p.Stack.Name, p.ID)
	}
	if err := p.Quorum.Seats.Validate(); err != nil {
		problems = append(problems, err)
	}
	for name, digest := range map[string]string{"stack.settings_sha256": p.Stack.Settings, "stack.config_sha256": p.Stack.Config,
		"code.bundle_sha256": p.Code.SHA256, "quorum.allowed_signers_sha256": p.Quorum.Signers} {
		if digest != "" && !hexShape.MatchString(digest) {
			bad("%s %q is no SHA-256 in lower-case hex", name, digest)
		}
	}
	if p.Mirror.StaleAccepted != strings.TrimSpace(p.Mirror.StaleAccepted) {
		bad("the reason for accepting a stale mirror begins or ends with blanks")
	}
	for _, s := range p.Forecast.Steps {
		if s.Seconds < 0 || s.Start < 0 || math.IsNaN(s.Seconds+s.Start) || math.IsInf(s.Seconds+s.Start, 0) {
			bad("step %s is forecast to take %g s after %g s", s.Name, s.Seconds, s.Start)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %w", ErrRequest, errors.Join(problems...))
	}
	return nil
}
