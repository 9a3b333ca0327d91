package restore

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/restore/internal/pipeline"
)

// LogPart is a stretch of the log to add up: the transactions after a snapshot's
// position, up to and including To.
type LogPart struct {
	Log  *eventlog.Log
	From Snapshot
	To   eventlog.Seq
	// Last is the segment that holds To, or ends the part; zero: the part is empty.
	Last eventlog.Digest
	// Seen is told of every segment that was read, in order, by one goroutine; may be nil.
	Seen func(eventlog.SegmentInfo)
}

// AddLog adds a stretch of the log to the sum, on all cores, and returns what the log
// says of every table at its end: see TableEntry.Ledger.
func (n *Net) AddLog(ctx context.Context, part LogPart) (database.States, error) {
	before := make(database.States)
	for i := range part.From.Tables {
		before[part.From.Tables[i].Name] = part.From.Tables[i].Ledger
	}
	if part.Last == (eventlog.Digest{}) {
		return before, nil
	}
	segments := make(chan *eventlog.Segment)
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			b := n.Batch()
			for s := range segments {
				if err := b.addSegment(s, part.To); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var last *eventlog.Segment
	g.Go(func() (err error) {
		defer close(segments)
		last, err = part.walk(ctx, func(s *eventlog.Segment) error {
			select {
			case segments <- s:
				if s.Info().Digest != part.Last {
					before = s.Ledger()
				}
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return ledgerAt(last, before, part, n.cfg.Schema)
}

// walk visits the segments of the part and returns the last one.
func (p LogPart) walk(ctx context.Context, visit func(*eventlog.Segment) error) (*eventlog.Segment, error) {
	for s, err := range p.Log.Segments(ctx, p.From.Position) {
		if err != nil {
			return nil, fmt.Errorf("read the log after %s: %w", p.From.Position, err)
		}
		if err := visit(s); err != nil {
			return nil, err
		}
		if p.Seen != nil {
			p.Seen(s.Info())
		}
		if s.Info().Digest == p.Last {
			return s, nil
		}
		if s.Info().First > p.To {
			break
		}
	}
	return nil, fmt.Errorf("%w: seq %d is not where it was planned; the log has changed since, plan again", eventlog.ErrDiverged, uint64(p.To))
}

// errEnough ends the reading of a segment behind the target.
var errEnough = errors.New("behind the target")

func (b *Batch) addSegment(s *eventlog.Segment, to eventlog.Seq) error {
	name, table := "", -1
	err := s.Changes(func(seq eventlog.Seq, tableName string, op database.Op, row []byte) error {
		if seq > to {
			return errEnough
		}
		if tableName != name || table < 0 {
			var ok bool
			if table, ok = b.net.Table(tableName); !ok {
				return fmt.Errorf("%w: it changes table %q, which the snapshot's schema does not have", eventlog.ErrCorrupt, tableName)
			}
			name = tableName
		}
		return b.Add(table, op, row)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("%s: %w", s.Info().Name(), err)
	}
	return b.Flush()
}

// ledgerAt is the ledger after transaction part.To of the segment; before is the one
// before the segment.
func ledgerAt(s *eventlog.Segment, before database.States, part LogPart, schema *database.Schema) (database.States, error) {
	info := s.Info()
	if info.Last == part.To && info.SchemaVersion == part.From.SchemaVersion {
		return s.Ledger(), nil
	}
	if info.Transactions() == 0 {
		return before, nil
	}
	tables := make(map[string]*database.Table, len(schema.Tables))
	for i := range schema.Tables {
		tables[schema.Tables[i].Name] = &schema.Tables[i]
	}
	var scratch []byte
	err := s.Changes(func(seq eventlog.Seq, table string, op database.Op, row []byte) error {
		if seq > part.To {
			return errEnough
		}
		var h database.RowHash
		h, scratch = tables[table].Hash(scratch, row)
		state := before[table]
		if op == database.Insert {
			state.Add(h)
		} else {
			state.Sub(h)
		}
		before[table] = state
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("%s: %w", info.Name(), err)
	}
	return before, nil
}

// AddDelta adds the net changes of a delta to the sum.
func (n *Net) AddDelta(ctx context.Context, codec *Codec, store blob.Store, delta Snapshot) error {
	for i := range delta.Tables {
		table, ok := n.Table(delta.Tables[i].Name)
		if !ok {
			return fmt.Errorf("%w: delta at seq %d has a table %q that its base lacks", ErrInconsistent, uint64(delta.Position.Seq), delta.Tables[i].Name)
		}
		chunks, err := codec.ReadChunks(ctx, store, &delta.Tables[i])
		if err != nil {
			return err
		}
		work := pipeline.Pipeline[[]byte]{
			Memory: pipeline.NewBudget(n.cfg.Memory / 4), Requests: readers,
			Weigh: func(i int) int64 { return chunks[i].Weight() },
			Fetch: func(ctx context.Context, i int) ([]byte, error) {
				return codec.Fetch(ctx, store, KindChanges, chunks[i].Ref)
			},
		}
		for fetched, err := range work.Run(ctx, len(chunks)) {
			if err != nil {
				return err
			}
			if err := n.addChunk(table, chunks[fetched.Index], fetched.Value); err != nil {
				return err
			}
			fetched.Release()
		}
	}
	return nil
}

func (n *Net) addChunk(table int, chunk Chunk, payload []byte) error {
	b := n.Batch()
	for count := int64(0); ; count++ {
		if len(payload) == 0 {
			if count != chunk.Entries {
				return &DamageError{Object: chunk.Name(), Err: fmt.Errorf("%w: %d changes, want %d", eventlog.ErrCorrupt, count, chunk.Entries)}
			}
			return b.Flush()
		}
		op, row, rest, err := NextChange(payload)
		if err == nil {
			err = b.Add(table, op, row)
		}
		if err != nil {
			return &DamageError{Object: chunk.Name(), Err: err}
		}
		payload = rest
	}
}
