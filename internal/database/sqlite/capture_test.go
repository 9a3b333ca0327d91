package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

type tableKind struct {
	name    string
	ddl     string
	columns []string // that statements may set
	rowid   string   // a name for the row id, if there is one
}

// captureTables are kinds of tables that capture must get right.
var captureTables = []tableKind{
	{"plain", `CREATE TABLE plain (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b REAL, c);
		CREATE UNIQUE INDEX plain_bc ON plain (b, c)`, []string{"id", "a", "b", "c"}, "_rowid_"},
	{"auto", `CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, a INTEGER UNIQUE)`, []string{"id", "a"}, "id"},
	{"loose", `CREATE TABLE loose (k TEXT PRIMARY KEY, u INT UNIQUE, "odd ""name" NUMERIC)`, []string{"k", "u", `odd "name`}, "rowid"},
	{"keyed", `CREATE TABLE keyed (a INT, b TEXT COLLATE NOCASE, v UNIQUE, PRIMARY KEY (b, a DESC)) WITHOUT ROWID`, []string{"a", "b", "v"}, ""},
	{"indexed", `CREATE TABLE indexed (id INTEGER PRIMARY KEY, mail TEXT, n INT);
		CREATE UNIQUE INDEX indexed_mail ON indexed (lower(mail), n % 3 DESC);
		CREATE UNIQUE INDEX indexed_part ON indexed (n) WHERE n > 2 AND mail <> ')'`, []string{"id", "mail", "n"}, "id"},
	{"hidden", `CREATE TABLE hidden (rowid TEXT PRIMARY KEY, oid INT, g INT AS (oid % 4) STORED UNIQUE, h AS (oid || 'x'))`, []string{"rowid", "oid"}, "_rowid_"},
	{"folded", `CREATE TABLE folded (a TEXT COLLATE NOCASE PRIMARY KEY, b TEXT, c TEXT COLLATE NOCASE);
		CREATE UNIQUE INDEX folded_b ON folded (b COLLATE RTRIM); CREATE UNIQUE INDEX folded_c ON folded (c COLLATE BINARY)`, []string{"a", "b", "c"}, "rowid"},
	{"parent", `CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE)`, []string{"id", "code"}, "id"},
	{"child", `CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE);
		CREATE TABLE child (id INTEGER PRIMARY KEY, p INT REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE,
		q TEXT UNIQUE REFERENCES parent (code) ON DELETE SET NULL ON UPDATE SET NULL)`, []string{"id", "p", "q"}, "id"},
	{"tree", `CREATE TABLE tree (id INTEGER PRIMARY KEY, up INT REFERENCES tree ON DELETE CASCADE, name UNIQUE)`, []string{"id", "up", "name"}, "id"},
	{"eager", `CREATE TABLE eager (a INT NOT NULL UNIQUE ON CONFLICT REPLACE, b TEXT UNIQUE ON CONFLICT IGNORE, c INT CHECK (c < 5))`, []string{"a", "b", "c"}, "rowid"},
	{"filled", `CREATE TABLE filled (id INTEGER PRIMARY KEY, u INT NOT NULL DEFAULT 3 UNIQUE, w TEXT NOT NULL DEFAULT a, x NOT NULL DEFAULT "A", y TEXT NOT NULL DEFAULT (1 + 0), UNIQUE (x, w), UNIQUE (y))`, []string{"id", "u", "w", "x", "y"}, "id"},
	{"strict", `CREATE TABLE strict (id INT PRIMARY KEY, t TEXT, r REAL, x ANY UNIQUE) STRICT`, []string{"id", "t", "r", "x"}, "rowid"},
	{"busy", `CREATE TABLE busy (id INTEGER PRIMARY KEY, a UNIQUE, n INT DEFAULT 0);
		CREATE TABLE busy_log (id INTEGER PRIMARY KEY, what, n UNIQUE);
		CREATE TRIGGER busy_count AFTER UPDATE OF a ON busy BEGIN UPDATE busy SET n = n + 1 WHERE id = NEW.id; END;
		CREATE TRIGGER busy_note AFTER INSERT ON busy BEGIN INSERT OR REPLACE INTO busy_log (what, n) VALUES (NEW.a, NEW.n); END;
		CREATE TRIGGER busy_gone AFTER DELETE ON busy BEGIN DELETE FROM busy_log WHERE what = OLD.a; END`, []string{"id", "a", "n"}, "id"},
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// statements draws random statements that collide as often as not: a run works on three
// tables in a row and on a few values that are alike.
type statements struct {
	r      *rand.Rand
	from   int // of captureTables
	values []string
}

func newStatements(seed uint64, from int) statements {
	alike := [][]string{
		{"'a'", "'A'", "'A '"}, {"'b'", "'B '", "' b'"}, {"1", "1.0", "'1'"}, {"3", "'3'", "2.5", "4"},
		{"0", "-0.0", "''", "x''"}, {"-1", "2", "1e300"}, {"x'00ff'", "CAST(x'61ff00' AS TEXT)", "9223372036854775807"},
	}
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(alike), func(i, j int) { alike[i], alike[j] = alike[j], alike[i] })
	return statements{r, from, append(slices.Concat(alike[:2]...), "NULL")}
}

func (g statements) tables() []tableKind {
	return slices.Concat(captureTables[g.from:], captureTables)[:3]
}

func (g statements) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g statements) value() string { return g.pick(g.values...) }

func (g statements) next() string {
	t := g.tables()[g.r.IntN(3)]
	name := quote(t.name)
	column := func() string { return quote(t.columns[g.r.IntN(len(t.columns))]) }
	conflict := g.pick("", "", " OR REPLACE", " OR REPLACE", " OR IGNORE", " OR ABORT", " OR FAIL", " OR ROLLBACK")
	where := g.pick("", " WHERE "+column()+" = "+g.value(), " WHERE "+column()+" IS NOT NULL", " WHERE "+column()+" > 1")
	switch g.r.IntN(10) {
	case 0, 1, 2, 3:
		columns := append([]string{}, t.columns...)
		if t.rowid != "" && g.r.IntN(8) == 0 && !contains(columns, t.rowid) {
			columns = append(columns, t.rowid)
		}
		if g.r.IntN(4) == 0 {
			columns = columns[1:] // an automatic id, or NULL in a key
		}
		return "INSERT" + conflict + " INTO " + name + " (" + quoteAll(columns) + ") VALUES " + g.rows(len(columns)) + g.upsert(t.columns)
	case 4, 5, 6:
		return "UPDATE" + conflict + " " + name + " SET " + column() + " = " + g.pick(g.value(), column(), column()+" + 1", "-"+column()) + where
	case 7:
		if t.rowid != "" {
			return "UPDATE" + conflict + " " + name + " SET " + t.rowid + " = " + g.pick(t.rowid+" + 1", g.value()) + where
		}
		return "DELETE FROM " + name
	case 8:
		return "INSERT" + conflict + " INTO " + name + " (" + quoteAll(t.columns) + ") SELECT " + quoteAll(t.columns) + " FROM " + name + where
	default:
		return "DELETE FROM " + name + where
	}
}

func (g statements) rows(columns int) string {
	var rows []string
	for range 1 + g.r.IntN(3) {
		var values []string
		for range columns {
			values = append(values, g.value())
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	return strings.Join(rows, ", ")
}

func (g statements) upsert(columns []string) string {
	c := quote(columns[g.r.IntN(len(columns))])
	return g.pick("", "", "", " ON CONFLICT DO NOTHING", " ON CONFLICT DO UPDATE SET "+c+" = "+g.value(),
		" ON CONFLICT DO UPDATE SET "+c+" = excluded."+c)
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}

func quoteAll(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, quote(n))
	}
	return strings.Join(out, ", ")
}

// TestCapturedChangesAreTheDifference: whatever statements run, what was captured leads
// from the state before to the state after, table by table, also through conflicts that
// remove rows without firing triggers.
func TestCapturedChangesAreTheDifference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		from := rapid.IntRange(0, len(captureTables)-1).Draw(rt, "first table")
		pragmas := fmt.Sprintf("&_pragma=recursive_triggers(%t)&_pragma=foreign_keys(%t)",
			rapid.Bool().Draw(rt, "recursive_triggers"), rapid.Bool().Draw(rt, "foreign_keys"))
		checkCapture(rt, filepath.Join(t.TempDir(), "a.sqlite"), newStatements(seed, from), pragmas)
	})
}

func checkCapture(t require.TestingT, path string, g statements, pragmas string) {
	ctx := context.Background()
	app, err := sql.Open("sqlite", path+"?_pragma=journal_mode(wal)&_pragma=synchronous(off)"+pragmas)
	require.NoError(t, err)
	defer app.Close()
	app.SetMaxOpenConns(1)
	for _, table := range g.tables() {
		_, err := app.Exec(table.ddl)
		require.NoError(t, err, table.name)
	}
	for range 20 { // rows from before capture
		_, _ = app.Exec(g.next())
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Install(ctx)
	require.NoError(t, err)
	d := &differ{t: t, db: db, last: map[string]database.State{}}
	d.step("")
	steps := 60
	if underRace {
		steps = 5
	}
	for range steps {
		d.run(app, g)
	}
}

// differ keeps the state that captured changes add up to.
type differ struct {
	t       require.TestingT
	db      *sqlite.DB
	last    map[string]database.State
	lastID  int64
	drained []int64 // not forgotten yet
}

func (d *differ) run(app *sql.DB, g statements) {
	switch g.r.IntN(6) {
	case 0: // a transaction, sometimes undone in part or whole
		var all []string
		_, err := app.Exec("BEGIN")
		require.NoError(d.t, err)
		for range 1 + g.r.IntN(4) {
			s := g.pick(g.next(), g.next(), g.next(), "SAVEPOINT s", "ROLLBACK TO s", sqlite.MarkTransaction)
			all = append(all, s)
			_, _ = app.Exec(s) // OR ROLLBACK may end the transaction
		}
		end := g.pick("COMMIT", "COMMIT", "ROLLBACK")
		all = append(all, end)
		if _, err := app.Exec(end); err != nil {
			_, _ = app.Exec("ROLLBACK")
		}
		d.step(strings.Join(all, "; "))
	default:
		s := g.next()
		_, err := app.Exec(s)
		d.step(fmt.Sprint(s, " -- ", err))
	}
}

// step drains, compares and forgets.
func (d *differ) step(after string) {
	ctx := context.Background()
	v, err := d.db.View(ctx)
	require.NoError(d.t, err)
	var ids []int64
	var seen []string
	for c, err := range v.Changes(ctx) {
		require.NoError(d.t, err)
		if c.ID <= d.lastID && slices.Contains(d.drained, c.ID) {
			continue
		}
		require.Greater(d.t, c.ID, d.lastID, "ids only grow")
		d.lastID = c.ID
		ids = append(ids, c.ID)
		table := v.Schema().Table(c.Table)
		require.NoError(d.t, table.CheckRow(c.Row))
		h, _ := table.Hash(nil, c.Row)
		s := d.last[c.Table]
		if c.Op == database.Insert {
			s.Add(h)
		} else {
			s.Sub(h)
		}
		d.last[c.Table] = s
		seen = append(seen, fmt.Sprintf("%c %s %q", c.Op, c.Table, c.Row))
	}
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		now := stateOf(d.t, v, table)
		if after == "" {
			d.last[table.Name] = now
		}
		require.Equal(d.t, now.String(), d.last[table.Name].String(), "table %s after %s\ncaptured %s", table.Name, after, strings.Join(seen, "\n"))
	}
	require.NoError(d.t, v.Close())
	d.drained = append(d.drained, ids...)
	if len(d.drained)%3 == 0 { // otherwise they stay a while, as before durability
		require.NoError(d.t, d.db.Forget(ctx, d.drained))
		d.drained = nil
	}
}

func stateOf(t require.TestingT, v database.View, table *database.Table) database.State {
	var s database.State
	var scratch []byte
	for row, err := range v.Rows(context.Background(), table) {
		require.NoError(t, err)
		var h database.RowHash
		h, scratch = table.Hash(scratch, row)
		s.Add(h)
	}
	return s
}
