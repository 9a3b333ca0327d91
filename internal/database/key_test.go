package database_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

// TestKeysAreInjective: rows have equal key bytes if and only if their key columns hold
// equal values, wherever these stand; and no key is the beginning of another.
func TestKeysAreInjective(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "columns")
		draw := rapid.SliceOfN(anyValue(), n, n)
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if rapid.Bool().Draw(t, "alike") { // all but the last value equal
			copy(b[:n-1], a)
		}
		same := bytes.Equal(bytes.Join(a, nil), bytes.Join(b, nil))
		ka, kb := keyOf(t, a), keyOf(t, b)
		require.Equal(t, same, bytes.Equal(ka, kb))
		if !same {
			require.False(t, bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka))
		}
	})
}

// keyOf is the key of all values, found through a row that has them last, in reverse.
func keyOf(t require.TestingT, values [][]byte) []byte {
	table := database.Table{Name: "t", Columns: []database.Column{{Name: "other"}}}
	row := database.AppendText(nil, "not of the key")
	for i := len(values) - 1; i >= 0; i-- {
		row = append(row, values[i]...)
		table.Columns = append(table.Columns, database.Column{Name: "k"})
		table.Key = append(table.Key, len(values)-len(table.Key))
	}
	direct := database.Table{Name: "t", Columns: table.Columns[1:], Key: upTo(len(values))}
	s := &database.Schema{Tables: []database.Table{table}}
	require.NoError(t, s.Seal())
	key, err := s.Tables[0].AppendKey([]byte("before"), row)
	require.NoError(t, err)
	s = &database.Schema{Tables: []database.Table{direct}}
	require.NoError(t, s.Seal())
	again, err := s.Tables[0].AppendKey(nil, bytes.Join(values, nil))
	require.NoError(t, err)
	require.Equal(t, "before"+string(again), string(key))
	return again
}

// TestKeysSortAsValues: within a tag, key bytes compare as the values do.
func TestKeysSortAsValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anyValue(database.TagVariant).Draw(t, "a")
		b := anyValue(database.TagVariant).Filter(func(b []byte) bool { return b[0] == a[0] }).Draw(t, "b")
		va, _, _ := database.Next(a)
		vb, _, _ := database.Next(b)
		want, ok := compare(va, vb)
		if !ok {
			return
		}
		require.Equal(t, want, bytes.Compare(keyOf(t, [][]byte{a}), keyOf(t, [][]byte{b})), "%x %x", a, b)
	})
}

// compare orders two values of one tag; ok is false where there is no one order.
func compare(a, b database.Value) (order int, ok bool) {
	switch a.Tag {
	case database.TagFloat64, database.TagFloat32:
		x, y := a.Float(), b.Float()
		if math.IsNaN(x) || math.IsNaN(y) || x == 0 && y == 0 {
			return 0, false
		}
		return cmp.Compare(x, y), true
	case database.TagDecimal:
		return number(a.Bytes).Cmp(number(b.Bytes)), a.Aux == b.Aux
	case database.TagUUID:
		return 0, false // see TestUUIDKeysSortAsSQLServerDoes
	case database.TagText, database.TagBytes, database.TagXML:
		return bytes.Compare(a.Bytes, b.Bytes), true
	}
	return cmp.Or(cmp.Compare(a.Int, b.Int), cmp.Compare(a.Aux, b.Aux)), true
}

func number(twosComplement []byte) *big.Int {
	x := new(big.Int).SetBytes(twosComplement)
	if twosComplement[0] >= 0x80 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(twosComplement))))
	}
	return x
}

// TestUUIDKeysSortAsSQLServerDoes: each value is greater than the one before to SQL
// Server, which says which byte weighs how much.
func TestUUIDKeysSortAsSQLServerDoes(t *testing.T) {
	t.Parallel()
	var last []byte
	for _, text := range []string{
		"00000000-0000-0000-0000-000000000000",
		"01000000-0000-0000-0000-000000000000",
		"00010000-0000-0000-0000-000000000000",
		"00000100-0000-0000-0000-000000000000",
		"00000001-0000-0000-0000-000000000000",
		"00000000-0100-0000-0000-000000000000",
		"00000000-0001-0000-0000-000000000000",
		"00000000-0000-0100-0000-000000000000",
		"00000000-0000-0001-0000-000000000000",
		"00000000-0000-0000-0001-000000000000",
		"00000000-0000-0000-0100-000000000000",
		"00000000-0000-0000-0000-000000000001",
		"00000000-0000-0000-0000-000000000100",
		"00000000-0000-0000-0000-000000010000",
		"00000000-0000-0000-0000-000001000000",
		"00000000-0000-0000-0000-000100000000",
		"00000000-0000-0000-0000-010000000000",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
		require.NoError(t, err)
		key := keyOf(t, [][]byte{database.AppendUUID(nil, [16]byte(b))})
		require.Negative(t, bytes.Compare(last, key), text)
		last = key
	}
}

func TestMalformedRowsHaveNoKey(t *testing.T) {
	t.Parallel()
	s := &database.Schema{Tables: []database.Table{
		{Name: "first", Columns: make([]database.Column, 2), Key: []int{0}},
		{Name: "second", Columns: make([]database.Column, 2), Key: []int{1}},
		{Name: "huge", Columns: make([]database.Column, 1), Key: []int{0}},
	}}
	require.NoError(t, s.Seal())
	for i, row := range [][]byte{{99}, database.AppendInt(nil, 1), database.AppendDecimal(nil, 0, append([]byte{1}, make([]byte, 16)...))} {
		_, err := s.Tables[i].AppendKey(nil, row)
		require.ErrorIs(t, err, database.ErrRow)
		require.ErrorContains(t, err, s.Tables[i].Name)
	}
}
