package mssql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lifeboat/internal/database"
)

// emitObjects emits everything besides tables. The order of the calls does not matter.
func (b *builder) emitObjects() {
	for _, s := range b.c.Schemas {
		if s.Name != "dbo" {
			b.add(node{rank: rankSchema, Object: database.Object{Kind: "schema", Name: plainPart(s.Name), SQL: "CREATE SCHEMA " + quote(s.Name)}})
		}
	}
	for _, x := range b.c.XML {
		o := object{b.schemas[x.SchemaID], x.Name}
		b.add(node{rank: rankXMLCollection, Object: database.Object{Kind: "xml schema collection", Name: o.String(),
			SQL: "CREATE XML SCHEMA COLLECTION " + o.SQL() + " AS " + literal(x.Text)}})
	}
	for i := range b.c.Types {
		b.userType(&b.c.Types[i])
	}
	for _, s := range b.c.Sequences {
		b.sequence(s)
	}
	for i := range b.c.Tables {
		if t := &b.c.Tables[i]; !b.leftOut[t.ID] {
			b.tableObjects(t)
		}
	}
	b.constraints()
	b.statistics()
	for _, s := range b.c.Synonyms {
		o := b.objects[s.ID]
		b.add(node{id: s.ID, rank: rankSynonym, Object: database.Object{Kind: "synonym", Name: o.String(), SQL: "CREATE SYNONYM " + o.SQL() + " FOR " + s.Base}})
	}
	b.modules()
	b.policies()
	b.principals()
	b.owners()
	b.permissions()
	b.properties()
}

func (b *builder) userType(t *typeRow) {
	o := object{b.schemas[t.SchemaID], t.Name}
	if !t.IsTable {
		null := " NOT NULL"
		if t.Nullable {
			null = " NULL"
		}
		b.add(node{id: t.ID, rank: rankType, Object: database.Object{Kind: "type", Name: o.String(),
			SQL: "CREATE TYPE " + o.SQL() + " FROM " + catalogType(t.Base, t.Bytes, t.Prec, t.Scale).String() + null}})
		return
	}
	if t.Memory {
		b.unmodelled(otherRow{"table type", o.String()}, "memory-optimized table types are not modelled")
		return
	}
	b.add(node{id: t.ID, rank: rankTableType, Object: database.Object{Kind: "table type", Name: o.String(), SQL: b.tableTypeSQL(o, t)}})
}

// tableTypeSQL: a table type takes no constraint names and cannot be altered, so that
// everything is in the one statement.
func (b *builder) tableTypeSQL(o object, t *typeRow) string {
	var lines []string
	for _, c := range b.columns[t.TableID] {
		line := "    " + b.columnSQL(c)
		for _, d := range b.c.Defaults {
			if d.ObjectID == t.TableID && d.ColumnID == c.ID {
				line += " DEFAULT " + d.Definition
			}
		}
		lines = append(lines, line)
	}
	for _, i := range b.indexes[t.TableID] {
		keys, _ := b.indexColumns(t.TableID, i)
		switch {
		case i.Type == "HEAP":
		case i.PrimaryKey || i.UniqueKey:
			lines = append(lines, "    "+b.keySQL(t.TableID, i))
		default:
			unique := ""
			if i.Unique {
				unique = "UNIQUE "
			}
			lines = append(lines, "    INDEX "+quote(i.Name)+" "+unique+i.Type+" ("+keys+")"+filterSQL(i))
		}
	}
	for _, d := range b.c.Checks {
		if d.ObjectID == t.TableID {
			lines = append(lines, "    CHECK "+d.Definition)
		}
	}
	return "CREATE TYPE " + o.SQL() + " AS TABLE (\n" + strings.Join(lines, ",\n") + "\n)"
}

func (b *builder) sequence(s sequenceRow) {
	o := b.objects[s.ID]
	st := catalogType(s.Base, 0, s.Prec, 0)
	sql := fmt.Sprintf("CREATE SEQUENCE %s AS %s START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s",
		o.SQL(), st, s.Start, s.Increment, s.Min, s.Max)
	if s.Cycling {
		sql += " CYCLE"
	}
	switch {
	case !s.Cached:
		sql += " NO CACHE"
	case s.CacheSize > 0:
		sql += " CACHE " + strconv.Itoa(s.CacheSize)
	}
	for _, bound := range []string{s.Min, s.Max} {
		if _, err := strconv.ParseInt(bound, 10, 64); err != nil {
			b.unmodelled(otherRow{"sequence", o.String()}, "its numbers may be larger than bigint")
			return
		}
	}
	b.add(node{id: s.ID, rank: rankSequence, Object: database.Object{Kind: "sequence", Name: o.String(), SQL: sql}})
}

func (b *builder) statistics() {
	for _, s := range b.c.Stats {
		t, ok := b.carried(s.ObjectID)
		if !ok {
			continue
		}
		var columns []string
		for _, p := range b.c.StatParts {
			if p.ObjectID == s.ObjectID && p.StatID == s.ID {
				columns = append(columns, quote(b.columnName(p.ObjectID, p.ColumnID)))
			}
		}
		sql := "CREATE STATISTICS " + quote(s.Name) + " ON " + t.SQL() + " (" + strings.Join(columns, ", ") + ")"
		if s.Filter != "" {
			sql += " WHERE " + s.Filter
		}
		if s.NoRecomp {
			sql += " WITH NORECOMPUTE"
		}
		b.add(node{rank: rankStatistics, Object: database.Object{Kind: "statistics", Name: t.String() + "." + plainPart(s.Name), Table: t.String(), SQL: sql}})
	}
}

func moduleKind(kind string) string {
	switch kind {
	case "V":
		return "VIEW"
	case "P":
		return "PROCEDURE"
	case "TR":
		return "TRIGGER"
	}
	return "FUNCTION"
}

func (b *builder) modules() {
	early := b.earlyFunctions()
	for i := range b.c.Modules {
		b.module(&b.c.Modules[i], early)
	}
}

// earlyFunctions are those that computed columns use: tables cannot be made without them.
func (b *builder) earlyFunctions() map[int]bool {
	early := map[int]bool{}
	var mark func(id int)
	mark = func(id int) {
		for _, to := range b.depends[id] {
			if b.kinds[to] == "FUNCTION" && !early[to] {
				early[to] = true
				mark(to)
			}
		}
	}
	for _, t := range b.c.Tables {
		if !b.leftOut[t.ID] {
			mark(t.ID)
		}
	}
	return early
}

func (b *builder) module(m *moduleRow, early map[int]bool) {
	o, kind := b.objects[m.ID], strings.ToLower(moduleKind(m.Type))
	if m.Class == 0 {
		o = object{Name: m.Name}
		kind = "database trigger"
	}
	name := o.String()
	if m.Class == 0 {
		name = plainPart(m.Name)
	}
	parent := m.ParentID
	if b.leftOut[parent] {
		b.notCarried = append(b.notCarried, kind+" "+name+" (its table is not carried)")
		return
	}
	text, ok := b.moduleText(m, o, kind, name)
	if !ok {
		return
	}
	n := node{id: m.ID, rank: moduleRank(m), Object: database.Object{Kind: kind, Name: name, SQL: text}, deps: []int{parent}}
	if t, isTable := b.carried(parent); isTable {
		n.Table = t.String()
	}
	if early[m.ID] {
		n.rank = rankEarlyFunction
		if m.Bound && b.usesTables(m.ID) {
			b.refuse(kind+" "+name, "a computed column uses it and it is schema-bound to tables: neither can be made first")
		}
	}
	if needed := b.needsLeftOut(m); needed != "" {
		b.unmodelled(otherRow{kind, name}, "uses "+needed+", which is not carried")
		return
	}
	b.add(n)
	for _, i := range b.indexes[m.ID] {
		b.index(m.ID, i)
	}
	if m.Type == "TR" {
		b.triggerState(m, n)
	}
}

func moduleRank(m *moduleRow) int {
	switch {
	case m.Class == 0:
		return rankDatabaseTrigger
	case m.Type == "V":
		return rankView
	case m.Type == "P":
		return rankProcedure
	case m.Type == "TR":
		return rankTrigger
	}
	return rankFunction
}

// moduleText is the statement that makes the module again. SET options that are not the
// session's own are set around it, and it runs as a batch of its own.
func (b *builder) moduleText(m *moduleRow, o object, kind, name string) (string, bool) {
	switch {
	case m.Definition == "":
		b.unmodelled(otherRow{kind, name}, "its text cannot be read (encrypted, or no permission VIEW DEFINITION)")
		return "", false
	case m.Native:
		b.unmodelled(otherRow{kind, name}, "natively compiled modules are not modelled")
		return "", false
	}
	text := m.Definition
	if m.Class == 1 {
		var err error
		if text, err = renamed(m.Definition, m.Type, o, b.parentName(m)); err != nil {
			b.unmodelled(otherRow{kind, name}, err.Error())
			return "", false
		}
	}
	if m.AnsiNulls && m.Quoted {
		return text, true
	}
	return fmt.Sprintf("SET ANSI_NULLS %s; SET QUOTED_IDENTIFIER %s; EXEC sys.sp_executesql %s; SET ANSI_NULLS ON; SET QUOTED_IDENTIFIER ON",
		onOff(m.AnsiNulls), onOff(m.Quoted), literal(text)), true
}

func (b *builder) parentName(m *moduleRow) string {
	if o, ok := b.objects[m.ParentID]; ok {
		return o.SQL()
	}
	return m.Parent
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}

func (b *builder) usesTables(id int) bool {
	return slices.ContainsFunc(b.depends[id], func(to int) bool { return b.tables[to] != nil || b.kinds[to] == "FUNCTION" && b.usesTables(to) })
}

// needsLeftOut names a table that is not carried and without which the module cannot be
// made (procedures and triggers can: they look names up when they run).
func (b *builder) needsLeftOut(m *moduleRow) string {
	if m.Type != "V" && m.Type != "IF" && !m.Bound {
		return ""
	}
	for _, to := range b.depends[m.ID] {
		if b.leftOut[to] {
			return "table " + b.objects[to].String()
		}
	}
	return ""
}

// triggerState emits what a trigger's text does not say: its place in the order, and
// that it is disabled.
func (b *builder) triggerState(m *moduleRow, n node) {
	o := b.objects[m.ID]
	namespace, target := "", b.parentName(m)
	state := node{rank: rankTriggerState, Object: database.Object{Kind: "trigger state", Name: n.Name, Table: n.Table}, deps: []int{m.ID}}
	trigger := o.SQL()
	if m.Class == 0 {
		namespace, target, trigger = ", @namespace = 'DATABASE'", "DATABASE", quote(m.Name)
		state.rank = rankDatabaseTrigger
	}
	for _, e := range b.c.Events {
		if e.ID != m.ID || !e.First && !e.Last {
			continue
		}
		order := "First"
		if e.Last {
			order = "Last"
		}
		s := state
		s.Name += " " + strings.ToLower(e.Event)
		s.SQL = "EXEC sys.sp_settriggerorder @triggername = " + literal(trigger) + ", @order = '" + order + "', @stmttype = " + literal(e.Event) + namespace
		b.add(s)
	}
	if m.Disabled {
		state.SQL = "DISABLE TRIGGER " + trigger + " ON " + target
		b.add(state)
	}
}

// policies emits security policies. A filter predicate hides rows from everyone it does
// not let through, this program too: the user must say that it does.
func (b *builder) policies() {
	for _, p := range b.c.Policies {
		o := b.objects[p.ID]
		var parts []string
		filters := false
		deps := []int{}
		for _, x := range b.c.Predicates {
			if x.PolicyID != p.ID {
				continue
			}
			filters = filters || x.Type == "FILTER"
			deps = append(deps, x.TargetID)
			operation := ""
			if x.Operation != "" {
				operation = " " + x.Operation
			}
			parts = append(parts, fmt.Sprintf("ADD %s PREDICATE %s ON %s%s", x.Type, withoutParens(x.Definition), b.objects[x.TargetID].SQL(), operation))
		}
		if allowed := "filter of security policy " + o.String(); filters && p.Enabled && !b.allowed[allowed] {
			b.refuse(allowed, "rows that its predicate hides from Lifeboat's user would be lost: let it pass that user, then allow this by name")
		} else if filters {
			b.used[allowed] = true
		}
		bound := "OFF"
		if p.Bound {
			bound = "ON"
		}
		sql := "CREATE SECURITY POLICY " + o.SQL() + "\n" + strings.Join(parts, ",\n") +
			"\nWITH (STATE = " + onOff(p.Enabled) + ", SCHEMABINDING = " + bound + ")"
		if p.NotForRepl {
			sql += " NOT FOR REPLICATION"
		}
		b.add(node{id: p.ID, rank: rankPolicy, Object: database.Object{Kind: "security policy", Name: o.String(), SQL: sql}, deps: deps})
	}
}

// withoutParens takes the pair off that the catalog puts around a predicate and that
// CREATE SECURITY POLICY does not take.
func withoutParens(s string) string {
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		return s[1 : len(s)-1]
	}
	return s
}
