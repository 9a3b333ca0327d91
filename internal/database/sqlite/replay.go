package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
				defer s.close()
			}
			if err := s.do([]byte(image)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowWriter inserts or deletes single rows of one table.
type rowWriter struct {
	table     *database.Table
	encode    encoder
	decode    decoder
	insert    *capi.Stmt
	find, del *capi.Stmt
	byRowid   bool // del takes the row id, which find yields first; else the key
	row       []byte
}

func (t *Target) rowWriter(table *database.Table, op database.Op) (*rowWriter, error) {
	w := &rowWriter{table: table, encode: t.encoder(table), decode: nativeDecoder(t.schema.Settings["encoding"]).decoderFor(t.schema, table)}
	var err error
	if op == database.Insert {
		w.insert, err = t.c.Prepare(insertRows(table, 1))
		return w, err
	}
	rowid, err := t.rowidOf(table)
	if err != nil {
		return nil, err
	}
	var key, columns []string
	for i, k := range table.Key {
		key = append(key, fmt.Sprintf("%s IS ?%d", quote(table.Columns[k].Name), i+1))
	}
	for _, c := range table.Columns {
		columns = append(columns, quote(c.Name))
	}
	byKey := " FROM " + quote(table.Name) + " WHERE " + strings.Join(key, " AND ")
	first, del := "NULL", "DELETE"+byKey
	if rowid != "" {
		w.byRowid, first, del = true, quote(rowid), "DELETE FROM "+quote(table.Name)+" WHERE "+quote(rowid)+" = ?"
	}
	if w.find, err = t.c.Prepare("SELECT " + first + ", " + strings.Join(columns, ", ") + byKey); err != nil {
		return nil, err
	}
	if w.del, err = t.c.Prepare(del); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// rowidOf returns the name of a table's row id, "" if it has none.
func (t *Target) rowidOf(table *database.Table) (string, error) {
	columns, err := readColumns(t.c, table.Name)
	if err != nil {
		return "", err
	}
	indexes, err := readUniqueIndexes(t.c, table.Name)
	if err != nil {
		return "", err
	}
	flags, err := readTableFlags(t.c)
	if err != nil {
		return "", err
	}
	own := flags[strings.ToLower(table.Name)]
	if own.withoutRowid {
		return "", nil
	}
	return rowidName(columns, rowidAlias(columns, indexes, own)), nil
}

func (w *rowWriter) close() {
	for _, s := range []*capi.Stmt{w.find, w.insert, w.del} {
		if s != nil {
			s.Close()
		}
	}
}

func (w *rowWriter) do(image []byte) error {
	if w.insert != nil {
		w.insert.Rewind()
		if err := w.encode.bindRow(w.insert, 0, image); err != nil {
			return err
		}
		_, err := w.insert.Step()
		return err
	}
	if err := w.bindKey(w.find, image); err != nil {
		return err
	}
	for {
		more, err := w.find.Step()
		if err != nil {
			return err
		}
		if !more {
			return errors.New("the row to be removed is not there as the log has it: the database holds changes that the log does not")
		}
		if w.row, err = w.decode.row(w.row[:0], w.find, 1, len(w.table.Columns)); err != nil {
			return err
		}
		if bytes.Equal(w.row, image) {
			return w.remove(image)
		}
	}
}

// remove deletes the row that find stands on.
func (w *rowWriter) remove(image []byte) error {
	defer w.find.Reset()
	if w.byRowid {
		return w.del.Exec(w.find.Int64(0))
	}
	if err := w.bindKey(w.del, image); err != nil {
		return err
	}
	_, err := w.del.Step()
	return err
}

func (w *rowWriter) bindKey(s *capi.Stmt, image []byte) error {
	s.Rewind()
	for column, row := 0, image; len(row) > 0; column++ {
		v, rest, err := database.Next(row)
		if err != nil {
			return err
		}
		if i := slices.Index(w.table.Key, column); i >= 0 {
			if err := w.encode.bind(s, i+1, column, v, row[:len(row)-len(rest)]); err != nil {
				return err
			}
		}
		row = rest
	}
	return nil
}
