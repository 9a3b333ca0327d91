package mssql

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat/internal/database"
)

// Changes lie in one table per captured table and are wanted in order of change id over
// all of them. They are read in windows: first the ids of the next changes and where they
// lie, then those changes table by table, which are put in order in memory. So memory
// holds one window, whatever is pending.
const (
	// window is how many changes are held at once: 4,096 rows of at most 8,060 bytes are 32 MiB.
	window = 4096
	// largeWeight is how many ordinary rows a row with a (max) column counts for.
	largeWeight = 256
)

// place is one pending change: its id, and the number of its change table.
type place struct {
	id    int64
	table int
}

// Changes implements database.View.
func (v *view) Changes(ctx context.Context) iter.Seq2[database.Captured, error] {
	return func(yield func(database.Captured, error) bool) {
		if err := v.changes(ctx, yield); err != nil && !errors.Is(err, errStop) {
			yield(database.Captured{}, v.s.failed("read the captured changes of", translated(err)))
		}
	}
}

func (v *view) changes(ctx context.Context, yield func(database.Captured, error) bool) error {
	if v.installed == nil {
		return database.ErrNotInstalled
	}
	readers := make([]*tableCodec, len(v.sources))
	for after := int64(0); ; {
		places, err := v.places(ctx, after)
		if err != nil || len(places) == 0 {
			return err
		}
		if places, err = v.cut(places, readers); err != nil {
			return err
		}
		if err := v.window(ctx, places, readers, yield); err != nil {
			return err
		}
		after = places[len(places)-1].id
	}
}

// places finds the next changes in order.
func (v *view) places(ctx context.Context, after int64) ([]place, error) {
	if len(v.sources) == 0 {
		return nil, nil
	}
	var parts []string
	for i, t := range v.sources {
		parts = append(parts, fmt.Sprintf("SELECT x%d.id, %d AS place FROM (SELECT TOP (%d) lifeboat_id AS id FROM %s WHERE lifeboat_id > @p1 AND lifeboat_id <= @p2 ORDER BY lifeboat_id) AS x%d",
			i, i, window, t.sql(), i))
	}
	query := fmt.Sprintf("SELECT TOP (%d) u.id, u.place FROM (%s) AS u ORDER BY u.id", window, strings.Join(parts, "\nUNION ALL "))
	var places []place
	err := v.query(ctx, query, []any{after, v.lastID}, func(_ int, values []driver.Value) error {
		id, err := driverValue[int64](values[0])
		if err != nil {
			return err
		}
		table, err := driverValue[int64](values[1])
		places = append(places, place{id, int(table)})
		return err
	})
	return places, err
}

// cut shortens a window so that large rows do not fill the memory, and makes the codecs
// that it needs.
func (v *view) cut(places []place, readers []*tableCodec) ([]place, error) {
	weight := 0
	for i, p := range places {
		if readers[p.table] == nil {
			var err error
			if readers[p.table], err = v.s.codecs.table(v.sources[p.table].table); err != nil {
				return nil, err
			}
		}
		if readers[p.table].large() {
			weight += largeWeight - 1
		}
		if weight++; weight > window {
			return places[:max(i, 1)], nil
		}
	}
	return places, nil
}

// window reads the changes at the places and yields them in order.
func (v *view) window(ctx context.Context, places []place, readers []*tableCodec, yield func(database.Captured, error) bool) error {
	var tables []int // in the order of their result sets
	for _, p := range places {
		if !slices.Contains(tables, p.table) {
			tables = append(tables, p.table)
		}
	}
	var queries []string
	for _, t := range tables {
		queries = append(queries, "SELECT t.lifeboat_id, t.lifeboat_tx, t.lifeboat_session, t.lifeboat_at, t.lifeboat_op, "+readers[t].selects()+
			" FROM "+v.sources[t].sql()+" AS t WHERE t.lifeboat_id >= @p1 AND t.lifeboat_id <= @p2 ORDER BY t.lifeboat_id")
	}
	args := []any{places[0].id, places[len(places)-1].id}
	q := mergeQuery{strings.Join(queries, ";\n"), args}
	if len(tables) == 1 { // in order already: nothing need be held
		return v.single(ctx, places, readers, q, yield)
	}
	return v.merged(ctx, places, readers, tables, q, yield)
}

func (v *view) single(ctx context.Context, places []place, readers []*tableCodec, q mergeQuery, yield func(database.Captured, error) bool) error {
	n, stopped := 0, false
	var row []byte
	err := v.query(ctx, q.sql, q.args, func(_ int, values []driver.Value) error {
		c, err := v.captured(places[0].table, readers, values, row[:0])
		if err != nil {
			return err
		}
		if row = c.Row; n >= len(places) || places[n].id != c.ID {
			return errMoved
		}
		if n++; !yield(c, nil) {
			stopped = true
			return errStop
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case stopped:
		return errStop
	case n < len(places):
		return errMoved
	}
	return nil
}

type mergeQuery struct {
	sql  string
	args []any
}

// errMoved: two reads of one snapshot disagree, which no server should let happen.
var errMoved = errors.New("captured changes changed under a snapshot")

func (v *view) merged(ctx context.Context, places []place, readers []*tableCodec, tables []int, q mergeQuery, yield func(database.Captured, error) bool) error {
	held := make([]database.Captured, 0, len(places))
	err := v.query(ctx, q.sql, q.args, func(result int, values []driver.Value) error {
		if result >= len(tables) {
			return errMoved
		}
		c, err := v.captured(tables[result], readers, values, nil)
		held = append(held, c)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(held, func(a, b database.Captured) int { return cmp.Compare(a.ID, b.ID) })
	if len(held) != len(places) {
		return errMoved
	}
	for i, c := range held {
		if c.ID != places[i].id {
			return errMoved
		}
		if !yield(c, nil) {
			return errStop
		}
	}
	return nil
}

// ownWidth is how many driver values come before a change's row.
const ownWidth = 5

// captured decodes one change. Its row is memory of its own, appended to dst.
func (v *view) captured(table int, readers []*tableCodec, values []driver.Value, dst []byte) (database.Captured, error) {
	var c database.Captured
	id, err := driverValue[int64](values[0])
	tx, err2 := driverValue[int64](values[1])
	session, err3 := driverValue[int64](values[2])
	at, err4 := driverValue[time.Time](values[3])
	op, err5 := driverValue[string](values[4])
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		return c, err
	}
	if op != string(database.Delete) && op != string(database.Insert) {
		return c, fmt.Errorf("captured change %d has operation %q: the change table was tampered with", id, op)
	}
	// Ids of transactions begin anew when a server restarts; with the session they do
	// not meet again in what is pending.
	c.ID, c.Tx, c.At = id, strconv.FormatInt(tx, 10)+"."+strconv.FormatInt(session, 10), at.UTC()
	c.Op, c.Table = database.Op(op[0]), v.sources[table].table.Name
	c.Row, err = readers[table].decode(dst, values[ownWidth:])
	if err != nil {
		err = fmt.Errorf("captured change %d: %w", id, err)
	}
	return c, err
}

// Deletes stay far below the 5,000 locks at which the server would lock the whole table
// and with it the application's writers.
const (
	forgetBatch  = 2000 // changes to a statement
	forgetRanges = 200  // ranges of ids to a statement
)

// idRange is ids from first to last, both included.
type idRange struct{ first, last int64 }

// ranges puts ids in order and joins neighbours, forgetBatch at most to a range.
func ranges(ids []int64) []idRange {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	var list []idRange
	for _, id := range slices.Compact(sorted) {
		if n := len(list) - 1; n >= 0 && list[n].last+1 == id && id-list[n].first < forgetBatch {
			list[n].last = id
			continue
		}
		list = append(list, idRange{id, id})
	}
	return list
}

// batches groups ranges into statements.
func batches(list []idRange) [][]idRange {
	var groups [][]idRange
	var group []idRange
	count := int64(0)
	for _, r := range list {
		n := r.last - r.first + 1
		if len(group) > 0 && (count+n > forgetBatch || len(group) == forgetRanges) {
			groups, group, count = append(groups, group), nil, 0
		}
		group, count = append(group, r), count+n
	}
	if len(group) > 0 {
		groups = append(groups, group)
	}
	return groups
}

// Forget implements database.Source. Each statement is a transaction of its own.
func (s *Source) Forget(ctx context.Context, ids []int64) error {
	state, err := retried(ctx, s.log, "forget changes", func() (*captureState, error) { return s.cachedState(ctx) })
	if err != nil {
		return s.failed("forget changes of", err)
	}
	tables := state.changeTables()
	if len(ids) == 0 || len(tables) == 0 {
		return nil
	}
	for _, group := range batches(ranges(ids)) {
		err := s.run(ctx, unit{what: "forget changes", do: func(ctx context.Context, tx session) error {
			return forget(ctx, tx, tables, group)
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// cachedState is the capture state that the last view saw; it is read if there is none.
func (s *Source) cachedState(ctx context.Context) (*captureState, error) {
	s.mu.Lock()
	k := s.known
	s.mu.Unlock()
	if k != nil {
		return k.state, nil
	}
	return readState(ctx, s.db)
}

func forget(ctx context.Context, tx querier, tables []changeSource, group []idRange) error {
	var parts []string
	for i, t := range tables {
		parts = append(parts, fmt.Sprintf("SELECT %d AS Number, COUNT_BIG(*) AS Rows FROM %s WHERE lifeboat_id >= @p1 AND lifeboat_id <= @p2", i, t.sql()))
	}
	type found struct{ Number, Rows int }
	there, err := collect[found](ctx, tx, "SELECT x.Number, x.Rows FROM ("+strings.Join(parts, " UNION ALL ")+") AS x WHERE x.Rows > 0", group[0].first, group[len(group)-1].last)
	if err != nil {
		return err
	}
	where, args := whereIn(group)
	for _, f := range there {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+tables[f.Number].sql()+" WITH (ROWLOCK) WHERE "+where, args...); err != nil {
			return err
		}
	}
	return nil
}

func whereIn(group []idRange) (string, []any) {
	var parts []string
	var args []any
	for _, r := range group {
		parts = append(parts, fmt.Sprintf("lifeboat_id >= @p%d AND lifeboat_id <= @p%d", len(args)+1, len(args)+2))
		args = append(args, r.first, r.last)
	}
	return strings.Join(parts, " OR "), args
}
