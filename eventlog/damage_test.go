package eventlog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob/memory"
)

// smallLog is three epochs in one store: two are closed by fences, the last is open.
type smallLog struct {
	store *memory.Store
	infos []eventlog.SegmentInfo
	names []string
}

func newSmallLog(t testing.TB) *smallLog {
	local, mirror := memory.New(), memory.New()
	for range 3 {
		w := openWithSchema(t, local, mirror)
		fill(t, w, 2)
		require.NoError(t, w.Close(background))
	}
	l := &smallLog{store: mirror, infos: segments(t, mirror), names: mirror.Names()}
	require.Equal(t, []int{7, 1 + 3 + 7 + 2}, []int{len(l.infos), len(l.names)})
	return l
}

// segment is the position of a name in infos, -1 if it is not a segment's.
func (l *smallLog) segment(name string) int {
	return slices.IndexFunc(l.infos, func(i eventlog.SegmentInfo) bool { return i.Name() == name })
}

// breaks tells before which segment the chain cannot be followed when name is damaged.
// skip is the segment that is lost itself, -1 for none.
func (l *smallLog) breaks(name string) (before, skip int) {
	if i := l.segment(name); i >= 0 {
		return i, i
	}
	if e, ok := strings.CutPrefix(name, "epochs/"); ok {
		return slices.IndexFunc(l.infos, func(i eventlog.SegmentInfo) bool { return i.Epoch.String() == e }), -1
	}
	return len(l.infos), -1
}

// runs are the transactions still provable with name damaged.
func (l *smallLog) runs(name string) []eventlog.SeqRange {
	before, skip := l.breaks(name)
	after := before
	if skip >= 0 {
		after++
	}
	var runs []eventlog.SeqRange
	for _, part := range [][]eventlog.SegmentInfo{l.infos[:before], l.infos[after:]} {
		if len(part) == 0 || part[len(part)-1].Last < part[0].First {
			continue
		}
		runs = append(runs, eventlog.SeqRange{First: part[0].First, Last: part[len(part)-1].Last})
	}
	return runs
}

// check verifies the damaged log: exactly the damaged objects are named, and the window
// has shrunk by exactly what they held.
func (l *smallLog) check(t *testing.T, what string, kind error, names ...string) {
	t.Helper()
	r, err := eventlog.OpenLog(l.store).Verify(background)
	require.NoError(t, err, what)
	var named []string
	for _, d := range r.Damage {
		named = append(named, d.Object)
		require.NotEmpty(t, d.Detail)
		if kind != nil {
			require.ErrorIs(t, d.Err, kind, "%s: %s", what, d.Object)
		}
	}
	require.ElementsMatch(t, names, named, what)
	if len(names) != 1 {
		return
	}
	require.Equal(t, l.runs(names[0]), r.Intact, what)
	if i := l.segment(names[0]); i >= 0 {
		want := eventlog.SeqRange{First: l.infos[i].First, Last: l.infos[i].Last}
		if i == len(l.infos)-1 && r.Damage[0].Lost.Last == eventlog.LastSeq {
			want.Last = eventlog.LastSeq // nothing behind it tells
		}
		require.Equal(t, want, r.Damage[0].Lost, what)
	}
	l.checkReading(t, what, names[0])
}

// checkReading follows the chain from the beginning to the damage, and from behind it.
func (l *smallLog) checkReading(t *testing.T, what, name string) {
	t.Helper()
	before, skip := l.breaks(name)
	n := 0
	var failed error
	for s, err := range eventlog.OpenLog(l.store).Segments(background, eventlog.Position{}) {
		if failed = err; err != nil {
			break
		}
		require.Equal(t, l.infos[n], s.Info(), what)
		n++
	}
	if before == len(l.infos) { // not needed for reading
		require.NoError(t, failed, what)
		require.Equal(t, before, n, what)
		return
	}
	var damage *eventlog.ObjectError
	require.ErrorAs(t, failed, &damage, what)
	require.Equal(t, name, damage.Object, what)
	require.Equal(t, before, n, what)
	if skip < 0 && before > 0 {
		skip = before // the boundary; from the first segment behind it reading goes on
	}
	if skip < 0 {
		return
	}
	n = skip + 1
	for s, err := range eventlog.OpenLog(l.store).Segments(background, l.infos[skip].End()) {
		if skip == len(l.infos)-1 {
			require.Error(t, err, what)
			return
		}
		require.NoError(t, err, what)
		require.Equal(t, l.infos[n], s.Info(), what)
		n++
	}
	require.Equal(t, len(l.infos), n, what)
}

// with damages an object and puts it right again.
func (l *smallLog) with(name string, change func([]byte) []byte, f func()) {
	body, _ := l.store.Bytes(name)
	l.store.Tamper(name, change)
	f()
	l.store.Put(name, body)
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	t.Parallel()
	for _, name := range newSmallLog(t).names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newSmallLog(t)
			body, _ := l.store.Bytes(name)
			for bit := 0; bit < 8*len(body); bit += 1 + 30*raceFactor {
				l.with(name, memory.Flip(bit), func() {
					l.check(t, fmt.Sprintf("bit %d of %s", bit, name), eventlog.ErrCorrupt, name)
				})
			}
		})
	}
}

func TestEveryCutIsFound(t *testing.T) {
	t.Parallel()
	l := newSmallLog(t)
	for _, name := range l.names {
		body, _ := l.store.Bytes(name)
		for n := range body {
			l.with(name, memory.Cut(n), func() {
				l.check(t, fmt.Sprintf("%s cut to %d bytes", name, n), eventlog.ErrTruncated, name)
			})
		}
		l.with(name, func(b []byte) []byte { return append(b, 0) }, func() {
			l.check(t, "a byte after "+name, eventlog.ErrCorrupt, name)
		})
	}
}

func TestEveryDropIsFound(t *testing.T) {
	t.Parallel()
	l := newSmallLog(t)
	for _, name := range l.names {
		body, _ := l.store.Bytes(name)
		l.store.Remove(name)
		if i := l.segment(name); i == len(l.infos)-1 {
			// The one thing that a store cannot know alone: the window shrinks all the same.
			r, err := eventlog.OpenLog(l.store).Verify(background)
			require.NoError(t, err)
			require.Empty(t, r.Damage)
			require.Equal(t, l.infos[i-1].End(), r.End)
			require.Equal(t, l.runs(name), r.Intact)
		} else {
			l.check(t, name+" dropped", eventlog.ErrGap, name)
		}
		l.store.Put(name, body)
	}
}

func TestEverySwapIsFound(t *testing.T) {
	t.Parallel()
	l := newSmallLog(t)
	for i, a := range l.names {
		for _, b := range l.names[:i] {
			l.store.Swap(a, b)
			l.check(t, "swapped "+a+" and "+b, nil, a, b)
			l.store.Swap(a, b)
		}
	}
}

func TestExtraObjectsAreFound(t *testing.T) {
	t.Parallel()
	l := newSmallLog(t)
	last := l.infos[len(l.infos)-1]
	places := []string{
		eventlog.EpochName(4), eventlog.EpochName(6), "epochs/x", "log/x", "log/00000001/x", "log/00000000/0000000000000000",
		eventlog.SegmentName(last.Epoch, last.Slot+1), eventlog.SegmentName(last.Epoch, last.Slot+200),
		eventlog.SegmentName(1, 7), eventlog.SegmentName(9, 0),
	}
	for _, name := range l.names {
		body, _ := l.store.Bytes(name)
		for _, place := range places {
			l.store.Put(place, body)
			r, err := eventlog.OpenLog(l.store).Verify(background)
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(r.Damage, func(d eventlog.Damage) bool { return d.Object == place }), "%s at %s: %v", name, place, r.Damage)
			require.Equal(t, last.End(), r.End, "%s at %s", name, place)
			l.store.Remove(place)
		}
	}
}

func TestWholeLogVerifies(t *testing.T) {
	t.Parallel()
	l := newSmallLog(t)
	l.check(t, "whole", nil)
	r, err := eventlog.OpenLog(l.store).Verify(background)
	require.NoError(t, err)
	last := l.infos[len(l.infos)-1]
	require.Equal(t, last.End(), r.End)
	require.Equal(t, 3, r.Epochs)
	require.Equal(t, 7, r.Segments)
	require.EqualValues(t, 6, r.Transactions)
	require.Equal(t, []eventlog.SeqRange{{First: 1, Last: 6}}, r.Intact)
	require.Empty(t, r.Orphans)
}

func TestEmptyStoreVerifies(t *testing.T) {
	t.Parallel()
	r, err := eventlog.OpenLog(memory.New()).Verify(background)
	require.NoError(t, err)
	require.Equal(t, &eventlog.VerifyReport{}, r)
	end, err := eventlog.OpenLog(memory.New()).End(background)
	require.NoError(t, err)
	require.True(t, end.IsZero())
	for range eventlog.OpenLog(memory.New()).Segments(background, eventlog.Position{}) {
		t.Fatal("a segment in an empty store")
	}
}
