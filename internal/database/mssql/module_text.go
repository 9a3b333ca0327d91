package mssql

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The text of a module keeps the name it was created under: sp_rename changes the
// catalog only. renamed puts the catalog's names into the header, and leaves the rest as
// it is, to the byte.

var errHeader = errors.New("the text does not begin as its kind of object does; recreate it, then try again")

// header is the place of the names in a module's text.
type header struct {
	name, parent span // parent: of a trigger on a table
	create       span // CREATE, or CREATE OR ALTER, or ALTER
}

type span struct{ from, to int }

// renamed returns definition with the object's and, for a trigger, its parent's name as
// the catalog has them (quoted; parent "" = leave).
func renamed(definition string, kind string, o object, parent string) (string, error) {
	h, err := parseHeader(definition, kind)
	if err != nil {
		return "", fmt.Errorf("%s: %w", o, err)
	}
	out := definition
	if kind == "TR" && parent != "" && !sameName(definition[h.parent.from:h.parent.to], parent) {
		out = out[:h.parent.from] + parent + out[h.parent.to:]
	}
	if !sameName(definition[h.name.from:h.name.to], o.SQL()) {
		out = out[:h.name.from] + o.SQL() + out[h.name.to:]
	}
	out = out[:h.create.from] + "CREATE" + out[h.create.to:]
	// Read it back: a text that never was T-SQL could join what follows to the new name.
	if h, err = parseHeader(out, kind); err != nil || !sameName(out[h.name.from:h.name.to], o.SQL()) {
		return "", fmt.Errorf("%s: %w", o, errHeader)
	}
	return out, nil
}

// sameName compares a name as written, with or without brackets, quotes and schema, with
// the quoted two-part name. Case counts: a text that differs only there is replaced too.
func sameName(written, quoted string) bool {
	parts := nameParts(written)
	want := nameParts(quoted)
	if len(parts) == 0 || len(parts) > 2 || len(want) != 2 {
		return false
	}
	if len(parts) == 1 {
		return false // without a schema it would be made in the default one
	}
	return parts[0] == want[0] && parts[1] == want[1]
}

func nameParts(s string) []string {
	t := tokens{text: s}
	var parts []string
	for {
		tok := t.next()
		switch {
		case tok.from == tok.to:
			return parts
		case s[tok.from:tok.to] == ".":
		default:
			parts = append(parts, unquoted(s[tok.from:tok.to]))
		}
	}
}

func unquoted(s string) string {
	switch {
	case strings.HasPrefix(s, "["):
		return strings.ReplaceAll(s[1:len(s)-1], "]]", "]")
	case strings.HasPrefix(s, `"`):
		return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
	}
	return s
}

func parseHeader(text, kind string) (header, error) {
	var h header
	t := tokens{text: text}
	first := t.next()
	h.create = first
	switch {
	case t.is(first, "ALTER"):
	case !t.is(first, "CREATE"):
		return h, errHeader
	}
	word := t.next()
	if t.is(word, "OR") {
		alter := t.next()
		if !t.is(alter, "ALTER") {
			return h, errHeader
		}
		h.create.to = alter.to
		word = t.next()
	}
	if !t.isAny(word, headerWords(kind)) {
		return h, errHeader
	}
	var ok bool
	if h.name, ok = t.name(); !ok {
		return h, errHeader
	}
	if kind != "TR" {
		return h, nil
	}
	if !t.is(t.next(), "ON") {
		return h, errHeader
	}
	if h.parent, ok = t.name(); !ok {
		return h, errHeader
	}
	return h, nil
}

func headerWords(kind string) []string {
	switch kind {
	case "V":
		return []string{"VIEW"}
	case "P":
		return []string{"PROCEDURE", "PROC"}
	case "TR":
		return []string{"TRIGGER"}
	}
	return []string{"FUNCTION"}
}

// tokens reads the words, quoted names and signs of T-SQL text, without comments.
type tokens struct {
	text string
	at   int
}

func (t *tokens) is(s span, word string) bool { return strings.EqualFold(t.text[s.from:s.to], word) }

func (t *tokens) isAny(s span, words []string) bool {
	for _, w := range words {
		if t.is(s, w) {
			return true
		}
	}
	return false
}

// name reads a.b.c as one span.
func (t *tokens) name() (span, bool) {
	first := t.next()
	if first.from == first.to {
		return first, false
	}
	whole := first
	for {
		back := t.at
		dot := t.next()
		if dot.from == dot.to || t.text[dot.from:dot.to] != "." {
			t.at = back
			return whole, true
		}
		part := t.next()
		if part.from == part.to {
			return whole, false
		}
		whole.to = part.to
	}
}

// next is the next token; empty at the end of the text.
func (t *tokens) next() span {
	t.skip()
	from := t.at
	if from >= len(t.text) {
		return span{from, from}
	}
	switch c := t.text[from]; c {
	case '[', '"':
		if !t.quoted(c) {
			return span{t.at, t.at} // never closed: nothing of use follows
		}
	default:
		t.word()
	}
	return span{from, t.at}
}

func (t *tokens) quoted(open byte) bool {
	end := open
	if open == '[' {
		end = ']'
	}
	for t.at++; t.at < len(t.text); t.at++ {
		if t.text[t.at] != end {
			continue
		}
		if t.at+1 < len(t.text) && t.text[t.at+1] == end {
			t.at++
			continue
		}
		t.at++
		return true
	}
	return false
}

func (t *tokens) word() {
	from := t.at
	for t.at < len(t.text) {
		r, n := utf8.DecodeRuneInString(t.text[t.at:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_@#$", r) {
			if t.at == from {
				t.at += n // a sign stands alone
			}
			return
		}
		t.at += n
	}
}

// skip passes space and comments; block comments nest.
func (t *tokens) skip() {
	for t.at < len(t.text) {
		rest := t.text[t.at:]
		switch {
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest) - 1
			}
			t.at += end + 1
		case strings.HasPrefix(rest, "/*"):
			t.comment()
		case rest[0] <= ' ' || strings.HasPrefix(rest, "\u00a0") || strings.HasPrefix(rest, "\ufeff"):
			t.at++
			for t.at < len(t.text) && t.text[t.at]&0xc0 == 0x80 {
				t.at++
			}
		default:
			return
		}
	}
}

func (t *tokens) comment() {
	depth := 0
	for t.at < len(t.text) {
		rest := t.text[t.at:]
		switch {
		case strings.HasPrefix(rest, "/*"):
			depth++
			t.at += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			t.at += 2
		default:
			t.at++
		}
		if depth == 0 {
			return
		}
	}
}
