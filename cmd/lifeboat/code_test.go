package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob/dir"
)

func TestCodeIsBackedUpAndProven(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	base := t.TempDir()
	repository := filepath.Join(base, "repository")
	for _, args := range [][]string{
		{"init", "--quiet", repository},
		{"-C", repository, "-c", "user.name=Ada", "-c", "user.email=ada@careful.example", "commit", "--quiet", "--allow-empty", "-m", "one"},
	} {
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	near, far := filepath.Join(base, "near"), filepath.Join(base, "far")
	for _, path := range []string{near, far} {
		store, err := dir.Init(path)
		require.NoError(t, err)
		require.NoError(t, store.Close())
	}
	both := []string{"--primary", "dir:" + near, "--mirror", "dir:" + far}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing to verify yet", []string{"code", "verify", "--mirror", "dir:" + far}, 1, ""},
		{"first", append([]string{"code", "backup", "--repository", repository}, both...), 0, "stored"},
		{"again", append([]string{"code", "backup", "--repository", repository}, both...), 0, "unchanged"},
		{"verify", []string{"code", "verify", "--mirror", "dir:" + far}, 0, "proven"},
		{"restore", []string{"code", "restore", "--mirror", "dir:" + far, "--into", filepath.Join(base, "clone")}, 0, "restored"},
		{"restore over it", []string{"code", "restore", "--mirror", "dir:" + far, "--into", filepath.Join(base, "clone")}, 3, ""},
		{"no repository", append([]string{"code", "backup", "--repository", base}, both...), 3, ""},
	} {
		var out, logs strings.Builder
		code := run(t.Context(), tt.args, strings.NewReader(""), &out, &logs)
		require.Equal(t, tt.code, code, "%s: %s", tt.name, logs.String())
		require.Contains(t, out.String(), tt.want, tt.name)
	}
}
