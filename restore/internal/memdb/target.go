package memdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"

	"lifeboat/internal/database"
)

var (
	_ database.Target   = (*DB)(nil)
	_ database.Replayer = (*DB)(nil)
)

// dying runs effect between the two moments at which a call may die.
func (d *DB) dying(call, unit string, effect func() error) error {
	if d.Die != nil {
		if err := d.Die(call, unit, false); err != nil {
			return err
		}
	}
	if err := effect(); err != nil {
		return err
	}
	if d.Die != nil {
		return d.Die(call, unit, true)
	}
	return nil
}

// Begin implements database.Target.
func (d *DB) Begin(_ context.Context, plan string, schema *database.Schema) error {
	return d.dying("begin", "", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.begun == plan {
			return nil
		}
		if d.begun != "" || len(d.tables) > 0 || d.finished {
			return database.ErrNotEmpty
		}
		d.begun, d.schema = plan, schema
		return nil
	})
}

// Loaded implements database.Target.
func (d *DB) Loaded(context.Context) (map[string]int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.units), nil
}

// Workers implements database.Target.
func (d *DB) Workers() int { return 3 }

// Load implements database.Target.
func (d *DB) Load(_ context.Context, unit string, table *database.Table, rows iter.Seq2[[]byte, error]) (n int64, err error) {
	err = d.dying("load", unit, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if _, again := d.units[unit]; again || d.begun == "" || d.finished {
			return fmt.Errorf("unit %s given twice, or outside a restore", unit)
		}
		own := d.schema.Table(table.Name)
		for row, err := range rows {
			if err != nil {
				return err
			}
			if err := own.CheckRow(row); err != nil {
				return err
			}
			if err := d.change(database.Change{Op: database.Insert, Table: table.Name, Row: row}); err != nil {
				return err
			}
			n++
		}
		d.units[unit] = n
		return nil
	})
	return n, err
}

// Check implements database.Target.
func (d *DB) Check(context.Context) error {
	return d.dying("check", "", func() error { return nil })
}

// Finish implements database.Target.
func (d *DB) Finish(_ context.Context, counters map[string]int64) error {
	return d.dying("finish", "", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.begun == "" {
			return errors.New("finish without begin")
		}
		d.finished, d.counters = true, maps.Clone(counters)
		return nil
	})
}

// ForgetProgress implements database.Target.
func (d *DB) ForgetProgress(context.Context) error {
	return d.dying("forget", "", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.begun, d.units = "", make(map[string]int64)
		return nil
	})
}

// Close implements database.Target.
func (d *DB) Close() error { return nil }

// Position implements database.Replayer.
func (d *DB) Position(context.Context) (uint64, bool, error) { return d.position, d.located, nil }

// SetPosition implements database.Replayer.
func (d *DB) SetPosition(_ context.Context, seq uint64) error {
	d.position, d.located = seq, true
	return nil
}

// Apply implements database.Replayer.
func (d *DB) Apply(_ context.Context, seq uint64, changes []database.Change) error {
	return d.dying("apply", fmt.Sprint(seq), func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.located {
			return errors.New("apply before a position was set")
		}
		if seq <= d.position {
			return nil
		}
		if seq != d.position+1 {
			return fmt.Errorf("a gap: at %d, given %d", d.position, seq)
		}
		for _, c := range changes {
			if err := d.change(c); err != nil {
				return err
			}
		}
		d.position = seq
		return nil
	})
}
