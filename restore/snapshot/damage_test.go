package snapshot_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
	"lifeboat/internal/blob/memory"
	"lifeboat/restore"
	"lifeboat/restore/internal/memdb"
	"lifeboat/restore/snapshot"
)

// needs lists the objects of a snapshot and its parents.
func (w *world) needs(tip restore.Snapshot) map[string]bool {
	codec, err := restore.NewCodec(1)
	require.NoError(w.t, err)
	chain, err := restore.Lineage(w.snapshots, tip)
	require.NoError(w.t, err)
	names := make(map[string]bool)
	for _, s := range chain {
		names[s.Name()] = true
		refs, err := codec.Objects(w.ctx, w.mirror, s.Manifest)
		require.NoError(w.t, err)
		for _, r := range refs {
			names[r.Name()] = true
		}
	}
	return names
}

func (w *world) snapshotObjects() []string {
	return slices.DeleteFunc(w.mirror.Names(), func(name string) bool {
		return !strings.HasPrefix(name, restore.ChunkPrefix) && !strings.HasPrefix(name, restore.SnapshotPrefix)
	})
}

// spoil damages one object, or two by swapping them, and returns which.
func (w *world) spoil() []string {
	objects := w.snapshotObjects()
	name := rapid.SampledFrom(objects).Draw(w.t, "object")
	body, _ := w.mirror.Bytes(name)
	switch rapid.SampledFrom([]string{"flip", "cut", "drop", "extend", "swap"}).Draw(w.t, "damage") {
	case "flip":
		w.mirror.Tamper(name, memory.Flip(rapid.IntRange(0, 8*len(body)-1).Draw(w.t, "bit")))
	case "cut":
		w.mirror.Tamper(name, memory.Cut(rapid.IntRange(0, len(body)-1).Draw(w.t, "length")))
	case "drop":
		w.mirror.Remove(name)
		if strings.HasPrefix(name, restore.SnapshotPrefix) {
			return nil // a snapshot without a manifest does not exist: nothing is left to name
		}
	case "extend":
		w.mirror.Tamper(name, func(b []byte) []byte { return append(b, 0) })
	case "swap":
		other := rapid.SampledFrom(objects).Draw(w.t, "other")
		if other == name {
			return []string{}
		}
		w.mirror.Swap(name, other)
		return []string{name, other}
	}
	return []string{name}
}

// Damage to any object of a snapshot is found and named, and costs exactly the restore
// points that need it; every other point can still be restored.
func TestDamageIsNamedAndCostsExactlyWhatItMust(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		needs := make([]map[string]bool, len(w.snapshots))
		for i, s := range w.snapshots {
			needs[i] = w.needs(s)
		}
		before := w.snapshotObjects()
		spoilt := w.spoil()
		after := w.snapshotObjects()
		gone := slices.DeleteFunc(slices.Clone(before), func(n string) bool { return slices.Contains(after, n) })

		report, err := snapshot.Verify(w.ctx, w.mirror, nil)
		require.NoError(t, err)
		for _, name := range spoilt {
			require.Truef(t, slices.ContainsFunc(report.Damage, func(f snapshot.Finding) bool { return f.Object == name }),
				"%s is not among %v", name, report.Damage)
		}
		first := eventlog.Seq(math.MaxUint64)
		for i, s := range w.snapshots {
			if !slices.ContainsFunc(append(spoilt, gone...), func(n string) bool { return needs[i][n] }) {
				first = min(first, s.Position.Seq)
			}
		}
		for n := range w.states {
			n := eventlog.Seq(n)
			provable := n >= first
			require.Equal(t, provable, restore.Contains(report.Window, n), "seq %d, window %v", n, report.Window)
			plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtSeq(n), report.Unusable...)
			if !provable {
				require.Error(t, err)
				require.True(t, gone != nil || restore.Contains(report.Lost, n))
				continue
			}
			require.NoError(t, err)
			if n%5 == 0 {
				target := memdb.New(nil)
				_, err = restore.Run(w.ctx, restore.Config{Store: w.mirror, Unpinned: true}, plan, target)
				require.NoError(t, err)
				require.Equal(t, w.states[n].Contents(), target.Contents())
			}
		}
	})
}

// Without a look at the bytes beforehand, a restore still never ends well on damage.
func TestRestoreNeverSucceedsOnDamage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		n := eventlog.Seq(rapid.IntRange(0, len(w.states)-1).Draw(t, "target"))
		w.spoil()
		plan, _, err := restore.Prepare(w.ctx, w.mirror, restore.AtSeq(n))
		if err != nil {
			return
		}
		target := memdb.New(nil)
		if _, err := restore.Run(w.ctx, restore.Config{Store: w.mirror, Unpinned: true}, plan, target); err != nil {
			var damage *restore.DamageError
			require.ErrorAs(t, err, &damage)
			return
		}
		require.Equal(t, w.states[n].Contents(), target.Contents())
	})
}
