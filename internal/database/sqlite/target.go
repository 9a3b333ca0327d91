package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"strings"
	"sync"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// Target is a database that a restore fills; it implements database.Target and
// database.Replayer. SQLite has one writer at a time, so Workers is 1 and calls wait for
// each other.
//
// Until Finish the file is written without a single fsync: the rollback journal makes
// every unit atomic when the process dies, and when the machine stops too, which the
// file's record of the kernel's boot id tells, Begin starts again from nothing. Finish
// makes everything durable at once. That loads about a fifth faster than WAL does where
// an fsync is free, and several times faster where it takes milliseconds.
type Target struct {
	file
	log    *slog.Logger
	cache  int64  // bytes
	bootID string // of the running kernel, "" if unknown

	mu     sync.Mutex // one writer; guards what follows
	c      *capi.Conn
	schema *database.Schema // nil until a restore has been begun
	loader *loader          // of the table loaded last
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
	t := &Target{file: file{path: f.path, wait: f.wait, mode: f.mode}, log: o.Log, cache: o.CacheBytes, bootID: bootID()}
	if err := t.connect(ctx); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// bootID names the running kernel's life. Without one a restore cannot be resumed.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// The restore's own records. lifeboat_portable stays: it describes the values of a
// database that came from another engine.
const (
	restoreTable  = `CREATE TABLE lifeboat_restore (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`
	unitsTable    = `CREATE TABLE lifeboat_units (unit TEXT PRIMARY KEY, loaded INTEGER NOT NULL) WITHOUT ROWID`
	portableNotes = `CREATE TABLE lifeboat_portable (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`
)

// connect opens the writer and reads what an earlier restore left.
func (t *Target) connect(ctx context.Context) (err error) {
	if t.c, err = t.conn(); err != nil {
		return err
	}
	for _, sql := range []string{
		"PRAGMA foreign_keys = OFF",
		"PRAGMA ignore_check_constraints = ON",
		fmt.Sprintf("PRAGMA cache_size = -%d", t.cache/1024),
		"PRAGMA synchronous = FULL",
	} {
		if err := t.c.Exec(sql); err != nil {
			return t.explain(ctx, err)
		}
	}
	if err := t.c.EnableTriggers(false); err != nil {
		return err
	}
	return t.explain(ctx, t.retry(ctx, t.readSchema))
}

func (t *Target) readSchema() error {
	for _, table := range []string{"lifeboat_restore", "lifeboat_portable"} {
		json, ok, err := t.record(table, "schema")
		if err != nil {
			return err
		}
		if ok {
			t.schema, err = database.DecodeSchema([]byte(json))
			return err
		}
	}
	return nil
}

// record reads one of the restore's own records; ok is false if there is none.
func (t *Target) record(table, name string) (value string, ok bool, err error) {
	return record(t.c, table, name)
}

func record(c *capi.Conn, table, name string) (value string, ok bool, err error) {
	has, err := hasTable(c, table)
	if err != nil || !has {
		return "", false, err
	}
	err = c.Query("SELECT value FROM "+table+" WHERE name = ?", func(s *capi.Stmt) error {
		value, ok = s.Text(0), true
		return nil
	}, name)
	return value, ok, err
}

func hasTable(c *capi.Conn, name string) (has bool, err error) {
	err = c.Query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", func(*capi.Stmt) error {
		has = true
		return nil
	}, name)
	return has, err
}

func (t *Target) setRecord(table, name, value string) error {
	return t.c.Exec("INSERT OR REPLACE INTO "+table+" VALUES (?, ?)", name, value)
}

// Close ends use of the target; what was committed stays.
func (t *Target) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.disconnect(), t.close())
}

func (t *Target) disconnect() error {
	var errs []error
	if t.loader != nil {
		errs = append(errs, t.loader.close())
	}
	if t.c != nil {
		errs = append(errs, t.c.Close())
	}
	t.loader, t.c = nil, nil
	return errors.Join(errs...)
}

// lock takes the writer, if the target is open.
func (t *Target) lock() error {
	t.mu.Lock()
	if t.c == nil {
		t.mu.Unlock()
		return fmt.Errorf("%s: %w", t.path, errClosed)
	}
	return nil
}

// transact runs fn in one write transaction on the target's writer.
func (t *Target) transact(ctx context.Context, fn func() error) error {
	if err := t.lock(); err != nil {
		return err
	}
	defer t.mu.Unlock()
	return t.write(ctx, t.c, fn)
}

// Loaded implements database.Target.
func (t *Target) Loaded(ctx context.Context) (map[string]int64, error) {
	if err := t.lock(); err != nil {
		return nil, err
	}
	defer t.mu.Unlock()
	units := map[string]int64{}
	err := t.retry(ctx, func() error {
		if has, err := hasTable(t.c, "lifeboat_units"); err != nil || !has {
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

var errNotBegun = errors.New("no restore has been begun in this database")

// Load implements database.Target. rows runs inside the transaction and may use this
// target for nothing else.
func (t *Target) Load(ctx context.Context, unit string, table *database.Table, rows iter.Seq2[[]byte, error]) (int64, error) {
	var n int64
	err := t.transact(ctx, func() (err error) {
		if n, err = t.load(ctx, table.Name, rows); err != nil {
			return err
		}
		err = t.c.Exec("INSERT INTO lifeboat_units VALUES (?, ?)", unit, n)
		if capi.Code(err) == capi.Constraint {
			return fmt.Errorf("the unit was loaded before")
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("load %s into table %s: %w", unit, table.Name, err)
	}
	return n, nil
}

func (t *Target) load(ctx context.Context, name string, rows iter.Seq2[[]byte, error]) (int64, error) {
	if has, err := hasTable(t.c, "lifeboat_units"); err != nil || !has || t.schema == nil {
		return 0, errors.Join(errNotBegun, err)
	}
	table := t.schema.Table(name)
	if table == nil {
		return 0, errors.New("the restore that was begun has no such table")
	}
	if t.loader != nil && t.loader.table != table {
		if err := t.loader.close(); err != nil {
			return 0, err
		}
		t.loader = nil
	}
	if t.loader == nil {
		var err error
		if t.loader, err = t.newLoader(table); err != nil {
			return 0, err
		}
	}
	return t.loader.load(ctx, rows)
}

// View implements database.Target. Its schema is what the database holds now; that of
// another engine is the one that was given to Begin.
func (t *Target) View(ctx context.Context) (database.View, error) {
	t.mu.Lock()
	schema := t.schema
	t.mu.Unlock()
	c, err := t.conn()
	if err != nil {
		return nil, err
	}
	v := &view{f: &t.file, c: c, target: true, schema: schema}
	if err := t.snapshot(ctx, c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if !isPortable(schema) {
		cat, err := readCatalog(c)
		if err != nil {
			return nil, errors.Join(t.explain(ctx, err), c.Close())
		}
		v.schema = cat.schema
	}
	v.decode = nativeDecoder(v.schema.Settings["encoding"])
	return v, nil
}

// ForgetProgress implements database.Target. A restore from another engine keeps the
// description of its tables, without which nobody could read its values.
func (t *Target) ForgetProgress(ctx context.Context) error {
	return t.transact(ctx, func() error {
		if t.loader != nil {
			if err := t.loader.close(); err != nil {
				return err
			}
			t.loader = nil
		}
		for _, name := range []string{"lifeboat_units", "lifeboat_restore", "lifeboat_position"} {
			if err := t.c.Exec("DROP TABLE IF EXISTS " + name); err != nil {
				return err
			}
		}
		return nil
	})
}
