package snapshot

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/restore"
)

// writer encodes and uploads the objects of one snapshot: encoders hash and compress on
// all cores, uploads run beside them. Between the stages wait only as many chunks as
// there are workers, which bounds the memory.
type writer struct {
	cfg   Config
	codec *restore.Codec
	known []map[eventlog.Digest]bool // by store: what need not be uploaded again

	ctx     context.Context //nolint:containedctx // of the errgroup, for the writer's own life
	group   *errgroup.Group
	stages  sync.WaitGroup
	encode  chan *chunkJob
	upload  chan object
	buffers chan []byte // of payloads, to use again
	bodies  chan []byte // of objects, likewise

	mu     sync.Mutex
	stored Stored
}

// Stored counts what a snapshot consists of and what of it was new.
type Stored struct {
	Objects    int   `json:"objects"`     // schema, lists and chunks
	Bytes      int64 `json:"bytes"`       // of them
	NewObjects int   `json:"new_objects"` // that the first store did not hold
	NewBytes   int64 `json:"new_bytes"`
}

type chunkJob struct {
	table   *tableBuilder
	index   int
	entries int
	payload []byte
}

type object struct {
	ref  restore.Ref
	body []byte
}

func newWriter(ctx context.Context, cfg Config, codec *restore.Codec, known []map[eventlog.Digest]bool) *writer {
	w := &writer{
		cfg: cfg, codec: codec, known: known, encode: make(chan *chunkJob), upload: make(chan object),
		buffers: make(chan []byte, 2*encoders()), bodies: make(chan []byte, uploads),
	}
	w.group, w.ctx = errgroup.WithContext(ctx)
	w.stages.Add(encoders())
	for range encoders() {
		w.group.Go(func() error {
			defer w.stages.Done()
			for job := range w.encode {
				if err := w.encodeChunk(job); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range uploads {
		w.group.Go(func() error {
			for o := range w.upload {
				if err := w.store(o); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return w
}

// encoded waits until every chunk that was added has been hashed and compressed; none
// may be added afterwards.
func (w *writer) encoded() error {
	close(w.encode)
	w.stages.Wait()
	return context.Cause(w.ctx)
}

// close waits until every object is durable in every store. It must be called, also
// after an error.
func (w *writer) close() error {
	close(w.upload)
	return w.group.Wait()
}

func (w *writer) encodeChunk(job *chunkJob) error {
	b := job.table
	var state database.State
	if b.hash {
		var err error
		if state, err = stateOf(b.table, job.payload); err != nil {
			return err
		}
	}
	body, ref, err := w.codec.Encode(reuse(w.bodies, len(job.payload)/2), b.kind, job.entries, job.payload)
	if err != nil {
		return fmt.Errorf("table %s: %w", b.table.Name, err)
	}
	giveBack(w.buffers, job.payload)
	b.done(job.index, ref, state)
	return w.put(object{ref, body})
}

func stateOf(table *database.Table, payload []byte) (state database.State, err error) {
	var scratch, row []byte
	for len(payload) > 0 {
		if row, payload, err = restore.NextRow(payload); err != nil {
			return state, err
		}
		var h database.RowHash
		h, scratch = table.Hash(scratch, row)
		state.Add(h)
	}
	return state, nil
}

// put hands an object to the uploads.
func (w *writer) put(o object) error {
	select {
	case w.upload <- o:
		return nil
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// reuse returns empty memory, of that size if it must be new.
func reuse(free <-chan []byte, size int) []byte {
	select {
	case b := <-free:
		return b
	default:
		return make([]byte, 0, size)
	}
}

func giveBack(free chan<- []byte, b []byte) {
	select {
	case free <- b[:0]:
	default:
	}
}

// buffer returns memory for a chunk.
func (w *writer) buffer() []byte { return reuse(w.buffers, w.cfg.Cut.Min+w.cfg.Cut.Spread) }

// store creates the object in every store that is not known to hold it.
func (w *writer) store(o object) error {
	w.count(o.ref)
	w.mu.Lock()
	missing := make([]bool, len(w.known))
	for i := range w.known {
		missing[i] = !w.known[i][o.ref.Digest]
		w.known[i][o.ref.Digest] = true // twice in one snapshot is once in the store
	}
	if missing[0] {
		w.stored.NewObjects++
		w.stored.NewBytes += int64(len(o.body))
	}
	w.mu.Unlock()
	err := create(w.ctx, w.cfg.Stores, missing, o.ref.Name(), o.body)
	giveBack(w.bodies, o.body)
	return err
}

// count notes an object that the snapshot consists of.
func (w *writer) count(ref restore.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored.Objects++
	w.stored.Bytes += ref.Size
}

// create stores an object where it is missing, in all stores at once.
func create(ctx context.Context, stores []blob.Store, missing []bool, name string, body []byte) error {
	errs := make([]error, len(stores))
	var wg sync.WaitGroup
	for i, s := range stores {
		if missing != nil && !missing[i] {
			continue
		}
		wg.Go(func() {
			if err := s.Create(ctx, name, body); err != nil {
				errs[i] = fmt.Errorf("store %d of %d: create %s: %w", i+1, len(stores), name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// tableBuilder gathers the entries of one table into chunks. One goroutine adds.
type tableBuilder struct {
	w     *writer
	table *database.Table
	kind  restore.Kind
	hash  bool // sum up the state of the rows

	payload   []byte
	entries   int
	key, last []byte // of the entry at hand and of the one before
	follows   bool   // last is the key before, not unknown
	lower     []byte // if it is unknown: above all keys so far
	ordered   bool

	mu     sync.Mutex
	chunks []restore.Chunk
	state  database.State
}

func (w *writer) table(table *database.Table, kind restore.Kind, hash bool) *tableBuilder {
	return &tableBuilder{w: w, table: table, kind: kind, hash: hash, ordered: true, payload: w.buffer()}
}

// add adds one row of the table.
func (b *tableBuilder) add(row []byte) (err error) {
	if b.key, err = b.table.AppendKey(b.key[:0], row); err != nil {
		return err
	}
	if err := b.begin(len(row), 1); err != nil {
		return err
	}
	b.payload = restore.AppendRow(b.payload, row)
	return nil
}

// begin makes room for entries of one key, b.key, of size bytes.
func (b *tableBuilder) begin(size, entries int) error {
	if b.entries > 0 && b.w.cfg.Cut.Before(len(b.payload), b.key, size) {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.ordered = b.ordered && (!b.follows || string(b.last) < string(b.key))
	if b.entries == 0 {
		b.open()
	}
	b.follows, b.entries = true, b.entries+entries
	b.last, b.key = b.key, b.last
	return nil
}

// open begins a chunk at b.key.
func (b *tableBuilder) open() {
	start := b.lower
	if b.ordered && b.follows {
		start = restore.Separator(b.last, b.key)
	}
	b.append(restore.Chunk{Start: start})
}

func (b *tableBuilder) append(c restore.Chunk) {
	if len(b.chunks) == 0 {
		c.Start = nil
	}
	b.ordered = b.ordered && len(c.Start) <= restore.MaxStart
	b.mu.Lock()
	b.chunks = append(b.chunks, c)
	b.mu.Unlock()
}

// takeOver adds a chunk of another snapshot as it is, unless the chunk at hand is too
// small to be closed.
func (b *tableBuilder) takeOver(c restore.Chunk) (bool, error) {
	if b.entries > 0 && len(b.payload) < b.w.cfg.Cut.Min {
		return false, nil
	}
	if err := b.flush(); err != nil {
		return false, err
	}
	b.append(c)
	b.follows = false
	b.w.count(c.Ref)
	return true, nil
}

// bound says that all keys from here on are at or above start, and all before below it.
func (b *tableBuilder) bound(start []byte) { b.lower = start }

func (b *tableBuilder) flush() error {
	if b.entries == 0 {
		return nil
	}
	job := &chunkJob{table: b, index: len(b.chunks) - 1, entries: b.entries, payload: b.payload}
	b.payload, b.entries = b.w.buffer(), 0
	select {
	case b.w.encode <- job:
		return nil
	case <-b.w.ctx.Done():
		return context.Cause(b.w.ctx)
	}
}

// done is called by the encoders.
func (b *tableBuilder) done(index int, ref restore.Ref, state database.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chunks[index].Ref = ref
	if b.hash { // without, the state belongs to the goroutine that adds
		b.state = b.state.Plus(state)
	}
}

// entry describes the table when all its chunks are encoded, and uploads its lists.
func (b *tableBuilder) entry() (restore.TableEntry, error) {
	e := restore.TableEntry{Name: b.table.Name, Version: b.table.Version(), Ordered: b.ordered}
	for i := range b.chunks {
		if !b.ordered {
			b.chunks[i].Start = nil
		}
		e.Entries += b.chunks[i].Entries
		e.Raw += b.chunks[i].Raw
		e.Size += b.chunks[i].Size
	}
	bodies, refs, err := b.w.codec.AppendLists(b.chunks)
	if err != nil {
		return e, err
	}
	e.Lists = refs
	for i := range bodies {
		if err := b.w.put(object{refs[i], bodies[i]}); err != nil {
			return e, err
		}
	}
	return e, nil
}
