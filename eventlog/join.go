package eventlog

import (
	"context"
	"errors"
	"fmt"

	"lifeboat/internal/blob"
)

// join makes a pack of the segments that a store has, each checked to follow the one
// before.
func (o objects) join(ctx context.Context, r *epochRecord, p pack, before Position) ([]byte, error) {
	chain := chain{at: before}
	segments := make([]atSlot, 0, p.count())
	for at, err := range o.ahead(ctx, r.Epoch, p.first, p.last+1) {
		if err != nil {
			return nil, err
		}
		if at.segment == nil {
			break
		}
		if err := chain.step(at.segment.header, r); err != nil {
			return nil, err
		}
		chain.at = at.segment.info.End()
		segments = append(segments, at)
	}
	if len(segments) != p.count() {
		return nil, &ObjectError{SegmentName(r.Epoch, p.first+Slot(len(segments))), ErrGap}
	}
	return buildPack(segments), nil
}

// PlanPacks cuts segments of this log that have objects of their own, in order of their
// names, into packs as Compact does, for a store that lacks them. What must not be packed
// yet, or is not worth it (few, or large ones), is in none.
func (l *Log) PlanPacks(ctx context.Context, segments []blob.Info) (names []string, err error) {
	byEpoch := map[Epoch][]single{}
	var epochs []Epoch
	for _, i := range segments {
		e, s, _, ok := Holds(i.Name)
		if !ok || i.Name != SegmentName(e, s) {
			return nil, fmt.Errorf("plan packs: %s is not a segment", i.Name)
		}
		if byEpoch[e] == nil {
			epochs = append(epochs, e)
		}
		byEpoch[e] = append(byEpoch[e], single{slot: s, size: i.Size})
	}
	for _, e := range epochs {
		settled, err := l.settled(ctx, e)
		if errors.As(err, new(*ObjectError)) {
			continue // damaged where it says how far it goes: no packs
		}
		if err != nil {
			return nil, fmt.Errorf("plan packs: %w", err)
		}
		var below []single
		for _, s := range byEpoch[e] {
			if s.slot < settled && s.size <= worthPacking {
				below = append(below, s)
			}
		}
		for _, p := range planSmall(e, below, packLimits{}.orUsual(), true) {
			names = append(names, p.name())
		}
	}
	return names, nil
}

// settled is the slot below which an epoch's segments may be packed; see Compact.
func (l *Log) settled(ctx context.Context, e Epoch) (Slot, error) {
	this, err := l.epochRecord(ctx, e)
	if err != nil {
		return 0, err
	}
	next, _, err := l.objects.epoch(ctx, e+1)
	if err != nil {
		return 0, err
	}
	if next != nil {
		return this.slots(next), nil
	}
	return l.objects.settledOpen(ctx, e)
}

// Pack is the object with the name of a pack, made of the segments that this store has
// in any form. What comes before them may be damaged. ErrGap if one is missing.
func (l *Log) Pack(ctx context.Context, name string) ([]byte, error) {
	e, first, last, ok := Holds(name)
	p := pack{epoch: e, first: first, last: last}
	if !ok || name != p.name() {
		return nil, fmt.Errorf("make a pack: %s is not the name of one", name)
	}
	body, err := l.pack(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("make the pack %s: %w", name, err)
	}
	return body, nil
}

func (l *Log) pack(ctx context.Context, p pack) ([]byte, error) {
	r, err := l.epochRecord(ctx, p.epoch)
	if err != nil {
		return nil, err
	}
	at, err := l.objects.slot(ctx, p.epoch, p.first)
	if err != nil {
		return nil, err
	}
	if at.segment == nil {
		return nil, &ObjectError{SegmentName(p.epoch, p.first), ErrGap}
	}
	i := at.segment.info
	return l.objects.join(ctx, r, p, Position{Seq: i.First - 1, Digest: i.Prev})
}
