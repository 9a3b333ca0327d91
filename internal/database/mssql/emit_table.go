package mssql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lifeboat/internal/database"
)

// createTable writes CREATE TABLE with what must be there before rows are: columns and
// the primary key that guards them. Periods, defaults, checks and the other keys follow the load.
func (b *builder) createTable(t *tableRow) string {
	var lines []string
	for _, c := range b.columns[t.ID] {
		lines = append(lines, "    "+b.columnSQL(c))
	}
	options := ""
	for _, i := range b.indexes[t.ID] {
		switch {
		case b.guards(t.ID, i):
			lines = append(lines, "    CONSTRAINT "+quote(i.Name)+" "+b.keySQL(t.ID, i))
		case i.Type == "HEAP" && i.Compression != "" && i.Compression != "NONE":
			options = " WITH (DATA_COMPRESSION = " + i.Compression + ")"
		}
	}
	return "CREATE TABLE " + b.objects[t.ID].SQL() + " (\n" + strings.Join(lines, ",\n") + "\n)" + options
}

// guards: the primary key is there before the rows are, because they are in its order, or
// because without it nothing would notice a row that is loaded twice.
func (b *builder) guards(table int, i *indexRow) bool {
	clustered := slices.ContainsFunc(b.indexes[table], func(x *indexRow) bool { return strings.HasPrefix(x.Type, "CLUSTERED") })
	return i.PrimaryKey && (i.Type == "CLUSTERED" || !clustered)
}

func (b *builder) columnSQL(c *columnRow) string {
	name := quote(c.Name) + " "
	if c.Computed {
		sql := name + "AS " + c.Definition
		if c.Persisted {
			sql += " PERSISTED"
			if !c.Nullable {
				sql += " NOT NULL"
			}
		}
		return sql
	}
	sql := name + b.typeSQL(c)
	if c.Sparse {
		sql += " SPARSE"
	}
	if c.Mask != "" {
		sql += " MASKED WITH (FUNCTION = '" + strings.ReplaceAll(c.Mask, "'", "''") + "')"
	}
	if c.Identity {
		sql += " IDENTITY(" + c.Seed + "," + c.Increment + ")"
		if c.NotForRepl {
			sql += " NOT FOR REPLICATION"
		}
	}
	if c.RowGUID {
		sql += " ROWGUIDCOL"
	}
	if c.Nullable {
		return sql + " NULL"
	}
	return sql + " NOT NULL"
}

func (b *builder) typeSQL(c *columnRow) string {
	if alias := b.types[c.TypeID]; alias != nil {
		return object{b.schemas[alias.SchemaID], alias.Name}.SQL()
	}
	if c.Base == "timestamp" {
		return "rowversion"
	}
	st := catalogType(c.Base, c.Bytes, c.Prec, c.Scale)
	sql := st.String()
	switch {
	case st.isString() && c.Collation != "":
		sql += " COLLATE " + c.Collation
	case c.XMLID != 0:
		kind := "CONTENT "
		if c.XMLDoc {
			kind = "DOCUMENT "
		}
		o, err := parseObject(b.xmlCollection(c.XMLID))
		if err != nil {
			b.refuse("column "+c.Name, "its xml schema collection is not in the catalog")
		}
		sql += "(" + kind + o.SQL() + ")"
	}
	return sql
}

// keySQL is the part of a key constraint after its name.
func (b *builder) keySQL(table int, i *indexRow) string {
	kind := "UNIQUE"
	if i.PrimaryKey {
		kind = "PRIMARY KEY"
	}
	keys, _ := b.indexColumns(table, i)
	return kind + " " + i.Type + " (" + keys + ")" + indexOptions(i)
}

// indexColumns are the key columns with their direction and the included ones.
func (b *builder) indexColumns(table int, i *indexRow) (keys, included string) {
	var k, inc []string
	for _, p := range b.parts[[2]int{table, i.ID}] {
		name := quote(b.columnName(table, p.ColumnID))
		switch {
		case p.Ordinal > 0 && p.Desc:
			k = append(k, name+" DESC")
		case p.Ordinal > 0:
			k = append(k, name)
		default:
			inc = append(inc, name)
		}
	}
	return strings.Join(k, ", "), strings.Join(inc, ", ")
}

func (b *builder) columnName(table, id int) string { return b.columnOf(table, id).Name }

// indexOptions writes what differs from the defaults.
func indexOptions(i *indexRow) string {
	var o []string
	if i.Padded && i.Fill > 0 {
		o = append(o, "PAD_INDEX = ON")
	}
	if i.Fill > 0 {
		o = append(o, "FILLFACTOR = "+strconv.Itoa(i.Fill))
	}
	if i.IgnoreDup {
		o = append(o, "IGNORE_DUP_KEY = ON")
	}
	if i.NoRowLocks {
		o = append(o, "ALLOW_ROW_LOCKS = OFF")
	}
	if i.NoPageLocks {
		o = append(o, "ALLOW_PAGE_LOCKS = OFF")
	}
	if i.Sequential {
		o = append(o, "OPTIMIZE_FOR_SEQUENTIAL_KEY = ON")
	}
	if i.Compression == "PAGE" || i.Compression == "ROW" || i.Compression == "COLUMNSTORE_ARCHIVE" {
		o = append(o, "DATA_COMPRESSION = "+i.Compression)
	}
	if len(o) == 0 {
		return ""
	}
	return " WITH (" + strings.Join(o, ", ") + ")"
}

// tableObjects emits everything that belongs to a table besides its columns.
func (b *builder) tableObjects(t *tableRow) {
	for _, i := range b.indexes[t.ID] {
		b.index(t.ID, i)
	}
	if t.Escalation != "" && t.Escalation != "TABLE" {
		b.tableOption(t, "lock escalation", "ALTER TABLE "+b.objects[t.ID].SQL()+" SET (LOCK_ESCALATION = "+t.Escalation+")")
	}
	if t.LargeOutOfRow {
		b.tableOption(t, "large values out of row", "EXEC sys.sp_tableoption "+literal(b.objects[t.ID].SQL())+", 'large value types out of row', 1")
	}
	if t.Temporal == 2 {
		b.temporal(t)
	}
}

func (b *builder) tableOption(t *tableRow, what, sql string) {
	name := b.objects[t.ID].String()
	b.add(node{rank: rankTableOption, Object: database.Object{Kind: "table option", Name: name + " " + what, Table: name, SQL: sql}})
}

// add puts an object into the order, in the phase of its rank.
func (b *builder) add(n node) {
	n.Phase = database.AfterLoad
	if n.rank < rankAfter {
		n.Phase = database.BeforeLoad
	}
	n.deps = append(n.deps, b.depends[n.id]...)
	b.nodes = append(b.nodes, n)
}

// index emits an index or a key constraint of a table or a view.
func (b *builder) index(table int, i *indexRow) {
	o := b.objects[table]
	n := node{rank: rankIndex, Object: database.Object{Kind: "index", Name: o.String() + "." + plainPart(i.Name), Table: o.String()}}
	_, isTable := b.tables[table]
	if !isTable {
		n.rank, n.Table, n.deps = rankViewIndex, "", []int{table}
	}
	keys, included := b.indexColumns(table, i)
	switch i.Type {
	case "HEAP":
		return
	case "CLUSTERED", "NONCLUSTERED":
		if b.guards(table, i) {
			return // in CREATE TABLE
		}
		n.SQL = b.rowIndexSQL(o, i, keys, included)
	case "CLUSTERED COLUMNSTORE":
		n.SQL = "CREATE CLUSTERED COLUMNSTORE INDEX " + quote(i.Name) + " ON " + o.SQL() + indexOptions(i)
	case "NONCLUSTERED COLUMNSTORE":
		n.SQL = "CREATE NONCLUSTERED COLUMNSTORE INDEX " + quote(i.Name) + " ON " + o.SQL() + " (" + included + ")" + filterSQL(i) + indexOptions(i)
	default:
		b.unmodelled(otherRow{strings.ToLower(i.Type) + " index", n.Name}, "has no model here")
		return
	}
	if i.Partitioned {
		b.unmodelled(otherRow{"partitioning of index", n.Name}, "partition schemes are not carried; the index would be made without")
	}
	switch {
	case i.PrimaryKey:
		n.Kind, n.rank = "primary key", rankKey
	case i.UniqueKey:
		n.Kind, n.rank = "unique constraint", rankKey
	}
	if isTable && i.Type == "CLUSTERED" {
		n.rank = rankClustered
	}
	b.add(n)
	if i.Disabled {
		b.add(node{rank: n.rank + 1, Object: database.Object{Kind: n.Kind + " state", Name: n.Name, Table: n.Table,
			SQL: "ALTER INDEX " + quote(i.Name) + " ON " + o.SQL() + " DISABLE"}, deps: n.deps})
	}
}

func (b *builder) rowIndexSQL(o object, i *indexRow, keys, included string) string {
	if i.PrimaryKey || i.UniqueKey {
		table := 0
		for id, named := range b.objects {
			if named == o && b.kinds[id] == "TABLE" {
				table = id
			}
		}
		return "ALTER TABLE " + o.SQL() + " ADD CONSTRAINT " + quote(i.Name) + " " + b.keySQL(table, i)
	}
	sql := "CREATE "
	if i.Unique {
		sql += "UNIQUE "
	}
	sql += i.Type + " INDEX " + quote(i.Name) + " ON " + o.SQL() + " (" + keys + ")"
	if included != "" {
		sql += " INCLUDE (" + included + ")"
	}
	return sql + filterSQL(i) + indexOptions(i)
}

func filterSQL(i *indexRow) string {
	if i.Filter == "" {
		return ""
	}
	return " WHERE " + i.Filter
}

// temporal emits the period and the versioning of a current table. Its rows and those of
// its history are loaded as plain tables before.
func (b *builder) temporal(t *tableRow) {
	o := b.objects[t.ID]
	var period *periodRow
	for i := range b.c.Periods {
		if b.c.Periods[i].ObjectID == t.ID {
			period = &b.c.Periods[i]
		}
	}
	history, known := b.objects[t.HistoryID]
	if period == nil || !known {
		b.refuse("table "+o.String(), "its period or its history table is not in the catalog")
		return
	}
	start, end := b.columnOf(t.ID, period.StartID), b.columnOf(t.ID, period.EndID)
	parts := []string{fmt.Sprintf("ALTER TABLE %s ADD PERIOD FOR SYSTEM_TIME (%s, %s)", o.SQL(), quote(start.Name), quote(end.Name))}
	for _, c := range []*columnRow{start, end} {
		if c.Hidden {
			parts = append(parts, "ALTER TABLE "+o.SQL()+" ALTER COLUMN "+quote(c.Name)+" ADD HIDDEN")
		}
	}
	parts = append(parts, "ALTER TABLE "+o.SQL()+" SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = "+history.SQL()+", DATA_CONSISTENCY_CHECK = ON))")
	for i, sql := range parts {
		b.add(node{rank: rankTemporal, Object: database.Object{Kind: "system versioning", Name: o.String() + " " + strconv.Itoa(i+1), Table: o.String(), SQL: sql}})
	}
}

// constraints emits defaults, checks and foreign keys.
func (b *builder) constraints() {
	for _, d := range b.c.Defaults {
		t, ok := b.carried(d.ObjectID)
		column := b.columnOf(d.ObjectID, d.ColumnID)
		if !ok || column.Base == "timestamp" || column.Computed {
			continue
		}
		b.add(node{id: d.ID, rank: rankDefault, Object: database.Object{Kind: "default", Name: t.String() + "." + plainPart(d.Name), Table: t.String(),
			SQL: "ALTER TABLE " + t.SQL() + " ADD CONSTRAINT " + quote(d.Name) + " DEFAULT " + d.Definition + " FOR " + quote(column.Name)}})
	}
	for _, d := range b.c.Checks {
		if t, ok := b.carried(d.ObjectID); ok {
			sql := "CHECK " + notForReplication(d.NotForRepl) + d.Definition
			b.constraint(constraint{node{id: d.ID, rank: rankCheck, Object: database.Object{Kind: "check"}}, t, d.Name, sql, d.Disabled, d.Untrusted})
		}
	}
	for _, f := range b.c.Keys {
		b.foreignKey(f)
	}
}

// constraint is a check or a foreign key.
type constraint struct {
	node
	table               object
	name, sql           string
	disabled, untrusted bool
}

// constraint emits one in the state of trust it has.
func (b *builder) constraint(c constraint) {
	with := "WITH CHECK"
	if c.disabled || c.untrusted {
		with = "WITH NOCHECK"
	}
	n := c.node
	n.Table, n.Name = c.table.String(), c.table.String()+"."+plainPart(c.name)
	n.SQL = "ALTER TABLE " + c.table.SQL() + " " + with + " ADD CONSTRAINT " + quote(c.name) + " " + c.sql
	b.add(n)
	if c.disabled {
		n.id, n.Kind, n.deps = 0, n.Kind+" state", append(slices.Clone(n.deps), n.id)
		n.SQL = "ALTER TABLE " + c.table.SQL() + " NOCHECK CONSTRAINT " + quote(c.name)
		b.add(n)
	}
}

func notForReplication(is bool) string {
	if is {
		return "NOT FOR REPLICATION "
	}
	return ""
}

// carried is the table's name if it is part of the schema.
func (b *builder) carried(id int) (object, bool) {
	_, is := b.tables[id]
	return b.objects[id], is && !b.leftOut[id]
}

func (b *builder) foreignKey(f foreignKeyRow) {
	t, ok := b.carried(f.ObjectID)
	if !ok {
		return
	}
	name := t.String() + "." + plainPart(f.Name)
	referenced, ok := b.carried(f.ReferencedID)
	if !ok {
		b.notCarried = append(b.notCarried, "foreign key "+name+" (refers to a table that is not carried)")
		return
	}
	var from, to []string
	for _, p := range b.c.KeyParts {
		if p.KeyID == f.ID {
			from = append(from, quote(b.columnName(f.ObjectID, p.ColumnID)))
			to = append(to, quote(b.columnName(f.ReferencedID, p.Referenced)))
		}
	}
	sql := "FOREIGN KEY (" + strings.Join(from, ", ") + ") REFERENCES " + referenced.SQL() + " (" + strings.Join(to, ", ") + ")"
	for _, action := range []struct{ on, does string }{{"DELETE", f.OnDelete}, {"UPDATE", f.OnUpdate}} {
		if action.does != "" && action.does != "NO_ACTION" {
			sql += " ON " + action.on + " " + strings.ReplaceAll(action.does, "_", " ")
		}
	}
	if f.NotForRepl {
		sql += " NOT FOR REPLICATION"
	}
	b.constraint(constraint{node{id: f.ID, rank: rankForeignKey, Object: database.Object{Kind: "foreign key"}}, t, f.Name, sql, f.Disabled, f.Untrusted})
}
