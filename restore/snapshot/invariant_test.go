package snapshot_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/internal/memdb"
)

// Restoring to N gives the fold of transactions 1 to N, whichever snapshot P <= N it
// begins with: snapshot(P) = fold(1..P), and merge = replay.
func TestRestoreIsTheFoldFromEverySnapshot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		n := eventlog.Seq(rapid.IntRange(0, len(w.states)-1).Draw(t, "target"))
		for _, tip := range w.snapshots {
			if tip.Position.Seq > n {
				continue
			}
			plan := w.planFrom(tip, restore.AtSeq(n))
			require.Equal(t, n, plan.Point.Seq)
			target := memdb.New(nil)
			result, err := restore.Run(w.ctx, restore.Config{Store: w.mirror, Memory: restore.MinMemory}, plan, target)
			require.NoError(t, err)
			require.True(t, result.Verified)
			require.True(t, target.Complete())
			require.Equal(t, w.states[n].Contents(), target.Contents())
			foreseen, err := restore.Foresee(w.ctx, w.mirror, plan)
			require.NoError(t, err)
			proven, err := result.Proof().Judge(plan, foreseen)
			require.NoError(t, err)
			require.Equal(t, result.Tables, proven)
			counters, err := w.states[n].View(w.ctx)
			require.NoError(t, err)
			want, err := counters.Counters(w.ctx)
			require.NoError(t, err)
			for name, v := range want {
				require.GreaterOrEqual(t, result.Counters[name], v)
			}
		}
	})
}

// Killing a restore before or after any effect on the target, as often as it likes, and
// running the same plan again equals running it once.
func TestRestoreKilledAnywhereResumes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		n := eventlog.Seq(rapid.IntRange(0, len(w.states)-1).Draw(t, "target"))
		plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtSeq(n))
		require.NoError(t, err)
		target := memdb.New(nil)
		killed := errors.New("killed")
		lives := rapid.IntRange(1, 8).Draw(t, "lives")
		var mu sync.Mutex
		kill := rapid.SliceOfN(rapid.IntRange(0, 12), lives, lives).Draw(t, "calls until death")
		target.Die = func(string, string, bool) error {
			mu.Lock()
			defer mu.Unlock()
			if len(kill) == 0 {
				return nil
			}
			if kill[0]--; kill[0] < 0 {
				kill = kill[1:]
				return killed
			}
			return nil
		}
		for {
			result, err := restore.Run(w.ctx, restore.Config{Store: w.mirror, Unpinned: true}, plan, target)
			if err == nil {
				require.True(t, result.Verified)
				break
			}
			require.ErrorIs(t, err, killed)
			if target.Complete() {
				break // it died when all was done, ForgetProgress included
			}
		}
		require.Equal(t, w.states[n].Contents(), target.Contents())
	})
}

// Another plan on a half-restored target is refused and changes nothing.
func TestRestoreOfAnotherPlanIsRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.transact()
		w.flush()
		plan := func(n eventlog.Seq) *restore.Plan {
			p, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtSeq(n))
			require.NoError(t, err)
			return p
		}
		target := memdb.New(nil)
		target.Die = func(call, _ string, _ bool) error {
			if call == "finish" {
				return errors.New("killed")
			}
			return nil
		}
		_, err := restore.Run(w.ctx, restore.Config{Store: w.mirror}, plan(0), target)
		require.Error(t, err)
		before := target.Contents()
		target.Die = nil
		_, err = restore.Run(w.ctx, restore.Config{Store: w.mirror}, plan(1), target)
		require.ErrorIs(t, err, database.ErrNotEmpty)
		require.Equal(t, before, target.Contents())
	})
}

// Rows that all match prove nothing about a database that is damaged elsewhere.
func TestWhatFailsItsCheckIsNotVerified(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.Latest())
		require.NoError(t, err)
		target := memdb.New(nil)
		damaged := errors.New("damaged")
		target.Die = func(call, _ string, after bool) error {
			if call == "check" && after {
				return damaged
			}
			return nil
		}
		for range 2 { // a run that goes on checks again
			result, err := restore.Run(w.ctx, restore.Config{Store: w.mirror}, plan, target)
			require.ErrorIs(t, err, damaged)
			require.False(t, result.Verified)
		}
		target.Die = nil
		result, err := restore.Run(w.ctx, restore.Config{Store: w.mirror}, plan, target)
		require.NoError(t, err)
		require.True(t, result.Verified)
	})
}

// A database restored to P that replays the log up to N is the one restored to N.
func TestReplayEqualsMerge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		n := eventlog.Seq(rapid.IntRange(0, len(w.states)-1).Draw(t, "target"))
		p := eventlog.Seq(rapid.IntRange(0, int(n)).Draw(t, "restored to"))
		plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtSeq(p))
		require.NoError(t, err)
		target := memdb.New(nil)
		_, err = restore.Run(w.ctx, restore.Config{Store: w.mirror}, plan, target)
		require.NoError(t, err)
		require.NoError(t, target.SetPosition(w.ctx, uint64(p)))
		killed, calls := errors.New("killed"), rapid.IntRange(0, 10).Draw(t, "calls until death")
		target.Die = func(string, string, bool) error {
			if calls--; calls == 0 {
				return killed
			}
			return nil
		}
		cfg := restore.ReplayConfig{Store: w.mirror, After: plan.Tip().Position, To: n}
		at, err := restore.Replay(w.ctx, cfg, target)
		if err != nil {
			require.ErrorIs(t, err, killed)
			at, err = restore.Replay(w.ctx, cfg, target)
		}
		require.NoError(t, err)
		if n > 0 {
			require.Equal(t, n, at)
		}
		if n > 0 || p > 0 {
			require.Equal(t, w.states[max(n, p)].Contents(), target.Contents())
		}
	})
}

// A time means the last transaction that is not after it.
func TestRestoreToATime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		first, last := w.times[0], w.times[len(w.times)-1]
		at := first.Add(time.Duration(rapid.Int64Range(-2, int64(last.Sub(first))/int64(time.Millisecond)+2).Draw(t, "ms")) * time.Millisecond)
		plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtTime(at))
		var outside *restore.WindowError
		switch {
		case at.Before(first):
			require.ErrorAs(t, err, &outside)
			require.Nil(t, outside.Before)
			require.Equal(t, eventlog.Seq(0), outside.After.Seq)
		case at.After(last):
			require.ErrorAs(t, err, &outside)
			require.Nil(t, outside.After)
			require.Equal(t, eventlog.Seq(len(w.states)-1), outside.Before.Seq)
		default:
			require.NoError(t, err)
			want := 0
			for i, tx := range w.times {
				if !tx.After(at) {
					want = i
				}
			}
			require.Equal(t, eventlog.Seq(want), plan.Point.Seq)
		}
	})
}
