package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"lifeboat/internal/database"
)

// Frontier is how far the log has got.
type Frontier struct {
	Epoch     Epoch     `json:"epoch"`
	Committed Seq       `json:"committed"`  // appended; assigned a Seq
	Local     Seq       `json:"local"`      // in the local store
	Durable   Seq       `json:"durable"`    // in both stores
	DurableAt time.Time `json:"durable_at"` // UTC; when End last moved
	End       Position  `json:"end"`        // of the last segment in both stores
	Degraded  bool      `json:"degraded"`
	// Exposed counts the transactions that are appended and not durable. ExposedSince is
	// the time of the oldest of them, or in degraded mode at most a segment earlier;
	// zero if there is none.
	Exposed      uint64    `json:"exposed"`
	ExposedSince time.Time `json:"exposed_since"`
}

// Writer appends to the log. It is safe for concurrent use.
//
// Transactions gather in a builder while segments are under way; when the stores have
// answered (or enough has gathered) the builder is closed, compressed and sent to both
// stores at once. Two lanes, one for each store, count what the store holds without a
// gap; what both hold is durable.
type Writer struct {
	cfg    WriterConfig
	record epochRecord
	enc    *zstd.Encoder

	ctx    context.Context //nolint:containedctx // the writer's own life, ended by Close
	cancel context.CancelCauseFunc
	group  sync.WaitGroup
	kick   chan struct{} // wakes run

	mu       sync.Mutex
	progress signal // what is durable, or what that means, has changed
	space    signal // the queue has room
	err      error  // why the writer stopped
	closing  bool

	// What is appended.
	last        Seq
	lastTime    int64
	schema      *database.Schema
	schemaCount uint32
	schemaPlace schemaPlace
	tables      []tableState
	tableAt     map[string]int
	outstanding IDSet
	queue       []*builder // not yet sent; the last may still be open
	queued      int        // bytes in queue
	nextSlot    Slot       // of the next builder
	usual       int        // bytes in a builder: as many as in the last one, at most a block

	// What is sent.
	sealing       *builder // taken from the queue, not yet sealed
	items         map[Slot]*item
	freed         Slot      // items below were let go
	exposedFrom   time.Time // of the oldest item let go of without being durable
	sent          Slot      // all slots below are closed and given to the lanes
	sentEnd       Position
	local, mirror *lane
	degraded      bool
	durable       Position
	durableSlots  Slot // all slots below are durable
	durableAt     time.Time
}

// item is a segment on its way.
type item struct {
	info   SegmentInfo
	body   []byte
	sealed chan struct{} // closed when body and all of info are there; info's times are from the start
}

// Append assigns Seqs to the batch's transactions, queues them for the next segment and
// returns the last Seq assigned so far. It does not wait for a store unless the queue is
// full. Rows are copied. On an error nothing of the batch was appended. ErrTooLarge,
// ErrNoSchema, ErrClosed, ErrFenced, or what made the writer stop.
func (w *Writer) Append(ctx context.Context, b Batch) (Seq, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("append to the log: %w", err)
	}
	p := prepared{batch: &b, limit: w.cfg.MaxBatchBytes}
	if err := p.measure(); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if err := w.stopped(); err != nil {
			return 0, err
		}
		if p.under != w.schema || !p.ready {
			under := w.schema
			w.mu.Unlock()
			err := p.hash(under)
			w.mu.Lock()
			if err != nil {
				return 0, err
			}
			continue
		}
		if w.room(p.bytes) {
			w.add(&p)
			return w.last, nil
		}
		if err := w.wait(ctx, &w.space); err != nil {
			return 0, fmt.Errorf("append to the log: the queue is full: %w", err)
		}
	}
}

// stopped tells why nothing can be appended any more.
func (w *Writer) stopped() error {
	switch {
	case w.err != nil:
		return w.err
	case w.closing:
		return ErrClosed
	}
	return nil
}

// room bounds the memory of what waits: two segments, or one batch larger than that.
func (w *Writer) room(bytes int) bool {
	return len(w.queue) == 0 || w.queued+bytes <= 2*w.cfg.SegmentBytes && len(w.queue) < maxQueue
}

// maxQueue bounds the builders that wait closed, each for a Flush or a schema.
const maxQueue = 64

// add takes a batch in. Nothing can fail here.
func (w *Writer) add(p *prepared) {
	if p.batch.Schema != nil || w.open() == nil || w.open().bytes+p.bytes > w.cfg.SegmentBytes && !w.open().empty {
		w.newBuilder()
	}
	b := w.open()
	before := b.bytes
	if p.batch.Schema != nil {
		w.addSchema(b, p)
	}
	if n := p.batch.Note; n != nil {
		b.note(w.stamp(time.Time{}), n)
	}
	for i := range p.batch.Transactions {
		t := &p.batch.Transactions[i]
		b.transaction(w.stamp(t.Time), t, w.table)
	}
	for name, state := range p.delta {
		t := &w.tables[w.table(name)]
		t.state = t.state.Plus(state)
	}
	w.last = b.header.last
	b.footer.taken.Add(p.batch.ChangeIDs...)
	w.outstanding.Add(p.batch.ChangeIDs...)
	w.queued += b.bytes - before
	if w.due() {
		w.wake()
	}
}

// open is the builder that takes more, nil if there is none.
func (w *Writer) open() *builder {
	if n := len(w.queue); n > 0 && !w.queue[n-1].closed {
		return w.queue[n-1]
	}
	return nil
}

func (w *Writer) newBuilder() {
	w.closeOpen()
	b := newBuilder(header{
		stream: w.record.Stream, writer: w.record.Writer, epoch: w.record.Epoch,
		slot: w.nextSlot, first: w.last + 1, last: w.last,
	})
	b.room = w.usual
	w.nextSlot++
	w.queue = append(w.queue, b)
}

// closeOpen fixes what the footer says: it is true at this point of the log.
func (w *Writer) closeOpen() {
	b := w.open()
	if b == nil {
		return
	}
	b.closed = true
	w.usual = min(b.bytes, blockTarget)
	b.header.schemaVersion = w.schemaCount
	b.footer.schema = w.schemaPlace
	b.footer.tables = append([]tableState(nil), w.tables...)
	b.footer.outstanding = *w.outstanding.Clone()
}

// addSchema puts a schema in force. It is the first record of its segment, so that the
// positions of tables in the ledger hold for the whole segment.
func (w *Writer) addSchema(b *builder, p *prepared) {
	kept := w.tables[:0:0]
	for _, t := range w.tables {
		before, after := w.schema.Table(t.name), p.schema.Table(t.name)
		if before != nil && after != nil && before.Version() == after.Version() {
			kept = append(kept, t)
		}
	}
	w.tables, w.tableAt = kept, make(map[string]int, len(kept))
	for i, t := range kept {
		w.tableAt[t.name] = i
	}
	w.schema = p.schema
	w.schemaCount++
	w.schemaPlace = schemaPlace{epoch: w.record.Epoch, slot: b.header.slot, after: w.last}
	b.schema(w.stamp(time.Time{}), p.encoded)
}

// table is the position of a table in the ledger.
func (w *Writer) table(name string) int {
	i, ok := w.tableAt[name]
	if !ok {
		i = len(w.tables)
		w.tables = append(w.tables, tableState{name: name})
		w.tableAt[name] = i
	}
	return i
}

// stamp is the time of a record: never before the one before it.
func (w *Writer) stamp(t time.Time) int64 {
	if t.IsZero() {
		t = w.cfg.Clock()
	}
	w.lastTime = max(w.lastTime, nanos(t))
	return w.lastTime
}

// wake makes run look at the queue.
func (w *Writer) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// WaitDurable returns nil when both stores hold everything up to seq. ErrNotDurable
// when ctx ends first; ErrDegraded when the local store holds it and the writer goes on
// without the mirror; ErrFenced and others when the writer has stopped.
func (w *Writer) WaitDurable(ctx context.Context, seq Seq) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if seq > w.last {
		return fmt.Errorf("%w: transaction %d was not appended, the last is %d", ErrNotDurable, seq, w.last)
	}
	err := w.until(ctx, func() bool { return w.durable.Seq >= seq }, func() bool { return w.local.end.Seq >= seq })
	if err != nil {
		return fmt.Errorf("transaction %d: %w", seq, err)
	}
	return nil
}

// until waits for durable, or in degraded mode for local.
func (w *Writer) until(ctx context.Context, durable, local func() bool) error {
	for {
		switch {
		case durable():
			return nil
		case w.degraded && local():
			return ErrDegraded
		case w.err != nil:
			return w.err
		}
		if err := w.wait(ctx, &w.progress); err != nil {
			return fmt.Errorf("%w: %w", ErrNotDurable, err)
		}
	}
}

// untilSlot is until for all slots below s.
func (w *Writer) untilSlot(ctx context.Context, s Slot) error {
	err := w.until(ctx, func() bool { return w.durableSlots >= s }, func() bool { return w.local.done >= s })
	if err != nil {
		return fmt.Errorf("log up to %s: %w", SegmentName(w.record.Epoch, s), err)
	}
	return nil
}

// Flush is Cut and the wait for it.
func (w *Writer) Flush(ctx context.Context) (Position, error) { return w.Cut()(ctx) }

// Cut ends the current segment at once, so that what is appended later comes behind it.
// The function it returns gives the position after everything appended before Cut, once
// both stores hold it. Errors are those of WaitDurable; with ErrDegraded the position is
// valid, and held by the local store only.
func (w *Writer) Cut() func(context.Context) (Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	slots, end := w.nextSlot, &w.sentEnd
	if n := len(w.queue); n > 0 {
		w.closeOpen()
		end = &w.queue[n-1].end
	} else if w.sealing != nil {
		end = &w.sealing.end
	} else {
		at := w.sentEnd
		end = &at
	}
	return func(ctx context.Context) (Position, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		err := w.untilSlot(ctx, slots)
		if err != nil && !errors.Is(err, ErrDegraded) {
			return Position{}, err
		}
		return *end, err
	}
}

// Frontier tells how far the log has got.
func (w *Writer) Frontier() Frontier {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := Frontier{
		Epoch: w.record.Epoch, Committed: w.last, Local: w.local.end.Seq,
		Durable: w.durable.Seq, DurableAt: w.durableAt, End: w.durable, Degraded: w.degraded,
		Exposed: uint64(w.last - w.durable.Seq),
	}
	if f.Exposed > 0 {
		f.ExposedSince = w.exposedSince()
	}
	return f
}

// exposedSince looks for the oldest segment with transactions that is not durable.
func (w *Writer) exposedSince() time.Time {
	if !w.exposedFrom.IsZero() {
		return w.exposedFrom
	}
	for s := w.durableSlots; s < w.sent; s++ {
		if it := w.items[s]; it.info.Transactions() > 0 {
			return it.info.FirstTime
		}
	}
	if w.sealing != nil && w.sealing.seqs > 0 {
		return fromNanos(w.sealing.header.firstTime)
	}
	for _, b := range w.queue {
		if b.seqs > 0 {
			return fromNanos(b.header.firstTime)
		}
	}
	return time.Time{}
}

// Epoch is the epoch this writer began.
func (w *Writer) Epoch() Epoch { return w.record.Epoch }

// Outstanding returns the ids of the captured changes that are in the log (or queued for
// it) and not known to be forgotten by the database. The set is the caller's own.
func (w *Writer) Outstanding() *IDSet {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outstanding.Clone()
}

// Forgotten tells the writer that the database has durably forgotten these changes. Only
// changes in durable transactions may be forgotten.
func (w *Writer) Forgotten(ids []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outstanding.Remove(ids...)
}

// Schema is the schema in force, nil before the first. It must not be changed.
func (w *Writer) Schema() *database.Schema {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.schema
}

// SchemaSeq is the last transaction before the schema in force was put into the log: a
// base of the database in this schema is at or behind it.
func (w *Writer) SchemaSeq() Seq {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.schemaPlace.after
}

// Done is closed when the writer has stopped for good; Err tells why.
func (w *Writer) Done() <-chan struct{} { return w.ctx.Done() }

// Err is nil while the writer works.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close makes what was appended durable, or gives up when ctx ends, and stops the
// writer. What was not durable then may or may not be in the log: the next start of a
// writer decides. No request to a store is under way when it returns.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closing = true
	slots := w.nextSlot
	w.closeOpen()
	w.wake()
	err := w.untilSlot(ctx, slots)
	w.stop(ErrClosed)
	w.mu.Unlock()
	w.group.Wait()
	if errors.Is(err, ErrClosed) {
		return nil // closed twice
	}
	return err
}

// stop ends the writer with the first reason given.
func (w *Writer) stop(err error) {
	if w.err != nil {
		return
	}
	w.err = err
	w.cancel(err)
	w.progress.all()
	w.space.all()
}
