package snapshot_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/restore"
	"lifeboat/restore/internal/memdb"
	"lifeboat/restore/snapshot"
)

// points lists the Seqs of a window whose time is not before cutoff, and those of kept
// snapshots themselves.
func (w *world) window() []restore.Range {
	inv, err := restore.SurveyAll(w.ctx, w.mirror)
	require.NoError(w.t, err)
	return inv.Window()
}

// Whatever the policy, every restore point of the last keep_days can still be restored,
// as can every snapshot that is kept, and no chunk without a manifest is left.
func TestRetentionKeepsEveryPointInTheWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		for range rapid.IntRange(1, 5).Draw(t, "periods") {
			w.live()
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "days")) * 24 * time.Hour)
		}
		policy := snapshot.Policy{
			KeepDays: rapid.IntRange(1, 90).Draw(t, "keep_days"),
			Monthly:  rapid.IntRange(0, 3).Draw(t, "monthly"), Yearly: rapid.IntRange(0, 2).Draw(t, "yearly"),
		}
		cutoff := w.now.AddDate(0, 0, -policy.KeepDays)
		before := w.window()
		cfg := snapshot.RetainConfig{Store: w.mirror, Policy: policy, Clock: func() time.Time { return w.now }, Grace: -1000 * 24 * time.Hour}
		cfg.DryRun = true
		names := w.mirror.Names()
		would, err := snapshot.Retain(w.ctx, cfg)
		require.NoError(t, err)
		require.Equal(t, names, w.mirror.Names(), "a dry run changes nothing")
		cfg.DryRun = false
		did, err := snapshot.Retain(w.ctx, cfg)
		require.NoError(t, err)
		require.Equal(t, would.Removed, did.Removed)
		require.Equal(t, would.RemovedChunks, did.RemovedChunks)

		report, err := snapshot.Verify(w.ctx, w.mirror, nil)
		require.NoError(t, err)
		require.Empty(t, report.Damage)
		kept := make(map[eventlog.Seq]bool)
		for _, k := range did.Plan.Keep {
			kept[k.Position.Seq] = true
		}
		for n, at := range w.times {
			seq := eventlog.Seq(n)
			if restore.Contains(before, seq) && !at.Before(cutoff) || kept[seq] {
				require.Truef(t, restore.Contains(report.Window, seq), "seq %d of %s is lost; kept since %s", n, at, cutoff)
			}
		}
		// The last point before the cutoff is what a restore to the cutoff itself needs.
		last := slices.IndexFunc(w.times, func(at time.Time) bool { return at.After(cutoff) }) - 1
		if last >= 0 {
			require.True(t, restore.Contains(report.Window, eventlog.Seq(last)))
			plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtSeq(eventlog.Seq(last)))
			require.NoError(t, err)
			target := memdb.New(nil)
			_, err = restore.Run(w.ctx, restore.Config{Store: w.mirror, Unpinned: true}, plan, target)
			require.NoError(t, err)
			require.Equal(t, w.states[last].Contents(), target.Contents())
		}
		again, err := snapshot.Retain(w.ctx, cfg)
		require.NoError(t, err)
		require.Zero(t, again.Removed+again.RemovedChunks, "the second run has nothing to do")
	})
}

// oldWorld has a base and, a year later, another one.
func oldWorld(t *testing.T, check func(w *world, policy snapshot.RetainConfig)) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.transact()
		w.now = w.now.AddDate(1, 0, 0)
		w.transact()
		w.base()
		w.now = w.now.AddDate(0, 2, 0)
		w.transact()
		w.flush()
		check(w, snapshot.RetainConfig{
			Store: w.mirror, Policy: snapshot.Policy{KeepDays: 7}, Clock: func() time.Time { return w.now }, Grace: -1000 * 24 * time.Hour,
		})
	})
}

func TestRetentionRespectsPins(t *testing.T) {
	t.Parallel()
	oldWorld(t, func(w *world, cfg snapshot.RetainConfig) {
		old := w.snapshots[0]
		pin, err := restore.CreatePin(w.ctx, w.mirror, "a restore", w.now, []restore.Snapshot{old})
		require.NoError(w.t, err)
		report, err := snapshot.Retain(w.ctx, cfg)
		require.NoError(w.t, err)
		require.Zero(w.t, report.Removed)
		require.Equal(w.t, old.Position, report.Plan.LogFrom)
		require.NoError(w.t, pin.Unpin(w.ctx, w.mirror))
		report, err = snapshot.Retain(w.ctx, cfg)
		require.NoError(w.t, err)
		require.Equal(w.t, 1, report.Removed)
		require.Equal(w.t, w.snapshots[1].Position, report.Plan.LogFrom)
	})
}

func TestRetentionForgetsPinsThatExpired(t *testing.T) {
	t.Parallel()
	oldWorld(t, func(w *world, cfg snapshot.RetainConfig) {
		_, err := restore.CreatePin(w.ctx, w.mirror, "a restore that died", w.now.Add(-2*restore.PinTTL), w.snapshots[:1])
		require.NoError(w.t, err)
		report, err := snapshot.Retain(w.ctx, cfg)
		require.NoError(w.t, err)
		require.Equal(w.t, 1, report.Removed)
	})
}

func TestRetentionTouchesNoChunkWhileAManifestIsDamaged(t *testing.T) {
	t.Parallel()
	oldWorld(t, func(w *world, cfg snapshot.RetainConfig) {
		w.mirror.Tamper(w.snapshots[1].Name(), func(b []byte) []byte { return b[:len(b)-1] })
		report, err := snapshot.Retain(w.ctx, cfg)
		require.NoError(w.t, err)
		require.Zero(w.t, report.Removed, "the older base is needed now")
		require.Zero(w.t, report.RemovedChunks)
		require.Len(w.t, report.Plan.Blocked, 1)
	})
}

func TestRetentionDoesNotRelyOnASnapshotThatLacksAChunk(t *testing.T) {
	t.Parallel()
	oldWorld(t, func(w *world, cfg snapshot.RetainConfig) {
		own := w.needs(w.snapshots[1])
		for name := range w.needs(w.snapshots[0]) {
			delete(own, name)
		}
		for name := range own {
			if strings.HasPrefix(name, restore.ChunkPrefix) {
				w.mirror.Remove(name)
				report, err := snapshot.Retain(w.ctx, cfg)
				require.NoError(w.t, err)
				require.Zero(w.t, report.RemovedChunks)
				require.True(w.t, slices.ContainsFunc(report.Plan.Keep, func(k snapshot.Kept) bool { return k.Digest == w.snapshots[0].Digest }))
				return
			}
		}
	})
}

// immutable refuses every deletion, as a locked policy does.
type immutable struct{ blob.Store }

func (immutable) Delete(_ context.Context, name string) error {
	return fmt.Errorf("delete %s: protected until 2030: %w", name, blob.ErrPermanent)
}

func TestRetentionReportsWhatIsImmutable(t *testing.T) {
	t.Parallel()
	oldWorld(t, func(w *world, cfg snapshot.RetainConfig) {
		cfg.Store = immutable{w.mirror}
		names := w.mirror.Names()
		report, err := snapshot.Retain(w.ctx, cfg)
		require.NoError(w.t, err)
		require.Zero(w.t, report.Removed)
		require.NotEmpty(w.t, report.Refused)
		require.Equal(w.t, names, w.mirror.Names())
	})
}

func TestPolicyReportsEveryProblem(t *testing.T) {
	t.Parallel()
	err := snapshot.Policy{Monthly: -1}.Validate()
	require.ErrorContains(t, err, "keep_days is 0")
	require.ErrorContains(t, err, "monthly is -1")
}

func TestIntervalShrinksWithTheLoad(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		name     string
		schedule snapshot.Schedule
		grown    int64
		over     time.Duration
		want     time.Duration
	}{
		{"no load", snapshot.Schedule{}, 0, time.Hour, 24 * time.Hour},
		{"little load", snapshot.Schedule{}, mib, time.Hour, 24 * time.Hour},
		{"budget filled in six hours", snapshot.Schedule{Budget: 60 * mib}, 10 * mib, time.Hour, 6 * time.Hour},
		{"a burst", snapshot.Schedule{Budget: mib}, 1000 * mib, time.Second, time.Minute},
		{"never above the policy", snapshot.Schedule{Longest: 48 * time.Hour}, 0, 0, 24 * time.Hour},
		{"shorter on request", snapshot.Schedule{Longest: 2 * time.Hour}, 1, time.Hour, 2 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.schedule.Interval(c.grown, c.over))
		})
	}
}

func TestChainIsLong(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, test := range []struct {
		name  string
		chain snapshot.Chain
		want  bool
	}{
		{"no delta", snapshot.Chain{Base: mib}, false},
		{"few", snapshot.Chain{Deltas: 2, Changes: 9 * mib, Base: 20 * mib}, false},
		{"many", snapshot.Chain{Deltas: 3, Changes: 1, Base: 20 * mib}, true},
		{"half as much as the base", snapshot.Chain{Deltas: 1, Changes: 10 * mib, Base: 20 * mib}, true},
		{"not worth it", snapshot.Chain{Deltas: 1, Changes: mib - 1, Base: 1}, false},
	} {
		require.Equal(t, test.want, test.chain.Long(3), test.name)
	}
}
