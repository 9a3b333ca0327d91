package lease_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/lease"
)

const ttl = 10 * time.Second

// table is a lease in memory that can fail, or do and not say so.
type table struct {
	mu    sync.Mutex
	now   database.Lease
	down  bool
	mute  bool // the next swap is done, and its answer lost
	swaps int
}

var errDown = errors.New("the database cannot be reached")

func (f *table) ReadLease(context.Context) (database.Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return database.Lease{}, errDown
	}
	return f.now, nil
}

func (f *table) SwapLease(_ context.Context, seen, next database.Lease) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return false, errDown
	}
	f.swaps++
	if f.now != seen {
		return false, nil
	}
	f.now = next
	if f.mute {
		f.mute = false
		return false, errDown
	}
	return true, nil
}

func (f *table) set(change func(*table)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// waited is what came of a Wait, and when.
type waited struct {
	held *lease.Held
	err  error
	at   time.Time
}

func wait(ctx context.Context, f *table, address string) <-chan waited {
	done := make(chan waited, 1)
	go func() {
		h, err := lease.Wait(ctx, lease.Config{Table: f, Address: address, TTL: ttl}, nil)
		done <- waited{h, err, time.Now()}
	}()
	return done
}

func TestStandbyBeginsAtTheEdgeOfSilence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		beatFor     time.Duration // the first agent lives so long
		earliest    time.Duration // when the standby may begin
		latest      time.Duration
		unreachable [2]time.Duration // from, to
	}{
		"nobody was ever there":              {0, 0, 0, [2]time.Duration{}},
		"the holder dies":                    {time.Minute, time.Minute + ttl - 2*time.Second, time.Minute + ttl + 2*time.Second, [2]time.Duration{}},
		"a gap without sight is not silence": {time.Minute, 75 * time.Second, 90 * time.Second, [2]time.Duration{62 * time.Second, 69 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, began := &table{}, time.Now()
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if c.beatFor > 0 {
					h, err := lease.Take(ctx, lease.Config{Table: f, Address: "a", TTL: ttl})
					require.NoError(t, err)
					life, end := context.WithTimeout(ctx, c.beatFor)
					defer end()
					go func() { _ = h.Keep(life) }() // killed: nothing is given back
				}
				done := wait(ctx, f, "b")
				for _, at := range c.unreachable {
					time.AfterFunc(at, func() { f.set(func(f *table) { f.down = !f.down && at != 0 }) })
				}
				got := <-done
				require.NoError(t, got.err)
				require.GreaterOrEqual(t, got.at.Sub(began), c.earliest)
				require.LessOrEqual(t, got.at.Sub(began), c.latest)
				require.Equal(t, "b", f.now.Address)
			})
		})
	}
}

func TestGivenBackBeginsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &table{}
		h, err := lease.Take(t.Context(), lease.Config{Table: f, Address: "a", TTL: ttl})
		require.NoError(t, err)
		done := wait(t.Context(), f, "b")
		time.Sleep(5 * time.Second) //nolint:forbidigo // of synctest's clock
		f.set(func(f *table) { f.mute = true })
		require.Error(t, h.Release(t.Context()), "whether it was given back is not known")
		got := <-done
		require.NoError(t, got.err)
		require.NoError(t, h.Release(t.Context()), "it is not ours any more: nothing to give back")
		require.Equal(t, "b", f.now.Address)
	})
}

func TestTwoStandbysOneBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &table{now: database.Lease{Holder: "dead", Beat: 7}}
		ctx, stop := context.WithCancel(t.Context())
		a, b := wait(ctx, f, "a"), wait(ctx, f, "b")
		var first, second waited
		var other <-chan waited
		select {
		case first = <-a:
			other = b
		case first = <-b:
			other = a
		}
		require.NoError(t, first.err)
		go func() { _ = first.held.Keep(ctx) }()
		time.Sleep(10 * ttl) //nolint:forbidigo // of synctest's clock
		select {
		case <-other:
			require.Fail(t, "both have begun")
		default:
		}
		stop()
		second = <-other
		require.ErrorIs(t, second.err, context.Canceled)
	})
}

func TestTakenAwayIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &table{}
		cfg := lease.Config{Table: f, Address: "a", TTL: ttl}
		first, err := lease.Take(t.Context(), cfg)
		require.NoError(t, err)
		cfg.Address = "b"
		second, err := lease.Take(t.Context(), cfg)
		require.NoError(t, err)
		err = first.Keep(t.Context())
		require.ErrorIs(t, err, lease.ErrLost)
		require.ErrorContains(t, err, "(b)")
		require.NoError(t, second.Release(t.Context()))
		require.Empty(t, f.now.Holder)
	})
}

func TestLostAnswersAndAbsencesAreOutlived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &table{}
		h, err := lease.Take(t.Context(), lease.Config{Table: f, Address: "a", TTL: ttl})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		kept := make(chan error, 1)
		go func() { kept <- h.Keep(ctx) }()
		for i := range 20 {
			time.Sleep(ttl / 3) //nolint:forbidigo // of synctest's clock
			f.set(func(f *table) { f.mute, f.down = i%3 == 0, i%5 == 0 })
		}
		stop()
		require.NoError(t, <-kept)
		f.set(func(f *table) { f.down, f.mute = false, false })
		require.NoError(t, h.Release(t.Context()))
		require.Empty(t, f.now.Holder, "it was ours all the time")
		require.Greater(t, f.swaps, 20)
	})
}
