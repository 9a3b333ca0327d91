package mssql

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

// simple is a database with one table that can be captured.
func simple(change func(c *catalog)) *catalog {
	c := &catalog{
		Schemas:    []schemaRow{{1, "dbo", "dbo"}},
		Tables:     []tableRow{{ID: 1, SchemaID: 1, Name: "T", Retention: -1}},
		Columns:    []columnRow{{ObjectID: 1, ID: 1, Name: "Id", Base: "int", Bytes: 4}, {ObjectID: 1, ID: 2, Name: "X", Base: "int", Bytes: 4, Nullable: true}},
		Indexes:    []indexRow{{ObjectID: 1, ID: 1, Name: "PK", Type: "CLUSTERED", Unique: true, PrimaryKey: true}},
		IndexParts: []indexColumnRow{{1, 1, 1, 1, 1, false, false}},
	}
	change(c)
	return c
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(c *catalog)
		want   string // how the message begins
	}{
		{"no key", func(c *catalog) { c.Indexes = nil }, "table dbo.T: has no primary key"},
		{"a key that may be null", func(c *catalog) { c.Columns[0].Nullable = true }, "table dbo.T: has no primary key"},
		{"a key over a filter", func(c *catalog) { c.Indexes[0].PrimaryKey, c.Indexes[0].Filter = false, "([Id]>(1))" }, "table dbo.T: has no primary key"},
		{"a disabled key", func(c *catalog) { c.Indexes[0].Disabled = true }, "table dbo.T: has no primary key"},
		{"a key over a computed column", func(c *catalog) { c.Columns[0].Computed = true }, "table dbo.T: has no primary key"},
		{"memory-optimized", func(c *catalog) { c.Tables[0].Memory = true }, "table dbo.T: memory-optimized"},
		{"external", func(c *catalog) { c.Tables[0].External = true }, "table dbo.T: external"},
		{"graph", func(c *catalog) { c.Tables[0].Edge = true }, "table dbo.T: graph"},
		{"ledger", func(c *catalog) { c.Tables[0].Ledger = 2 }, "table dbo.T: ledger"},
		{"FileTable", func(c *catalog) { c.Tables[0].FileTable = true }, "table dbo.T: FileTables"},
		{"change tracking", func(c *catalog) { c.Tables[0].TracksChanges = true }, "table dbo.T: change tracking"},
		{"partitioned", func(c *catalog) { c.Indexes[0].Partitioned = true }, "table dbo.T: partitioned"},
		{"history that expires", func(c *catalog) { c.Tables[0].Temporal, c.Tables[0].Retention = 2, 6 }, "table dbo.T: history with a retention"},
		{"legacy text", func(c *catalog) { c.Columns[1].Base = "ntext" }, "column dbo.T.X: type ntext cannot be read in triggers"},
		{"a type nobody knows", func(c *catalog) { c.Columns[1].Base = "vector" }, "column dbo.T.X: type vector is not supported"},
		{"Always Encrypted", func(c *catalog) { c.Columns[1].Encrypted = true }, "column dbo.T.X: Always Encrypted"},
		{"FILESTREAM", func(c *catalog) { c.Columns[1].FileStream = true }, "column dbo.T.X: FILESTREAM"},
		{"a column set", func(c *catalog) { c.Columns[1].ColumnSet = true }, "column dbo.T.X: column sets"},
		{"unpadded", func(c *catalog) { c.Columns[1].Unpadded = true }, "column dbo.T.X: a column made with ANSI_PADDING OFF"},
		{"a bound rule", func(c *catalog) { c.Columns[1].Rule = true }, "column dbo.T.X: a rule or default bound"},
		{"our own names", func(c *catalog) { c.Columns[1].Name = "lifeboat_id" }, "column dbo.T.lifeboat_id: names that begin"},
		{"a spatial index", func(c *catalog) {
			c.Indexes = append(c.Indexes, indexRow{ObjectID: 1, ID: 9, Name: "SX", Type: "SPATIAL"})
		}, "spatial index dbo.T.SX: has no model"},
		{"an encrypted module", func(c *catalog) {
			c.Modules = []moduleRow{{ID: 2, SchemaID: 1, Name: "P", Type: "P", Class: 1}}
		}, "procedure dbo.P: its text cannot be read"},
		{"a filter of rows", func(c *catalog) {
			c.Policies = []policyRow{{ID: 3, SchemaID: 1, Name: "Pol", Enabled: true}}
			c.Predicates = []predicateRow{{3, 1, "(dbo.f())", "FILTER", ""}}
		}, "filter of security policy dbo.Pol: rows that its predicate hides"},
		{"a sequence beyond bigint", func(c *catalog) {
			c.Sequences = []sequenceRow{{ID: 4, SchemaID: 1, Name: "S", Base: "decimal", Prec: 38, Min: "0", Max: "99999999999999999999999999999999999999"}}
		}, "sequence dbo.S: its numbers may be larger"},
		{"an application role", func(c *catalog) { c.Principals = []principalRow{{ID: 5, Name: "app", Type: "A"}} }, "principal app: principals of type A"},
		{"anything else", func(c *catalog) { c.Others = []otherRow{{"assembly", "Geo"}} }, "assembly Geo: has no model"},
		{"a property of a strange type", func(c *catalog) {
			c.Properties = []propertyRow{{Class: 1, Major: 1, Name: "P", Base: "datetime", Value: "x"}}
		}, "extended property dbo.T P: a value of type datetime"},
		{"a misspelt permission to lose something", func(c *catalog) {}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var allow []string
			if c.want == "" {
				allow, c.want = []string{"assembly Nope"}, `"assembly Nope" is allowed to be lost, but there is no such thing`
			}
			_, err := simple(c.change).schema(allow)
			require.ErrorIs(t, err, database.ErrUnsupported)
			assert.ErrorContains(t, err, "\n"+c.want)
		})
	}
	_, err := simple(func(*catalog) {}).schema(nil)
	require.NoError(t, err)
}

func TestRefusalsAreNamedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := simple(func(c *catalog) {
		c.Tables[0].Memory = true
		c.Columns[1].Base = "image"
		c.Others = []otherRow{{"assembly", "Geo"}, {"certificate", "C"}}
	}).schema([]string{"certificate C"})
	for _, want := range []string{"table dbo.T: memory", "column dbo.T.X: type image", "assembly Geo"} {
		require.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), "certificate C")
}

func TestAllowedLossesAreListed(t *testing.T) {
	t.Parallel()
	c := simple(func(c *catalog) {
		c.Others = []otherRow{{"assembly", "Geo"}}
		c.Tables = append(c.Tables, tableRow{ID: 2, SchemaID: 1, Name: "Log", Memory: true})
		c.Columns = append(c.Columns, columnRow{ObjectID: 2, ID: 1, Name: "A", Base: "text"}, columnRow{ObjectID: 1, ID: 3, Name: "V", Base: "timestamp"})
		c.Keys = []foreignKeyRow{{ID: 7, ObjectID: 1, ReferencedID: 2, Name: "FK"}}
		c.Modules = []moduleRow{
			{ID: 8, SchemaID: 1, Name: "V1", Type: "V", Class: 1, Definition: "CREATE VIEW dbo.V1 AS SELECT A FROM dbo.Log", AnsiNulls: true, Quoted: true},
			{ID: 9, SchemaID: 1, ParentID: 2, Name: "Tr", Type: "TR", Class: 1, Definition: "CREATE TRIGGER dbo.Tr ON dbo.Log AFTER INSERT AS RETURN"},
		}
		c.Depends = []dependencyRow{{8, 2}}
	})
	_, err := c.schema([]string{"assembly Geo", "table dbo.Log"})
	require.ErrorContains(t, err, "view dbo.V1: uses table dbo.Log, which is not carried")
	s, err := c.schema([]string{"assembly Geo", "table dbo.Log", "view dbo.V1"})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"assembly Geo", "column dbo.T.V (rowversion)", "foreign key dbo.T.FK (refers to a table that is not carried)",
		"table dbo.Log", "trigger dbo.Tr (its table is not carried)", "view dbo.V1",
	}, s.NotCarried)
	assert.Len(t, s.Tables, 1)
	assert.Empty(t, s.Objects)
}

func TestKeyIsThePrimaryKeyOrElseAUniqueIndex(t *testing.T) {
	t.Parallel()
	s, err := simple(func(c *catalog) {
		c.Columns[1].Nullable = false
		c.Indexes = []indexRow{
			{ObjectID: 1, ID: 2, Name: "UX", Type: "NONCLUSTERED", Unique: true},
			{ObjectID: 1, ID: 3, Name: "PK", Type: "NONCLUSTERED", Unique: true, PrimaryKey: true},
			{ObjectID: 1, ID: 1, Name: "CX", Type: "CLUSTERED", Unique: true},
		}
		c.IndexParts = []indexColumnRow{{1, 2, 1, 1, 1, false, false}, {1, 3, 1, 1, 2, false, false}, {1, 3, 2, 2, 1, false, false}, {1, 1, 1, 1, 2, true, false}, {1, 1, 2, 2, 1, false, false}}
	}).schema(nil)
	require.NoError(t, err)
	table := &s.Tables[0]
	assert.Equal(t, []int{1, 0}, table.Key)
	assert.Equal(t, " ORDER BY t.[X] DESC, t.[Id]", orderBy(table), "rows come in the order of the unique clustered index")
	s, err = simple(func(c *catalog) { c.Indexes[0].PrimaryKey = false }).schema(nil)
	require.NoError(t, err)
	assert.Equal(t, []int{0}, s.Tables[0].Key)
}
