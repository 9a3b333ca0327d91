package restore

import (
	"bytes"
	"fmt"

	"github.com/zeebo/xxh3"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
)

// Rows receives what a merge makes of a table. Rows may be kept as long as the chunk
// they came from, or the Net.
type Rows struct {
	Keep func(row []byte) error // of the base, unchanged
	Add  func(row []byte) error // new
	Drop func(row []byte) error // of the base, taken away; may be nil
}

// Merger applies the sum of all changes of one table to the table's base, chunk by
// chunk. Ordered tables are merged by walking both in key order; in others every base
// row is looked up, and rows with new keys come at the end. It is for one goroutine.
type Merger struct {
	net    *Net
	number int
	table  *database.Table
	out    Rows
	groups *Groups
	group  *Group  // the next one; nil: no more
	lookup *lookup // of unordered tables
	key    []byte
	last   []byte // key of the row before, to prove the order
	any    bool
}

// Merger starts the merge of a table; the Net must be sealed, and must have been made
// with Hashed set for the table if and only if it is not ordered.
func (n *Net) Merger(table int, out Rows) (*Merger, error) {
	groups, err := n.Groups(table)
	if err != nil {
		return nil, err
	}
	m := &Merger{net: n, number: table, table: &n.cfg.Schema.Tables[table], out: out, groups: groups}
	if out.Drop == nil {
		m.out.Drop = func([]byte) error { return nil }
	}
	if m.group, err = groups.Next(); err != nil {
		return nil, err
	}
	if n.cfg.Hashed[table] && m.group != nil {
		m.lookup, err = n.newLookup(table)
	}
	return m, err
}

// Close removes what the merge kept on disk.
func (m *Merger) Close() error {
	if m.lookup == nil {
		return nil
	}
	return m.lookup.close()
}

// Untouched tells whether no change falls before the key `next`, nil for the end, so
// that the chunk which ends there is the same afterwards.
func (m *Merger) Untouched(next []byte) bool {
	return m.group == nil || m.lookup == nil && next != nil && bytes.Compare(m.group.Key, next) >= 0
}

// Skip leaves out the part of an ordered table before `next`, nil for the end.
func (m *Merger) Skip(next []byte) (err error) {
	for err == nil && !m.Untouched(next) {
		m.group, err = m.groups.Next()
	}
	m.any = false
	return err
}

// Chunk merges the rows of one chunk and, in an ordered table, the new rows before
// `next`, the start of the chunk after it; nil if it is the last one.
func (m *Merger) Chunk(chunk Chunk, payload, next []byte) error {
	each := m.orderedRow
	switch {
	case m.Untouched(next):
		each, m.any = m.out.Keep, false
	case m.lookup != nil:
		each = m.hashedRow
	}
	for count := int64(0); ; count++ {
		if len(payload) == 0 {
			if count != chunk.Entries {
				return &DamageError{Object: chunk.Name(), Err: fmt.Errorf("%w: %d rows, want %d", eventlog.ErrCorrupt, count, chunk.Entries)}
			}
			break
		}
		row, rest, err := NextRow(payload)
		if err != nil {
			return &DamageError{Object: chunk.Name(), Err: err}
		}
		if err := each(row); err != nil {
			return err
		}
		payload = rest
	}
	if next == nil || m.lookup != nil {
		return nil
	}
	return m.addBefore(next)
}

// Finish adds what comes after the last chunk and checks that every row that was to be
// taken away has been met.
func (m *Merger) Finish() error {
	if m.lookup != nil {
		return m.tail()
	}
	for m.group != nil {
		if err := m.addGroup(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Merger) addBefore(next []byte) error {
	for m.group != nil && bytes.Compare(m.group.Key, next) < 0 {
		if err := m.addGroup(); err != nil {
			return err
		}
	}
	return nil
}

// addGroup adds the rows of a key that the base does not have.
func (m *Merger) addGroup() (err error) {
	if len(m.group.Minus) > 0 {
		return m.missing(m.group.Key)
	}
	if err := m.addAll(m.group.Plus); err != nil {
		return err
	}
	m.group, err = m.groups.Next()
	return err
}

func (m *Merger) addAll(rows []NetRow) error {
	for _, r := range rows {
		if err := m.out.Add(r.Row); err != nil {
			return err
		}
	}
	return nil
}

// orderedRow merges one base row of an ordered table, in which a key has one row.
func (m *Merger) orderedRow(row []byte) error {
	key, err := m.table.AppendKey(m.key[:0], row)
	if err != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrCorrupt, err)
	}
	if m.any && bytes.Compare(m.last, key) >= 0 {
		return fmt.Errorf("%w: table %s is not in the order that its snapshot says", eventlog.ErrCorrupt, m.table.Name)
	}
	m.key, m.last, m.any = m.last, key, true
	if err := m.addBefore(key); err != nil {
		return err
	}
	if m.group == nil || !bytes.Equal(m.group.Key, key) {
		return m.out.Keep(row)
	}
	switch hash := m.net.hash(row); {
	case len(m.group.Minus) == 0:
		err = m.out.Keep(row)
	case len(m.group.Minus) == 1 && m.group.Minus[0].hash == hash:
		err = m.out.Drop(row)
	default:
		return m.missing(key)
	}
	if err != nil {
		return err
	}
	if err := m.addAll(m.group.Plus); err != nil {
		return err
	}
	m.group, err = m.groups.Next()
	return err
}

func (n *Net) hash(row []byte) xxh3.Uint128 { return xxh3.Hash128Seed(row, n.seed) }

// hashedRow merges one base row of an unordered table.
func (m *Merger) hashedRow(row []byte) error {
	key, err := m.net.appendSortKey(m.key[:0], uint32(m.number), row)
	if err != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrCorrupt, err)
	}
	m.key = key
	found, err := m.lookup.find(key)
	if err != nil {
		return err
	}
	if found == nil || !m.lookup.match(found, m.net.hash(row)) {
		return m.out.Keep(row)
	}
	if err := m.out.Drop(row); err != nil {
		return err
	}
	if !m.lookup.done(found.number) {
		return nil
	}
	return m.addAll(found.plus)
}

// tail adds the groups that no base row has finished: those of new keys.
func (m *Merger) tail() (err error) {
	for number := int64(0); m.group != nil; number++ {
		if !m.lookup.done(number) {
			if len(m.group.Minus) > 0 {
				return m.missing(m.group.Key)
			}
			if err := m.addAll(m.group.Plus); err != nil {
				return err
			}
		}
		if m.group, err = m.groups.Next(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Merger) missing(key []byte) error {
	return fmt.Errorf("%w: table %s, key %x: the log removes or changes a row that is not there as the log has it",
		ErrInconsistent, m.table.Name, key)
}
