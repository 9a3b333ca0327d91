package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"lifeboat/internal/database/sqlite/capi"
)

// Finish implements database.Target. Calling it again after a crash anywhere goes on
// where it stopped.
func (t *Target) Finish(ctx context.Context, counters map[string]int64) error {
	if err := t.lock(); err != nil {
		return err
	}
	defer t.mu.Unlock()
	if err := t.finish(ctx, counters); err != nil {
		return fmt.Errorf("finish the restore into %s: %w", t.path, err)
	}
	return nil
}

func (t *Target) finish(ctx context.Context, counters map[string]int64) error {
	if t.schema == nil {
		return errNotBegun
	}
	var done string
	err := t.retry(ctx, func() (err error) { done, _, err = t.record("lifeboat_restore", "finished"); return err })
	if err != nil || done != "" {
		return t.explain(ctx, err)
	}
	if t.loader != nil {
		if err := t.loader.close(); err != nil {
			return err
		}
		t.loader = nil
	}
	if err := t.write(ctx, t.c, func() error { return t.complete(counters) }); err != nil {
		return err
	}
	return t.settle(ctx)
}

// complete makes everything that was left for after the load.
func (t *Target) complete(counters map[string]int64) error {
	if done, _, err := t.record("lifeboat_restore", "complete"); err != nil || done != "" {
		return err
	}
	if isPortable(t.schema) {
		encoded, err := json.Marshal(counters)
		if err != nil {
			return err
		}
		if err := t.setRecord("lifeboat_portable", "counters", string(encoded)); err != nil {
			return err
		}
		return t.setRecord("lifeboat_restore", "complete", "yes")
	}
	for _, o := range t.schema.Objects {
		if err := t.c.Exec(o.SQL); err != nil {
			return fmt.Errorf("create %s %s: %w", o.Kind, quote(o.Name), err)
		}
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
	return t.setRecord("lifeboat_restore", "complete", "yes")
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

// Check implements database.Target: it looks at the whole file. A broken file is an error;
// rows that break a rule of the schema are a warning, because the source had them so: SQLite
// enforces foreign keys only where a connection asked for it, and the state hashes prove
// that rows are the same.
//
// It reads in one transaction, whose begin waits for locks: whoever reads a file first after
// it was put in WAL mode locks everybody else out for a moment. Nothing does so afterwards.
func (t *Target) Check(ctx context.Context) error {
	return t.read(ctx, func(c *capi.Conn) error { return t.check(ctx, c) })
}

func (t *Target) check(ctx context.Context, c *capi.Conn) error {
	var broken, odd []string
	err := c.Query(fmt.Sprintf("PRAGMA quick_check(%d)", maxFindings), func(s *capi.Stmt) error {
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
	err = c.Query(`SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2`, func(s *capi.Stmt) error {
		odd = append(odd, fmt.Sprintf("%d rows of %s refer to rows of %s that do not exist", s.Int64(2), quote(s.Text(0)), quote(s.Text(1))))
		return nil
	})
	for _, finding := range odd {
		t.log.WarnContext(ctx, "restored rows break a rule of the schema, as they did at the source", "database", t.path, "finding", finding)
	}
	return err
}

// settle makes everything durable: a commit with synchronous on syncs the whole file,
// whatever was written to it before, and the folder's entry of it. Then the file gets
// the source's journal mode.
func (t *Target) settle(ctx context.Context) error {
	if err := t.c.Exec("PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	if err := t.write(ctx, t.c, func() error { return t.setRecord("lifeboat_restore", "finished", "yes") }); err != nil {
		return err
	}
	mode := "delete"
	if !isPortable(t.schema) && t.schema.Settings["journal_mode"] == "wal" {
		mode = "wal"
	}
	return t.explain(ctx, t.retry(ctx, func() error { return t.c.Exec("PRAGMA journal_mode = " + mode) }))
}

// portableCounters are the counters of a database that came from another engine, which
// has nothing in SQLite that counts.
func portableCounters(c *capi.Conn) (map[string]int64, error) {
	counters := map[string]int64{}
	err := c.Query("SELECT value FROM lifeboat_portable WHERE name = 'counters'", func(s *capi.Stmt) error {
		return json.Unmarshal(s.Bytes(0), &counters)
	})
	return counters, err
}
