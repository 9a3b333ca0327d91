package dir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/blobtest"
)

func openFresh(t *testing.T) *Store {
	s, err := Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestStoreWithTinyPages: a folder larger than a page is listed by reading it again.
func TestStoreWithTinyPages(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Suite{New: func(t *testing.T) blob.Store {
		s := openFresh(t)
		s.listPage = 2
		return s
	}})
}

// TestStoreWithoutRename: not every file system has a rename that never replaces.
func TestStoreWithoutRename(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Suite{New: func(t *testing.T) blob.Store {
		s := openFresh(t)
		s.rename = func(*os.File, string, *os.File, string) error { return errors.ErrUnsupported }
		return s
	}})
}

func TestLargeFolderInPages(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	var want []string
	for i := range 3_000 { // more than one read of the folder
		name := fmt.Sprintf("%05d", i)
		want = append(want, name)
		require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte("x"), 0o600))
	}
	s, err := Open(path)
	require.NoError(t, err)
	defer s.Close()
	s.listPage = 700
	var got []string
	for info, err := range s.List(t.Context(), "", "") {
		require.NoError(t, err)
		got = append(got, info.Name)
	}
	require.Equal(t, want, got)
}

// TestFailedFsyncIsNotForgotten: the kernel reports a lost write-back once, so a second
// fsync that succeeds proves nothing.
func TestFailedFsyncIsNotForgotten(t *testing.T) {
	t.Parallel()
	good, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer good.Close()
	bad, err := os.Open(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, bad.Close())

	f := &folder{path: "."}
	require.NoError(t, f.sync(good))
	first := f.sync(bad)
	require.ErrorIs(t, first, blob.ErrPermanent)
	require.ErrorContains(t, first, "restarted")
	require.Equal(t, first, f.sync(good))
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err       error
		says      string
		permanent bool
	}{
		{syscall.EROFS, "remount", true},
		{syscall.EACCES, "right to read and write", true},
		{syscall.EPERM, "right to read and write", true},
		{syscall.ENOSPC, "free some", false},
		{syscall.EDQUOT, "free some", false},
		{syscall.EMFILE, "ulimit", false},
		{syscall.EIO, "input/output", false},
	}
	for _, tt := range tests {
		got := explain("create", "log/1", &os.PathError{Op: "write", Path: "p", Err: tt.err})
		require.ErrorIs(t, got, tt.err)
		require.ErrorContains(t, got, "create log/1")
		require.ErrorContains(t, got, tt.says)
		require.Equal(t, tt.permanent, errors.Is(got, blob.ErrPermanent), tt.says)
	}
}
