package rowtext_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/rowtext"
)

func TestText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		value []byte
		want  string
	}{
		{"null", database.AppendNull(nil), "NULL"},
		{"bit", database.AppendBit(nil, true), "1"},
		{"int", database.AppendInt(nil, math.MinInt64), "-9223372036854775808"},
		{"money", database.AppendMoney(nil, -5), "-0.0005"},
		{"decimal", database.AppendDecimal(nil, 2, []byte{0xff, 0x00}), "-2.56"},
		{"decimal without fraction", database.AppendDecimal(nil, 0, []byte{0x7f}), "127"},
		{"float", database.AppendFloat64(nil, 0.1), "0.1"},
		{"single", database.AppendFloat32(nil, 0.1), "0.1"},
		{"date", database.AppendDate(nil, 0), "0001-01-01"},
		{"last date", database.AppendDate(nil, 3652058), "9999-12-31"},
		{"time", database.AppendTime(nil, 863999999999), "23:59:59.9999999"},
		{"datetime2", database.AppendDateTime2(nil, 3155378975999999999), "9999-12-31T23:59:59.9999999"},
		{"datetime", database.AppendDateTime(nil, -53690, 1), "1753-01-01T00:00:00.003"},
		{"datetimeoffset", database.AppendDateTimeOffset(nil, 3155378975999999999-14*36e9, 14*60), "9999-12-31T23:59:59.9999999+14:00"},
		{"uuid", database.AppendUUID(nil, [16]byte{0: 1, 15: 2}), "01000000-0000-0000-0000-000000000002"},
		{"text", database.AppendText(nil, "naïve"), "naïve"},
		{"text that is not", database.AppendText(nil, "\xff"), "0xff"},
		{"bytes", database.AppendBytes(nil, "\x00a"), "0x0061"},
		{"variant", database.AppendVariant(nil, "int", database.AppendInt(nil, 3)), "int 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, rest, err := database.Next(tt.value)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.Equal(t, tt.want, rowtext.Text(v))
		})
	}
}

func TestRow(t *testing.T) {
	t.Parallel()
	table := &database.Table{Name: "p", Key: []int{1}, Columns: []database.Column{{Name: "name"}, {Name: "id"}, {Name: "x"}}}
	row := database.AppendFloat64(database.AppendInt(database.AppendText(nil, `a"b`), 7), math.Inf(1))
	cells, err := rowtext.Row(table, row)
	require.NoError(t, err)
	require.Equal(t, `name="a\"b" id=7 x=+Inf`, cells.String())
	require.Equal(t, "id=7", cells.Key(table).String())
	b, err := json.Marshal(cells)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"a\"b","id":7,"x":"+Inf"}`, string(b))
	_, err = rowtext.Row(table, append(row, 0))
	require.ErrorIs(t, err, database.ErrRow)
	_, err = rowtext.Row(table, row[:3])
	require.ErrorIs(t, err, database.ErrRow)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		value []byte
		typed string
		want  int
		ok    bool
	}{
		{"as numbers", database.AppendInt(nil, 10), "9", 1, true},
		{"fraction", database.AppendDecimal(nil, 2, []byte{100}), "1", 0, true},
		{"a word against a number", database.AppendInt(nil, 10), "x", -1, true},
		{"as texts", database.AppendText(nil, "10"), "9", -1, true},
		{"null", database.AppendNull(nil), "NULL", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, _, err := database.Next(tt.value)
			require.NoError(t, err)
			got, ok := rowtext.Compare(v, tt.typed)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.ok, ok)
		})
	}
}
