package snapshot_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/internal/memdb"
	"lifeboat/restore/snapshot"
)

// smallCut makes chunks of a few rows, so that small tables have many.
var smallCut = restore.Cut{Min: 60, Spread: 120, Max: 600}

// world is a database with its log and snapshots in two stores, and what it was at every Seq.
type world struct {
	t             *rapid.T
	ctx           context.Context
	schema        *database.Schema
	db            *memdb.DB
	writer        *eventlog.Writer
	local, mirror *memory.Store
	now           time.Time
	shown         atomic.Pointer[time.Time] // now, for the writer's goroutines
	nextID        int
	states        []*memdb.DB // by Seq
	times         []time.Time
	snapshots     []restore.Snapshot
	pending       bool // transactions since the last flush
}

// worldSchema has a plain table with an identity, one whose server order is by a
// collation (here: the reversed key), one with a compound key behind other columns, and
// one with a nullable key of which rows may share a value.
func worldSchema() *database.Schema {
	s := &database.Schema{Engine: "test", NotCarried: []string{"row versions"}, Tables: []database.Table{
		{Name: "plain", Columns: []database.Column{{Name: "id", Type: "int", Identity: true}, {Name: "v", Type: "text"}}, Key: []int{0}},
		{Name: "collated", Columns: []database.Column{{Name: "k", Type: "text"}, {Name: "v", Type: "text"}}, Key: []int{0}},
		{Name: "pair", Columns: []database.Column{{Name: "v", Type: "text"}, {Name: "b", Type: "int"}, {Name: "a", Type: "int"}}, Key: []int{2, 1}},
		{Name: "nulls", Columns: []database.Column{{Name: "k", Type: "text", Nullable: true}, {Name: "v", Type: "text"}}, Key: []int{0}},
	}}
	if err := s.Seal(); err != nil {
		panic(err)
	}
	return s
}

func reversed(key []byte) []byte {
	r := bytes.Clone(key)
	slices.Reverse(r)
	return r
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, ctx: context.Background(), schema: worldSchema(), local: memory.New(), mirror: memory.New(),
		now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
	}
	w.db = memdb.New(w.schema)
	w.db.Order = map[string]func([]byte) []byte{"collated": reversed}
	var err error
	w.show()
	w.writer, err = eventlog.OpenWriter(w.ctx, eventlog.WriterConfig{
		Local: w.local, Mirror: w.mirror, Reason: "test", Clock: func() time.Time { return *w.shown.Load() },
	})
	require.NoError(t, err)
	// Rows from before the log: the ledger alone does not know them.
	for range rapid.IntRange(0, 60).Draw(t, "rows before the log") {
		require.NoError(t, w.db.Change(w.insert(rapid.IntRange(0, 3).Draw(t, "table"))))
	}
	_, err = w.writer.Append(w.ctx, eventlog.Batch{Schema: w.schema})
	require.NoError(t, err)
	w.states, w.times = []*memdb.DB{w.db.Clone()}, []time.Time{w.now}
	w.pending = true
	w.base()
	return w
}

func (w *world) close() { require.NoError(w.t, w.writer.Close(w.ctx)) }

func (w *world) config() snapshot.Config {
	return snapshot.Config{Stores: []blob.Store{w.local, w.mirror}, Cut: smallCut, Clock: func() time.Time { return w.now }}
}

// row makes a row of a table with that key.
func (w *world) row(table, key int, value string) []byte {
	switch table {
	case 0:
		return database.AppendText(database.AppendInt(nil, int64(key)), value)
	case 1:
		return database.AppendText(database.AppendText(nil, fmt.Sprintf("%03d", key)), value)
	case 2:
		return database.AppendInt(database.AppendInt(database.AppendText(nil, value), int64(key/7)), int64(key%7))
	default:
		if key%3 == 0 {
			return database.AppendText(database.AppendNull(nil), value)
		}
		return database.AppendText(database.AppendText(nil, fmt.Sprint(key)), value)
	}
}

// insert makes a row with a new key.
func (w *world) insert(table int) database.Change {
	w.nextID++
	key := w.nextID
	if table > 0 {
		key = w.nextID * 37 % 1009 // anywhere among the others
	}
	if table == 0 {
		w.db.SetCounter("plain", int64(key))
	}
	return database.Change{Op: database.Insert, Table: w.schema.Tables[table].Name, Row: w.row(table, key, w.value())}
}

func (w *world) value() string {
	return fmt.Sprint("value ", rapid.IntRange(0, 5).Draw(w.t, "value"), string(bytes.Repeat([]byte{'.'}, rapid.IntRange(0, 40).Draw(w.t, "length"))))
}

// transact commits one transaction of a few changes.
func (w *world) transact() {
	var changes []database.Change
	do := func(c database.Change) {
		require.NoError(w.t, w.db.Change(c))
		changes = append(changes, c)
	}
	for range rapid.IntRange(1, 6).Draw(w.t, "changes") {
		table := rapid.IntRange(0, 3).Draw(w.t, "table")
		name := w.schema.Tables[table].Name
		rows := w.db.Contents()[name]
		op := rapid.IntRange(0, 3).Draw(w.t, "op")
		if len(rows) == 0 || op == 0 {
			do(w.insert(table))
			continue
		}
		old := rapid.SampledFrom(rows).Draw(w.t, "row")
		do(database.Change{Op: database.Delete, Table: name, Row: old})
		if op > 1 {
			do(database.Change{Op: database.Insert, Table: name, Row: w.update(table, old)})
		}
	}
	w.now = w.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(w.t, "seconds")) * time.Second)
	w.show()
	_, err := w.writer.Append(w.ctx, eventlog.Batch{Transactions: []eventlog.Pending{{TxID: "t", Time: w.now, Changes: changes}}})
	require.NoError(w.t, err)
	w.states, w.times = append(w.states, w.db.Clone()), append(w.times, w.now)
	w.pending = true
}

// update returns the row with another value.
func (w *world) update(table int, old []byte) []byte {
	var values []database.Value
	for rest := old; len(rest) > 0; {
		v, next, err := database.Next(rest)
		require.NoError(w.t, err)
		values, rest = append(values, v), next
	}
	at := 1
	if table == 2 {
		at = 0
	}
	values[at].Bytes = []byte(w.value())
	var row []byte
	for _, v := range values {
		row = database.AppendValue(row, v)
	}
	return row
}

func (w *world) flush() eventlog.Position {
	at, err := w.writer.Flush(w.ctx)
	require.NoError(w.t, err)
	w.pending = false
	return at
}

func (w *world) base() {
	at := w.flush()
	view, err := w.db.View(w.ctx)
	require.NoError(w.t, err)
	report, err := snapshot.Take(w.ctx, w.config(), view, at)
	require.NoError(w.t, err)
	if report.Audit != nil {
		require.Truef(w.t, report.Audit.Match, "audit: %v", report.Audit.Differing())
	}
	require.Equal(w.t, w.schema.NotCarried, report.NotCarried)
	w.snapshots = append(w.snapshots, report.Snapshot)
}

func (w *world) delta() {
	parent := rapid.SampledFrom(w.snapshots).Draw(w.t, "parent")
	if !w.pending && w.snapshots[len(w.snapshots)-1].Position.Digest == parent.Position.Digest {
		w.transact()
	}
	at := w.flush()
	if at.Digest == parent.Position.Digest {
		return
	}
	report, err := snapshot.Delta(w.ctx, w.config(), parent, at)
	require.NoError(w.t, err)
	w.snapshots = append(w.snapshots, report.Snapshot)
}

func (w *world) rollForward() {
	tip := rapid.SampledFrom(w.snapshots).Draw(w.t, "tip")
	report, err := snapshot.RollForward(w.ctx, w.config(), tip)
	require.NoError(w.t, err)
	w.snapshots = append(w.snapshots, report.Snapshot)
}

// live draws some history.
func (w *world) live() {
	for range rapid.IntRange(1, 30).Draw(w.t, "steps") {
		switch rapid.IntRange(0, 12).Draw(w.t, "step") {
		case 0:
			w.base()
		case 1, 2:
			w.delta()
		case 3:
			w.rollForward()
		case 4:
			w.flush()
		default:
			w.transact()
		}
	}
	w.flush()
}

// planFrom plans a restore that begins with that snapshot.
func (w *world) planFrom(tip restore.Snapshot, target restore.Target) *restore.Plan {
	inv, err := restore.SurveyAll(w.ctx, w.mirror)
	require.NoError(w.t, err)
	chain, err := restore.Lineage(inv.Snapshots, tip)
	require.NoError(w.t, err)
	inv.Snapshots = chain
	plan, err := restore.NewPlan(inv, target)
	require.NoError(w.t, err)
	return plan
}

// show lets the writer see what time it is; it reads the clock in goroutines of its own.
func (w *world) show() {
	now := w.now
	w.shown.Store(&now)
}
