package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lifeboat/internal/workload"
)

// Describe reads the application's tables from SQLite's own catalog.
func (d *Dialect) Describe(ctx context.Context, db *sql.DB) (*workload.Model, error) {
	m := &workload.Model{}
	err := each(ctx, db, `SELECT name, wr FROM pragma_table_list
		WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'lifeboat_*' ORDER BY name`,
		nil, func(scan func(...any) error) error {
			var name string
			var withoutRowid bool
			if err := scan(&name, &withoutRowid); err != nil {
				return err
			}
			m.Tables = append(m.Tables, workload.Table{Name: name, AutoKey: !withoutRowid})
			return nil
		})
	if err != nil {
		return nil, err
	}
	for i := range m.Tables {
		t := &m.Tables[i]
		if err := describeTable(ctx, db, t); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	for i := range m.Tables { // after all tables are known: a key may be implied
		if err := describeForeign(ctx, db, m, &m.Tables[i]); err != nil {
			return nil, fmt.Errorf("foreign keys of table %s: %w", m.Tables[i].Name, err)
		}
	}
	return m, describeTriggers(ctx, db, m)
}

func each(ctx context.Context, db *sql.DB, query string, args []any, row func(scan func(...any) error) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

var length = regexp.MustCompile(`CHAR[A-Z ]*\( *([0-9]+) *\)`)

// kindOf follows the rules of column affinity (https://sqlite.org/datatype3.html#affname),
// after looking for the dates that SQLite itself does not know.
func kindOf(declared string) workload.Kind {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(declared, w) })
	}
	switch {
	case has("DATE", "TIME"):
		return workload.Moment
	case has("INT"):
		return workload.Integer
	case has("CHAR", "CLOB", "TEXT"):
		return workload.Text
	case has("BLOB"):
		return workload.Bytes
	case has("REAL", "FLOA", "DOUBLE", "NUM", "DEC"):
		return workload.Number
	}
	return workload.Other
}

func describeTable(ctx context.Context, db *sql.DB, t *workload.Table) error {
	var position []int // of each column in the primary key, from 1
	var declared []string
	err := each(ctx, db, `SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid`,
		[]any{t.Name}, func(scan func(...any) error) error {
			var name, kind string
			var notNull bool
			var pk, hidden int
			if err := scan(&name, &kind, &notNull, &pk, &hidden); err != nil {
				return err
			}
			c := workload.Column{Name: name, Kind: kindOf(strings.ToUpper(kind)), Nullable: !notNull, ReadOnly: hidden != 0}
			if m := length.FindStringSubmatch(strings.ToUpper(kind)); m != nil {
				c.MaxLen, _ = strconv.Atoi(m[1]) // a length beyond any int is no limit
			}
			t.Columns = append(t.Columns, c)
			position = append(position, pk)
			declared = append(declared, strings.ToUpper(kind))
			return nil
		})
	if err != nil {
		return err
	}
	for n := 1; n <= len(position); n++ {
		if i := slices.Index(position, n); i >= 0 {
			t.Key = append(t.Key, i)
		}
	}
	// Only a single column declared exactly INTEGER stands for the row id.
	t.AutoKey = t.AutoKey && len(t.Key) == 1 && declared[t.Key[0]] == "INTEGER"
	return describeUniques(ctx, db, t)
}

func describeUniques(ctx context.Context, db *sql.DB, t *workload.Table) error {
	var names []string
	err := each(ctx, db, `SELECT name FROM pragma_index_list(?1) WHERE "unique" AND origin <> 'pk' ORDER BY seq DESC`,
		[]any{t.Name}, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			names = append(names, name)
			return err
		})
	if err != nil {
		return err
	}
	for _, name := range names {
		var columns []int
		err := each(ctx, db, `SELECT cid FROM pragma_index_xinfo(?1) WHERE "key" ORDER BY seqno`,
			[]any{name}, func(scan func(...any) error) error {
				var c int
				err := scan(&c)
				columns = append(columns, c)
				return err
			})
		if err != nil {
			return err
		}
		// An expression (negative) is left to trial and error.
		if !slices.ContainsFunc(columns, func(c int) bool { return c < 0 }) {
			t.Uniques = append(t.Uniques, columns)
		}
	}
	if len(t.Key) > 0 {
		return nil
	}
	for _, u := range t.Uniques {
		if !slices.ContainsFunc(u, func(c int) bool { return t.Columns[c].Nullable }) {
			t.Key = u
			return nil
		}
	}
	return fmt.Errorf("it has no key")
}

func describeForeign(ctx context.Context, db *sql.DB, m *workload.Model, t *workload.Table) error {
	at := map[int]int{}
	return each(ctx, db, `SELECT id, "table", "from", "to", on_delete FROM pragma_foreign_key_list(?1) ORDER BY id, seq`,
		[]any{t.Name}, func(scan func(...any) error) error {
			var id int
			var parentName, from, action string
			var to sql.NullString
			if err := scan(&id, &parentName, &from, &to, &action); err != nil {
				return err
			}
			parent := tableLike(m, parentName)
			if parent == nil {
				return fmt.Errorf("%s refers to table %s, which does not exist", from, parentName)
			}
			if _, known := at[id]; !known {
				at[id] = len(t.Foreign)
				t.Foreign = append(t.Foreign, workload.ForeignKey{Parent: parent.Name, OnDelete: actionOf(action)})
			}
			f := &t.Foreign[at[id]]
			child := columnLike(t, from)
			target := -1
			if to.Valid {
				target = columnLike(parent, to.String)
			} else if len(f.Columns) < len(parent.Key) {
				target = parent.Key[len(f.Columns)]
			}
			if child < 0 || target < 0 {
				return fmt.Errorf("%s refers to a column of %s that does not exist", from, parentName)
			}
			f.Columns, f.ParentColumns = append(f.Columns, child), append(f.ParentColumns, target)
			return nil
		})
}

func actionOf(sql string) workload.Action {
	switch sql {
	case "CASCADE":
		return workload.Cascade
	case "SET NULL":
		return workload.SetNull
	case "SET DEFAULT":
		return workload.SetDefault
	}
	return workload.Refuse
}

// SQLite compares names without regard to ASCII case.
func tableLike(m *workload.Model, name string) *workload.Table {
	for i := range m.Tables {
		if strings.EqualFold(m.Tables[i].Name, name) {
			return &m.Tables[i]
		}
	}
	return nil
}

func columnLike(t *workload.Table, name string) int {
	return slices.IndexFunc(t.Columns, func(c workload.Column) bool { return strings.EqualFold(c.Name, name) })
}

// describeTriggers marks the tables that a trigger may write to besides its own row:
// those that its text names, its own only when it is named again after ON.
func describeTriggers(ctx context.Context, db *sql.DB, m *workload.Model) error {
	return each(ctx, db, `SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'trigger' AND name NOT GLOB 'lifeboat_*'`,
		nil, func(scan func(...any) error) error {
			var on, text string
			if err := scan(&on, &text); err != nil {
				return err
			}
			for i := range m.Tables {
				t := &m.Tables[i]
				word := regexp.MustCompile(`(?i)(^|[^\pL\pN_])` + regexp.QuoteMeta(t.Name) + `($|[^\pL\pN_])`)
				allowed := 0
				if strings.EqualFold(t.Name, on) {
					allowed = 1
				}
				if len(word.FindAllString(text, allowed+1)) > allowed {
					t.Triggered = true
				}
			}
			return nil
		})
}
