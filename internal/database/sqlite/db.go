package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// DB is a protected database; it implements database.Source. Its methods may be called
// from several goroutines; a View is for one.
type DB struct {
	file
	log *slog.Logger

	cacheMu sync.Mutex
	cache   *cached
}

var _ database.Source = (*DB)(nil)

// Open opens the database at path, which must exist, and checks that it is one. It
// writes nothing.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	o = o.withDefaults()
	f, err := newFile(path, o, capi.ReadWrite)
	if err != nil {
		return nil, err
	}
	d := &DB{file: file{path: f.path, wait: f.wait, mode: f.mode}, log: o.Log}
	if err := d.read(ctx, func(c *capi.Conn) error { _, err := readCapture(c); return err }); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Close closes idle connections; views that are open close theirs themselves.
func (d *DB) Close() error { return d.close() }

// Install implements database.Source.
func (d *DB) Install(ctx context.Context) (*database.Schema, error) {
	var schema *database.Schema
	var done int
	err := d.update(ctx, func(c *capi.Conn) error {
		cat, statements, err := d.installPlan(c)
		if err != nil {
			return err
		}
		for _, sql := range statements {
			if err := c.Exec(sql); err != nil {
				return fmt.Errorf("install capture: %w (in %.200s)", err, sql)
			}
		}
		schema, done = cat.schema, len(statements)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if done > 0 {
		d.log.InfoContext(ctx, "capture installed", "database", d.path, "tables", len(schema.Tables))
	}
	return schema, nil
}

// InstallPlan implements database.Source.
func (d *DB) InstallPlan(ctx context.Context) (statements, warnings []string, err error) {
	err = d.read(ctx, func(c *capi.Conn) error {
		cat, planned, err := d.installPlan(c)
		if err != nil {
			return err
		}
		statements, warnings = planned, cat.advice()
		return nil
	})
	return statements, warnings, err
}

func (d *DB) installPlan(c *capi.Conn) (*catalog, []string, error) {
	cat, err := readCatalog(c)
	if err != nil {
		return nil, nil, err
	}
	if err := cat.rehearse(); err != nil {
		return nil, nil, err
	}
	if err := cat.unsupported(d.path); err != nil {
		return nil, nil, err
	}
	st, err := readCapture(c)
	if err != nil {
		return nil, nil, err
	}
	statements, err := st.plan(cat)
	return cat, statements, err
}

// rehearse creates the schema in an empty database in memory: what fails there would
// fail in a restore, so it is a problem now.
func (cat *catalog) rehearse() error {
	c, err := capi.Open(capi.Memory, capi.Create)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // what was read or done has been checked already
	for _, t := range cat.schema.Tables {
		if err := c.Exec(t.SQL); err != nil {
			cat.refuse("table %s cannot be created elsewhere: %w", quote(t.Name), err)
		}
	}
	for _, o := range cat.schema.Objects {
		if err := c.Exec(o.SQL); err != nil && len(cat.problems) == 0 {
			cat.refuse("%s %s cannot be created elsewhere: %w", o.Kind, quote(o.Name), err)
		}
	}
	return nil
}

// Remove implements database.Source.
func (d *DB) Remove(ctx context.Context, discard bool) error {
	return d.update(ctx, func(c *capi.Conn) error {
		st, err := readCapture(c)
		if err != nil || !st.installed {
			return err
		}
		n, err := countPending(c, st)
		if err != nil {
			return err
		}
		if n > 0 && !discard {
			return fmt.Errorf("%s: %d captured changes are not in the log yet: let the agent drain them, or discard them for good", d.path, n)
		}
		objects, err := readObjects(c)
		if err != nil {
			return err
		}
		return dropOwn(c, objects)
	})
}

func dropOwn(c *capi.Conn, objects []object) error {
	for _, kind := range []string{"trigger", "table"} {
		for _, o := range objects {
			isTrigger := ownTrigger(o.name)
			if o.kind != kind || !isTrigger && !ownTable(o.name) {
				continue
			}
			if err := c.Exec("DROP " + kind + " " + quote(o.name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Pending implements database.Source.
func (d *DB) Pending(ctx context.Context) (int64, error) {
	var n int64
	err := d.read(ctx, func(c *capi.Conn) error {
		st, err := readCapture(c)
		if err == nil && !st.installed {
			err = fmt.Errorf("%s: %w", d.path, database.ErrNotInstalled)
		}
		if err == nil {
			n, err = countPending(c, st)
		}
		return err
	})
	return n, err
}

// countPending counts what a view would yield.
func countPending(c *capi.Conn, st *captureState) (n int64, err error) {
	real, err := resolve(c, st)
	if err != nil {
		return 0, err
	}
	err = c.Query("SELECT count(*) FROM lifeboat_changes WHERE op IN (-1, 1)", func(s *capi.Stmt) error {
		n = s.Int64(0) + int64(len(real))
		return nil
	})
	return n, err
}

// forgetBatch is how many changes one transaction forgets: at some 2 µs a row it holds
// the write lock for about as long as one commit of the application.
const forgetBatch = 1000

// Forget implements database.Source.
func (d *DB) Forget(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	for batch := range slices.Chunk(slices.Compact(ids), forgetBatch) {
		if err := d.update(ctx, func(c *capi.Conn) error { return forget(c, batch) }); err != nil {
			return fmt.Errorf("forget captured changes: %w", err)
		}
	}
	return nil
}

// forget deletes one batch, sorted. The row with the largest id of all stays as a mark
// when its change is forgotten: SQLite numbers new rows from it, so no id is used twice.
// Sightings before a change that is forgotten have been resolved with it, and go too.
func forget(c *capi.Conn, ids []int64) error {
	var last int64
	largest := ids[len(ids)-1]
	err := c.Query("SELECT coalesce(max(change_id), 0) FROM lifeboat_changes", func(s *capi.Stmt) error {
		last = s.Int64(0)
		return nil
	})
	if err != nil {
		return err
	}
	del, err := c.Prepare("DELETE FROM lifeboat_changes WHERE change_id BETWEEN ? AND ?")
	if err != nil {
		return err
	}
	defer del.Close() //nolint:errcheck // what was read or done has been checked already
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n] == ids[n-1]+1 {
			n++
		}
		if err := del.Exec(ids[0], ids[n-1]); err != nil {
			return err
		}
		ids = ids[n:]
	}
	for _, s := range []struct {
		sql string
		id  int64
	}{
		{"DELETE FROM lifeboat_changes WHERE op = 2 AND change_id > (SELECT seen FROM lifeboat_transaction) AND change_id < ?", largest},
		{"UPDATE lifeboat_transaction SET seen = CASE WHEN (SELECT max(change_id) FROM lifeboat_changes) > ?1 THEN ?1 END WHERE seen < ?1", largest},
		{"DELETE FROM lifeboat_changes WHERE op = 0 AND change_id < ?", last},
		{"INSERT OR IGNORE INTO lifeboat_changes (change_id, shape, op) VALUES (?, 0, 0)", last},
	} {
		if err := c.Exec(s.sql, s.id); err != nil {
			return err
		}
	}
	return nil
}

// Fence implements database.Source.
func (d *DB) Fence(ctx context.Context, reason string) error {
	return d.update(ctx, func(c *capi.Conn) error {
		st, err := readCapture(c)
		if err != nil {
			return err
		}
		if !st.installed {
			return fmt.Errorf("%s: cannot fence: %w", d.path, database.ErrNotInstalled)
		}
		cat, err := readCatalog(c)
		if err != nil {
			return err
		}
		if err := c.Exec("UPDATE lifeboat_state SET value = ? WHERE name = 'fence'", reason); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(cat.triggers)) {
			if fencing.MatchString(name) {
				if err := c.Exec("DROP TRIGGER " + quote(name)); err != nil {
					return err
				}
			}
		}
		return st.addFence(c, cat, reason)
	})
}

func (st *captureState) addFence(c *capi.Conn, cat *catalog, reason string) error {
	if reason == "" {
		return nil
	}
	for _, t := range cat.tables {
		number, ok := st.shapeOf(t.Table)
		if !ok {
			continue // not captured yet; Install fences it
		}
		for _, tr := range fenceTriggers(t, number, reason) {
			if err := c.Exec(tr.sql); err != nil {
				return err
			}
		}
	}
	return nil
}
