package restore

import (
	"math"
	"slices"

	"lifeboat/eventlog"
)

// Range is a set of consecutive restore points, both ends inclusive.
type Range struct {
	From Point `json:"from"`
	To   Point `json:"to"`
}

// Window returns every restore point that the inventory proves, as ranges in order. It
// is complete after SurveyAll.
func (inv *Inventory) Window() []Range {
	var ranges []Range
	for _, tip := range inv.Snapshots { // in order of their Seq
		if !inv.OnLog(tip) {
			continue
		}
		r, _ := inv.reach(tip, AtSeq(math.MaxUint64))
		from := Point{Seq: tip.Position.Seq, Time: tip.Position.Time}
		if n := len(ranges); n > 0 && from.Seq <= ranges[n-1].To.Seq+1 {
			if r.point.Seq > ranges[n-1].To.Seq {
				ranges[n-1].To = r.point
			}
			continue
		}
		ranges = append(ranges, Range{From: from, To: r.point})
	}
	return ranges
}

// OnLog tells whether a snapshot is whole, down to its base, and on the log that the
// store holds. One that is not proves no point.
func (inv *Inventory) OnLog(s Snapshot) bool {
	_, whole := inv.chain(s)
	run, read := inv.after(s.Position)
	return whole && read && !run.off
}

// Contains tells whether the Seq is a restore point.
func Contains(window []Range, seq eventlog.Seq) bool {
	return slices.ContainsFunc(window, func(r Range) bool { return r.From.Seq <= seq && seq <= r.To.Seq })
}

// nearest returns the restore points closest to a target that is not one.
func (inv *Inventory) nearest(target Target) (before, after *Point) {
	beyond := func(p Point) bool {
		switch target.kind {
		case atSeq:
			return p.Seq > target.seq
		case atTime:
			return p.Time.After(target.time)
		default:
			return false
		}
	}
	closer := func(p Point) {
		switch {
		case !beyond(p) && (before == nil || p.Seq > before.Seq):
			before = &p
		case beyond(p) && (after == nil || p.Seq < after.Seq):
			after = &p
		}
	}
	window := inv.Window()
	for _, r := range window {
		closer(r.From)
		closer(r.To)
	}
	for _, run := range inv.Runs {
		for _, info := range run.Segments {
			if info.Transactions() > 0 && Contains(window, info.Last) {
				closer(Point{Seq: info.Last, Time: info.LastTime})
			}
		}
	}
	return before, after
}
