package capture_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"lifeboat/eventlog"
	"lifeboat/eventlog/capture"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

func execute(t testing.TB, db *sql.DB, statement string, args ...any) {
	_, err := db.Exec(statement, args...)
	require.NoError(t, err, statement)
}

func appDB(t testing.TB, path string) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// A real database: writers that commit while barriers, views, a change of schema and a
// restart go on. Whatever a barrier has answered for is in the log, every view is
// exactly its position, and the log is the database.
func TestCaptureOfSQLite(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ward.sqlite")
	app := appDB(t, path)
	execute(t, app, "PRAGMA journal_mode = wal")
	execute(t, app, "CREATE TABLE ward (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
	execute(t, app, "CREATE TABLE note (ward INTEGER, n INTEGER, text TEXT, PRIMARY KEY (ward, n))")
	execute(t, app, "INSERT INTO ward VALUES (0, 'here before capture')")
	source, err := sqlite.Open(ctx, path, sqlite.Options{})
	require.NoError(t, err)
	defer source.Close()
	_, err = source.Install(ctx)
	require.NoError(t, err)

	local, mirror := memory.New(), memory.New()
	var bases sync.Map // SchemaVersion to states
	cfg := capture.Config{Source: source, OnSchemaChange: func(ctx context.Context, v database.View, at eventlog.Position) error {
		bases.Store(at, scan(t, v))
		return nil
	}}
	for round := range 3 {
		cfg.Writer, err = eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: local, Mirror: mirror, Reason: "test"})
		require.NoError(t, err)
		d, err := capture.New(cfg)
		require.NoError(t, err)
		run, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- d.Run(run, 20*time.Millisecond) }()
		var group sync.WaitGroup
		for g := range 3 {
			group.Go(func() { sqliteWriter(t, app, d, mirror, uint64(round*10+g)) })
		}
		group.Wait()
		checkSQLiteView(t, d, mirror, &bases)
		if round == 1 {
			execute(t, app, "ALTER TABLE note ADD COLUMN author TEXT")
			execute(t, app, "INSERT INTO note VALUES (99, 1, 'x', 'me')")
			checkSQLiteView(t, d, mirror, &bases)
		}
		stop()
		require.NoError(t, <-done)
		require.NoError(t, cfg.Writer.Close(ctx))
	}
}

func sqliteWriter(t *testing.T, app *sql.DB, d *capture.Drainer, mirror *memory.Store, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range 15 {
		value := fmt.Sprintf("%d of %d", i, seed)
		tx, err := app.Begin()
		if err == nil {
			_, err = tx.Exec("INSERT OR REPLACE INTO ward VALUES (?, ?)", rng.IntN(20), value)
		}
		if err == nil {
			_, err = tx.Exec("INSERT OR REPLACE INTO note (ward, n, text) VALUES (?, ?, ?)", rng.IntN(5), rng.IntN(5), value)
		}
		if err == nil && rng.IntN(3) == 0 {
			_, err = tx.Exec("DELETE FROM note WHERE ward = ?", rng.IntN(5))
		}
		if err == nil {
			err = tx.Commit()
		}
		if err != nil {
			t.Error(err)
			return
		}
		res, err := d.Barrier(context.Background())
		if err != nil || !holds(t, mirror, res.Seq, value) {
			t.Errorf("barrier answered %d, %v; %q is not in the mirror's log up to there", res.Seq, err, value)
			return
		}
	}
}

// holds looks for a text in the log up to a Seq.
func holds(t *testing.T, store *memory.Store, upTo eventlog.Seq, text string) bool {
	found := false
	for s, err := range eventlog.OpenLog(store).Segments(context.Background(), eventlog.Position{}) {
		if err != nil {
			t.Error(err)
			return false
		}
		err = s.Changes(func(seq eventlog.Seq, _ string, op database.Op, row []byte) error {
			found = found || seq <= upTo && op == database.Insert && containsText(row, text)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return found
}

func containsText(row []byte, text string) bool {
	for len(row) > 0 {
		v, rest, err := database.Next(row)
		if err != nil {
			return false
		}
		if string(v.Bytes) == text {
			return true
		}
		row = rest
	}
	return false
}

// scan hashes every table of a view.
func scan(t require.TestingT, v database.View) database.States {
	states := database.States{}
	for i := range v.Schema().Tables {
		tab := &v.Schema().Tables[i]
		var s database.State
		var scratch []byte
		var h database.RowHash
		for r, err := range v.Rows(context.Background(), tab) {
			require.NoError(t, err)
			h, scratch = tab.Hash(scratch, r)
			s.Add(h)
		}
		states[tab.Name] = s
	}
	return states
}

// checkSQLiteView compares a view with the newest base and the ledgers at both positions.
func checkSQLiteView(t *testing.T, d *capture.Drainer, mirror *memory.Store, bases *sync.Map) {
	ctx := context.Background()
	_, err := d.Barrier(ctx) // a base of the schema in force is there now
	require.NoError(t, err)
	view, at, err := d.View(ctx)
	require.NoError(t, err)
	defer view.Close()
	var from eventlog.Position
	var base database.States
	bases.Range(func(k, v any) bool {
		if p := k.(eventlog.Position); p.Seq >= from.Seq {
			from, base = p, v.(database.States)
		}
		return true
	})
	ledger := func(p eventlog.Position) database.States {
		s, err := eventlog.OpenLog(mirror).Segment(ctx, p.Epoch, p.Slot)
		require.NoError(t, err)
		return s.Ledger()
	}
	begin, end := ledger(from), ledger(at)
	for name, got := range scan(t, view) {
		require.Equal(t, base[name].Plus(end[name]).Minus(begin[name]), got, "%s at %v from %v", name, at, from)
	}
}
