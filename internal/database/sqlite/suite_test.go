package sqlite_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the application beside lifeboat

	"lifeboat/internal/database"
	"lifeboat/internal/database/databasetest"
	"lifeboat/internal/database/sqlite"
)

const suiteTables = `
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, n INT);
CREATE INDEX people_n ON people (n);
CREATE VIEW old_people AS SELECT * FROM people WHERE n > 60;
CREATE TABLE pair (a INT, b TEXT, v INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
CREATE TABLE journal (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);
CREATE TRIGGER pair_journal AFTER INSERT ON pair BEGIN INSERT INTO journal (what) VALUES (NEW.b); END;
CREATE TABLE extreme (id INTEGER PRIMARY KEY, n, i INTEGER, r REAL, t TEXT, b BLOB, num NUMERIC, dt DATETIME, bo BOOLEAN, d DATE, ts TIMESTAMP);
PRAGMA user_version = 7;
PRAGMA application_id = 77;`

// extremes put into every column of extreme what may be hard to carry.
func extremes(encoding string) []string {
	columns := []string{"n", "i", "r", "t", "b", "num", "dt", "bo", "d", "ts"}
	values := []string{
		"NULL", "0", "1", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993",
		"0.0", "-0.0", "1.0", "0.1", "5e-324", "-1.7976931348623157e308", "9e999", "-9e999", "9223372036854775807.0",
		"''", "'a'", "' a '", "'123'", "'1e3'", "'0x10'", "'2024-02-29 12:00:00'", "'2024-02-29'", "'true'", "'ä€😀'",
		"char(97,0,98,0,0)", "char(65279)", "'''\"'",
		"x''", "x'00'", "x'6100ff'", "x'313233'", "zeroblob(70000)", "1704067200", "1704067200.5",
	}
	if encoding == "UTF-8" { // text of any bytes
		values = append(values, "CAST(x'fffe80' AS TEXT)", "CAST(x'eda080' AS TEXT)", "CAST(zeroblob(70000) AS TEXT)")
	}
	var out []string
	for _, c := range columns {
		for _, v := range values {
			out = append(out, "INSERT INTO extreme ("+c+") VALUES ("+v+")")
		}
	}
	return out
}

// app is an application beside lifeboat, on database/sql.
type app struct {
	db     *sql.DB
	source *sqlite.DB
}

func (a app) Source() database.Source { return a.source }

func (a app) Exec(statements ...string) error {
	for _, s := range statements {
		if _, err := a.db.Exec(s); err != nil {
			return err
		}
	}
	return nil
}

func (a app) Transact(commit bool, statements ...string) error {
	tx, err := a.db.Begin()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(sqlite.MarkTransaction); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	for _, s := range statements {
		if _, err := tx.Exec(s); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if !commit {
		return tx.Rollback()
	}
	return tx.Commit()
}

func freshApp(t testing.TB, tables, pragmas string) app {
	path := filepath.Join(t.TempDir(), "app.sqlite")
	db, err := sql.Open("sqlite", path+"?"+pragmas+"_journal_mode=wal&_pragma=synchronous(off)&_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.Exec(tables)
	require.NoError(t, err)
	source, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	return app{db, source}
}

func newTarget(t testing.TB) func() databasetest.RestoreTarget {
	path := filepath.Join(t.TempDir(), "target.sqlite")
	return func() databasetest.RestoreTarget {
		target, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
		require.NoError(t, err)
		return target
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	for encoding, pragmas := range map[string]string{
		"UTF-8":    "",
		"UTF-16le": "_pragma=encoding('UTF-16le')&_pragma=page_size(1024)&",
		"UTF-16be": "_pragma=encoding('UTF-16be')&_pragma=auto_vacuum(2)&",
	} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			databasetest.Run(t, databasetest.Engine{
				Fresh: func(t testing.TB) databasetest.Instance {
					fresh := freshApp(t, suiteTables, pragmas)
					var is string
					require.NoError(t, fresh.db.QueryRow("PRAGMA encoding").Scan(&is))
					require.Equal(t, encoding, is)
					return fresh
				},
				Target:   newTarget,
				Name:     func(table string) string { return table },
				Extremes: extremes(encoding),
				Refused: map[string]string{
					"CREATE TABLE keyless (a, b UNIQUE)":            `"keyless"`,
					"CREATE VIRTUAL TABLE searched USING fts5(txt)": `virtual table "searched"`,
					"CREATE TABLE lifeboat_mine (id INTEGER)":       `"lifeboat_mine"`,
				},
				AddColumn: "ALTER TABLE people ADD COLUMN extra INT",
				Occupy: func(t testing.TB) databasetest.RestoreTarget {
					path := filepath.Join(t.TempDir(), "occupied.sqlite")
					db, err := sql.Open("sqlite", path)
					require.NoError(t, err)
					_, err = db.Exec("CREATE TABLE mine (id INTEGER PRIMARY KEY)")
					require.NoError(t, err)
					require.NoError(t, db.Close())
					target, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
					require.NoError(t, err)
					return target
				},
				SameSchema: true,
			})
		})
	}
}
