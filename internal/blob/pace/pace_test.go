package pace_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/blob/pace"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Suite{New: func(*testing.T) blob.Store { return pace.New(memory.New(), 1<<40) }})
}

func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := pace.New(memory.New(), 1000)
		began, body := time.Now(), bytes.Repeat([]byte("x"), 4000)
		require.NoError(t, s.Create(t.Context(), "a", body))
		require.Equal(t, 4*time.Second, time.Since(began))
		got, err := blob.ReadAll(t.Context(), s, "a", 1<<20)
		require.NoError(t, err)
		require.Equal(t, body, got)
		require.Equal(t, 8*time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Create(ctx, "b", body), context.DeadlineExceeded)
		_, err = s.Stat(t.Context(), "b")
		require.ErrorIs(t, err, blob.ErrNotExist, "what was given up is not written")
	})
	s := memory.New()
	require.Same(t, s, pace.New(s, 0), "no bound, no decorator")
}
