package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestFullDisk restores onto a disk that is too small.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	small := s.path("small")
	require.NoError(t, os.Mkdir(small, 0o755))
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(small, 0)) })
	before := contents(t, s.path("mirror"))
	got := s.run("restore", "--latest", "--into", "sqlite:"+small+"/restored.sqlite")
	require.Equal(t, 1, got.code, got.errout)
	require.Contains(t, got.errout, "disk is full")
	require.Contains(t, got.errout, "free space in "+small)
	require.Equal(t, before, contents(t, s.path("mirror")))
	s.ok("restore", "--latest", "--into", "sqlite:"+s.path("elsewhere.sqlite"))
}
