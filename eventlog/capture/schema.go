package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
)

// start does, once, what a restart may have left to do: ask whether the schema in force
// has its base, and let the database forget what an earlier process put into the log.
func (d *Drainer) start(ctx context.Context) error {
	if d.checked {
		return nil
	}
	if d.cfg.HasBase != nil && d.cfg.OnSchemaChange != nil && d.cfg.Writer.Schema() != nil {
		has, err := d.cfg.HasBase(ctx, d.cfg.Writer.SchemaSeq())
		if err != nil {
			return fmt.Errorf("drain: look for a base: %w", err)
		}
		if !has {
			d.hold()
		}
	}
	seq := d.cfg.Writer.Frontier().Committed
	ids := slices.Collect(d.cfg.Writer.Outstanding().All())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checked = true
	if len(ids) > 0 {
		d.tokens = append(d.tokens, taken{seq, ids})
	}
	return nil
}

// record puts the installed schema into the log, before the first change that has its
// shape.
func (d *Drainer) record(ctx context.Context, s *database.Schema) error {
	d.hold()
	d.cfg.Log.Info("the schema is new to the log", "tables", len(s.Tables))
	return d.appendBatch(ctx, eventlog.Batch{Schema: s})
}

// hold stops the answering of barriers until a base of the schema in force is durable.
func (d *Drainer) hold() {
	if d.cfg.OnSchemaChange == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holds++
	select {
	case <-d.settled:
		d.settled = make(chan struct{})
	default:
	}
}

// reinstall makes capture fit the database's schema. What was captured under the old one
// is in the log by now; it has to be durable and forgotten before.
func (d *Drainer) reinstall(ctx context.Context) error {
	d.cfg.Log.Info("the schema has changed; installing capture again")
	if _, err := d.cfg.Writer.Flush(ctx); err != nil {
		return fmt.Errorf("drain: the schema has changed: %w", err)
	}
	if err := d.forget(ctx); err != nil {
		return fmt.Errorf("drain: the schema has changed: %w", err)
	}
	if _, err := d.cfg.Source.Install(ctx); err != nil {
		return fmt.Errorf("drain: install capture for the changed schema: %w", err)
	}
	return nil
}

// settle takes a base whenever barriers are held for one.
func (d *Drainer) settle(ctx context.Context, interval time.Duration) {
	if d.cfg.OnSchemaChange == nil {
		return
	}
	said := complaint{log: d.cfg.Log, what: "no base of the changed schema yet; trying again", better: "there is a base of the changed schema"}
	for {
		if err := d.base(ctx); ctx.Err() == nil {
			said.about(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

func (d *Drainer) base(ctx context.Context) error {
	d.mu.Lock()
	held := d.settled
	d.mu.Unlock()
	select {
	case <-held:
		return nil
	default:
	}
	view, at, holds, err := d.view(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(d.cfg.OnSchemaChange(ctx, view, at), view.Close()); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holds == holds { // else the schema has changed since
		close(d.settled)
		d.based = d.cfg.Clock().UTC()
	}
	return nil
}

// fingerprints remembers those of the schemas seen last: they are long, and compared at
// every drain.
type fingerprints struct {
	of [4]struct {
		schema *database.Schema
		print  string
	}
}

func (f *fingerprints) print(s *database.Schema) (string, error) {
	for _, known := range f.of {
		if known.schema == s {
			return known.print, nil
		}
	}
	p, err := s.Fingerprint()
	if err != nil {
		return "", fmt.Errorf("drain: %w", err)
	}
	copy(f.of[1:], f.of[:3])
	f.of[0].schema, f.of[0].print = s, p
	return p, nil
}

// same compares two schemas; nil is like no other.
func (f *fingerprints) same(a, b *database.Schema) (bool, error) {
	if a == nil || b == nil {
		return a == b, nil
	}
	pa, err := f.print(a)
	if err != nil {
		return false, err
	}
	pb, err := f.print(b)
	return pa == pb, err
}
