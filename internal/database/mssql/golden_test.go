package mssql

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

// update writes golden files instead of comparing with them: go test -run Golden -update
var update = flag.Bool("update", false, "write golden files")

// golden compares text with a file under testdata/v1.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "v1", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "%s differs; a deliberate change of format is a new version", path)
}

// sqlServer is what a current Azure SQL database can do.
func sqlServer(t *testing.T) capabilities {
	t.Helper()
	c, err := capabilities{Version: "12.0.2000.8", rawText: true}.microsoft(5)
	require.NoError(t, err)
	return c
}

const fullName = "a database with everything that is modelled"

// fullCatalog has one of everything, with names and states that are easily lost.
func fullCatalog() *catalog {
	return &catalog{
		Settings:   map[string]string{"collation": "SQL_Latin1_General_CP1_CI_AS", "compatibility_level": "150"},
		Schemas:    []schemaRow{{1, "dbo", "dbo"}, {5, "sales", "clerk"}},
		Principals: fullPrincipals(),
		Members:    []memberRow{{"auditors", "clerk"}, {"db_datareader", "svc@example.com"}},
		Grants: []permissionRow{
			{"DATABASE", 0, 0, "", "clerk", "CONNECT", "GRANT"},
			{"SCHEMA", 5, 0, "", "auditors", "SELECT", "GRANT"},
			{"OBJECT_OR_COLUMN", 100, 0, "", "clerk", "UPDATE", "GRANT_WITH_GRANT_OPTION"},
			{"OBJECT_OR_COLUMN", 100, 4, "Email", "auditors", "SELECT", "DENY"},
			{"TYPE", 300, 0, "", "clerk", "EXECUTE", "GRANT"},
		},
		Types: []typeRow{
			{ID: 300, SchemaID: 1, Name: "Phone", Base: "nvarchar", Bytes: 60, Nullable: true},
			{ID: 301, SchemaID: 5, Name: "Lines", IsTable: true, TableID: 900},
		},
		XML:       []xmlCollectionRow{{ID: 70, SchemaID: 1, Name: "Notes", Text: `<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"/>`}},
		Sequences: []sequenceRow{{ID: 200, SchemaID: 5, Name: "OrderNo", Base: "bigint", Start: "1000", Increment: "5", Min: "1", Max: "9223372036854775807", Cached: true, CacheSize: 50}},
		Tables: []tableRow{
			{ID: 100, SchemaID: 1, Name: "Customer", Retention: -1, Escalation: "DISABLE"},
			{ID: 101, SchemaID: 5, Name: "Order Line", Owner: "clerk", Retention: -1, Escalation: "TABLE", LargeOutOfRow: true},
			{ID: 102, SchemaID: 1, Name: "Price", Temporal: 2, HistoryID: 103, Retention: -1, Escalation: "TABLE"},
			{ID: 103, SchemaID: 1, Name: "PriceHistory", Temporal: 1, Retention: -1, Escalation: "TABLE"},
			{ID: 104, SchemaID: 1, Name: "Heap", Retention: -1, Escalation: "TABLE"},
		},
		Columns:    fullColumns(),
		Indexes:    fullIndexes(),
		IndexParts: fullIndexParts(),
		Defaults: []defaultRow{
			{400, 100, 5, "DF_Customer_Since", "(sysutcdatetime())"},
			{401, 101, 1, "DF_Line_No", "(NEXT VALUE FOR [sales].[OrderNo])"},
			{402, 900, 2, "DF__x", "((1))"},
		},
		Checks: []checkRow{
			{ID: 410, ObjectID: 101, Name: "CK_Qty", Definition: "([Qty]>(0))", Untrusted: true},
			{ID: 411, ObjectID: 101, Name: "CK_Old", Definition: "([dbo].[IsGood]([Qty])=(1))", Disabled: true, Untrusted: true, NotForRepl: true},
			{ID: 412, ObjectID: 900, Name: "CK__y", Definition: "([Qty]<(9))"},
		},
		Keys: []foreignKeyRow{
			{ID: 420, ObjectID: 101, ReferencedID: 100, Name: "FK_Line_Customer", OnDelete: "CASCADE", OnUpdate: "NO_ACTION"},
			{ID: 421, ObjectID: 101, ReferencedID: 101, Name: "FK_Self", Disabled: true, Untrusted: true, OnDelete: "NO_ACTION", OnUpdate: "SET_NULL"},
		},
		KeyParts:   []foreignKeyColumnRow{{420, 1, 2, 1}, {421, 1, 5, 1}},
		Periods:    []periodRow{{102, 3, 4}},
		Modules:    fullModules(),
		Events:     []triggerEventRow{{520, "INSERT", true, false}, {520, "UPDATE", false, true}},
		Synonyms:   []synonymRow{{530, 1, "Orders", "[sales].[Order Line]"}},
		Stats:      []statRow{{100, 9, "ST_Email", "([Email] IS NOT NULL)", true}},
		StatParts:  []statColumnRow{{100, 9, 1, 4}, {100, 9, 2, 1}},
		Policies:   []policyRow{{ID: 540, SchemaID: 5, Name: "Guard", Enabled: true, Bound: true}},
		Predicates: []predicateRow{{540, 101, "([dbo].[MayWrite]([CustomerId]))", "BLOCK", "AFTER INSERT"}},
		Properties: []propertyRow{
			{Class: 0, Name: "Version", Base: "int", Value: "7"},
			{Class: 1, Major: 100, Name: "MS_Description", Base: "nvarchar", Value: "who buys; it's all"},
			{Class: 1, Major: 100, Minor: 4, Name: "MS_Description", Base: "varchar", Value: "mail", Part: "Email"},
			{Class: 1, Major: 420, Name: "Why", Base: "nvarchar", Value: "old"},
			{Class: 2, Major: 510, Minor: 1, Name: "Unit", Base: "nvarchar", Value: "EUR", Part: "@amount"},
			{Class: 3, Major: 5, Name: "Team", Base: "nvarchar", Value: "Sales"},
			{Class: 6, Major: 300, Name: "Form", Base: "nvarchar", Value: "E.164"},
			{Class: 7, Major: 101, Minor: 3, Name: "Note", Base: "nvarchar", Value: "hot", Part: "IX Cover"},
		},
		Depends: []dependencyRow{{100, 500}, {411, 501}, {511, 512}, {540, 502}, {501, 300}, {401, 200}},
	}
}

func fullPrincipals() []principalRow {
	return []principalRow{
		{ID: 7, Name: "auditors", Type: "R", Owner: "clerk"},
		{ID: 8, Name: "clerk", Type: "S", DefaultSchema: "sales", Auth: "INSTANCE"},
		{ID: 9, Name: "guestbook", Type: "S", DefaultSchema: "dbo", Auth: "NONE"},
		{ID: 10, Name: "contained", Type: "S", DefaultSchema: "dbo", Auth: "DATABASE"},
		{ID: 11, Name: "svc@example.com", Type: "E", DefaultSchema: "dbo", Auth: "EXTERNAL", SID: []byte{0xab, 0x01}},
		{ID: 12, Name: "staff", Type: "X", Auth: "EXTERNAL", SID: []byte{0xcd}},
	}
}

func fullColumns() []columnRow {
	text := func(table, id int, name, base string, bytes int) columnRow {
		return columnRow{ObjectID: table, ID: id, Name: name, Base: base, Bytes: bytes, Collation: "SQL_Latin1_General_CP1_CI_AS", CodePage: 1252, Nullable: true}
	}
	int4 := func(table, id int, name string) columnRow {
		return columnRow{ObjectID: table, ID: id, Name: name, Base: "int", Bytes: 4, Prec: 10}
	}
	period := func(table, id int, name string, generated int, hidden bool) columnRow {
		return columnRow{ObjectID: table, ID: id, Name: name, Base: "datetime2", Bytes: 8, Prec: 27, Scale: 7, Generated: generated, Hidden: hidden}
	}
	id := int4(100, 1, "Id")
	id.Identity, id.Seed, id.Increment, id.NotForRepl = true, "1", "1", true
	phone := text(100, 3, "Phone", "nvarchar", 60)
	phone.TypeID = 300
	email := text(100, 4, "Email", "nvarchar", 200)
	email.Mask = "email()"
	guid := columnRow{ObjectID: 100, ID: 7, Name: "Row Guid", Base: "uniqueidentifier", Bytes: 16, RowGUID: true}
	sparse := text(100, 8, "Nick", "varchar", 20)
	sparse.Sparse, sparse.Collation, sparse.CodePage = true, "Cyrillic_General_CI_AS", 1251
	xml := columnRow{ObjectID: 100, ID: 9, Name: "Notes", Base: "xml", Bytes: -1, Nullable: true, XMLID: 70, XMLDoc: true}
	parent := int4(101, 5, "Parent")
	parent.Nullable = true
	return []columnRow{
		id, text(100, 2, "Name", "nvarchar", 80), phone, email,
		{ObjectID: 100, ID: 5, Name: "Since", Base: "datetimeoffset", Bytes: 10, Prec: 34, Scale: 7},
		{ObjectID: 100, ID: 6, Name: "Good", Base: "int", Computed: true, Definition: "([dbo].[IsGood]([Id]))", Persisted: true},
		guid, sparse, xml,
		{ObjectID: 100, ID: 10, Name: "Stamp", Base: "timestamp", Bytes: 8},
		{ObjectID: 100, ID: 11, Name: "Twice", Base: "int", Computed: true, Definition: "([Id]*(2))", Nullable: true},
		int4(101, 1, "No"), int4(101, 2, "CustomerId"),
		{ObjectID: 101, ID: 3, Name: "Qty", Base: "decimal", Bytes: 9, Prec: 18, Scale: 3},
		text(101, 4, "Note", "varchar", -1), parent,
		int4(102, 1, "Id"), {ObjectID: 102, ID: 2, Name: "Amount", Base: "money", Bytes: 8, Prec: 19, Scale: 4},
		period(102, 3, "From", 1, false), period(102, 4, "To", 2, true),
		int4(103, 1, "Id"), {ObjectID: 103, ID: 2, Name: "Amount", Base: "money", Bytes: 8, Prec: 19, Scale: 4},
		period(103, 3, "From", 0, false), period(103, 4, "To", 0, false),
		int4(104, 1, "A"), {ObjectID: 104, ID: 2, Name: "Place", Base: "geography", Bytes: -1, Nullable: true},
		int4(900, 1, "No"), int4(900, 2, "Qty"), int4(511, 1, "No"),
	}
}

func fullIndexes() []indexRow {
	return []indexRow{
		{ObjectID: 100, ID: 1, Name: "PK_Customer", Type: "CLUSTERED", Unique: true, PrimaryKey: true, Fill: 90, Padded: true, Compression: "PAGE", Sequential: true},
		{ObjectID: 100, ID: 2, Name: "UQ_Mail", Type: "NONCLUSTERED", Unique: true, UniqueKey: true, IgnoreDup: true, Compression: "NONE"},
		{ObjectID: 101, ID: 1, Name: "CX Line", Type: "CLUSTERED", Unique: true, Compression: "ROW"},
		{ObjectID: 101, ID: 2, Name: "PK_Line", Type: "NONCLUSTERED", Unique: true, PrimaryKey: true, Compression: "NONE"},
		{ObjectID: 101, ID: 3, Name: "IX Cover", Type: "NONCLUSTERED", Filter: "([Qty]>(1))", NoRowLocks: true, NoPageLocks: true, Disabled: true, Compression: "NONE"},
		{ObjectID: 101, ID: 4, Name: "CS", Type: "NONCLUSTERED COLUMNSTORE", Compression: "COLUMNSTORE_ARCHIVE"},
		{ObjectID: 102, ID: 1, Name: "PK_Price", Type: "CLUSTERED", Unique: true, PrimaryKey: true, Compression: "NONE"},
		{ObjectID: 103, ID: 1, Name: "ix_PriceHistory", Type: "CLUSTERED", Compression: "PAGE"},
		{ObjectID: 104, ID: 0, Type: "HEAP", Compression: "ROW"},
		{ObjectID: 104, ID: 2, Name: "UX_A", Type: "NONCLUSTERED", Unique: true, Compression: "NONE"},
		{ObjectID: 511, ID: 1, Name: "CX_View", Type: "CLUSTERED", Unique: true, Compression: "NONE"},
		{ObjectID: 900, ID: 1, Name: "PK__z", Type: "CLUSTERED", Unique: true, PrimaryKey: true},
	}
}

func fullIndexParts() []indexColumnRow {
	return []indexColumnRow{
		{100, 1, 1, 1, 1, false, false}, {100, 2, 1, 1, 4, false, false},
		{101, 1, 1, 1, 2, false, false}, {101, 1, 2, 2, 1, true, false},
		{101, 2, 1, 1, 1, false, false},
		{101, 3, 1, 1, 3, true, false}, {101, 3, 0, 2, 4, false, true},
		{101, 4, 0, 1, 1, false, true}, {101, 4, 0, 2, 3, false, true},
		{102, 1, 1, 1, 1, false, false}, {103, 1, 1, 1, 4, false, false}, {103, 1, 2, 2, 3, false, false},
		{104, 2, 1, 1, 1, false, false}, {511, 1, 1, 1, 1, false, false}, {900, 1, 1, 1, 1, false, false},
	}
}

func fullModules() []moduleRow {
	m := func(id, schema int, name, kind, text string) moduleRow {
		return moduleRow{ID: id, SchemaID: schema, Name: name, Type: kind, Class: 1, Definition: text, AnsiNulls: true, Quoted: true}
	}
	old := m(510, 5, "Pay", "P", "CREATE PROCEDURE sales.Settle @amount money AS SELECT @amount")
	old.Quoted = false
	view := m(511, 1, "Top", "V", "CREATE VIEW dbo.[Top] WITH SCHEMABINDING AS SELECT No FROM dbo.Middle")
	view.Bound = true
	trigger := m(520, 5, "Audit", "TR", "CREATE TRIGGER sales.Audit ON sales.[Order Line] AFTER INSERT, UPDATE AS SET NOCOUNT ON")
	trigger.ParentID, trigger.Parent = 101, "[sales].[Order Line]"
	off := m(521, 1, "Off", "TR", "CREATE TRIGGER dbo.Off ON dbo.Customer AFTER DELETE AS SET NOCOUNT ON")
	off.ParentID, off.Parent, off.Disabled = 100, "[dbo].[Customer]", true
	ddl := moduleRow{ID: 522, Name: "NoDrop", Type: "TR", Class: 0, Definition: "CREATE TRIGGER NoDrop ON DATABASE FOR DROP_TABLE AS ROLLBACK", AnsiNulls: true, Quoted: true, Disabled: true}
	return []moduleRow{
		m(500, 1, "IsGood", "FN", "CREATE FUNCTION dbo.IsGood(@n int) RETURNS int AS BEGIN RETURN 1 END"),
		m(501, 1, "Unused", "FN", "CREATE FUNCTION dbo.Unused(@p dbo.Phone) RETURNS int AS BEGIN RETURN 1 END"),
		m(502, 1, "MayWrite", "IF", "CREATE FUNCTION dbo.MayWrite(@c int) RETURNS TABLE AS RETURN SELECT 1 AS ok"),
		old, view, m(512, 1, "Middle", "V", "CREATE VIEW dbo.Middle WITH SCHEMABINDING AS SELECT [No] FROM sales.[Order Line]"),
		trigger, off, ddl,
	}
}

func TestGoldenSchema(t *testing.T) {
	t.Parallel()
	s, err := fullCatalog().schema(nil)
	require.NoError(t, err, fullName)
	text, err := json.MarshalIndent(s, "", " ")
	require.NoError(t, err)
	golden(t, "schema.json", string(text)+"\n")
}

// script writes statements as sqlcmd takes them.
func script(statements []string) string { return strings.Join(statements, "\nGO\n") + "\nGO\n" }

func TestGoldenRestore(t *testing.T) {
	t.Parallel()
	s, err := fullCatalog().schema(nil)
	require.NoError(t, err)
	statements := append(createRestoreTables(), beforeLoad(s)...)
	statements = append(statements, "-- rows are loaded here")
	for _, o := range afterLoad(s) {
		statements = append(statements, o.SQL)
	}
	golden(t, "restore.sql", script(append(statements, restartSequence(object{"sales", "OrderNo"}, 1234))))
}

func TestGoldenInstall(t *testing.T) {
	t.Parallel()
	s, err := fullCatalog().schema(nil)
	require.NoError(t, err)
	empty := &captureState{tables: map[string]bool{}, triggers: map[string]triggerText{}}
	plan, err := empty.plan(sqlServer(t), s)
	require.NoError(t, err)
	for i, statement := range plan { // the schema itself is in schema.json
		if at := strings.Index(statement, "NULL, N'{"); at > 0 {
			plan[i] = statement[:at] + "NULL, N'…')"
		}
	}
	golden(t, "install.sql", script(append(plan, orderTrigger(object{"dbo", "Customer"})...)))
}

func TestGoldenCatalogQueries(t *testing.T) {
	t.Parallel()
	everything := views{}
	for _, name := range versionedViews() {
		everything[name] = map[string]bool{"x": true}
	}
	for view, columns := range map[string][]string{
		"tables":  {"temporal_type", "history_table_id", "history_retention_period", "is_external", "is_node", "is_edge", "ledger_type"},
		"columns": {"generated_always_type", "encryption_type", "is_hidden", "graph_type"}, "indexes": {"optimize_for_sequential_key"},
		"trigger_events": {"is_first", "is_last"},
	} {
		for _, c := range columns {
			everything[view][c] = true
		}
	}
	v := everything
	golden(t, "catalog.sql", script([]string{detectSQL, pulseSQL, schemasSQL(), principalsSQL(), membersSQL(), grantsSQL(), typesSQL(), xmlCollectionsSQL(),
		sequencesSQL(), tablesSQL(v), columnsSQL(v), indexesSQL(v), indexColumnsSQL(), defaultsSQL(), checksSQL(), foreignKeysSQL(),
		foreignKeyColumnsSQL(), periodsSQL(), modulesSQL(), triggerEventsSQL(v), synonymsSQL(), statsSQL(), statColumnsSQL(),
		policiesSQL(), predicatesSQL(), propertiesSQL(), dependenciesSQL(), othersSQL(v), governorSQL}))
}

func TestSchemaIsDeterministic(t *testing.T) {
	t.Parallel()
	a, err := fullCatalog().schema(nil)
	require.NoError(t, err)
	want, err := a.Encode()
	require.NoError(t, err)
	for range 20 {
		b, err := fullCatalog().schema(nil)
		require.NoError(t, err)
		got, err := b.Encode()
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
	back, err := database.DecodeSchema(want)
	require.NoError(t, err)
	again, err := back.Encode()
	require.NoError(t, err)
	require.Equal(t, string(want), string(again))
}

func TestGoldenStage(t *testing.T) {
	t.Parallel()
	table := &database.Table{Name: "dbo.Things", Columns: []database.Column{
		{Name: "Id", Type: "int", Identity: true}, {Name: "V", Type: "sql_variant", Nullable: true},
		{Name: "Note", Type: "nvarchar(20)", Collation: "Latin1_General_CI_AS", Nullable: true},
	}, Key: []int{0}}
	tc, err := codecs{rawText: true, pages: new(codePages)}.table(table)
	require.NoError(t, err)
	e := newEncoder(tc)
	for i, declaration := range []string{"int", "decimal(20,5)", "real", "varchar(20) COLLATE Cyrillic_General_CI_AS", "nchar(3) COLLATE Latin1_General_BIN2",
		"binary(4)", "uniqueidentifier", "time(5)", "datetime", "datetimeoffset(3)"} {
		row := database.AppendInt(nil, int64(i))
		row = append(row, sampleVariant(t, declaration)...)
		_, err := e.row(database.AppendNull(row))
		require.NoError(t, err, declaration)
	}
	o := object{"dbo", "Things"}
	golden(t, "stage.sql", script([]string{tc.createStage(stageName), e.insertFromStage(o, stageName), rowsQuery(o, tc)}))
}

func sampleVariant(t *testing.T, declaration string) []byte {
	t.Helper()
	v, err := parseVariantType(declaration)
	require.NoError(t, err)
	inner := map[string][]byte{
		"int": database.AppendInt(nil, 1), "decimal": database.AppendDecimal(nil, 5, []byte{1}), "real": database.AppendFloat32(nil, 1),
		"varchar": database.AppendText(nil, "П"), "nchar": database.AppendText(nil, "abc"), "binary": database.AppendBytes(nil, []byte("1234")),
		"uniqueidentifier": database.AppendUUID(nil, [16]byte{}), "time": database.AppendTime(nil, 100), "datetime": database.AppendDateTime(nil, 0, 1),
		"datetimeoffset": database.AppendDateTimeOffset(nil, 600_000_000_000, 0),
	}[v.Name]
	require.NotNil(t, inner, v.Name)
	return database.AppendVariant(nil, declaration, inner)
}
