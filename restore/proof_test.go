package restore_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
	"lifeboat/restore"
)

// TestAProofIsJudgedByWhatTheLogDemands: a proof of anything else is refused, and never
// repeats what a restore itself expected.
func TestAProofIsJudgedByWhatTheLogDemands(t *testing.T) {
	t.Parallel()
	state := func(n int64) database.State { return database.State{Count: n} }
	plan := &restore.Plan{ID: "0123", Point: restore.Point{Seq: 7}}
	foreseen := []restore.TableResult{{Name: "a", Rows: 1, Expected: state(1)}, {Name: "b", Rows: 2, Expected: state(2)}}
	result := restore.Result{PlanID: "0123", Point: plan.Point, Rows: 3, Tables: []restore.TableResult{
		{Name: "a", Rows: 1, State: state(1), Expected: state(1), Match: true}, {Name: "b", Rows: 2, State: state(2), Expected: state(2), Match: true}}}
	text, err := json.Marshal(result.Proof())
	require.NoError(t, err)
	proof, err := restore.ParseProof(text)
	require.NoError(t, err)
	tables, err := proof.Judge(plan, foreseen)
	require.NoError(t, err)
	require.Equal(t, result.Tables, tables)

	for name, change := range map[string]func(*restore.Result){
		"another row":       func(r *restore.Result) { r.Rows++ },
		"a table less":      func(r *restore.Result) { r.Tables = r.Tables[:1] },
		"another state":     func(r *restore.Result) { r.Tables[1].State = state(3); r.Tables[1].Expected = state(3) },
		"another point":     func(r *restore.Result) { r.Point.Seq = 8 },
		"tables exchanged":  func(r *restore.Result) { r.Tables[0], r.Tables[1] = r.Tables[1], r.Tables[0] },
		"a table's renamed": func(r *restore.Result) { r.Tables[0].Name = "c" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := result
			other.Tables = append([]restore.TableResult{}, result.Tables...)
			change(&other)
			_, err := other.Proof().Judge(plan, foreseen)
			require.ErrorIs(t, err, restore.ErrMismatch)
		})
	}
	for text, want := range map[string]error{
		"":                      eventlog.ErrCorrupt,
		"panic: out of luck":    eventlog.ErrCorrupt,
		`{"version":1}`:         eventlog.ErrCorrupt,
		`{"version":2,"x":"y"}`: eventlog.ErrNewerVersion,
	} {
		_, err := restore.ParseProof([]byte(text))
		require.ErrorIs(t, err, want, text)
	}
	many := result
	for len(many.Tables) < 5000 {
		many.Tables = append(many.Tables, restore.TableResult{Name: strings.Repeat("t", 100)})
	}
	text, err = json.Marshal(many.Proof())
	require.NoError(t, err)
	require.Less(t, len(text), 1024, "a termination message holds 4 KiB")
}
