package main

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/database"
)

// oldLog makes two stores with a log of n segments in them.
func oldLog(t *testing.T, n int) (primary, mirror string) {
	home := t.TempDir()
	var stores []blob.Store
	for _, name := range []string{"primary", "mirror"} {
		s, err := dir.Init(filepath.Join(home, name))
		require.NoError(t, err)
		stores = append(stores, s)
	}
	w, err := eventlog.OpenWriter(t.Context(), eventlog.WriterConfig{Local: stores[0], Mirror: stores[1], Reason: "test"})
	require.NoError(t, err)
	schema := &database.Schema{Engine: "test", Tables: []database.Table{{Name: "t", Columns: []database.Column{{Name: "id", Type: "int"}}, Key: []int{0}}}}
	require.NoError(t, schema.Seal())
	_, err = w.Append(t.Context(), eventlog.Batch{Schema: schema})
	require.NoError(t, err)
	for range n {
		_, err := w.Append(t.Context(), eventlog.Batch{Transactions: []eventlog.Pending{{TxID: "t", Time: time.Now(), Changes: []database.Change{
			{Op: database.Insert, Table: "t", Row: database.AppendInt(nil, 1)},
		}}}})
		require.NoError(t, err)
		_, err = w.Flush(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, w.Close(t.Context()))
	return "dir:" + filepath.Join(home, "primary"), "dir:" + filepath.Join(home, "mirror")
}

func TestLogCompact(t *testing.T) {
	t.Parallel()
	primary, mirror := oldLog(t, 1030)
	args := []string{"log", "compact", "--primary", primary, "--mirror", mirror, "--quiet", "--keep-segments", "0s", "--json"}
	compact := func(more ...string) (r compactResult) {
		got := lifeboat(t, append(args, more...)...)
		require.Equal(t, 0, got.code, got.errout)
		require.NoError(t, json.Unmarshal([]byte(got.out), &r))
		return r
	}
	would := compact("--dry-run")
	require.Len(t, would.Stores, 2)
	require.Len(t, would.Stores[0].Packs, 1)
	require.True(t, would.Stores[0].DryRun)
	require.Equal(t, 1024, would.Stores[0].Deleted)
	did := compact("--rate", "1GiB")
	require.Equal(t, would.Stores[1].Packs, did.Stores[1].Packs)
	require.Equal(t, 1024, did.Stores[1].Deleted)
	require.Empty(t, compact("--only", "mirror").Stores[0].Packs)
	got := lifeboat(t, "log", "verify", "--mirror", mirror)
	require.Equal(t, 0, got.code, got.out+got.errout)
	require.Contains(t, got.out, "1030")
	got = lifeboat(t, "log", "compact", "--primary", primary, "--mirror", mirror, "--only", "moon")
	require.Equal(t, 2, got.code)
}

func TestRetentionVerbs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ok("snapshot", "take", "--base")
	for _, args := range [][]string{{"plan"}, {"plan", "--keep-days", "0", "--monthly", "1"}, {"apply", "--keep-days", "-1"}} {
		got := s.run(append([]string{"retention"}, args...)...)
		require.Equal(t, 2, got.code, args)
		require.Contains(t, got.errout, "keep_days")
	}
	var plan, applied retentionResult
	require.NoError(t, json.Unmarshal([]byte(s.ok("retention", "plan", "--keep-days", "1", "--json")), &plan))
	require.Len(t, plan.Stores, 2)
	require.NotEmpty(t, plan.Stores[0].Keep, "all of today's")
	require.NotEmpty(t, plan.Stores[0].Keep[0].Reasons)
	require.NoError(t, json.Unmarshal([]byte(s.ok("retention", "apply", "--keep-days", "1", "--only", "mirror", "--json")), &applied))
	require.Len(t, applied.Stores, 1)
	require.Zero(t, applied.Stores[0].Removed)
	require.Contains(t, s.ok("retention", "apply", "--dry-run", "--keep-days", "1"), "would remove")
}
