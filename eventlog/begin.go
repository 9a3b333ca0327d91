package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"lifeboat/internal/blob"
)

// beginner ends the epoch before and begins the next one. Every start of a writer and
// every takeover is this and nothing else; FORMAT.md has the argument why it is safe.
type beginner struct {
	// first decides: of two beginners, the one that creates the epoch here has it.
	// second may be nil: lost, or not needed.
	first, second *region
	home          *region
	record        epochRecord // writer, begun, reason, takeover
	fences        fenceRecord // by, time, reason
	newID         func() ID
	limits        packLimits // of the packs that copying makes; zero: the usual ones
	log           *slog.Logger

	copied  []SegmentInfo
	orphans []SegmentInfo
	lost    error // second could not be written to, and need not be
	lenient bool  // go on without second if it cannot be written to
}

// begun is an epoch in which nothing is written yet.
type begun struct {
	record epochRecord
	body   []byte   // of the object
	last   *Segment // the one at record.End; nil: the log is empty
}

// open begins the next epoch, at home in b.home.
func (b *beginner) open(ctx context.Context) (*begun, error) {
	heads, err := b.heads(ctx)
	if err != nil {
		return nil, err
	}
	b.record.Home = b.home.id
	lead := b.lead(heads)
	if err := b.check(heads, lead); err != nil {
		return nil, err
	}
	if lead.epoch == 0 {
		b.record.Stream, b.record.Epoch = b.newID(), 1
		return b.create(ctx, nil)
	}
	b.fences.Stream, b.record.Stream = lead.record.Stream, lead.record.Stream
	if heads, err = b.level(ctx, heads); err != nil {
		return nil, err
	}
	if err := b.adopt(ctx, heads); err != nil {
		return nil, err
	}
	last, err := b.close(ctx, heads)
	if err != nil {
		return nil, err
	}
	b.record.Epoch = lead.epoch + 1
	return b.create(ctx, last)
}

// regions are those that take part, the deciding one first.
func (b *beginner) regions() []*region {
	if b.second == nil {
		return []*region{b.first}
	}
	return []*region{b.first, b.second}
}

func (b *beginner) heads(ctx context.Context) ([]*head, error) {
	heads := make([]*head, len(b.regions()))
	group, ctx := errgroup.WithContext(ctx)
	for i, g := range b.regions() {
		fresh := b.newID()
		group.Go(func() error {
			if err := g.identify(ctx, fresh); err != nil {
				return inStore(g, err)
			}
			h, err := g.head(ctx)
			heads[i] = &h
			return inStore(g, err)
		})
	}
	return heads, group.Wait()
}

func inStore(g *region, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s store: %w", g.retry.role, err)
}

func (b *beginner) lead(heads []*head) *head {
	if len(heads) == 2 && heads[1].epoch > heads[0].epoch {
		return heads[1]
	}
	return heads[0]
}

// check refuses stores that do not belong together, and a writer whose log has moved.
func (b *beginner) check(heads []*head, lead *head) error {
	if b.second != nil && b.first.id == b.second.id {
		return fmt.Errorf("%w: both stores are the same one (%s)", ErrDiverged, b.first.id)
	}
	if lead.epoch == 0 {
		return nil
	}
	for _, h := range heads {
		if h.epoch > 0 && h.record.Stream != lead.record.Stream {
			return fmt.Errorf("%w: the %s store holds stream %s, the %s store stream %s", ErrOtherStream,
				b.first.retry.role, heads[0].record.Stream, b.second.retry.role, heads[1].record.Stream)
		}
		if h.epoch == lead.epoch && !bytes.Equal(h.bytes, lead.bytes) {
			return b.diverged(lead.epoch, heads[0].record, heads[1].record)
		}
	}
	if r := lead.record; !b.record.Takeover && r.Home != b.home.id {
		return fmt.Errorf("%w: %w to store %s at %s (epoch %d: %s); the %s store is %s. A takeover moves it back",
			ErrFenced, ErrMoved, r.Home, r.Begun.Format(timeFormat), r.Epoch, r.Reason, b.home.retry.role, b.home.id)
	}
	return nil
}

const timeFormat = "2006-01-02T15:04:05Z07:00"

func (b *beginner) diverged(e Epoch, first, second *epochRecord) error {
	return fmt.Errorf("%w: epoch %d was begun twice, in the %s store at %s (%s) and in the %s store at %s (%s); "+
		"keep one of them and give the log a new, empty store in place of the other", ErrDiverged, e,
		b.first.retry.role, first.Begun.Format(timeFormat), first.Reason,
		b.second.retry.role, second.Begun.Format(timeFormat), second.Reason)
}

// level brings the store that is epochs behind up to the newest one.
func (b *beginner) level(ctx context.Context, heads []*head) ([]*head, error) {
	if len(heads) < 2 || heads[0].epoch == heads[1].epoch {
		return heads, nil
	}
	lead, lag := 0, 1
	if heads[1].epoch > heads[0].epoch {
		lead, lag = 1, 0
	}
	err := b.bring(ctx, b.regions()[lead], b.regions()[lag], heads[lag], heads[lead].epoch)
	if lag == 1 && b.forgive(ctx, err) {
		return heads[:1], nil
	}
	if err != nil {
		return nil, err
	}
	h, err := b.regions()[lag].head(ctx)
	if err != nil {
		return nil, inStore(b.regions()[lag], err)
	}
	heads[lag] = &h
	if h.epoch != heads[lead].epoch {
		return nil, fmt.Errorf("%w: another writer began epoch %d at the same time", ErrFenced, h.epoch)
	}
	if !bytes.Equal(h.bytes, heads[lead].bytes) {
		return nil, b.diverged(h.epoch, heads[0].record, heads[1].record)
	}
	return heads, nil
}

// bring copies closed epochs from lead to lag, and the beginning of epoch `upTo`.
func (b *beginner) bring(ctx context.Context, lead, lag *region, at *head, upTo Epoch) error {
	for e := max(at.epoch, 1); e < upTo; e++ {
		this, body, err := lead.epoch(ctx, e)
		if err != nil {
			return inStore(lead, err)
		}
		next, _, err := lead.epoch(ctx, e+1)
		if err != nil {
			return inStore(lead, err)
		}
		if this == nil || next == nil {
			return inStore(lead, &ObjectError{EpochName(e), ErrGap})
		}
		t := &tail{}
		if e == at.epoch {
			if !bytes.Equal(body, at.bytes) {
				return fmt.Errorf("%w: the stores hold different beginnings of epoch %d", ErrDiverged, e)
			}
			t = &at.tail
		} else if err := b.createEpoch(ctx, lag, e, body); err != nil {
			return err
		}
		if err := b.closeLike(ctx, lead, lag, this, next, t); err != nil {
			return err
		}
	}
	_, body, err := lead.epoch(ctx, upTo)
	if err != nil {
		return inStore(lead, err)
	}
	return b.createEpoch(ctx, lag, upTo, body)
}

// slots is how many segments an epoch has that ended as the next epoch's record says.
func (r *epochRecord) slots(next *epochRecord) Slot {
	if next.End.Epoch != r.Epoch {
		return 0
	}
	return next.End.Slot + 1
}

// closeLike ends an epoch in lag as it ended in lead.
func (b *beginner) closeLike(ctx context.Context, lead, lag *region, this, next *epochRecord, t *tail) error {
	end := this.slots(next)
	if t.fence != nil && t.next < end {
		return fmt.Errorf("%w: the %s store ends epoch %d before slot %d, the %s store before slot %d",
			ErrDiverged, lag.retry.role, this.Epoch, t.next, lead.retry.role, end)
	}
	if t.next < end {
		c := copier{beginner: b, src: lead, dst: lag, record: this, settled: end}
		if err := c.copy(ctx, t.next, end); err != nil {
			return err
		}
		*t = tail{next: end}
	}
	if err := b.setAside(ctx, lag, this.Epoch, end); err != nil {
		return err
	}
	like := b.fences
	if at, err := lead.slot(ctx, this.Epoch, end); err == nil && at.fence != nil {
		like = *at.fence
	}
	return lag.fence(ctx, this.Epoch, t, like)
}

func (b *beginner) createEpoch(ctx context.Context, g *region, e Epoch, body []byte) error {
	err := g.create(ctx, EpochName(e), body)
	if errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("%w: another writer began epoch %d at the same time", ErrFenced, e)
	}
	return err
}

// both reports whether second is still written to.
func (b *beginner) both() bool { return b.second != nil && b.lost == nil }

// adopt gives each store the segments of the newest epoch that only the other has, so
// that as little as possible of what was never acknowledged is set aside.
func (b *beginner) adopt(ctx context.Context, heads []*head) error {
	if b.both() {
		if err := b.adoptFrom(ctx, b.second, b.first, heads[1], heads[0]); err != nil {
			return err
		}
		if err := b.adoptFrom(ctx, b.first, b.second, heads[0], heads[1]); err != nil {
			return err
		}
	}
	for i, h := range heads {
		if h.lost != nil && (i == 0 || b.both()) {
			return inStore(b.regions()[i], h.lost)
		}
	}
	return nil
}

func (b *beginner) adoptFrom(ctx context.Context, src, dst *region, from, to *head) error {
	for to.fence == nil && to.next < from.next {
		settled, err := src.settled(ctx, from.epoch, from.next)
		if err != nil {
			return inStore(src, err)
		}
		c := copier{beginner: b, src: src, dst: dst, record: to.record, settled: settled}
		err = c.copy(ctx, to.next, from.next)
		if dst == b.second && b.forgive(ctx, err) {
			return nil
		}
		if err != nil {
			return err
		}
		if to.tail, err = dst.tail(ctx, to.epoch); err != nil {
			return inStore(dst, err)
		}
	}
	return nil
}

// forgive notes that second cannot be written to, if the beginner can do without.
func (b *beginner) forgive(ctx context.Context, err error) bool {
	if err == nil || !b.lenient || ctx.Err() != nil || errors.Is(err, ErrDiverged) || errors.Is(err, ErrFenced) {
		return false
	}
	if errors.Is(err, errUnreachable) || errors.Is(err, blob.ErrPermanent) {
		b.lost = err
		b.log.Warn("old store cannot be written to; it is left as it is", "err", err)
		return true
	}
	return false
}

// close fences the newest epoch in both stores and settles where it ended. The old
// writer can be acknowledged for nothing that is not in both stores before both fences.
func (b *beginner) close(ctx context.Context, heads []*head) (*Segment, error) {
	e := heads[0].epoch
	if b.both() {
		// Second first: what it got meanwhile can then still be saved to first.
		if err := b.second.fence(ctx, e, &heads[1].tail, b.likeFence(heads)); err != nil && !b.forgive(ctx, err) {
			return nil, err
		}
		if err := b.adoptFrom(ctx, b.second, b.first, heads[1], heads[0]); err != nil {
			return nil, err
		}
	}
	if err := b.first.fence(ctx, e, &heads[0].tail, b.likeFence(heads)); err != nil {
		return nil, err
	}
	end := heads[0].next
	if b.both() {
		end = min(end, heads[1].next)
	}
	last, at, err := b.first.position(ctx, heads[0].record, end)
	if err != nil {
		return nil, inStore(b.first, err)
	}
	b.record.End = at
	if b.both() {
		if _, other, err := b.second.position(ctx, heads[1].record, end); err != nil || other != at {
			return nil, errors.Join(fmt.Errorf("%w: epoch %d ends at %v in the %s store, at %v in the %s store",
				ErrDiverged, e, at, b.first.retry.role, other, b.second.retry.role), err)
		}
	}
	for _, g := range b.regions() {
		if err := b.setAside(ctx, g, e, end); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// likeFence is the fence to use: the one that a store has, or a new one.
func (b *beginner) likeFence(heads []*head) fenceRecord {
	for _, h := range heads {
		if h.fence != nil {
			return *h.fence
		}
	}
	return b.fences
}

// setAside reports what a store has of an epoch beyond its end.
func (b *beginner) setAside(ctx context.Context, g *region, e Epoch, end Slot) error {
	infos, err := g.orphans(ctx, e, end)
	if err != nil {
		return inStore(g, err)
	}
	for _, i := range infos {
		b.log.Warn("set aside a segment that was never acknowledged", "store", g.retry.role,
			"object", i.Name(), "first", i.First, "last", i.Last)
	}
	b.orphans = append(b.orphans, infos...)
	return nil
}

// create begins the epoch in the stores, the deciding one first.
func (b *beginner) create(ctx context.Context, last *Segment) (*begun, error) {
	body, err := encodeControl(magicEpoch, b.record)
	if err != nil {
		return nil, err
	}
	start := &begun{record: b.record, body: body, last: last}
	if err := b.createEpoch(ctx, b.first, b.record.Epoch, body); err != nil {
		return nil, err
	}
	if !b.both() {
		return start, nil
	}
	if err := b.createEpoch(ctx, b.second, b.record.Epoch, body); err != nil && !b.forgive(ctx, err) {
		return nil, err
	}
	return start, nil
}

// join makes second hold what first has up to the beginning of an epoch that began
// without second.
func (b *beginner) join(ctx context.Context, record epochRecord, body []byte) error {
	if err := b.second.identify(ctx, b.newID()); err != nil {
		return inStore(b.second, err)
	}
	h, err := b.second.head(ctx)
	if err != nil {
		return inStore(b.second, err)
	}
	switch {
	case b.first.id == b.second.id:
		return fmt.Errorf("%w: both stores are the same one (%s)", ErrDiverged, b.first.id)
	case h.epoch > 0 && h.record.Stream != record.Stream:
		return fmt.Errorf("%w: the %s store holds stream %s", ErrOtherStream, b.second.retry.role, h.record.Stream)
	case h.epoch > record.Epoch || h.epoch == record.Epoch && !bytes.Equal(h.bytes, body):
		return fmt.Errorf("%w: in the %s store epoch %d was begun by another writer", ErrFenced, b.second.retry.role, record.Epoch)
	case h.epoch == record.Epoch:
		return nil
	}
	return b.bring(ctx, b.first, b.second, &h, record.Epoch)
}
