package eventlog

import (
	"context"
	"iter"
	"sync"
)

// aheadWidth is how many objects are fetched at once: enough to hide a round trip
// between regions behind the decoding of what came before. With firstRead it bounds the
// memory that waits.
const aheadWidth = 16

// ordered fetches slots [from, to) concurrently and yields the results in order. All
// fetches have ended when it returns.
func ordered[T any](ctx context.Context, from, to Slot, fetch func(context.Context, Slot) (T, error)) iter.Seq2[T, error] {
	type result struct {
		value T
		err   error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer group.Wait()
		defer cancel()
		queue := make([]chan result, 0, aheadWidth)
		next := from
		for s := from; s < to; s++ {
			for ; next < to && next < s+aheadWidth; next++ {
				slot, out := next, make(chan result, 1)
				queue = append(queue, out)
				group.Go(func() {
					v, err := fetch(ctx, slot)
					out <- result{v, err}
				})
			}
			r := <-queue[0]
			queue = append(queue[:0], queue[1:]...)
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
	}
}

// ahead reads slots [from, to) in order, fetching ahead. A large object is fetched whole
// only when its turn comes, so that one at a time is in memory.
func (o objects) ahead(ctx context.Context, e Epoch, from, to Slot) iter.Seq2[atSlot, error] {
	type begun struct {
		at    atSlot
		large bool
	}
	fetch := func(ctx context.Context, s Slot) (begun, error) {
		name := SegmentName(e, s)
		b, err := o.ranged(ctx, name, 0, firstRead)
		if err != nil || b == nil {
			return begun{}, err
		}
		if len(b) == firstRead {
			return begun{large: true}, nil
		}
		at, err := o.parse(b, e, s)
		if err != nil {
			return begun{}, &ObjectError{name, err}
		}
		return begun{at: at}, nil
	}
	return func(yield func(atSlot, error) bool) {
		s := from
		for got, err := range ordered(ctx, from, to, fetch) {
			if err == nil && got.large {
				got.at, err = o.slot(ctx, e, s)
			}
			if !yield(got.at, err) || err != nil {
				return
			}
			s++
		}
	}
}
