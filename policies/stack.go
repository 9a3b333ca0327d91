package policies

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Stack is what the rules look at.
type Stack struct {
	Name      string // "primary", "dr", "failover-…"
	Role      Role
	Now       time.Time // UTC
	Resources []Resource
	// Settings is the stack's configuration "lifeboat:settings"; not Found when the rules
	// are run without it.
	Settings Value
	// Peer is the other standing stack's settings: the mirror's for a primary, the primary's
	// for a mirror.
	Peer Value
	// Backend is the URL of the state's backend, empty when not known.
	Backend string
	// Facts about the people and the habits; nil where the rules are run without them.
	Facts *Facts
}

// RoleOf tells a stack's role from its name; false when the name is none of the project's.
func RoleOf(stack string) (Role, bool) {
	switch {
	case stack == string(Primary):
		return Primary, true
	case stack == string(DR):
		return DR, true
	case strings.HasPrefix(stack, string(Failover)+"-"):
		return Failover, true
	default:
		return "", false
	}
}

// Change is what an update would do to a resource.
type Change string

// The changes that matter to the rules; anything else is Keep.
const (
	Keep    Change = ""
	Delete  Change = "delete"
	Replace Change = "replace"
)

// Resource is one resource with the inputs it is declared with.
type Resource struct {
	URN     string
	Type    string // "azure-native:sql:Server", without a version in the module
	Name    string
	Inputs  map[string]any // objects map[string]any, arrays []any, numbers float64; UnknownValue
	Protect bool
	Change  Change
}

// UnknownValue stands in Inputs for what is not known yet, and for secrets, which a
// preview masks.
type UnknownValue struct{}

// Value is an input found by its path.
type Value struct {
	found bool
	value any
}

// At returns the input at a dotted path; array elements by number ("rules.0.name"). An
// unknown anywhere on the way makes the value unknown.
func (r *Resource) At(path string) Value {
	v := Value{found: true, value: r.Inputs}
	for part := range strings.SplitSeq(path, ".") {
		v = v.child(part)
	}
	return v
}

// At descends further.
func (v Value) At(path string) Value {
	for part := range strings.SplitSeq(path, ".") {
		v = v.child(part)
	}
	return v
}

func (v Value) child(part string) Value {
	switch t := v.value.(type) {
	case UnknownValue:
		return v
	case map[string]any:
		c, ok := t[part]
		return Value{ok && c != nil, c}
	case []any:
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(t) {
			return Value{true, t[i]}
		}
	}
	return Value{}
}

// Unknown reports whether the value, or what holds it, is not known yet.
func (v Value) Unknown() bool { _, ok := v.value.(UnknownValue); return ok }

// Found reports whether there is a value, known or not.
func (v Value) Found() bool { return v.found }

// Any is the value as decoded from JSON, nil when there is none.
func (v Value) Any() any { return v.value }

// Text is the string, or "".
func (v Value) Text() string { s, _ := v.value.(string); return s }

// True reports whether the value is the boolean true, also as a string, which is how
// configuration sometimes spells it.
func (v Value) True() bool { return v.value == true || v.value == "true" }

// False reports whether the value is the boolean false, given as such.
func (v Value) False() bool { return v.value == false || v.value == "false" }

// Number is the number, and whether it is one.
func (v Value) Number() (float64, bool) {
	switch t := v.value.(type) {
	case float64:
		return t, true
	case string:
		f, err := strconv.ParseFloat(t, 64)
		return f, err == nil
	default:
		return 0, false
	}
}

// Items are the elements of an array.
func (v Value) Items() []Value {
	list, _ := v.value.([]any)
	items := make([]Value, len(list))
	for i, e := range list {
		items[i] = Value{true, e}
	}
	return items
}

// Fields are the members of an object.
func (v Value) Fields() map[string]Value {
	object, _ := v.value.(map[string]any)
	fields := make(map[string]Value, len(object))
	for k, e := range object {
		fields[k] = Value{true, e}
	}
	return fields
}

// SettingsOf parses the text of the stack's settings.
func SettingsOf(text string) (Value, error) {
	var settings map[string]any
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return Value{}, fmt.Errorf("parse lifeboat:settings: %w", err)
	}
	return Value{true, settings}, nil
}

// OfType returns the stack's resources of a type that the update keeps or makes.
func (s *Stack) OfType(typ string) []*Resource {
	var found []*Resource
	for i := range s.Resources {
		if r := &s.Resources[i]; r.Type == typ && r.Change != Delete {
			found = append(found, r)
		}
	}
	return found
}
