package database_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

func TestEveryTagRoundTrips(t *testing.T) {
	t.Parallel()
	all := extremes()
	require.Len(t, all, int(database.TagVariant)+1, "every tag is tried")
	for tag, values := range all {
		for _, encoded := range values {
			v, rest, err := database.Next(append(encoded, 0xaa))
			require.NoError(t, err, "%x", encoded)
			require.Equal(t, tag, v.Tag)
			require.Equal(t, []byte{0xaa}, rest)
			require.Equal(t, encoded, database.AppendValue(nil, v))
		}
	}
}

func TestValuesDecodeToWhatTheyWere(t *testing.T) {
	t.Parallel()
	next := func(encoded []byte) database.Value {
		v, rest, err := database.Next(encoded)
		require.NoError(t, err)
		require.Empty(t, rest)
		return v
	}
	require.Equal(t, int64(math.MinInt64), next(database.AppendInt(nil, math.MinInt64)).Int)
	require.Equal(t, int64(1), next(database.AppendBit(nil, true)).Int)
	require.True(t, math.Signbit(next(database.AppendFloat64(nil, math.Copysign(0, -1))).Float()))
	require.InDelta(t, float64(float32(0.1)), next(database.AppendFloat32(nil, 0.1)).Float(), 0)
	d := next(database.AppendDecimal(nil, 2, []byte{0xff, 0xff, 0x85}))
	require.Equal(t, int64(2), d.Aux)
	require.Equal(t, []byte{0x85}, d.Bytes, "redundant sign bytes are dropped")
	dt := next(database.AppendDateTime(nil, -53690, 25_919_999))
	require.Equal(t, [2]int64{-53690, 25_919_999}, [2]int64{dt.Int, dt.Aux})
	o := next(database.AppendDateTimeOffset(nil, 5, -840))
	require.Equal(t, [2]int64{5, -840}, [2]int64{o.Int, o.Aux})
	require.Equal(t, "a\x00b", string(next(database.AppendText(nil, "a\x00b")).Bytes))
	require.NotEqual(t, database.AppendBytes(nil, ""), database.AppendNull(nil), "empty is not NULL")
	declaration, inner, err := next(database.AppendVariant(nil, "money", database.AppendMoney(nil, 7))).Variant()
	require.NoError(t, err)
	require.Equal(t, "money", declaration)
	require.Equal(t, int64(7), inner.Int)
}

func TestOnlyTheCanonicalEncodingIsAccepted(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"nothing":                      {},
		"an unknown tag":               {17, 0},
		"the last tag":                 {255},
		"no length":                    {2},
		"a length past the end":        {2, 2, 0},
		"a longer length":              {2, 0x81, 0, 0},
		"a length of ten bytes":        {13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"a length that overflows":      {13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2},
		"an empty int":                 {2, 0},
		"a longer int":                 {2, 2, 0x80, 0},
		"an int of 65 bits":            {2, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2},
		"an int and a byte":            {2, 2, 0, 0},
		"a bit of two":                 {1, 1, 2},
		"a bit of two bytes":           {1, 2, 0, 0},
		"a decimal without digits":     {3, 1, 0},
		"a decimal with a longer zero": {3, 3, 0, 0, 0},
		"a decimal with a longer -1":   {3, 3, 0, 0xff, 0xff},
		"a float64 of 4 bytes":         {5, 4, 0, 0, 0, 0},
		"a float32 of 8 bytes":         {6, 8, 0, 0, 0, 0, 0, 0, 0, 0},
		"a datetime without thirds":    {10, 1, 0},
		"a datetime and a byte":        {10, 3, 0, 0, 0},
		"a longer datetime":            {10, 3, 0, 0x80, 0},
		"a uuid of 15 bytes":           append([]byte{12, 15}, make([]byte, 15)...),
		"an empty variant":             {16, 0},
		"a variant of nothing":         {16, 1, 0},
		"a variant of null":            {16, 2, 0, 0},
		"a variant of a variant":       database.AppendVariant(nil, "", database.AppendVariant(nil, "", database.AppendInt(nil, 1))),
		"a variant and a byte":         {16, 5, 0, 2, 1, 0, 0},
		"a variant with a bad value":   {16, 4, 0, 2, 2, 0},
		"a variant, declaration long":  {16, 2, 9, 9},
	} {
		_, _, err := database.Next(b)
		require.ErrorIs(t, err, database.ErrRow, name)
	}
}

// TestCutOrFlippedRowsAreNeverTheSame: no prefix of a row is a row, and a flipped bit
// gives an error or another row, never a panic.
func TestCutOrFlippedRowsAreNeverTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		row, table := anyRow(t)
		cut := rapid.IntRange(0, len(row)-1).Draw(t, "cut")
		require.ErrorIs(t, table.CheckRow(row[:cut]), database.ErrRow)
		flipped := append([]byte{}, row...)
		flipped[cut] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if table.CheckRow(flipped) == nil {
			require.NotEqual(t, recode(t, row, len(table.Columns)), recode(t, flipped, len(table.Columns)))
		}
		require.ErrorIs(t, table.CheckRow(append(row, 0)), database.ErrRow)
	})
}

// recode decodes and encodes every value of a row.
func recode(t require.TestingT, row []byte, columns int) []byte {
	var out []byte
	for range columns {
		v, rest, err := database.Next(row)
		require.NoError(t, err)
		out, row = database.AppendValue(out, v), rest
	}
	return out
}

// anyRow draws a row of one to five columns with a table that it fits, key included.
func anyRow(t *rapid.T) ([]byte, *database.Table) {
	values := rapid.SliceOfN(anyValue(), 1, 5).Draw(t, "row")
	table := database.Table{Name: "t"}
	var row []byte
	for _, v := range values {
		row = append(row, v...)
		table.Columns = append(table.Columns, database.Column{Name: "c"})
	}
	table.Key = rapid.Permutation(upTo(len(values))).Draw(t, "key")[:rapid.IntRange(1, len(values)).Draw(t, "key columns")]
	s := &database.Schema{Tables: []database.Table{table}}
	require.NoError(t, s.Seal())
	require.NoError(t, s.Tables[0].CheckRow(row))
	return row, &s.Tables[0]
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
