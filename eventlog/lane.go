package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat/internal/blob"
)

// lane brings segments to one store and counts what the store has without a gap. Its
// fields are guarded by Writer.mu.
type lane struct {
	region *region
	joined bool              // the store has the epoch and everything before it
	next   Slot              // to be sent
	done   Slot              // all slots below are in the store
	acked  map[Slot]Position // in the store, behind a slot that is not yet
	end    Position          // of slot done-1
	since  time.Time         // how long the oldest unanswered slot waits; zero: none does
}

func newLane(g *region, joined bool, end Position) *lane {
	return &lane{region: g, joined: joined, acked: make(map[Slot]Position), end: end}
}

// run closes builders and hands them to the lanes, one after the other: each segment
// names the one before it.
func (w *Writer) run() {
	for w.ctx.Err() == nil {
		w.mu.Lock()
		b := w.take()
		left := w.patienceLeft()
		w.mu.Unlock()
		if b != nil {
			w.send(b)
			continue
		}
		w.idle(left)
	}
}

// idle waits until there is something to do. left is when patience with the mirror ends.
func (w *Writer) idle(left time.Duration) {
	var timeout <-chan time.Time
	if left > 0 {
		t := time.NewTimer(left)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-w.kick:
	case <-timeout:
	case <-w.ctx.Done():
	}
}

// due reports whether there is something that should be sent now: while segments are
// under way, small ones gather. When an answer has come, those who waited for it tend to
// come back at once with their next transaction: a segment that left before they run again
// would have them wait for the whole of it.
func (w *Writer) due() bool {
	if len(w.queue) == 0 || w.err != nil || w.progress.waking > 0 {
		return false
	}
	under, behind := w.underWay(w.local)
	if !w.degraded {
		u, b := w.underWay(w.mirror)
		under, behind = max(under, u), max(behind, b)
	}
	ready := w.queue[0].closed || w.queue[0].bytes >= w.cfg.PipelineBytes
	return under == 0 || ready && under < w.cfg.Pipeline && behind < w.window()
}

// window is how many slots there may be from the first unanswered one on.
func (w *Writer) window() int { return min(4*w.cfg.Pipeline, MaxPipeline) }

// underWay counts the slots that a store has not answered for, and those from the first of
// them on: answers come in any order, and one that is late need not stop the others at
// once. What is behind it stays in memory, though, and the format bounds it.
func (w *Writer) underWay(l *lane) (unanswered, behind int) {
	behind = int(w.sent - l.done)
	return behind - len(l.acked), behind
}

// take returns the next builder to send, closed, or nil if it is better to wait.
func (w *Writer) take() *builder {
	if !w.due() {
		return nil
	}
	w.closeOpen()
	b := w.queue[0]
	w.queue = w.queue[1:]
	w.sealing = b
	b.header.prev, b.header.floor = w.sentEnd.Digest, w.durableSlots
	return b
}

// send hands a segment to the lanes and seals it while they get going: on an idle machine
// it takes a processor longer to wake up.
func (w *Writer) send(b *builder) {
	bytes := b.bytes
	it := &item{info: b.header.info(), sealed: make(chan struct{})}
	w.mu.Lock()
	w.items[b.header.slot] = it
	w.sent++
	w.pump(w.local)
	w.pump(w.mirror)
	w.mu.Unlock()
	body, digest := b.seal(w.enc)
	w.mu.Lock()
	defer w.mu.Unlock()
	it.body, it.info = body, b.header.info()
	it.info.Digest = digest
	close(it.sealed)
	b.end = it.info.End()
	w.sentEnd, w.sealing = b.end, nil
	w.queued -= bytes
	w.space.all()
}

// pump sends what may be sent now.
func (w *Writer) pump(l *lane) {
	if w.err != nil {
		return
	}
	if l.since.IsZero() && l.done < w.sent {
		l.since = time.Now()
		w.wake()
	}
	width := Slot(max(w.cfg.Pipeline, copyWidth))
	for l.joined && l.next < w.sent && l.next < l.done+width {
		slot, it := l.next, w.items[l.next]
		l.next++
		w.group.Go(func() { w.deliver(l, slot, it) })
	}
}

// deliver makes one segment one object, however long it takes.
func (w *Writer) deliver(l *lane, s Slot, it *item) {
	ctx, name := w.ctx, SegmentName(w.record.Epoch, s)
	if it == nil { // let go of in degraded mode
		at, err := w.local.region.slot(ctx, w.record.Epoch, s)
		if err == nil && at.segment == nil {
			err = &ObjectError{name, fmt.Errorf("%w: the local store had it", ErrGap)}
		}
		if err != nil {
			w.fail(err)
			return
		}
		it = &item{info: at.segment.info, body: at.bytes}
	} else {
		<-it.sealed
	}
	err := l.region.create(ctx, name, it.body)
	if errors.Is(err, blob.ErrExists) {
		err = w.conflict(ctx, l, s)
	}
	if err != nil {
		w.fail(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ack(l, s, it.info.End())
}

// fail stops the writer, unless it was stopped and the error is only an echo of that.
func (w *Writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() == nil {
		w.cfg.Log.Error("the log writer stopped", "epoch", w.record.Epoch, "err", err)
	}
	w.stop(err)
}

// conflict tells who has taken a slot of this epoch.
func (w *Writer) conflict(ctx context.Context, l *lane, s Slot) error {
	at, err := l.region.slot(ctx, w.record.Epoch, s)
	if ctx.Err() != nil {
		return err
	}
	if f := at.fence; f != nil {
		return fmt.Errorf("%w: in the %s store epoch %d was ended before slot %d at %s (%s)",
			ErrFenced, l.region.retry.role, f.Epoch, f.Slot, f.Time.Format(timeFormat), f.Reason)
	}
	return fmt.Errorf("%w: the %s store has other bytes at %s", ErrFenced, l.region.retry.role, SegmentName(w.record.Epoch, s))
}

// ack counts an answer.
func (w *Writer) ack(l *lane, s Slot, end Position) {
	l.acked[s] = end
	for {
		end, ok := l.acked[l.done]
		if !ok {
			break
		}
		delete(l.acked, l.done)
		l.end, l.done = end, l.done+1
		l.since = time.Time{}
	}
	least := w.local
	if w.mirror.done < least.done {
		least = w.mirror
	}
	if least.done > w.durableSlots {
		w.durableSlots, w.durable, w.durableAt = least.done, least.end, w.cfg.Clock().UTC()
		w.progress.all()
	}
	if w.degraded { // then the local store's answers are what waits end with
		w.progress.all()
	}
	if w.degraded && l == w.mirror && w.sent-l.done <= Slot(w.window()) {
		w.heal()
	}
	w.free()
	w.pump(w.local)
	w.pump(w.mirror)
	w.wake()
}

// free lets go of segments that need not be sent again from memory. In degraded mode
// the mirror gets them from the local store, however long it is away.
func (w *Writer) free() {
	keep := w.durableSlots
	if w.degraded {
		keep = w.local.done
	}
	for ; w.freed < keep; w.freed++ {
		it := w.items[w.freed]
		if w.freed >= w.durableSlots && w.exposedFrom.IsZero() && it.info.Transactions() > 0 {
			w.exposedFrom = it.info.FirstTime
		}
		delete(w.items, w.freed)
	}
	switch {
	case w.exposedFrom.IsZero():
	case w.durableSlots >= w.freed:
		w.exposedFrom = time.Time{}
	case w.durable.Time.After(w.exposedFrom):
		w.exposedFrom = w.durable.Time
	}
}

// patienceLeft is how long the mirror may still take; degraded mode begins when it is
// used up. 0: for ever.
func (w *Writer) patienceLeft() time.Duration {
	if w.cfg.OnMirrorLoss != Degrade || w.degraded || w.mirror.since.IsZero() || w.err != nil {
		return 0
	}
	left := w.cfg.Patience - time.Since(w.mirror.since)
	if left <= 0 {
		w.degrade("no answer for " + w.cfg.Patience.String())
		return 0
	}
	return left
}

func (w *Writer) degrade(why string) {
	w.degraded = true
	w.cfg.Log.Warn("going on without the mirror", "epoch", w.record.Epoch, "seq", w.last, "why", why)
	w.remark(&Note{Kind: NoteDegraded, Text: why})
	w.free()
	w.progress.all()
	w.wake()
}

func (w *Writer) heal() {
	w.degraded = false
	w.cfg.Log.Info("the mirror has caught up", "epoch", w.record.Epoch, "seq", w.last)
	w.remark(&Note{Kind: NoteHealed, Text: fmt.Sprintf("the mirror has everything up to transaction %d", w.mirror.end.Seq)})
}

// remark puts a note of the writer's own into the log.
func (w *Writer) remark(n *Note) {
	if w.open() == nil {
		w.newBuilder()
	}
	b := w.open()
	before := b.bytes
	b.note(w.stamp(time.Time{}), n)
	w.queued += b.bytes - before
}
