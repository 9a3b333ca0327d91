package mssql

import (
	"fmt"
	"strings"
)

// object is a schema-scoped name as the catalog has it.
type object struct{ Schema, Name string }

// quote writes an identifier so that it can be nothing else.
func quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// literal writes a Unicode string literal.
func literal(s string) string { return "N'" + strings.ReplaceAll(s, "'", "''") + "'" }

// SQL is the two-part quoted name.
func (o object) SQL() string { return quote(o.Schema) + "." + quote(o.Name) }

// String is the name by which everything outside this package knows the object:
// schema.name, with a part in brackets when it would not be clear otherwise.
func (o object) String() string { return plainPart(o.Schema) + "." + plainPart(o.Name) }

func plainPart(s string) string {
	if s == "" || strings.ContainsAny(s, ".[]") {
		return quote(s)
	}
	return s
}

// parseObject undoes String.
func parseObject(s string) (object, error) {
	schema, rest, ok := cutPart(s)
	if ok && strings.HasPrefix(rest, ".") {
		if name, rest, ok := cutPart(rest[1:]); ok && rest == "" {
			if o := (object{schema, name}); o.String() == s {
				return o, nil
			}
		}
	}
	return object{}, fmt.Errorf("%q is not the name of an object: want schema.name", s)
}

func cutPart(s string) (part, rest string, ok bool) {
	if !strings.HasPrefix(s, "[") {
		i := strings.IndexByte(s, '.')
		if i < 0 {
			i = len(s)
		}
		return s[:i], s[i:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != ']' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != ']' {
			return b.String(), s[i+1:], true
		}
		b.WriteByte(']')
		i++
	}
	return "", "", false
}
