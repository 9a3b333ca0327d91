package sqlite

import (
	"context"
	"fmt"
	"slices"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

const positionTable = `CREATE TABLE IF NOT EXISTS lifeboat_position (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL)`

// Position implements database.Replayer.
func (t *Target) Position(ctx context.Context) (seq uint64, ok bool, err error) {
	if err := t.lock(); err != nil {
		return 0, false, err
	}
	defer t.mu.Unlock()
	err = t.retry(ctx, func() error { seq, ok, err = t.position(); return err })
	return seq, ok, t.explain(ctx, err)
}

func (t *Target) position() (seq uint64, ok bool, err error) {
	has, err := hasTable(t.c, "lifeboat_position")
	if err != nil || !has {
		return 0, false, err
	}
	err = t.c.Query("SELECT seq FROM lifeboat_position", func(s *capi.Stmt) error {
		seq, ok = uint64(s.Int64(0)), true
		return nil
	})
	return seq, ok, err
}

// SetPosition implements database.Replayer.
func (t *Target) SetPosition(ctx context.Context, seq uint64) error {
	return t.transact(ctx, func() error { return t.setPosition(seq) })
}

func (t *Target) setPosition(seq uint64) error {
	if err := t.c.Exec(positionTable); err != nil {
		return err
	}
	return t.c.Exec("INSERT OR REPLACE INTO lifeboat_position VALUES (1, ?)", int64(seq))
}

// Apply implements database.Replayer. The transaction's changes are netted first, then
// rows are removed before rows are added, so that no uniqueness rule is broken on the
// way. Every row removed must be there exactly as the log says.
func (t *Target) Apply(ctx context.Context, seq uint64, changes []database.Change) error {
	err := t.transact(ctx, func() error {
		at, ok, err := t.position()
		switch {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("the position is not known: set it first")
		case seq <= at:
			return nil
		case seq > at+1:
			return fmt.Errorf("the database is at %d: transactions %d to %d are missing", at, at+1, seq-1)
		}
		if err := t.apply(changes); err != nil {
			return err
		}
		return t.setPosition(seq)
	})
	if err != nil {
		return fmt.Errorf("apply transaction %d to %s: %w", seq, t.path, err)
	}
	return nil
}

// net is what a transaction does to one table: images with how often they are added
// (positive) or removed (negative), in the order in which they first appear.
type net struct {
	table *database.Table
	count map[string]int
	order []string
}

func (t *Target) apply(changes []database.Change) error {
	if t.schema == nil { // its restore's records are gone: what it holds is what counts
		cat, err := readCatalog(t.c)
		if err != nil {
			return err
		}
		t.schema = cat.schema
	}
	nets, err := netOf(t.schema, changes)
	if err != nil {
		return err
	}
	for _, op := range []database.Op{database.Delete, database.Insert} {
		for _, n := range nets {
			if err := t.applyNet(n, op); err != nil {
				return fmt.Errorf("table %s: %w", n.table.Name, err)
			}
		}
	}
	return nil
}

func netOf(schema *database.Schema, changes []database.Change) ([]*net, error) {
	var nets []*net
	for _, c := range changes {
		i := slices.IndexFunc(nets, func(n *net) bool { return n.table.Name == c.Table })
		if i < 0 {
			table := schema.Table(c.Table)
			if table == nil {
				return nil, fmt.Errorf("there is no table %s", c.Table)
			}
			i = len(nets)
			nets = append(nets, &net{table: table, count: map[string]int{}})
		}
		n := nets[i]
		if err := n.table.CheckRow(c.Row); err != nil {
			return nil, err
		}
		if _, seen := n.count[string(c.Row)]; !seen {
			n.order = append(n.order, string(c.Row))
		}
		if c.Op == database.Insert {
			n.count[string(c.Row)]++
		} else {
			n.count[string(c.Row)]--
		}
	}
	return nets, nil
}

func (t *Target) applyNet(n *net, op database.Op) error {
	var s *rowWriter
	for _, image := range n.order {
		times := n.count[image]
		if op == database.Delete {
			times = -times
		}
		for ; times > 0; times-- {
			if s == nil {
				var err error
				if s, err = t.rowWriter(n.table, op); err != nil {
					return err
				}
				defer s.close() //nolint:errcheck // what was read or done has been checked already
			}
			if err := s.write([]byte(image)); err != nil {
				return err
			}
		}
	}
	return nil
}
