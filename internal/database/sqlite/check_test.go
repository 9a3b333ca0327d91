package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lifeboat/internal/database/sqlite"
)

// TestCheckFindsWhatRowsDoNotShow: an index without its entries.
func TestCheckFindsWhatRowsDoNotShow(t *testing.T) {
	t.Parallel()
	db := freshApp(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX v ON t (v);
		INSERT INTO t VALUES (1, 'one'), (2, 'two')`, "")
	path := filepath.Join(t.TempDir(), "r.sqlite")
	target := restore(t, db.source, path, sqlite.Options{})
	require.NoError(t, target.Check(t.Context()))
	raw, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer raw.Close()
	var root, page int64
	require.NoError(t, raw.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = 'v'").Scan(&root))
	require.NoError(t, raw.QueryRow("PRAGMA page_size").Scan(&page))
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteAt([]byte{10, 0, 0, 0, 0}, (root-1)*page) // a leaf of an index, with no cell
	require.NoError(t, err)
	require.NoError(t, file.Close())
	fresh, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer fresh.Close()
	require.ErrorIs(t, fresh.Check(t.Context()), sqlite.ErrDamaged)
}

// attempts is a context that counts how often somebody asks whether it has ended, as who
// waits for a lock does before each attempt.
type attempts struct {
	context.Context
	n      atomic.Int64
	before func(n int64)
}

func (a *attempts) Err() error {
	a.before(a.n.Add(1))
	return a.Context.Err()
}

// TestCheckWaitsForALock: somebody else has the file to themselves when it begins.
func TestCheckWaitsForALock(t *testing.T) {
	t.Parallel()
	db := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1); PRAGMA journal_mode = DELETE", "")
	path := filepath.Join(t.TempDir(), "r.sqlite")
	target := restore(t, db.source, path, sqlite.Options{})
	other, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer other.Close()
	other.SetMaxOpenConns(1)
	_, err = other.Exec("BEGIN EXCLUSIVE")
	require.NoError(t, err)
	ctx := &attempts{Context: t.Context(), before: func(n int64) {
		if n == 2 { // the first has failed
			_, err := other.Exec("COMMIT")
			assert.NoError(t, err)
		}
	}}
	require.NoError(t, target.Check(ctx))
	require.GreaterOrEqual(t, ctx.n.Load(), int64(2), "the lock was real")
}

// TestCheckRunsBesideViews: whoever reads a file first after it was put in WAL mode locks
// everybody else out for a moment.
func TestCheckRunsBesideViews(t *testing.T) {
	t.Parallel()
	db := freshApp(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX v ON t (v); INSERT INTO t VALUES (1, 'one'), (2, 'two')`, "")
	folder := t.TempDir()
	for i := range 100 {
		target := restore(t, db.source, filepath.Join(folder, strconv.Itoa(i)), sqlite.Options{})
		var group errgroup.Group
		group.Go(func() error { return target.Check(t.Context()) })
		for range 2 {
			group.Go(func() error {
				view, err := target.View(t.Context())
				if err != nil {
					return err
				}
				return view.Close()
			})
		}
		require.NoError(t, group.Wait())
		require.NoError(t, target.Close())
	}
}
