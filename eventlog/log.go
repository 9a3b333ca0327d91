package eventlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/database"
)

// Log reads the log in one store. It is safe for concurrent use and changes nothing.
type Log struct{ objects objects }

// OpenLog reads nothing yet.
func OpenLog(store blob.Store) *Log { return &Log{newObjects(store, nil)} }

// Segments yields the verified segments that follow `after`, in order, across epochs, to
// the end that the store has now; it fetches ahead. Each is checked whole (its own
// SHA-256) and against the one before it. After a yielded error the sequence ends:
// ObjectError for a damaged or missing object, ErrDiverged when `after` is not on this
// log. Segments that no durable frontier has passed may be set aside by a later
// takeover.
func (l *Log) Segments(ctx context.Context, after Position) iter.Seq2[*Segment, error] {
	return func(yield func(*Segment, error) bool) {
		schemas := schemaReader{objects: l.objects}
		c := chain{at: after}
		for r, err := range l.reigns(ctx, after) {
			if err != nil {
				yield(nil, err)
				return
			}
			more, err := l.reign(ctx, r, &c, func(s *Segment) (bool, error) {
				var err error
				if s.schema, err = schemas.known(ctx, s); err != nil {
					return false, err
				}
				return yield(s, nil), nil
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// reign walks the segments of one epoch.
func (l *Log) reign(ctx context.Context, r reign, c *chain, visit func(*Segment) (bool, error)) (more bool, err error) {
	s := r.from
	for at, err := range l.objects.ahead(ctx, r.record.Epoch, r.from, r.to) {
		if err != nil {
			return false, err
		}
		if at.segment == nil || r.ended(c.at.Digest) {
			break
		}
		if err := c.step(at.segment.header, r.record); err != nil {
			return false, err
		}
		c.at = at.segment.info.End()
		more, err := visit(at.segment)
		if err != nil || !more {
			return false, err
		}
		s++
	}
	return true, l.endOfReign(ctx, r, c, s)
}

// endOfReign checks that the walk ended where the epoch does.
func (l *Log) endOfReign(ctx context.Context, r reign, c *chain, s Slot) error {
	e := r.record.Epoch
	switch {
	case r.nextErr != nil:
		return r.nextErr
	case r.next != nil && s < r.to:
		return &ObjectError{SegmentName(e, s), fmt.Errorf("%w: epoch %d has slots up to %d", ErrGap, e, r.to-1)}
	case r.next != nil && !c.at.same(r.next.End):
		return &ObjectError{EpochName(e + 1), fmt.Errorf("%w: says the log before it ends at %v, it ends at %v", ErrDiverged, r.next.End, c.at)}
	case r.next != nil:
		return nil
	}
	behind, err := l.objects.slotsFrom(ctx, e, s+1, MaxPipeline)
	if err != nil {
		return err
	}
	at, err := l.objects.slot(ctx, e, s)
	if err != nil {
		return err
	}
	if at.empty() {
		lost, err := l.objects.checkHole(ctx, e, s, behind)
		if lost != nil || err != nil {
			return errors.Join(lost, err)
		}
	}
	if err := l.checkStart(ctx, r, c); err != nil {
		return err
	}
	return l.objects.noStray(ctx, e)
}

// checkStart makes sure that a position with nothing behind it is on this log.
func (l *Log) checkStart(ctx context.Context, r reign, c *chain) error {
	if c.at.IsZero() || c.at.Epoch != r.record.Epoch || c.moved {
		return nil
	}
	at, err := l.objects.slot(ctx, c.at.Epoch, c.at.Slot)
	if err != nil {
		return err
	}
	if at.segment == nil {
		return &ObjectError{c.at.name(), ErrGap}
	}
	if at.segment.info.Digest != c.at.Digest {
		return fmt.Errorf("%w: %s is not what the position %v was taken from", ErrDiverged, c.at.name(), c.at)
	}
	return nil
}

// same leaves out the time, which a caller may carry in another location.
func (p Position) same(q Position) bool {
	return p.Digest == q.Digest && p.Seq == q.Seq && p.Epoch == q.Epoch && p.Slot == q.Slot
}

func (p Position) name() string { return SegmentName(p.Epoch, p.Slot) }

// reign is one epoch's part of a walk.
type reign struct {
	record   *epochRecord
	next     *epochRecord // nil: no later epoch has begun, or nextErr
	from, to Slot         // half-open; to is maxSlot while next is nil

	// nextErr: the next epoch's record, which says where this one ended, is damaged. The
	// walk goes as far as this epoch went and ends with this error.
	nextErr error
	last    Digest // of this epoch's last segment then; zero: not known
}

// ended reports whether at is the end of an epoch whose end has to be found by digest.
func (r *reign) ended(at Digest) bool {
	return r.nextErr != nil && r.last != Digest{} && r.last == at
}

// reigns yields the epochs from `after` on.
func (l *Log) reigns(ctx context.Context, after Position) iter.Seq2[reign, error] {
	return func(yield func(reign, error) bool) {
		if err := l.eachReign(ctx, after, func(r reign) bool { return yield(r, nil) }); err != nil {
			yield(reign{}, err)
		}
	}
}

func (l *Log) eachReign(ctx context.Context, after Position, yield func(reign) bool) error {
	epochs, err := l.objects.epochs(ctx)
	if err != nil {
		return err
	}
	var last Epoch
	if n := len(epochs); n > 0 {
		last = epochs[n-1]
	}
	r, err := l.firstReign(ctx, after, last)
	if err != nil {
		return err
	}
	if r.record == nil {
		return l.objects.noStray(ctx, 0)
	}
	last = max(last, r.record.Epoch)
	for e := r.record.Epoch; e <= last; e++ {
		r.next, r.to = nil, maxSlot
		if e < last {
			if r.next, r.nextErr = l.epochRecord(ctx, e+1); r.nextErr != nil {
				if r.last, err = l.endBefore(ctx, e+1); err != nil {
					return err
				}
				yield(r)
				return nil
			}
			r.to = r.record.slots(r.next)
		}
		if r.from > r.to {
			return fmt.Errorf("%w: %v was set aside when epoch %d began", ErrDiverged, after, e+1)
		}
		if !yield(r) {
			return nil
		}
		r.record, r.from = r.next, 0
	}
	return nil
}

// firstReign is where a walk begins.
func (l *Log) firstReign(ctx context.Context, after Position, last Epoch) (reign, error) {
	if after.IsZero() {
		if last == 0 {
			return reign{}, nil
		}
		record, err := l.epochRecord(ctx, 1)
		return reign{record: record}, err
	}
	r := reign{from: after.Slot + 1}
	err := fmt.Errorf("%w: position %v is behind the last epoch, %d", ErrDiverged, after, last)
	if after.Epoch <= last {
		if r.record, err = l.epochRecord(ctx, after.Epoch); err == nil {
			return r, nil
		}
	}
	// Within an epoch its record is needed for its writer only, which the segment that
	// the position ends knows too.
	at, serr := l.objects.slot(ctx, after.Epoch, after.Slot)
	if serr != nil || at.segment == nil || at.segment.info.Digest != after.Digest {
		return reign{}, err
	}
	h := at.segment.header
	r.record = &epochRecord{Stream: h.stream, Writer: h.writer, Epoch: h.epoch}
	return r, nil
}

// endBefore finds the digest of the last segment before an epoch whose record is
// damaged: its first segment names it. Zero if it has none.
func (l *Log) endBefore(ctx context.Context, e Epoch) (Digest, error) {
	h, err := l.objects.header(ctx, e, 0)
	var damage *ObjectError
	if h == nil || errors.As(err, &damage) {
		return Digest{}, nil
	}
	return h.prev, err
}

func (l *Log) epochRecord(ctx context.Context, e Epoch) (*epochRecord, error) {
	r, _, err := l.objects.epoch(ctx, e)
	if err == nil && r == nil {
		err = &ObjectError{EpochName(e), ErrGap}
	}
	return r, err
}

// chain checks that each segment follows the one before.
type chain struct {
	at    Position
	moved bool
}

func (c *chain) step(h *header, r *epochRecord) error {
	switch {
	case h.stream != r.Stream || h.writer != r.Writer:
		return &ObjectError{SegmentName(h.epoch, h.slot), fmt.Errorf("%w: not of the writer that began epoch %d", ErrDiverged, r.Epoch)}
	case h.prev != c.at.Digest:
		return &ObjectError{SegmentName(h.epoch, h.slot), fmt.Errorf("%w: does not follow %v", ErrDiverged, c.at)}
	case h.first != c.at.Seq+1:
		return &ObjectError{SegmentName(h.epoch, h.slot), fmt.Errorf("%w: begins at transaction %d after %v", ErrCorrupt, h.first, c.at)}
	case !c.at.IsZero() && fromNanos(h.firstTime).Before(c.at.Time):
		return &ObjectError{SegmentName(h.epoch, h.slot), fmt.Errorf("%w: its time is before that of %v", ErrCorrupt, c.at)}
	}
	c.moved = true
	return nil
}

// End is the position after the last segment of the log; zero for an empty log. It
// looks at the last epoch only: what is damaged before that Verify finds.
func (l *Log) End(ctx context.Context) (Position, error) {
	g := region{objects: l.objects}
	h, err := g.head(ctx)
	if err != nil || h.epoch == 0 {
		return Position{}, err
	}
	if h.lost != nil {
		return Position{}, h.lost
	}
	_, end, err := g.position(ctx, h.record, h.next)
	return end, err
}

// EpochInfo tells how an epoch began.
type EpochInfo struct {
	Epoch  Epoch     `json:"epoch"`
	Begun  time.Time `json:"begun"` // UTC; the writer's clock
	Reason string    `json:"reason"`
	// Takeover: by Takeover, which may have moved the log to another store.
	Takeover bool     `json:"takeover"`
	End      Position `json:"end"` // of the log before this epoch
}

// Epochs tells how every epoch of the log began, in order.
func (l *Log) Epochs(ctx context.Context) ([]EpochInfo, error) {
	epochs, err := l.objects.epochs(ctx)
	if err != nil {
		return nil, err
	}
	infos := make([]EpochInfo, 0, len(epochs))
	fetch := func(ctx context.Context, e Epoch) (*epochRecord, error) { return l.epochRecord(ctx, e) }
	for r, err := range prefetch(ctx, l.objects.width, slices.Values(epochs), fetch) {
		if err != nil {
			return infos, err
		}
		infos = append(infos, EpochInfo{r.Epoch, r.Begun, r.Reason, r.Takeover, r.End})
	}
	return infos, nil
}

// Segment reads one segment by its slot, also one that was set aside as an orphan.
// ErrGap when there is none.
func (l *Log) Segment(ctx context.Context, e Epoch, s Slot) (*Segment, error) {
	at, err := l.objects.slot(ctx, e, s)
	if err != nil {
		return nil, err
	}
	if at.segment == nil {
		return nil, &ObjectError{SegmentName(e, s), ErrGap}
	}
	schemas := schemaReader{objects: l.objects}
	at.segment.schema, err = schemas.known(ctx, at.segment)
	return at.segment, err
}

// Tail is Segments that waits for more at the end of the log, looking every poll, until
// ctx ends (then it just ends) or an error.
func (l *Log) Tail(ctx context.Context, after Position, poll time.Duration) iter.Seq2[*Segment, error] {
	return func(yield func(*Segment, error) bool) {
		for {
			for s, err := range l.Segments(ctx, after) {
				if err != nil && ctx.Err() != nil {
					return
				}
				if !yield(s, err) || err != nil {
					return
				}
				after = s.info.End()
			}
			if pause(ctx, poll) != nil {
				return
			}
		}
	}
}

// Find yields the events after a position that match, with the segment that holds each.
func (l *Log) Find(ctx context.Context, after Position, match func(Event) bool) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		for s, err := range l.Segments(ctx, after) {
			if err != nil {
				yield(Found{}, err)
				return
			}
			for e, err := range s.Events() {
				if err != nil {
					yield(Found{}, err)
					return
				}
				if match(e) && !yield(Found{Event: e, Segment: s}, nil) {
					return
				}
			}
		}
	}
}

// Found is an event and where it is.
type Found struct {
	Event
	Segment *Segment
}

// schemaReader finds the schema in force at a segment, reading each record once.
type schemaReader struct {
	objects objects
	place   schemaPlace
	schema  *database.Schema
}

// known is inForce, or nil where the segment with the record is damaged: the changes
// behind it are whole nevertheless.
func (r *schemaReader) known(ctx context.Context, s *Segment) (*database.Schema, error) {
	schema, err := r.inForce(ctx, s)
	var damage *ObjectError
	if errors.As(err, &damage) {
		r.place, r.schema = s.footer.schema, nil
		return nil, nil
	}
	return schema, err
}

func (r *schemaReader) inForce(ctx context.Context, s *Segment) (*database.Schema, error) {
	want := s.footer.schema
	if want.epoch == 0 || want == r.place {
		return r.schema, nil
	}
	if s.schema != nil {
		r.place, r.schema = want, s.schema
		return s.schema, nil
	}
	holder := s
	if want.epoch != s.info.Epoch || want.slot != s.info.Slot {
		at, err := r.objects.slot(ctx, want.epoch, want.slot)
		if err != nil {
			return nil, err
		}
		if holder = at.segment; holder == nil {
			return nil, &ObjectError{SegmentName(want.epoch, want.slot), fmt.Errorf("%w: it holds the schema of %s", ErrGap, s.info.Name())}
		}
	}
	schema, err := holder.ownSchema()
	if err != nil {
		return nil, err
	}
	r.place, r.schema = want, schema
	return schema, nil
}
