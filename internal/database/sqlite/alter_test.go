package sqlite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

// fingerprints of the schema and of the installed one in one view.
func fingerprints(t *testing.T, db database.Source) (now, installed string) {
	t.Helper()
	v, err := db.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	now, err = v.Schema().Fingerprint()
	require.NoError(t, err)
	installed, err = v.Installed().Fingerprint()
	require.NoError(t, err)
	return now, installed
}

// TestSchemaChangesWorkWithCapture: the application may alter its tables; capture sees
// it, keeps working in the installed shape, and is made to fit again by Install.
func TestSchemaChangesWorkWithCapture(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT); INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2)"
	for name, test := range map[string]struct {
		alter, change string
		want, after   []string
	}{
		"add a column":      {"ALTER TABLE t ADD COLUMN c INT DEFAULT 7", "REPLACE INTO t VALUES (3, 'x', 3, 8)", []string{"-1|x|1", "+3|x|3"}, []string{"-3|x|3|8", "+3|z|3|8"}},
		"rename a column":   {"ALTER TABLE t RENAME COLUMN b TO bb", "REPLACE INTO t VALUES (3, 'x', 3)", []string{"-1|x|1", "+3|x|3"}, []string{"-3|x|3", "+3|z|3"}},
		"rename the table":  {"ALTER TABLE t RENAME TO u", "REPLACE INTO u VALUES (3, 'x', 3)", []string{"-1|x|1", "+3|x|3"}, []string{"-3|x|3", "+3|z|3"}},
		"add an index":      {"CREATE UNIQUE INDEX t_b ON t (b)", "REPLACE INTO t VALUES (3, 'x', 3)", []string{"-1|x|1", "+3|x|3"}, []string{"-3|x|3", "+3|z|3"}},
		"add a trigger":     {"CREATE TRIGGER t_x AFTER DELETE ON t BEGIN SELECT 1; END", "REPLACE INTO t VALUES (3, 'x', 3)", []string{"-1|x|1", "+3|x|3"}, []string{"-3|x|3", "+3|z|3"}},
		"rebuild the table": {"CREATE TABLE t2 (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT); INSERT INTO t2 SELECT * FROM t; DROP TABLE t; ALTER TABLE t2 RENAME TO t", "REPLACE INTO t VALUES (3, 'x', 3)", nil, []string{"-3|x|3", "+3|z|3"}},
		"vacuum":            {"VACUUM", "REPLACE INTO t VALUES (3, 'x', 3)", []string{"-1|x|1", "+3|x|3"}, []string{"-3|x|3", "+3|z|3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := freshApp(t, table, "")
			_, err := db.source.Install(t.Context())
			require.NoError(t, err)
			require.NoError(t, db.Exec(test.alter))
			now, installed := fingerprints(t, db.source)
			if name == "vacuum" {
				require.Equal(t, now, installed)
			} else {
				require.NotEqual(t, now, installed)
			}
			require.NoError(t, db.Exec(test.change))
			require.Equal(t, test.want, captured(t, db.source))
			_, err = db.source.Install(t.Context())
			require.NoError(t, err)
			forgetAll(t, db.source)
			now, installed = fingerprints(t, db.source)
			require.Equal(t, now, installed)
			name := "t"
			if test.alter == "ALTER TABLE t RENAME TO u" {
				name = "u"
			}
			require.NoError(t, db.Exec("UPDATE "+name+" SET a = 'z' WHERE id = 3"))
			require.Equal(t, test.after, captured(t, db.source))
		})
	}
}

func forgetAll(t *testing.T, db database.Source) {
	t.Helper()
	v, err := db.View(t.Context())
	require.NoError(t, err)
	var ids []int64
	for c, err := range v.Changes(t.Context()) {
		require.NoError(t, err)
		ids = append(ids, c.ID)
	}
	require.NoError(t, v.Close())
	require.NoError(t, db.Forget(t.Context(), ids))
}

// TestDroppingAColumn: SQLite refuses it while triggers name the column; the way is to
// remove capture, alter, and install again.
func TestDroppingAColumn(t *testing.T) {
	t.Parallel()
	db := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT)", "")
	_, err := db.source.Install(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, db.Exec("ALTER TABLE t DROP COLUMN b"), "lifeboat_")
	require.NoError(t, db.source.Remove(t.Context(), false))
	require.NoError(t, db.Exec("ALTER TABLE t DROP COLUMN b"))
	_, err = db.source.Install(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Exec("INSERT INTO t VALUES (1, 'a')"))
	require.Equal(t, []string{"+1|a"}, captured(t, db.source))
}

// TestMissingTriggersAreSeen: a trigger dropped by hand makes the installed schema differ.
func TestMissingTriggersAreSeen(t *testing.T) {
	t.Parallel()
	db := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE u (id INTEGER PRIMARY KEY)", "")
	_, err := db.source.Install(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Exec("INSERT INTO t VALUES (1)", "DROP TRIGGER lifeboat_2_delete"))
	now, installed := fingerprints(t, db.source)
	require.NotEqual(t, now, installed)
	require.Equal(t, []string{"+1"}, captured(t, db.source))
	plan, _, err := db.source.InstallPlan(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, plan)
	_, err = db.source.Install(t.Context())
	require.NoError(t, err)
	now, installed = fingerprints(t, db.source)
	require.Equal(t, now, installed, "nothing captured was of another shape")
	require.Equal(t, []string{"+1"}, captured(t, db.source))
}

// TestNewTables: a table made after Install is seen, and captured from the next Install.
func TestNewTables(t *testing.T) {
	t.Parallel()
	db := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "")
	_, err := db.source.Install(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Exec("CREATE TABLE wide (a, b, c, d, e, f, PRIMARY KEY (a, b))", "INSERT INTO wide VALUES (1, 2, 3, 4, 5, 6)"))
	now, installed := fingerprints(t, db.source)
	require.NotEqual(t, now, installed)
	_, err = db.source.Install(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Exec("UPDATE wide SET f = 7", "DROP TABLE t"))
	require.Equal(t, []string{"-1|2|3|4|5|6", "+1|2|3|4|5|7"}, captured(t, db.source))
	require.NoError(t, db.Exec("CREATE TABLE keyless (a)"))
	_, err = db.source.View(t.Context())
	require.ErrorIs(t, err, database.ErrUnsupported)
	require.ErrorContains(t, err, `"keyless"`)
}
