package mssql

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"lifeboat/internal/database"
)

// engine is the name of this engine in a schema.
const engine = "mssql"

// Keys of Column.Details. They are part of the stored schema.
const (
	detailAlias     = "alias"     // the alias type it is declared with
	detailSeed      = "seed"      // of an identity column
	detailIncrement = "increment" // likewise
	detailOrder     = "clustered" // place in the clustered index, from 1, with DESC behind it if so
	detailXML       = "xml"       // the xml schema collection
	detailMask      = "mask"      // dynamic data masking function
	detailPeriod    = "period"    // row start or row end of a system-versioned table
	detailHistory   = "history"   // on the first column of a history table: its current table
	detailOwner     = "owner"     // on the first column: the table's owner, if not the schema's
)

// builder turns a catalog into a schema.
type builder struct {
	c          *catalog
	allowed    map[string]bool
	used       map[string]bool // allowed names that met something
	refused    []error
	notCarried []string
	leftOut    map[int]bool // tables not carried
	nodes      []node

	schemas map[int]string
	objects map[int]object       // tables, modules, sequences, synonyms, policies, table types
	kinds   map[int]string       // of the same, as ALTER AUTHORIZATION and properties name them
	types   map[int]*typeRow     // by user_type_id
	tables  map[int]*tableRow    // by object_id
	columns map[int][]*columnRow // by object_id
	indexes map[int][]*indexRow  // by object_id
	parts   map[[2]int][]*indexColumnRow
	depends map[int][]int
}

// schema makes the model of the database, or refuses by name everything it cannot carry,
// all at once. Things named in allow are not carried instead.
func (c *catalog) schema(allow []string) (*database.Schema, error) {
	b := newBuilder(c, allow)
	s := &database.Schema{Engine: engine, Settings: c.Settings}
	for _, o := range c.Others {
		b.unmodelled(o, "has no model here")
	}
	b.leaveOut()
	for i := range c.Tables {
		t := &c.Tables[i]
		if b.leftOut[t.ID] {
			continue
		}
		if table, ok := b.table(t); ok {
			s.Tables = append(s.Tables, table)
		}
	}
	b.emitObjects()
	for name := range b.allowed {
		if !b.used[name] {
			b.refused = append(b.refused, fmt.Errorf("%q is allowed to be lost, but there is no such thing: correct the configuration", name))
		}
	}
	if len(b.refused) > 0 {
		slices.SortFunc(b.refused, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
		return nil, fmt.Errorf("%w:\n%w", database.ErrUnsupported, errors.Join(b.refused...))
	}
	s.Objects = ordered(b.nodes)
	slices.Sort(b.notCarried)
	s.NotCarried = slices.Compact(b.notCarried)
	return s, s.Seal()
}

func newBuilder(c *catalog, allow []string) *builder {
	b := &builder{c: c, allowed: map[string]bool{}, used: map[string]bool{}, leftOut: map[int]bool{},
		schemas: map[int]string{}, objects: map[int]object{}, kinds: map[int]string{}, types: map[int]*typeRow{},
		tables: map[int]*tableRow{}, columns: map[int][]*columnRow{}, indexes: map[int][]*indexRow{},
		parts: map[[2]int][]*indexColumnRow{}, depends: map[int][]int{}}
	for _, name := range allow {
		b.allowed[name] = true
	}
	for _, s := range c.Schemas {
		b.schemas[s.ID] = s.Name
	}
	for i := range c.Types {
		b.types[c.Types[i].ID] = &c.Types[i]
	}
	for i := range c.Tables {
		b.tables[c.Tables[i].ID] = &c.Tables[i]
	}
	for i := range c.Columns {
		b.columns[c.Columns[i].ObjectID] = append(b.columns[c.Columns[i].ObjectID], &c.Columns[i])
	}
	for i := range c.Indexes {
		b.indexes[c.Indexes[i].ObjectID] = append(b.indexes[c.Indexes[i].ObjectID], &c.Indexes[i])
	}
	for i := range c.IndexParts {
		p := &c.IndexParts[i]
		b.parts[[2]int{p.ObjectID, p.IndexID}] = append(b.parts[[2]int{p.ObjectID, p.IndexID}], p)
	}
	for _, d := range c.Depends {
		b.depends[d.From] = append(b.depends[d.From], d.To)
	}
	b.nameObjects()
	return b
}

func (b *builder) nameObjects() {
	add := func(id, schema int, name, kind string) {
		b.objects[id], b.kinds[id] = object{b.schemas[schema], name}, kind
	}
	for _, t := range b.c.Tables {
		add(t.ID, t.SchemaID, t.Name, "TABLE")
	}
	for _, t := range b.c.Types {
		if t.IsTable {
			add(t.TableID, t.SchemaID, t.Name, "TYPE")
		}
	}
	for _, s := range b.c.Sequences {
		add(s.ID, s.SchemaID, s.Name, "SEQUENCE")
	}
	for _, s := range b.c.Synonyms {
		add(s.ID, s.SchemaID, s.Name, "SYNONYM")
	}
	for _, p := range b.c.Policies {
		add(p.ID, p.SchemaID, p.Name, "SECURITY POLICY")
	}
	for _, m := range b.c.Modules {
		if m.Class == 1 {
			add(m.ID, m.SchemaID, m.Name, moduleKind(m.Type))
		}
	}
}

// unmodelled refuses a thing, or lists it if the user allowed that.
func (b *builder) unmodelled(o otherRow, why string) {
	if name := o.String(); b.allowed[name] {
		b.used[name] = true
		b.notCarried = append(b.notCarried, name)
	} else {
		b.refused = append(b.refused, fmt.Errorf("%s: %s", name, why))
	}
}

// refuse refuses what no permission can help: rows would be lost or wrong.
func (b *builder) refuse(name, why string) {
	b.refused = append(b.refused, fmt.Errorf("%s: %s", name, why))
}

// leaveOut finds the tables that the user allowed to be lost whole.
func (b *builder) leaveOut() {
	for _, t := range b.c.Tables {
		if name := "table " + b.objects[t.ID].String(); b.allowed[name] {
			b.used[name] = true
			b.notCarried = append(b.notCarried, name)
			b.leftOut[t.ID] = true
		}
	}
}

// table makes one table; ok is false if it was refused.
func (b *builder) table(t *tableRow) (database.Table, bool) {
	before := len(b.refused)
	b.checkTable(t)
	table := database.Table{Name: b.objects[t.ID].String()}
	place := map[int]int{} // column_id to position in Columns
	for _, c := range b.columns[t.ID] {
		column, carried := b.column(t, c)
		if carried {
			place[c.ID] = len(table.Columns)
			table.Columns = append(table.Columns, column)
		}
	}
	table.Key = b.key(t, place)
	if len(table.Key) == 0 && len(b.refused) == before {
		b.refuse("table "+table.Name, "has no primary key and no unique not-null key over columns that are carried; add one, or allow the table to be lost by name")
	}
	if len(b.refused) > before {
		return table, false
	}
	b.markOrder(t, &table, place)
	table.SQL = b.createTable(t)
	return table, true
}

// checkTable refuses kinds of tables whose rows or triggers work differently.
func (b *builder) checkTable(t *tableRow) {
	name := "table " + b.objects[t.ID].String()
	for _, c := range []struct {
		is  bool
		why string
	}{
		{t.Memory, "memory-optimized tables take natively compiled triggers only"},
		{t.FileTable, "FileTables keep their rows in files"},
		{t.External, "external tables have no rows here"},
		{t.Node || t.Edge, "graph tables have hidden internal columns"},
		{t.Ledger != 0, "ledger tables cannot be loaded with their history"},
		{t.TracksChanges, "change tracking is not carried: turn it off for this table, or allow the table to be lost by name"},
		{t.CDC, "change data capture is not carried: turn it off for this table, or allow the table to be lost by name"},
		{t.Temporal == 2 && t.Retention > 0, "history with a retention period is deleted without triggers: set HISTORY_RETENTION_PERIOD = INFINITE"},
		{t.Temporal == 2 && b.leftOut[t.HistoryID], "its history table is not carried"},
	} {
		if c.is {
			b.refuse(name, c.why)
		}
	}
	for _, i := range b.indexes[t.ID] {
		if i.Partitioned && i.ID <= 1 {
			b.refuse(name, "partitioned tables are not carried")
		}
	}
}

// column makes one column. Columns that rows do not carry are told by carried = false.
func (b *builder) column(t *tableRow, c *columnRow) (database.Column, bool) {
	name := "column " + b.objects[t.ID].String() + "." + plainPart(c.Name)
	column := database.Column{Name: c.Name, Nullable: c.Nullable, Identity: c.Identity, Details: map[string]string{}}
	for _, p := range []struct {
		is  bool
		why string
	}{
		{c.Base == "text" || c.Base == "ntext" || c.Base == "image", "type " + c.Base + " cannot be read in triggers: convert it to varchar(max), nvarchar(max) or varbinary(max)"},
		{c.FileStream, "FILESTREAM columns keep their values in files"},
		{c.Encrypted, "Always Encrypted columns cannot be read without their keys"},
		{c.ColumnSet, "column sets hide the columns of a bulk load"},
		{c.Unpadded, "a column made with ANSI_PADDING OFF would be padded by the restore"},
		{c.Rule, "a rule or default bound by sp_bindrule or sp_bindefault is not carried"},
		{reserved(c.Name), "names that begin with lifeboat_ are kept for the change tables"},
	} {
		if p.is {
			b.refuse(name, p.why)
			return column, false
		}
	}
	if c.Computed {
		b.notCarried = append(b.notCarried, name+" (computed)")
		return column, false
	}
	if c.Base == "timestamp" {
		b.notCarried = append(b.notCarried, name+" (rowversion)")
		return column, false
	}
	st := catalogType(c.Base, c.Bytes, c.Prec, c.Scale)
	if !st.valid() {
		b.refuse(name, fmt.Sprintf("type %s is not supported", st))
		return column, false
	}
	column.Type = st.String()
	b.describe(&column, c, st)
	return column, true
}

func reserved(name string) bool {
	return len(name) >= len(ownPrefix) && name[:len(ownPrefix)] == ownPrefix
}

func (b *builder) describe(column *database.Column, c *columnRow, st sqlType) {
	if st.isString() {
		column.Collation = c.Collation
	}
	if st.isString() && !st.isUnicode() {
		column.Details[detailCodePage] = strconv.Itoa(c.CodePage)
	}
	if alias := b.types[c.TypeID]; alias != nil {
		column.Details[detailAlias] = object{b.schemas[alias.SchemaID], alias.Name}.String()
	}
	if c.Identity {
		column.Details[detailSeed], column.Details[detailIncrement] = c.Seed, c.Increment
	}
	if c.XMLID != 0 {
		column.Details[detailXML] = b.xmlCollection(c.XMLID)
	}
	if c.Mask != "" {
		column.Details[detailMask] = c.Mask
	}
	switch c.Generated {
	case 1:
		column.Details[detailPeriod] = "start"
	case 2:
		column.Details[detailPeriod] = "end"
	}
	if len(column.Details) == 0 {
		column.Details = nil
	}
}

func (b *builder) xmlCollection(id int) string {
	for _, x := range b.c.XML {
		if x.ID == id {
			return object{b.schemas[x.SchemaID], x.Name}.String()
		}
	}
	return ""
}

// key is the primary key, else the first unique index over not-null columns without a
// filter; of a history table, which can have neither, every column.
func (b *builder) key(t *tableRow, place map[int]int) []int {
	if t.Temporal == 1 {
		all := make([]int, len(place))
		for i := range all {
			all[i] = i
		}
		return all
	}
	candidates := slices.Clone(b.indexes[t.ID])
	slices.SortStableFunc(candidates, func(x, y *indexRow) int {
		return cmp.Or(cmp.Compare(btoi(y.PrimaryKey), btoi(x.PrimaryKey)), cmp.Compare(x.ID, y.ID))
	})
	for _, i := range candidates {
		if key, ok := b.uniqueKey(t, i, place); ok {
			return key
		}
	}
	return nil
}

func (b *builder) uniqueKey(t *tableRow, i *indexRow, place map[int]int) ([]int, bool) {
	if !i.Unique || i.Filter != "" || i.Disabled || i.IgnoreDup && !i.PrimaryKey {
		return nil, false
	}
	var key []int
	for _, p := range b.parts[[2]int{t.ID, i.ID}] {
		if p.Ordinal == 0 {
			continue
		}
		at, carried := place[p.ColumnID]
		if !carried || b.columnOf(t.ID, p.ColumnID).Nullable {
			return nil, false
		}
		key = append(key, at)
	}
	return key, len(key) > 0
}

func (b *builder) columnOf(table, id int) *columnRow {
	for _, c := range b.columns[table] {
		if c.ID == id {
			return c
		}
	}
	return &columnRow{}
}

// markOrder notes the order of the clustered index if it is unique over carried columns:
// rows are read in it without a sort.
func (b *builder) markOrder(t *tableRow, table *database.Table, place map[int]int) {
	mark := func(at int, key, value string) {
		c := &table.Columns[at]
		if c.Details == nil {
			c.Details = map[string]string{}
		}
		c.Details[key] = value
	}
	if t.Temporal == 1 {
		for _, current := range b.c.Tables {
			if current.HistoryID == t.ID {
				mark(0, detailHistory, b.objects[current.ID].String())
			}
		}
	}
	if t.Owner != "" {
		mark(0, detailOwner, t.Owner)
	}
	for _, i := range b.indexes[t.ID] {
		if i.Type != "CLUSTERED" || !i.Unique {
			continue
		}
		parts := slices.DeleteFunc(slices.Clone(b.parts[[2]int{t.ID, i.ID}]), func(p *indexColumnRow) bool { return p.Ordinal == 0 })
		for _, p := range parts {
			if _, ok := place[p.ColumnID]; !ok {
				return
			}
		}
		for _, p := range parts {
			order := strconv.Itoa(p.Ordinal)
			if p.Desc {
				order += " DESC"
			}
			mark(place[p.ColumnID], detailOrder, order)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
