package preview

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"lifeboat/policies"
)

// Errors a caller may test for.
var (
	// ErrFormat: the bytes are not a whole preview or export.
	ErrFormat = errors.New("not a Pulumi preview or stack export")
	// ErrNewer: the bytes come from a newer Pulumi than this reader knows.
	ErrNewer = errors.New("newer format")
	// ErrPartial: the preview leaves out the resources that stay as they are.
	ErrPartial = errors.New("the preview does not show the whole stack")
	// ErrFailed: the preview itself ended with an error, so it is not the whole stack.
	ErrFailed = errors.New("the preview failed")
)

// exportVersion is the newest version of a stack export that is understood.
const exportVersion = 4

// unknownText stands in a preview for a string that is not known yet; secretText for one
// that is masked. Source: the engine's plugin package (sdk/go/common/resource/plugin).
const (
	unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
	secretText  = "[secret]"
	signature   = "4dabf18193072939515e22adb298388d"
)

// unknowns are the sentinels of the other kinds of unknown.
var unknowns = map[string]bool{
	unknownText:                            true,
	"1c4a061d-8072-4f0a-a4cb-0ff528b18fe7": true, // bool
	"3eeb2bf0-c639-47a8-9e75-3b44932eb421": true, // number
	"6a19a0b0-7e62-4c92-b797-7f8e31da9cc2": true, // array
	"030794c1-ac77-496b-92df-f27374a8bd58": true, // asset
	"e48ece36-62e2-4504-bad9-02848725956a": true, // archive
	"dd056dcd-154b-4c76-9bd3-c8f88648b5ff": true, // object
}

type document struct {
	// of a preview
	Steps       []step         `json:"steps"`
	Diagnostics []diagnostic   `json:"diagnostics"`
	Summary     map[string]int `json:"changeSummary"`
	// of an export
	Version    int `json:"version"`
	Deployment *struct {
		Resources []state `json:"resources"`
	} `json:"deployment"`
}

type step struct {
	Op       string `json:"op"`
	URN      string `json:"urn"`
	OldState *state `json:"oldState"`
	NewState *state `json:"newState"`
}

type state struct {
	URN     string         `json:"urn"`
	Type    string         `json:"type"`
	Inputs  map[string]any `json:"inputs"`
	Protect bool           `json:"protect"`
	Delete  bool           `json:"delete"` // pending deletion
}

type diagnostic struct {
	Message  string `json:"message"`
	Severity string `json:"severity"`
}

// Read returns the stack that a preview or an export describes. The stack's name comes
// from the resources' URNs.
func Read(r io.Reader) (*policies.Stack, error) {
	d := json.NewDecoder(r)
	var doc document
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the first JSON value", ErrFormat)
	}
	switch {
	case doc.Deployment != nil:
		if doc.Version < 1 || doc.Version > exportVersion {
			return nil, fmt.Errorf("%w: stack export version %d, known up to %d: update lifeboat", ErrNewer, doc.Version, exportVersion)
		}
		return export(doc)
	case doc.Steps != nil || doc.Summary != nil:
		return preview(doc)
	default:
		return nil, fmt.Errorf("%w: it has neither steps nor a deployment", ErrFormat)
	}
}

func export(doc document) (*policies.Stack, error) {
	stack := new(policies.Stack)
	for _, s := range doc.Deployment.Resources {
		if s.Delete {
			continue
		}
		if err := add(stack, s, policies.Keep); err != nil {
			return nil, err
		}
	}
	return named(stack)
}

func preview(doc document) (*policies.Stack, error) {
	for _, d := range doc.Diagnostics {
		if d.Severity == "error" {
			return nil, fmt.Errorf("%w, so it does not show the whole stack: %s", ErrFailed, strings.TrimSpace(d.Message))
		}
	}
	stack := new(policies.Stack)
	replaced := make(map[string]bool)
	same := 0
	for _, s := range doc.Steps {
		if s.Op == "same" {
			same++
		}
		if strings.Contains(s.Op, "replace") {
			replaced[s.URN] = true
		}
	}
	if n := doc.Summary["same"]; same < n {
		return nil, fmt.Errorf("%w: %d of %d unchanged resources are missing: run pulumi preview --json with --show-sames", ErrPartial, n-same, n)
	}
	for _, s := range doc.Steps {
		if err := addStep(stack, s, replaced[s.URN]); err != nil {
			return nil, err
		}
	}
	return named(stack)
}

// addStep takes what a step leaves behind; a replacement is several steps of one URN, of
// which "replace" is the whole.
func addStep(stack *policies.Stack, s step, replaced bool) error {
	switch s.Op {
	case "create", "update", "same", "refresh", "import", "read":
		if s.NewState == nil {
			return fmt.Errorf("%w: step %q of %s has no new state", ErrFormat, s.Op, s.URN)
		}
		return add(stack, *s.NewState, policies.Keep)
	case "replace", "import-replacement":
		if s.NewState == nil {
			return fmt.Errorf("%w: step %q of %s has no new state", ErrFormat, s.Op, s.URN)
		}
		return add(stack, *s.NewState, policies.Replace)
	case "delete":
		if replaced {
			return nil
		}
		if s.OldState == nil {
			return fmt.Errorf("%w: step %q of %s has no old state", ErrFormat, s.Op, s.URN)
		}
		return add(stack, *s.OldState, policies.Delete)
	case "create-replacement", "delete-replaced", "read-replacement", "discard", "discard-replaced", "read-discard", "remove-pending-replace":
		return nil
	default:
		return fmt.Errorf("%w: unknown step %q of %s: update lifeboat", ErrNewer, s.Op, s.URN)
	}
}

func add(stack *policies.Stack, s state, change policies.Change) error {
	parts := strings.Split(s.URN, "::")
	if len(parts) < 4 || s.Type == "" {
		return fmt.Errorf("%w: resource with URN %q and type %q", ErrFormat, s.URN, s.Type)
	}
	name := StackOf([]string{s.URN})
	if stack.Name == "" {
		stack.Name = name
	}
	if stack.Name != name {
		return fmt.Errorf("%w: resources of two stacks, %q and %q", ErrFormat, stack.Name, name)
	}
	stack.Resources = append(stack.Resources, policies.Resource{
		URN: s.URN, Type: PlainType(s.Type), Name: strings.Join(parts[3:], "::"),
		Inputs: PlainInputs(s.Inputs), Protect: s.Protect, Change: change,
	})
	return nil
}

// StackOf tells the stack's name from the first of its URNs; "" when there is none.
func StackOf(urns []string) string {
	if len(urns) == 0 {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(urns[0], "urn:pulumi:"), "::")
	return name
}

func named(stack *policies.Stack) (*policies.Stack, error) {
	if len(stack.Resources) == 0 {
		return nil, fmt.Errorf("%w: it holds no resource", ErrFormat)
	}
	role, ok := policies.RoleOf(stack.Name)
	if !ok {
		return nil, fmt.Errorf("%w: stack %q is none of primary, dr, failover-ID", ErrFormat, stack.Name)
	}
	stack.Role = role
	return stack, nil
}

// PlainType takes an API version out of a type's module: the rules mean the resource,
// whichever version declares it.
func PlainType(typ string) string {
	module, rest, ok := strings.Cut(typ, "/v2")
	if !ok || !strings.HasPrefix(typ, "azure-native:") {
		return typ
	}
	if _, name, ok := strings.Cut(rest, ":"); ok {
		return module + ":" + name
	}
	return typ
}

// PlainInputs replaces the engine's sentinels for unknown and secret values.
func PlainInputs(in map[string]any) map[string]any {
	out := make(map[string]any, len(in))
	for k, v := range in {
		out[k] = plain(v)
	}
	return out
}

func plain(v any) any {
	switch t := v.(type) {
	case string:
		if t == secretText || unknowns[t] {
			return policies.UnknownValue{}
		}
		return t
	case map[string]any:
		if t[signature] != nil {
			return policies.UnknownValue{}
		}
		return PlainInputs(t)
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = plain(e)
		}
		return out
	default:
		return v
	}
}

// ReadBytes is Read of bytes.
func ReadBytes(b []byte) (*policies.Stack, error) { return Read(bytes.NewReader(b)) }
