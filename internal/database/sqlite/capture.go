package sqlite

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// captureFormat is the version of the lifeboat_ tables in a database.
const captureFormat = 1

// What a row of lifeboat_changes says of its image.
const (
	opInsert = 1  // added
	opDelete = -1 // removed
	opMark   = 0  // nothing: it keeps the largest change id, and with it the sequence
	opSeen   = 2  // there, in the way of another one: see resolve
)

// lifeboat_changes gets columns c1, c2, … without a type, so that no affinity changes a
// value. rid is the row id where that is not one of the columns: no part of the image, but
// rows may stand in each other's way for it. seen is a change id before all sightings.
var captureTables = [...]string{
	`CREATE TABLE lifeboat_state (name TEXT PRIMARY KEY, value) WITHOUT ROWID`,
	fmt.Sprintf(`INSERT INTO lifeboat_state VALUES ('format', %d), ('fence', '')`, captureFormat),
	`CREATE TABLE lifeboat_transaction (mark INTEGER NOT NULL, seen INTEGER)`,
	`INSERT INTO lifeboat_transaction VALUES (0, NULL)`,
	`CREATE TABLE lifeboat_schema (generation INTEGER PRIMARY KEY, last_id INTEGER, json TEXT NOT NULL)`,
	`CREATE TABLE lifeboat_shapes (shape INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, width INTEGER NOT NULL)`,
	`CREATE TABLE lifeboat_changes (change_id INTEGER PRIMARY KEY, shape INTEGER NOT NULL, tx INTEGER, at REAL, op INTEGER NOT NULL, rid INTEGER)`,
	// Change ids begin at the microseconds since 1970, not at 1: the log remembers ids that
	// it has taken, and must not take those of another installation (before a Remove, or
	// in the database that this one was restored from) for changes it has already.
	`INSERT INTO lifeboat_changes (change_id, shape, op) VALUES (CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER), 0, 0)`,
}

// shape is what rows of one version of one table look like in lifeboat_changes.
type shape struct {
	number  int64
	name    string
	version string
	width   int
}

// captureState is what Install has left in a database.
type captureState struct {
	installed   bool
	fence       string
	width       int // how many columns c1, c2, … there are
	decoder     decoder
	shapes      []shape
	generations []generation // ascending; the last is the one triggers are made for
}

// generation is one installed schema. Changes up to lastID have its shapes; those after
// belong to the next. It is kept while such changes are pending in shapes that the next
// no longer has.
type generation struct {
	number int64
	lastID int64 // of an earlier generation; 0 for the current one
	schema *database.Schema
}

func (st *captureState) current() *generation {
	if len(st.generations) == 0 {
		return nil
	}
	return &st.generations[len(st.generations)-1]
}

func (st *captureState) shapeOf(t *database.Table) (int64, bool) {
	for _, s := range st.shapes {
		if s.name == t.Name && s.version == t.Version() {
			return s.number, true
		}
	}
	return 0, false
}

func readCapture(c *capi.Conn) (*captureState, error) {
	st := &captureState{}
	err := c.Query("SELECT 1 FROM sqlite_schema WHERE name = 'lifeboat_state'", func(*capi.Stmt) error {
		st.installed = true
		return nil
	})
	if err != nil || !st.installed {
		return st, err
	}
	err = c.Query("SELECT name, value FROM lifeboat_state", func(s *capi.Stmt) error {
		switch s.Text(0) {
		case "format":
			if v := s.Int64(1); v != captureFormat {
				return fmt.Errorf("capture in this database has format %d, this lifeboat knows %d: use the newer lifeboat", v, captureFormat)
			}
		case "fence":
			st.fence = s.Text(1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.Query("SELECT count(*) FROM pragma_table_xinfo('lifeboat_changes') WHERE name GLOB 'c[0-9]*'", func(s *capi.Stmt) error {
		st.width = int(s.Int64(0))
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.Query("SELECT shape, name, version, width FROM lifeboat_shapes ORDER BY shape", func(s *capi.Stmt) error {
		st.shapes = append(st.shapes, shape{s.Int64(0), s.Text(1), s.Text(2), int(s.Int64(3))})
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.Query("PRAGMA encoding", func(s *capi.Stmt) error { st.decoder = nativeDecoder(s.Text(0)); return nil })
	if err != nil {
		return nil, err
	}
	return st, st.readGenerations(c)
}

func (st *captureState) readGenerations(c *capi.Conn) error {
	st.generations = nil
	return c.Query("SELECT generation, last_id, json FROM lifeboat_schema ORDER BY generation", func(s *capi.Stmt) error {
		schema, err := database.DecodeSchema([]byte(s.Text(2)))
		if err != nil {
			return fmt.Errorf("schema that capture was installed for: %w", err)
		}
		st.generations = append(st.generations, generation{s.Int64(0), s.Int64(1), schema})
		return nil
	})
}

// expected returns the triggers that should be there for the catalog; ok is false if a
// table has no shape yet.
func (st *captureState) expected(cat *catalog) (want map[string]string, ok bool) {
	want = map[string]string{}
	for _, t := range cat.tables {
		number, has := st.shapeOf(t.Table)
		if !has {
			return nil, false
		}
		for _, tr := range st.triggersOf(t, number) {
			want[tr.name] = tr.sql
		}
	}
	return want, true
}

func (st *captureState) triggersOf(t table, number int64) []trigger {
	triggers := captureTriggers(t, number)
	if st.fence != "" {
		triggers = append(triggers, fenceTriggers(t, number, st.fence)...)
	}
	return triggers
}

// fits tells whether capture is installed for exactly this catalog.
func (st *captureState) fits(cat *catalog) (bool, error) {
	if !st.installed || st.current() == nil {
		return false, nil
	}
	same, err := sameSchema(st.current().schema, cat.schema)
	if err != nil || !same {
		return false, err
	}
	want, ok := st.expected(cat)
	return ok && maps.Equal(want, cat.triggers), nil
}

func sameSchema(a, b *database.Schema) (bool, error) {
	fa, err := a.Fingerprint()
	if err != nil {
		return false, err
	}
	fb, err := b.Fingerprint()
	return fa == fb, err
}

// damaged returns the tables of the catalog whose triggers are not as they should be:
// dropped with a table that was rebuilt under the same name, or by hand.
func (st *captureState) damaged(cat *catalog) []string {
	var bad []string
	for _, t := range cat.tables {
		number, ok := st.shapeOf(t.Table)
		if !ok || slices.ContainsFunc(st.triggersOf(t, number), func(tr trigger) bool { return cat.triggers[tr.name] != tr.sql }) {
			bad = append(bad, t.Name)
		}
	}
	return bad
}

// plan returns the statements that make capture fit the catalog, none if it does.
func (st *captureState) plan(cat *catalog) ([]string, error) {
	if ok, err := st.fits(cat); ok || err != nil {
		return nil, err
	}
	var out []string
	next := *st
	if !st.installed {
		out = append(out, captureTables[:]...)
	}
	for _, name := range slices.Sorted(maps.Keys(cat.triggers)) {
		out = append(out, "DROP TRIGGER "+quote(name))
	}
	out = append(out, next.planShapes(cat)...)
	generations, err := next.planGeneration(cat)
	if err != nil {
		return nil, err
	}
	out = append(out, generations...)
	for _, t := range cat.tables {
		number, _ := next.shapeOf(t.Table)
		for _, tr := range next.triggersOf(t, number) {
			out = append(out, tr.sql)
		}
	}
	return out, nil
}

func (st *captureState) planShapes(cat *catalog) []string {
	var out []string
	number, width := int64(0), st.width
	for _, s := range st.shapes {
		number = max(number, s.number)
	}
	st.shapes = slices.Clone(st.shapes)
	for _, t := range cat.tables {
		width = max(width, len(t.Columns))
		if _, ok := st.shapeOf(t.Table); ok {
			continue
		}
		number++
		st.shapes = append(st.shapes, shape{number, t.Name, t.Version(), len(t.Columns)})
		out = append(out, fmt.Sprintf("INSERT INTO lifeboat_shapes VALUES (%d, %s, %s, %d)",
			number, literal(t.Name), literal(t.Version()), len(t.Columns)))
	}
	for i := st.width; i < width; i++ {
		out = append(out, fmt.Sprintf("ALTER TABLE lifeboat_changes ADD COLUMN c%d", i+1))
	}
	return out
}

// planGeneration makes the catalog's schema the current generation. The previous one
// stays readable if changes are pending in a shape that the new one does not have.
func (st *captureState) planGeneration(cat *catalog) ([]string, error) {
	json, err := cat.schema.Encode()
	if err != nil {
		return nil, err
	}
	var live []string
	for _, t := range cat.tables {
		n, _ := st.shapeOf(t.Table)
		live = append(live, fmt.Sprint(n))
	}
	number := int64(1)
	if g := st.current(); g != nil {
		number = g.number + 1
	}
	return []string{
		"UPDATE lifeboat_schema SET last_id = (SELECT coalesce(max(change_id), 0) FROM lifeboat_changes) WHERE last_id IS NULL",
		"DELETE FROM lifeboat_schema WHERE NOT EXISTS (SELECT 1 FROM lifeboat_changes WHERE op IN (-1, 1) AND change_id <= last_id AND shape NOT IN (" + strings.Join(live, ", ") + "))",
		fmt.Sprintf("INSERT INTO lifeboat_schema VALUES (%d, NULL, %s)", number, literal(string(json))),
	}, nil
}
