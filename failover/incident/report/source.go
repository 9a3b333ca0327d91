package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lifeboat/internal/versioned"
)

// Format is the version of a source and of the documents made from it.
const Format = 1

// maxReport caps what Verify reads, in bytes.
const maxReport = 64 << 20

// Errors a caller may test for with errors.Is.
var (
	// ErrAltered: the report is not what its evidence gives.
	ErrAltered = errors.New("report was altered")
	// ErrNotReport: the file is no report of lifeboat's.
	ErrNotReport = errors.New("not a lifeboat report")
	// ErrNewerFormat: made by a newer lifeboat; verify it with that one.
	ErrNewerFormat = errors.New("report has a newer format than this lifeboat knows")
)

// Kind is what a report is about.
type Kind string

// The kinds.
const (
	KindExercise Kind = "exercise" // a drill, a failover or a failback
	KindCase     Kind = "incident"
	KindPack     Kind = "committee"
	KindContacts Kind = "contacts"
	KindRunbook  Kind = "runbook" // of a plan, to be printed
)

// Form is how a report is written.
type Form string

// The forms.
const (
	JSON     Form = "json"
	Markdown Form = "md"
	HTML     Form = "html"
)

// Forms lists them.
func Forms() []Form { return []Form{JSON, Markdown, HTML} }

// Data is one of the sources.
type Data interface {
	kind() Kind
	document() document
}

// Source is a report's evidence: the kind, when it was made, and the data.
type Source struct {
	Made   time.Time
	Data   Data
	SHA256 string // of the canonical bytes, hex
	bytes  []byte
}

// envelope is the canonical form; its compact JSON is what is hashed.
type envelope struct {
	Format int             `json:"format"`
	Kind   Kind            `json:"kind"`
	Made   time.Time       `json:"made"`
	Data   json.RawMessage `json:"data"`
}

var sourceKind = versioned.Kind{Field: "format", Known: Format, Damaged: fmt.Errorf("%w: its evidence cannot be read", ErrAltered), Newer: ErrNewerFormat}

// NewSource fixes the evidence. The data must not be changed afterwards.
func NewSource(made time.Time, data Data) (*Source, error) {
	encoded, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", data.kind(), err)
	}
	made = made.UTC().Truncate(time.Second)
	text, err := json.Marshal(envelope{Format, data.kind(), made, encoded})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", data.kind(), err)
	}
	sum := sha256.Sum256(text)
	return &Source{Made: made, Data: data, SHA256: hex.EncodeToString(sum[:]), bytes: text}, nil
}

// parseSource reads canonical bytes; anything that is not in canonical form was altered.
func parseSource(text []byte) (*Source, error) {
	e, err := versioned.Decode[envelope](sourceKind, text)
	if err != nil {
		return nil, err
	}
	data, err := decode(e.Kind, e.Data)
	if err != nil {
		return nil, err
	}
	s, err := NewSource(e.Made, data)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(s.bytes, text) {
		return nil, fmt.Errorf("%w: its evidence is not in canonical form", ErrAltered)
	}
	return s, nil
}

func decode(k Kind, text json.RawMessage) (Data, error) {
	switch k {
	case KindExercise:
		return strict[Exercise](text)
	case KindCase:
		return strict[Case](text)
	case KindPack:
		return strict[Pack](text)
	case KindContacts:
		return strict[Contacts](text)
	case KindRunbook:
		return strict[Runbook](text)
	}
	return nil, fmt.Errorf("%w: kind %q", ErrNotReport, k)
}

func strict[T Data](text []byte) (Data, error) {
	var v T
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: its evidence cannot be read: %w", ErrAltered, err)
	}
	return v, nil
}

// file is the JSON form.
type file struct {
	SHA256 string          `json:"sha256"` // of the compact source
	Source json.RawMessage `json:"source"`
}

// Render makes one form of the report. The same source gives the same bytes.
func (s *Source) Render(f Form) ([]byte, error) {
	switch f {
	case JSON:
		text, err := json.MarshalIndent(file{s.SHA256, s.bytes}, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("render JSON: %w", err)
		}
		return append(text, '\n'), nil
	case Markdown:
		return s.markdown(), nil
	case HTML:
		return s.html()
	}
	return nil, fmt.Errorf("form %q: want json, md or html", f)
}

// Marks around the source in the two readable forms. encoding/json writes < and > as
// escapes, so that neither mark can occur inside.
const (
	openMarkdown, closeMarkdown = "<!-- lifeboat-source\n", "\n-->"
	openHTML, closeHTML         = `<script type="application/json" id="lifeboat-source">`, `</script>`
)

// Verify checks a report in any form and returns its source. ErrAltered says what differs.
func Verify(report []byte) (*Source, Form, error) {
	if len(report) > maxReport {
		return nil, "", fmt.Errorf("%w: %d bytes is over the limit of %d", ErrNotReport, len(report), maxReport)
	}
	text, printed, form, err := extract(report)
	if err != nil {
		return nil, "", err
	}
	s, err := parseSource(text)
	if err != nil {
		return nil, form, err
	}
	if form == JSON && printed != s.SHA256 {
		return nil, form, fmt.Errorf("%w: it says hash %.12s, its evidence has %.12s", ErrAltered, printed, s.SHA256)
	}
	again, err := s.Render(form)
	if err != nil {
		return nil, form, err
	}
	if !bytes.Equal(again, report) {
		return nil, form, fmt.Errorf("%w: line %d is not what its evidence (hash %.12s) gives", ErrAltered, firstDifference(again, report), s.SHA256)
	}
	return s, form, nil
}

func extract(report []byte) (text []byte, printed string, form Form, err error) {
	if bytes.HasPrefix(report, []byte("{")) {
		var f file
		if err := json.Unmarshal(report, &f); err != nil || len(f.Source) == 0 {
			return nil, "", "", fmt.Errorf("%w: no source in it", ErrNotReport)
		}
		var out bytes.Buffer
		if err := json.Compact(&out, f.Source); err != nil {
			return nil, "", "", fmt.Errorf("%w: %w", ErrNotReport, err)
		}
		return out.Bytes(), f.SHA256, JSON, nil
	}
	for _, m := range []struct {
		form        Form
		open, close string
	}{{HTML, openHTML, closeHTML}, {Markdown, openMarkdown, closeMarkdown}} {
		_, rest, found := bytes.Cut(report, []byte(m.open))
		if !found {
			continue
		}
		text, _, found := bytes.Cut(rest, []byte(m.close))
		if !found {
			return nil, "", m.form, fmt.Errorf("%w: its evidence is cut off", ErrAltered)
		}
		return text, "", m.form, nil
	}
	return nil, "", "", fmt.Errorf("%w: no evidence in it", ErrNotReport)
}

// firstDifference is the number of the first line that differs, from 1.
func firstDifference(a, b []byte) int {
	as, bs := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range as {
		if i >= len(bs) || !bytes.Equal(as[i], bs[i]) {
			return i + 1
		}
	}
	return len(as) + 1
}
