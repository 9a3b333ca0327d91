// Package infratest is what the unit tests of the components share: a scope, and the
// recording of what one component registers.
package infratest

import (
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
	"lifeboat/infra/record"
)

// Scope is a complete scope in a region.
func Scope(region azure.Region) infra.Scope {
	return infra.Scope{
		Names:  azure.Names{Org: "acme", Part: region.Code(), Subscription: "11111111-2222-4333-8444-555555555555"},
		Region: region, Tags: map[string]string{"owner": "cto"}, Group: pulumi.String("rg-acme"), Protect: true,
	}
}

// Record runs a program that declares a component and returns what it registered.
func Record(t testing.TB, program pulumi.RunFunc) []record.Resource {
	t.Helper()
	made, err := record.Run(&record.Stack{Project: "test", Name: "test"}, program)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Refused runs a program that must fail and returns why; nothing may be registered.
func Refused(t testing.TB, program pulumi.RunFunc) string {
	t.Helper()
	made, err := record.Run(&record.Stack{Project: "test", Name: "test"}, program)
	if err == nil {
		t.Fatal("accepted what it should refuse")
	}
	if len(made) > 0 {
		t.Fatalf("registered %d resources before it refused: %v", len(made), made[0].Key())
	}
	return err.Error()
}

// One returns the one resource of a type (its last part) and name.
func One(t testing.TB, made []record.Resource, kind, name string) *record.Resource {
	t.Helper()
	i := slices.IndexFunc(made, func(r record.Resource) bool { return r.Name == name && kindOf(r.Type) == kind })
	if i < 0 {
		var have []string
		for _, r := range made {
			have = append(have, r.Key())
		}
		t.Fatalf("no %s %q among %q", kind, name, have)
	}
	return &made[i]
}

// Count counts the resources of a type.
func Count(made []record.Resource, kind string) int {
	n := 0
	for _, r := range made {
		if kindOf(r.Type) == kind {
			n++
		}
	}
	return n
}

func kindOf(token string) string {
	for i := len(token) - 1; i >= 0; i-- {
		if token[i] == ':' {
			return token[i+1:]
		}
	}
	return token
}

// Get returns the input at a path of names and list indices, or nil.
func Get(r *record.Resource, path ...any) any {
	var at any = r.Inputs
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := at.(map[string]any)
			at = m[step]
		case int:
			items, _ := at.([]any)
			if step >= len(items) {
				return nil
			}
			at = items[step]
		}
	}
	return at
}
