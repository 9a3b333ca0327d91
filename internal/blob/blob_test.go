package blob_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
)

// FuzzCheckName: whatever passes is a relative path that stays where it is.
func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"", "a", "a/b-c.d_E", "../a", "a/", "a//b", ".x", "x.", "log/00000001/0000000000000001"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := blob.CheckName(name)
		if err != nil {
			require.ErrorIs(t, err, blob.ErrName)
			return
		}
		require.True(t, filepath.IsLocal(name))
		require.True(t, fs.ValidPath(name))
		require.Equal(t, name, filepath.ToSlash(filepath.Clean(name)))
		require.LessOrEqual(t, len(name), blob.MaxNameLen)
		require.NotContains(t, "/"+name, "/.")
		require.Equal(t, -1, strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }))
	})
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	cause := errors.New("403 from the store")
	err := blob.Permanent(cause, "ask for the role")
	require.ErrorIs(t, err, blob.ErrPermanent)
	require.ErrorIs(t, err, cause)
	require.Equal(t, "403 from the store (ask for the role)", err.Error())
}

func TestReadAllIsBounded(t *testing.T) {
	t.Parallel()
	s, ctx := memory.New(), t.Context()
	require.NoError(t, s.Create(ctx, "n", []byte("12345")))
	got, err := blob.ReadAll(ctx, s, "n", 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(got))
	_, err = blob.ReadAll(ctx, s, "n", 4)
	require.ErrorIs(t, err, blob.ErrTooLarge)
	_, err = blob.ReadAll(ctx, s, "m", 4)
	require.ErrorIs(t, err, blob.ErrNotExist)
	s.Use(memory.Always(memory.Fault{Err: memory.ErrInjected, Cut: 2}))
	_, err = blob.ReadAll(ctx, s, "n", 5)
	require.ErrorIs(t, err, memory.ErrInjected)
	require.Empty(t, s.Violations(), "readers are closed on every path")
}
