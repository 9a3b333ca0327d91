package restore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"lifeboat/eventlog"
)

// Plan is how to get to one restore point: a whole snapshot, the deltas on it, and the
// segments after them. It is data: the same inventory and target give the same plan.
type Plan struct {
	// ID is equal for two plans that write the same rows in the same units.
	ID     string
	Target Target
	Point  Point // what the target turned out to be
	// Snapshots are a whole snapshot and deltas, each the parent of the next.
	Snapshots []Snapshot
	// Segments follow the last snapshot without a gap; of the last one only the
	// transactions up to Point.Seq are used.
	Segments []eventlog.SegmentInfo
}

// Base is the whole snapshot that the plan begins with.
func (p *Plan) Base() Snapshot { return p.Snapshots[0] }

// Tip is the snapshot whose position the segments follow.
func (p *Plan) Tip() Snapshot { return p.Snapshots[len(p.Snapshots)-1] }

// NewPlan finds the newest snapshot from which the target can be proven. It is pure. Its
// error is a *WindowError (ErrOutsideWindow) naming the nearest points that can, as far
// as the inventory knows them, or ErrNoSnapshot.
func NewPlan(inv *Inventory, target Target) (*Plan, error) {
	if len(inv.Snapshots) == 0 {
		return nil, fmt.Errorf("%w in this store%s: take one with `lifeboat snapshot take`", ErrNoSnapshot, inv.damageNote())
	}
	first := ""
	for _, tip := range inv.tips(target) {
		r, reason := inv.reach(tip, target)
		if reason == "" {
			chain, _ := inv.chain(tip)
			p := &Plan{Target: target, Point: r.point, Snapshots: chain, Segments: r.segments}
			p.ID = p.id()
			return p, nil
		}
		if first == "" {
			first = reason
		}
	}
	if first == "" {
		first = "it is before the first usable snapshot" + inv.damageNote()
	}
	before, after := inv.nearest(target)
	return nil, &WindowError{Target: target, Reason: first, Before: before, After: after}
}

func (inv *Inventory) damageNote() string {
	if n := len(inv.Damage) + len(inv.Unusable); n > 0 {
		return fmt.Sprintf(" (%d objects are damaged or missing: see `lifeboat snapshot verify`)", n)
	}
	return ""
}

// unitsVersion changes when the same plan would be cut into other units.
const unitsVersion = 1

// LogBytes is how much log the plan nets, as stored.
func (p *Plan) LogBytes() (sum int64) {
	for _, s := range p.Segments {
		sum += s.Size
	}
	return sum
}

func (p *Plan) id() string {
	h := sha256.New()
	fmt.Fprintf(h, "lifeboat restore, units v%d, to seq %s\n", unitsVersion, p.Point.Seq)
	for _, s := range p.Snapshots {
		fmt.Fprintln(h, s.Digest)
	}
	if n := len(p.Segments); n > 0 {
		fmt.Fprintln(h, p.Segments[n-1].Digest)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// tips are the snapshots that could lead to the target, newest first.
func (inv *Inventory) tips(target Target) []Snapshot {
	var tips []Snapshot
	for _, s := range slices.Backward(inv.Snapshots) {
		if target.kind == atSeq && s.Position.Seq > target.seq || target.kind == atTime && StartTime(s).After(target.time) {
			continue
		}
		if _, ok := inv.chain(s); ok {
			tips = append(tips, s)
		}
	}
	return tips
}

// chain returns the whole snapshot below s and the deltas up to s.
func (inv *Inventory) chain(s Snapshot) ([]Snapshot, bool) {
	chain := []Snapshot{s}
	for {
		if _, bad := inv.Unusable[s.Digest]; bad {
			return nil, false
		}
		if s.Kind.Whole() {
			slices.Reverse(chain)
			return chain, true
		}
		parent := inv.snapshot(s.Parent.Digest)
		if parent.Manifest == nil || !continues(s, parent) {
			return nil, false
		}
		chain, s = append(chain, parent), parent
	}
}

// Lineage returns the whole snapshot below tip and the deltas up to it, oldest first.
func Lineage(snapshots []Snapshot, tip Snapshot) ([]Snapshot, error) {
	chain, ok := (&Inventory{Snapshots: snapshots}).chain(tip)
	if !ok {
		return nil, fmt.Errorf("%w: a parent of %s is missing or damaged", ErrNoSnapshot, tip.Name())
	}
	return chain, nil
}

// continues tells whether a delta fits its parent. Positions must move forward, so a
// chain cannot be a circle.
func continues(s, parent Snapshot) bool {
	a, b := parent.Position, s.Position
	forward := a.Seq <= b.Seq && (a.Epoch < b.Epoch || a.Epoch == b.Epoch && (a.Slot < b.Slot || a.IsZero() && !b.IsZero()))
	return forward && s.Parent.Seq == a.Seq && s.SchemaVersion == parent.SchemaVersion && s.Fingerprint == parent.Fingerprint
}

func (inv *Inventory) snapshot(d eventlog.Digest) Snapshot {
	for _, s := range inv.Snapshots {
		if s.Digest == d {
			return s
		}
	}
	return Snapshot{}
}

// stretch is the part of a run after some position.
type stretch struct {
	infos  []eventlog.SegmentInfo
	broken string
	off    bool
}

// after finds the longest run that a position is on; ok is false if none was read.
func (inv *Inventory) after(p eventlog.Position) (found stretch, ok bool) {
	take := func(infos []eventlog.SegmentInfo, r *LogRun) {
		if !ok || len(infos) > len(found.infos) {
			found, ok = stretch{infos: infos, broken: r.Broken, off: r.Off}, true
		}
	}
	for i := range inv.Runs {
		r := &inv.Runs[i]
		if r.After.Digest == p.Digest {
			take(r.Segments, r)
		}
		for j := range r.Segments {
			if r.Segments[j].Digest == p.Digest {
				take(r.Segments[j+1:], r)
			}
		}
	}
	return found, ok
}

// reached is how far one can get from a snapshot.
type reached struct {
	segments []eventlog.SegmentInfo
	point    Point
}

// reach follows the log from tip to target. A reason says why it does not get there;
// then the rest is how far it got.
func (inv *Inventory) reach(tip Snapshot, target Target) (reached, string) {
	r := reached{point: Point{Seq: tip.Position.Seq, Time: tip.Position.Time}}
	run, ok := inv.after(tip.Position)
	if !ok {
		return r, "the log after the snapshot has not been read"
	}
	if run.off {
		return r, "the snapshot is not on this log: " + run.broken
	}
	for i, info := range run.infos {
		if target.kind == atSeq && r.point.Seq >= target.seq || target.kind == atTime && info.FirstTime.After(target.time) {
			return r, ""
		}
		if info.SchemaVersion != tip.SchemaVersion {
			return r, fmt.Sprintf("the schema changes after seq %d and no snapshot was taken between that and the target", uint64(info.First-1))
		}
		if _, read := inv.Within[info.Digest]; target.kind == atTime && target.within(info) && !read {
			return r, fmt.Sprintf("it lies within %s, which cannot be read", info.Name())
		}
		if stop, ok := inv.stop(info, target); ok {
			if stop.Seq >= info.First {
				r.segments, r.point = run.infos[:i+1], stop
			}
			return r, ""
		}
		r.segments = run.infos[:i+1]
		r.point = inv.pointAt(info, info.Last, r.point)
	}
	return r, inv.atEnd(run, r.point, target)
}

// stop finds the target in a segment; ok is false if it lies behind. A Seq before the
// segment's first means that nothing of the segment is wanted.
func (inv *Inventory) stop(info eventlog.SegmentInfo, target Target) (p Point, ok bool) {
	switch {
	case target.kind == atSeq && target.seq <= info.Last:
		return inv.pointAt(info, target.seq, Point{Seq: target.seq}), true
	case target.kind == atTime && info.LastTime.After(target.time):
		p.Seq = info.First - 1
		for _, q := range inv.Within[info.Digest] {
			if !q.Time.After(target.time) {
				p = q
			}
		}
		return p, true
	}
	return Point{}, false
}

// pointAt is the point of a Seq in a segment, or otherwise if it has none there.
func (inv *Inventory) pointAt(info eventlog.SegmentInfo, seq eventlog.Seq, otherwise Point) Point {
	if info.Transactions() == 0 || seq < info.First {
		return otherwise
	}
	if seq == info.Last {
		return Point{Seq: seq, Time: info.LastTime}
	}
	for _, q := range inv.Within[info.Digest] {
		if q.Seq == seq {
			return q
		}
	}
	return Point{Seq: seq}
}

// atEnd says why a target that was not met on the way lies behind the end, if it does.
func (inv *Inventory) atEnd(run stretch, end Point, target Target) string {
	last := end.Time
	if n := len(run.infos); n > 0 {
		last = run.infos[n-1].LastTime
	}
	inside := target.kind == latest || target.kind == atSeq && target.seq <= end.Seq || target.kind == atTime && target.time.Equal(last)
	exact := target.kind == atSeq && target.seq <= end.Seq // needs nothing behind the end
	switch {
	case run.broken != "" && !exact:
		return fmt.Sprintf("the log cannot be followed after seq %d: %s", uint64(end.Seq), run.broken)
	case !inside:
		return "it is after the end of the log, " + end.String()
	}
	return ""
}
