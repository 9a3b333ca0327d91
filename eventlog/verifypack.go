package eventlog

import (
	"context"
	"errors"
	"fmt"
)

// nested parts packs that no other pack contains from those that one does.
func nested(packs []pack) (outer, inner []pack) {
	for _, p := range packs { // sorted: by first slot, the longest first
		if n := len(outer); n > 0 && p.last <= outer[n-1].last {
			inner = append(inner, p)
		} else {
			outer = append(outer, p)
		}
	}
	return outer, inner
}

// innerPack verifies a pack whose segments are in another one as well.
func (w *epochVerifier) innerPack(ctx context.Context, p pack) error {
	w.report.Bytes += p.size
	_, _, err := w.objects.wholePack(ctx, p)
	return w.notePack(p, err)
}

// notePack names a damaged pack; whether anything is lost with it is another question.
func (w *epochVerifier) notePack(p pack, err error) error {
	var damage *ObjectError
	if errors.As(err, &damage) {
		w.damage(p.name(), damage.Err)
		return nil
	}
	return err
}

// pack verifies a pack, and the objects that its segments still have of their own: what
// one of the two has whole is not lost.
func (w *epochVerifier) pack(ctx context.Context, p pack, l *lookahead) error {
	if w.epoch != w.resumed.Epoch || p.first > w.resumed.Slot { // else it was counted then
		w.report.Bytes += p.size
	}
	own := make(map[Slot]found)
	for f, err := range prefetch(ctx, w.objects.width, l.before(p.last+1), w.fetch) {
		if err != nil {
			return err
		}
		w.report.Bytes += f.size
		own[f.slot] = f
	}
	x, err := w.objects.index(ctx, p)
	if err != nil || x == nil {
		if err := w.notePack(p, errors.Join(err, gone(p, x, err))); err != nil {
			return err
		}
		for s := p.first; s <= p.last; s++ {
			if f, ok := own[s]; ok {
				if err := w.take(ctx, f); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if p.size > x.size {
		w.damage(p.name(), fmt.Errorf("%w: %d bytes after the end", ErrCorrupt, p.size-x.size))
	}
	s := max(p.first, w.want) // packs may overlap
	for at, err := range w.objects.packed(ctx, p, x, s, p.last+1) {
		if err != nil && !errors.As(err, new(*ObjectError)) {
			return err
		}
		f, ok := own[s]
		if err := w.take(ctx, w.better(p, s, at, err, f, ok)); err != nil {
			return err
		}
		s++
	}
	return nil
}

func gone(p pack, x *packIndex, err error) error {
	if x == nil && err == nil {
		return &ObjectError{p.name(), ErrGap}
	}
	return nil
}

// slim keeps what is needed of a segment once its records are checked.
func (f found) slim() found {
	f.at.bytes = nil
	if f.at.segment != nil {
		f.at.segment = &Segment{info: f.at.segment.info, header: f.at.segment.header}
	}
	return f
}

// better chooses between a segment in a pack and its own object, naming what is damaged.
func (w *epochVerifier) better(p pack, s Slot, at atSlot, perr error, own found, has bool) found {
	f := found{slot: s, at: at, object: p.name()}
	var damage *ObjectError
	switch {
	case errors.As(perr, &damage):
		f.damage = damage.Err
	default:
		f.header = at.segment.header
		f.damage = at.segment.check()
	}
	switch {
	case !has:
	case f.damage != nil && own.damage == nil:
		w.damage(p.name(), f.damage)
		return own
	case own.damage != nil:
		w.damage(own.object, own.damage)
	case own.fence:
		f.fenced = true
		w.report.Strays = append(w.report.Strays, own.object)
	case f.damage == nil && own.at.segment != nil && own.at.segment.info.Digest != at.segment.info.Digest:
		w.damage(own.object, fmt.Errorf("%w: differs from the same segment in %s", ErrDiverged, p.name()))
	}
	return f
}
