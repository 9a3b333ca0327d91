package settings

import (
	"reflect"
	"slices"
	"sort"
	"strings"

	"lifeboat/infra/azure"
)

// keysOf is the tree of known keys, from the structure itself: a map for an object, nil
// for anything whose inside is not ours to name.
func keysOf() map[string]any { return keysOfType(reflect.TypeFor[Settings]()) }

func keysOfType(t reflect.Type) map[string]any {
	if t.Kind() != reflect.Struct {
		return nil
	}
	keys := make(map[string]any, t.NumField())
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		keys[name] = keysOfType(field.Type)
	}
	return keys
}

// compareKeys notes every key of value that known lacks, with the nearest known one.
func compareKeys(p *azure.Problems, path string, value any, known map[string]any) {
	object, ok := value.(map[string]any)
	if !ok || known == nil {
		return
	}
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		inside, ok := known[name]
		if !ok {
			p.Addf(path+"."+name, "unknown key; known here: %s", strings.Join(sortedKeys(known), ", "))
			continue
		}
		if m, ok := inside.(map[string]any); ok {
			compareKeys(p, path+"."+name, object[name], m)
		}
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
