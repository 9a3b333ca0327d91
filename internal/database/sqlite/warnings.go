package sqlite

import (
	"slices"
	"strings"
)

// warnAboutTrigger warns of a BEFORE trigger that changes the table it is on: SQLite
// calls what its statement then does undefined, and captured images may not match rows.
func (cat *catalog) warnAboutTrigger(o object) {
	tokens, err := tokenize(o.sql)
	if err != nil {
		return
	}
	before, body := false, false
	for i, t := range tokens {
		switch {
		case strings.EqualFold(t.text, "BEGIN"):
			body = true
		case !body && strings.EqualFold(t.text, "BEFORE"):
			before = true
		case body && before && sameName(t.text, o.table) && changes(tokens[:i]):
			cat.warnings = append(cat.warnings, "trigger "+quote(o.name)+" changes table "+quote(o.table)+
				" before a statement on it: SQLite leaves the outcome undefined, and the audit may find differences; make it an AFTER trigger")
			return
		}
	}
}

// changes tells whether the words before a table's name make a statement that changes it.
func changes(words []token) bool {
	n := len(words)
	switch strings.ToUpper(words[n-1].text) {
	case "UPDATE", "INTO", "IGNORE", "REPLACE", "ABORT", "FAIL", "ROLLBACK":
		return true
	case "FROM":
		return n > 1 && strings.EqualFold(words[n-2].text, "DELETE")
	}
	return false
}

// sameName compares a token with a name as SQLite does.
func sameName(tok, name string) bool {
	if len(tok) >= 2 && strings.ContainsRune("\"`'[", rune(tok[0])) {
		inner := tok[1 : len(tok)-1]
		if tok[0] != '[' {
			inner = strings.ReplaceAll(inner, tok[:1]+tok[:1], tok[:1])
		}
		tok = inner
	}
	return strings.EqualFold(tok, name)
}

func (cat *catalog) advice() []string {
	out := cat.concerns()
	for _, left := range cat.schema.NotCarried {
		out = append(out, "not carried in rows: "+left)
	}
	return out
}

// concerns are the warnings that are not about what is left out.
func (cat *catalog) concerns() []string {
	out := slices.Clone(cat.warnings)
	if cat.schema.Settings["journal_mode"] != "wal" {
		out = append(out, "journal mode is not WAL: while a snapshot reads, the application cannot commit; run PRAGMA journal_mode=WAL once")
	}
	return out
}
