package policies

import (
	"fmt"

	"lifeboat/infra/azure"
)

// test is a question asked of one input.
type test func(Value) (ok bool, want string)

// each asks a question of one input of every resource of a type, and fails when there is
// no such resource: a rule with nothing to look at does not hold.
func each(typ, path string, ask test) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		resources := s.OfType(typ)
		if len(resources) == 0 {
			return fail(nil, "the stack has no %s", typ)
		}
		return askAll(resources, path, ask)
	}
}

// every is each where having no such resource is fine.
func every(typ, path string, ask test) func(*Stack) []Finding {
	return func(s *Stack) []Finding { return askAll(s.OfType(typ), path, ask) }
}

func askAll(resources []*Resource, path string, ask test) []Finding {
	var found []Finding
	for _, r := range resources {
		v := r.At(path)
		if v.Unknown() {
			found = append(found, unknown(r, path)...)
			continue
		}
		if ok, want := ask(v); !ok {
			found = append(found, fail(r, "%s is %s, want %s", path, v.show(), want)...)
		}
	}
	return found
}

func (v Value) show() string {
	if !v.found {
		return "not set"
	}
	return fmt.Sprintf("%v", v.value)
}

func isTrue(v Value) (bool, string)  { return v.True(), "true" }
func isFalse(v Value) (bool, string) { return v.False(), "false" }
func isSet(v Value) (bool, string) {
	return v.Text() != "" || len(v.Fields()) > 0 || len(v.Items()) > 0, "a value"
}

func is(values ...string) test {
	return func(v Value) (bool, string) {
		for _, want := range values {
			if v.Text() == want {
				return true, ""
			}
		}
		return false, fmt.Sprintf("one of %q", values)
	}
}

func atLeast(n float64) test {
	return func(v Value) (bool, string) {
		got, ok := v.Number()
		return ok && got >= n, fmt.Sprintf("at least %g", n)
	}
}

func atMost(n float64) test {
	return func(v Value) (bool, string) {
		got, ok := v.Number()
		return ok && got <= n, fmt.Sprintf("at most %g", n)
	}
}

// both runs several checks and gathers what each found.
func both(checks ...func(*Stack) []Finding) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		var found []Finding
		for _, check := range checks {
			found = append(found, check(s)...)
		}
		return found
	}
}

// setting asks a question of one of the stack's settings.
func setting(path string, ask test) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		if !s.Settings.Found() {
			return unknown(nil, "the setting "+path)
		}
		v := s.Settings.At(path)
		if ok, want := ask(v); !ok {
			return fail(nil, "setting %s is %s, want %s", path, v.show(), want)
		}
		return nil
	}
}

// none fails for every resource of a type.
func none(typ, why string) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		var found []Finding
		for _, r := range s.OfType(typ) {
			found = append(found, fail(r, "%s", why)...)
		}
		return found
	}
}

// zoned asks only of resources in regions that have availability zones.
func zoned(typ, path string, ask test) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		var inZones []*Resource
		for _, r := range s.OfType(typ) {
			if azure.Region(r.At("location").Text()).Zones() {
				inZones = append(inZones, r)
			}
		}
		return askAll(inZones, path, ask)
	}
}
