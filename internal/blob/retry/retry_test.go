package retry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/blob/retry"
)

func TestStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Suite{New: func(*testing.T) blob.Store {
		return retry.New(memory.New(), retry.Policy{})
	}})
}

// TestStoreUnderFaults: the suite passes as if nothing happened when every third call
// fails, in both forms, and reads break off.
func TestStoreUnderFaults(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	blobtest.Run(t, blobtest.Suite{Big: 300_000, New: func(*testing.T) blob.Store {
		m := memory.New()
		m.Use(memory.Random(seed, memory.Rates{Failed: 0.12, DoneButFailed: 0.12, Cut: 0.12}))
		// 20 tries: a run of 20 faults in a row has a chance of 1e-9.
		return retry.New(m, retry.Policy{Tries: 20, First: time.Microsecond, Longest: time.Microsecond})
	}})
}

func TestRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault memory.Fault
		times int
		calls int64
		want  error // nil: success
	}{
		{"no fault", memory.Fault{}, 0, 1, nil},
		{"lost twice", memory.Failed(), 2, 3, nil},
		{"answer lost twice", memory.DoneButFailed(), 2, 3, nil},
		{"lost for ever", memory.Failed(), 0, 6, memory.ErrInjected},
		{"answers lost for ever", memory.DoneButFailed(), 0, 6, memory.ErrInjected},
		{"no permission", memory.Fault{Err: blob.Permanent(memory.ErrInjected, "ask"), Effect: memory.Never}, 0, 1, blob.ErrPermanent},
		{"hung once", memory.Hung(), 1, 2, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := memory.New()
				m.Use(&memory.Rule{Op: memory.Create, Times: tt.times, Fault: tt.fault})
				err := retry.New(m, retry.Policy{}).Create(t.Context(), "n", []byte("x"))
				if tt.want == nil {
					require.NoError(t, err)
					require.Equal(t, []string{"n"}, m.Names())
				} else {
					require.ErrorIs(t, err, tt.want)
				}
				require.Equal(t, tt.calls, m.Counts().Create)
			})
		})
	}
}

func TestFinalErrorsAreNotRetried(t *testing.T) {
	t.Parallel()
	m := memory.New()
	s := retry.New(m, retry.Policy{})
	ctx := t.Context()
	require.NoError(t, s.Create(ctx, "n", []byte("x")))
	require.ErrorIs(t, s.Create(ctx, "n", []byte("y")), blob.ErrExists)
	require.ErrorIs(t, s.Create(ctx, "../n", []byte("y")), blob.ErrName)
	require.ErrorIs(t, s.Create(ctx, "e", nil), blob.ErrEmpty)
	_, err := s.Stat(ctx, "absent")
	require.ErrorIs(t, err, blob.ErrNotExist)
	require.EqualValues(t, 4, m.Counts().Create)
	require.EqualValues(t, 1, m.Counts().Stat)
}

// TestCancelledWhileWaiting: no call reaches the store after the context has ended.
func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		m.Use(memory.Always(memory.Failed()))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := retry.New(m, retry.Policy{First: time.Second}).Create(ctx, "n", []byte("x"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "injected fault", "the store's own answer is told")
		calls := m.Counts().Create
		m.Use(nil)
		<-time.After(time.Hour) // the bubble's clock
		require.Equal(t, calls, m.Counts().Create)
		require.Empty(t, m.Names())
	})
}

func TestWaitsGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		m.Use(memory.Always(memory.Failed()))
		start := time.Now()
		err := retry.New(m, retry.Policy{Tries: 12, First: time.Second, Longest: 4 * time.Second}).Delete(t.Context(), "n")
		require.ErrorContains(t, err, "gave up after 12 tries")
		// Means 1, 1.5, 2.25, 3.375, then 7 of 4 seconds; jitter is half of each.
		require.InDelta(t, 36.0, time.Since(start).Seconds(), 18.1)
	})
}

// TestReadGoesOn: a read that breaks off in each request is whole in the end, and no
// byte is asked for twice.
func TestReadGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		want := make([]byte, 10_000)
		for i := range want {
			want[i] = byte(i * 7 / 3)
		}
		require.NoError(t, m.Create(t.Context(), "n", want))
		for _, cut := range []int{1_000, 3_333} {
			for _, c := range []struct{ off, n int64 }{{0, -1}, {17, -1}, {100, 9_000}, {0, 20_000}} {
				m.Use(&memory.Rule{Op: memory.Get, Fault: memory.Fault{Err: memory.ErrInjected, Cut: cut}})
				m.ResetCounts()
				r, err := retry.New(m, retry.Policy{}).Get(t.Context(), "n", c.off, c.n)
				require.NoError(t, err)
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				require.NoError(t, r.Close())
				end := int64(len(want))
				if c.n >= 0 {
					end = min(end, c.off+c.n)
				}
				require.True(t, bytes.Equal(want[c.off:end], got), "cut %d, range %+v: %d bytes", cut, c, len(got))
				require.Equal(t, end-c.off, m.Counts().BytesOut)
				require.Greater(t, m.Counts().Get, int64(1))
			}
		}
		require.Empty(t, m.Violations(), "every broken reader was closed")
	})
}

// stuck is a store whose reads give one byte and then nothing until their context ends.
type stuck struct{ *memory.Store }

func (s stuck) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, name, off, n)
	return &stuckReader{ReadCloser: r, ctx: ctx}, err
}

type stuckReader struct {
	io.ReadCloser
	ctx  context.Context
	used bool
}

func (r *stuckReader) Read(p []byte) (int, error) {
	if !r.used {
		r.used = true
		return r.ReadCloser.Read(p[:1])
	}
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

func TestStuckReadGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := stuck{memory.New()}
		require.NoError(t, m.Create(t.Context(), "n", []byte("abc")))
		body, err := blob.ReadAll(t.Context(), retry.New(m, retry.Policy{}), "n", 10)
		require.NoError(t, err)
		require.Equal(t, "abc", string(body))
	})
}

func TestListGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		for i := range 100 {
			require.NoError(t, m.Create(t.Context(), fmt.Sprintf("n/%03d", i), []byte("x")))
		}
		m.Use(&memory.Rule{Op: memory.List, Fault: memory.Fault{Err: memory.ErrInjected, Cut: 7}})
		n := 0
		for info, err := range retry.New(m, retry.Policy{}).List(t.Context(), "n/", "n/009") {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("n/%03d", 10+n), info.Name)
			n++
			<-time.After(time.Hour) // a slow consumer is not a hung store
		}
		require.Equal(t, 90, n)

		m.Use(memory.Always(memory.Failed()))
		m.ResetCounts()
		for _, err := range retry.New(m, retry.Policy{}).List(t.Context(), "n/", "") {
			require.ErrorIs(t, err, memory.ErrInjected)
		}
		require.EqualValues(t, 6, m.Counts().List)
	})
}
