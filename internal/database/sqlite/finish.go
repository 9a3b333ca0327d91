package sqlite

import (
	"context"
	"fmt"
	"strings"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// Finish implements database.Target.
func (t *Target) Finish(ctx context.Context, counters map[string]int64) error {
	err := t.transact(ctx, func() error {
		if t.schema == nil {
			return fmt.Errorf("no restore has been begun in it")
		}
		if _, done, err := t.record("finished"); err != nil || done {
			return err
		}
		if err := t.createObjects(); err != nil {
			return err
		}
		if err := t.reseed(counters); err != nil {
			return err
		}
		for _, name := range []string{"user_version", "application_id"} {
			if value, ok := t.schema.Settings[name]; ok {
				if err := t.c.Exec("PRAGMA " + name + " = " + value); err != nil {
					return err
				}
			}
		}
		if err := t.check(ctx); err != nil {
			return err
		}
		return t.setRecord("finished", "yes")
	})
	if err != nil {
		return fmt.Errorf("finish the restore into %s: %w", t.path, err)
	}
	return t.settle(ctx)
}

func (t *Target) createObjects() error {
	for _, o := range t.schema.Objects {
		if err := t.c.Exec(o.SQL); err != nil {
			return fmt.Errorf("create %s %s: %w", o.Kind, quote(o.Name), err)
		}
	}
	return nil
}

// reseed makes sure that no id is handed out twice: a counter never goes back behind
// rows that were loaded.
func (t *Target) reseed(counters map[string]int64) error {
	for name, last := range counters {
		if t.schema.Table(name) == nil {
			return fmt.Errorf("there is a counter for table %s, but no such table", name)
		}
		if err := t.c.Exec("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1", name, last); err != nil {
			return err
		}
		if t.c.Changes() > 0 {
			continue
		}
		if err := t.c.Exec("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", name, last); err != nil {
			return err
		}
	}
	return nil
}

// maxFindings bounds what one message lists.
const maxFindings = 10

// check looks at the finished file. A broken file is an error; rows that break a rule of
// the schema are a warning, because the source had them so: SQLite enforces foreign keys
// only where a connection asked for it, and the state hashes prove that rows are the same.
func (t *Target) check(ctx context.Context) error {
	var broken, odd []string
	err := t.c.Query(fmt.Sprintf("PRAGMA quick_check(%d)", maxFindings), func(s *capi.Stmt) error {
		line := s.Text(0)
		switch {
		case line == "ok":
		case strings.HasPrefix(line, "CHECK constraint failed"), strings.HasPrefix(line, "NULL value in"):
			odd = append(odd, line)
		default:
			broken = append(broken, line)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(broken) > 0 {
		return fmt.Errorf("%w: %s; delete the file and restore again", ErrDamaged, strings.Join(broken, "; "))
	}
	err = t.c.Query(`SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2`, func(s *capi.Stmt) error {
		odd = append(odd, fmt.Sprintf("%d rows of %s refer to rows of %s that do not exist", s.Int64(2), quote(s.Text(0)), quote(s.Text(1))))
		return nil
	})
	for _, finding := range odd {
		t.log.WarnContext(ctx, "restored rows break a rule of the schema, as they did at the source", "database", t.path, "finding", finding)
	}
	return err
}

// settle makes everything durable and leaves the file in the source's journal mode.
func (t *Target) settle(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	mode := "delete"
	if t.schema.Engine == "sqlite" && t.schema.Settings["journal_mode"] == "wal" {
		mode = "wal"
	}
	for _, sql := range []string{"PRAGMA synchronous = FULL", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = " + mode} {
		if err := t.explain(ctx, t.retry(ctx, func() error { return t.c.Exec(sql) })); err != nil {
			return err
		}
	}
	return nil
}

// createTable is the statement that makes one table.
func createTable(s *database.Schema, t *database.Table) string { return t.SQL }

// insertRow is the statement that inserts one row. OR ABORT overrides conflict clauses
// of the table: nothing may be replaced or ignored.
func insertRow(t *database.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quote(c.Name)
	}
	return "INSERT OR ABORT INTO " + quote(t.Name) + " (" + strings.Join(names, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(names)-1) + ")"
}

// encoder binds canonical rows of one table.
type encoder struct{ columns int }

func (t *Target) encoder(table *database.Table) encoder { return encoder{len(table.Columns)} }

// insert binds a row to parameters 1, 2, … and runs the statement.
func (e encoder) insert(s *capi.Stmt, row []byte) error {
	s.Reserve(len(row))
	for i := range e.columns {
		v, rest, err := database.Next(row)
		if err == nil {
			row, err = rest, e.bind(s, i+1, i, v)
		}
		if err != nil {
			return err
		}
	}
	if len(row) > 0 {
		return fmt.Errorf("%w: %d bytes after the last column", database.ErrRow, len(row))
	}
	_, err := s.Step()
	return err
}

// bind binds the value of a column to a parameter.
func (e encoder) bind(s *capi.Stmt, parameter, _ int, v database.Value) error {
	return bindValue(s, parameter, v)
}
