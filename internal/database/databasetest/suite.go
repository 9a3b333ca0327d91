package databasetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

// Engine is what the suite needs of an engine.
type Engine struct {
	// Fresh makes a database with the suite's tables; capture is not installed.
	Fresh func(t testing.TB) Instance
	// Target makes an empty target database; what it returns opens that database, again
	// and again. The suite closes what it opened.
	Target func(t testing.TB) func() RestoreTarget
	// Name is the Table.Name of one of the suite's tables.
	Name func(table string) string
	// Extremes are statements that fill the table extreme.
	Extremes []string
	// Refused maps a statement that makes something that cannot be captured to the name
	// that the error must tell.
	Refused map[string]string
	// AddColumn adds a nullable integer column named extra to the table people.
	AddColumn string
	// Occupy makes a target database non-empty by other means than a restore.
	Occupy func(t testing.TB) RestoreTarget
	// SameSchema says that a finished target's View has the source's fingerprint.
	SameSchema bool
}

// Instance is one application database.
type Instance interface {
	Source() database.Source
	// Exec runs each statement on its own, as the application; the first error ends it.
	Exec(statements ...string) error
	// Transact runs statements in one transaction, marked if the engine needs that.
	Transact(commit bool, statements ...string) error
}

// RestoreTarget is a target that can also follow the log.
type RestoreTarget interface {
	database.Target
	database.Replayer
}

// Run runs the whole suite, tests in parallel.
func Run(t *testing.T, e Engine) {
	tests := map[string]func(*testing.T, Engine){
		"install twice changes nothing":             installTwice,
		"install refuses by name":                   installRefuses,
		"rows and counters survive a restore":       roundTrip,
		"captured changes are the difference":       capturedIsDifference,
		"a transaction is captured whole or not":    transactions,
		"a view stands still":                       viewStandsStill,
		"forgetting":                                forgetting,
		"ids never come again":                      idsNeverAgain,
		"a changed schema is seen":                  schemaChange,
		"remove":                                    remove,
		"fence":                                     fence,
		"of two agents one gets the lease":          lease,
		"an interrupted restore resumes":            resume,
		"a target that is not empty is refused":     notEmpty,
		"a load that fails leaves nothing":          loadFails,
		"numbers go on after a restore":             numbersGoOn,
		"replay follows the log":                    replay,
		"replay refuses gaps and other databases":   replayRefuses,
		"replay swaps unique values":                replaySwaps,
		"replay does not fire triggers":             replayFiresNothing,
		"cancelled work changes nothing":            cancelled,
		"captured changes replayed are the source":  replayIsSource,
		"many small units and one large are alike":  unitsAlike,
		"rows of a view are canonical and complete": rowsCanonical,
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tests[name](t, e)
		})
	}
}

// installed is a fresh database with capture.
func installed(t *testing.T, e Engine, before ...string) Instance {
	t.Helper()
	db := e.Fresh(t)
	require.NoError(t, db.Exec(before...))
	_, err := db.Source().Install(t.Context())
	require.NoError(t, err)
	return db
}

func openView(t *testing.T, from interface {
	View(context.Context) (database.View, error)
}) database.View {
	t.Helper()
	v, err := from.View(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = v.Close() }) // a view may be closed twice
	return v
}

// drained is what one view has captured, copied.
func drained(t *testing.T, v database.View) []database.Captured {
	t.Helper()
	var all []database.Captured
	for c, err := range v.Changes(t.Context()) {
		require.NoError(t, err)
		c.Row = slices.Clone(c.Row)
		all = append(all, c)
	}
	return all
}

func ids(changes []database.Captured) []int64 {
	out := make([]int64, len(changes))
	for i, c := range changes {
		out[i] = c.ID
	}
	return out
}

func rowsOf(t *testing.T, v database.View, table *database.Table) [][]byte {
	t.Helper()
	var rows [][]byte
	for row, err := range v.Rows(t.Context(), table) {
		require.NoError(t, err)
		rows = append(rows, slices.Clone(row))
	}
	return rows
}

func statesOf(t *testing.T, v database.View, schema *database.Schema) database.States {
	t.Helper()
	states := database.States{}
	for i := range schema.Tables {
		table := &schema.Tables[i]
		var s database.State
		for _, row := range rowsOf(t, v, table) {
			h, _ := table.Hash(nil, row)
			s.Add(h)
		}
		states[table.Name] = s
	}
	return states
}

// apply adds captured changes to states.
func apply(t *testing.T, states database.States, schema *database.Schema, changes []database.Captured) {
	t.Helper()
	for _, c := range changes {
		table := schema.Table(c.Table)
		require.NotNil(t, table, c.Table)
		require.NoError(t, table.CheckRow(c.Row))
		h, _ := table.Hash(nil, c.Row)
		s := states[c.Table]
		switch c.Op {
		case database.Insert:
			s.Add(h)
		case database.Delete:
			s.Sub(h)
		default:
			t.Fatalf("operation %q", c.Op)
		}
		states[c.Table] = s
	}
}

func equalStates(t *testing.T, want, got database.States) {
	t.Helper()
	for name, state := range want {
		require.Equal(t, state.String(), got[name].String(), "table %s", name)
	}
	require.Len(t, got, len(want))
}

// restored loads everything a view has into the target and finishes it.
func restored(t *testing.T, v database.View, target database.Target) {
	t.Helper()
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		n, err := target.Load(t.Context(), "all of "+table.Name, table, v.Rows(t.Context(), table))
		require.NoError(t, err)
		require.Equal(t, int64(len(rowsOf(t, v, table))), n)
	}
	counters, err := v.Counters(t.Context())
	require.NoError(t, err)
	require.NoError(t, target.Finish(t.Context(), counters))
}

// someRows are statements that fill every table but extreme.
func someRows() []string {
	var out []string
	for i := 1; i <= 20; i++ {
		out = append(out,
			fmt.Sprintf("INSERT INTO people (id, name, n) VALUES (%d, 'name %d', %d)", i, i, i*i),
			fmt.Sprintf("INSERT INTO pair (a, b, v) VALUES (%d, 'b%d', NULL)", i%4, i),
			fmt.Sprintf("INSERT INTO counted (name) VALUES ('counted %d')", i))
	}
	return append(out, "DELETE FROM counted WHERE name = 'counted 20'", "UPDATE people SET n = NULL WHERE id > 15")
}
