package snapshot

import (
	"context"
	"errors"
	"fmt"

	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/internal/pipeline"
)

// RollForward merges a delta, its parents and their base into a new whole snapshot at
// the same position, in every store, without the database. Chunks into which no change
// falls are taken over by reference.
func RollForward(ctx context.Context, cfg Config, tip restore.Snapshot) (*Report, error) {
	if err := cfg.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	s, err := newSession(cfg, restore.RollForward, tip.Position)
	if err == nil {
		err = s.rollForward(ctx, tip)
	}
	s.end()
	if err != nil {
		return nil, fmt.Errorf("roll the snapshot at seq %d forward: %w", uint64(tip.Position.Seq), err)
	}
	return s.report, nil
}

func (s *session) rollForward(ctx context.Context, tip restore.Snapshot) error {
	store := s.cfg.Stores[0]
	snapshots, _, err := restore.ReadSnapshots(ctx, store, s.codec)
	if err != nil {
		return err
	}
	chain, err := restore.Lineage(snapshots, tip)
	if err != nil {
		return err
	}
	for _, store := range s.cfg.Stores {
		if err := s.pin(ctx, store, chain...); err != nil {
			return err
		}
	}
	if err := s.takeOver(ctx); err != nil {
		return err
	}
	schema, err := s.codec.ReadSchema(ctx, store, tip.Manifest)
	if err != nil {
		return err
	}
	s.schema, s.m.NotCarried, s.m.Counters = schema, tip.NotCarried, tip.Counters
	s.m.Fingerprint, s.m.SchemaVersion = tip.Fingerprint, tip.SchemaVersion
	s.ledger = make(database.States)
	hashed := make([]bool, len(tip.Tables))
	for i := range tip.Tables {
		s.ledger[tip.Tables[i].Name] = tip.Tables[i].Ledger
		hashed[i] = !chain[0].Tables[i].Ordered
	}
	net, err := restore.NewNet(restore.NetConfig{
		Schema: schema, Hashed: hashed, Memory: s.cfg.Memory / 2, TempDir: s.cfg.TempDir,
	})
	if err != nil {
		return err
	}
	err = s.merge(ctx, chain, net)
	return errors.Join(err, net.Close())
}

func (s *session) merge(ctx context.Context, chain []restore.Snapshot, net *restore.Net) error {
	for _, delta := range chain[1:] {
		if err := net.AddDelta(ctx, s.codec, s.cfg.Stores[0], delta); err != nil {
			return err
		}
	}
	if err := net.Seal(); err != nil {
		return err
	}
	w := newWriter(ctx, s.cfg, s.codec, s.known)
	builders := make([]*tableBuilder, len(s.schema.Tables))
	expected := make([]database.State, len(builders))
	var err error
	for i := range builders {
		builders[i] = w.table(&s.schema.Tables[i], restore.KindRows, false)
		expected[i] = chain[len(chain)-1].Tables[i].State
		if err == nil {
			err = s.mergeTable(w, net, builders[i], &chain[0].Tables[i])
		}
	}
	if err == nil {
		err = s.agree(expected, builders)
	}
	if err = s.finish(w, builders, err); err != nil {
		return err
	}
	return s.publish(ctx)
}

func (s *session) mergeTable(w *writer, net *restore.Net, b *tableBuilder, base *restore.TableEntry) (err error) {
	number, _ := net.Table(base.Name)
	chunks, err := s.codec.ReadChunks(w.ctx, s.cfg.Stores[0], base)
	if err != nil {
		return err
	}
	reuse := make([]bool, len(chunks))
	if base.Ordered {
		if reuse, err = untouched(net, number, chunks); err != nil {
			return err
		}
	}
	b.state = base.State
	var scratch []byte
	var h database.RowHash
	m, err := net.Merger(number, restore.Rows{
		Keep: b.add,
		Add: func(row []byte) error {
			h, scratch = b.table.Hash(scratch, row)
			b.state.Add(h)
			return b.add(row)
		},
		Drop: func(row []byte) error {
			h, scratch = b.table.Hash(scratch, row)
			b.state.Sub(h)
			return nil
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := s.mergeChunks(w, m, b, chunks, reuse); err != nil {
		return err
	}
	if err := m.Finish(); err != nil {
		return err
	}
	return b.flush()
}

// untouched finds the chunks of an ordered table into which no change falls.
func untouched(net *restore.Net, table int, chunks []restore.Chunk) ([]bool, error) {
	groups, err := net.Groups(table)
	if err != nil {
		return nil, err
	}
	reuse := make([]bool, len(chunks))
	g, err := groups.Next()
	for i := range chunks {
		reuse[i] = true
		for err == nil && g != nil && (i+1 == len(chunks) || string(g.Key) < string(chunks[i+1].Start)) {
			reuse[i] = false
			g, err = groups.Next()
		}
	}
	return reuse, err
}

func (s *session) mergeChunks(w *writer, m *restore.Merger, b *tableBuilder, chunks []restore.Chunk, reuse []bool) error {
	fetch := func(ctx context.Context, i int) ([]byte, error) {
		return s.codec.Fetch(ctx, s.cfg.Stores[0], restore.KindRows, chunks[i].Ref)
	}
	ahead := pipeline.Pipeline[[]byte]{
		Memory: pipeline.NewBudget(s.cfg.Memory / 8), Requests: uploads,
		Weigh: func(i int) int64 {
			if reuse[i] {
				return 0
			}
			return chunks[i].Weight()
		},
		Fetch: func(ctx context.Context, i int) ([]byte, error) {
			if reuse[i] {
				return nil, nil
			}
			return fetch(ctx, i)
		},
	}
	for item, err := range ahead.Run(w.ctx, len(chunks)) {
		if err != nil {
			return err
		}
		chunk, payload := chunks[item.Index], item.Value
		if reuse[item.Index] {
			taken, err := b.takeOver(chunk)
			if err != nil {
				return err
			}
			if taken {
				item.Release()
				continue
			}
			// What is left of the chunk before is too small to stand alone.
			if payload, err = fetch(w.ctx, item.Index); err != nil {
				return err
			}
		}
		var next []byte
		if item.Index+1 < len(chunks) {
			next = chunks[item.Index+1].Start
		}
		b.bound(chunk.Start)
		if err := m.Chunk(chunk, payload, next); err != nil {
			return err
		}
		item.Release()
	}
	return nil
}
