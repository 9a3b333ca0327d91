package native

import (
	"fmt"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// inputs maps the input interfaces that arguments are declared with to what they
// resolve to.
var inputs = map[reflect.Type]reflect.Type{
	reflect.TypeFor[pulumi.StringInput]():      reflect.TypeFor[string](),
	reflect.TypeFor[pulumi.BoolInput]():        reflect.TypeFor[bool](),
	reflect.TypeFor[pulumi.IntInput]():         reflect.TypeFor[int](),
	reflect.TypeFor[pulumi.StringMapInput]():   reflect.TypeFor[map[string]string](),
	reflect.TypeFor[pulumi.StringArrayInput](): reflect.TypeFor[[]string](),
}

// plain derives from an arguments structure the resolved structure that the engine's
// marshaller asks for: the same fields, resolved; pointers unless the tag says
// need:"yes". Generated SDKs write that twin out by hand for every structure.
func plain(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.PointerTo(plain(t.Elem()))
	case reflect.Slice:
		return reflect.SliceOf(plain(t.Elem()))
	case reflect.Map:
		return reflect.MapOf(t.Key(), plain(t.Elem()))
	case reflect.Interface:
		resolved, ok := inputs[t]
		if !ok {
			panic(fmt.Sprintf("no resolved type for %v", t)) // a declaration in this package is wrong
		}
		return resolved
	case reflect.Struct:
		fields := make([]reflect.StructField, 0, t.NumField())
		for f := range t.Fields() {
			r := plain(f.Type)
			switch {
			case f.Tag.Get("need") == "yes" && r.Kind() == reflect.Pointer:
				r = r.Elem()
			case f.Tag.Get("need") != "yes" && r.Kind() != reflect.Pointer && r.Kind() != reflect.Map && r.Kind() != reflect.Slice:
				r = reflect.PointerTo(r)
			}
			fields = append(fields, reflect.StructField{Name: f.Name, Type: r, Tag: f.Tag})
		}
		return reflect.StructOf(fields)
	default:
		panic(fmt.Sprintf("no resolved type for %v", t))
	}
}
