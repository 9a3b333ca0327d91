package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/repotest"
	"lifeboat/restore"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestMain lets the test binary be lifeboat itself: a drill starts its own program as the
// agent, which here is this one, and a failover has to be killed from outside.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"agent", "failover", "failback", "drill", "restore", "capture", "doctor"}, os.Args[1]) {
		main()
	}
	os.Exit(m.Run())
}

// outcome is what one call of run said.
type outcome struct {
	code        int
	out, errout string
}

func lifeboat(t testing.TB, args ...string) outcome {
	t.Helper()
	var out, errout bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &out, &errout)
	return outcome{code, out.String(), errout.String()}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./cmd/lifeboat -update")
	require.Equal(t, string(want), got, "if this is wanted: go test ./cmd/lifeboat -update")
}

// commands calls visit for every command that lifeboat has.
func commands(visit func(*cobra.Command)) {
	a := &app{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		visit(c)
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(a.root())
}

func TestHelp(t *testing.T) {
	t.Parallel()
	commands(func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		got := lifeboat(t, append(path, "--help")...)
		require.Equal(t, 0, got.code, c.CommandPath())
		require.Empty(t, got.errout)
		require.NotEmpty(t, c.Short, c.CommandPath())
		golden(t, "help/"+strings.Join(append([]string{"lifeboat"}, path...), "-")+".txt", got.out)
	})
}

func TestUnknownThingsAreMistakesInUsage(t *testing.T) {
	t.Parallel()
	commands(func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		for _, extra := range []string{"--no-such-flag", "no-such-argument"} {
			got := lifeboat(t, append(path, extra)...)
			require.Equal(t, 2, got.code, "%s %s: %s", c.CommandPath(), extra, got.errout)
			require.Empty(t, got.out)
			require.Contains(t, got.errout, extra)
		}
	})
}

func TestExitCodesAreTheSameInHelpAndReadme(t *testing.T) {
	t.Parallel()
	help := lifeboat(t, "--help").out
	readme, err := os.ReadFile(filepath.Join(repotest.Root(t), "README.md"))
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, e := range exits {
		require.False(t, seen[e.code], "exit code %d twice", e.code)
		seen[e.code] = true
		require.Contains(t, help, e.meaning)
		require.Contains(t, string(readme), fmt.Sprintf("| %d | %s | %s |", e.code, e.name, e.meaning))
	}
	rows := regexp.MustCompile(`(?m)^\| \d+ \| `).FindAllString(string(readme), -1)
	require.Len(t, rows, len(exits), "README lists exit codes that do not exist")
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nothing", nil, 0},
		{"anything", errors.New("x"), 1},
		{"usage", fmt.Errorf("a: %w", errUsage), 2},
		{"configuration", config.ErrInvalid, 2},
		{"not empty", fmt.Errorf("a: %w", database.ErrNotEmpty), 3},
		{"not durable", eventlog.ErrNotDurable, 4},
		{"fenced", eventlog.ErrFenced, 5},
		{"outside the window", &restore.WindowError{}, 6},
		{"corrupt", &eventlog.ObjectError{Object: "o", Err: eventlog.ErrCorrupt}, 7},
		{"newer beats damage", fmt.Errorf("%w: %w", errDamage, eventlog.ErrNewerVersion), 9},
		{"interrupted beats all", fmt.Errorf("%w: %w", errUsage, context.Canceled), 130},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, codeOf(tt.err).code)
		})
	}
}

func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	got := lifeboat(t, "--json", "--config", "/nowhere/lifeboat.yaml", "status")
	require.Equal(t, 2, got.code)
	require.Empty(t, got.out)
	var f failure
	require.NoError(t, json.Unmarshal([]byte(got.errout), &f))
	require.Equal(t, 1, f.Version)
	require.Equal(t, 2, f.ExitCode)
	require.Contains(t, f.Error, "/nowhere/lifeboat.yaml")
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errout bytes.Buffer
	code := run(ctx, []string{"drill", "--dir", filepath.Join(t.TempDir(), "d")}, strings.NewReader(""), &out, &errout)
	require.Equal(t, 130, code, errout.String())
	require.Empty(t, out.String())
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var v versionResult
	require.NoError(t, json.Unmarshal([]byte(lifeboat(t, "version", "--json").out), &v))
	require.Equal(t, 1, v.Version)
	require.Equal(t, release, v.Release)
}
