package eventlog

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"
)

// aheadWidth is how many objects are fetched at once: enough to hide a round trip
// between regions behind the decoding of what came before. With firstRead it bounds the
// memory that waits.
const aheadWidth = 16

// prefetch fetches what keys name, so many at once, and yields the results in order. All
// fetches have ended when it returns.
func prefetch[K, V any](ctx context.Context, width int, keys iter.Seq[K], fetch func(context.Context, K) (V, error)) iter.Seq2[V, error] {
	type result struct {
		value V
		err   error
	}
	return func(yield func(V, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer group.Wait()
		defer cancel()
		next, stop := iter.Pull(keys)
		defer stop()
		var queue []chan result
		for {
			for len(queue) < width {
				key, ok := next()
				if !ok {
					break
				}
				out := make(chan result, 1)
				queue = append(queue, out)
				group.Go(func() {
					v, err := fetch(ctx, key)
					out <- result{v, err}
				})
			}
			if len(queue) == 0 {
				return
			}
			r := <-queue[0]
			queue = append(queue[:0], queue[1:]...)
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
	}
}

// slots are [from, to).
func slots(from, to Slot) iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		for s := from; s < to && yield(s); s++ {
		}
	}
}

// ahead reads slots [from, to) in order, fetching ahead, out of packs where there are
// some. It ends with the first slot that is empty.
func (o objects) ahead(ctx context.Context, e Epoch, from, to Slot) iter.Seq2[atSlot, error] {
	return func(yield func(atSlot, error) bool) {
		packs, err := o.packs(ctx, e)
		if err != nil {
			yield(atSlot{}, err)
			return
		}
		for s := from; s < to; {
			p, next := cover(packs, s)
			source := o.singles(ctx, e, s, min(to, next))
			if p != nil {
				x, err := o.index(ctx, *p)
				if x == nil || err != nil { // damaged or gone: what else is there?
					packs = slices.DeleteFunc(packs, func(q pack) bool { return q == *p })
					if errors.As(err, new(*ObjectError)) || err == nil {
						continue
					}
					yield(atSlot{}, err)
					return
				}
				source = o.packed(ctx, *p, x, s, min(to, p.last+1))
			}
			for at, err := range source {
				if at.empty() {
					at, err = o.otherForm(ctx, e, s, err)
				}
				if !yield(at, err) || err != nil || at.empty() {
					return
				}
				s++
			}
		}
	}
}

// otherForm looks once more for what was not found, or found damaged, where it was
// expected: objects move into packs while they are read.
func (o objects) otherForm(ctx context.Context, e Epoch, s Slot, err error) (atSlot, error) {
	if err != nil && !errors.As(err, new(*ObjectError)) {
		return atSlot{}, err
	}
	if at, ferr := o.slot(ctx, e, s); !at.empty() || err == nil {
		return at, ferr
	}
	return atSlot{}, err
}

// singles reads slots [from, to) from objects of their own. Of large ones the rest is
// fetched ahead only where memory is left for it, and otherwise when its turn comes.
func (o objects) singles(ctx context.Context, e Epoch, from, to Slot) iter.Seq2[atSlot, error] {
	type begun struct {
		at    atSlot
		bytes []byte // the beginning of a large one
		held  int64  // of the memory
	}
	memory := semaphore.NewWeighted(int64(o.width) * firstRead / 2)
	fetch := func(ctx context.Context, s Slot) (got begun, err error) {
		name := SegmentName(e, s)
		b, err := o.ranged(ctx, name, 0, firstRead)
		if err != nil || b == nil {
			return got, err
		}
		if len(b) == firstRead {
			if !memory.TryAcquire(remainder(b)) {
				return begun{bytes: b}, nil
			}
			got.held = remainder(b)
			if b, err = o.rest(ctx, name, b); err != nil {
				return got, err
			}
		}
		got.at, err = o.whole(b, e, s)
		return got, err
	}
	return func(yield func(atSlot, error) bool) {
		s := from
		for got, err := range prefetch(ctx, o.width, slots(from, to), fetch) {
			if err == nil && got.bytes != nil {
				var b []byte
				if b, err = o.rest(ctx, SegmentName(e, s), got.bytes); err == nil {
					got.at, err = o.whole(b, e, s)
				}
			}
			if !yield(got.at, err) || err != nil {
				return
			}
			memory.Release(got.held)
			s++
		}
	}
}

// headersAhead is ahead for headers alone; it ends with the first slot without a segment.
func (o objects) headersAhead(ctx context.Context, e Epoch, from, to Slot) iter.Seq2[*header, error] {
	return func(yield func(*header, error) bool) {
		packs, err := o.packs(ctx, e)
		if err != nil {
			yield(nil, err)
			return
		}
		for s := from; s < to; {
			p, next := cover(packs, s)
			if p != nil {
				x, err := o.index(ctx, *p)
				if err != nil || x == nil {
					packs = slices.DeleteFunc(packs, func(q pack) bool { return q == *p })
					if errors.As(err, new(*ObjectError)) || err == nil {
						continue
					}
					yield(nil, err)
					return
				}
				for ; s < min(to, p.last+1); s++ {
					if !yield(x.segmentHeader(int(s-p.first)), nil) {
						return
					}
				}
				continue
			}
			fetch := func(ctx context.Context, s Slot) (*header, error) { return o.header(ctx, e, s) }
			for h, err := range prefetch(ctx, o.width, slots(s, min(to, next)), fetch) {
				if !yield(h, err) || err != nil || h == nil {
					return
				}
				s++
			}
		}
	}
}
