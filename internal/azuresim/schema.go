package azuresim

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Schema is what an object may hold, derived from the SDK's types: so it is as complete
// as the SDK is, and grows with it.
type Schema struct {
	props map[string]*prop
}

type prop struct {
	kind     reflect.Kind // String, Bool, Int (any number), Struct, Slice, Map; Interface for anything
	required bool
	object   *Schema // of Struct
	elem     *prop   // of Slice and Map
}

// Failure is one property that cannot be.
type Failure struct {
	Path   string
	Reason string
}

// SchemaOf derives the schema of a resource's arguments, e.g. storage.StorageAccountArgs{}.
func SchemaOf(args pulumi.Input) *Schema {
	return deriver{}.object(args.ElementType())
}

// deriver remembers the types it has met: Azure's network types contain one another.
type deriver map[reflect.Type]*Schema

func (d deriver) object(t reflect.Type) *Schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := d[t]; ok {
		return s
	}
	s := &Schema{props: make(map[string]*prop, t.NumField())}
	d[t] = s
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("pulumi"), ",")
		if name == "" {
			continue
		}
		p := d.value(f.Type)
		// The generated types make optional values pointers; of lists and maps they do not
		// tell, and the SDK's own constructors check those.
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		default:
			p.required = true
		}
		s.props[name] = p
	}
	return s
}

func (d deriver) value(t reflect.Type) *prop {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return &prop{kind: reflect.Struct, object: d.object(t)}
	case reflect.Slice:
		return &prop{kind: reflect.Slice, elem: d.value(t.Elem())}
	case reflect.Map:
		return &prop{kind: reflect.Map, elem: d.value(t.Elem())}
	case reflect.String, reflect.Bool:
		return &prop{kind: t.Kind()}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return &prop{kind: reflect.Int}
	default:
		return &prop{kind: reflect.Interface}
	}
}

// Check reports everything that the schema does not allow. Values that are not known
// yet pass: they are checked again when they are.
func (s *Schema) Check(props resource.PropertyMap) []Failure {
	var found []Failure
	s.check("", props, &found)
	return found
}

func (s *Schema) check(path string, props resource.PropertyMap, found *[]Failure) {
	for _, key := range slices.Sorted(maps.Keys(props)) {
		name := string(key)
		if strings.HasPrefix(name, "__") {
			continue // the engine's own, e.g. __defaults
		}
		p, ok := s.props[name]
		if !ok {
			*found = append(*found, Failure{join(path, name), "unknown property; known: " + strings.Join(slices.Sorted(maps.Keys(s.props)), ", ")})
			continue
		}
		p.check(join(path, name), props[key], found)
	}
	for _, name := range slices.Sorted(maps.Keys(s.props)) {
		if v, ok := props[resource.PropertyKey(name)]; s.props[name].required && (!ok || v.IsNull()) {
			*found = append(*found, Failure{join(path, name), "missing required property"})
		}
	}
}

func (p *prop) check(path string, v resource.PropertyValue, found *[]Failure) {
	if v.IsSecret() {
		v = v.SecretValue().Element
	}
	if v.IsComputed() || v.IsNull() || p.kind == reflect.Interface {
		return
	}
	wrong := func(want string) {
		*found = append(*found, Failure{path, fmt.Sprintf("is %s, not %s", v.TypeString(), want)})
	}
	switch p.kind {
	case reflect.Struct:
		if !v.IsObject() {
			wrong("an object")
			return
		}
		p.object.check(path, v.ObjectValue(), found)
	case reflect.Slice:
		if !v.IsArray() {
			wrong("a list")
			return
		}
		for i, item := range v.ArrayValue() {
			p.elem.check(fmt.Sprintf("%s[%d]", path, i), item, found)
		}
	case reflect.Map:
		if !v.IsObject() {
			wrong("a map")
			return
		}
		for _, k := range slices.Sorted(maps.Keys(v.ObjectValue())) {
			p.elem.check(join(path, string(k)), v.ObjectValue()[k], found)
		}
	case reflect.String:
		if !v.IsString() {
			wrong("text")
		}
	case reflect.Bool:
		if !v.IsBool() {
			wrong("true or false")
		}
	default:
		if !v.IsNumber() {
			wrong("a number")
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
