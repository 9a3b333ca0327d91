package snapshot_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
	"lifeboat/internal/blob/memory"
	"lifeboat/restore"
	"lifeboat/restore/internal/memdb"
	"lifeboat/restore/snapshot"
)

// Whatever requests fail, or succeed and are reported as failed, a snapshot that exists
// is whole in the store that holds its manifest, and trying again makes it.
func TestSnapshotsAreWholeOrAbsentUnderFaults(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		for range 3 {
			w.transact()
		}
		at := w.flush()
		view, err := w.db.View(w.ctx)
		require.NoError(t, err)
		make := []func() (*snapshot.Report, error){
			func() (*snapshot.Report, error) { return snapshot.Take(w.ctx, w.config(), view, at) },
			func() (*snapshot.Report, error) {
				return snapshot.Delta(w.ctx, w.config(), w.snapshots[0], at)
			},
		}[rapid.IntRange(0, 1).Draw(t, "kind")]
		rates := memory.Rates{Failed: 0.1, DoneButFailed: 0.1}
		faulty := func(on bool) {
			for i, s := range []*memory.Store{w.local, w.mirror} {
				s.Use(nil)
				if on {
					s.Use(memory.Random(rapid.Uint64().Draw(t, "seed")+uint64(i), rates))
				}
			}
		}
		faulty(true)
		tries := 0
		for ; tries < 4; tries++ {
			if _, err = make(); err == nil {
				break
			}
		}
		faulty(false)
		for _, store := range []*memory.Store{w.local, w.mirror} {
			report, err := snapshot.Verify(w.ctx, store, nil)
			require.NoError(t, err)
			require.Empty(t, report.Damage)
		}
		if err != nil {
			_, err = make()
			require.NoError(t, err)
		}
		n := eventlog.Seq(len(w.states) - 1)
		for _, store := range []*memory.Store{w.local, w.mirror} {
			plan, _, err := restore.Prepare(w.ctx, store, restore.AtSeq(n))
			require.NoError(t, err)
			require.Equal(t, n, plan.Tip().Position.Seq, "the new snapshot is the one to begin with")
			target := memdb.New(nil)
			_, err = restore.Run(w.ctx, restore.Config{Store: store}, plan, target)
			require.NoError(t, err)
			require.Equal(t, w.states[n].Contents(), target.Contents())
		}
	})
}

// A restore from a store that fails now and then ends with an error or with the right
// rows, never with wrong ones.
func TestRestoreUnderReadFaults(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		n := eventlog.Seq(rapid.IntRange(0, len(w.states)-1).Draw(t, "target"))
		w.mirror.Use(memory.Random(rapid.Uint64().Draw(t, "seed"), memory.Rates{Failed: 0.05}))
		defer w.mirror.Use(nil)
		target := memdb.New(nil)
		for {
			plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtSeq(n))
			if err != nil {
				require.ErrorIs(t, err, memory.ErrInjected)
				continue
			}
			if _, err = restore.Run(w.ctx, restore.Config{Store: w.mirror}, plan, target); err == nil {
				break
			}
			require.ErrorIs(t, err, memory.ErrInjected)
		}
		require.Equal(t, w.states[n].Contents(), target.Contents())
	})
}
