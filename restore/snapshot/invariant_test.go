package snapshot_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
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
