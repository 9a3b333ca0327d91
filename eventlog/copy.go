package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"lifeboat/internal/blob"
)

// copier makes slots of an epoch in dst what they are in src, checking that they follow
// what dst has before them. Packs are copied as packs, and many small segments become
// packs on the way: what a request costs is then paid once for hundreds of them.
type copier struct {
	*beginner
	src, dst *region
	record   *epochRecord
	// settled: the slots below may be packed. As for Compact these are the slots before
	// the end of a closed epoch, or below the floor of an open one.
	settled Slot

	prev    Digest
	gather  gatherer
	group   *errgroup.Group
	pending *semaphore.Weighted // bytes
}

// copy copies slots [from, to).
func (c *copier) copy(ctx context.Context, from, to Slot) error {
	_, before, err := c.dst.position(ctx, c.record, from)
	if err != nil {
		return inStore(c.dst, err)
	}
	packs, err := c.src.packs(ctx, c.record.Epoch)
	if err != nil {
		return inStore(c.src, err)
	}
	packs = slices.DeleteFunc(packs, func(p pack) bool { return p.first < from || p.last >= to })
	c.prev, c.gather.limits, c.pending = before.Digest, c.limits.orUsual(), semaphore.NewWeighted(copyBytes)
	c.group, ctx = errgroup.WithContext(ctx)
	c.group.SetLimit(copyWidth)
	for err == nil && from < to {
		p, next := cover(packs, from)
		if p != nil && p.first == from {
			err, from = c.pack(ctx, *p), p.last+1
			continue
		}
		next = min(next, to)
		err, from = c.segments(ctx, from, next), next
	}
	return errors.Join(err, c.group.Wait())
}

// follow takes the next segment, if it is that.
func (c *copier) follow(h *header, i SegmentInfo) error {
	if i.Prev != c.prev || h.stream != c.record.Stream || h.writer != c.record.Writer {
		return &ObjectError{i.Name(), fmt.Errorf("%w: it does not follow the segment before it", ErrDiverged)}
	}
	c.prev = i.Digest
	c.copied = append(c.copied, i)
	return nil
}

// segments copies what objects of their own hold, and packs that begin before `from`.
func (c *copier) segments(ctx context.Context, from, to Slot) error {
	for at, err := range c.src.ahead(ctx, c.record.Epoch, from, to) {
		if err == nil && at.segment == nil {
			err = &ObjectError{SegmentName(c.record.Epoch, from), ErrGap}
		}
		if err != nil {
			return inStore(c.src, err)
		}
		if err := c.follow(at.segment.header, at.segment.info); err != nil {
			return err
		}
		if err := c.take(ctx, at); err != nil {
			return err
		}
		from++
	}
	return c.flush(ctx)
}

// take brings one segment on its way, or has it wait for those that it goes with. Nothing
// waits while memory is asked for a segment that goes alone, which may need all of it.
func (c *copier) take(ctx context.Context, at atSlot) error {
	alone := at.segment.info.Slot >= c.settled || len(at.bytes) > worthPacking
	if alone || c.gather.full(at) {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	if err := c.pending.Acquire(ctx, weight(at)); err != nil {
		return err
	}
	if alone {
		c.single(ctx, at)
		return nil
	}
	c.gather.add(at)
	return nil
}

func weight(at atSlot) int64 { return min(int64(len(at.bytes)), copyBytes) }

// flush sends what has gathered.
func (c *copier) flush(ctx context.Context) error {
	segments, size, worth := c.gather.done()
	if !worth {
		for _, at := range segments {
			c.single(ctx, at)
		}
		return nil
	}
	if err := c.pending.Acquire(ctx, size); err != nil { // for the pack
		return err
	}
	c.group.Go(func() error {
		defer c.pending.Release(size)
		body := buildPack(segments)
		p := packOf(segments)
		segments = nil
		c.pending.Release(size)
		return c.create(ctx, p.name(), body)
	})
	return nil
}

// single sends one segment, whose memory is counted already.
func (c *copier) single(ctx context.Context, at atSlot) {
	c.group.Go(func() error {
		defer c.pending.Release(weight(at))
		return c.create(ctx, at.segment.info.Name(), at.bytes)
	})
}

func (c *copier) create(ctx context.Context, name string, body []byte) error {
	err := c.dst.create(ctx, name, body)
	if errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("%w: %w", ErrDiverged, err)
	}
	return err
}

// pack copies a whole pack, verified. What it says of itself must follow before anything
// behind it does; its bytes take their time.
func (c *copier) pack(ctx context.Context, p pack) error {
	x, err := c.src.index(ctx, p)
	if err == nil && x == nil {
		err = &ObjectError{p.name(), ErrGap}
	}
	if err != nil {
		return inStore(c.src, err)
	}
	for i := range x.entries {
		if err := c.follow(x.segmentHeader(i), x.entries[i].info); err != nil {
			return err
		}
	}
	size := min(x.size, copyBytes)
	if err := c.pending.Acquire(ctx, size); err != nil {
		return err
	}
	c.group.Go(func() error {
		defer c.pending.Release(size)
		body, y, err := c.src.wholePack(ctx, p)
		if err == nil && !slices.Equal(x.entries, y.entries) {
			err = &ObjectError{p.name(), fmt.Errorf("%w: it reads otherwise than a moment ago", ErrCorrupt)}
		}
		if err != nil {
			return inStore(c.src, err)
		}
		return c.create(ctx, p.name(), body)
	})
	return nil
}

// copyWidth is how many objects are on their way at once, and how many are read ahead; at
// most MaxPipeline. Between regions it is what hides the round trips.
const copyWidth = 32

// worthPacking: for a larger segment its bytes count and not its request, and going alone it
// need not wait for others.
const worthPacking = 256 << 10

// copyBytes bounds the bytes of segments on their way; a larger one goes alone. It is
// enough for two packs of the usual size: one gathers while one is sent.
const copyBytes = 64 << 20
