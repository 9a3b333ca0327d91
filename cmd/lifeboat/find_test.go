package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/drill/embedded"
	"lifeboat/internal/readiness"
)

// TestTheBadTransactionIsFoundAndUndone is the path of an operator after a careless
// statement: which transaction was it, what came after, and the database as it was before.
func TestTheBadTransactionIsFoundAndUndone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := s.open()
	a := s.agent()
	for _, statement := range []string{
		"UPDATE ward SET beds = 11 WHERE id = 1",
		"UPDATE ward SET beds = 60",                // seq 2: the WHERE was forgotten
		"UPDATE ward SET beds = 12 WHERE id = 2",   // touches what it touched
		"DELETE FROM note WHERE id IN (3, 4, 5)",   // something else
		"UPDATE ward SET name = 'x' WHERE id <= 2", // touches it again
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
		a.barrier(t)
	}
	require.Equal(t, 0, a.stop().code)

	text := s.ok("log", "find", "--where", "ward.beds = 60", "--later", "--keys", "2")
	for _, want := range []string{"seq 2 ", "later", "3 transactions, seq 3 to 5", "3 rows", "3, 4, …", "its rows again", "2 transactions"} {
		require.Contains(t, text, want)
	}
	into := s.path("before.sqlite")
	out := s.ok("log", "find", "--where", "ward.beds = 60", "--later", "--restore-before", "sqlite:"+into, "--json")
	results := json.NewDecoder(strings.NewReader(out))
	var found struct{ Seq string }
	var later laterResult
	var restored restoreResult
	for _, v := range []any{&found, &later, &restored} {
		require.NoError(t, results.Decode(v), out)
	}
	require.Equal(t, "0000000000000002", found.Seq)
	require.EqualValues(t, 3, later.Transactions)
	require.Equal(t, "[3 5]", fmt.Sprint([]uint64{uint64(later.Again[0]), uint64(later.Again[1])}))
	require.True(t, restored.Verified)
	require.EqualValues(t, 1, restored.Point.Seq)
	before, err := embedded.OpenApp(into)
	require.NoError(t, err)
	var beds, notes int
	require.NoError(t, before.QueryRowContext(t.Context(), "SELECT (SELECT beds FROM ward WHERE id = 1), (SELECT count(*) FROM note WHERE id IN (3, 4, 5))").Scan(&beds, &notes))
	require.NoError(t, before.Close())
	require.Equal(t, []int{11, 3}, []int{beds, notes})

	require.Contains(t, s.ok("log", "find", "--where", "ward.name = x", "--later"), "0 transactions, seq 6 to 5")
	for _, c := range []struct{ where, says string }{
		{"wrad.beds = 60", "wrad"}, {"ward.bads = 60", "bads"},
	} {
		got := s.run("log", "find", "--where", c.where)
		require.Equal(t, 2, got.code, "a misspelling must not look like 'no such transaction'")
		require.Contains(t, got.errout, c.says)
		require.Contains(t, got.errout, "note")
	}
	require.Equal(t, 2, s.run("log", "find", "--where", "ward.id = 1", "--limit", "2", "--restore-before", "sqlite:x").code)
}

func TestStandbyAuditAndProofByCommand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := s.open()
	first := s.agent()
	audited := decode[struct {
		Match  bool
		Tables int
	}](t, s.ok("audit", "--agent", "http://"+first.address, "--json"))
	require.True(t, audited.Match)
	require.Equal(t, 6, audited.Tables)

	second := make(chan *runningAgent, 1)
	go func() { second <- s.agentIn("standby-address", "--standby") }()
	_, err := db.ExecContext(t.Context(), "UPDATE ward SET beds = 11 WHERE id = 1")
	require.NoError(t, err)
	require.EqualValues(t, 1, first.barrier(t))
	require.Equal(t, 0, first.stop().code, "a standby fences nobody")
	next := <-second
	_, err = db.ExecContext(t.Context(), "UPDATE ward SET beds = 12 WHERE id = 1")
	require.NoError(t, err)
	require.EqualValues(t, 2, next.barrier(t))
	require.Equal(t, 0, next.stop().code)
	got := s.run("audit", "--agent", "http://"+next.address)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.errout, "only a running one can audit")

	s.ok("restore", "--latest", "--into", "sqlite:"+s.path("proof.sqlite"), "--mark")
	require.Equal(t, 2, s.run("restore", "--latest", "--dry-run", "--mark").code)
	require.Equal(t, 2, s.run("restore", "--latest", "--into", "sqlite:"+s.path("p"), "--mark", "--from-primary").code)
	require.Equal(t, 6, s.run("restore", "--seq", "99", "--into", "sqlite:"+s.path("proof2.sqlite"), "--mark").code)
	store := s.store("mirror")
	for what, want := range map[readiness.What]readiness.Event{readiness.Audited: {OK: true}, readiness.Proved: {Detail: "not restorable"}} {
		last, _, err := readiness.Latest(t.Context(), store, what)
		require.NoError(t, err)
		require.False(t, last.At.IsZero(), what)
		last.At = want.At
		require.Equal(t, want, last, what)
	}
	marks, err := filepath.Glob(s.path("mirror/readiness/marks/proof/*"))
	require.NoError(t, err)
	require.Len(t, marks, 2, "what went well and what failed are both remembered")
}
