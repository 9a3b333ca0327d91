package eventlog

import (
	"encoding/binary"
	"fmt"

	"lifeboat/internal/database"
)

// prepared is a batch that has been checked and measured, and hashed under a schema:
// everything about it that can fail or takes time, done before the writer's lock is taken.
type prepared struct {
	batch   *Batch
	limit   int // bytes
	encoded []byte
	schema  *database.Schema // decoded from encoded: the writer's own, sealed
	bytes   int              // an upper bound of the encoded batch

	ready bool
	under *database.Schema // what was in force before the batch when delta was made
	delta map[string]database.State
}

// measure checks the batch against the limits and finds the bytes it needs before
// compression. It looks at everything, so that a batch is taken whole or not at all.
func (p *prepared) measure() error {
	const fixed = recordHead + 1 + 4*binary.MaxVarintLen64
	if s := p.batch.Schema; s != nil {
		if err := p.takeSchema(s); err != nil {
			return err
		}
		p.bytes += fixed + len(p.encoded)
	}
	if n := p.batch.Note; n != nil {
		if len(n.Kind)+len(n.Text) > MaxTextBytes {
			return fmt.Errorf("%w: note %q of %d bytes, at most %d", ErrTooLarge, n.Kind, len(n.Text), MaxTextBytes)
		}
		p.bytes += fixed + len(n.Kind) + len(n.Text)
	}
	for i := range p.batch.Transactions {
		t := &p.batch.Transactions[i]
		if len(t.TxID) > MaxTextBytes {
			return fmt.Errorf("%w: transaction id of %d bytes, at most %d", ErrTooLarge, len(t.TxID), MaxTextBytes)
		}
		p.bytes += fixed + len(t.TxID)
		for j := range t.Changes {
			c := &t.Changes[j]
			if len(c.Row) > MaxRowBytes {
				return fmt.Errorf("%w: transaction %s: a row of table %s has %d bytes, at most %d",
					ErrTooLarge, t.TxID, c.Table, len(c.Row), MaxRowBytes)
			}
			p.bytes += len(c.Row) + 2*binary.MaxVarintLen32
		}
	}
	if p.bytes > p.limit {
		return fmt.Errorf("%w: a batch of %d transactions needs %d bytes, a segment holds %d",
			ErrTooLarge, len(p.batch.Transactions), p.bytes, p.limit)
	}
	return nil
}

func (p *prepared) takeSchema(s *database.Schema) (err error) {
	if p.encoded, err = s.Encode(); err != nil {
		return fmt.Errorf("schema for the log: %w", err)
	}
	if len(p.encoded) > MaxSchemaBytes {
		return fmt.Errorf("%w: schema of %d bytes, at most %d", ErrTooLarge, len(p.encoded), MaxSchemaBytes)
	}
	if p.schema, err = database.DecodeSchema(p.encoded); err != nil {
		return fmt.Errorf("schema for the log: %w", err)
	}
	return nil
}

// hash checks every row against the schema and sums what the batch does to each table.
func (p *prepared) hash(under *database.Schema) error {
	schema := under
	if p.schema != nil {
		schema = p.schema
	}
	p.ready, p.under, p.delta = true, under, make(map[string]database.State)
	if schema == nil && len(p.batch.Transactions) > 0 {
		return fmt.Errorf("%w: the log has none yet", ErrNoSchema)
	}
	s := summer{schema: schema, delta: p.delta}
	for i := range p.batch.Transactions {
		t := &p.batch.Transactions[i]
		for j := range t.Changes {
			if err := s.add(&t.Changes[j]); err != nil {
				return fmt.Errorf("transaction %s: %w", t.TxID, err)
			}
		}
	}
	s.flush()
	return nil
}

// summer sums row hashes per table. Changes of one table tend to come in runs.
type summer struct {
	schema  *database.Schema
	delta   map[string]database.State
	table   *database.Table
	state   database.State
	scratch []byte
}

func (s *summer) add(c *database.Change) error {
	if s.table == nil || s.table.Name != c.Table {
		s.flush()
		if s.table = s.schema.Table(c.Table); s.table == nil {
			return fmt.Errorf("%w: table %s is not in the schema", ErrNoSchema, c.Table)
		}
	}
	if err := s.table.CheckRow(c.Row); err != nil {
		return err
	}
	var h database.RowHash
	h, s.scratch = s.table.Hash(s.scratch, c.Row)
	switch c.Op {
	case database.Insert:
		s.state.Add(h)
	case database.Delete:
		s.state.Sub(h)
	default:
		return fmt.Errorf("change of table %s: unknown operation %q", c.Table, c.Op)
	}
	return nil
}

func (s *summer) flush() {
	if s.table == nil {
		return
	}
	s.delta[s.table.Name] = s.delta[s.table.Name].Plus(s.state)
	s.state = database.State{}
}
