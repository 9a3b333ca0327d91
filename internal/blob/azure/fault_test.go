package azure_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/blob/retry"
)

// patience is for storms: many tries, short waits.
var patience = retry.Policy{Tries: 12, First: 5 * time.Millisecond, Longest: 200 * time.Millisecond}

func throughProxy(t *testing.T, s *azuritetest.Server, p *azuritetest.Proxy) *azure.Store {
	c := s.Config(t)
	c.Endpoint = p.URL
	return openStore(t, c)
}

// testLostAnswers: the service wrote, the answer never came. The same bytes are a
// success, other bytes are still refused.
func testLostAnswers(t *testing.T, server *azuritetest.Server) {
	ctx := t.Context()
	for _, fault := range []azuritetest.Fault{azuritetest.DropAnswer, azuritetest.DropRequest, azuritetest.ErrorOnceMet, azuritetest.Throttle} {
		for _, size := range []int{100, 20 << 20} {
			p := server.NewProxy(t)
			s := throughProxy(t, server, p)
			body := bytes.Repeat([]byte("payload "), size/8)
			p.Use(azuritetest.First(2, http.MethodPut, fault))
			require.NoError(t, s.Create(ctx, "log/1", body), "fault %d, %d bytes", fault, size)
			require.EqualValues(t, 2, p.Hits.Load())
			p.Use(azuritetest.First(1, http.MethodPut, fault))
			require.ErrorIs(t, s.Create(ctx, "log/1", append([]byte("x"), body[1:]...)), blob.ErrExists)
			p.Use(nil)
			got, err := blob.ReadAll(ctx, s, "log/1", 1<<30)
			require.NoError(t, err)
			require.True(t, bytes.Equal(body, got))
		}
	}
}

// testBrokenReads: every answer with a body breaks off; the read is whole all the same,
// by azblob's own resumption for short runs of bad luck and package retry's for long ones.
func testBrokenReads(t *testing.T, server *azuritetest.Server) {
	p := server.NewProxy(t)
	s := retry.New(throughProxy(t, server, p), patience)
	body := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(body)
	require.NoError(t, s.Create(t.Context(), "big", body))
	p.Use(func(r *http.Request) azuritetest.Fault {
		if r.Method == http.MethodGet {
			return azuritetest.CutBody
		}
		return azuritetest.Pass
	})
	r, err := s.Get(t.Context(), "big", 1_000, 2<<20)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.True(t, bytes.Equal(body[1_000:1_000+2<<20], got))
	require.Greater(t, p.Hits.Load(), int64(3))
}

// testStorm: 30 % of all requests fail in any of six ways; nothing acknowledged is lost,
// nothing is torn, and each contested name has one winner.
func testStorm(t *testing.T, server *azuritetest.Server) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p := server.NewProxy(t)
	s := retry.New(throughProxy(t, server, p), patience)
	p.Use(azuritetest.Storm(seed, 0.3, azuritetest.Throttle, azuritetest.ServerError, azuritetest.ServerBusy,
		azuritetest.DropRequest, azuritetest.DropAnswer, azuritetest.ErrorOnceMet, azuritetest.CutBody))
	const writers, slots = 8, 25
	var mu sync.Mutex
	winners := map[string]int{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range slots {
				name := fmt.Sprintf("log/%04d", i)
				err := s.Create(t.Context(), name, fmt.Appendf(nil, "writer %d slot %d", w, i))
				mu.Lock()
				switch {
				case err == nil && winners[name] != 0:
					t.Errorf("%s was won by %d and by %d", name, winners[name]-1, w)
				case err == nil:
					winners[name] = w + 1
				default:
					require.ErrorIs(t, err, blob.ErrExists)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, winners, slots)
	n := 0
	for info, err := range s.List(t.Context(), "log/", "") {
		require.NoError(t, err)
		got, err := blob.ReadAll(t.Context(), s, info.Name, 1000)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("writer %d slot %d", winners[info.Name]-1, n), string(got))
		n++
	}
	require.Equal(t, slots, n)
	require.Greater(t, p.Hits.Load(), int64(50))
}

// TestRestart: the service goes away while appends are under way and comes back. What
// was acknowledged is there; the writer goes on by itself.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t, "uksouth")
	inner := server.Store(t)
	s := retry.New(inner, retry.Policy{Tries: 60, First: 20 * time.Millisecond, Longest: 500 * time.Millisecond})
	const all = 300
	body := bytes.Repeat([]byte("segment "), 500)
	acknowledged := make(chan int, all)
	failed := make(chan error, 1)
	go func() {
		defer close(acknowledged)
		for i := range all {
			if err := s.Create(t.Context(), fmt.Sprintf("log/%06d", i), body); err != nil {
				failed <- err
				return
			}
			acknowledged <- i
		}
	}()
	last := -1
	for i := range acknowledged {
		last = i
		if i == 50 || i == 150 {
			server.Stop()
			server.Restart(t)
		}
	}
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	require.Equal(t, all-1, last)
	n := 0
	for info, err := range inner.List(t.Context(), "log/", "") {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("log/%06d", n), info.Name)
		require.EqualValues(t, len(body), info.Size)
		n++
	}
	require.Equal(t, all, n)
}

// testCancelStopsChanges: once the caller gave up, no further request arrives.
func testCancelStopsChanges(t *testing.T, server *azuritetest.Server) {
	p := server.NewProxy(t)
	s := retry.New(throughProxy(t, server, p), patience)
	ctx, cancel := context.WithCancel(t.Context())
	var after int
	p.Use(func(r *http.Request) azuritetest.Fault {
		if ctx.Err() != nil {
			after++
		}
		cancel()
		return azuritetest.DropRequest
	})
	require.ErrorIs(t, s.Create(ctx, "log/1", []byte("x")), context.Canceled)
	p.Use(nil)
	_, err := s.Stat(t.Context(), "log/1")
	require.ErrorIs(t, err, blob.ErrNotExist)
	require.Zero(t, after)
}
