package mssql

import (
	"context"
	"fmt"
	"strings"
)

// schemaName is where everything of ours lives in the database; nothing in it is part of
// the captured schema.
const schemaName = "lifeboat"

// triggerPrefix begins the names of our triggers, which live beside their tables.
const triggerPrefix = "lifeboat_capture_"

// views knows which columns the server's catalog views have: newer versions have more,
// other engines fewer.
type views map[string]map[string]bool

// versionedViews are those of which a column or the whole may be missing.
func versionedViews() []string {
	return []string{"tables", "columns", "masked_columns", "identity_columns", "indexes", "partitions", "periods", "sequences",
		"security_policies", "security_predicates", "trigger_events",
		"assemblies", "partition_functions", "fulltext_indexes", "fulltext_catalogs", "certificates", "symmetric_keys",
		"asymmetric_keys", "column_master_keys", "column_encryption_keys", "external_data_sources", "external_file_formats",
		"database_scoped_credentials", "services", "plan_guides", "event_notifications", "numbered_procedures",
		"sensitivity_classifications", "database_audit_specifications", "change_tracking_tables", "stats_columns", "configurations"}
}

// readViews asks for the columns of each view. A view that is not there has none.
func readViews(ctx context.Context, q querier) (views, error) {
	type viewColumn struct{ View, Name string }
	rows, err := collect[viewColumn](ctx, q, `SELECT o.name AS [View], c.name AS Name FROM sys.all_columns AS c
JOIN sys.all_objects AS o ON o.object_id = c.object_id
WHERE o.schema_id = SCHEMA_ID('sys') AND o.name IN ('`+strings.Join(versionedViews(), "', '")+`')`)
	if err != nil {
		return nil, fmt.Errorf("read the columns of the catalog views: %w", err)
	}
	v := views{}
	for _, r := range rows {
		if v[r.View] == nil {
			v[r.View] = map[string]bool{}
		}
		v[r.View][strings.ToLower(r.Name)] = true
	}
	return v, nil
}

// column is the qualified column, or the literal where the view does not have it.
func (v views) column(view, alias, column, otherwise string) string {
	if v[view][column] {
		return alias + "." + column
	}
	return otherwise
}

func (v views) has(view string) bool { return len(v[view]) > 0 }

// userObject limits a query on objects (alias o) to the application's.
const userObject = "o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> '" + schemaName + "'"

// userTable limits a query to parts (alias x) of the application's tables and table types.
const userTable = `(EXISTS (SELECT 1 FROM sys.tables AS o WHERE o.object_id = x.object_id AND ` + userObject + `)
OR EXISTS (SELECT 1 FROM sys.table_types AS tt WHERE tt.type_table_object_id = x.object_id))`

// userColumns also lets indexed views in.
const userColumns = "(" + userTable + ` OR EXISTS (SELECT 1 FROM sys.views AS vw JOIN sys.indexes AS vi ON vi.object_id = vw.object_id WHERE vw.object_id = x.object_id AND vw.is_ms_shipped = 0))`

// userRelation also lets views in: they may have indexes and properties.
const userRelation = `EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = x.object_id AND o.type IN ('U', 'V', 'TT')
AND (o.is_ms_shipped = 0 OR o.type = 'TT') AND SCHEMA_NAME(o.schema_id) <> '` + schemaName + `')`

// readCatalog reads everything. It is not cheap (some thirty queries): see pulse.go.
func readCatalog(ctx context.Context, q querier, caps capabilities, v views) (*catalog, error) {
	c := &catalog{}
	steps := []func() error{
		func() (err error) { c.Settings, err = readSettings(ctx, q); return },
		into(ctx, q, &c.Schemas, schemasSQL()),
		into(ctx, q, &c.Principals, principalsSQL()),
		into(ctx, q, &c.Members, membersSQL()),
		into(ctx, q, &c.Grants, grantsSQL()),
		into(ctx, q, &c.Types, typesSQL()),
		into(ctx, q, &c.Tables, tablesSQL(v)),
		into(ctx, q, &c.Columns, columnsSQL(v)),
		into(ctx, q, &c.Indexes, indexesSQL(v)),
		into(ctx, q, &c.IndexParts, indexColumnsSQL()),
		into(ctx, q, &c.Defaults, defaultsSQL()),
		into(ctx, q, &c.Checks, checksSQL()),
		into(ctx, q, &c.Keys, foreignKeysSQL()),
		into(ctx, q, &c.KeyParts, foreignKeyColumnsSQL()),
		into(ctx, q, &c.Modules, modulesSQL()),
		into(ctx, q, &c.Synonyms, synonymsSQL()),
		into(ctx, q, &c.Properties, propertiesSQL()),
		into(ctx, q, &c.Depends, dependenciesSQL()),
		into(ctx, q, &c.Others, othersSQL(v)),
		into(ctx, q, &c.Sequences, sequencesSQL()),
	}
	for _, optional := range []struct {
		view string
		read func() error
	}{
		{"periods", into(ctx, q, &c.Periods, periodsSQL())},
		{"trigger_events", into(ctx, q, &c.Events, triggerEventsSQL(v))},
		{"stats_columns", into(ctx, q, &c.Stats, statsSQL())},
		{"stats_columns", into(ctx, q, &c.StatParts, statColumnsSQL())},
		{"security_policies", into(ctx, q, &c.Policies, policiesSQL())},
		{"security_predicates", into(ctx, q, &c.Predicates, predicatesSQL())},
	} {
		if v.has(optional.view) {
			steps = append(steps, optional.read)
		}
	}
	if caps.xmlSchemas {
		steps = append(steps, into(ctx, q, &c.XML, xmlCollectionsSQL()))
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("read the catalog: %w", err)
		}
	}
	if caps.foldedNames {
		return c, c.unfold(ctx, q)
	}
	return c, nil
}

func into[T any](ctx context.Context, q querier, to *[]T, query string) func() error {
	return func() (err error) {
		*to, err = collect[T](ctx, q, query)
		return err
	}
}

type settingRow struct{ Name, Value string }

// readSettings are the database's properties that its data or its modules depend on.
func readSettings(ctx context.Context, q querier) (map[string]string, error) {
	rows, err := collect[settingRow](ctx, q, `SELECT x.name AS Name, x.value AS Value FROM sys.databases AS d
CROSS APPLY (VALUES (N'collation', CAST(d.collation_name AS nvarchar(128))),
 (N'compatibility_level', CAST(d.compatibility_level AS nvarchar(128))),
 (N'read_committed_snapshot', CAST(d.is_read_committed_snapshot_on AS nvarchar(128))),
 (N'recursive_triggers', CAST(d.is_recursive_triggers_on AS nvarchar(128)))) AS x(name, value)
WHERE d.database_id = DB_ID()`)
	if err != nil {
		return nil, err
	}
	settings := make(map[string]string, len(rows))
	for _, r := range rows {
		settings[r.Name] = r.Value
	}
	return settings, nil
}

// unfold puts back the case of the names of tables and columns that the catalog views
// of an engine lose.
func (c *catalog) unfold(ctx context.Context, q querier) error {
	type named struct{ Schema, Table, Column string }
	rows, err := collect[named](ctx, q, `SELECT TABLE_SCHEMA AS [Schema], TABLE_NAME AS [Table], COLUMN_NAME AS [Column] FROM INFORMATION_SCHEMA.COLUMNS`)
	if err != nil {
		return err
	}
	declared := map[string]named{}
	for _, r := range rows {
		declared[strings.ToLower(r.Schema+"\x00"+r.Table+"\x00"+r.Column)] = r
		declared[strings.ToLower(r.Schema+"\x00"+r.Table)] = r
	}
	schemas, tables := map[int]string{}, map[int]*tableRow{}
	for _, s := range c.Schemas {
		schemas[s.ID] = s.Name
	}
	prefix := func(t *tableRow) string { return strings.ToLower(schemas[t.SchemaID] + "\x00" + t.Name) }
	for i := range c.Tables {
		t := &c.Tables[i]
		tables[t.ID] = t
		if r, ok := declared[prefix(t)]; ok {
			t.Name = r.Table
		}
	}
	for i := range c.Columns {
		c.Columns[i].Unpadded = false // such an engine knows only padded columns and says otherwise
		if t := tables[c.Columns[i].ObjectID]; t != nil {
			if r, ok := declared[prefix(t)+"\x00"+strings.ToLower(c.Columns[i].Name)]; ok {
				c.Columns[i].Name = r.Column
			}
		}
	}
	return nil
}
