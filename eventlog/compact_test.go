package eventlog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
)

// compactable is a log of three epochs, 12 segments each, the last open.
func compactable(t require.TestingT) (local, mirror *memory.Store) {
	local, mirror = memory.New(), memory.New()
	for range 3 {
		w := openWithSchema(t, local, mirror)
		fill(t, w, 11)
		at, err := w.Flush(background)
		require.NoError(t, err)
		require.NotZero(t, at.Slot)
		crash(w)
	}
	return local, mirror
}

func compact(t require.TestingT, s blob.Store, drop bool) *eventlog.CompactReport {
	r, err := eventlog.Compact(background, eventlog.SmallPacks(eventlog.CompactConfig{Store: s, Delete: drop, KeepSmall: -time.Hour}, 3, 6, 2))
	require.NoError(t, err)
	return r
}

func count(s *memory.Store, prefix string) (n int) {
	for _, name := range s.Names() {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}

func headers(t require.TestingT, store blob.Store) (infos []eventlog.SegmentInfo) {
	for i, err := range eventlog.OpenLog(store).Headers(background, eventlog.Position{}) {
		require.NoError(t, err)
		infos = append(infos, i)
	}
	return infos
}

func TestCompact(t *testing.T) {
	t.Parallel()
	local, mirror := compactable(t)
	want, before := transactions(t, mirror), segments(t, mirror)
	r := compact(t, mirror, false)
	require.NotEmpty(t, r.Packs)
	require.Zero(t, r.Deleted)
	require.Equal(t, before, segments(t, mirror), "with both forms")
	require.Equal(t, before, headers(t, mirror))
	r = compact(t, mirror, true)
	require.Empty(t, r.Packs, "a second run finds nothing to join")
	require.Positive(t, r.Deleted)
	require.Less(t, count(mirror, "log/"), 10)
	require.Equal(t, before, segments(t, mirror), "with packs alone")
	require.Equal(t, before, headers(t, mirror))
	require.Equal(t, want, transactions(t, mirror))
	for i := range before { // from any position
		n := i + 1
		for s, err := range eventlog.OpenLog(mirror).Segments(background, before[i].End()) {
			require.NoError(t, err)
			require.Equal(t, before[n], s.Info())
			n++
		}
		require.Equal(t, len(before), n)
	}
	v, err := eventlog.OpenLog(mirror).Verify(background)
	require.NoError(t, err)
	require.Empty(t, v.Damage)
	require.Equal(t, before[len(before)-1].End(), v.End)
	require.Equal(t, len(before), v.Segments)

	// The other store comes to the same packs, byte for byte.
	compact(t, local, true)
	require.Equal(t, mirror.Names(), local.Names())
	for _, name := range mirror.Names() {
		a, _ := mirror.Bytes(name)
		b, _ := local.Bytes(name)
		if name != "store" {
			require.Equal(t, a, b, name)
		}
	}

	// The log goes on, also in a new mirror, which gets packs as packs.
	fresh := memory.New()
	w := open(t, local, fresh)
	fill(t, w, 3)
	crash(w)
	require.Equal(t, count(local, "packs/"), count(fresh, "packs/"))
	require.Equal(t, segments(t, local), segments(t, fresh))
	require.Len(t, transactions(t, fresh), len(want)+3)
	report := takeover(t, mirror, fresh)
	require.EqualValues(t, len(want)+3, report.End.Seq)
	w = open(t, mirror, memory.New())
	fill(t, w, 1)
	crash(w)
}

func TestCompactDryRun(t *testing.T) {
	t.Parallel()
	_, mirror := compactable(t)
	names := mirror.Names()
	cfg := eventlog.SmallPacks(eventlog.CompactConfig{Store: mirror, Delete: true, KeepSmall: 0, DryRun: true}, 3, 6, 2)
	would, err := eventlog.Compact(background, cfg)
	require.NoError(t, err)
	require.True(t, would.DryRun)
	require.Equal(t, names, mirror.Names(), "a dry run changes nothing")
	cfg.DryRun = false
	did, err := eventlog.Compact(background, cfg)
	require.NoError(t, err)
	require.Equal(t, did.Packs, would.Packs)
	require.Equal(t, did.Segments, would.Segments)
	require.Positive(t, would.Deleted)
}

// Nothing that is not in both stores is ever packed.
func TestCompactLeavesTheUnsettledAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := lagging(t, 12)
		compact(t, local, true)
		r := takeover(t, mirror, nil)
		require.EqualValues(t, 3, r.End.Seq)
		w := open(t, mirror, local)
		require.NoError(t, w.Close(background))
		require.Len(t, transactions(t, local), 3)
	})
}

func TestCompactKeepsTheYoungAndTheImmutable(t *testing.T) {
	t.Parallel()
	_, mirror := compactable(t)
	names := len(mirror.Names())
	r, err := eventlog.Compact(background, eventlog.SmallPacks(eventlog.CompactConfig{Store: mirror, Delete: true, KeepSmall: time.Hour}, 3, 6, 2))
	require.NoError(t, err)
	require.Zero(t, r.Deleted)
	require.Positive(t, r.Kept)
	require.Len(t, mirror.Names(), names+len(r.Packs))
	mirror.Use(&memory.Rule{Op: memory.Delete, Fault: memory.Fault{Err: fmt.Errorf("locked until 2030: %w", blob.ErrPermanent), Effect: memory.Never}})
	r = compact(t, mirror, true)
	require.Zero(t, r.Deleted)
	require.Contains(t, r.KeptWhy, "locked until 2030")
}

// A pack that is damaged in the store must never cost the objects that it holds.
func TestCompactVerifiesBeforeItDeletes(t *testing.T) {
	t.Parallel()
	_, mirror := compactable(t)
	r := compact(t, mirror, false)
	want := transactions(t, mirror)
	for _, name := range r.Packs {
		body, _ := mirror.Bytes(name)
		mirror.Tamper(name, memory.Flip(8*(len(body)-1)))
	}
	_, err := eventlog.Compact(background, eventlog.SmallPacks(eventlog.CompactConfig{Store: mirror, Delete: true, KeepSmall: -time.Hour}, 3, 6, 2))
	require.ErrorIs(t, err, eventlog.ErrCorrupt)
	require.Equal(t, want, transactions(t, mirror), "read from the single objects")
	v, err := eventlog.OpenLog(mirror).Verify(background)
	require.NoError(t, err)
	require.Len(t, v.Damage, len(r.Packs))
	require.Equal(t, []eventlog.SeqRange{{First: 1, Last: eventlog.Seq(len(want))}}, v.Intact, "nothing is lost")
}

// Compaction that fails or is killed at any request leaves a whole log.
func TestCompactKilledAnywhere(t *testing.T) {
	t.Parallel()
	_, mirror := compactable(t)
	want := transactions(t, mirror)
	for call := 0; ; call++ {
		s := mirror.Clone()
		var fault memory.Fault
		if fault = memory.Failed(); call%2 == 1 {
			fault = memory.DoneButFailed()
		}
		s.Use(&memory.Rule{Skip: call / 2, Fault: fault})
		_, err := eventlog.Compact(background, eventlog.SmallPacks(eventlog.CompactConfig{Store: s, Delete: true, KeepSmall: -time.Hour}, 3, 6, 2))
		s.Use(nil)
		require.Equal(t, want, transactions(t, s), "call %d", call)
		v, verr := eventlog.OpenLog(s).Verify(background)
		require.NoError(t, verr)
		require.Empty(t, v.Damage)
		if err == nil {
			require.Greater(t, call, 50)
			return
		}
		require.ErrorIs(t, err, memory.ErrInjected)
		compact(t, s, true)
		require.Equal(t, want, transactions(t, s), "call %d", call)
	}
}

// Damage to a packed log is found and named, and costs what it holds.
func TestDamageToPacks(t *testing.T) {
	t.Parallel()
	_, mirror := compactable(t)
	compact(t, mirror, true)
	infos := segments(t, mirror)
	packs := slices.DeleteFunc(mirror.Names(), func(n string) bool { return !strings.HasPrefix(n, "packs/") })
	require.Greater(t, len(packs), 4)
	for _, name := range packs[:3] {
		body, _ := mirror.Bytes(name)
		held := slices.DeleteFunc(slices.Clone(infos), func(i eventlog.SegmentInfo) bool {
			at := i.Epoch.String() + "/" + i.Slot.String()
			first, last, _ := strings.Cut(strings.TrimPrefix(name, "packs/"), "-")
			return at < first || at > first[:9]+last
		})
		check := func(what string, kind error, most eventlog.SeqRange) {
			v, err := eventlog.OpenLog(mirror).Verify(background)
			require.NoError(t, err)
			require.NotEmpty(t, v.Damage, what)
			named := false
			for _, d := range v.Damage {
				named = named || d.Object == name && errors.Is(d.Err, kind)
				if d.Lost.First <= d.Lost.Last {
					require.GreaterOrEqual(t, d.Lost.First, most.First, "%s: %+v", what, d)
					require.LessOrEqual(t, d.Lost.Last, most.Last, "%s: %+v", what, d)
				}
			}
			require.True(t, named, "%s: %+v", what, v.Damage)
			require.Less(t, v.End.Seq, infos[len(infos)-1].Last, what)
			n := 0
			for s, err := range eventlog.OpenLog(mirror).Segments(background, eventlog.Position{}) {
				if err != nil {
					require.ErrorAs(t, err, new(*eventlog.ObjectError), what)
					break
				}
				require.Equal(t, infos[n], s.Info())
				n++
			}
			require.Equal(t, v.End, slices.Concat([]eventlog.SegmentInfo{{}}, infos)[n].End(), what)
		}
		all := eventlog.SeqRange{First: held[0].First, Last: held[len(held)-1].Last}
		for bit := 0; bit < 8*len(body); bit += 7 + 100*raceFactor {
			mirror.Tamper(name, memory.Flip(bit))
			check(fmt.Sprintf("bit %d of %s", bit, name), eventlog.ErrCorrupt, all)
			mirror.Put(name, body)
		}
		for n := 0; n < len(body); n += 5 + 20*raceFactor {
			mirror.Tamper(name, memory.Cut(n))
			check(fmt.Sprintf("%s cut to %d", name, n), eventlog.ErrTruncated, all)
			mirror.Put(name, body)
		}
		mirror.Remove(name)
		v, err := eventlog.OpenLog(mirror).Verify(background)
		require.NoError(t, err)
		require.Len(t, v.Damage, 1)
		require.ErrorIs(t, v.Damage[0].Err, eventlog.ErrGap)
		require.Equal(t, held[0].Name(), v.Damage[0].Object)
		require.Equal(t, all, v.Damage[0].Lost)
		mirror.Put(name, body)
	}
	mirror.Swap(packs[0], packs[1])
	v, err := eventlog.OpenLog(mirror).Verify(background)
	require.NoError(t, err)
	for _, name := range packs[:2] {
		require.True(t, slices.ContainsFunc(v.Damage, func(d eventlog.Damage) bool { return d.Object == name }))
	}
	mirror.Put("packs/x", []byte("x"))
	v, err = eventlog.OpenLog(mirror).Verify(background)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(v.Damage, func(d eventlog.Damage) bool { return d.Object == "packs/x" }))
}
