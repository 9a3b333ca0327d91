package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

func openApp(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "a.sqlite")
	app := openApp(t, path)
	exec := func(q string, args ...any) {
		t.Helper()
		_, err := app.Exec(q, args...)
		require.NoError(t, err)
	}
	exec("PRAGMA journal_mode=WAL")
	exec("CREATE TABLE ward(id INTEGER PRIMARY KEY, name TEXT UNIQUE, beds REAL, at DATETIME)")
	exec("CREATE TABLE kv(k TEXT PRIMARY KEY, v) WITHOUT ROWID")
	exec("INSERT INTO ward VALUES(1,'a',2.0,'2020-01-01 00:00:00')")
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Install(ctx)
	require.NoError(t, err)
	st, _, err := db.InstallPlan(ctx)
	require.NoError(t, err)
	require.Empty(t, st)
	exec("INSERT OR REPLACE INTO ward VALUES(2,'a',3,'x')")
	exec("UPDATE ward SET beds = beds + 1")
	exec("REPLACE INTO kv VALUES('x',1)")
	exec("REPLACE INTO kv VALUES('x',2)")
	exec("DELETE FROM ward")
	v, err := db.View(ctx)
	require.NoError(t, err)
	var ops string
	var ids []int64
	for c, err := range v.Changes(ctx) {
		require.NoError(t, err)
		ops += string(c.Op) + c.Table + " "
		ids = append(ids, c.ID)
		t.Log(c.ID, c.Tx, c.At, string(c.Op), c.Table, c.Row)
	}
	require.Equal(t, "Dward Iward Dward Iward Ikv Dkv Ikv Dward ", ops)
	require.NoError(t, v.Close())
	require.NoError(t, db.Forget(ctx, ids))
	n, err := db.Pending(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, db.Fence(ctx, "taken over"))
	_, err = app.Exec("INSERT INTO ward VALUES(9,'q',1,1)")
	require.ErrorContains(t, err, "taken over")
	require.NoError(t, db.Fence(ctx, ""))
	exec("INSERT INTO ward VALUES(9,'q',1,1)")

	target, err := sqlite.OpenTarget(ctx, filepath.Join(t.TempDir(), "b.sqlite"), sqlite.Options{})
	require.NoError(t, err)
	defer target.Close()
	v, err = db.View(ctx)
	require.NoError(t, err)
	require.NoError(t, target.Begin(ctx, "p", v.Schema()))
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		_, err := target.Load(ctx, "u"+table.Name, table, v.Rows(ctx, table))
		require.NoError(t, err)
	}
	counters, err := v.Counters(ctx)
	require.NoError(t, err)
	require.NoError(t, target.Finish(ctx, counters))
	tv, err := target.View(ctx)
	require.NoError(t, err)
	for i := range v.Schema().Tables {
		require.Equal(t, stateOf(t, v, &v.Schema().Tables[i]), stateOf(t, tv, &v.Schema().Tables[i]))
	}
	require.NoError(t, tv.Close())
	require.NoError(t, v.Close())
	require.NoError(t, target.SetPosition(ctx, 4))
	row := database.AppendInt(database.AppendText(nil, "x"), 2)
	require.NoError(t, target.Apply(ctx, 5, []database.Change{{Op: 'D', Table: "kv", Row: row}}))
	require.Error(t, target.Apply(ctx, 6, []database.Change{{Op: 'D', Table: "kv", Row: row}}))
	require.NoError(t, db.Remove(ctx, true))
}
