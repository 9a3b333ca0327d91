package eventlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// epochVerifier verifies what one epoch has in a store.
type epochVerifier struct {
	*verifier
	epoch  Epoch
	this   *epochRecord // nil: damaged
	last   bool         // no later epoch has begun
	end    Slot         // the log has the slots below; maxSlot: not known yet
	digest Digest       // of the epoch's last segment, if that is how its end is known

	large  sync.Mutex // held by whoever has a large segment in memory
	want   Slot       // the next slot
	fenced bool       // a fence was seen where the epoch ends, behind segments set aside
	behind Slot       // where that fence is expected
}

// found is what was read at one slot.
type found struct {
	slot   Slot
	at     atSlot
	header *header // of a damaged segment, if that much can be read
	damage error
	object string // that it was read from
	size   int64
	fence  bool // a fence, if damaged one that can still be told from a segment
	fenced bool // from a pack, and a fence has the slot's own name
}

func (w *epochVerifier) run(ctx context.Context) error {
	packs, err := w.objects.packs(ctx, w.epoch)
	if err != nil {
		return err
	}
	outer, inner := nested(packs)
	verified := func(p pack) bool { return p.last < w.want }
	outer, inner = slices.DeleteFunc(outer, verified), slices.DeleteFunc(inner, verified)
	for _, p := range inner {
		if err := w.innerPack(ctx, p); err != nil {
			return err
		}
	}
	var listErr error
	next, stop := iter.Pull(w.slots(ctx, &listErr))
	defer stop()
	l := &lookahead{next: next}
	l.step()
	for _, p := range outer {
		if err := w.singles(ctx, l.before(p.first)); err != nil {
			return err
		}
		if err := w.pack(ctx, p, l); err != nil {
			return err
		}
	}
	if err := errors.Join(w.singles(ctx, l.before(maxSlot)), listErr); err != nil {
		return err
	}
	return w.finish(ctx)
}

// lookahead is a list of slots of which one is held.
type lookahead struct {
	next func() (Slot, bool)
	slot Slot
	more bool
}

func (l *lookahead) step() { l.slot, l.more = l.next() }

// before takes the slots below one.
func (l *lookahead) before(end Slot) iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		for l.more && l.slot < end {
			s := l.slot
			l.step()
			if !yield(s) {
				return
			}
		}
	}
}

// singles verifies objects of their own.
func (w *epochVerifier) singles(ctx context.Context, slots iter.Seq[Slot]) error {
	for f, err := range prefetch(ctx, w.objects.width, slots, w.fetch) {
		if err != nil {
			return err
		}
		w.report.Bytes += f.size
		if err := w.take(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (w *epochVerifier) take(ctx context.Context, f found) error {
	if err := w.missing(ctx, f.slot); err != nil {
		return err
	}
	w.visit(f)
	w.want = f.slot + 1
	return nil
}

// finish looks for what should be behind the last object.
func (w *epochVerifier) finish(ctx context.Context) error {
	if w.end == maxSlot {
		return nil
	}
	if err := w.missing(ctx, w.end); err != nil {
		return err
	}
	if !w.fenced && !w.last {
		w.damage(SegmentName(w.epoch, max(w.behind, w.end)), fmt.Errorf("%w: the fence that ended the epoch", ErrGap))
	}
	return nil
}

// slots lists what is in the store, name by name.
func (w *epochVerifier) slots(ctx context.Context, failed *error) iter.Seq[Slot] {
	prefix, after := logPrefix+w.epoch.String()+"/", ""
	if w.want > 0 { // resumed
		after = SegmentName(w.epoch, w.want-1)
	}
	return func(yield func(Slot) bool) {
		for info, err := range w.objects.store.List(ctx, prefix, after) {
			if *failed = err; err != nil {
				return
			}
			s, err := ParseSlot(strings.TrimPrefix(info.Name, prefix))
			if err == nil && !yield(s) {
				return
			}
		}
	}
}

// fetch reads and checks what is at a slot. A large segment is taken one at a time, and
// nothing of a segment's records stays in memory.
func (w *epochVerifier) fetch(ctx context.Context, s Slot) (found, error) {
	f := found{slot: s, object: SegmentName(w.epoch, s)}
	b, err := w.objects.ranged(ctx, f.object, 0, firstRead)
	if err != nil {
		return f, err
	}
	if b == nil {
		f.damage = ErrGap // gone since it was listed
		return f, nil
	}
	if len(b) == firstRead {
		w.large.Lock()
		defer w.large.Unlock()
		if b, err = w.objects.get(ctx, f.object); err != nil {
			return f, err
		}
	}
	f.size = int64(len(b))
	if f.at, f.damage = w.objects.parse(b, w.epoch, s); f.damage != nil {
		if magic, _, perr := parsePreamble(b); perr == nil && magic == magicFence {
			f.fence = true
		} else if h, herr := parseHeader(b); herr == nil && h.epoch == w.epoch && h.slot == s {
			f.header = h
		}
		return f, nil
	}
	if f.fence = f.at.fence != nil; !f.fence {
		f.header = f.at.segment.header
		f.damage = f.at.segment.check()
	}
	return f.slim(), nil
}

// check reads every record.
func (s *Segment) check() error {
	for _, err := range s.Events() {
		if err != nil {
			return err
		}
	}
	return nil
}

// missing deals with slots that should be there before s.
func (w *epochVerifier) missing(ctx context.Context, s Slot) error {
	for w.want < min(s, w.end) {
		if w.ended() {
			return nil
		}
		if w.last {
			behind, err := w.objects.slotsFrom(ctx, w.epoch, w.want+1, MaxPipeline)
			if err != nil {
				return err
			}
			lost, err := w.objects.checkHole(ctx, w.epoch, w.want, behind)
			if err != nil {
				return err
			}
			if lost == nil {
				w.end, w.behind = w.want, w.want
				return nil
			}
		}
		err, through := ErrGap, ""
		if upTo := min(s, w.end) - 1; upTo > w.want {
			through = SegmentName(w.epoch, upTo)
			err = fmt.Errorf("%w: this and all up to %s", ErrGap, through)
		}
		w.lose(SegmentName(w.epoch, w.want), nil, err)
		w.report.Damage[len(w.report.Damage)-1].Through = through
		w.want = min(s, w.end)
	}
	return nil
}

// ended settles where the epoch ends if that is known by digest alone.
func (w *epochVerifier) ended() bool {
	if w.end == maxSlot && w.digest != (Digest{}) && w.chained && w.at.Digest == w.digest {
		w.end = w.want
	}
	return w.want >= w.end
}

func (w *epochVerifier) visit(f found) {
	name := f.object
	w.want = f.slot
	if w.ended() {
		w.beyond(name, f)
		return
	}
	switch {
	case f.fence && w.end == maxSlot:
		w.end = f.slot
		w.beyond(name, f)
	case f.fence:
		w.lose(name, nil, fmt.Errorf("%w: a fence where the log has a segment", ErrDiverged))
	case f.damage != nil:
		w.lose(name, f.header, f.damage)
	default:
		w.segment(name, f.at.segment)
	}
}

// segment takes a whole segment if it follows the one before.
func (w *epochVerifier) segment(name string, s *Segment) {
	r := w.this
	if r == nil {
		r = &epochRecord{Stream: s.header.stream, Writer: s.header.writer, Epoch: w.epoch}
	}
	c := chain{at: w.at}
	if !w.chained { // nothing to follow: take it as a beginning
		c.at = Position{Seq: s.info.First - 1, Digest: s.info.Prev}
	}
	var damage *ObjectError
	if err := c.step(s.header, r); errors.As(err, &damage) {
		w.lose(name, s.header, damage.Err)
		return
	}
	w.keep(s)
}

// beyond deals with what is behind the log's end in this epoch: segments set aside, and
// the fence that comes after those that were there before it.
func (w *epochVerifier) beyond(name string, f found) {
	if w.behind < w.end {
		w.behind = w.end
	}
	switch {
	case f.damage != nil:
		w.damage(name, f.damage)
	case f.at.segment != nil:
		w.report.Orphans = append(w.report.Orphans, f.at.segment.info)
	}
	if f.slot != w.behind || w.fenced {
		return
	}
	if f.fence || f.fenced || f.header == nil { // beyond recognition: it may be the fence
		w.fenced = true
	} else {
		w.behind++
	}
}
