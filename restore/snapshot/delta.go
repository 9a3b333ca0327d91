package snapshot

import (
	"context"
	"errors"
	"fmt"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
	"lifeboat/restore"
)

// Delta makes the net changes between a snapshot and a later position of the log, the
// end of a segment, into a snapshot of its own in every store. It reads the first store
// and never the database. database.ErrSchemaChanged: only a base can pass a change of
// schema.
func Delta(ctx context.Context, cfg Config, parent restore.Snapshot, to eventlog.Position) (*Report, error) {
	if err := cfg.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	s, err := newSession(cfg, restore.Delta, to)
	if err == nil {
		err = s.delta(ctx, parent)
	}
	s.end()
	if err != nil {
		return nil, fmt.Errorf("make a delta from seq %d to seq %d: %w", uint64(parent.Position.Seq), uint64(to.Seq), err)
	}
	return s.report, nil
}

func (s *session) delta(ctx context.Context, parent restore.Snapshot) error {
	store := s.cfg.Stores[0]
	s.m.Parent = &restore.Parent{Seq: parent.Position.Seq, Digest: parent.Digest}
	for _, store := range s.cfg.Stores {
		if err := s.pin(ctx, store, parent); err != nil {
			return err
		}
	}
	schema, err := s.codec.ReadSchema(ctx, store, parent.Manifest)
	if err != nil {
		return err
	}
	if err := s.setSchema(ctx, schema); err != nil {
		return err
	}
	if s.m.SchemaVersion != parent.SchemaVersion {
		return fmt.Errorf("%w since the snapshot: take a base", database.ErrSchemaChanged)
	}
	net, err := restore.NewNet(restore.NetConfig{
		Schema: schema, Memory: s.cfg.Memory / 2, TempDir: s.cfg.TempDir, KeepMinus: true,
	})
	if err != nil {
		return err
	}
	if err = errors.Join(s.writeDelta(ctx, parent, net), net.Close()); err != nil {
		return err
	}
	return s.publish(ctx)
}

func (s *session) writeDelta(ctx context.Context, parent restore.Snapshot, net *restore.Net) error {
	at := s.m.Position
	_, err := net.AddLog(ctx, restore.LogPart{
		Log: eventlog.OpenLog(s.cfg.Stores[0]), From: parent, To: at.Seq, Last: at.Digest,
	})
	if err != nil {
		return err
	}
	if err := net.Seal(); err != nil {
		return err
	}
	s.m.Counters = net.Counters(parent.Counters)
	w := newWriter(ctx, s.cfg, s.codec, s.known)
	builders := make([]*tableBuilder, len(s.schema.Tables))
	for i := range builders {
		builders[i] = w.table(&s.schema.Tables[i], restore.KindChanges, false)
	}
	for i := 0; err == nil && i < len(builders); i++ {
		err = builders[i].addChanges(net, i)
		builders[i].state = builders[i].state.Plus(parent.Tables[i].State)
	}
	if err == nil {
		err = s.agree(restore.Expected(parent, s.ledger), builders)
	}
	return s.finish(w, builders, err)
}

// agree compares what was added up row by row with what the log's ledger says.
func (s *session) agree(expected []database.State, builders []*tableBuilder) error {
	for i, b := range builders {
		if b.state != expected[i] {
			return fmt.Errorf("%w: table %s: its changes add up to %s, the log's ledger says %s",
				restore.ErrInconsistent, b.table.Name, b.state, expected[i])
		}
	}
	return nil
}

// addChanges adds the groups of one table, in key order, and sums up their state.
func (b *tableBuilder) addChanges(net *restore.Net, table int) error {
	groups, err := net.Groups(table)
	if err != nil {
		return err
	}
	var scratch []byte
	for {
		g, err := groups.Next()
		if err != nil {
			return err
		}
		if g == nil {
			return b.flush()
		}
		size := 0
		for _, rows := range [][]restore.NetRow{g.Minus, g.Plus} {
			for _, r := range rows {
				size += len(r.Row)
			}
		}
		b.key = append(b.key[:0], g.Key...)
		if err := b.begin(size, len(g.Minus)+len(g.Plus)); err != nil {
			return err
		}
		var h database.RowHash
		for _, r := range g.Minus {
			b.payload = restore.AppendChange(b.payload, database.Delete, r.Row)
			h, scratch = b.table.Hash(scratch, r.Row)
			b.state.Sub(h)
		}
		for _, r := range g.Plus {
			b.payload = restore.AppendChange(b.payload, database.Insert, r.Row)
			h, scratch = b.table.Hash(scratch, r.Row)
			b.state.Add(h)
		}
	}
}
