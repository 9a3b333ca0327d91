package mssql

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

func encoderOf(t *testing.T, columns ...database.Column) *encoder {
	t.Helper()
	tc, err := codecs{rawText: true, pages: new(codePages)}.table(&database.Table{Name: "dbo.t", Columns: columns, Key: []int{0}})
	require.NoError(t, err)
	return newEncoder(tc)
}

// TestNullIsRefusedWhereTheColumnHasNone: the driver would break the stream of rows.
func TestNullIsRefusedWhereTheColumnHasNone(t *testing.T) {
	t.Parallel()
	for _, c := range everyColumn() {
		e := encoderOf(t, c)
		_, err := e.row(database.AppendNull(nil))
		require.ErrorIs(t, err, errNull, c.Type)
		require.ErrorContains(t, err, "dbo.t: column c")
		c.Nullable = true
		values, err := encoderOf(t, c).row(database.AppendNull(nil))
		require.NoError(t, err, c.Type)
		for _, v := range values {
			assert.Nil(t, v, c.Type)
		}
	}
}

// everyColumn has a NOT NULL column of each kind of value.
func everyColumn() []database.Column {
	var list []database.Column
	for _, declared := range []string{"bit", "tinyint", "int", "bigint", "decimal(9,4)", "money", "float", "real", "date", "time(7)", "datetime",
		"smalldatetime", "datetime2(7)", "datetimeoffset(7)", "uniqueidentifier", "xml", "sql_variant", "binary(2)", "varbinary(max)", "nvarchar(9)"} {
		list = append(list, database.Column{Name: "c", Type: declared})
	}
	return append(list, database.Column{Name: "c", Type: "varchar(9)", Details: map[string]string{detailCodePage: "1252"}})
}

// TestEmptyIsNotNull: an empty value must not become the nil that the driver takes for NULL.
func TestEmptyIsNotNull(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		column database.Column
		value  []byte
	}{
		{database.Column{Name: "c", Type: "varbinary(max)"}, database.AppendBytes(nil, []byte{})},
		{database.Column{Name: "c", Type: "varbinary(9)"}, database.AppendBytes(nil, []byte{})},
		{database.Column{Name: "c", Type: "nvarchar(max)"}, database.AppendText(nil, "")},
		{database.Column{Name: "c", Type: "varchar(9)", Details: map[string]string{detailCodePage: "1252"}}, database.AppendText(nil, "")},
		{database.Column{Name: "c", Type: "xml"}, database.AppendXML(nil, "")},
	} {
		values, err := encoderOf(t, x.column).row(x.value)
		require.NoError(t, err, x.column.Type)
		raw, ok := values[0].([]byte)
		require.True(t, ok, x.column.Type)
		assert.NotNil(t, raw, x.column.Type)
		assert.Empty(t, raw, x.column.Type)
	}
}

// TestRowsOfAnotherShapeAreRefused: a row that is too long or too short is not cut to fit.
func TestRowsOfAnotherShapeAreRefused(t *testing.T) {
	t.Parallel()
	e := encoderOf(t, database.Column{Name: "c", Type: "int"})
	one := database.AppendInt(nil, 1)
	_, err := e.row(append(one, one...))
	require.ErrorIs(t, err, database.ErrRow)
	_, err = e.row(nil)
	require.ErrorIs(t, err, database.ErrRow)
	_, err = e.row(one[:len(one)-1])
	require.ErrorIs(t, err, database.ErrRow)
}

// TestTextThatTheDriverMayHaveChangedIsRefused: an engine that cannot hand text over as
// bytes must not pass U+FFFD on, which may stand for a lone surrogate or an unknown byte.
func TestTextThatTheDriverMayHaveChangedIsRefused(t *testing.T) {
	t.Parallel()
	tc, err := codecs{pages: new(codePages)}.table(&database.Table{Name: "dbo.t", Columns: []database.Column{{Name: "c", Type: "nvarchar(9)"}}, Key: []int{0}})
	require.NoError(t, err)
	_, err = tc.decode(nil, driverValues("a\ufffd"))
	require.ErrorContains(t, err, "U+FFFD")
	row, err := tc.decode(nil, driverValues("é𝄞"))
	require.NoError(t, err)
	require.Equal(t, database.AppendText(nil, "é𝄞"), row)
}

// TestValuesOfAnotherGoTypeAreRefused: a driver that begins to return something else must
// not be guessed at.
func TestValuesOfAnotherGoTypeAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range everyColumn() {
		tc := encoderOf(t, c).tc
		values := driverValues(struct{}{})
		for len(values) < tc.width {
			values = append(values, struct{}{})
		}
		_, err := tc.decode(nil, values)
		require.ErrorContains(t, err, "the driver gave", c.Type)
	}
}
