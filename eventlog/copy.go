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

// copy makes slots [from, to) of an epoch in dst what they are in src, checking that
// they follow what dst has before them. Packs are copied as packs.
func (b *beginner) copy(ctx context.Context, src, dst *region, r *epochRecord, from, to Slot) error {
	_, before, err := dst.position(ctx, r, from)
	if err != nil {
		return inStore(dst, err)
	}
	packs, err := src.packs(ctx, r.Epoch)
	if err != nil {
		return inStore(src, err)
	}
	packs = slices.DeleteFunc(packs, func(p pack) bool { return p.first < from || p.last >= to })
	c := &copier{beginner: b, src: src, dst: dst, record: r, prev: before.Digest}
	for err == nil && from < to {
		p, next := cover(packs, from)
		if p != nil && p.first == from {
			err, from = c.pack(ctx, *p), p.last+1
			continue
		}
		next = min(next, to)
		err, from = c.segments(ctx, from, next), next
	}
	return err
}

// copier copies what follows prev.
type copier struct {
	*beginner
	src, dst *region
	record   *epochRecord
	prev     Digest
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

func (c *copier) segments(ctx context.Context, from, to Slot) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(copyWidth)
	memory := semaphore.NewWeighted(copyBytes)
	for at, err := range c.src.ahead(gctx, c.record.Epoch, from, to) {
		if err == nil && at.segment == nil {
			err = &ObjectError{SegmentName(c.record.Epoch, from), ErrGap}
		}
		if err != nil {
			return errors.Join(inStore(c.src, err), group.Wait())
		}
		from++
		info := at.segment.info
		if err := c.follow(at.segment.header, info); err != nil {
			return errors.Join(err, group.Wait())
		}
		weight := min(int64(len(at.bytes)), copyBytes)
		if err := memory.Acquire(gctx, weight); err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error {
			defer memory.Release(weight)
			return c.create(gctx, info.Name(), at.bytes)
		})
	}
	return group.Wait()
}

func (c *copier) create(ctx context.Context, name string, body []byte) error {
	err := c.dst.create(ctx, name, body)
	if errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("%w: %w", ErrDiverged, err)
	}
	return err
}

// pack copies a whole pack, verified.
func (c *copier) pack(ctx context.Context, p pack) error {
	body, x, err := c.src.wholePack(ctx, p)
	if err != nil {
		return inStore(c.src, err)
	}
	for i := range x.entries {
		if err := c.follow(x.segmentHeader(i), x.entries[i].info); err != nil {
			return err
		}
	}
	return c.create(ctx, p.name(), body)
}

// copyWidth is how many objects are on their way at once; at most MaxPipeline.
const copyWidth = 16

// copyBytes bounds the bytes of segments on their way; a larger one goes alone.
const copyBytes = 64 << 20
