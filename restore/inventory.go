package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
)

// Inventory is what one store holds for a restore: NewPlan and Window look at nothing
// else. A survey for a target reads no more of the log than that target needs.
type Inventory struct {
	// Snapshots are those whose manifests are intact, oldest position first.
	Snapshots []Snapshot
	// Runs are stretches of the log without a gap, each from the end of a snapshot.
	Runs []LogRun
	// Within lists the points within segments that were read whole, by digest, in order.
	Within map[eventlog.Digest][]Point
	// Damage names the objects that cannot be used.
	Damage []Damage
	// Unusable says which snapshots lack something, by digest.
	Unusable map[eventlog.Digest]string
}

// LogRun is a chain of segments.
type LogRun struct {
	After    eventlog.Position
	Segments []eventlog.SegmentInfo
	// Broken is why the run ends before the log does: a missing or damaged segment, or a
	// position that is not on this log. Empty: it reaches the end, or far enough.
	Broken string
	// Off: After is not on this log at all. A writer took the snapshot whose last segments
	// did not survive.
	Off bool
}

// Damage is one object that cannot be used.
type Damage struct {
	Object string `json:"object"`
	Detail string `json:"detail"`
}

// readers bounds the requests under way at once: enough to hide a region's latency.
const readers = 8

// surveyor reads an inventory.
type surveyor struct {
	codec *Codec
	store blob.Store
	log   *eventlog.Log
	inv   *Inventory
}

// Survey reads what NewPlan needs for the target.
func Survey(ctx context.Context, store blob.Store, target Target) (*Inventory, error) {
	s, err := newSurveyor(ctx, store)
	if err != nil {
		return nil, err
	}
	return s.inv, s.follow(ctx, target)
}

// SurveyAll reads everything, so that Window is complete and every error can name the
// nearest points. It reads the header of every segment after the oldest snapshot.
func SurveyAll(ctx context.Context, store blob.Store) (*Inventory, error) {
	s, err := newSurveyor(ctx, store)
	if err != nil {
		return nil, err
	}
	return s.inv, s.followAll(ctx)
}

func newSurveyor(ctx context.Context, store blob.Store) (*surveyor, error) {
	codec, err := NewCodec(readers)
	if err != nil {
		return nil, err
	}
	s := &surveyor{codec: codec, store: store, log: eventlog.OpenLog(store), inv: &Inventory{
		Within: make(map[eventlog.Digest][]Point), Unusable: make(map[eventlog.Digest]string),
	}}
	snapshots, damage, err := ReadSnapshots(ctx, store, codec)
	if err != nil {
		return nil, err
	}
	s.inv.Snapshots, s.inv.Damage = snapshots, damage
	return s, nil
}

// ReadSnapshots reads every manifest of a store, oldest position first, and names those
// that cannot be used. The error is for a store that cannot be read.
func ReadSnapshots(ctx context.Context, store blob.Store, codec *Codec) ([]Snapshot, []Damage, error) {
	var names []string
	for info, err := range store.List(ctx, SnapshotPrefix, "") {
		if err != nil {
			return nil, nil, fmt.Errorf("list snapshots: %w", err)
		}
		names = append(names, info.Name)
	}
	snapshots, failures := make([]Snapshot, len(names)), make([]error, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, name := range names {
		g.Go(func() error {
			var damage *DamageError
			snapshots[i], failures[i] = codec.ReadManifest(gctx, store, name)
			if failures[i] != nil && !errors.As(failures[i], &damage) {
				return failures[i]
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	var damage []Damage
	for i, err := range failures {
		// Gone between listing and reading: retention removed it, it never was.
		if err != nil && !errors.Is(err, blob.ErrNotExist) {
			damage = append(damage, Damage{Object: names[i], Detail: err.Error()})
		}
	}
	snapshots = slices.DeleteFunc(snapshots, func(s Snapshot) bool { return s.Manifest == nil })
	slices.SortFunc(snapshots, compareSnapshots)
	return snapshots, damage, nil
}

// compareSnapshots orders by position in the log. At one position a whole snapshot comes
// after a delta, and the younger after the older: the last is the best to begin with.
func compareSnapshots(a, b Snapshot) int {
	rank := func(s Snapshot) int {
		if s.Kind.Whole() {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(a.Position.Seq, b.Position.Seq), cmp.Compare(a.Position.Epoch, b.Position.Epoch),
		cmp.Compare(a.Position.Slot, b.Position.Slot), cmp.Compare(rank(a), rank(b)),
		a.Created.Compare(b.Created), slices.Compare(a.Digest[:], b.Digest[:]))
}

// follow reads the log from one snapshot after another, newest first, until the target
// is reached.
func (s *surveyor) follow(ctx context.Context, target Target) error {
	for _, tip := range s.inv.tips(target) {
		if err := s.read(ctx, tip.Position, target.enough(tip)); err != nil {
			return err
		}
		if err := s.readWithin(ctx, tip, target); err != nil {
			return err
		}
		if _, reason := s.inv.reach(tip, target); reason == "" {
			return nil
		}
	}
	return nil
}

func (s *surveyor) followAll(ctx context.Context) error {
	for _, tip := range s.inv.Snapshots {
		if _, ok := s.inv.after(tip.Position); !ok {
			if err := s.read(ctx, tip.Position, func(eventlog.SegmentInfo) bool { return false }); err != nil {
				return err
			}
		}
	}
	return nil
}

// read adds the run from a position to the first segment that is enough.
func (s *surveyor) read(ctx context.Context, after eventlog.Position, enough func(eventlog.SegmentInfo) bool) error {
	run := LogRun{After: after}
	for info, err := range s.log.Headers(ctx, after) {
		if err != nil {
			if !logDamage(err) {
				return fmt.Errorf("read the log after %s: %w", after, err)
			}
			run.Broken, run.Off = err.Error(), errors.Is(err, eventlog.ErrDiverged) && len(run.Segments) == 0
			break
		}
		run.Segments = append(run.Segments, info)
		if enough(info) {
			break
		}
	}
	s.inv.Runs = append(s.inv.Runs, run)
	return nil
}

// logDamage tells damage to the log, which shrinks the window, from a store that cannot
// be read, about which nothing can be said.
func logDamage(err error) bool {
	var object *eventlog.ObjectError
	return errors.As(err, &object) || errors.Is(err, eventlog.ErrDiverged)
}

// readWithin reads the segment in which the target lies, unless that is its end: the
// header does not say which points there are.
func (s *surveyor) readWithin(ctx context.Context, tip Snapshot, target Target) error {
	run, _ := s.inv.after(tip.Position)
	for _, info := range run.infos {
		if info.SchemaVersion == tip.SchemaVersion && target.within(info) {
			return s.readPoints(ctx, info)
		}
		if target.enough(tip)(info) {
			return nil
		}
	}
	return nil
}

func (s *surveyor) readPoints(ctx context.Context, info eventlog.SegmentInfo) error {
	if _, done := s.inv.Within[info.Digest]; done {
		return nil
	}
	segment, err := s.log.Segment(ctx, info.Epoch, info.Slot)
	if err == nil && segment.Info().Digest != info.Digest {
		err = &eventlog.ObjectError{Object: info.Name(), Err: eventlog.ErrDiverged}
	}
	points := []Point{}
	if err == nil {
		points, err = pointsOf(segment)
	}
	if err != nil {
		if !logDamage(err) {
			return err
		}
		s.inv.Damage = append(s.inv.Damage, Damage{Object: info.Name(), Detail: err.Error()})
		return nil
	}
	s.inv.Within[info.Digest] = points
	return nil
}

func pointsOf(segment *eventlog.Segment) ([]Point, error) {
	var points []Point
	for e, err := range segment.Events() {
		if err != nil {
			return nil, err
		}
		if e.Tx != nil {
			points = append(points, Point{Seq: e.Seq, Time: e.Time})
		}
	}
	return points, nil
}

// enough tells whether the target lies at or before the end of a segment, or behind a
// change of schema, which a restore from tip cannot pass.
func (t Target) enough(tip Snapshot) func(eventlog.SegmentInfo) bool {
	return func(info eventlog.SegmentInfo) bool {
		return info.SchemaVersion != tip.SchemaVersion || t.kind == atSeq && info.Last >= t.seq || t.kind == atTime && info.LastTime.After(t.time)
	}
}

// within tells whether the target is inside a segment, not at its end.
func (t Target) within(info eventlog.SegmentInfo) bool {
	switch {
	case info.Transactions() == 0:
		return false
	case t.kind == atSeq:
		return info.First <= t.seq && t.seq < info.Last
	case t.kind == atTime:
		return !info.FirstTime.After(t.time) && info.LastTime.After(t.time)
	default:
		return false
	}
}

// StartTime is from when on the snapshot's state is known to have been the database's.
func StartTime(s Snapshot) time.Time {
	if s.Position.Time.IsZero() {
		return s.Created
	}
	return s.Position.Time
}
