package databasetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

func installTwice(t *testing.T, e Engine) {
	db := e.Fresh(t)
	plan, _, err := db.Source().InstallPlan(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, plan)
	before := openView(t, db.Source())
	require.Nil(t, before.Installed(), "a plan installs nothing")
	require.NoError(t, before.Close())

	first, err := db.Source().Install(t.Context())
	require.NoError(t, err)
	plan, _, err = db.Source().InstallPlan(t.Context())
	require.NoError(t, err)
	require.Empty(t, plan)
	require.NoError(t, db.Exec("INSERT INTO people (id, name) VALUES (1, 'a')"))
	second, err := db.Source().Install(t.Context())
	require.NoError(t, err)
	requireSame(t, first, second)
	v := openView(t, db.Source())
	requireSame(t, first, v.Schema())
	requireSame(t, first, v.Installed())
	require.Len(t, drained(t, v), 1)
	for _, name := range []string{"people", "pair", "counted", "journal", "extreme"} {
		require.NotNil(t, first.Table(e.Name(name)), name)
	}
}

func requireSame(t *testing.T, want, got *database.Schema) {
	t.Helper()
	w, err := want.Fingerprint()
	require.NoError(t, err)
	g, err := got.Fingerprint()
	require.NoError(t, err)
	if w != g {
		a, _ := want.Encode()
		b, _ := got.Encode()
		require.Equal(t, string(a), string(b))
	}
}

func installRefuses(t *testing.T, e Engine) {
	db := e.Fresh(t)
	for statement := range e.Refused {
		require.NoError(t, db.Exec(statement))
	}
	_, err := db.Source().Install(t.Context())
	require.ErrorIs(t, err, database.ErrUnsupported)
	for _, name := range e.Refused {
		require.ErrorContains(t, err, name, "everything is named at once")
	}
	_, err = db.Source().Pending(t.Context())
	require.ErrorIs(t, err, database.ErrNotInstalled)
	require.NoError(t, db.Exec("INSERT INTO people (id, name) VALUES (1, 'a')"), "nothing was installed")
}

func rowsCanonical(t *testing.T, e Engine) {
	db := e.Fresh(t)
	require.NoError(t, db.Exec(append(someRows(), e.Extremes...)...))
	v := openView(t, db.Source())
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		seen := map[string]bool{}
		rows := rowsOf(t, v, table)
		for _, row := range rows {
			require.NoError(t, table.CheckRow(row))
			key, err := table.AppendKey(nil, row)
			require.NoError(t, err)
			require.False(t, seen[string(key)], "one row a key")
			seen[string(key)] = true
		}
		if n := v.RowCount(t.Context(), table); n >= 0 && len(rows) > 0 {
			require.Positive(t, n)
		}
		require.Equal(t, rows, rowsOf(t, v, table), "the same again")
	}
	people := v.Schema().Table(e.Name("people"))
	require.Len(t, rowsOf(t, v, people), 20)
	for _, err := range v.Rows(t.Context(), people) {
		require.NoError(t, err)
		break // stopping early must leave the view usable
	}
	require.Len(t, rowsOf(t, v, people), 20)
}

func capturedIsDifference(t *testing.T, e Engine) {
	db := installed(t, e, someRows()...)
	v := openView(t, db.Source())
	states := statesOf(t, v, v.Schema())
	require.Empty(t, drained(t, v), "what was there before is not captured")
	require.NoError(t, v.Close())
	begun := time.Now().Add(-time.Minute) // the server's clock may be off a little
	require.NoError(t, db.Exec(append([]string{
		"INSERT INTO people (id, name, n) VALUES (100, 'x', 1), (101, 'y', 2), (102, 'z', NULL)",
		"UPDATE people SET n = n + 1 WHERE id < 10",
		"UPDATE people SET id = id + 1000 WHERE id > 18",
		"DELETE FROM people WHERE id IN (3, 4, 5)",
		"INSERT INTO pair (a, b, v) VALUES (7, 'new', 7), (8, 'new', 8)",
		"UPDATE pair SET b = 'other', v = 1 WHERE a = 7",
		"DELETE FROM counted",
		"INSERT INTO counted (name) VALUES ('again')",
		"UPDATE counted SET name = name",
	}, e.Extremes...)...))
	v = openView(t, db.Source())
	changes := drained(t, v)
	apply(t, states, v.Schema(), changes)
	equalStates(t, statesOf(t, v, v.Schema()), states)
	require.True(t, slices.IsSortedFunc(changes, func(a, b database.Captured) int { return int(a.ID - b.ID) }))
	require.Len(t, slices.Compact(ids(changes)), len(changes), "ids are unique")
	for _, c := range changes {
		require.Equal(t, time.UTC, c.At.Location())
		require.WithinRange(t, c.At, begun, time.Now().Add(time.Minute))
	}
	n, err := db.Source().Pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(len(changes)), n)
	require.Equal(t, changes, drained(t, v), "the same again")
}

func transactions(t *testing.T, e Engine) {
	db := installed(t, e)
	require.NoError(t, db.Transact(true,
		"INSERT INTO people (id, name) VALUES (1, 'a')", "INSERT INTO counted (name) VALUES ('a')", "UPDATE people SET n = 5"))
	require.NoError(t, db.Transact(false, "INSERT INTO people (id, name) VALUES (2, 'b')", "DELETE FROM people WHERE id = 1"))
	require.NoError(t, db.Transact(true, "DELETE FROM people", "INSERT INTO counted (name) VALUES ('b')"))
	changes := drained(t, openView(t, db.Source()))
	require.Len(t, changes, 6, "what was rolled back is not there")
	require.NotEqual(t, changes[0].Tx, changes[5].Tx)
	for i, c := range changes {
		want := changes[0].Tx
		if i >= 4 {
			want = changes[5].Tx
		}
		require.Equal(t, want, c.Tx, "change %d", i)
	}
}

func viewStandsStill(t *testing.T, e Engine) {
	db := installed(t, e, "INSERT INTO people (id, name) VALUES (1, 'a')")
	require.NoError(t, db.Exec("UPDATE people SET n = 1"))
	v := openView(t, db.Source())
	require.NoError(t, db.Exec("UPDATE people SET n = 2", "INSERT INTO people (id, name) VALUES (2, 'b')"), "a view blocks no writer")
	later := openView(t, db.Source())
	require.Len(t, drained(t, v), 2)
	require.Len(t, rowsOf(t, v, v.Schema().Table(e.Name("people"))), 1)
	require.Len(t, drained(t, later), 5)
	require.Len(t, rowsOf(t, later, v.Schema().Table(e.Name("people"))), 2)
	require.NoError(t, db.Source().Forget(t.Context(), ids(drained(t, later))))
	require.Len(t, drained(t, v), 2, "not even forgetting moves it")
}

func forgetting(t *testing.T, e Engine) {
	db := installed(t, e)
	require.NoError(t, db.Exec(someRows()...))
	v := openView(t, db.Source())
	all := ids(drained(t, v))
	require.NoError(t, v.Close())
	some := []int64{}
	for i, id := range all {
		if i%3 == 0 {
			some = append(some, id)
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	for range 2 { // ids that are gone already are fine
		require.NoError(t, db.Source().Forget(t.Context(), some))
		n, err := db.Source().Pending(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(len(all)-len(some)), n)
	}
	require.NoError(t, db.Source().Forget(t.Context(), nil))
	left := ids(drained(t, openView(t, db.Source())))
	for _, id := range left {
		require.Contains(t, all, id)
		require.NotContains(t, some, id)
	}
}

func idsNeverAgain(t *testing.T, e Engine) {
	db := installed(t, e)
	last := int64(0)
	for i := range 5 {
		require.NoError(t, db.Exec(fmt.Sprintf("INSERT INTO people (id, name) VALUES (%d, 'n%d')", i, i)))
		v := openView(t, db.Source())
		changes := drained(t, v)
		require.NoError(t, v.Close())
		require.Len(t, changes, 1)
		require.Greater(t, changes[0].ID, last)
		last = changes[0].ID
		require.NoError(t, db.Source().Forget(t.Context(), ids(changes)))
	}
	// The log still knows the ids of an installation that was removed.
	require.NoError(t, db.Source().Remove(t.Context(), false))
	_, err := db.Source().Install(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Exec("INSERT INTO people (id, name) VALUES (9, 'n9')"))
	v := openView(t, db.Source())
	changes := drained(t, v)
	require.NoError(t, v.Close())
	require.Len(t, changes, 1)
	require.Greater(t, changes[0].ID, last, "another installation gives other ids")
}

func schemaChange(t *testing.T, e Engine) {
	db := installed(t, e, "INSERT INTO people (id, name) VALUES (1, 'a')")
	require.NoError(t, db.Exec("UPDATE people SET n = 1", "UPDATE people SET n = 2", e.AddColumn))
	v := openView(t, db.Source())
	old := v.Installed()
	want, err := v.Schema().Fingerprint()
	require.NoError(t, err)
	was, err := old.Fingerprint()
	require.NoError(t, err)
	require.NotEqual(t, want, was, "the change is seen")
	changes := drained(t, v)
	apply(t, database.States{}, old, changes) // every row has the installed shape
	require.Len(t, changes, 4)
	require.NoError(t, v.Close())

	now, err := db.Source().Install(t.Context())
	require.NoError(t, err)
	got, err := now.Fingerprint()
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, db.Exec("UPDATE people SET extra = 3"))
	v = openView(t, db.Source())
	requireSame(t, old, v.Installed())
	require.Equal(t, changes, drained(t, v), "what was captured before comes first, in its own shape")
	for _, err := range v.Rows(t.Context(), &v.Schema().Tables[0]) {
		require.ErrorIs(t, err, database.ErrSchemaChanged, "this view is not what the log will hold")
	}
	require.NoError(t, v.Close())
	require.NoError(t, db.Source().Forget(t.Context(), ids(changes)))
	v = openView(t, db.Source())
	requireSame(t, now, v.Installed())
	changes = drained(t, v)
	apply(t, database.States{}, now, changes)
	require.Len(t, changes, 2)
	require.Len(t, rowsOf(t, v, now.Table(e.Name("people"))), 1)
}

func remove(t *testing.T, e Engine) {
	db := installed(t, e)
	require.NoError(t, db.Exec("INSERT INTO people (id, name) VALUES (1, 'a')"))
	require.ErrorContains(t, db.Source().Remove(t.Context(), false), "1 captured change")
	v := openView(t, db.Source())
	require.Len(t, drained(t, v), 1, "refusing removes nothing")
	require.NoError(t, v.Close())
	require.NoError(t, db.Source().Remove(t.Context(), true))
	require.NoError(t, db.Exec("INSERT INTO people (id, name) VALUES (2, 'b')"))
	v = openView(t, db.Source())
	require.Nil(t, v.Installed())
	for _, err := range v.Changes(t.Context()) {
		require.ErrorIs(t, err, database.ErrNotInstalled)
	}
	require.NoError(t, v.Close())
	require.NoError(t, db.Source().Remove(t.Context(), false), "nothing to remove is fine")
	_, err := db.Source().Install(t.Context())
	require.NoError(t, err)
}

func fence(t *testing.T, e Engine) {
	db := installed(t, e, "INSERT INTO people (id, name) VALUES (1, 'a')", "INSERT INTO counted (name) VALUES ('a')")
	require.NoError(t, db.Exec("UPDATE people SET n = 1"))
	require.NoError(t, db.Source().Fence(t.Context(), "it's been taken over by %s"))
	for _, statement := range []string{
		"INSERT INTO people (id, name) VALUES (2, 'b')", "UPDATE counted SET name = 'x'", "DELETE FROM people",
	} {
		require.ErrorContains(t, db.Exec(statement), "it's been taken over by %s", statement)
	}
	v := openView(t, db.Source())
	requireSame(t, v.Schema(), v.Installed())
	changes := drained(t, v)
	require.Len(t, changes, 2, "a fenced database can be drained")
	require.Len(t, rowsOf(t, v, v.Schema().Table(e.Name("people"))), 1)
	require.NoError(t, v.Close())
	require.NoError(t, db.Source().Forget(t.Context(), ids(changes)))
	_, err := db.Source().Install(t.Context())
	require.NoError(t, err)
	require.Error(t, db.Exec("DELETE FROM people"), "installing does not lift a fence")
	require.NoError(t, db.Source().Fence(t.Context(), "another reason"))
	require.ErrorContains(t, db.Exec("DELETE FROM people"), "another reason")
	require.NoError(t, db.Source().Fence(t.Context(), ""))
	require.NoError(t, db.Exec("DELETE FROM people"))
	require.Len(t, drained(t, openView(t, db.Source())), 1)
}

// randomStatement changes one of the suite's tables, or fails for a duplicate.
func randomStatement(r *rapid.T, i int) string {
	id, n := rapid.IntRange(1, 8).Draw(r, "id"), rapid.IntRange(0, 3).Draw(r, "n")
	return rapid.SampledFrom([]string{
		fmt.Sprintf("INSERT INTO people (id, name, n) VALUES (%d, 'p%d', %d)", id, id+n, n),
		fmt.Sprintf("UPDATE people SET n = %d WHERE id = %d", n, id),
		fmt.Sprintf("UPDATE people SET id = %d WHERE id = %d", id+n, id),
		fmt.Sprintf("DELETE FROM people WHERE n = %d", n),
		fmt.Sprintf("INSERT INTO pair (a, b, v) VALUES (%d, 'b%d', %d), (%d, 'c%d', %d)", id, n, i, n, id, i),
		fmt.Sprintf("UPDATE pair SET v = v + %d", n),
		fmt.Sprintf("DELETE FROM pair WHERE a = %d", id),
		fmt.Sprintf("INSERT INTO counted (name) VALUES ('%d')", n),
		fmt.Sprintf("DELETE FROM counted WHERE name = '%d'", n),
	}).Draw(r, "statement")
}
