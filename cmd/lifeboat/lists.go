package main

import (
	"encoding"
	"encoding/json"
	"reflect"
)

// withLists is v with an empty list wherever it has none: a list in JSON is never null, so
// that whoever reads it can go through it. What v points to is changed too.
func withLists(v any) any {
	if v == nil {
		return nil
	}
	own := reflect.New(reflect.TypeOf(v)).Elem()
	own.Set(reflect.ValueOf(v))
	fillLists(own)
	return own.Interface()
}

func fillLists(v reflect.Value) {
	if ownWords(v.Type()) || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() && v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		for i := range v.Len() {
			fillLists(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fillLists(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fillLists(v.Field(i))
			}
		}
	}
}

// ownWords tells whether a type says itself how it is written.
func ownWords(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}
