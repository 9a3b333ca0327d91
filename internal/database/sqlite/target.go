package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"sync"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// Target is a database that a restore fills; it implements database.Target and
// database.Replayer. SQLite has one writer at a time, so Workers is 1 and calls wait for
// each other.
type Target struct {
	file
	log   *slog.Logger
	cache int64 // bytes

	mu     sync.Mutex // one writer; guards what follows
	c      *capi.Conn
	schema *database.Schema
}

var (
	_ database.Target   = (*Target)(nil)
	_ database.Replayer = (*Target)(nil)
)

// OpenTarget opens the database at path for a restore, creating the file if it is
// absent. Its folder must exist.
func OpenTarget(ctx context.Context, path string, o Options) (*Target, error) {
	o = o.withDefaults()
	f, err := newFile(path, o, capi.Create)
	if err != nil {
		return nil, err
	}
	t := &Target{file: file{path: f.path, wait: f.wait, mode: f.mode}, log: o.Log, cache: o.CacheBytes}
	if t.c, err = t.conn(); err != nil {
		return nil, err
	}
	if err := t.prepare(ctx); err != nil {
		return nil, errors.Join(t.explain(ctx, err), t.Close())
	}
	return t, nil
}

// targetTables hold the restore's own records.
var targetTables = [...]string{
	`CREATE TABLE lifeboat_restore (name TEXT PRIMARY KEY, value) WITHOUT ROWID`,
	`CREATE TABLE lifeboat_units (unit TEXT PRIMARY KEY, loaded INTEGER NOT NULL) WITHOUT ROWID`,
}

// prepare sets the connection up and reads an earlier restore's schema.
func (t *Target) prepare(ctx context.Context) error {
	for _, sql := range []string{
		"PRAGMA foreign_keys = OFF",
		"PRAGMA ignore_check_constraints = ON",
		fmt.Sprintf("PRAGMA cache_size = -%d", t.cache/1024),
		"PRAGMA synchronous = NORMAL",
	} {
		if err := t.c.Exec(sql); err != nil {
			return err
		}
	}
	if err := t.c.EnableTriggers(false); err != nil {
		return err
	}
	return t.retry(ctx, func() error {
		json, ok, err := t.record("schema")
		if err == nil && ok {
			t.schema, err = database.DecodeSchema([]byte(json))
		}
		return err
	})
}

// record reads one of the restore's own records; ok is false if there is none.
func (t *Target) record(name string) (value string, ok bool, err error) {
	var has bool
	err = t.c.Query("SELECT 1 FROM sqlite_schema WHERE name = 'lifeboat_restore'", func(*capi.Stmt) error { has = true; return nil })
	if err != nil || !has {
		return "", false, err
	}
	err = t.c.Query("SELECT value FROM lifeboat_restore WHERE name = ?", func(s *capi.Stmt) error {
		value, ok = s.Text(0), true
		return nil
	}, name)
	return value, ok, err
}

func (t *Target) setRecord(name, value string) error {
	return t.c.Exec("INSERT OR REPLACE INTO lifeboat_restore VALUES (?, ?)", name, value)
}

// Close ends use of the target; what was committed stays.
func (t *Target) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.close()
	if t.c != nil {
		err = errors.Join(err, t.c.Close())
		t.c = nil
	}
	return err
}

// transact runs fn in one write transaction on the target's writer.
func (t *Target) transact(ctx context.Context, fn func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.c == nil {
		return fmt.Errorf("%s: %w", t.path, errClosed)
	}
	return t.write(ctx, t.c, fn)
}

// Begin implements database.Target.
func (t *Target) Begin(ctx context.Context, plan string, schema *database.Schema) error {
	if err := t.format(ctx, schema); err != nil {
		return err
	}
	return t.transact(ctx, func() error {
		known, resumed, err := t.record("plan")
		if err != nil {
			return err
		}
		if resumed {
			return t.resume(known, plan)
		}
		objects, err := readObjects(t.c)
		if err != nil {
			return err
		}
		if len(objects) > 0 {
			return fmt.Errorf("%s: %w: it has %s %s; restore into a new file", t.path, database.ErrNotEmpty, objects[0].kind, quote(objects[0].name))
		}
		return t.create(plan, schema)
	})
}

func (t *Target) resume(known, plan string) error {
	if known != plan {
		return fmt.Errorf("%s: %w: it holds another restore (%s); restore into a new file, or finish that one", t.path, database.ErrNotEmpty, known)
	}
	return nil
}

// format sets what must be set before the first table exists. It does nothing to a
// database that has one.
func (t *Target) format(ctx context.Context, schema *database.Schema) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.c == nil {
		return fmt.Errorf("%s: %w", t.path, errClosed)
	}
	return t.explain(ctx, t.retry(ctx, func() error {
		objects, err := readObjects(t.c)
		if err != nil || len(objects) > 0 {
			return err
		}
		if schema.Engine == "sqlite" {
			for _, name := range []string{"page_size", "encoding", "auto_vacuum"} {
				if value, ok := schema.Settings[name]; ok {
					if err := t.c.Exec("PRAGMA " + name + " = " + literal(value)); err != nil {
						return err
					}
				}
			}
		}
		return t.c.Exec("PRAGMA journal_mode = WAL")
	}))
}

func (t *Target) create(plan string, schema *database.Schema) error {
	json, err := schema.Encode()
	if err != nil {
		return err
	}
	own, err := database.DecodeSchema(json) // a copy that is sealed and nobody else changes
	if err != nil {
		return err
	}
	for _, sql := range targetTables {
		if err := t.c.Exec(sql); err != nil {
			return err
		}
	}
	for i := range own.Tables {
		if err := t.c.Exec(createTable(own, &own.Tables[i])); err != nil {
			return fmt.Errorf("create table %s: %w", own.Tables[i].Name, err)
		}
	}
	if err := t.setRecord("schema", string(json)); err != nil {
		return err
	}
	if err := t.setRecord("plan", plan); err != nil {
		return err
	}
	t.schema = own
	return nil
}

// Loaded implements database.Target.
func (t *Target) Loaded(ctx context.Context) (map[string]int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.c == nil {
		return nil, fmt.Errorf("%s: %w", t.path, errClosed)
	}
	units := map[string]int64{}
	err := t.retry(ctx, func() error {
		if _, ok, err := t.record("plan"); err != nil || !ok {
			return err
		}
		return t.c.Query("SELECT unit, loaded FROM lifeboat_units", func(s *capi.Stmt) error {
			units[s.Text(0)] = s.Int64(1)
			return nil
		})
	})
	return units, t.explain(ctx, err)
}

// Workers implements database.Target.
func (t *Target) Workers() int { return 1 }

// Load implements database.Target.
func (t *Target) Load(ctx context.Context, unit string, table *database.Table, rows iter.Seq2[[]byte, error]) (int64, error) {
	var n int64
	err := t.transact(ctx, func() (err error) {
		if t.schema == nil || t.schema.Table(table.Name) == nil {
			return fmt.Errorf("table %s is not part of the restore that was begun", table.Name)
		}
		if n, err = t.load(ctx, t.schema.Table(table.Name), rows); err != nil {
			return err
		}
		err = t.c.Exec("INSERT INTO lifeboat_units VALUES (?, ?)", unit, n)
		if capi.Code(err) == capi.Constraint {
			return fmt.Errorf("unit %s was loaded before", unit)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("load %s into table %s: %w", unit, table.Name, err)
	}
	return n, nil
}

func (t *Target) load(ctx context.Context, table *database.Table, rows iter.Seq2[[]byte, error]) (n int64, err error) {
	s, err := t.c.Prepare(insertRow(table))
	if err != nil {
		return 0, err
	}
	defer s.Close()
	encode := t.encoder(table)
	for row, err := range rows {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = encode.insert(s, row)
		}
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// View implements database.Target.
func (t *Target) View(ctx context.Context) (database.View, error) {
	c, err := t.conn()
	if err != nil {
		return nil, err
	}
	if err := t.snapshot(ctx, c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.schema == nil {
		return nil, errors.Join(fmt.Errorf("%s: no restore has been begun in it", t.path), c.Close())
	}
	return &view{f: &t.file, c: c, schema: t.schema, installed: t.schema, lastID: math.MinInt64,
		decode: nativeDecoder(t.schema.Settings["encoding"])}, nil
}

// ForgetProgress implements database.Target. A restore from another engine keeps the
// description of its tables, without which nobody could read its values.
func (t *Target) ForgetProgress(ctx context.Context) error {
	return t.transact(ctx, func() error {
		for _, name := range []string{"lifeboat_units", "lifeboat_restore", "lifeboat_position"} {
			if err := t.c.Exec("DROP TABLE IF EXISTS " + name); err != nil {
				return err
			}
		}
		return nil
	})
}
