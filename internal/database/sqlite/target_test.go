package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

// restore loads a source whole into a new target, which it leaves open.
func restore(t *testing.T, source database.Source, path string, o sqlite.Options) *sqlite.Target {
	t.Helper()
	v, err := source.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	target, err := sqlite.OpenTarget(t.Context(), path, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = target.Close() })
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		_, err := target.Load(t.Context(), table.Name, table, v.Rows(t.Context(), table))
		require.NoError(t, err)
	}
	counters, err := v.Counters(t.Context())
	require.NoError(t, err)
	require.NoError(t, target.Finish(t.Context(), counters))
	return target
}

func TestARestoredDatabaseIsTheSource(t *testing.T) {
	t.Parallel()
	db := freshApp(t, suiteTables+`
		INSERT INTO people VALUES (1, 'a', 1), (2, 'b', 99);
		INSERT INTO counted (name) VALUES ('x'), ('y'), ('z');
		DELETE FROM counted WHERE id = 3;
		CREATE TABLE "odd ' ""name""" ("a b" INT PRIMARY KEY, g INT AS ("a b" * 2), s TEXT DEFAULT "x", CHECK ("a b" > 0)) WITHOUT ROWID, STRICT;
		INSERT INTO "odd ' ""name""" VALUES (5, 'five');
		CREATE TABLE kin (id INTEGER PRIMARY KEY, of INT REFERENCES people DEFERRABLE INITIALLY DEFERRED);
		ANALYZE;`, "_pragma=page_size(8192)&")
	_, err := db.source.Install(t.Context())
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "restored.sqlite")
	target := restore(t, db.source, path, sqlite.Options{})
	require.NoError(t, target.ForgetProgress(t.Context()))
	require.NoError(t, target.Close())

	app, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer app.Close()
	for pragma, want := range map[string]string{"page_size": "8192", "user_version": "7", "application_id": "77", "journal_mode": "wal", "integrity_check": "ok"} {
		var got string
		require.NoError(t, app.QueryRow("PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
	for _, check := range [][2]string{
		{"SELECT count(*) FROM sqlite_schema WHERE name LIKE 'lifeboat%'", "0"},
		{"INSERT INTO counted (name) VALUES ('new') RETURNING id", "4"},
		{"SELECT name FROM old_people", "b"},
		{"INSERT INTO pair VALUES (1, 'p', 1) RETURNING b", "p"},
		{"SELECT what FROM journal", "p"},
		{`SELECT g FROM "odd ' ""name"""`, "10"},
		{"SELECT count(*) > 0 FROM sqlite_stat1", "1"},
		{"SELECT name FROM sqlite_schema WHERE name = 'people_n' AND tbl_name = 'people'", "people_n"},
	} {
		var got string
		require.NoError(t, app.QueryRow(check[0]).Scan(&got), check[0])
		require.Equal(t, check[1], got, check[0])
	}
	source, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer source.Close()
	_, err = source.Install(t.Context())
	require.NoError(t, err, "and it can be protected in turn")
}

// TestRulesThatTheSourceBrokeAreWarnings: what SQLite let into the source must not keep
// a restore from finishing.
func TestRulesThatTheSourceBrokeAreWarnings(t *testing.T) {
	t.Parallel()
	db := freshApp(t, `CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p, n INT CHECK (n > 0));
		INSERT INTO c VALUES (1, 77, 1), (2, 78, 1); PRAGMA ignore_check_constraints = ON; INSERT INTO c VALUES (3, NULL, -1)`, "")
	var log bytes.Buffer
	target := restore(t, db.source, filepath.Join(t.TempDir(), "r.sqlite"), sqlite.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, target.Check(t.Context()))
	require.Contains(t, log.String(), `2 rows of \"c\" refer to rows of \"p\" that do not exist`)
	require.Contains(t, log.String(), "CHECK constraint failed in c")
}

// TestLargeValues: beyond every buffer there is on the way.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	db := freshApp(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB, s TEXT);
		INSERT INTO t VALUES (1, randomblob(3000000), hex(randomblob(1500000))), (2, zeroblob(65535), printf('%.65536c', 'x')), (3, x'', '')`, "")
	target := restore(t, db.source, filepath.Join(t.TempDir(), "r.sqlite"), sqlite.Options{})
	v, err := db.source.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	tv, err := target.View(t.Context())
	require.NoError(t, err)
	defer tv.Close()
	table := v.Schema().Table("t")
	require.Equal(t, stateOf(t, v, table), stateOf(t, tv, table))
}

// TestMain lets the test binary play a restore that gets killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("LIFEBOAT_TEST_LOAD"); path != "" {
		loadUntilKilled(path)
	}
	os.Exit(m.Run())
}

var killedSchema = `{"engine":"sqlite","tables":[{"name":"t","columns":[{"name":"id","type":"INTEGER"},{"name":"v","type":""}],"key":[0],"sql":"CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)"}]}`

const killedRows = 2000 // of one unit

func unitRows(unit int) func(func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		for i := range killedRows {
			id := int64(unit*killedRows + i)
			if !yield(database.AppendText(database.AppendInt(nil, id), fmt.Sprint("value ", id*7919%100_003)), nil) {
				return
			}
		}
	}
}

// loadUntilKilled loads units for ever, saying when each is done.
func loadUntilKilled(path string) {
	ctx := context.Background()
	target, err := sqlite.OpenTarget(ctx, path, sqlite.Options{})
	if err != nil {
		panic(err)
	}
	schema, err := database.DecodeSchema([]byte(killedSchema))
	if err != nil {
		panic(err)
	}
	if err := target.Begin(ctx, "plan", schema); err != nil {
		panic(err)
	}
	done, err := target.Loaded(ctx)
	if err != nil {
		panic(err)
	}
	for unit := len(done); ; unit++ {
		if _, err := target.Load(ctx, fmt.Sprint(unit), schema.Table("t"), unitRows(unit)); err != nil {
			panic(err)
		}
		fmt.Println(unit)
	}
}

// TestKilledRestoreResumes kills the process that loads, several times, in mid-write.
func TestKilledRestoreResumes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "r.sqlite")
	last := -1
	for range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LIFEBOAT_TEST_LOAD="+path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for range 3 {
			require.True(t, lines.Scan())
			_, err := fmt.Sscan(lines.Text(), &last)
			require.NoError(t, err)
		}
		require.NoError(t, cmd.Process.Kill()) // while it loads the next unit
		_ = cmd.Wait()
	}
	target, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer target.Close()
	schema, err := database.DecodeSchema([]byte(killedSchema))
	require.NoError(t, err)
	require.NoError(t, target.Begin(t.Context(), "plan", schema))
	loaded, err := target.Loaded(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(loaded), last+1, "every unit that was reported is there")
	require.NoError(t, target.Finish(t.Context(), nil))
	v, err := target.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	var want database.State
	for unit := range len(loaded) {
		require.Equal(t, int64(killedRows), loaded[fmt.Sprint(unit)])
		for row := range unitRows(unit) {
			h, _ := schema.Table("t").Hash(nil, row)
			want.Add(h)
		}
	}
	require.Equal(t, want.String(), stateOf(t, v, schema.Table("t")).String())
}

// TestMachineStopStartsAgain: what was written without fsync cannot be trusted once the
// machine has stopped, which the kernel's boot id tells.
func TestMachineStopStartsAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "r.sqlite")
	schema, err := database.DecodeSchema([]byte(killedSchema))
	require.NoError(t, err)
	open := func() *sqlite.Target {
		target, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
		require.NoError(t, err)
		return target
	}
	stop := func() { // as if another kernel had written the file
		db, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		_, err = db.Exec("UPDATE lifeboat_restore SET value = 'another' WHERE name = 'boot'")
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	target := open()
	require.NoError(t, target.Begin(t.Context(), "plan", schema))
	_, err = target.Load(t.Context(), "0", schema.Table("t"), unitRows(0))
	require.NoError(t, err)
	require.NoError(t, target.Close())
	stop()

	target = open()
	require.ErrorIs(t, target.Begin(t.Context(), "other plan", schema), database.ErrNotEmpty)
	require.NoError(t, target.Begin(t.Context(), "plan", schema))
	loaded, err := target.Loaded(t.Context())
	require.NoError(t, err)
	require.Empty(t, loaded)
	_, err = target.Load(t.Context(), "0", schema.Table("t"), unitRows(0))
	require.NoError(t, err)
	require.NoError(t, target.Finish(t.Context(), nil))
	require.NoError(t, target.Close())
	stop()

	target = open() // finished is durable, whatever happens to the machine
	defer target.Close()
	require.NoError(t, target.Begin(t.Context(), "plan", schema))
	loaded, err = target.Loaded(t.Context())
	require.NoError(t, err)
	require.Len(t, loaded, 1)
}

// TestFinishGoesOn: a Finish that stopped half-way is finished by the next one.
func TestFinishGoesOn(t *testing.T) {
	t.Parallel()
	db := freshApp(t, suiteTables+"; INSERT INTO people VALUES (1, 'a', 1)", "")
	v, err := db.source.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	path := filepath.Join(t.TempDir(), "r.sqlite")
	target, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	require.ErrorContains(t, target.Finish(t.Context(), map[string]int64{"no such table": 1}), "no such table")
	require.NoError(t, target.Finish(t.Context(), map[string]int64{"counted": 9}))
	require.NoError(t, target.Close())
	undo, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = undo.Exec("DELETE FROM lifeboat_restore WHERE name = 'finished'") // killed between the two transactions
	require.NoError(t, err)
	require.NoError(t, undo.Close())
	target, err = sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer target.Close()
	require.NoError(t, target.Finish(t.Context(), map[string]int64{"counted": 9}))
	tv, err := target.View(t.Context())
	require.NoError(t, err)
	defer tv.Close()
	counters, err := tv.Counters(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"counted": 9}, counters)
}
