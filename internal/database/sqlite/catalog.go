package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// catalog is the schema of a database with what capture needs to know beyond it.
type catalog struct {
	schema   *database.Schema
	tables   []table           // one per schema.Tables
	triggers map[string]string // lifeboat's own, as they are in the database: name to SQL
	problems []error           // what cannot be captured, by name
	warnings []string
}

// table is what triggers and scans need to know of one captured table.
type table struct {
	*database.Table
	rowid    string // a name for the rowid, "" in a WITHOUT ROWID table
	uniques  []unique
	defaults map[string]string // SQL of the defaults of not-null columns
}

// unique is one uniqueness constraint: the columns, or the index as it was written.
type unique struct {
	columns    []string // names; "" where there is an expression
	collations []string
	written    *indexText // not nil when there is an expression or a WHERE clause
}

// reserved begins the name of everything that is lifeboat's own.
const reserved = "lifeboat_"

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// quote makes an SQL identifier of any name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal makes an SQL text literal.
func literal(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

// object is one row of sqlite_schema.
type object struct{ kind, name, table, sql string }

// tableFlags are what PRAGMA table_list says of a table.
type tableFlags struct {
	kind                 string // table, view, virtual, shadow
	withoutRowid, strict bool
}

// readCatalog reads everything about the database that is not a row, in the caller's
// transaction. What cannot be captured ends up in problems, not in an error.
func readCatalog(c *capi.Conn) (*catalog, error) {
	cat := &catalog{schema: &database.Schema{Engine: "sqlite"}, triggers: map[string]string{}}
	objects, err := readObjects(c)
	if err != nil {
		return nil, err
	}
	flags, err := readTableFlags(c)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if err := cat.add(c, o, flags[strings.ToLower(o.name)]); err != nil {
			return nil, err
		}
	}
	cat.orderObjects()
	if cat.schema.Settings, err = readSettings(c); err != nil {
		return nil, err
	}
	for i := range cat.tables {
		cat.tables[i].Table = &cat.schema.Tables[i]
	}
	if err := cat.schema.Seal(); err != nil && len(cat.problems) == 0 {
		return nil, err
	}
	return cat, nil
}

func readObjects(c *capi.Conn) ([]object, error) {
	var objects []object
	err := c.Query("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid", func(s *capi.Stmt) error {
		objects = append(objects, object{s.Text(0), s.Text(1), s.Text(2), s.Text(3)})
		return nil
	})
	return objects, err
}

func readTableFlags(c *capi.Conn) (map[string]tableFlags, error) {
	flags := map[string]tableFlags{}
	err := c.Query("SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'", func(s *capi.Stmt) error {
		flags[strings.ToLower(s.Text(0))] = tableFlags{s.Text(1), s.Int64(2) != 0, s.Int64(3) != 0}
		return nil
	})
	return flags, err
}

func (cat *catalog) refuse(format string, args ...any) {
	cat.problems = append(cat.problems, fmt.Errorf(format, args...))
}

func (cat *catalog) add(c *capi.Conn, o object, flags tableFlags) error {
	switch {
	case hasPrefixFold(o.name, "sqlite_"):
		if hasPrefixFold(o.name, "sqlite_stat1") {
			cat.schema.Objects = append(cat.schema.Objects, database.Object{
				Kind: "statistics", Name: o.name, Phase: database.AfterLoad, SQL: "ANALYZE"})
		}
		return nil
	case hasPrefixFold(o.name, reserved):
		cat.addOwn(o)
		return nil
	case !utf8.ValidString(o.name) || !utf8.ValidString(o.sql):
		cat.refuse("%s %q: its statement is not valid UTF-8, so it cannot be stored as text", o.kind, o.name)
		return nil
	case o.kind != "table":
		cat.schema.Objects = append(cat.schema.Objects, database.Object{
			Kind: o.kind, Name: o.name, Table: o.table, Phase: database.AfterLoad, SQL: o.sql})
		if o.kind == "trigger" {
			cat.warnAboutTrigger(o)
		}
		return nil
	case flags.kind == "virtual":
		cat.refuse("virtual table %s: its content is not in rows that can be captured", quote(o.name))
		return nil
	case flags.kind == "shadow":
		cat.refuse("table %s belongs to a virtual table", quote(o.name))
		return nil
	}
	return cat.addTable(c, o, flags)
}

func (cat *catalog) addOwn(o object) {
	if o.kind == "trigger" {
		if ownTrigger(o.name) {
			cat.triggers[o.name] = o.sql
			return
		}
	} else if ownTable(o.name) {
		return
	}
	cat.refuse("%s %s: names beginning with %s are lifeboat's own; rename it", o.kind, quote(o.name), reserved)
}

// orderObjects puts indexes before views before triggers before statistics, each in the
// order of creation: an order that always works, and that VACUUM does not change.
func (cat *catalog) orderObjects() {
	var ordered []database.Object
	for _, kind := range []string{"index", "view", "trigger", "statistics"} {
		for _, o := range cat.schema.Objects {
			if o.Kind == kind {
				ordered = append(ordered, o)
			}
		}
	}
	cat.schema.Objects = ordered
}

// settings are the properties of a file that a restore reproduces.
var settings = [...]string{"page_size", "encoding", "auto_vacuum", "user_version", "application_id", "journal_mode"}

func readSettings(c *capi.Conn) (map[string]string, error) {
	values := make(map[string]string, len(settings))
	for _, name := range settings {
		err := c.Query("PRAGMA "+name, func(s *capi.Stmt) error { values[name] = s.Text(0); return nil })
		if err != nil {
			return nil, err
		}
	}
	if m := values["journal_mode"]; m != "wal" { // the others live in a connection, not in the file
		values["journal_mode"] = "delete"
	}
	return values, nil
}

// unsupported joins all problems into one error that names each.
func (cat *catalog) unsupported(path string) error {
	if len(cat.problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w:\n%w", path, database.ErrUnsupported, errors.Join(cat.problems...))
}
