package databasetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

func lease(t *testing.T, e Engine) {
	db := installed(t, e)
	leaser, ok := db.Source().(database.Leaser)
	require.True(t, ok, "every engine keeps the agents' lease")
	none, err := leaser.ReadLease(t.Context())
	require.NoError(t, err)
	require.Zero(t, none)

	first := database.Lease{Holder: "it's a", Address: "10.0.0.7:8080", Beat: 1}
	var won atomic.Int32
	var both sync.WaitGroup
	for range 4 {
		both.Go(func() {
			if ok, _ := leaser.SwapLease(t.Context(), none, first); ok { // that the others may fail says nothing
				won.Add(1)
			}
		})
	}
	both.Wait()
	require.EqualValues(t, 1, won.Load())
	got, err := leaser.ReadLease(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, got)

	second := database.Lease{Holder: "b", Beat: 1 << 60}
	swapped, err := leaser.SwapLease(t.Context(), second, second)
	require.NoError(t, err)
	require.False(t, swapped)
	swapped, err = leaser.SwapLease(t.Context(), first, second)
	require.NoError(t, err)
	require.True(t, swapped)
	got, err = leaser.ReadLease(t.Context())
	require.NoError(t, err)
	require.Equal(t, second, got)

	v := openView(t, db.Source())
	requireSame(t, v.Installed(), v.Schema())
	require.Empty(t, drained(t, v), "a lease is nothing of the application's")
	require.NoError(t, v.Close())
	require.NoError(t, db.Source().Remove(t.Context(), false), "it goes with the capture")
	got, err = leaser.ReadLease(t.Context())
	require.NoError(t, err)
	require.Zero(t, got)
}
