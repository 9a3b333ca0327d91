package databasetest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

// following is a target with the source's rows, at position 0.
func following(t *testing.T, e Engine, v database.View) RestoreTarget {
	t.Helper()
	target := open(t, e.Target(t))
	restored(t, v, target)
	_, ok, err := target.Position(t.Context())
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, target.SetPosition(t.Context(), 0))
	return target
}

func plain(changes []database.Captured) []database.Change {
	out := make([]database.Change, len(changes))
	for i, c := range changes {
		out[i] = c.Change
	}
	return out
}

// next drains and forgets what was captured since the last time.
func next(t *testing.T, db Instance) []database.Change {
	t.Helper()
	v := openView(t, db.Source())
	changes := drained(t, v)
	require.NoError(t, v.Close())
	require.NoError(t, db.Source().Forget(t.Context(), ids(changes)))
	return plain(changes)
}

func equalTarget(t *testing.T, db Instance, target RestoreTarget) {
	t.Helper()
	v, tv := openView(t, db.Source()), openView(t, target)
	equalStates(t, statesOf(t, v, v.Schema()), statesOf(t, tv, v.Schema()))
	require.NoError(t, v.Close())
	require.NoError(t, tv.Close())
}

func replay(t *testing.T, e Engine) {
	db := installed(t, e, someRows()...)
	target := following(t, e, openView(t, db.Source()))
	require.NoError(t, db.Exec("UPDATE people SET n = 1", "DELETE FROM pair WHERE a = 1"))
	first := next(t, db)
	require.NoError(t, db.Exec(append([]string{"UPDATE people SET id = id + 50", "INSERT INTO counted (name) VALUES ('z')"}, e.Extremes...)...))
	second := next(t, db)
	require.NoError(t, target.Apply(t.Context(), 1, first))
	require.NoError(t, target.Apply(t.Context(), 1, first), "again is skipped")
	require.NoError(t, target.Apply(t.Context(), 2, second))
	require.NoError(t, target.Apply(t.Context(), 1, first), "the past is skipped")
	require.NoError(t, target.Apply(t.Context(), 3, nil))
	seq, ok, err := target.Position(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, uint64(3), seq)
	equalTarget(t, db, target)
}

func replayRefuses(t *testing.T, e Engine) {
	db := installed(t, e, "INSERT INTO people (id, name, n) VALUES (1, 'a', 1), (2, 'b', 2)")
	target := open(t, e.Target(t))
	restored(t, openView(t, db.Source()), target)
	require.NoError(t, db.Exec("UPDATE people SET n = 5 WHERE id = 1"))
	change := next(t, db)
	require.Error(t, target.Apply(t.Context(), 1, change), "the position is not known")
	require.NoError(t, target.SetPosition(t.Context(), 10))
	require.Error(t, target.Apply(t.Context(), 12, change), "a gap")

	before := statesOf(t, openView(t, target), mustSchema(t, db))
	other := append(change, change[0]) // removes the row twice
	require.Error(t, target.Apply(t.Context(), 11, other))
	require.NoError(t, db.Exec("UPDATE people SET n = 6 WHERE id = 1"))
	require.Error(t, target.Apply(t.Context(), 11, next(t, db)), "its before image is not what is there")
	require.Error(t, target.Apply(t.Context(), 11, []database.Change{{Op: database.Insert, Table: "no such", Row: change[0].Row}}))
	require.Error(t, target.Apply(t.Context(), 11, []database.Change{{Op: database.Insert, Table: change[0].Table, Row: []byte{0xff}}}))
	equalStates(t, before, statesOf(t, openView(t, target), mustSchema(t, db)))
	seq, _, err := target.Position(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(10), seq, "what was refused changed nothing")
	require.NoError(t, target.Apply(t.Context(), 11, change))
}

func mustSchema(t *testing.T, db Instance) *database.Schema {
	t.Helper()
	v := openView(t, db.Source())
	defer func() { require.NoError(t, v.Close()) }()
	return v.Schema()
}

func replaySwaps(t *testing.T, e Engine) {
	db := installed(t, e, "INSERT INTO people (id, name, n) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
	target := following(t, e, openView(t, db.Source()))
	require.NoError(t, db.Transact(true,
		"UPDATE people SET name = 'x' WHERE id = 1", "UPDATE people SET name = 'a' WHERE id = 2", "UPDATE people SET name = 'b' WHERE id = 1",
		"DELETE FROM people WHERE id = 3", "INSERT INTO people (id, name, n) VALUES (3, 'd', 4)", "UPDATE people SET n = 3, name = 'c' WHERE id = 3"))
	changes := next(t, db)
	for i, j := 0, len(changes)-1; i < j; i, j = i+1, j-1 { // the order within a transaction does not count
		changes[i], changes[j] = changes[j], changes[i]
	}
	require.NoError(t, target.Apply(t.Context(), 1, changes))
	equalTarget(t, db, target)
}

func replayFiresNothing(t *testing.T, e Engine) {
	db := installed(t, e)
	target := following(t, e, openView(t, db.Source()))
	require.NoError(t, db.Exec("INSERT INTO pair (a, b) VALUES (1, 'x'), (2, 'y')"))
	changes := next(t, db)
	require.Len(t, changes, 4, "the trigger's rows are captured too")
	require.NoError(t, target.Apply(t.Context(), 1, changes))
	equalTarget(t, db, target)
}

func replayIsSource(t *testing.T, e Engine) {
	db := installed(t, e, someRows()...)
	target := following(t, e, openView(t, db.Source()))
	seq := uint64(0)
	rapid.Check(t, func(r *rapid.T) {
		for i := range rapid.IntRange(1, 6).Draw(r, "statements") {
			_ = db.Exec(randomStatement(r, i)) // some fail for duplicates
		}
		seq++
		if err := target.Apply(t.Context(), seq, next(t, db)); err != nil {
			r.Fatal(err)
		}
		equalTarget(t, db, target)
	})
}
