package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"lifeboat/internal/blob"
)

// objects reads the objects of a log in one store, and knows nothing of their order.
type objects struct {
	store blob.Store
	retry *retrier // nil: a failure is final
	// decoder is shared by the segments read; it keeps no state between blocks.
	decoder func() (*zstd.Decoder, error)
	width   int // objects that are fetched at once
}

func newObjects(store blob.Store, r *retrier) objects {
	return objects{store: store, retry: r, decoder: sync.OnceValues(newDecoder), width: aheadWidth}
}

// try does one request that moves at most so many bytes, again and again if there is a
// retrier.
func (o objects) try(ctx context.Context, what string, bytes int64, f func(context.Context) error) error {
	if o.retry == nil {
		return f(ctx)
	}
	return o.retry.do(ctx, what, bytes, f)
}

// atSlot is what a slot holds: exactly one of segment and fence, or neither.
type atSlot struct {
	segment *Segment
	fence   *fenceRecord
	bytes   []byte // of the object
}

func (o atSlot) empty() bool { return o.segment == nil && o.fence == nil }

// firstRead is how much of an object is asked for at once: nearly every segment whole.
const firstRead = 1 << 20

// get returns the whole object, or nil if there is none. The size that an object
// declares is checked before more than firstRead bytes are taken into memory.
func (o objects) get(ctx context.Context, name string) ([]byte, error) {
	b, err := o.ranged(ctx, name, 0, firstRead)
	if err != nil || len(b) < firstRead {
		return b, err
	}
	return o.rest(ctx, name, b)
}

// remainder is how many bytes may follow the first firstRead of an object, and one.
func remainder(b []byte) int64 {
	limit := int64(maxControlBytes + preambleLen + digestLen)
	if h, err := parseHeader(b); err == nil {
		limit = h.size()
	}
	return max(limit-firstRead, 0) + 1
}

// rest completes an object of which b is the beginning.
func (o objects) rest(ctx context.Context, name string, b []byte) ([]byte, error) {
	rest, err := o.ranged(ctx, name, firstRead, remainder(b))
	if err != nil {
		return nil, err
	}
	if rest == nil {
		return nil, &ObjectError{name, ErrGap} // gone between two reads
	}
	return slices.Concat(b, rest), nil
}

// ranged reads at most n bytes; nil if there is no such object.
func (o objects) ranged(ctx context.Context, name string, off, n int64) (b []byte, err error) {
	err = o.try(ctx, "read "+name, n, func(ctx context.Context) error {
		r, err := o.store.Get(ctx, name, off, n)
		if err == nil {
			defer r.Close()
			buf := bytes.NewBuffer(make([]byte, 0, 4096))
			_, err = buf.ReadFrom(io.LimitReader(r, n))
			b = buf.Bytes()
		}
		return err
	})
	switch {
	case errors.Is(err, blob.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}

// list returns the names with a prefix, cut off after a limit (negative: none).
func (o objects) list(ctx context.Context, prefix, after string, limit int) (names []string, err error) {
	err = o.try(ctx, "list "+prefix, firstRead, func(ctx context.Context) error {
		names = names[:0]
		for info, err := range o.store.List(ctx, prefix, after) {
			if err != nil {
				return err
			}
			if names = append(names, strings.TrimPrefix(info.Name, prefix)); len(names) == limit {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	return names, nil
}

// slot reads what is at a slot, from an object of its own or from a pack. Damage is an
// ObjectError. A segment in a pack counts for more than a fence under the slot's own name:
// whoever made that fence had not seen the pack.
func (o objects) slot(ctx context.Context, e Epoch, s Slot) (atSlot, error) {
	at, err := o.single(ctx, e, s)
	if at.segment != nil || err != nil && !errors.As(err, new(*ObjectError)) {
		return at, err
	}
	packed, perr := o.fromPack(ctx, e, s)
	if packed.empty() && err != nil || perr == nil && packed.empty() {
		return at, err
	}
	return packed, perr
}

// single reads a slot from an object of its own.
func (o objects) single(ctx context.Context, e Epoch, s Slot) (atSlot, error) {
	b, err := o.get(ctx, SegmentName(e, s))
	if err != nil || b == nil {
		return atSlot{}, err
	}
	return o.whole(b, e, s)
}

// whole decodes a slot's whole object. Damage is an ObjectError.
func (o objects) whole(b []byte, e Epoch, s Slot) (atSlot, error) {
	at, err := o.parse(b, e, s)
	if err != nil {
		return atSlot{}, &ObjectError{SegmentName(e, s), err}
	}
	return at, nil
}

// parse decodes what was read from a slot.
func (o objects) parse(b []byte, e Epoch, s Slot) (atSlot, error) {
	magic, _, err := parsePreamble(b)
	if err != nil {
		return atSlot{}, err
	}
	if magic == magicFence {
		f, err := decodeFence(b, e, s)
		return atSlot{fence: f, bytes: b}, err
	}
	seg, err := parseSegment(b, e, s)
	if err != nil {
		return atSlot{}, err
	}
	seg.decoder = o.decoder
	return atSlot{segment: seg, bytes: b}, nil
}

// header reads the header at a slot by a short read; nil if there is no object or a fence.
func (o objects) header(ctx context.Context, e Epoch, s Slot) (*header, error) {
	name := SegmentName(e, s)
	b, err := o.ranged(ctx, name, 0, headerLen)
	if err != nil {
		return nil, err
	}
	magic, _, err := parsePreamble(b)
	if b == nil || err == nil && magic == magicFence {
		at, err := o.fromPack(ctx, e, s)
		if at.segment == nil || err != nil {
			return nil, err
		}
		return at.segment.header, nil
	}
	var h *header
	if err == nil {
		h, err = parseHeader(b)
	}
	if err == nil && (h.epoch != e || h.slot != s) {
		err = fmt.Errorf("%w: says it is %s", ErrCorrupt, SegmentName(h.epoch, h.slot))
	}
	if err != nil {
		return nil, &ObjectError{name, err}
	}
	return h, nil
}

// epoch reads the object that begins an epoch; nil if there is none.
func (o objects) epoch(ctx context.Context, e Epoch) (*epochRecord, []byte, error) {
	b, err := o.get(ctx, EpochName(e))
	if err != nil || b == nil {
		return nil, nil, err
	}
	r, err := decodeEpoch(b, e)
	if err != nil {
		return nil, nil, &ObjectError{EpochName(e), err}
	}
	return r, b, nil
}

// epochs lists the epochs that have begun, in order. Names that mean nothing here are
// left to Verify.
func (o objects) epochs(ctx context.Context) ([]Epoch, error) {
	names, err := o.list(ctx, epochPrefix, "", -1)
	if err != nil {
		return nil, err
	}
	var epochs []Epoch
	for _, name := range names {
		if e, err := ParseEpoch(name); err == nil {
			epochs = append(epochs, e)
		}
	}
	return epochs, nil
}

// slotsFrom lists the slots that are taken, from a slot on, at most limit of them.
func (o objects) slotsFrom(ctx context.Context, e Epoch, from Slot, limit int) ([]Slot, error) {
	prefix, after := logPrefix+e.String()+"/", ""
	if from > 0 {
		after = SegmentName(e, from-1)
	}
	names, err := o.list(ctx, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	var slots []Slot
	for _, name := range names {
		if s, err := ParseSlot(name); err == nil {
			slots = append(slots, s)
		}
	}
	return slots, nil
}

// firstLook is how many names are listed from the beginning before the end of an epoch is
// looked for by halves: stores answer thousands in one request, and an epoch that is
// compacted has no more.
const firstLook = 20_000

// lastSlot finds the highest slot taken in an epoch, if there are many by listings of one
// name each: an epoch of a year has tens of millions. ok is false for none.
func (o objects) lastSlot(ctx context.Context, e Epoch) (last Slot, ok bool, err error) {
	beyond := func(s Slot) (Slot, bool) { // the first one taken from s on
		if err != nil {
			return 0, false
		}
		var slots []Slot
		slots, err = o.slotsFrom(ctx, e, s, 1)
		if len(slots) == 0 {
			return 0, false
		}
		return slots[0], true
	}
	names, err := o.list(ctx, logPrefix+e.String()+"/", "", firstLook)
	for _, name := range names {
		if s, perr := ParseSlot(name); perr == nil {
			last, ok = s, true
		}
	}
	if err != nil || len(names) < firstLook || !ok {
		return last, ok, err
	}
	const most = 1 << 53 // a slot has 16 decimal digits
	step := Slot(MaxPipeline)
	for step < most {
		next, more := beyond(last + step)
		if !more {
			break
		}
		last, step = next, step*2
	}
	// Nothing from last+step on; something at last.
	n := sort.Search(int(step)-1, func(i int) bool {
		_, more := beyond(last + 1 + Slot(i))
		return !more
	})
	return last + Slot(n), true, err
}

// tail is where an epoch ends in one store.
type tail struct {
	next  Slot         // the first slot after the log's segments: free, or the fence's
	fence *fenceRecord // at next; nil: still open
	// lost: an object is missing at next that was once in both stores; ErrGap.
	lost error
}

// tail finds the end of an epoch that no later epoch has settled.
func (o objects) tail(ctx context.Context, e Epoch) (tail, error) {
	last, ok, err := o.lastSlot(ctx, e)
	if err != nil {
		return tail{}, err
	}
	packs, err := o.packs(ctx, e)
	if err != nil || !ok && len(packs) == 0 {
		return tail{}, err
	}
	var from Slot
	if reach := Slot(maxAhead + 3*MaxPipeline); last > reach { // fences, and what was under way then
		from = last - reach
	}
	taken, err := o.slotsFrom(ctx, e, from, -1)
	if err != nil {
		return tail{}, err
	}
	t, all := tail{next: from}, taken
	for {
		if len(taken) > 0 && taken[0] <= t.next {
			t.next, taken = max(t.next, taken[0]+1), taken[1:]
		} else if p, _ := cover(packs, t.next); p != nil {
			t.next = p.last + 1
		} else {
			break
		}
	}
	if t.lost, err = o.checkHole(ctx, e, t.next, taken); err != nil {
		return tail{}, err
	}
	return o.findFence(ctx, e, all, t)
}

// findFence looks for a fence among the last contiguous slots: what a writer had under
// way when it was fenced may stand behind the fence. taken are the slots with objects of
// their own.
func (o objects) findFence(ctx context.Context, e Epoch, taken []Slot, t tail) (tail, error) {
	taken = slices.DeleteFunc(taken, func(s Slot) bool { return s >= t.next || s+2*MaxPipeline < t.next })
	for b, err := range prefetch(ctx, o.width, slices.Values(taken), func(ctx context.Context, s Slot) ([]byte, error) {
		return o.ranged(ctx, SegmentName(e, s), 0, preambleLen)
	}) {
		if err != nil {
			return tail{}, err
		}
		s := taken[0]
		taken = taken[1:]
		if magic, _, err := parsePreamble(b); err != nil || magic != magicFence {
			continue // damage to a segment is found by whoever reads it
		}
		found, err := o.slot(ctx, e, s)
		if err != nil {
			return tail{}, err
		}
		if found.fence != nil {
			return tail{next: s, fence: found.fence}, nil
		}
	}
	return t, nil
}

// settledOpen is settled of an epoch that is open, up to its last segment.
func (o objects) settledOpen(ctx context.Context, e Epoch) (Slot, error) {
	t, err := o.tail(ctx, e)
	if err != nil {
		return 0, err
	}
	return o.settled(ctx, e, t.next)
}

// settled is how far an open epoch, which has segments up to next, is known to be in both
// stores: no writer can still write these slots, and no fence come before them.
func (o objects) settled(ctx context.Context, e Epoch, next Slot) (Slot, error) {
	if next == 0 {
		return 0, nil
	}
	h, err := o.header(ctx, e, next-1)
	if err != nil || h == nil {
		return 0, err
	}
	return h.floor, nil
}

// checkHole tells a slot that was never written from one that is lost. A writer has at
// most MaxPipeline slots under way, and every segment says below which slot all were in
// both stores when it was made. A fence is put at the first free slot, so nothing before
// it may be missing, unless it says that it was put ahead.
func (o objects) checkHole(ctx context.Context, e Epoch, hole Slot, behind []Slot) (lost, err error) {
	for _, s := range behind {
		at, err := o.slot(ctx, e, s)
		var damage *ObjectError
		if err != nil && !errors.As(err, &damage) {
			return nil, err
		}
		fenced := at.fence != nil && !at.fence.Ahead
		written := at.segment != nil && (at.segment.header.floor > hole || s >= hole+MaxPipeline)
		if fenced || written {
			return &ObjectError{SegmentName(e, hole), fmt.Errorf("%w: %s exists", ErrGap, SegmentName(e, s))}, nil
		}
	}
	return nil, nil
}
