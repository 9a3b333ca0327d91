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
	r := &changeReader{v: v, codecs: make([]*tableCodec, len(v.sources)), yield: yield}
	for after := int64(0); ; {
		places, err := v.places(ctx, after)
		if err != nil || len(places) == 0 {
			return err
		}
		if r.places, err = r.cut(places); err != nil {
			return err
		}
		if err := r.window(ctx); err != nil {
			return err
		}
		after = r.places[len(r.places)-1].id
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
	err := v.query(ctx, statement{query, []any{after, v.lastID}}, func(_ int, values []driver.Value) error {
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

// changeReader reads the captured changes of a view, window by window.
type changeReader struct {
	v      *view
	codecs []*tableCodec // by number of the change table, made when needed
	places []place       // the window
	tables []int         // of the window, in the order of their result sets
	yield  func(database.Captured, error) bool
}

// cut shortens a window so that large rows do not fill the memory, and makes the codecs
// that it needs.
func (r *changeReader) cut(places []place) ([]place, error) {
	weight := 0
	for i, p := range places {
		if r.codecs[p.table] == nil {
			var err error
			if r.codecs[p.table], err = r.v.s.codecs.table(r.v.sources[p.table].table); err != nil {
				return nil, err
			}
		}
		if r.codecs[p.table].large() {
			weight += largeWeight - 1
		}
		if weight++; weight > window {
			return places[:max(i, 1)], nil
		}
	}
	return places, nil
}

// window reads the changes at the places and yields them in order.
func (r *changeReader) window(ctx context.Context) error {
	r.tables = r.tables[:0]
	for _, p := range r.places {
		if !slices.Contains(r.tables, p.table) {
			r.tables = append(r.tables, p.table)
		}
	}
	var queries []string
	for _, t := range r.tables {
		queries = append(queries, "SELECT t.lifeboat_id, t.lifeboat_tx, t.lifeboat_session, t.lifeboat_at, t.lifeboat_op, "+r.codecs[t].selects()+
			" FROM "+r.v.sources[t].sql()+" AS t WHERE t.lifeboat_id >= @p1 AND t.lifeboat_id <= @p2 ORDER BY t.lifeboat_id")
	}
	q := statement{strings.Join(queries, ";\n"), []any{r.places[0].id, r.places[len(r.places)-1].id}}
	if len(r.tables) == 1 { // in order already: nothing need be held
		return r.single(ctx, q)
	}
	return r.merged(ctx, q)
}

// errMoved: two reads of one snapshot disagree, which no server should let happen.
var errMoved = errors.New("captured changes changed under a snapshot")

func (r *changeReader) single(ctx context.Context, q statement) error {
	n, stopped := 0, false
	var row []byte
	err := r.v.query(ctx, q, func(_ int, values []driver.Value) error {
		c, err := r.captured(r.tables[0], values, row[:0])
		if err != nil {
			return err
		}
		if row = c.Row; n >= len(r.places) || r.places[n].id != c.ID {
			return errMoved
		}
		if n++; !r.yield(c, nil) {
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
	case n < len(r.places):
		return errMoved
	}
	return nil
}

func (r *changeReader) merged(ctx context.Context, q statement) error {
	held := make([]database.Captured, 0, len(r.places))
	err := r.v.query(ctx, q, func(result int, values []driver.Value) error {
		if result >= len(r.tables) {
			return errMoved
		}
		c, err := r.captured(r.tables[result], values, nil)
		held = append(held, c)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(held, func(a, b database.Captured) int { return cmp.Compare(a.ID, b.ID) })
	if len(held) != len(r.places) {
		return errMoved
	}
	for i, c := range held {
		if c.ID != r.places[i].id {
			return errMoved
		}
		if !r.yield(c, nil) {
			return errStop
		}
	}
	return nil
}

// ownWidth is how many driver values come before a change's row.
const ownWidth = 5

// captured decodes one change. Its row is memory of its own, appended to dst.
func (r *changeReader) captured(table int, values []driver.Value, dst []byte) (database.Captured, error) {
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
	c.Op, c.Table = database.Op(op[0]), r.v.sources[table].table.Name
	c.Row, err = r.codecs[table].decode(dst, values[ownWidth:])
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
