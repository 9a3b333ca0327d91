package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
)

// untilSaid ends a context once something has been written that holds a word.
type untilSaid struct {
	mu   sync.Mutex
	text bytes.Buffer
	word string
	end  context.CancelFunc
}

func (u *untilSaid) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.text.Write(p)
	if strings.Contains(u.text.String(), u.word) {
		u.end()
	}
	return n, err
}

// An interrupted restore says how it goes on, and goes on so: to the same point, though
// the log has grown.
func TestInterruptedRestoreSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.commits(t, 2)
	into := "sqlite:" + s.path("restored.sqlite")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := &untilSaid{word: `"step":"load"`, end: cancel}
	code := run(ctx, []string{"--config", s.conf, "--json", "restore", "--latest", "--into", into}, strings.NewReader(""), io.Discard, said)
	require.Equal(t, 130, code, said.text.String())
	require.Contains(t, said.text.String(), "run the same command again, with --seq 2")
	require.FileExists(t, s.path("restored.sqlite"))
	s.commits(t, 1)
	for _, more := range [][]string{nil, {"--dry-run"}} { // the log has grown: that would be another restore
		other := s.run(append([]string{"restore", "--latest", "--into", into}, more...)...)
		require.Equal(t, 3, other.code, other.errout)
		require.Contains(t, other.errout, "another restore")
	}
	s.ok("restore", "--seq", "2", "--into", into, "--dry-run")
	require.Contains(t, s.ok("restore", "--seq", "2", "--into", into), "verified")
}

// commits makes transactions and waits until both stores hold them.
func (s *site) commits(t *testing.T, n int) {
	t.Helper()
	db, a := s.open(), s.agent()
	for range n {
		_, err := db.ExecContext(t.Context(), "UPDATE ward SET beds = beds + 1 WHERE id = 1")
		require.NoError(t, err)
		a.barrier(t)
	}
	require.Equal(t, 0, a.stop().code)
	require.NoError(t, db.Close())
}

// A schema that cannot be captured does not mean that capture is not installed.
func TestCaptureStatusOfASchemaThatOutgrewIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.open().ExecContext(t.Context(), "CREATE TABLE loose (a, b)")
	require.NoError(t, err)
	got := s.run("capture", "status", "--json")
	require.Equal(t, 3, got.code, got.errout)
	require.Contains(t, got.errout, "capture is installed")
	require.Contains(t, got.errout, "loose")
	require.Contains(t, got.errout, "primary key")
	require.NotContains(t, got.errout, "nothing was")
	status := decode[captureStatus](t, got.out)
	require.True(t, status.Installed)
	require.False(t, status.UpToDate)
	require.Contains(t, status.Refused, "loose")
	_, err = s.open().ExecContext(t.Context(), "DROP TABLE loose")
	require.NoError(t, err)
	s.ok("capture", "status")
}

func TestRefusedBeforeAnythingWasChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	tests := []refusal{
		{"an address that is taken", []string{"agent", "--listen", taken.Addr().String()}, 3, []string{taken.Addr().String(), "--standby"}},
		{"a configuration of a newer release", []string{"--config", s.newer(), "status"}, 9, []string{"newer.yaml", "knows version 1", "upgrade lifeboat"}},
	}
	if runtime.GOOS == "linux" { // nobody can make a folder there
		tests = append(tests, refusal{"a store where nothing may be written",
			[]string{"--config", s.path("other.yaml"), "init", "--primary", "dir:/sys/lifeboat", "--mirror", "dir:" + s.path("other")}, 3, []string{"/sys/lifeboat"}})
	}
	s.refuses(tests)
	refused := (&agentOptions{}).notStarted(blob.Permanent(fmt.Errorf("write: %w", os.ErrPermission), "give the right to write"))
	require.Equal(t, 3, codeOf(refused).code)
	require.Equal(t, 1, codeOf((&agentOptions{}).notStarted(errors.New("x"))).code)
}

func (s *site) newer() string {
	path := s.path("newer.yaml")
	require.NoError(s.t, os.WriteFile(path, []byte("version: 2\nshards: 4\n"), 0o600))
	return path
}

// A target that cannot be filled is refused before anything is read: the store is not even
// opened. A dry run looks at it too, and makes nothing.
func TestTargetIsLookedAtFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nowhere := "dir:" + s.path("nowhere")
	require.NoError(t, os.WriteFile(s.path("letter.txt"), []byte(strings.Repeat("Dear Sir or Madam, ", 200)), 0o600))
	s.refuses([]refusal{
		{"not empty, and no store", []string{"restore", "--latest", "--mirror", nowhere, "--into", "sqlite:" + s.db}, 3, []string{"app.sqlite", "not empty", "does not exist yet"}},
		{"a search before which it is to go", []string{"log", "find", "--mirror", nowhere, "--where", "ward.id = 1", "--restore-before", "sqlite:" + s.db}, 3, []string{"not empty"}},
		{"a dry run into it", []string{"restore", "--latest", "--dry-run", "--into", "sqlite:" + s.db}, 3, []string{"not empty"}},
		{"a dry run into what is no database", []string{"restore", "--latest", "--dry-run", "--into", "sqlite:" + s.path("letter.txt")}, 2, []string{"not a SQLite database"}},
		{"a dry run into no folder", []string{"restore", "--latest", "--dry-run", "--into", "sqlite:" + s.path("no/where.sqlite")}, 2, []string{"folder does not exist"}},
		{"a dry run into no kind of database", []string{"restore", "--latest", "--dry-run", "--into", "oracle:x"}, 2, []string{"sqlite:PATH"}},
	})
	s.ok("restore", "--latest", "--dry-run", "--into", "sqlite:"+s.path("fresh.sqlite"))
	require.NoFileExists(t, s.path("fresh.sqlite"))
}

// A database may be made after its configuration; that it is not there is said.
func TestInitNamesADatabaseThatIsNotThere(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	got := lifeboat(t, "--json", "--config", folder+"/lifeboat.yaml", "init", "--database", "sqlite:"+folder+"/app.sqlit",
		"--primary", "dir:"+folder+"/a", "--mirror", "dir:"+folder+"/b")
	require.Equal(t, 0, got.code, got.errout)
	warnings := decode[initResult](t, got.out).Warnings
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "app.sqlit cannot be protected yet")
	require.NoError(t, os.WriteFile(folder+"/app.sqlite", nil, 0o600))
	got = lifeboat(t, "--json", "--config", folder+"/other.yaml", "init", "--database", "sqlite:"+folder+"/app.sqlite",
		"--primary", "dir:"+folder+"/c", "--mirror", "dir:"+folder+"/d")
	require.Empty(t, decode[initResult](t, got.out).Warnings, got.errout)
}

// What init needs is not to be had from init.
func TestInitDoesNotAdviseItself(t *testing.T) {
	t.Parallel()
	got := lifeboat(t, "--config", t.TempDir()+"/lifeboat.yaml", "init")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.errout, "give --primary")
	require.Contains(t, got.errout, "give --mirror")
	require.NotContains(t, got.errout, "lifeboat init")
}
