package restore

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// at is noon plus some seconds.
func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// segment makes the header of a segment whose transactions come a second apart: seq n at
// n seconds after noon.
func segment(slot int, first, last eventlog.Seq, schema uint32) eventlog.SegmentInfo {
	i := eventlog.SegmentInfo{
		Epoch: 1, Slot: eventlog.Slot(slot), First: first, Last: last, SchemaVersion: schema, Size: 1000,
		Digest: sha256.Sum256(fmt.Append(nil, "segment", slot)), FirstTime: at(float64(first)), LastTime: at(float64(last)),
	}
	if first > last {
		i.FirstTime = i.LastTime
	}
	return i
}

// points lists the transactions of a segment, as reading it does.
func points(i eventlog.SegmentInfo) (list []Point) {
	for s := i.First; s <= i.Last; s++ {
		list = append(list, Point{Seq: s, Time: at(float64(s))})
	}
	return list
}

func snapshotAt(i eventlog.SegmentInfo, kind SnapshotKind, parent *Snapshot) Snapshot {
	s := Snapshot{Digest: sha256.Sum256(fmt.Append(nil, kind, i.Slot)), Manifest: &Manifest{
		Kind: kind, Position: i.End(), Created: i.LastTime.Add(time.Minute), SchemaVersion: i.SchemaVersion,
		Tables: []TableEntry{{Name: "t", Entries: 1000, Raw: 100_000, Size: 30_000}},
	}}
	s.Tables[0].State.Count = 1000
	if parent != nil {
		s.Parent = &Parent{Seq: parent.Position.Seq, Digest: parent.Digest}
	}
	return s
}

// story is: schema 1 | 1-3 base | 4-6 | 7-9 delta | 10-12 | schema 2 | 13-15 base | 16-18.
func story() (*Inventory, []eventlog.SegmentInfo) {
	s := []eventlog.SegmentInfo{
		segment(0, 1, 0, 1), segment(1, 1, 3, 1), segment(2, 4, 6, 1), segment(3, 7, 9, 1), segment(4, 10, 12, 1),
		segment(5, 13, 12, 2), segment(6, 13, 15, 2), segment(7, 16, 18, 2),
	}
	base := snapshotAt(s[1], Base, nil)
	delta := snapshotAt(s[3], Delta, &base)
	second := snapshotAt(s[6], Base, nil)
	inv := &Inventory{
		Snapshots: []Snapshot{base, delta, second}, Within: make(map[eventlog.Digest][]Point),
		Unusable: make(map[eventlog.Digest]string),
		Runs:     []LogRun{{After: base.Position, Segments: s[2:]}},
	}
	for _, i := range s {
		inv.Within[i.Digest] = points(i)
	}
	return inv, s
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		target    Target
		seq       eventlog.Seq
		snapshots []int // indices in story
		segments  []int // slots
	}{
		{"the end", Latest(), 18, []int{2}, []int{7}},
		{"the last seq", AtSeq(18), 18, []int{2}, []int{7}},
		{"within the last segment", AtSeq(17), 17, []int{2}, []int{7}},
		{"a snapshot itself", AtSeq(15), 15, []int{2}, nil},
		{"behind the delta", AtSeq(11), 11, []int{0, 1}, []int{4}},
		{"the delta itself", AtSeq(9), 9, []int{0, 1}, nil},
		{"between base and delta", AtSeq(8), 8, []int{0}, []int{2, 3}},
		{"the first base", AtSeq(3), 3, []int{0}, nil},
		{"the last point of a schema", AtSeq(12), 12, []int{0, 1}, []int{4}},
		{"a time exactly", AtTime(at(11)), 11, []int{0, 1}, []int{4}},
		{"a nanosecond before", AtTime(at(11).Add(-1)), 10, []int{0, 1}, []int{4}},
		{"between two segments", AtTime(at(6.5)), 6, []int{0}, []int{2}},
		{"the time of a snapshot", AtTime(at(9)), 9, []int{0, 1}, nil},
		{"the time of the end", AtTime(at(18)), 18, []int{2}, []int{7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inv, s := story()
			plan, err := NewPlan(inv, c.target)
			require.NoError(t, err)
			require.Equal(t, c.seq, plan.Point.Seq)
			require.Equal(t, at(float64(c.seq)), plan.Point.Time)
			var snapshots []Snapshot
			for _, i := range c.snapshots {
				snapshots = append(snapshots, inv.Snapshots[i])
			}
			require.Equal(t, snapshots, plan.Snapshots)
			require.Len(t, plan.Segments, len(c.segments))
			for i, slot := range c.segments {
				require.Equal(t, s[slot], plan.Segments[i])
			}
			again, err := NewPlan(inv, c.target)
			require.NoError(t, err)
			require.Equal(t, plan, again)
		})
	}
}

func TestPlanRefusesWhatItCannotProve(t *testing.T) {
	t.Parallel()
	gap := func(inv *Inventory) { // slot 4 is missing
		run := inv.Runs[0]
		inv.Runs = []LogRun{
			{After: run.After, Segments: run.Segments[:2], Broken: "log object 4: missing from the log"},
			{After: inv.Snapshots[2].Position, Segments: run.Segments[5:]},
		}
	}
	for _, c := range []struct {
		name          string
		change        func(*Inventory)
		target        Target
		reason        string
		before, after int // -1: none
	}{
		{"before the first snapshot", nil, AtSeq(2), "before the first usable snapshot", -1, 3},
		{"a time before it", nil, AtTime(at(2.9)), "before the first usable snapshot", -1, 3},
		{"behind the end", nil, AtSeq(19), "after the end of the log, seq 18", 18, -1},
		{"a time behind the end", nil, AtTime(at(18.1)), "after the end of the log, seq 18", 18, -1},
		{"a hole between two schemas", nil, AtSeq(13), "schema changes after seq 12", 12, 15},
		{"a time in that hole", nil, AtTime(at(14.5)), "schema changes after seq 12", 12, 15},
		{"in a gap", gap, AtSeq(11), "cannot be followed after seq 9: log object 4", 9, 15},
		{"a time in a gap", gap, AtTime(at(10.5)), "cannot be followed after seq 9", 9, 15},
		{"the end behind a gap", func(inv *Inventory) {
			inv.Runs[0].Segments, inv.Runs[0].Broken = inv.Runs[0].Segments[:5], "log object 7: truncated"
		}, Latest(), "cannot be followed after seq 15: log object 7", 15, -1},
		{"without its base a delta proves nothing", func(inv *Inventory) { inv.Snapshots = inv.Snapshots[1:] }, AtSeq(10), "before the first usable", -1, 15},
		{"a snapshot that lacks a chunk", func(inv *Inventory) { inv.Unusable[inv.Snapshots[2].Digest] = "chunks/ab" }, Latest(), "schema changes after seq 12", 12, -1},
		{"a snapshot that is not on this log", func(inv *Inventory) {
			inv.Runs[0].Segments = inv.Runs[0].Segments[:3]
			inv.Runs = append(inv.Runs, LogRun{After: inv.Snapshots[2].Position, Broken: "diverged", Off: true})
		}, AtSeq(15), "not on this log", 12, -1},
		{"a time in a segment that cannot be read", func(inv *Inventory) { clear(inv.Within) }, AtTime(at(10.5)), "cannot be read", 9, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inv, _ := story()
			if c.change != nil {
				c.change(inv)
			}
			_, err := NewPlan(inv, c.target)
			var outside *WindowError
			require.ErrorAs(t, err, &outside)
			require.ErrorIs(t, err, ErrOutsideWindow)
			require.ErrorContains(t, err, c.reason)
			for _, side := range []struct {
				want int
				got  *Point
			}{{c.before, outside.Before}, {c.after, outside.After}} {
				if side.want < 0 {
					require.Nil(t, side.got)
					continue
				}
				require.NotNil(t, side.got)
				require.Equal(t, eventlog.Seq(side.want), side.got.Seq)
			}
		})
	}
}

func TestPlanFallsBackToAnOlderSnapshot(t *testing.T) {
	t.Parallel()
	inv, _ := story()
	inv.Unusable[inv.Snapshots[1].Digest] = "chunks/ab: missing"
	plan, err := NewPlan(inv, AtSeq(11))
	require.NoError(t, err)
	require.Equal(t, inv.Snapshots[:1], plan.Snapshots)
	require.Len(t, plan.Segments, 3)
}

func TestPlanWithoutASnapshot(t *testing.T) {
	t.Parallel()
	_, err := NewPlan(&Inventory{Damage: []Damage{{Object: "snapshots/x"}}}, Latest())
	require.ErrorIs(t, err, ErrNoSnapshot)
	require.ErrorContains(t, err, "1 objects are damaged")
}

func TestWindowHasAHoleBetweenTwoSchemas(t *testing.T) {
	t.Parallel()
	inv, _ := story()
	require.Equal(t, []Range{
		{Point{3, at(3)}, Point{12, at(12)}}, {Point{15, at(15)}, Point{18, at(18)}},
	}, inv.Window())
}

func TestPlansThatWriteOtherRowsHaveOtherIDs(t *testing.T) {
	t.Parallel()
	inv, _ := story()
	ids := make(map[string]bool)
	for _, target := range []Target{AtSeq(18), AtSeq(17), AtSeq(9), AtSeq(8)} {
		plan, err := NewPlan(inv, target)
		require.NoError(t, err)
		ids[plan.ID] = true
	}
	require.Len(t, ids, 4)
	byTime, err := NewPlan(inv, AtTime(at(18)))
	require.NoError(t, err)
	require.True(t, ids[byTime.ID], "the same point named otherwise is the same plan")
}

func TestTargetText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"latest", "seq 0", "seq 42", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456789Z"} {
		target, err := ParseTarget(text)
		require.NoError(t, err)
		require.Equal(t, text, target.String())
	}
	target, err := ParseTarget("2026-01-31T13:00:00+01:00")
	require.NoError(t, err)
	require.Equal(t, AtTime(noon), target)
	for _, bad := range []string{"", "Latest", "seq", "seq -1", "seq 1 ", "seq 01", "42", "2026-01-31", "2026-01-31 12:00:00", "2026-01-31T12:00:00"} {
		_, err := ParseTarget(bad)
		require.Error(t, err, bad)
	}
}

func TestPlanReportIsStable(t *testing.T) {
	t.Parallel()
	inv, _ := story()
	plan, err := NewPlan(inv, AtTime(at(11.5)))
	require.NoError(t, err)
	got, err := json.MarshalIndent(plan.Report(Rates{}), "", "  ")
	require.NoError(t, err)
	path := filepath.Join("testdata", "v1", "plan.json")
	if _, err := os.Stat(path); *update && os.IsNotExist(err) {
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got)+"\n")
}
