package sqlite

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// REPLACE removes rows that stand in the way of a new one, and unless the connection has
// recursive_triggers on, no trigger tells. A trigger that runs before the new row is
// written can see them, but not whether they will be replaced: the statement may as well
// fail, ignore the row, or turn into an update of the one in the way. So it stores a
// sighting: this row was there. If nothing tells of a removal afterwards, and yet the row
// comes anew or is not in its table in the end, then it was replaced, right after it was
// seen last.

// sightings are rows last heard of by being seen, of one shape: id of the sighting by
// the row's identity.
type sightings map[identity]int64

// identity is of a row's image, which begins with the row id, as one more value, where
// that is not a column: there are no two such rows.
type identity [16]byte

func identify(image []byte) identity {
	sum := sha256.Sum256(image)
	return identity(sum[:])
}

// resolver goes through what was stored in order.
type resolver struct {
	st   *captureState
	seen map[int64]sightings // by shape
	gone []int64             // ids of sightings of rows that were then replaced
}

// resolve returns the ids of the sightings after which the row was replaced, ascending.
// Where there are no sightings, the rule, it costs one look.
func resolve(c *capi.Conn, st *captureState) ([]int64, error) {
	after := int64(-1)
	err := c.Query("SELECT seen FROM lifeboat_transaction WHERE seen IS NOT NULL", func(s *capi.Stmt) error {
		after = s.Int64(0)
		return nil
	})
	if err != nil || after < 0 {
		return nil, err
	}
	r := &resolver{st: st, seen: map[int64]sightings{}}
	width := map[int64]int{}
	for _, shape := range st.shapes {
		width[shape.number] = shape.width
	}
	var row []byte
	err = c.Query("SELECT shape, op, change_id, rid"+changeColumns(st.width)+" FROM lifeboat_changes WHERE change_id > ? ORDER BY change_id", func(s *capi.Stmt) (err error) {
		number, op := s.Int64(0), s.Int64(1)
		if op != opSeen && len(r.seen[number]) == 0 {
			return nil
		}
		if row, err = st.decoder.row(row[:0], s, 3, 1+width[number]); err == nil {
			r.hear(number, op, s.Int64(2), row)
		}
		return err
	}, after)
	for shape, seen := range r.seen {
		if err == nil && len(seen) > 0 {
			err = r.look(c, shape, seen)
		}
	}
	slices.Sort(r.gone)
	return r.gone, err
}

// hear takes in the next thing that is known of a row.
func (r *resolver) hear(shape, op, id int64, image []byte) {
	row := identify(image)
	was, pending := r.seen[shape][row]
	delete(r.seen[shape], row)
	switch {
	case op == opSeen && r.seen[shape] == nil:
		r.seen[shape] = sightings{row: id}
	case op == opSeen:
		r.seen[shape][row] = id
	case op == opInsert && pending: // it comes anew, so it was gone
		r.gone = append(r.gone, was)
	}
}

// look decides about rows of which nothing has been heard since they were seen: those
// that are not in their table were replaced. If the table is gone too, they are taken to
// have been there.
func (r *resolver) look(c *capi.Conn, number int64, seen sightings) error {
	was, width := r.st.tableOf(number)
	if was == nil {
		return nil
	}
	table, err := tableNow(c, was, number)
	if err != nil || table == nil {
		return err
	}
	f, err := newFinder(c, table, encoder{columns: width}, r.st.decoder)
	if err != nil {
		return err
	}
	image, err := c.Prepare("SELECT rid" + changeColumns(width) + " FROM lifeboat_changes WHERE change_id = ?")
	if err != nil {
		return errors.Join(err, f.close())
	}
	for _, id := range seen {
		there, err := r.isThere(f, image, id, width)
		if err != nil {
			return errors.Join(err, f.close(), image.Close())
		}
		if !there {
			r.gone = append(r.gone, id)
		}
	}
	return errors.Join(f.close(), image.Close())
}

// isThere looks for the very row of a sighting: its image, and its row id if that is
// not a column.
func (r *resolver) isThere(f *finder, sighting *capi.Stmt, id int64, width int) (bool, error) {
	if err := sighting.Bind(id); err != nil {
		return false, err
	}
	if more, err := sighting.Step(); err != nil || !more {
		return false, errors.Join(fmt.Errorf("sighting %d cannot be read again", id), err)
	}
	defer sighting.Reset()
	row, err := r.st.decoder.row(nil, sighting, 1, width)
	if err != nil {
		return false, err
	}
	there, err := f.find(row)
	if err != nil || !there {
		return false, err
	}
	defer f.s.Reset()
	hidden := sighting.Kind(0) != capi.Null
	for there && hidden && f.s.Int64(0) != sighting.Int64(0) { // a twin, where a key holds NULL
		if there, err = f.next(row); err != nil {
			return false, err
		}
	}
	return there, nil
}

// tableOf is the table as it was when the shape was new, nil if no schema knows it.
func (st *captureState) tableOf(number int64) (table *database.Table, width int) {
	for _, s := range st.shapes {
		if s.number != number {
			continue
		}
		for _, g := range st.generations {
			if t := g.schema.Table(s.name); t != nil && t.Version() == s.version {
				return t, s.width
			}
		}
	}
	return nil, 0
}

// tableNow is the table of a shape under the names it has now: the triggers are with it
// when it is renamed, and while they are, columns are renamed and added at the end only.
// It is nil if the triggers are gone.
func tableNow(c *capi.Conn, was *database.Table, shape int64) (*database.Table, error) {
	name := ""
	err := c.Query("SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name = ?", func(s *capi.Stmt) error {
		name = s.Text(0)
		return nil
	}, fmt.Sprintf("%s%d_insert", reserved, shape))
	if err != nil || name == "" {
		return nil, err
	}
	columns, err := readColumns(c, name)
	if err != nil {
		return nil, err
	}
	now := &database.Table{Name: name, Key: was.Key}
	for _, column := range columns {
		if !column.generated && len(now.Columns) < len(was.Columns) {
			now.Columns = append(now.Columns, database.Column{Name: column.name})
		}
	}
	if len(now.Columns) < len(was.Columns) {
		return nil, nil
	}
	return now, nil
}
