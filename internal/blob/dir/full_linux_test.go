package dir_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
)

// small mounts a file system of 64 KiB, which only root may do.
func small(t *testing.T) string {
	path := t.TempDir()
	if err := syscall.Mount("lifeboat-test", path, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(path, syscall.MNT_DETACH)) })
	return path
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, small(t)), t.Context()
	require.NoError(t, s.Create(ctx, "log/1", make([]byte, 20_000)))
	err := s.Create(ctx, "log/2", make([]byte, 100_000))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "free some")
	require.NotErrorIs(t, err, blob.ErrPermanent, "room may be made")
	_, err = s.Stat(ctx, "log/2")
	require.ErrorIs(t, err, blob.ErrNotExist)
	require.NoError(t, s.Create(ctx, "log/2", make([]byte, 20_000)), "the failed file gave its room back")
}

func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	path, ctx := small(t), t.Context()
	require.NoError(t, open(t, path).Create(ctx, "log/1", []byte("x")))
	require.NoError(t, syscall.Mount("lifeboat-test", path, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	s := open(t, path)
	got, err := blob.ReadAll(ctx, s, "log/1", 10)
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
	err = s.Create(ctx, "log/2", []byte("x"))
	require.ErrorIs(t, err, blob.ErrPermanent)
	require.ErrorContains(t, err, "read-only")
	require.ErrorContains(t, s.Delete(ctx, "log/1"), "read-only")
}
