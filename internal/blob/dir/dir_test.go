package dir_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/dir"
)

func TestStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Suite{
		New: func(t *testing.T) blob.Store { return open(t, t.TempDir()) },
		Again: func(t *testing.T, s blob.Store) blob.Store {
			return open(t, s.(*dir.Store).Path())
		},
	})
}

func open(t testing.TB, path string) *dir.Store {
	s, err := dir.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOpenNeverMakesTheFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "not", "mounted")
	_, err := dir.Open(path)
	require.ErrorIs(t, err, blob.ErrPermanent)
	require.ErrorContains(t, err, path)
	require.NoDirExists(t, path)

	s, err := dir.Init(path)
	require.NoError(t, err)
	require.NoError(t, s.Create(t.Context(), "a", []byte("x")))
	require.NoError(t, s.Close())
	s, err = dir.Init(path)
	require.NoError(t, err, "a store that is there")
	require.NoError(t, s.Close())

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	for _, at := range []string{file, filepath.Join(file, "below")} {
		_, err = dir.Init(at)
		require.Error(t, err, at)
		_, err = dir.Open(at)
		require.Error(t, err, at)
	}
}

// TestRemovedStoreIsNotAnEmptyOne: the loss of a region must not read as "nothing there".
func TestRemovedStoreIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, replaced := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "store")
		s, err := dir.Init(path)
		require.NoError(t, err)
		require.NoError(t, s.Create(ctx, "log/1", []byte("x")))
		require.NoError(t, os.RemoveAll(path))
		if replaced {
			require.NoError(t, os.Mkdir(path, 0o700))
		}
		_, err = s.Stat(ctx, "log/1")
		require.NotErrorIs(t, err, blob.ErrNotExist)
		require.ErrorIs(t, err, blob.ErrPermanent)
		_, err = s.Get(ctx, "log/1", 0, -1)
		require.NotErrorIs(t, err, blob.ErrNotExist)
		require.ErrorIs(t, err, blob.ErrPermanent)
		for _, err := range s.List(ctx, "", "") {
			require.ErrorIs(t, err, blob.ErrPermanent)
		}
		require.ErrorIs(t, s.Create(ctx, "log/2", []byte("x")), blob.ErrPermanent)
		require.ErrorIs(t, s.Create(ctx, "new/2", []byte("x")), blob.ErrPermanent)
		if !replaced {
			require.NoDirExists(t, path)
		}
		require.NoError(t, s.Close())
	}
}

func TestTemporaryFiles(t *testing.T) {
	t.Parallel()
	path, ctx := t.TempDir(), t.Context()
	s := open(t, path)
	require.NoError(t, s.Create(ctx, "a/b", []byte("x")))
	left, err := os.ReadDir(filepath.Join(path, ".tmp"))
	require.NoError(t, err)
	require.Empty(t, left, "a finished create leaves nothing")

	old, young := filepath.Join(path, ".tmp", "old"), filepath.Join(path, ".tmp", "young")
	for _, f := range []string{old, young} {
		require.NoError(t, os.WriteFile(f, []byte("torn"), 0o600))
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	require.NoError(t, os.Chtimes(old, yesterday, yesterday))
	s = open(t, path)
	require.NoFileExists(t, old)
	require.FileExists(t, young, "another process may still be writing it")
	var names []string
	for info, err := range s.List(ctx, "", "") {
		require.NoError(t, err)
		names = append(names, info.Name)
	}
	require.Equal(t, []string{"a/b"}, names)
}

// TestStrangers: what is no object is named, not skipped, and never followed.
func TestStrangers(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for name, make := range map[string]func(path string) error{
		"log/a link out":  func(p string) error { return os.Symlink(outside, p) },
		"log/link":        func(p string) error { return os.Symlink(outside, p) },
		"log/notes (1)":   func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) },
		"log/link-inside": func(p string) error { return os.Symlink("0001", p) },
	} {
		path, ctx := t.TempDir(), t.Context()
		s := open(t, path)
		require.NoError(t, s.Create(ctx, "log/0001", []byte("x")))
		require.NoError(t, s.Create(ctx, "other/0001", []byte("x")))
		require.NoError(t, make(filepath.Join(path, name)))
		var failed error
		for _, err := range s.List(ctx, "log/", "") {
			failed = err
		}
		require.ErrorIs(t, failed, blob.ErrName, name)
		require.ErrorContains(t, failed, name)
		for _, err := range s.List(ctx, "other/", "") {
			require.NoError(t, err, "a list that does not come near it")
		}
		if blob.CheckName(name) == nil {
			_, err := s.Stat(ctx, name)
			require.ErrorIs(t, err, blob.ErrNotExist)
			if name == "log/link" {
				_, err = blob.ReadAll(ctx, s, name, 100)
				require.Error(t, err)
				require.Error(t, s.Create(ctx, name, []byte("secret")))
			}
		}
	}
}

func TestFolderIsAFile(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, t.TempDir()), t.Context()
	require.NoError(t, s.Create(ctx, "a/b", []byte("x")))
	require.ErrorIs(t, s.Create(ctx, "a/b/c", []byte("x")), blob.ErrName)
	require.ErrorIs(t, s.Create(ctx, "a", []byte("x")), blob.ErrName)
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	require.NoError(t, open(t, path).Create(t.Context(), "a/b", []byte("x")))
	for _, name := range []string{"a", "a/b", ".tmp"} {
		info, err := os.Stat(filepath.Join(path, name))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, name)
	}
}

const childFolder = "LIFEBOAT_TEST_CHILD_FOLDER"

// TestMain makes this program the child process of TestKilledRacingProcesses when that
// asks for it.
func TestMain(m *testing.M) {
	path := os.Getenv(childFolder)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := createUntilKilled(path); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// createUntilKilled races for names and tells which it won.
func createUntilKilled(path string) error {
	s, err := dir.Open(path)
	if err != nil {
		return err
	}
	body := []byte(strings.Repeat(fmt.Sprintf("%08d", os.Getpid()), 2_000))
	for i := range 1_000_000 {
		name := fmt.Sprintf("log/%02d/%08d", i%3, i)
		err := s.Create(context.Background(), name, body)
		switch {
		case err == nil:
			fmt.Printf("created %s\n", name)
		case !errors.Is(err, blob.ErrExists):
			return err
		}
	}
	return nil
}

// TestKilledRacingProcesses: three processes race for the same names and are killed in
// mid-write. Each name has one winner, what was acknowledged is there, and nothing is torn.
func TestKilledRacingProcesses(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	type win struct {
		name string
		pid  int
	}
	wins := make(chan win)
	for range 3 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childFolder+"="+path)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		go func() {
			lines := bufio.NewScanner(out)
			for n := 0; lines.Scan(); {
				name, ok := strings.CutPrefix(lines.Text(), "created ")
				if !ok {
					continue
				}
				wins <- win{name, child.Process.Pid}
				if n++; n == 40 {
					_ = child.Process.Kill()
				}
			}
			_ = child.Wait()
			wins <- win{}
		}()
	}
	winner := map[string]int{}
	for ended := 0; ended < 3; {
		w := <-wins
		if w.name == "" {
			ended++
			continue
		}
		require.Zero(t, winner[w.name], "%s was won twice", w.name)
		winner[w.name] = w.pid
	}
	require.Greater(t, len(winner), 100)

	s := open(t, path)
	seen := 0
	for info, err := range s.List(t.Context(), "", "") {
		require.NoError(t, err)
		body, err := blob.ReadAll(t.Context(), s, info.Name, 1<<20)
		require.NoError(t, err)
		require.Len(t, body, 16_000, "%s is torn", info.Name)
		require.Equal(t, strings.Repeat(string(body[:8]), 2_000), string(body), info.Name)
		if pid := winner[info.Name]; pid != 0 {
			require.Equal(t, fmt.Sprintf("%08d", pid), string(body[:8]))
			seen++
		}
	}
	require.Equal(t, len(winner), seen, "acknowledged objects that are there")
}
