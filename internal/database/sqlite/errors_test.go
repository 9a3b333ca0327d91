package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

func TestBadPathsAreExplained(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.sqlite")
	require.NoError(t, os.WriteFile(text, []byte("this is not a database, but it is long enough to look at"), 0o600))
	for name, test := range map[string]struct {
		path, want string
		is         error
	}{
		"missing file":   {filepath.Join(dir, "none.sqlite"), "none.sqlite", os.ErrNotExist},
		"missing folder": {filepath.Join(dir, "no", "none.sqlite"), "folder does not exist", os.ErrNotExist},
		"a folder":       {dir, "is a folder", nil},
		"not a database": {text, "text.sqlite", sqlite.ErrNotDatabase},
		"nothing":        {"", "is not the path", nil},
		"memory":         {":memory:", "is not the path", nil},
	} {
		_, err := sqlite.Open(t.Context(), test.path, sqlite.Options{})
		require.ErrorContains(t, err, test.want, name)
		if test.is != nil {
			require.ErrorIs(t, err, test.is, name)
		}
	}
	_, err := os.Stat(filepath.Join(dir, "none.sqlite"))
	require.ErrorIs(t, err, os.ErrNotExist, "opening makes no file")
	_, err = sqlite.OpenTarget(t.Context(), filepath.Join(dir, "no", "target.sqlite"), sqlite.Options{})
	require.ErrorContains(t, err, "folder does not exist")
	_, err = sqlite.OpenTarget(t.Context(), text, sqlite.Options{})
	require.ErrorIs(t, err, sqlite.ErrNotDatabase)
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "d.sqlite")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v); WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 2000) INSERT INTO t SELECT i, 'some text to fill pages' FROM s")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 4096; i < len(b); i += 512 {
		copy(b[i:], "damage damage damage damage")
	}
	require.NoError(t, os.WriteFile(path, b, 0o600))
	source, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer source.Close()
	v, err := source.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	for _, err := range v.Rows(t.Context(), v.Schema().Table("t")) {
		if err != nil {
			require.ErrorIs(t, err, sqlite.ErrDamaged)
			return
		}
	}
	t.Fatal("a damaged table was read to its end")
}

func TestALockedDatabaseIsWaitedForAndNamed(t *testing.T) {
	t.Parallel()
	db := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "")
	var path string
	require.NoError(t, db.db.QueryRow("SELECT file FROM pragma_database_list").Scan(&path))
	source, err := sqlite.Open(t.Context(), path, sqlite.Options{BusyTimeout: 20 * time.Millisecond})
	require.NoError(t, err)
	defer source.Close()
	conn, err := db.db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	_, err = source.Install(t.Context())
	require.ErrorIs(t, err, sqlite.ErrLocked)
	require.ErrorContains(t, err, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = source.Install(ctx)
	require.ErrorIs(t, err, context.Canceled)

	patient, err := sqlite.Open(t.Context(), path, sqlite.Options{BusyTimeout: time.Minute})
	require.NoError(t, err)
	defer patient.Close()
	done := make(chan error)
	go func() {
		_, err := patient.Install(context.Background())
		done <- err
	}()
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, <-done, "it goes on when the lock is gone")
	require.NoError(t, conn.Close())
}

func TestEverythingRefusedIsNamed(t *testing.T) {
	t.Parallel()
	db := freshApp(t, `CREATE TABLE keyless (a, b INT UNIQUE); CREATE TABLE partly (a INT NOT NULL);
		CREATE UNIQUE INDEX partly_a ON partly (a) WHERE a > 1;
		CREATE TABLE computed (a INT, g INT NOT NULL AS (a + 1) UNIQUE);
		CREATE VIRTUAL TABLE ft USING fts5(x); CREATE TABLE lifeboat_x (id INTEGER PRIMARY KEY);
		CREATE TABLE blind (rowid, oid, _rowid_, id TEXT PRIMARY KEY);
		CREATE TABLE fine (a INT NOT NULL, b TEXT NOT NULL, UNIQUE (b, a))`, "")
	_, err := db.source.Install(t.Context())
	require.ErrorIs(t, err, database.ErrUnsupported)
	for _, want := range []string{`table "keyless": no primary key`, `table "partly": no primary key`, `table "computed": no primary key`,
		`virtual table "ft"`, `table "ft_data" belongs to a virtual table`, `"lifeboat_x"`, `table "blind": columns named`} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), `"fine"`)
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	db := freshApp(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, g AS (n * 2));
		CREATE TRIGGER harmless BEFORE UPDATE ON t BEGIN SELECT RAISE(ABORT, 'no') FROM t WHERE NEW.n < 0; END;
		CREATE TRIGGER after_all AFTER UPDATE ON t BEGIN UPDATE t SET n = 1 WHERE id = NEW.id; END;
		CREATE TRIGGER "risky one" BEFORE UPDATE ON "t" BEGIN UPDATE "t" SET n = 1 WHERE id = NEW.id; END;
		CREATE TRIGGER risky_too BEFORE INSERT ON t BEGIN DELETE FROM [t] WHERE n = NEW.n; END`, "")
	require.NoError(t, db.source.Close())
	_, err := db.db.Exec("PRAGMA journal_mode = DELETE")
	require.NoError(t, err)
	var path string
	require.NoError(t, db.db.QueryRow("SELECT file FROM pragma_database_list").Scan(&path))
	db.source, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer db.source.Close()
	_, warnings, err := db.source.InstallPlan(t.Context())
	require.NoError(t, err)
	require.Len(t, warnings, 4, "%q", warnings)
	require.Contains(t, warnings[0], `"risky one"`)
	require.Contains(t, warnings[1], `"risky_too"`)
	require.Contains(t, warnings[2], "WAL")
	require.Contains(t, warnings[3], `"t"."g"`)
}

// TestInvalidUTF16IsRefused: SQLite would silently turn it into something else.
func TestInvalidUTF16IsRefused(t *testing.T) {
	t.Parallel()
	db := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT); INSERT INTO t VALUES (1, CAST(x'00d8' AS TEXT))", "_pragma=encoding('UTF-16le')&")
	v, err := db.source.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	for _, err := range v.Rows(t.Context(), v.Schema().Table("t")) {
		require.ErrorContains(t, err, "not valid UTF-16")
	}
}

// TestClosedHandles: what is used after Close says so.
func TestClosedHandles(t *testing.T) {
	t.Parallel()
	db := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "")
	v, err := db.source.View(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.source.Close())
	_, err = db.source.View(t.Context())
	require.ErrorContains(t, err, "closed")
	require.Empty(t, rowsIn(t, v, "t"), "a view that is open goes on")
	require.NoError(t, v.Close())
	target, err := sqlite.OpenTarget(t.Context(), filepath.Join(t.TempDir(), "t.sqlite"), sqlite.Options{})
	require.NoError(t, err)
	require.NoError(t, target.Close())
	require.NoError(t, target.Close())
	require.ErrorContains(t, target.Begin(t.Context(), "plan", v.Schema()), "closed")
	_, err = target.Loaded(t.Context())
	require.ErrorContains(t, err, "closed")
}

func rowsIn(t *testing.T, v database.View, table string) []string {
	t.Helper()
	var out []string
	for row, err := range v.Rows(t.Context(), v.Schema().Table(table)) {
		require.NoError(t, err)
		out = append(out, text(t, row))
	}
	return out
}
