package eventlog

import (
	"context"
	"errors"
	"iter"
)

// Headers is Segments by ranged reads of the headers alone, for planning: the chain is
// checked, the records are not.
func (l *Log) Headers(ctx context.Context, after Position) iter.Seq2[SegmentInfo, error] {
	return func(yield func(SegmentInfo, error) bool) {
		if err := l.headers(ctx, after, func(i SegmentInfo) bool { return yield(i, nil) }); err != nil {
			yield(SegmentInfo{}, err)
		}
	}
}

func (l *Log) headers(ctx context.Context, after Position, yield func(SegmentInfo) bool) error {
	c := chain{at: after}
	for r, err := range l.reigns(ctx, after) {
		if err != nil {
			return err
		}
		w := headerWalk{log: l, reign: r, chain: &c, yield: yield}
		s, err := w.run(ctx)
		if w.stopped { // whatever failed behind it is no concern of a consumer that has left
			return nil
		}
		if err == nil {
			err = l.endOfReign(ctx, r, &c, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// headerWalk reads the headers of one epoch. Each is held back until the next one, or the
// end, has told its digest.
type headerWalk struct {
	log     *Log
	reign   reign
	chain   *chain
	yield   func(SegmentInfo) bool
	held    *SegmentInfo
	stopped bool // by the consumer
}

func (w *headerWalk) run(ctx context.Context) (s Slot, err error) {
	s = w.reign.from
	for h, err := range w.log.objects.headersAhead(ctx, w.reign.record.Epoch, w.reign.from, w.reign.to) {
		if err != nil {
			return s, errors.Join(w.last(ctx), err)
		}
		if h == nil || w.reign.ended(h.prev) {
			break
		}
		if w.release(h.prev); w.stopped {
			return s, nil
		}
		if err := w.chain.step(h, w.reign.record); err != nil {
			return s, err
		}
		i := h.info()
		w.held, s = &i, s+1
	}
	if w.reign.next != nil && s == w.reign.to {
		w.release(w.reign.next.End.Digest)
		return s, nil
	}
	return s, w.last(ctx)
}

// release lets go of the header held back.
func (w *headerWalk) release(digest Digest) {
	if w.held == nil {
		return
	}
	w.held.Digest = digest
	w.chain.at = w.held.End()
	w.stopped = !w.yield(*w.held)
	w.held = nil
}

// last releases a header that nothing follows: the whole segment tells its digest.
func (w *headerWalk) last(ctx context.Context) error {
	if w.held == nil {
		return nil
	}
	at, err := w.log.objects.slot(ctx, w.held.Epoch, w.held.Slot)
	if err == nil && at.segment == nil {
		err = &ObjectError{w.held.Name(), ErrGap}
	}
	if err == nil {
		w.release(at.segment.info.Digest)
	}
	return err
}
