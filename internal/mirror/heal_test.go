package mirror_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
	"lifeboat/internal/mirror"
)

// twoEpochs is a log of two epochs of n segments each, in both stores.
func twoEpochs(t *testing.T, n int) (primary, other *memory.Store) {
	t.Helper()
	primary, other = memory.New(), memory.New()
	schema := &database.Schema{Engine: "test", Tables: []database.Table{{Name: "t", Columns: []database.Column{{Name: "id", Type: "int"}}, Key: []int{0}}}}
	require.NoError(t, schema.Seal())
	for range 2 {
		w, err := eventlog.OpenWriter(t.Context(), eventlog.WriterConfig{Local: primary, Mirror: other, Reason: "test"})
		require.NoError(t, err)
		if w.Schema() == nil {
			_, err = w.Append(t.Context(), eventlog.Batch{Schema: schema})
			require.NoError(t, err)
		}
		for i := range n {
			c := database.Change{Op: database.Insert, Table: "t", Row: database.AppendInt(nil, int64(i))}
			_, err = w.Append(t.Context(), eventlog.Batch{Transactions: []eventlog.Pending{{TxID: "t", Changes: []database.Change{c}}}})
			require.NoError(t, err)
			_, err = w.Flush(t.Context())
			require.NoError(t, err)
		}
		require.NoError(t, w.Close(t.Context()))
	}
	return primary, other
}

func verify(t *testing.T, s mirror.Stores) *mirror.Report {
	t.Helper()
	r, err := mirror.Verify(t.Context(), s, mirror.Options{})
	require.NoError(t, err)
	return r
}

// remove takes segments of an epoch out of a store.
func remove(s *memory.Store, e eventlog.Epoch, from, to eventlog.Slot) {
	for slot := from; slot < to; slot++ {
		s.Remove(eventlog.SegmentName(e, slot))
	}
}

func bodies(s *memory.Store) map[string]string {
	all := map[string]string{}
	for _, n := range s.Names() {
		b, _ := s.Bytes(n)
		all[n] = string(b)
	}
	return all
}

// TestRepairJoinsManySegments: many neighbours that are missing come as packs, few as they
// were, and what the open epoch's writer may still be at is never packed.
func TestRepairJoinsManySegments(t *testing.T) {
	t.Parallel()
	primary, other := twoEpochs(t, 60)
	stores := mirror.Stores{Primary: primary, Mirror: other}
	clean := verify(t, stores)
	require.Empty(t, clean.Findings())
	remove(other, 1, 5, 45)
	remove(other, 1, 50, 53)
	remove(other, 2, 20, 61) // to the end: nobody but the primary knows
	primary.Tamper(eventlog.SegmentName(2, 7), memory.Flip(8*200))
	r, err := mirror.Repair(t.Context(), stores, verify(t, stores), true)
	require.NoError(t, err)
	require.Empty(t, r.Left())
	require.Equal(t, []string{eventlog.SegmentName(2, 7)}, r.Primary.Replaced)
	require.Empty(t, r.Primary.Copied)
	require.Empty(t, r.Mirror.Replaced)
	require.Equal(t, []string{
		"packs/00000001/0000000000000005-0000000000000044",
		eventlog.SegmentName(1, 50), eventlog.SegmentName(1, 51), eventlog.SegmentName(1, 52),
		"packs/00000002/0000000000000020-0000000000000058",
		eventlog.SegmentName(2, 59),
	}, r.Mirror.Copied)
	var bytes int64
	for _, name := range r.Mirror.Copied {
		body, ok := other.Bytes(name)
		require.True(t, ok, name)
		bytes += int64(len(body))
	}
	require.Equal(t, bytes, r.Mirror.Bytes)
	healed := verify(t, stores)
	require.Empty(t, healed.Findings())
	require.Equal(t, clean.Mirror.Log.End, healed.Mirror.Log.End)
	require.Equal(t, clean.Mirror.Log.Transactions, healed.Mirror.Log.Transactions)

	// The healed mirror is as good as any: the log is taken over from it alone.
	end, err := eventlog.Takeover(t.Context(), eventlog.TakeoverConfig{DR: other, Reason: "test"})
	require.NoError(t, err)
	require.Equal(t, clean.Primary.Log.End, end.End)
}

// TestRepairKilledAnywhere: whichever request fails, or is carried out and its answer
// lost, nothing is worse than before, the report tells what was done, and a second repair
// heals the rest.
func TestRepairKilledAnywhere(t *testing.T) {
	t.Parallel()
	primary, other := twoEpochs(t, 30)
	other.Tamper(eventlog.SegmentName(1, 3), memory.Flip(8*200))
	remove(other, 1, 8, 28)
	remove(other, 2, 4, 9)
	for call := 0; ; call++ {
		s := other.Clone()
		stores := mirror.Stores{Primary: primary, Mirror: s}
		found := verify(t, stores)
		before := bodies(s)
		fault := memory.Failed()
		if call%2 == 1 {
			fault = memory.DoneButFailed()
		}
		s.Use(&memory.Rule{Skip: call / 2, Fault: fault})
		r, err := mirror.Repair(t.Context(), stores, found, true)
		s.Use(nil)
		for _, name := range slices.Concat(r.Mirror.Copied, r.Mirror.Replaced) {
			_, ok := s.Bytes(name)
			require.True(t, ok, "call %d: %s", call, name)
		}
		after := bodies(s)
		for name, body := range before {
			if name != eventlog.SegmentName(1, 3) {
				require.Equal(t, body, after[name], "call %d: %s", call, name)
			}
		}
		if err == nil {
			require.Greater(t, call, 20)
			require.Empty(t, verify(t, stores).Findings())
			return
		}
		require.ErrorIs(t, err, memory.ErrInjected)
		_, err = mirror.Repair(t.Context(), stores, verify(t, stores), true)
		require.NoError(t, err, "call %d", call)
		require.Empty(t, verify(t, stores).Findings(), "call %d", call)
	}
}

// crowd counts how many creations are under way at once, and lets none end before so many
// have begun.
type crowd struct {
	blob.Store
	want, now atomic.Int64
	enough    chan struct{}
}

func (c *crowd) Create(ctx context.Context, name string, body []byte) error {
	if c.now.Add(1) == c.want.Load() {
		close(c.enough)
	}
	select {
	case <-c.enough:
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.Store.Create(ctx, name, body)
}

// TestRepairCopiesManyAtOnce, and keeps its report in order all the same.
func TestRepairCopiesManyAtOnce(t *testing.T) {
	t.Parallel()
	primary, other := twoEpochs(t, 60)
	var want []string
	for slot := eventlog.Slot(1); slot < 55; slot += 2 { // no two neighbours
		want = append(want, eventlog.SegmentName(1, slot))
		other.Remove(want[len(want)-1])
	}
	found := verify(t, mirror.Stores{Primary: primary, Mirror: other})
	c := &crowd{Store: other, enough: make(chan struct{})}
	c.want.Store(8)
	r, err := mirror.Repair(t.Context(), mirror.Stores{Primary: primary, Mirror: c}, found, false)
	require.NoError(t, err)
	require.Equal(t, want, r.Mirror.Copied)
}

// changing answers other bytes than were written.
type changing struct {
	*memory.Store
	name string
}

func (c changing) Create(ctx context.Context, name string, body []byte) error {
	err := c.Store.Create(ctx, name, body)
	if name == c.name && err == nil {
		c.Tamper(name, memory.Cut(len(body)-1))
	}
	return err
}

func TestRepairReadsBack(t *testing.T) {
	t.Parallel()
	primary, other := twoEpochs(t, 20)
	name := eventlog.SegmentName(1, 9)
	other.Remove(name)
	found := verify(t, mirror.Stores{Primary: primary, Mirror: other})
	r, err := mirror.Repair(t.Context(), mirror.Stores{Primary: primary, Mirror: changing{other, name}}, found, true)
	require.ErrorIs(t, err, mirror.ErrChanged)
	require.ErrorContains(t, err, name)
	require.Empty(t, r.Mirror.Copied)
}

// A fence that is no end of anything does not stand for the segment whose name it has.
func TestStrayFenceHealsNothing(t *testing.T) {
	t.Parallel()
	primary, other := twoEpochs(t, 40)
	early := primary.Clone()
	for _, n := range early.Names() {
		if strings.HasPrefix(n, "epochs/00000002") || strings.HasPrefix(n, "log/00000002") {
			early.Remove(n)
		}
	}
	remove(early, 1, 20, 99)
	_, err := eventlog.Takeover(t.Context(), eventlog.TakeoverConfig{DR: early, Reason: "test"})
	require.NoError(t, err)
	name := eventlog.SegmentName(1, 20)
	fence, ok := early.Bytes(name)
	require.True(t, ok)
	_, err = eventlog.Compact(t.Context(), eventlog.CompactConfig{Store: other, Delete: true})
	require.NoError(t, err)
	other.Put(name, fence)
	primary.Remove(name)
	stores := mirror.Stores{Primary: primary, Mirror: other}
	found := verify(t, stores)
	require.NotEmpty(t, found.Findings())
	require.Equal(t, []string{name}, found.Mirror.Log.Strays)
	_, err = mirror.Repair(t.Context(), stores, found, true)
	require.NoError(t, err)
	require.Empty(t, verify(t, stores).Findings())
}
