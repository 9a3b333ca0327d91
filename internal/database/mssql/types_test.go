package mssql_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
)

// everyType lists columns of every type that is carried.
func everyType() []database.Column {
	page := func(collation, page string) func(*database.Column) {
		return func(c *database.Column) {
			c.Collation, c.Details = collation, map[string]string{"code_page": page}
		}
	}
	unicode := func(c *database.Column) { c.Collation = "Latin1_General_100_CI_AS" }
	var list []database.Column
	add := func(declared string, options ...func(*database.Column)) {
		c := database.Column{Name: declared, Type: declared, Nullable: true}
		for _, o := range options {
			o(&c)
		}
		list = append(list, c)
	}
	for _, plain := range []string{"bit", "tinyint", "smallint", "int", "bigint", "decimal(38,0)", "decimal(38,38)", "decimal(1,0)",
		"numeric(19,7)", "money", "smallmoney", "float", "real", "date", "time(0)", "time(3)", "time(7)", "datetime", "smalldatetime",
		"datetime2(0)", "datetime2(2)", "datetime2(7)", "datetimeoffset(0)", "datetimeoffset(7)", "uniqueidentifier", "xml", "sql_variant",
		"binary(8)", "varbinary(20)", "varbinary(max)"} {
		add(plain)
	}
	add("nchar(10)", unicode)
	add("nvarchar(40)", unicode)
	add("nvarchar(max)", unicode)
	add("char(10)", page("Latin1_General_CI_AS", "1252"))
	add("varchar(40)", page("Cyrillic_General_CI_AS", "1251"))
	add("varchar(max)", page("Greek_CI_AS", "1253"))
	return list
}

func TestEveryTypeSurvivesTheWire(t *testing.T) {
	t.Parallel()
	for _, c := range everyType() {
		t.Run(c.Type, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(r *rapid.T) {
				want := limits{exactText: true, fractions: true}.value(r, c)
				got, err := mssql.Wire(c, want)
				require.NoError(r, err)
				require.Equal(r, want, got)
			})
		})
	}
}

// TestExtremesSurviveTheWire: the ends of every range, by hand.
func TestExtremesSurviveTheWire(t *testing.T) {
	t.Parallel()
	const day = 864_000_000_000
	nines, ok := database.AppendDecimal(nil, 38, []byte{0x4b, 0x3b, 0x4c, 0xa8, 0x5a, 0x86, 0xc4, 0x7a, 0x09, 0x8a, 0x22, 0x3f, 0xff, 0xff, 0xff, 0xff}), true
	require.True(t, ok)
	for _, x := range []struct {
		name, declared string
		value          []byte
	}{
		{"bit", "bit", database.AppendBit(nil, true)},
		{"tinyint", "tinyint", database.AppendInt(nil, 255)},
		{"smallest bigint", "bigint", database.AppendInt(nil, math.MinInt64)},
		{"largest decimal(38,38)", "decimal(38,38)", nines},
		{"smallest money", "money", database.AppendMoney(nil, math.MinInt64)},
		{"largest smallmoney", "smallmoney", database.AppendMoney(nil, math.MaxInt32)},
		{"largest float", "float", database.AppendFloat64(nil, math.MaxFloat64)},
		{"smallest float", "float", database.AppendFloat64(nil, math.SmallestNonzeroFloat64)},
		{"negative zero", "float", database.AppendFloat64(nil, math.Copysign(0, -1))},
		{"smallest real", "real", database.AppendFloat32(nil, math.SmallestNonzeroFloat32)},
		{"first date", "date", database.AppendDate(nil, 0)},
		{"last date", "date", database.AppendDate(nil, 3652058)},
		{"end of the day", "time(7)", database.AppendTime(nil, day-1)},
		{"first datetime", "datetime", database.AppendDateTime(nil, -53690, 0)},
		{"last datetime", "datetime", database.AppendDateTime(nil, 2958463, 25_919_999)},
		{"last smalldatetime", "smalldatetime", database.AppendDateTime(nil, 65535, 1439*18000)},
		{"last datetime2", "datetime2(7)", database.AppendDateTime2(nil, 3652059*day-1)},
		{"first offset", "datetimeoffset(7)", database.AppendDateTimeOffset(nil, 840*600_000_000, -840)},
		{"last offset", "datetimeoffset(7)", database.AppendDateTimeOffset(nil, 3652059*day-1-840*600_000_000, 840)},
		{"half an hour behind", "datetimeoffset(7)", database.AppendDateTimeOffset(nil, 730000*day+1, -30)},
		{"hierarchyid", "hierarchyid", database.AppendBytes(nil, []byte{0x5a, 0xc0})},
		{"geography", "geography", database.AppendBytes(nil, []byte{0xe6, 0x10, 0, 0, 1, 0x0c})},
		{"empty geometry", "geometry", database.AppendBytes(nil, []byte{})},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			got, err := mssql.Wire(database.Column{Name: "c", Type: x.declared}, x.value)
			require.NoError(t, err)
			assert.Equal(t, x.value, got)
		})
	}
}

// TestNearMissesAreRefused: what the driver would change in silence is an error here.
func TestNearMissesAreRefused(t *testing.T) {
	t.Parallel()
	const day = 864_000_000_000
	for _, x := range []struct {
		name, declared string
		value          []byte
	}{
		{"tinyint 300, which would become 44", "tinyint", database.AppendInt(nil, 300)},
		{"negative tinyint", "tinyint", database.AppendInt(nil, -1)},
		{"an integer for a decimal, which would be sent unscaled", "decimal(9,4)", database.AppendInt(nil, 7)},
		{"a decimal of another scale", "decimal(9,4)", database.AppendDecimal(nil, 3, []byte{7})},
		{"a decimal with too many digits", "decimal(3,1)", database.AppendDecimal(nil, 1, []byte{0x27, 0x10})},
		{"smallmoney beyond its range", "smallmoney", database.AppendMoney(nil, math.MaxInt32+1)},
		{"datetime before 1753, which would be clamped", "datetime", database.AppendDateTime(nil, -53691, 0)},
		{"datetime past the end of the day", "datetime", database.AppendDateTime(nil, 0, 25_920_000)},
		{"smalldatetime with seconds", "smalldatetime", database.AppendDateTime(nil, 0, 1)},
		{"datetime2 finer than its scale", "datetime2(3)", database.AppendDateTime2(nil, 1)},
		{"time finer than its scale", "time(0)", database.AppendTime(nil, 1)},
		{"year 10000", "datetime2(7)", database.AppendDateTime2(nil, 3652059*day)},
		{"an offset of 15 hours", "datetimeoffset(7)", database.AppendDateTimeOffset(nil, 730000*day, 900)},
		{"an offset into year 0", "datetimeoffset(7)", database.AppendDateTimeOffset(nil, 0, -1)},
		{"NaN", "float", database.AppendFloat64(nil, math.NaN())},
		{"infinity", "real", database.AppendFloat32(nil, float32(math.Inf(1)))},
		{"a double for a real", "real", database.AppendFloat64(nil, 1)},
		{"binary that would be padded", "binary(3)", database.AppendBytes(nil, []byte{1})},
		{"binary too long", "varbinary(1)", database.AppendBytes(nil, []byte{1, 2})},
		{"text that is not UTF-8", "nvarchar(10)", database.AppendText(nil, "\xff")},
		{"text too long", "nvarchar(2)", database.AppendText(nil, "a𝄞")},
		{"text for a number", "int", database.AppendText(nil, "1")},
		{"a variant of no type", "sql_variant", database.AppendVariant(nil, "int); DROP TABLE x--", database.AppendInt(nil, 1))},
		{"a variant whose value is another type's", "sql_variant", database.AppendVariant(nil, "int", database.AppendText(nil, "1"))},
		{"a variant of a collation that is none", "sql_variant", database.AppendVariant(nil, "varchar(9) COLLATE x;y", database.AppendText(nil, "1"))},
		{"a variant of a large type", "sql_variant", database.AppendVariant(nil, "varchar(max) COLLATE x", database.AppendText(nil, "1"))},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			_, err := mssql.Wire(database.Column{Name: "c", Type: x.declared}, x.value)
			assert.Error(t, err)
		})
	}
	_, err := mssql.Wire(database.Column{Name: "c", Type: "varchar(10)", Details: map[string]string{"code_page": "1252"}}, database.AppendText(nil, "日"))
	require.ErrorContains(t, err, "code page")
	for _, declared := range []string{"", "text", "decimal(39,0)", "decimal(3,4)", "varchar(8001)", "nvarchar(0)", "time(8)", "int(4)", "DECIMAL(3,1)", "json", "varchar(max"} {
		_, err := mssql.Wire(database.Column{Name: "c", Type: declared}, database.AppendNull(nil))
		assert.Error(t, err, declared)
	}
}

func TestVariantsOfText(t *testing.T) {
	t.Parallel()
	for _, declaration := range []string{"varchar(20) COLLATE Cyrillic_General_CI_AS", "nchar(3) COLLATE Latin1_General_BIN2", "nvarchar(4000) COLLATE SQL_Latin1_General_CP1_CI_AS"} {
		want := database.AppendVariant(nil, declaration, database.AppendText(nil, "При"))
		got, err := mssql.Wire(database.Column{Name: "c", Type: "sql_variant"}, want)
		require.NoError(t, err)
		assert.Equal(t, want, got, strings.ToUpper(declaration))
	}
}
