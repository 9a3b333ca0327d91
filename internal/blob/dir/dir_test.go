package dir_test

import (
	"testing"

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
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
