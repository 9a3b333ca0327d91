// Package memdb is a database for tests: tables are multisets of rows in memory. It is a
// database.View of any state, and a database.Target and database.Replayer that polices
// its caller and dies on demand. It does what the ports say and nothing else.
package memdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"lifeboat/internal/database"
)

// DB is a database in memory. It is safe for concurrent use.
type DB struct {
	mu       sync.Mutex
	schema   *database.Schema
	tables   map[string][][]byte // sorted by order, by table
	counters map[string]int64

	// Order gives a table the order of its rows as a server with a collation would; nil:
	// by key bytes.
	Order map[string]func(key []byte) []byte

	// Die is asked before and after the effect of Begin, Load, Finish and ForgetProgress;
	// an error kills the call there.
	Die func(call, unit string, done bool) error

	begun    string
	units    map[string]int64
	finished bool
	position uint64
	located  bool
}

// New returns an empty database; schema may be nil for a target.
func New(schema *database.Schema) *DB {
	return &DB{schema: schema, tables: make(map[string][][]byte), counters: make(map[string]int64), units: make(map[string]int64)}
}

// SetCounter sets an identity or sequence.
func (d *DB) SetCounter(name string, v int64) { d.counters[name] = v }

// Change applies one change; removing a row that is not there is an error.
func (d *DB) Change(c database.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.change(c)
}

func (d *DB) change(c database.Change) error {
	rows := d.tables[c.Table]
	at, found := slices.BinarySearchFunc(rows, c.Row, func(a, b []byte) int { return d.compare(c.Table, a, b) })
	switch {
	case c.Op == database.Insert:
		d.tables[c.Table] = slices.Insert(rows, at, bytes.Clone(c.Row))
	case found:
		d.tables[c.Table] = slices.Delete(rows, at, at+1)
	default:
		return fmt.Errorf("table %s has no row %x", c.Table, c.Row)
	}
	return nil
}

func (d *DB) compare(table string, a, b []byte) int {
	t := d.schema.Table(table)
	x, err := t.AppendKey(nil, a)
	y, err2 := t.AppendKey(nil, b)
	if err = errors.Join(err, err2); err != nil {
		panic(err)
	}
	if order := d.Order[table]; order != nil {
		if c := bytes.Compare(order(x), order(y)); c != 0 {
			return c
		}
	}
	if c := bytes.Compare(x, y); c != 0 {
		return c
	}
	return bytes.Compare(a, b)
}

// Clone copies the rows and the schema, nothing of a restore.
func (d *DB) Clone() *DB {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New(d.schema)
	c.Order = d.Order
	c.counters = maps.Clone(d.counters)
	for name, rows := range d.tables {
		c.tables[name] = slices.Clone(rows)
	}
	return c
}

// Contents lists every table's rows in byte order, for comparing.
func (d *DB) Contents() map[string][][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make(map[string][][]byte)
	for i := range d.schema.Tables {
		rows := slices.Clone(d.tables[d.schema.Tables[i].Name])
		slices.SortFunc(rows, bytes.Compare)
		if len(rows) > 0 {
			all[d.schema.Tables[i].Name] = rows
		}
	}
	return all
}

// Complete tells whether a restore has finished and taken its records away.
func (d *DB) Complete() bool { return d.finished && d.begun == "" }

// view is one instant.
type view struct{ db *DB }

// View returns the state of this moment.
func (d *DB) View(context.Context) (database.View, error) { return &view{d.Clone()}, nil }

func (v *view) Schema() *database.Schema    { return v.db.schema }
func (v *view) Installed() *database.Schema { return v.db.schema }
func (v *view) Close() error                { return nil }

func (v *view) Changes(context.Context) iter.Seq2[database.Captured, error] {
	return func(func(database.Captured, error) bool) {}
}

// Rows reuses the memory of a row for the next one, as engines do.
func (v *view) Rows(ctx context.Context, table *database.Table) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var buf []byte
		for _, row := range v.db.tables[table.Name] {
			if ctx.Err() != nil {
				yield(nil, context.Cause(ctx))
				return
			}
			buf = append(buf[:0], row...)
			if !yield(buf, nil) {
				return
			}
		}
	}
}

func (v *view) RowCount(_ context.Context, table *database.Table) int64 {
	return int64(len(v.db.tables[table.Name]))
}

func (v *view) Counters(context.Context) (map[string]int64, error) {
	return maps.Clone(v.db.counters), nil
}
