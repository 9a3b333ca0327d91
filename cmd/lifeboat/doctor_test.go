package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.ok("doctor")
	require.Contains(t, out, "SQLite")
	require.Contains(t, out, "ready")

	var result doctorResult
	require.NoError(t, json.Unmarshal([]byte(s.ok("doctor", "--json")), &result))
	require.Equal(t, 1, result.Version)
	require.True(t, result.Ready)
	require.Equal(t, "installed", result.Report.Capture)
	require.Positive(t, result.Report.SnapshotBytes)

	_, err := s.open().Exec("CREATE TABLE bad (a TEXT PRIMARY KEY COLLATE nosuch)")
	if err != nil { // refused by the engine itself on newer releases
		_, err = s.open().Exec("CREATE VIRTUAL TABLE bad USING fts5(a)")
	}
	require.NoError(t, err)
	got := s.run("doctor")
	require.Equal(t, 3, got.code, got.errout)
	require.Contains(t, got.out, "REFUSED")
	require.Contains(t, got.out, "bad")
}

func TestDatabaseURLsKeepTheirSecrets(t *testing.T) {
	t.Parallel()
	const u = "sqlserver://sa:S3cret@127.0.0.1:1?database=app&dial+timeout=1&connection+timeout=1"
	for _, args := range [][]string{
		{"doctor", "--database", "sqlserver://sa:p#S3cret@127.0.0.1"},
		{"drill", "--database", "sqlserver://sa:p#S3cret@127.0.0.1"},
		{"drill", "--database", "sqlserver://sa:S3cret@127.0.0.1", "--source", "/nowhere.sql"},
		{"drill", "--database", "postgres://sa:S3cret@127.0.0.1"},
		{"init", "--database", u, "--primary", "nothing:x", "--mirror", "dir:/nowhere"},
	} {
		got := lifeboat(t, args...)
		require.Equal(t, 2, got.code, "%v: %s", args, got.errout)
		require.NotContains(t, got.out+got.errout, "S3cret", "%v", args)
	}
}
