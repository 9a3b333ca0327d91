package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// cached is the catalog and the capture state as of one schema version of the file.
type cached struct {
	version int64 // PRAGMA schema_version
	cat     *catalog
	state   *captureState
}

// view implements database.View.
type view struct {
	f         *file
	c         *capi.Conn
	schema    *database.Schema
	installed *database.Schema // nil: no capture
	state     *captureState
	shapes    map[int64]shape
	lastID    int64 // changes after it are of a later generation
	old       bool  // an earlier generation's changes are pending
	target    bool  // of a restore: no changes
	decode    decoder
}

var _ database.View = (*view)(nil)

// View implements database.Source.
func (d *DB) View(ctx context.Context) (database.View, error) {
	c, err := d.conn()
	if err != nil {
		return nil, err
	}
	v, err := d.view(ctx, c)
	if err != nil {
		return nil, errors.Join(d.explain(ctx, err), c.Close())
	}
	return v, nil
}

func (d *DB) view(ctx context.Context, c *capi.Conn) (*view, error) {
	if err := d.snapshot(ctx, c); err != nil {
		return nil, err
	}
	known, err := d.catalog(c)
	if err != nil {
		return nil, err
	}
	v := &view{f: &d.file, c: c, schema: known.cat.schema, lastID: math.MaxInt64}
	v.decode = nativeDecoder(known.cat.schema.Settings["encoding"])
	if !known.state.installed {
		return v, nil
	}
	v.state = known.state
	v.shapes = make(map[int64]shape, len(known.state.shapes))
	for _, s := range known.state.shapes {
		v.shapes[s.number] = s
	}
	g, err := pendingGeneration(c, known.state)
	if err != nil {
		return nil, err
	}
	v.installed = g.schema
	if g.number != known.state.current().number {
		v.old, v.lastID = true, g.lastID
		return v, nil
	}
	same, err := sameSchema(g.schema, v.schema)
	if err != nil {
		return nil, err
	}
	if bad := known.state.damaged(known.cat); same && len(bad) > 0 {
		v.installed = marked(g.schema, bad)
	}
	return v, nil
}

// pendingGeneration is the earliest installed schema that has changes pending, else the
// current one.
func pendingGeneration(c *capi.Conn, st *captureState) (*generation, error) {
	for i := range st.generations[:len(st.generations)-1] {
		g, pending := &st.generations[i], false
		err := c.Query("SELECT 1 FROM lifeboat_changes WHERE change_id <= ? AND op IN (-1, 1) LIMIT 1", func(*capi.Stmt) error {
			pending = true
			return nil
		}, g.lastID)
		if err != nil || pending {
			return g, err
		}
	}
	return st.current(), nil
}

// marked is the schema with the tables whose triggers are not in order noted: its
// fingerprint then differs from the database's, so that capture is installed again.
func marked(s *database.Schema, damaged []string) *database.Schema {
	copied := *s
	copied.Settings = maps.Clone(s.Settings)
	copied.Settings["capture"] = "triggers missing or changed on " + strings.Join(damaged, ", ")
	return &copied
}

// catalog returns what is known of the schema in c's transaction, read again only if
// something changed.
func (d *DB) catalog(c *capi.Conn) (*cached, error) {
	var version int64
	if err := c.Query("PRAGMA schema_version", func(s *capi.Stmt) error { version = s.Int64(0); return nil }); err != nil {
		return nil, err
	}
	now, err := readSettings(c)
	if err != nil {
		return nil, err
	}
	d.cacheMu.Lock()
	known := d.cache
	d.cacheMu.Unlock()
	if known != nil && known.version == version && sameSettings(known.cat.schema.Settings, now) {
		return known, nil
	}
	cat, err := readCatalog(c)
	if err != nil {
		return nil, err
	}
	if err := cat.unsupported(d.path); err != nil {
		return nil, err
	}
	st, err := readCapture(c)
	if err != nil {
		return nil, err
	}
	known = &cached{version, cat, st}
	d.cacheMu.Lock()
	d.cache = known
	d.cacheMu.Unlock()
	return known, nil
}

func sameSettings(a, b map[string]string) bool {
	for k, v := range b {
		if a[k] != v {
			return false
		}
	}
	return true
}

func (v *view) Schema() *database.Schema    { return v.schema }
func (v *view) Installed() *database.Schema { return v.installed }

// decoderFor decodes rows of a table as this database stores them.
func (d decoder) decoderFor(s *database.Schema, t *database.Table) decoder {
	d.forms = formsOf(s, t)
	return d
}

// Close ends the view and gives its connection back.
func (v *view) Close() error {
	if v.c == nil {
		return nil
	}
	c := v.c
	v.c = nil
	return errors.Join(c.Exec("ROLLBACK"), v.f.release(c))
}

// Changes implements database.View.
func (v *view) Changes(ctx context.Context) iter.Seq2[database.Captured, error] {
	return func(yield func(database.Captured, error) bool) {
		if err := v.changes(ctx, yield); err != nil {
			yield(database.Captured{}, err)
		}
	}
}

func (v *view) changes(ctx context.Context, yield func(database.Captured, error) bool) error {
	if v.target {
		return nil
	}
	if v.installed == nil {
		return fmt.Errorf("%s: %w", v.f.path, database.ErrNotInstalled)
	}
	real, err := resolve(v.c, v.state)
	if err != nil {
		return v.f.explain(ctx, err)
	}
	width := 0
	for _, s := range v.shapes {
		width = max(width, s.width)
	}
	s, err := v.c.Prepare("SELECT change_id, shape, tx, at, op" + changeColumns(width) +
		" FROM lifeboat_changes WHERE op <> 0 AND change_id <= ? ORDER BY change_id")
	if err != nil {
		return v.f.explain(ctx, err)
	}
	defer s.Close() //nolint:errcheck // what was read or done has been checked already
	if err := s.Bind(v.lastID); err != nil {
		return err
	}
	defer watch(ctx, v.c)()
	var row []byte
	var tx string
	lastTx := int64(-1)
	for {
		more, err := s.Step()
		if err != nil || !more {
			return v.f.explain(ctx, err)
		}
		if s.Int64(4) == opSeen {
			if len(real) == 0 || real[0] != s.Int64(0) {
				continue
			}
			real = real[1:]
		}
		shape, ok := v.shapes[s.Int64(1)]
		if !ok {
			return fmt.Errorf("%s: captured change %d has an unknown shape %d: lifeboat_shapes was tampered with", v.f.path, s.Int64(0), s.Int64(1))
		}
		if n := s.Int64(2); n != lastTx {
			lastTx, tx = n, strconv.FormatInt(n, 10)
		}
		c := database.Captured{ID: s.Int64(0), Tx: tx, At: julian(s.Float(3))}
		c.Op, c.Table = database.Insert, shape.name
		if s.Int64(4) != opInsert {
			c.Op = database.Delete
		}
		if row, err = v.decode.row(row[:0], s, 5, shape.width); err != nil {
			return fmt.Errorf("captured change %d of table %s: %w", c.ID, shape.name, err)
		}
		c.Row = row
		if !yield(c, nil) {
			return nil
		}
	}
}

// julian turns a Julian day of SQLite's millisecond clock into a time.
func julian(day float64) time.Time {
	const unixEpoch, millis = 2440587.5, 86_400_000
	return time.UnixMilli(int64(math.Round((day - unixEpoch) * millis))).UTC()
}

// Rows implements database.View. Rows come in the order of the key under the key's own
// collation.
func (v *view) Rows(ctx context.Context, t *database.Table) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := v.rows(ctx, t, yield); err != nil {
			yield(nil, err)
		}
	}
}

func (v *view) rows(ctx context.Context, t *database.Table, yield func([]byte, error) bool) error {
	if v.old {
		return fmt.Errorf("%s: changes captured before the last change of schema are pending, so this view is not exactly what the log holds; drain and forget them first: %w",
			v.f.path, database.ErrSchemaChanged)
	}
	s, err := v.c.Prepare(selectRows(t))
	if err != nil {
		return fmt.Errorf("read table %s: %w", t.Name, v.f.explain(ctx, err))
	}
	defer s.Close() //nolint:errcheck // what was read or done has been checked already
	defer watch(ctx, v.c)()
	decode := v.decode.decoderFor(v.schema, t)
	var row []byte
	for {
		more, err := s.Step()
		if err != nil || !more {
			return v.f.explain(ctx, err)
		}
		if row, err = decode.row(row[:0], s, 0, len(t.Columns)); err != nil {
			return fmt.Errorf("row of table %s: %w", t.Name, err)
		}
		if !yield(row, nil) {
			return nil
		}
	}
}

func selectRows(t *database.Table) string {
	var columns, key []string
	for _, c := range t.Columns {
		columns = append(columns, quote(c.Name))
	}
	for _, k := range t.Key {
		key = append(key, quote(t.Columns[k].Name))
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + quote(t.Name) + " ORDER BY " + strings.Join(key, ", ")
}

// RowCount implements database.View: the span of the row ids, -1 where there are none.
func (v *view) RowCount(_ context.Context, t *database.Table) int64 {
	n := int64(-1)
	name := quote(t.Name)
	_ = v.c.Query("SELECT (SELECT max(rowid) FROM "+name+"), (SELECT min(rowid) FROM "+name+")", func(s *capi.Stmt) error {
		if s.Kind(0) == capi.Null {
			n = 0
		} else if s.Kind(0) == capi.Integer {
			n = max(s.Int64(0)-s.Int64(1)+1, -1)
		}
		return nil
	})
	return n
}

// Counters implements database.View: what sqlite_sequence holds, by table.
func (v *view) Counters(ctx context.Context) (map[string]int64, error) {
	if isPortable(v.schema) {
		counters, err := portableCounters(v.c)
		return counters, v.f.explain(ctx, err)
	}
	counters := map[string]int64{}
	has, err := hasTable(v.c, "sqlite_sequence")
	if err != nil || !has {
		return counters, v.f.explain(ctx, err)
	}
	err = v.c.Query("SELECT name, seq FROM sqlite_sequence", func(s *capi.Stmt) error {
		counters[s.Text(0)] = s.Int64(1)
		return nil
	})
	return counters, v.f.explain(ctx, err)
}
