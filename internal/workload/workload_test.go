package workload_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/drill/embedded"
	"lifeboat/internal/workload"
)

const chinook = "../../../shared/data/chinook.sqlite"

// awkward has what trips up writers: a composite key with a foreign key in it, a key of
// text, a self reference, cascades, SET NULL, a check, a generated column, a partial
// unique index, a trigger that writes elsewhere, names that need quoting, an empty table.
const awkward = `
CREATE TABLE "odd name" ("select" TEXT PRIMARY KEY, "Größe" REAL CHECK ("Größe" >= 0), n INT AS (length("select")) STORED);
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent REFERENCES tree ON DELETE CASCADE, label TEXT NOT NULL UNIQUE);
CREATE TABLE link (tree INTEGER NOT NULL REFERENCES tree (id) ON DELETE CASCADE, odd TEXT REFERENCES "odd name" ON DELETE SET NULL, at INT NOT NULL, PRIMARY KEY (tree, at)) WITHOUT ROWID;
CREATE TABLE pair (a INT NOT NULL, b INT NOT NULL, extra BLOB, PRIMARY KEY (a, b));
CREATE TABLE child (id INTEGER PRIMARY KEY, a INT, b INT, live INT, slot INT, FOREIGN KEY (a, b) REFERENCES pair (a, b) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX one_live ON child (slot) WHERE live = 1;
CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT);
CREATE TRIGGER told AFTER INSERT ON pair BEGIN INSERT INTO audit (what) VALUES ('pair ' || NEW.a); END;
INSERT INTO "odd name" VALUES ('one', 1), ('two', 2.5), ('three', 0);
INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'c');
INSERT INTO link VALUES (1, 'one', 1), (2, NULL, 1);
INSERT INTO pair VALUES (1, 1, x'00ff'), (1, 2, NULL), (2, 1, x'');
INSERT INTO child VALUES (1, 1, 1, 1, 1), (2, 1, 2, 0, 1);
`

func makeSources(t *testing.T) map[string]func(path string) {
	return map[string]func(string){
		"hospital": func(path string) { require.NoError(t, embedded.Hospital(t.Context(), path, 3_000, 1)) },
		"awkward": func(path string) {
			db, err := embedded.OpenApp(path)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), awkward)
			require.NoError(t, errors.Join(err, db.Close()))
		},
		"chinook": func(path string) {
			if _, err := os.Stat(chinook); err != nil {
				t.Skip("shared/data/chinook.sqlite is not beside the repository")
			}
			require.NoError(t, embedded.Copy(t.Context(), chinook, path))
		},
	}
}

// TestRecordIsWhatTheDatabaseHolds runs writers that race each other, some of them never
// acknowledged, and then holds the record against the database they wrote to.
func TestRecordIsWhatTheDatabaseHolds(t *testing.T) {
	t.Parallel()
	for name, makeSource := range makeSources(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "app db.sqlite")
			makeSource(path)
			db, err := embedded.OpenApp(path)
			require.NoError(t, err)
			defer db.Close()
			var evidence bytes.Buffer
			record := workload.NewRecord(&evidence)
			d := embedded.NewDialect(false)
			runUntil(t, db, d, record, 150)

			m, err := d.Describe(t.Context(), db)
			require.NoError(t, err)
			v, err := record.Check(t.Context(), db, d, m, func(string) bool { return true })
			require.NoError(t, err)
			require.Empty(t, v.Mismatches)
			require.Positive(t, v.Rows)
			require.GreaterOrEqual(t, v.Acknowledged, 150)
			require.Zero(t, v.AcknowledgedLost)
			requireIntegrity(t, db)
			require.NoError(t, record.Flush())
			require.Equal(t, v.Acknowledged, strings.Count(evidence.String(), `"event":"acknowledged"`))
		})
	}
}

func runUntil(t *testing.T, db *sql.DB, d workload.Dialect, record *workload.Record, acks int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int64
	err := workload.Run(ctx, workload.Config{
		DB: db, Dialect: d, Writers: 4, Seed: 42, Record: record,
		Ack: func(context.Context) error {
			switch k := n.Add(1); {
			case k%7 == 0:
				return errors.New("not yet")
			case k > acks*8/7+10:
				cancel()
			}
			return nil
		},
	})
	require.NoError(t, err)
}

func requireIntegrity(t *testing.T, db *sql.DB) {
	t.Helper()
	var answer string
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&answer))
	require.Equal(t, "ok", answer)
	rows, err := db.QueryContext(t.Context(), "PRAGMA foreign_key_check")
	require.NoError(t, err)
	defer rows.Close()
	require.False(t, rows.Next(), "a foreign key is broken")
	require.NoError(t, rows.Err())
}

// TestCheckFindsWhatIsWrong damages a database behind the writers' backs.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.sqlite")
	require.NoError(t, embedded.Hospital(t.Context(), path, 500, 3))
	db, err := embedded.OpenApp(path)
	require.NoError(t, err)
	defer db.Close()
	record := workload.NewRecord(nil)
	d := embedded.NewDialect(false)
	runUntil(t, db, d, record, 60)
	m, err := d.Describe(t.Context(), db)
	require.NoError(t, err)
	whole, err := record.Check(t.Context(), db, d, m, func(string) bool { return true })
	require.NoError(t, err)
	require.Empty(t, whole.Mismatches)

	before := 0
	for _, damage := range []string{
		"UPDATE task SET priority = CAST(priority AS REAL)", // affinity undoes it: not damage
		"UPDATE note SET body = body || ' '",                // one byte more
		"DELETE FROM shift",                                 // all: the writers have not touched every day's
		"UPDATE patient SET weight_kg = weight_kg + 0.0000001",
	} {
		t.Run(damage, func(t *testing.T) {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), damage)
			require.NoError(t, err)
			require.NoError(t, tx.Commit())
			v, err := record.Check(t.Context(), db, d, m, func(string) bool { return true })
			require.NoError(t, err)
			if strings.Contains(damage, "CAST") {
				require.Zero(t, v.Wrong)
				return
			}
			require.Greater(t, v.Wrong, before)
			before = v.Wrong
			require.Positive(t, v.AcknowledgedLost)
			require.Contains(t, v.Mismatches[0].String(), "table ")
		})
	}
}

// TestRollsBackToSurvivors keeps every state of a database after each commit, goes back
// to one of them, and expects exactly the later transactions to be missing.
func TestRollsBackToSurvivors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "app.sqlite")
	require.NoError(t, embedded.Hospital(t.Context(), path, 300, 5))
	db, err := embedded.OpenApp(path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "CREATE TABLE lifeboat_transaction (mark INTEGER); INSERT INTO lifeboat_transaction VALUES (0)")
	require.NoError(t, err)
	record := workload.NewRecord(nil)
	d := embedded.NewDialect(true)
	early := filepath.Join(dir, "early.sqlite")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	err = workload.Run(ctx, workload.Config{
		DB: db, Dialect: d, Writers: 1, Seed: 9, Record: record,
		Ack: func(ctx context.Context) error {
			if n++; n < 30 {
				return nil // acknowledged
			}
			if n == 30 {
				_, err := db.ExecContext(ctx, "VACUUM INTO ?", early)
				require.NoError(t, err)
				return nil
			}
			if n == 40 {
				cancel()
			}
			return errors.New("not yet")
		},
	})
	require.NoError(t, err)
	restored, err := embedded.OpenApp(early)
	require.NoError(t, err)
	defer restored.Close()
	m, err := d.Describe(t.Context(), restored)
	require.NoError(t, err)
	var mark int
	require.NoError(t, restored.QueryRowContext(t.Context(), "SELECT mark FROM lifeboat_transaction").Scan(&mark))
	survived := func(id string) bool {
		var k int
		_, err := fmt.Sscan(id, &k)
		return err == nil && k <= mark
	}
	v, err := record.Check(t.Context(), restored, d, m, survived)
	require.NoError(t, err)
	require.Empty(t, v.Mismatches)
	require.Equal(t, 30, v.Acknowledged)
	require.Zero(t, v.AcknowledgedLost)
	require.Equal(t, v.Committed-v.Acknowledged, v.CommittedLost)
	require.Positive(t, v.CommittedLost)
	require.False(t, v.FirstLost.IsZero())

	// A store that drops the last acknowledged transaction is found out.
	v, err = record.Check(t.Context(), restored, d, m, func(id string) bool { return survived(id) && id != fmt.Sprint(mark) })
	require.NoError(t, err)
	require.Equal(t, 1, v.AcknowledgedLost)
}

func TestNothingToChange(t *testing.T) {
	t.Parallel()
	db, err := embedded.OpenApp(filepath.Join(t.TempDir(), "app.sqlite"))
	require.NoError(t, err)
	defer db.Close()
	cfg := workload.Config{DB: db, Dialect: embedded.NewDialect(false), Writers: 2, Record: workload.NewRecord(nil), Ack: func(context.Context) error { return nil }}
	require.ErrorIs(t, workload.Run(t.Context(), cfg), workload.ErrNothingToChange)

	_, err = db.ExecContext(t.Context(), `CREATE TABLE frozen (id INTEGER PRIMARY KEY); CREATE TRIGGER no BEFORE INSERT ON frozen BEGIN SELECT RAISE(ABORT, 'never'); END`)
	require.NoError(t, err)
	require.ErrorIs(t, workload.Run(t.Context(), cfg), workload.ErrNothingToChange)
}
