package eventlog

import (
	"context"
	"errors"
	"fmt"

	"lifeboat/internal/blob"
)

// region is one store in the hands of whoever begins an epoch.
type region struct {
	objects
	id ID
}

// head is the newest epoch that a store knows of. The zero head: no log at all.
type head struct {
	epoch  Epoch
	record *epochRecord
	bytes  []byte // of the record
	tail
}

func newRegion(store blob.Store, r *retrier) *region {
	g := &region{objects: newObjects(store, r)}
	g.width = copyWidth
	return g
}

// create stores an object, trying again until the outcome is known.
func (g *region) create(ctx context.Context, name string, body []byte) error {
	err := g.retry.do(ctx, "create "+name, int64(len(body)), func(ctx context.Context) error {
		return g.store.Create(ctx, name, body)
	})
	if err != nil {
		return fmt.Errorf("create %s in the %s store: %w", name, g.retry.role, err)
	}
	return nil
}

// identify reads the store's identity, giving it one the first time.
func (g *region) identify(ctx context.Context, fresh ID) error {
	for {
		b, err := g.get(ctx, storeName)
		if err != nil {
			return err
		}
		if b != nil {
			var r storeRecord
			if err := decodeControl(b, magicStore, &r); err != nil {
				return &ObjectError{storeName, err}
			}
			g.id = r.Store
			return nil
		}
		if b, err = encodeControl(magicStore, storeRecord{fresh}); err != nil {
			return err
		}
		if err := g.create(ctx, storeName, b); err != nil && !errors.Is(err, blob.ErrExists) {
			return err
		}
	}
}

// head finds the newest epoch and its end.
func (g *region) head(ctx context.Context) (h head, err error) {
	epochs, err := g.epochs(ctx)
	if err != nil {
		return head{}, err
	}
	for _, e := range epochs {
		if h.epoch++; e != h.epoch {
			return head{}, &ObjectError{EpochName(h.epoch), ErrGap}
		}
	}
	if err := g.noStray(ctx, h.epoch); err != nil {
		return head{}, err
	}
	if h.epoch == 0 {
		return head{}, nil
	}
	if h.record, h.bytes, err = g.objects.epoch(ctx, h.epoch); err != nil {
		return head{}, err
	}
	if h.record == nil {
		return head{}, &ObjectError{EpochName(h.epoch), ErrGap}
	}
	h.tail, err = g.objects.tail(ctx, h.epoch)
	return h, err
}

// noStray makes sure that nothing was written under an epoch later than the last: an
// epoch begins before its first segment, so that would be an epoch's record lost.
func (o objects) noStray(ctx context.Context, last Epoch) error {
	stray, err := o.list(ctx, logPrefix, SegmentName(last, maxSlot), 1)
	if err != nil || len(stray) == 0 {
		return err
	}
	// The caller may have listed the epochs before this one began.
	begun, err := o.get(ctx, EpochName(last+1))
	if err != nil || begun != nil {
		return err
	}
	return &ObjectError{EpochName(last + 1), fmt.Errorf("%w: %s exists", ErrGap, logPrefix+stray[0])}
}

// fence ends an epoch in this store: at t.next, or behind what has been written there
// meanwhile. t is moved on accordingly. like is the other store's fence, used again where
// it fits so that both stores hold the same bytes.
//
// A live writer may be faster: whenever we know its next slot, it has taken it. Then a
// fence is put some way ahead, which it cannot pass, so that the chase ends.
func (g *region) fence(ctx context.Context, e Epoch, t *tail, like fenceRecord) error {
	ahead, distance := false, Slot(MaxPipeline)
	for try := 0; t.fence == nil; try++ {
		found, err := g.place(ctx, e, t.next, like)
		if err != nil {
			return err
		}
		if t.fence = found; found != nil {
			return nil
		}
		if t.next++; try < patientTries {
			continue
		}
		if !ahead {
			at := like
			at.Ahead = true
			if found, err = g.place(ctx, e, t.next+distance, at); err != nil {
				return err
			}
			ahead, distance = found != nil, min(4*distance, maxAhead)
		}
		if *t, err = g.tail(ctx, e); err == nil {
			err = t.lost
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	// patientTries: a writer that is gone had at most this many slots written unseen.
	patientTries = 3
	// maxAhead bounds the distance of a fence put ahead: some seconds of a fast writer.
	maxAhead = 64 * MaxPipeline
)

// place creates a fence at a slot, or returns the one that is there; nil if the slot has
// a segment, under its own name or in a pack.
func (g *region) place(ctx context.Context, e Epoch, s Slot, like fenceRecord) (*fenceRecord, error) {
	like.Epoch, like.Slot = e, s
	body, err := encodeControl(magicFence, like)
	if err != nil {
		return nil, err
	}
	if err := g.create(ctx, SegmentName(e, s), body); err != nil && !errors.Is(err, blob.ErrExists) {
		return nil, err
	}
	// Read back also what was created: the slot's segment may be in a pack by now, and its
	// own object be gone.
	at, err := g.slot(ctx, e, s)
	if err == nil && at.empty() {
		err = &ObjectError{SegmentName(e, s), fmt.Errorf("%w: the store answered that it is there", ErrGap)}
	}
	return at.fence, err
}

// position is the end of the log at a slot of an epoch: that of the segment before it.
func (g *region) position(ctx context.Context, r *epochRecord, next Slot) (*Segment, Position, error) {
	at := r.End
	if next > 0 {
		at = Position{Epoch: r.Epoch, Slot: next - 1}
	} else if r.End.IsZero() {
		return nil, Position{}, nil
	}
	o, err := g.slot(ctx, at.Epoch, at.Slot)
	if err != nil {
		return nil, Position{}, err
	}
	if o.segment == nil {
		return nil, Position{}, &ObjectError{SegmentName(at.Epoch, at.Slot), ErrGap}
	}
	end := o.segment.info.End()
	if next == 0 && end != r.End {
		return nil, Position{}, &ObjectError{SegmentName(at.Epoch, at.Slot),
			fmt.Errorf("%w: %s ends at %v, here it ends at %v", ErrDiverged, EpochName(r.Epoch), r.End, end)}
	}
	return o.segment, end, nil
}

// orphans describes the segments at and behind a slot, which the log has left aside.
// One that proves the slot before it was durable shows that the log has lost data.
func (g *region) orphans(ctx context.Context, e Epoch, end Slot) ([]SegmentInfo, error) {
	slots, err := g.slotsFrom(ctx, e, end, -1)
	if err != nil {
		return nil, err
	}
	var infos []SegmentInfo
	for _, s := range slots {
		at, err := g.slot(ctx, e, s)
		if err != nil {
			return nil, err
		}
		if at.segment == nil {
			continue
		}
		if floor := at.segment.header.floor; floor > end {
			return nil, &ObjectError{SegmentName(e, s), fmt.Errorf(
				"%w: both stores had everything before slot %d, now the log ends before slot %d", ErrDiverged, floor, end)}
		}
		infos = append(infos, at.segment.info)
	}
	return infos, nil
}

// maxSlot sorts behind every slot: names have 16 digits.
const maxSlot Slot = 9_999_999_999_999_999
