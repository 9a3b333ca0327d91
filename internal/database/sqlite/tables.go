package sqlite

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// maxColumns leaves room for the change table's own columns under SQLite's limit of
// 2,000 (SQLITE_MAX_COLUMN).
const maxColumns = 1900

// columnInfo is a row of PRAGMA table_xinfo.
type columnInfo struct {
	name, declared string
	notNull        bool
	defaultSQL     string
	pk             int // position in the primary key from 1, 0 if none
	generated      bool
}

func readColumns(c *capi.Conn, table string) ([]columnInfo, error) {
	var columns []columnInfo
	err := c.Query(`SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)`, func(s *capi.Stmt) error {
		columns = append(columns, columnInfo{s.Text(0), s.Text(1), s.Int64(2) != 0, s.Text(3), int(s.Int64(4)), s.Int64(5) != 0})
		return nil
	}, table)
	return columns, err
}

func (cat *catalog) addTable(c *capi.Conn, o object, flags tableFlags) error {
	columns, err := readColumns(c, o.name)
	if err != nil {
		return err
	}
	indexes, err := readUniqueIndexes(c, o.name)
	if err != nil {
		return err
	}
	t := database.Table{Name: o.name, SQL: o.sql}
	alias := rowidAlias(columns, indexes, flags)
	for i, col := range columns {
		if col.generated {
			cat.schema.NotCarried = append(cat.schema.NotCarried, quote(o.name)+"."+quote(col.name)+": generated column")
			continue
		}
		extra, err := c.Column(o.name, col.name)
		if err != nil {
			return err
		}
		t.Columns = append(t.Columns, describeColumn(col, extra, alias == i || flags.withoutRowid && col.pk > 0))
		cat.checkCollation("column "+quote(o.name)+"."+quote(col.name), extra.Collation)
	}
	t.Key = chooseKey(&t, columns, indexes)
	tab := table{defaults: map[string]string{}}
	for _, col := range columns {
		if col.notNull && col.defaultSQL != "" {
			tab.defaults[col.name] = defaultValue(col.defaultSQL)
		}
	}
	if !flags.withoutRowid {
		if tab.rowid = rowidName(columns, alias); tab.rowid == "" {
			cat.refuse("table %s: columns named rowid, oid and _rowid_ hide its row id; rename one", quote(o.name))
		}
	}
	cat.collectUniques(&tab, o.name, indexes)
	switch {
	case len(t.Key) == 0:
		cat.refuse("table %s: no primary key and no unique not-null key; add one", quote(o.name))
	case len(columns) > maxColumns:
		cat.refuse("table %s: %d columns; at most %d can be captured", quote(o.name), len(columns), maxColumns)
	}
	cat.schema.Tables = append(cat.schema.Tables, t)
	cat.tables = append(cat.tables, tab)
	return nil
}

// defaultValue makes an expression of a column's default, where SQLite also takes a
// name, bare or in double quotes, for text.
func defaultValue(sql string) string {
	tokens, err := tokenize(sql)
	if err != nil || len(tokens) != 1 {
		return "(" + sql + ")"
	}
	switch word := tokens[0].text; {
	case word[0] == '"':
		return literal(strings.ReplaceAll(word[1:len(word)-1], `""`, `"`))
	case wordByte(word[0]) && (word[0] < '0' || word[0] > '9') && !slices.Contains(valueWords, strings.ToUpper(word)):
		return literal(word)
	}
	return "(" + sql + ")"
}

var valueWords = []string{"NULL", "TRUE", "FALSE", "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP"}

func describeColumn(col columnInfo, extra capi.Column, keyNotNull bool) database.Column {
	d := database.Column{
		Name:     col.name,
		Type:     col.declared,
		Nullable: !col.notNull && !keyNotNull,
		Identity: extra.AutoIncrement,
	}
	if !strings.EqualFold(extra.Collation, "BINARY") {
		d.Collation = strings.ToUpper(extra.Collation)
	}
	if col.defaultSQL != "" {
		d.Details = map[string]string{"default": col.defaultSQL}
	}
	return d
}

func (cat *catalog) checkCollation(where, name string) {
	switch strings.ToUpper(name) {
	case "", "BINARY", "NOCASE", "RTRIM":
	default:
		cat.refuse("%s: collation %s is not built into SQLite, so nobody else can order by it", where, name)
	}
}

// rowidAlias is the position of the INTEGER PRIMARY KEY, or -1.
func rowidAlias(columns []columnInfo, indexes []indexInfo, flags tableFlags) int {
	if flags.withoutRowid || slices.ContainsFunc(indexes, func(x indexInfo) bool { return x.origin == "pk" }) {
		return -1
	}
	return slices.IndexFunc(columns, func(c columnInfo) bool { return c.pk == 1 })
}

// rowidName is a name under which SQL can reach the row id, "" if columns hide them all.
func rowidName(columns []columnInfo, alias int) string {
	if alias >= 0 {
		return columns[alias].name
	}
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !slices.ContainsFunc(columns, func(c columnInfo) bool { return strings.EqualFold(c.name, name) }) {
			return name
		}
	}
	return ""
}

// chooseKey returns positions in t.Columns: the primary key, else the oldest unique index
// over not-null columns; nil if there is none.
func chooseKey(t *database.Table, columns []columnInfo, indexes []indexInfo) []int {
	at := func(name string) int {
		return slices.IndexFunc(t.Columns, func(c database.Column) bool { return c.Name == name })
	}
	var key []int
	for pk := 1; ; pk++ {
		i := slices.IndexFunc(columns, func(c columnInfo) bool { return c.pk == pk })
		if i < 0 {
			break
		}
		key = append(key, at(columns[i].name))
	}
	if key != nil {
		return key
	}
	for _, x := range indexes {
		if x.partial {
			continue
		}
		key = key[:0]
		for _, name := range x.columns {
			i := at(name)
			if name == "" || i < 0 || t.Columns[i].Nullable {
				key = nil
				break
			}
			key = append(key, i)
		}
		if len(key) > 0 {
			return key
		}
	}
	return nil
}

// indexInfo is a unique index, also those behind PRIMARY KEY and UNIQUE.
type indexInfo struct {
	name, origin string // origin: c CREATE INDEX, u UNIQUE, pk PRIMARY KEY
	partial      bool
	columns      []string // "" for an expression
	collations   []string
	sql          string // "" unless origin is c
}

// readUniqueIndexes returns a table's unique indexes, the oldest first.
func readUniqueIndexes(c *capi.Conn, table string) ([]indexInfo, error) {
	var indexes []indexInfo
	err := c.Query(`SELECT l.name, l.origin, l.partial, coalesce(s.sql, '') FROM pragma_index_list(?) l
		LEFT JOIN sqlite_schema s ON s.type = 'index' AND s.name = l.name WHERE l."unique" ORDER BY l.seq DESC`, func(s *capi.Stmt) error {
		indexes = append(indexes, indexInfo{name: s.Text(0), origin: s.Text(1), partial: s.Int64(2) != 0, sql: s.Text(3)})
		return nil
	}, table)
	if err != nil {
		return nil, err
	}
	for i := range indexes {
		x := &indexes[i]
		err := c.Query("SELECT cid, name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", func(s *capi.Stmt) error {
			name := s.Text(1)
			if s.Int64(0) < 0 {
				name = ""
			}
			x.columns, x.collations = append(x.columns, name), append(x.collations, s.Text(2))
			return nil
		}, x.name)
		if err != nil {
			return nil, err
		}
	}
	return indexes, nil
}

// collectUniques gathers everything that REPLACE can resolve a conflict on.
func (cat *catalog) collectUniques(t *table, name string, indexes []indexInfo) {
	if t.rowid != "" {
		t.uniques = append(t.uniques, unique{columns: []string{t.rowid}, collations: []string{"BINARY"}})
	}
	for _, x := range indexes {
		u := unique{columns: x.columns, collations: x.collations}
		for _, collation := range x.collations {
			cat.checkCollation("index "+quote(x.name)+" of table "+quote(name), collation)
		}
		if x.partial || slices.Contains(x.columns, "") {
			text, err := parseIndex(x.sql)
			if err == nil && len(text.terms) != len(x.columns) {
				err = fmt.Errorf("has %s terms, not %s", strconv.Itoa(len(text.terms)), strconv.Itoa(len(x.columns)))
			}
			if err != nil {
				cat.refuse("index %s of table %s: cannot understand its statement: %w", quote(x.name), quote(name), err)
				continue
			}
			u.written = text
		}
		t.uniques = append(t.uniques, u)
	}
}
