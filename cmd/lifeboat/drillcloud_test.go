package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/azuresim/simtest"
	"lifeboat/internal/drill"
	"lifeboat/internal/repotest"
)

// drillInCloud runs a short drill with a simulated cloud in a process that finds the
// pulumi command in bin alone, or not at all.
func drillInCloud(t *testing.T, bin, stackFile string) (drill.Summary, int, string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "drill", "--cloud", "simulated", "--stack-file", stackFile,
		"--rows", "500", "--duration", "500ms", "--seed", "5", "--dir", filepath.Join(t.TempDir(), "drill"), "--json")
	cmd.Env = append(os.Environ(), "PATH="+bin)
	var out, errout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errout
	_ = cmd.Run() // its code says more
	var s drill.Summary
	require.NoError(t, json.Unmarshal(out.Bytes(), &s), "%s%s", out.String(), errout.String())
	return s, cmd.ProcessState.ExitCode(), errout.String()
}

// TestDrillInASimulatedCloud: the real engine makes a region beside the mirror, and its
// teardown leaves nothing.
func TestDrillInASimulatedCloud(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(simtest.Home(t), "bin")
	s, code, errout := drillInCloud(t, bin, filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.Zero(t, code, errout)
	require.True(t, s.Verified)
	require.Greater(t, s.Region.Resources, 30)
	require.Empty(t, s.Region.Left)
	var steps []string
	for _, step := range s.Steps {
		steps = append(steps, step.Name)
	}
	require.Contains(t, steps, "provision", "it counts to the time of recovery")
}

// TestDrillWithoutACloudSaysSo: what it proves about data does not depend on the engine.
func TestDrillWithoutACloudSaysSo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(repotest.Root(t), "Pulumi.dr.yaml")
	for name, c := range map[string]struct{ stackFile, says string }{
		"no pulumi command": {file, "pulumi command"},
		"no settings":       {filepath.Join(t.TempDir(), "none.yaml"), "--stack-file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, code, errout := drillInCloud(t, t.TempDir(), c.stackFile)
			require.Zero(t, code, errout)
			require.True(t, s.Verified)
			require.Contains(t, s.Region.Skipped, c.says)
			require.Zero(t, s.Region.Resources)
		})
	}
}
