package snapshot_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
	"lifeboat/internal/database/sqlite"
	"lifeboat/restore"
	"lifeboat/restore/internal/memdb"
)

// However many parts a load is divided into, in whatever order they run, and however often
// one is killed or run again, the restore that follows is the one of a single process; and
// when every part has ended well it finds nothing left to load.
func TestPartsAreTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		n := eventlog.Seq(rapid.IntRange(0, len(w.states)-1).Draw(t, "target"))
		plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtSeq(n))
		require.NoError(t, err)
		whole := memdb.New(nil)
		want, err := restore.Run(w.ctx, restore.Config{Store: w.mirror, Unpinned: true, KeepProgress: true}, plan, whole)
		require.NoError(t, err)
		units, err := whole.Loaded(w.ctx)
		require.NoError(t, err)

		target := memdb.New(nil)
		killed := errors.New("killed")
		calls := 0 // left to it; 0: it lives
		var mu sync.Mutex
		target.Die = func(string, string, bool) error {
			mu.Lock()
			defer mu.Unlock()
			if calls--; calls == 0 {
				return killed
			}
			return nil
		}
		count := rapid.IntRange(1, 9).Draw(t, "parts")
		ended := map[int]bool{}
		for range rapid.IntRange(0, 3*count).Draw(t, "runs of a part") {
			part := restore.Part{Index: rapid.IntRange(0, count-1).Draw(t, "part"), Count: count}
			calls = rapid.SampledFrom([]int{0, 0, 1, 2, 3, 5}).Draw(t, "calls until death")
			_, err := restore.Load(w.ctx, restore.Config{Store: w.mirror, Unpinned: true}, plan, target, part)
			if err == nil {
				ended[part.Index] = true
			} else {
				require.ErrorIs(t, err, killed)
			}
		}
		calls = 0
		got, err := restore.Run(w.ctx, restore.Config{Store: w.mirror, Unpinned: true}, plan, target)
		require.NoError(t, err)
		require.Equal(t, want.Tables, got.Tables)
		require.Equal(t, want.Counters, got.Counters)
		require.Equal(t, whole.Contents(), target.Contents())
		if len(ended) == count {
			require.Len(t, units, got.Resumed, "a part left something out")
		}
	})
}

// Parts in processes of their own fill one SQLite file at once, each twice, beside a
// restore that does all of it: every unit is there once.
func TestPartsAtOnceInOneDatabase(t *testing.T) {
	t.Parallel()
	from := filepath.Join(t.TempDir(), "app.sqlite")
	app, err := sql.Open("sqlite", from)
	require.NoError(t, err)
	_, err = app.Exec(`CREATE TABLE ward (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
		CREATE TABLE note (ward INTEGER NOT NULL, at INTEGER NOT NULL, text TEXT, PRIMARY KEY (ward, at)) WITHOUT ROWID`)
	require.NoError(t, err)
	require.NoError(t, app.Close())
	p := protect(t, from)
	for table, row := range map[string]string{"ward": "value, 'ward ' || value", "note": "value % 17, value, hex(randomblob(300))"} {
		p.exec(t, fmt.Sprintf("INSERT INTO %s WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 24000) SELECT %s FROM n", table, row))
	}
	p.base(t)
	p.exec(t, "UPDATE note SET text = 'changed' WHERE at % 1000 = 1")
	p.exec(t, "DELETE FROM ward WHERE id % 500 = 2")
	p.position(t)
	plan, _, err := restore.Prepare(t.Context(), p.mirror, restore.Latest())
	require.NoError(t, err)
	_, want := p.restored(t, restore.Latest())

	const count = 4
	path := filepath.Join(t.TempDir(), "restored.sqlite")
	cfg := restore.Config{Store: p.mirror, KeepProgress: true}
	process := func(do func(into *sqlite.Target) error) error {
		into, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
		if err != nil {
			return err
		}
		return errors.Join(do(into), into.Close())
	}
	errs := make([]error, 2*count)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			errs[i] = process(func(into *sqlite.Target) error {
				_, err := restore.Load(t.Context(), cfg, plan, into, restore.Part{Index: i % count, Count: count})
				return err
			})
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	var got *restore.Result
	require.NoError(t, process(func(into *sqlite.Target) (err error) {
		got, err = restore.Run(t.Context(), cfg, plan, into)
		return err
	}))
	require.Equal(t, want.Tables, got.Tables)
	require.Positive(t, got.Resumed)

	// One that was thought dead begins again, now that all is done.
	require.NoError(t, process(func(into *sqlite.Target) error {
		_, err := restore.Load(t.Context(), cfg, plan, into, restore.Part{Index: 1, Count: count})
		return err
	}))
	require.NoError(t, process(func(into *sqlite.Target) error { return into.ForgetProgress(context.WithoutCancel(t.Context())) }))
	require.Error(t, process(func(into *sqlite.Target) error {
		_, err := restore.Load(t.Context(), cfg, plan, into, restore.Part{Index: 1, Count: count})
		return err
	}), "a database in use is never loaded into")
}
