package eventlog

import (
	"context"
	"iter"

	"lifeboat/internal/blob"
	"lifeboat/internal/database"
)

// Log reads the log in one store. It is safe for concurrent use and changes nothing.
type Log struct{ store blob.Store }

// OpenLog reads nothing yet.
func OpenLog(store blob.Store) *Log { return &Log{store: store} }

// Segments yields the verified segments that follow `after`, in order, across epochs, to
// the end that the store has now; it fetches ahead. Each is checked whole (its own
// SHA-256) and against the one before it. After a yielded error the sequence ends:
// ObjectError for a damaged or missing object, ErrDiverged when `after` is not on this
// log. Segments that no durable frontier has passed may be set aside by a later
// takeover.
func (l *Log) Segments(ctx context.Context, after Position) iter.Seq2[*Segment, error] {
	return func(yield func(*Segment, error) bool) { yield(nil, errNotReady) }
}

// Headers is Segments by ranged reads of the headers alone, for planning: the chain is
// checked, the records are not.
func (l *Log) Headers(ctx context.Context, after Position) iter.Seq2[SegmentInfo, error] {
	return func(yield func(SegmentInfo, error) bool) { yield(SegmentInfo{}, errNotReady) }
}

// End is the position after the last segment of the log; zero for an empty log.
func (l *Log) End(ctx context.Context) (Position, error) { return Position{}, errNotReady }

// Segment reads one segment by its slot, also one that was set aside as an orphan.
// ErrGap when there is none.
func (l *Log) Segment(ctx context.Context, e Epoch, s Slot) (*Segment, error) {
	return nil, errNotReady
}

// Verify reads every object of the log and names everything that is wrong. It repairs
// nothing. The error is for a store that cannot be read; damage is in the report.
func (l *Log) Verify(ctx context.Context) (*VerifyReport, error) { return nil, errNotReady }

// VerifyReport is what Verify found.
type VerifyReport struct {
	Stream       StreamID      `json:"stream"`
	Epochs       int           `json:"epochs"`
	Segments     int           `json:"segments"`
	Transactions uint64        `json:"transactions"`
	Bytes        int64         `json:"bytes"`
	End          Position      `json:"end"`     // of what is contiguous from the beginning
	Damage       []Damage      `json:"damage"`  // empty: the log is whole
	Orphans      []SegmentInfo `json:"orphans"` // set aside by a takeover, not damage
	Intact       []SeqRange    `json:"intact"`  // maximal runs of provable transactions
}

// SeqRange is inclusive on both sides; empty when First > Last.
type SeqRange struct {
	First Seq `json:"first"`
	Last  Seq `json:"last"`
}

// Damage is one object that is wrong or missing.
type Damage struct {
	Object string   `json:"object"`
	Lost   SeqRange `json:"lost"` // transactions that this object alone held; empty: none
	Detail string   `json:"detail"`
	Err    error    `json:"-"` // wraps ErrCorrupt, ErrTruncated, ErrNewerVersion, ErrGap, …
}

// Segment is one verified segment. It is immutable and safe for concurrent use.
type Segment struct{}

// Info describes the segment.
func (s *Segment) Info() SegmentInfo { return SegmentInfo{} }

// Ledger returns, per table, the state hash of all changes of the log up to the end of
// this segment (since the table's last change of shape): what inserts added minus what
// deletes removed. The map is the caller's own.
func (s *Segment) Ledger() database.States { return nil }

// Schema is the schema in force at the segment's end, nil if the log has none yet.
func (s *Segment) Schema() *database.Schema { return nil }

// Taken returns the ids of the captured changes that are in this segment.
func (s *Segment) Taken() *IDSet { return nil }

// Outstanding returns the ids of the captured changes in the log up to here that were
// not known to be forgotten when the segment was written.
func (s *Segment) Outstanding() *IDSet { return nil }

// Events yields the segment's records in order. Rows alias memory that is never reused:
// they may be kept, and keep their block of about 1 MiB alive.
func (s *Segment) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) { yield(Event{}, errNotReady) }
}

// Changes calls visit for each change in order, without allocating per change; row
// aliases memory that is never reused (as in Events). It stops at the first error of
// visit and returns it as it is. Several goroutines may do this on one segment or on
// several.
func (s *Segment) Changes(visit func(seq Seq, table string, op database.Op, row []byte) error) error {
	return errNotReady
}
