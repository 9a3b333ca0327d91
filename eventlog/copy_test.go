package eventlog_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
)

// openPacking opens a writer whose start makes packs of three segments while it copies.
func openPacking(ctx context.Context, local, mirror blob.Store) (*eventlog.Writer, error) {
	return eventlog.OpenWriter(ctx, eventlog.SmallCopies(eventlog.WriterConfig{Local: local, Mirror: mirror, Reason: "test"}, 3, 2))
}

// requireWhole checks that a store has a log without damage, and how many transactions.
func requireWhole(t require.TestingT, s blob.Store, transactions int) *eventlog.VerifyReport {
	v, err := eventlog.OpenLog(s).Verify(background)
	require.NoError(t, err)
	require.Empty(t, v.Damage)
	require.EqualValues(t, transactions, v.Transactions)
	return v
}

// A new mirror gets many small segments as packs, those that compaction would make, and is
// as good as one that has them as they are.
func TestNewMirrorGetsPacks(t *testing.T) {
	t.Parallel()
	local, old := compactable(t)
	all := len(transactions(t, local))
	fresh := memory.New()
	w, err := openPacking(background, local, fresh)
	require.NoError(t, err)
	require.Positive(t, count(fresh, "packs/"))
	require.Less(t, count(fresh, "log/"), 15, "fences, and what was under way last")
	fill(t, w, 2)
	require.NoError(t, w.Close(background))
	require.Equal(t, segments(t, local), segments(t, fresh))
	require.Equal(t, headers(t, local), headers(t, fresh))
	requireWhole(t, fresh, all+2)

	// Of closed epochs the packs are those of a compaction.
	_, err = eventlog.Compact(background, eventlog.SmallPacks(eventlog.CompactConfig{Store: old}, 3, 3, 2))
	require.NoError(t, err)
	for _, name := range fresh.Names() {
		if !strings.HasPrefix(name, "packs/") || strings.HasPrefix(name, "packs/00000003") {
			continue
		}
		want, ok := old.Bytes(name)
		require.True(t, ok, name)
		got, _ := fresh.Bytes(name)
		require.Equal(t, want, got, name)
	}

	// It can be compacted, taken over, and be the source of the next mirror.
	compact(t, fresh, true)
	require.EqualValues(t, all+2, takeover(t, fresh, nil).End.Seq)
	next := memory.New()
	w, err = openPacking(background, fresh, next)
	require.NoError(t, err)
	fill(t, w, 1)
	require.NoError(t, w.Close(background))
	requireWhole(t, next, all+3)
}

// Large segments go as they are, and what is before and behind them is packed.
func TestNewMirrorGetsLargeSegmentsAlone(t *testing.T) {
	t.Parallel()
	local, fresh := memory.New(), memory.New()
	w := openWithSchema(t, local, memory.New())
	fill(t, w, 5)
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	seq, err := w.Append(background, one("large", insert("t0", 99, string(noise))))
	require.NoError(t, err)
	require.NoError(t, w.WaitDurable(background, seq))
	fill(t, w, 5)
	crash(w)
	w, err = openPacking(background, local, fresh)
	require.NoError(t, err)
	require.NoError(t, w.Close(background))
	_, alone := fresh.Bytes(eventlog.SegmentName(1, 6))
	require.True(t, alone)
	_, packed := fresh.Bytes("packs/00000001/0000000000000003-0000000000000005")
	require.True(t, packed)
	require.Equal(t, segments(t, local), segments(t, fresh))
	requireWhole(t, fresh, 11)
}

// Segments that only one store has are never packed: the writer may still be alive.
func TestCopyLeavesTheUnsettledAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := lagging(t, 12)
		cfg := eventlog.TakeoverConfig{DR: mirror, Old: local, Reason: "drill"}
		r, err := eventlog.Takeover(background, eventlog.SmallTakeoverCopies(cfg, 3, 2))
		require.NoError(t, err)
		require.Len(t, r.Copied, 12)
		require.Zero(t, count(mirror, "packs/"))
		requireWhole(t, mirror, 15)
	})
}

// The filling of a new mirror is killed at any write, with requests out of order; the
// next start completes it, and no transaction is lost or comes twice.
func TestPackingMirrorKilledAnywhere(t *testing.T) {
	t.Parallel()
	for call := range 40 {
		synctest.Test(t, func(t *testing.T) {
			local, _ := compactable(t)
			all := len(transactions(t, local))
			fresh := memory.New()
			ctx, cancel := context.WithCancel(background)
			n := 0
			fresh.Use(memory.PlanFunc(func(c memory.Call) memory.Fault {
				if c.Op != memory.Create {
					return memory.Fault{}
				}
				if n++; n > call {
					cancel()
					if n%2 == 0 {
						return memory.DoneButFailed()
					}
					return memory.Failed()
				}
				return memory.Fault{Before: time.Duration(n*7%5) * time.Millisecond} // out of order
			}))
			w, err := openPacking(ctx, local, fresh)
			cancel()
			fresh.Use(nil)
			if err == nil {
				crash(w)
			}
			w, err = openPacking(background, local, fresh)
			require.NoError(t, err, "call %d", call)
			fill(t, w, 1)
			require.NoError(t, w.Close(background))
			require.Equal(t, segments(t, local), segments(t, fresh), "call %d", call)
			requireWhole(t, fresh, all+1)
			require.EqualValues(t, all+1, takeover(t, fresh, nil).End.Seq)
		})
	}
}

// strayFence is a mirror of packs, filled from local, with a fence under the name of a
// slot that is in a pack: somebody took over what was in the mirror before the pack was.
func strayFence(t require.TestingT) (local, mirror *memory.Store, name string) {
	local, old := memory.New(), memory.New()
	w := openWithSchema(t, local, old)
	fill(t, w, 5)
	early := old.Clone()
	fill(t, w, 9)
	crash(w)
	takeover(t, early, nil)
	name = eventlog.SegmentName(1, 6)
	fence, ok := early.Bytes(name)
	require.True(t, ok)
	mirror = memory.New()
	w, err := openPacking(background, local, mirror)
	require.NoError(t, err)
	crash(w)
	_, single := mirror.Bytes(name)
	require.False(t, single, "it is in a pack")
	mirror.Put(name, fence)
	return local, mirror, name
}

// What is in a pack counts for more than a fence that came too late to see it.
func TestStrayFence(t *testing.T) {
	t.Parallel()
	local, mirror, name := strayFence(t)
	require.Equal(t, segments(t, local), segments(t, mirror))
	require.Equal(t, headers(t, local), headers(t, mirror))
	require.Equal(t, []string{name}, requireWhole(t, mirror, 14).Strays)
	w := open(t, local, mirror)
	fill(t, w, 1)
	require.NoError(t, w.Close(background))
	require.EqualValues(t, 15, takeover(t, mirror, nil).End.Seq)
	require.Equal(t, []string{name}, requireWhole(t, mirror, 15).Strays)
	compact(t, mirror, true)
	require.Empty(t, requireWhole(t, mirror, 15).Strays, "gone with the singles that packs hold")
	v, err := eventlog.OpenLog(mirror).VerifyFrom(background, eventlog.VerifyState{}, nil)
	require.NoError(t, err)
	require.Empty(t, v.Damage)
}

// The same where nobody has begun the next epoch yet: the epoch goes on behind the pack.
func TestStrayFenceInAnOpenEpoch(t *testing.T) {
	t.Parallel()
	local, mirror, name := strayFence(t)
	_, end := local.Bytes(eventlog.SegmentName(1, 15))
	require.True(t, end)
	for _, n := range []string{eventlog.SegmentName(1, 15), eventlog.EpochName(2)} {
		mirror.Remove(n)
	}
	require.Equal(t, []string{name}, requireWhole(t, mirror, 14).Strays)
	require.EqualValues(t, 14, takeover(t, mirror.Clone(), nil).End.Seq)
	w, err := openPacking(background, local, mirror)
	require.NoError(t, err)
	fill(t, w, 1)
	require.NoError(t, w.Close(background))
	requireWhole(t, mirror, 15)
}

// meanwhile does something before the first creation of a segment or fence.
type meanwhile struct {
	blob.Store
	do func()
}

func (m *meanwhile) Create(ctx context.Context, name string, body []byte) error {
	if do := m.do; do != nil && strings.HasPrefix(name, "log/") {
		m.do = nil
		do()
	}
	return m.Store.Create(ctx, name, body)
}

// Between a takeover's look at the log and its fence the writer goes on, and compaction
// frees the very name that the fence is created under: the takeover must see that.
func TestFenceAfterACompaction(t *testing.T) {
	t.Parallel()
	local, mirror := memory.New(), memory.New()
	w := openWithSchema(t, local, mirror)
	fill(t, w, 5)
	dr := &meanwhile{Store: mirror, do: func() {
		fill(t, w, 20)
		require.Positive(t, compact(t, mirror, true).Deleted)
	}}
	require.EqualValues(t, 25, takeover(t, dr, nil).End.Seq)
	crash(w)
	require.Len(t, transactions(t, mirror), 25)
	requireWhole(t, mirror, 25)
}
