package mssql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lifeboat/internal/database"
)

// captureState is what Install has left in a database.
type captureState struct {
	installed   bool
	tables      map[string]bool        // change tables that exist
	triggers    map[string]triggerText // by quoted name
	generations []generation           // ascending; the last one's triggers are in place
}

// triggerText is one of our triggers as the server has it.
type triggerText struct {
	Name     string // quoted, with its schema
	Text     string
	Disabled bool
}

// generation is one installed schema. Changes up to lastID have its shapes, those after
// belong to the next. It is kept while such changes are pending.
type generation struct {
	number int
	lastID int64 // of an earlier generation; 0 for the current one
	schema *database.Schema
}

func (st *captureState) current() *generation {
	if len(st.generations) == 0 {
		return nil
	}
	return &st.generations[len(st.generations)-1]
}

func readState(ctx context.Context, q querier) (*captureState, error) {
	st := &captureState{tables: map[string]bool{}, triggers: map[string]triggerText{}}
	type tableName struct{ Name string }
	tables, err := collect[tableName](ctx, q, "SELECT o.name AS Name FROM sys.tables AS o WHERE SCHEMA_NAME(o.schema_id) = '"+schemaName+"'")
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		st.tables[strings.ToLower(t.Name)] = true
	}
	st.installed = st.tables["state"] && st.tables["installed"]
	found, err := collect[triggerText](ctx, q, `SELECT QUOTENAME(OBJECT_SCHEMA_NAME(t.object_id)) + N'.' + QUOTENAME(t.name) AS Name,
COALESCE(m.definition, N'') AS Text, t.is_disabled AS Disabled
FROM sys.triggers AS t LEFT JOIN sys.sql_modules AS m ON m.object_id = t.object_id
WHERE t.parent_class = 1 AND t.name LIKE '`+strings.ReplaceAll(triggerPrefix, "_", "[_]")+`%'`)
	if err != nil {
		return nil, err
	}
	for _, t := range found {
		st.triggers[strings.ToLower(t.Name)] = t
	}
	if !st.installed {
		return st, nil
	}
	if err := st.checkFormat(ctx, q); err != nil {
		return nil, err
	}
	return st, st.readGenerations(ctx, q)
}

func (st *captureState) checkFormat(ctx context.Context, q querier) error {
	format, err := one[int64](ctx, q, "SELECT CAST(MAX(format) AS bigint) FROM "+schemaName+".state")
	if err == nil && format != captureFormat {
		err = fmt.Errorf("capture in this database has format %d, this lifeboat knows %d: use the version that installed it", format, captureFormat)
	}
	return err
}

func (st *captureState) readGenerations(ctx context.Context, q querier) error {
	type row struct {
		Number int
		LastID int
		Text   string
	}
	rows, err := collect[row](ctx, q, "SELECT generation AS Number, last_id AS LastID, capture_schema AS Text FROM "+schemaName+".installed ORDER BY generation")
	if err != nil {
		return err
	}
	for _, r := range rows {
		schema, err := database.DecodeSchema([]byte(r.Text))
		if err != nil {
			return fmt.Errorf("schema that capture was installed for: %w", err)
		}
		st.generations = append(st.generations, generation{r.Number, int64(r.LastID), schema})
	}
	return nil
}

// changeTables are the change tables of all generations that have changes, or may have:
// of the current one, and of earlier ones as long as their tables exist.
func (st *captureState) changeTables() []changeSource {
	var list []changeSource
	seen := map[string]bool{}
	for i := len(st.generations) - 1; i >= 0; i-- {
		s := st.generations[i].schema
		for j := range s.Tables {
			t := &s.Tables[j]
			name := changeTable(t)
			if key := strings.ToLower(name); !seen[key] && st.tables[key] {
				seen[key] = true
				list = append(list, changeSource{name, t})
			}
		}
	}
	slices.SortFunc(list, func(a, b changeSource) int { return strings.Compare(a.name, b.name) })
	return list
}

// changeSource is a change table and the table whose rows it holds, in that shape.
type changeSource struct {
	name  string
	table *database.Table
}

func (c changeSource) sql() string { return schemaName + "." + quote(c.name) }

// wanted are the triggers that the schema should have, by quoted name.
func wanted(caps capabilities, s *database.Schema) (map[string]string, error) {
	want := map[string]string{}
	for _, g := range triggers(s) {
		text, err := createTrigger(caps, g)
		if err != nil {
			return nil, err
		}
		o, err := parseObject(g.table.Name)
		if err != nil {
			return nil, err
		}
		want[strings.ToLower(triggerName(o).SQL())] = text
	}
	return want, nil
}

// fits tells whether capture is installed for exactly this schema and in good order.
func (st *captureState) fits(caps capabilities, s *database.Schema) (bool, error) {
	if !st.installed || st.current() == nil {
		return false, nil
	}
	same, err := sameSchema(st.current().schema, s)
	if err != nil || !same {
		return false, err
	}
	damaged, err := st.damaged(caps, s)
	return len(damaged) == 0, err
}

func sameSchema(a, b *database.Schema) (bool, error) {
	fa, err := a.Fingerprint()
	if err != nil {
		return false, err
	}
	fb, err := b.Fingerprint()
	return fa == fb, err
}

// damaged are the tables whose triggers are missing, disabled or not as they should be.
func (st *captureState) damaged(caps capabilities, s *database.Schema) (map[string]bool, error) {
	want, err := wanted(caps, s)
	if err != nil {
		return nil, err
	}
	bad := map[string]bool{}
	for _, g := range triggers(s) {
		o, err := parseObject(g.table.Name)
		if err != nil {
			return nil, err
		}
		key := strings.ToLower(triggerName(o).SQL())
		if has, ok := st.triggers[key]; !ok || has.Disabled || has.Text != want[key] {
			bad[g.table.Name] = true
		}
	}
	for _, c := range s.Tables {
		if !st.tables[strings.ToLower(changeTable(&c))] {
			bad[c.Name] = true
		}
	}
	return bad, nil
}

// plan returns the statements that make capture fit the schema, none if it does.
func (st *captureState) plan(caps capabilities, s *database.Schema) ([]string, error) {
	if ok, err := st.fits(caps, s); ok || err != nil {
		return nil, err
	}
	var out []string
	if !st.installed {
		out = captureObjects(caps)
	}
	// Dropping every trigger locks every captured table, so that no transaction is half
	// in one generation and half in the next.
	for _, key := range slices.Sorted(maps.Keys(st.triggers)) {
		out = append(out, "DROP TRIGGER "+st.triggers[key].Name)
	}
	generation, err := st.planGeneration(s)
	if err != nil {
		return nil, err
	}
	out = append(out, generation...)
	for i := range s.Tables {
		if !st.tables[strings.ToLower(changeTable(&s.Tables[i]))] {
			out = append(out, createChangeTable(caps, &s.Tables[i]))
		}
	}
	for _, g := range triggers(s) {
		text, err := createTrigger(caps, g)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// planGeneration closes the current generation at the last change there is and opens
// the next.
func (st *captureState) planGeneration(s *database.Schema) ([]string, error) {
	json, err := s.Encode()
	if err != nil {
		return nil, err
	}
	var out []string
	number := 1
	if g := st.current(); g != nil {
		number = g.number + 1
		out = append(out, fmt.Sprintf("UPDATE %s.installed SET last_id = %s WHERE last_id IS NULL", schemaName, lastChange(st.changeTables())))
	}
	return append(out, fmt.Sprintf("INSERT INTO %s.installed (generation, last_id, capture_schema) VALUES (%d, NULL, %s)",
		schemaName, number, literal(string(json)))), nil
}

// lastChange is an expression for the largest change id there is.
func lastChange(tables []changeSource) string {
	if len(tables) == 0 {
		return "0"
	}
	parts := make([]string, len(tables))
	for i, t := range tables {
		parts[i] = "SELECT MAX(lifeboat_id) AS id FROM " + t.sql()
	}
	return "(SELECT COALESCE(MAX(x.id), 0) FROM (" + strings.Join(parts, " UNION ALL ") + ") AS x)"
}
