package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSnapshotExport: an export of an incremental snapshot has the change that it took.
func TestSnapshotExport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	agent := s.agent()
	_, err := s.open().ExecContext(t.Context(), "UPDATE ward SET name = 'changed, \"since\"' WHERE id = 1")
	require.NoError(t, err)
	agent.barrier(t)
	require.Equal(t, 0, agent.stop().code)
	s.ok("snapshot", "take")
	out := s.path("out")
	r := decode[exportResult](t, s.ok("snapshot", "export", "--format", "csv", "--into", out, "--json"))
	require.Equal(t, "delta", string(r.Snapshot.Kind))
	require.Greater(t, len(r.Files), 3)
	text, err := os.ReadFile(filepath.Join(out, "ward.csv"))
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	require.NoError(t, err)
	require.Contains(t, rows[1], `changed, "since"`)

	require.Contains(t, s.ok("snapshot", "export", "--into", out, "--table", "ward", "--from-primary"), "ward.parquet")
	for _, args := range [][]string{{}, {"--into", out, "--format", "xlsx"}, {"--into", out, "--table", "nowhere"}, {"--into", out, "--format", "csv"}} {
		require.Equal(t, 2, s.run(append([]string{"snapshot", "export"}, args...)...).code, args)
	}
	require.Equal(t, 6, s.run("snapshot", "export", "--into", s.path("other"), "--seq", "999").code)
}
