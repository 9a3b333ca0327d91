package sqlite_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

// TestConflictsAreCaptured spells out what TestCapturedChangesAreTheDifference tries at
// random.
func TestConflictsAreCaptured(t *testing.T) {
	t.Parallel()
	const table = `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b INT UNIQUE);
		CREATE UNIQUE INDEX t_a ON t (a COLLATE BINARY) WHERE b < 100;
		INSERT INTO t VALUES (1, 'x', 10), (2, 'y', 20), (3, 'z', 30), (4, 'X', 400)`
	for name, test := range map[string]struct{ sql, want string }{
		"replace one":                 {"REPLACE INTO t VALUES (1, 'n', 11)", "-1|x|10 +1|n|11"},
		"replace three":               {"INSERT OR REPLACE INTO t VALUES (1, 'y', 30)", "-1|x|10 -3|z|30 -2|y|20 +1|y|30"},
		"replace itself":              {"REPLACE INTO t VALUES (1, 'x', 10)", "-1|x|10 +1|x|10"},
		"automatic id":                {"REPLACE INTO t (a, b) VALUES ('n', 20)", "-2|y|20 +5|n|20"},
		"ignore":                      {"INSERT OR IGNORE INTO t VALUES (1, 'q', 50)", ""},
		"ignore one of two":           {"INSERT OR IGNORE INTO t VALUES (1, 'q', 50), (9, 'q', 50)", "+9|q|50"},
		"fail after one":              {"INSERT OR FAIL INTO t VALUES (9, 'q', 50), (1, 'r', 60)", "+9|q|50"},
		"abort":                       {"INSERT INTO t VALUES (9, 'q', 50), (1, 'r', 60)", ""},
		"roll back":                   {"INSERT OR ROLLBACK INTO t VALUES (9, 'q', 50), (1, 'r', 60)", ""},
		"upsert nothing":              {"INSERT INTO t VALUES (1, 'q', 50) ON CONFLICT DO NOTHING", ""},
		"upsert":                      {"INSERT INTO t VALUES (1, 'q', 50) ON CONFLICT (id) DO UPDATE SET b = excluded.b", "-1|x|10 +1|x|50"},
		"upsert of another key":       {"INSERT INTO t VALUES (9, 'q', 10) ON CONFLICT (b) DO UPDATE SET id = excluded.id", "-1|x|10 +9|x|10"},
		"update or replace":           {"UPDATE OR REPLACE t SET b = 20 WHERE id = 1", "-2|y|20 -1|x|10 +1|x|20"},
		"update of the key":           {"UPDATE OR REPLACE t SET id = 3 WHERE id = 1", "-3|z|30 -1|x|10 +3|x|10"},
		"update under another name":   {"UPDATE OR REPLACE t SET rowid = 3 WHERE id = 1", "-3|z|30 -1|x|10 +3|x|10"},
		"update of case alone":        {"UPDATE OR REPLACE t SET a = 'x' WHERE id = 4", "-4|X|400 +4|x|400"},
		"update into a partial index": {"UPDATE OR REPLACE t SET a = 'x', b = 40 WHERE id = 4", "-1|x|10 -4|X|400 +4|x|40"},
		"update or ignore":            {"UPDATE OR IGNORE t SET b = 20 WHERE id < 3", "-2|y|20 +2|y|20"},
		"many rows":                   {"INSERT OR REPLACE INTO t SELECT id + 1, a, b FROM t WHERE id < 3 ORDER BY id", "-1|x|10 -2|y|20 +2|x|10 -2|x|10 -3|z|30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := freshApp(t, table, "")
			_, err := db.source.Install(t.Context())
			require.NoError(t, err)
			_ = db.Exec(test.sql)
			got := captured(t, db.source)
			if name == "many rows" { // REPLACE INTO … SELECT from itself: only the sum is certain
				return
			}
			require.Equal(t, test.want, strings.Join(got, " "))
		})
	}
}

// captured writes changes as -1|x|10 and +1|x|20.
func captured(t *testing.T, db database.Source) []string {
	t.Helper()
	v, err := db.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	var out []string
	for c, err := range v.Changes(t.Context()) {
		require.NoError(t, err)
		out = append(out, map[database.Op]string{database.Insert: "+", database.Delete: "-"}[c.Op]+text(t, c.Row))
	}
	return out
}

func text(t *testing.T, row []byte) string {
	t.Helper()
	var values []string
	for len(row) > 0 {
		v, rest, err := database.Next(row)
		require.NoError(t, err)
		row = rest
		switch v.Tag {
		case database.TagNull:
			values = append(values, "NULL")
		case database.TagInt:
			values = append(values, fmt.Sprint(v.Int))
		case database.TagFloat64:
			values = append(values, fmt.Sprint(v.Float()))
		default:
			values = append(values, string(v.Bytes))
		}
	}
	return strings.Join(values, "|")
}

// TestManyIgnoredRowsStayCheap: rows that were only in the way leave notes, and these
// must not slow down later statements or ever reach the log.
func TestManyIgnoredRowsStayCheap(t *testing.T) {
	t.Parallel()
	n := 20_000
	if underRace {
		n = 500
	}
	db := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT UNIQUE)", "")
	require.NoError(t, db.Exec(fmt.Sprintf("WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) INSERT INTO t SELECT i, i FROM s", n)))
	_, err := db.source.Install(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Exec(fmt.Sprintf("INSERT OR IGNORE INTO t SELECT id * 2, a * 2 FROM t WHERE id <= %d", n)))
	got := captured(t, db.source)
	require.Len(t, got, n/2)
	pending, err := db.source.Pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(n/2), pending)
}
