package mssql

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

func TestDecimalExtremes(t *testing.T) {
	t.Parallel()
	nines := strings.Repeat("9", 38)
	for _, c := range []struct {
		name, text       string
		precision, scale int
	}{
		{"zero", "0", 38, 0},
		{"zero with scale", "0.0000", 9, 4},
		{"one in scale 38", "0." + strings.Repeat("0", 37) + "1", 38, 38},
		{"largest of 38", nines, 38, 0},
		{"smallest of 38", "-" + nines, 38, 0},
		{"largest fraction", "0." + nines, 38, 38},
		{"most negative fraction", "-0." + nines, 38, 38},
		{"both sides", "-" + nines[:19] + "." + nines[:19], 38, 19},
		{"2^64", "18446744073709551616", 20, 0},
		{"int64 min", "-9223372036854775808", 19, 0},
		{"one digit", "-7", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, err := parseNumber([]byte(c.text), c.scale)
			require.NoError(t, err)
			row := n.appendCanonical(nil, c.scale)
			v, rest, err := database.Next(row)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.EqualValues(t, c.scale, v.Aux)
			back, err := numberFromBytes(v.Bytes)
			require.NoError(t, err)
			require.Equal(t, n, back)
			text, err := back.text(c.precision, c.scale)
			require.NoError(t, err)
			assert.Equal(t, c.text, text)
		})
	}
}

func TestDecimalRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		scale      int
	}{
		{"empty", "", 0},
		{"sign only", "-", 0},
		{"two points", "1.2.3", 1},
		{"too few digits behind the point", "1.2", 2},
		{"too many digits behind the point", "1.234", 2},
		{"39 nines", strings.Repeat("9", 39), 0},
		{"letters", "1e5", 0},
		{"plus", "+1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseNumber([]byte(c.text), c.scale)
			assert.Error(t, err)
		})
	}
	_, err := number{lo: 1000}.text(3, 1)
	require.ErrorContains(t, err, "4 digits, want at most 3")
	_, err = number{hi: math.MaxInt64, lo: math.MaxUint64}.text(38, 0)
	require.Error(t, err, "2^127-1 has 39 digits")
	_, err = numberFromBytes(make([]byte, 17))
	assert.Error(t, err)
}

func TestDecimalRoundTripsLikeBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scale := rapid.IntRange(0, 38).Draw(t, "scale")
		digits := rapid.StringMatching(`-?[0-9]{1,38}`).Draw(t, "digits")
		want, ok := new(big.Int).SetString(digits, 10)
		require.True(t, ok)
		abs := new(big.Int).Abs(want).String()
		if pad := scale + 1 - len(abs); pad > 0 {
			abs = strings.Repeat("0", pad) + abs
		}
		text := abs
		if scale > 0 {
			text = abs[:len(abs)-scale] + "." + abs[len(abs)-scale:]
		}
		if want.Sign() < 0 {
			text = "-" + text
		}
		n, err := parseNumber([]byte(text), scale)
		require.NoError(t, err)
		v, _, err := database.Next(n.appendCanonical(nil, scale))
		require.NoError(t, err)
		back, err := numberFromBytes(v.Bytes)
		require.NoError(t, err)
		got, err := back.text(38, scale)
		require.NoError(t, err)
		require.Equal(t, text, got)
		if i, fits := n.int64(); fits {
			require.True(t, want.IsInt64())
			require.Equal(t, want.Int64(), i)
			require.Equal(t, n, numberFromInt(i))
		} else {
			require.False(t, want.IsInt64())
		}
	})
}
