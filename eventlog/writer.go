package eventlog

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/database"
)

// MirrorLoss says what a writer does while the mirror cannot be reached.
type MirrorLoss int

const (
	// Block acknowledges nothing until the mirror is back. The default.
	Block MirrorLoss = iota
	// Degrade goes on with the local store alone, notes it in the log, and copies what
	// the mirror missed when it is back. Meanwhile waits end with ErrDegraded.
	Degrade
)

// WriterConfig is what OpenWriter needs. Zero limits take their defaults.
type WriterConfig struct {
	Local, Mirror blob.Store
	OnMirrorLoss  MirrorLoss
	Reason        string           // why this epoch begins; kept in the log
	Log           *slog.Logger     // nil: discard
	Clock         func() time.Time // nil: time.Now

	// SegmentBytes is the size, before compression, at which a segment is closed.
	SegmentBytes int
	// MaxBatchBytes is the largest batch accepted, before compression: a batch is never
	// split. At most MaxSegmentBytes.
	MaxBatchBytes int
	// Pipeline is how many segments may be under way to a store at once.
	Pipeline int
	// Patience is how long the mirror may leave a segment unanswered before a writer
	// with Degrade goes on without it.
	Patience time.Duration
	// AttemptTimeout bounds one request to a store.
	AttemptTimeout time.Duration
}

// Frontier is how far the log has got.
type Frontier struct {
	Epoch     Epoch     `json:"epoch"`
	Committed Seq       `json:"committed"`  // appended; assigned a Seq
	Local     Seq       `json:"local"`      // in the local store
	Durable   Seq       `json:"durable"`    // in both stores
	DurableAt time.Time `json:"durable_at"` // UTC; when Durable or End last moved
	End       Position  `json:"end"`        // of the last segment in both stores
	Degraded  bool      `json:"degraded"`
	// Exposed counts the transactions that are appended and not durable; ExposedSince is
	// the time of the oldest of them, zero if there is none.
	Exposed      uint64    `json:"exposed"`
	ExposedSince time.Time `json:"exposed_since"`
}

// Writer appends to the log. It is safe for concurrent use.
type Writer struct{}

var errNotReady = errors.New("not implemented yet")

// OpenWriter begins a new epoch and returns its writer. Before that it ends the previous
// epoch in the stores and makes both hold the same bytes, whichever of them is behind
// (a new, empty mirror as well). In blocking mode it keeps trying until both stores
// answer or ctx ends. ErrFenced: the log has moved to another store by Takeover, or
// another writer started at the same moment. ErrDiverged, ErrOtherStream: the two stores
// do not belong together.
func OpenWriter(ctx context.Context, cfg WriterConfig) (*Writer, error) { return nil, errNotReady }

// Append assigns Seqs to the batch's transactions, queues them for the next segment and
// returns the last Seq assigned so far. It does not wait for a store unless the queue is
// full. Rows are copied. On an error nothing of the batch was appended. ErrTooLarge,
// ErrNoSchema, ErrClosed, ErrFenced, or what made the writer stop.
func (w *Writer) Append(ctx context.Context, b Batch) (Seq, error) { return 0, errNotReady }

// WaitDurable returns nil when both stores hold everything up to seq. ErrNotDurable
// when ctx ends first; ErrDegraded when the local store holds it and the writer goes on
// without the mirror; ErrFenced and others when the writer has stopped.
func (w *Writer) WaitDurable(ctx context.Context, seq Seq) error { return errNotReady }

// Flush ends the current segment and returns the position after everything appended so
// far, once both stores hold it. Errors are those of WaitDurable; with ErrDegraded the
// position is valid, and held by the local store only.
func (w *Writer) Flush(ctx context.Context) (Position, error) { return Position{}, errNotReady }

// Frontier tells how far the log has got.
func (w *Writer) Frontier() Frontier { return Frontier{} }

// Epoch is the epoch this writer began.
func (w *Writer) Epoch() Epoch { return 0 }

// Outstanding returns the ids of the captured changes that are in the log (or queued for
// it) and not known to be forgotten by the database. The set is the caller's own.
func (w *Writer) Outstanding() *IDSet { return nil }

// Forgotten tells the writer that the database has durably forgotten these changes. Only
// changes in durable transactions may be forgotten.
func (w *Writer) Forgotten(ids []int64) {}

// Schema is the schema in force, nil before the first. It must not be changed.
func (w *Writer) Schema() *database.Schema { return nil }

// Done is closed when the writer has stopped for good; Err tells why.
func (w *Writer) Done() <-chan struct{} { return nil }

// Err is nil while the writer works.
func (w *Writer) Err() error { return errNotReady }

// Close makes what was appended durable, or gives up when ctx ends, and stops the
// writer. What was not durable then may or may not be in the log.
func (w *Writer) Close(ctx context.Context) error { return errNotReady }

// TakeoverConfig is what Takeover needs.
type TakeoverConfig struct {
	DR     blob.Store       // the log's home from now on
	Old    blob.Store       // nil: lost
	Reason string           // kept in the log
	Log    *slog.Logger     // nil: discard
	Clock  func() time.Time // nil: time.Now
}

// TakeoverReport tells what a takeover found and did.
type TakeoverReport struct {
	Epoch   Epoch         `json:"epoch"`   // the new one
	End     Position      `json:"end"`     // where the log goes on
	Copied  []SegmentInfo `json:"copied"`  // from the old store
	Orphans []SegmentInfo `json:"orphans"` // never acknowledged, not in the log, kept in their store
}

// Takeover ends the epoch of the previous writer, so that it can never again be
// acknowledged, saves what only the old store has, and makes DR the home of the log in a
// new epoch. OpenWriter with DR as the local store goes on from there. It is safe to
// repeat after an error.
func Takeover(ctx context.Context, cfg TakeoverConfig) (*TakeoverReport, error) {
	return nil, errNotReady
}
