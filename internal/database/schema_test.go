package database_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

func sampleSchema() *database.Schema {
	return &database.Schema{
		Engine: "sqlite",
		Tables: []database.Table{
			{Name: "ward", SQL: "CREATE TABLE ward (id INTEGER PRIMARY KEY, name TEXT)", Key: []int{0}, Columns: []database.Column{
				{Name: "id", Type: "INTEGER", Identity: true}, {Name: "name", Type: "TEXT", Nullable: true, Collation: "NOCASE", Details: map[string]string{"default": "'<&>'"}}}},
			{Name: "bed", Key: []int{1, 0}, Columns: []database.Column{{Name: "n", Type: "INT"}, {Name: "ward", Type: "INT"}}},
		},
		Objects:    []database.Object{{Kind: "index", Name: "ward_name", Table: "ward", Phase: database.AfterLoad, SQL: "CREATE INDEX ward_name ON ward (name)"}},
		Settings:   map[string]string{"page_size": "4096", "encoding": "UTF-8"},
		NotCarried: []string{"ward.computed"},
	}
}

func TestSchemasRoundTrip(t *testing.T) {
	t.Parallel()
	s := sampleSchema()
	require.NoError(t, s.Seal())
	b, err := s.Encode()
	require.NoError(t, err)
	got, err := database.DecodeSchema(b)
	require.NoError(t, err)
	require.Equal(t, s, got)
	want, err := s.Fingerprint()
	require.NoError(t, err)
	same, err := got.Fingerprint()
	require.NoError(t, err)
	require.Equal(t, want, same)
	require.Same(t, &got.Tables[1], got.Table("bed"))
	require.Nil(t, got.Table("BED"))
	got.Objects[0].SQL += " DESC"
	other, err := got.Fingerprint()
	require.NoError(t, err)
	require.NotEqual(t, want, other)
}

func TestSealNamesEveryProblem(t *testing.T) {
	t.Parallel()
	s := &database.Schema{Tables: []database.Table{
		{Name: "keyless", Columns: []database.Column{{Name: "a"}}},
		{Name: "outside", Columns: []database.Column{{Name: "a"}}, Key: []int{1}},
		{Name: "negative", Columns: []database.Column{{Name: "a"}}, Key: []int{-1}},
		{Name: "twice", Columns: []database.Column{{Name: "a"}}, Key: []int{0}},
		{Name: "twice", Columns: []database.Column{{Name: "a"}}, Key: []int{0}},
		{Name: "", Columns: []database.Column{{Name: "a"}}, Key: []int{0}},
	}}
	err := s.Seal()
	require.ErrorIs(t, err, database.ErrSchema)
	for _, name := range []string{`"keyless"`, `"outside"`, `"negative"`, `"twice"`, `table ""`} {
		require.ErrorContains(t, err, name)
	}
	_, err = database.DecodeSchema([]byte(`{"tables":[{"name":"t","columns":[],"key":[]}]}`))
	require.ErrorIs(t, err, database.ErrSchema)
	_, err = database.DecodeSchema([]byte(`{"tables":`))
	require.ErrorIs(t, err, database.ErrSchema)
}

func TestRowsThatDoNotFitAreNamed(t *testing.T) {
	t.Parallel()
	s := sampleSchema()
	require.NoError(t, s.Seal())
	one := database.AppendInt(nil, 1)
	for _, row := range [][]byte{nil, one, append(append(append([]byte{}, one...), one...), one...), {99}} {
		err := s.Table("ward").CheckRow(row)
		require.ErrorIs(t, err, database.ErrRow)
		require.ErrorContains(t, err, "ward")
	}
}
