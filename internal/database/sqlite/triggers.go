package sqlite

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"lifeboat/internal/database"
)

// MarkTransaction is the statement an application may run first in each of its
// transactions: the transaction then is one of its own in the log. Changes made without
// it belong to the mark before them.
const MarkTransaction = "UPDATE lifeboat_transaction SET mark = mark + 1"

// ownTriggers matches the names of lifeboat's triggers and yields the shape's number.
var ownTriggers = regexp.MustCompile(`^lifeboat_([0-9]+)_[a-z_]+$`)

// fencing matches the names of those that refuse writes.
var fencing = regexp.MustCompile(`^lifeboat_[0-9]+_fence_`)

func ownTrigger(name string) bool { return ownTriggers.MatchString(name) }

func ownTable(name string) bool {
	switch name {
	case "lifeboat_state", "lifeboat_transaction", "lifeboat_schema", "lifeboat_shapes",
		"lifeboat_changes", "lifeboat_lease",
		"lifeboat_restore", "lifeboat_units", "lifeboat_position", "lifeboat_portable":
		return true
	}
	return false
}

// trigger is one of lifeboat's triggers.
type trigger struct{ name, sql string }

// script writes the triggers of one table.
type script struct {
	table
	shape int64
	out   []trigger
}

// captureTriggers returns the triggers that capture t under the shape's number.
func captureTriggers(t table, shape int64) []trigger {
	s := &script{table: t, shape: shape}
	s.sight("before_insert", "BEFORE INSERT", "", "")
	s.sight("before_update", "BEFORE UPDATE", s.keysChanged(), s.isNotOld())
	s.add("insert", "AFTER INSERT", "", s.record(opInsert, "NEW"))
	s.add("update", "AFTER UPDATE", "", s.record(opDelete, "OLD"), s.record(opInsert, "NEW"))
	s.add("delete", "AFTER DELETE", "", s.record(opDelete, "OLD"))
	return s.out
}

// fenceTriggers returns the triggers that refuse every write to t.
func fenceTriggers(t table, shape int64, reason string) []trigger {
	s := &script{table: t, shape: shape}
	refuse := "SELECT RAISE(ABORT, " + literal("this database is fenced by lifeboat and refuses writes: "+reason) + ")"
	for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
		s.add("fence_"+strings.ToLower(event), "BEFORE "+event, "", refuse)
	}
	return s.out
}

func (s *script) add(suffix, event, when string, statements ...string) {
	name := fmt.Sprintf("%s%d_%s", reserved, s.shape, suffix)
	if when != "" {
		when = " WHEN " + when
	}
	s.out = append(s.out, trigger{name, fmt.Sprintf("CREATE TRIGGER %s %s ON %s%s BEGIN %s; END",
		name, event, quote(s.Name), when, strings.Join(statements, "; "))})
}

// changeColumns lists the positional columns of n values.
func changeColumns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", c%d", i+1)
	}
	return b.String()
}

// hidden tells whether the table has a row id that is not one of its columns.
func (s *script) hidden() bool {
	return s.rowid != "" && !slices.ContainsFunc(s.Columns, func(c database.Column) bool { return c.Name == s.rowid })
}

// values lists what is stored of a row called NEW, OLD or by its table's name.
func (s *script) values(row string) string {
	var b strings.Builder
	if s.hidden() {
		b.WriteString(", " + row + "." + quote(s.rowid))
	}
	for _, c := range s.Columns {
		b.WriteString(", " + row + "." + quote(c.Name))
	}
	return b.String()
}

// record stores one image. julianday('now') has millisecond steps, is the same within a
// statement, and exists in every SQLite an application may have.
func (s *script) record(op int, row string) string {
	return s.into() + fmt.Sprintf("VALUES (%d, %s, %d%s)", s.shape, nowAndMark, op, s.values(row))
}

const nowAndMark = "(SELECT mark FROM lifeboat_transaction), julianday('now')"

func (s *script) into() string {
	rid := ""
	if s.hidden() {
		rid = ", rid"
	}
	return "INSERT INTO lifeboat_changes (shape, tx, at, op" + rid + changeColumns(len(s.Columns)) + ") "
}

// sight stores the rows that stand in the way of NEW. Whether REPLACE then removed
// them the reader finds out: see resolve.
func (s *script) sight(suffix, event, guard, also string) {
	var exists []string
	statements := []string{"UPDATE lifeboat_transaction SET seen = coalesce(seen, (SELECT max(change_id) FROM lifeboat_changes))"}
	for _, o := range s.obstacles(also) {
		exists = append(exists, "EXISTS (SELECT 1 FROM "+quote(s.Name)+" WHERE "+o+")")
		statements = append(statements, s.into()+fmt.Sprintf("SELECT %d, %s, %d%s FROM %s WHERE %s",
			s.shape, nowAndMark, opSeen, s.values(quote(s.Name)), quote(s.Name), o))
	}
	when := "(" + strings.Join(exists, " OR ") + ")"
	if guard != "" {
		when = guard + " AND " + when
	}
	s.add(suffix, event, when, statements...)
}

// obstacles are, one for each uniqueness constraint, the conditions under which a row of
// the table stands in the way of NEW; also holds for each. A row too many does no harm.
func (s *script) obstacles(also string) []string {
	var all []string
	for _, u := range s.uniques {
		var terms []string
		for i, column := range u.columns {
			if column != "" {
				terms = append(terms, s.equal(column, u.collations[i]))
				continue
			}
			text := u.written.terms[i]
			terms = append(terms, "("+text+") = "+s.ofNew(text))
		}
		if u.written != nil && u.written.where != "" {
			terms = append(terms, "("+u.written.where+")")
		}
		if also != "" {
			terms = append(terms, also)
		}
		all = append(all, strings.Join(terms, " AND "))
	}
	return all
}

// equal compares a column of the table with the same column of NEW as the index does.
// Row ids have no collation. Where NULL is not allowed REPLACE puts the default.
func (s *script) equal(column, collation string) string {
	e := quote(s.Name) + "." + quote(column) + " = "
	if column == s.rowid {
		return e + "NEW." + quote(column)
	}
	if d, ok := s.defaults[column]; ok {
		return e + "coalesce(NEW." + quote(column) + ", " + d + ") COLLATE " + collation
	}
	return e + "NEW." + quote(column) + " COLLATE " + collation
}

// ofNew evaluates an expression of an index for the row NEW.
func (s *script) ofNew(expression string) string {
	var b strings.Builder
	for i, c := range s.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("NEW." + quote(c.Name) + " AS " + quote(c.Name))
	}
	return "(SELECT " + expression + " FROM (SELECT " + b.String() + ") AS " + quote(s.Name) + ")"
}

// isNotOld leaves the row that is being updated out.
func (s *script) isNotOld() string {
	if s.rowid != "" {
		return quote(s.Name) + "." + quote(s.rowid) + " <> OLD." + quote(s.rowid)
	}
	return "NOT (" + s.keyEqual(quote(s.Name)+".", "OLD.") + ")"
}

// keysChanged is true when an UPDATE changes what a conflict may depend on; "" when that
// cannot be told by column.
func (s *script) keysChanged() string {
	var changed []string
	seen := map[string]bool{}
	for _, u := range s.uniques {
		if u.written != nil {
			return ""
		}
		for _, c := range u.columns {
			if !seen[c] {
				seen[c] = true
				changed = append(changed, "OLD."+quote(c)+" IS NOT NEW."+quote(c)+" COLLATE BINARY")
			}
		}
	}
	return "(" + strings.Join(changed, " OR ") + ")"
}

func (s *script) keyEqual(a, b string) string {
	var terms []string
	for _, k := range s.Key {
		name := quote(s.Columns[k].Name)
		terms = append(terms, a+name+" = "+b+name+" COLLATE "+s.collation(k))
	}
	return strings.Join(terms, " AND ")
}

// collation of a key column of a WITHOUT ROWID table, whose primary key may have one
// that differs from the column's.
func (s *script) collation(k int) string {
	for _, u := range s.uniques {
		if len(u.columns) != len(s.Key) || u.written != nil {
			continue
		}
		for i, c := range u.columns {
			if c == s.Columns[k].Name {
				return u.collations[i]
			}
		}
	}
	return "BINARY"
}
