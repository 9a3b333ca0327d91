package capture_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"lifeboat/internal/database"
)

// fakeDB is a database in memory that captures as a real engine does: triggers made for
// the installed schema, change ids from one sequence, views that see one instant.
type fakeDB struct {
	mu        sync.Mutex
	schema    *database.Schema
	installed []*database.Schema // generations; the last is the triggers'
	rows      map[string]map[int64][]byte
	pending   []captured
	nextID    int64
	nextTx    int
	installs  int
	views     int           // open
	fail      func() error  // asked by View and Forget; may be nil
	onView    func()        // called with each new view, outside the lock; may be nil
	viewWait  chan struct{} // View waits for a token if not nil
}

type captured struct {
	database.Captured
	generation int
}

var _ database.Source = (*fakeDB)(nil)

func newFakeDB(tables ...string) *fakeDB {
	db := &fakeDB{rows: map[string]map[int64][]byte{}, nextID: 1_000_000}
	s := &database.Schema{Engine: "fake"}
	for _, name := range tables {
		s.Tables = append(s.Tables, table(name, 1))
		db.rows[name] = map[int64][]byte{}
	}
	must(s.Seal())
	db.schema = s
	return db
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// table has a key and n text columns.
func table(name string, n int) database.Table {
	t := database.Table{Name: name, Key: []int{0}, Columns: []database.Column{{Name: "id", Type: "INTEGER"}}}
	for i := range n {
		t.Columns = append(t.Columns, database.Column{Name: "c" + strconv.Itoa(i), Type: "TEXT"})
	}
	return t
}

func row(t *database.Table, id int64, v string) []byte {
	b := database.AppendInt(nil, id)
	for range t.Columns[1:] {
		b = database.AppendText(b, v)
	}
	return b
}

// tx is a transaction of the application that has not committed.
type tx struct {
	db  *fakeDB
	id  string
	ops []func()
}

func (db *fakeDB) begin() *tx {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.nextTx++
	return &tx{db: db, id: strconv.Itoa(db.nextTx)}
}

// put inserts or updates, "" deletes.
func (t *tx) put(name string, id int64, v string) {
	t.ops = append(t.ops, func() {
		db := t.db
		tab := db.schema.Table(name)
		old, had := db.rows[name][id]
		if had {
			t.capture(name, database.Delete, old)
			delete(db.rows[name], id)
		}
		if v != "" {
			r := row(tab, id, v)
			t.capture(name, database.Insert, r)
			db.rows[name][id] = r
		}
	})
}

// capture is the trigger: it knows the columns of the installed schema only.
func (t *tx) capture(name string, op database.Op, r []byte) {
	db := t.db
	g := len(db.installed)
	if g == 0 {
		return
	}
	was := db.installed[g-1].Table(name)
	if was == nil {
		return // a new table has no triggers yet
	}
	var image []byte
	rest := r
	for range was.Columns {
		v, next, err := database.Next(rest)
		must(err)
		image, rest = database.AppendValue(image, v), next
	}
	db.nextID++
	db.pending = append(db.pending, captured{database.Captured{
		ID: db.nextID, Tx: t.id, At: time.Now().UTC(),
		Change: database.Change{Op: op, Table: name, Row: image},
	}, g - 1})
}

func (t *tx) commit() {
	t.db.mu.Lock()
	defer t.db.mu.Unlock()
	for _, op := range t.ops {
		op()
	}
}

// alter adds a column to a table; rows get an empty text there.
func (db *fakeDB) alter(name string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	s := &database.Schema{Engine: "fake"}
	for _, t := range db.schema.Tables {
		if t.Name == name {
			t = table(name, len(t.Columns))
			for id, r := range db.rows[name] {
				db.rows[name][id] = database.AppendText(slices.Clone(r), "")
			}
		}
		s.Tables = append(s.Tables, t)
	}
	must(s.Seal())
	db.schema = s
}

func (db *fakeDB) Install(context.Context) (*database.Schema, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if n := len(db.installed); n == 0 || print(db.installed[n-1]) != print(db.schema) {
		db.installed = append(db.installed, db.schema)
		db.installs++
	}
	return db.schema, nil
}

func print(s *database.Schema) string {
	p, err := s.Fingerprint()
	must(err)
	return p
}

func (db *fakeDB) InstallPlan(context.Context) (statements, warnings []string, err error) {
	return nil, nil, nil
}
func (db *fakeDB) Remove(context.Context, bool) error  { return errors.New("not in this fake") }
func (db *fakeDB) Fence(context.Context, string) error { return errors.New("not in this fake") }
func (db *fakeDB) Close() error                        { return nil }
func (db *fakeDB) Pending(context.Context) (int64, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	return int64(len(db.pending)), nil
}

func (db *fakeDB) failure() error {
	if db.fail == nil {
		return nil
	}
	return db.fail()
}

func (db *fakeDB) Forget(_ context.Context, ids []int64) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.failure(); err != nil {
		return err
	}
	gone := map[int64]bool{}
	for _, id := range ids {
		gone[id] = true
	}
	db.pending = slices.DeleteFunc(db.pending, func(c captured) bool { return gone[c.ID] })
	return nil
}

type fakeView struct {
	db                *fakeDB
	schema, installed *database.Schema
	changes           []captured
	rows              map[string]map[int64][]byte
	closed            bool
}

func (db *fakeDB) View(ctx context.Context) (database.View, error) {
	if db.viewWait != nil {
		select {
		case <-db.viewWait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if db.onView != nil {
		db.onView()
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.failure(); err != nil {
		return nil, err
	}
	v := &fakeView{db: db, schema: db.schema, rows: map[string]map[int64][]byte{}}
	if n := len(db.installed); n > 0 {
		g := n - 1
		for _, c := range db.pending { // the oldest generation with pending changes
			g = min(g, c.generation)
		}
		v.installed = db.installed[g]
		for _, c := range db.pending {
			if c.generation == g {
				v.changes = append(v.changes, c)
			}
		}
	}
	for name, rows := range db.rows {
		v.rows[name] = maps.Clone(rows)
	}
	db.views++
	return v, nil
}

func (v *fakeView) Schema() *database.Schema    { return v.schema }
func (v *fakeView) Installed() *database.Schema { return v.installed }
func (v *fakeView) Changes(context.Context) iter.Seq2[database.Captured, error] {
	return func(yield func(database.Captured, error) bool) {
		var buf []byte // one for all rows: they are valid until the next one only
		for _, c := range v.changes {
			buf = append(buf[:0], c.Row...)
			c.Row = buf
			if !yield(c.Captured, nil) {
				return
			}
		}
	}
}

func (v *fakeView) Rows(_ context.Context, t *database.Table) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(v.rows[t.Name])) {
			if !yield(v.rows[t.Name][id], nil) {
				return
			}
		}
	}
}
func (v *fakeView) RowCount(context.Context, *database.Table) int64    { return -1 }
func (v *fakeView) Counters(context.Context) (map[string]int64, error) { return nil, nil }
func (v *fakeView) Close() error {
	v.db.mu.Lock()
	defer v.db.mu.Unlock()
	if v.closed {
		return fmt.Errorf("closed twice")
	}
	v.closed = true
	v.db.views--
	return nil
}

// state is the state hash of a table's rows.
func (v *fakeView) state(t *database.Table) (s database.State) {
	var scratch []byte
	var h database.RowHash
	for _, r := range v.rows[t.Name] {
		h, scratch = t.Hash(scratch, r)
		s.Add(h)
	}
	return s
}
