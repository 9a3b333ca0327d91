package sqlite_test

import (
	"database/sql"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

// serverTypes are declared types of SQL Server, with values at their extremes and beyond.
func serverTypes() []struct {
	declared string
	values   [][]byte
} {
	ints := []int64{0, 1, -1, 255, math.MaxInt32, math.MaxInt64, math.MinInt64}
	each := func(f func(int64) []byte, of ...int64) (out [][]byte) {
		for _, v := range of {
			out = append(out, f(v))
		}
		return out
	}
	texts := []string{"", "a ", "ä€😀", "1", "2024-01-01", "a\x00b", "\xff"}
	var text, binary, xml [][]byte
	for _, s := range texts {
		text, binary, xml = append(text, database.AppendText(nil, s)), append(binary, database.AppendBytes(nil, s)), append(xml, database.AppendXML(nil, s))
	}
	float32s := [][]byte{}
	for _, bits := range []uint32{0, 1 << 31, 1, 0x3dcccccd, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001} {
		float32s = append(float32s, database.AppendFloat32(nil, math.Float32frombits(bits)))
	}
	float64s := [][]byte{}
	for _, f := range []float64{0, math.Copysign(0, -1), 1, 0.1, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff0000000000001)} {
		float64s = append(float64s, database.AppendFloat64(nil, f))
	}
	decimals := [][]byte{}
	for _, scale := range []byte{0, 1, 2, 38, 255} {
		for _, unscaled := range [][]byte{{0}, {1}, {0xff}, {0x7f}, {0x80}, {0, 0xff}, slices.Repeat([]byte{0x4b}, 16), append([]byte{0x80}, make([]byte, 15)...)} {
			decimals = append(decimals, database.AppendDecimal(nil, scale, unscaled))
		}
	}
	const day = 864_000_000_000
	return []struct {
		declared string
		values   [][]byte
	}{
		{"bit", [][]byte{database.AppendBit(nil, false), database.AppendBit(nil, true)}},
		{"bigint", each(func(v int64) []byte { return database.AppendInt(nil, v) }, ints...)},
		{"tinyint", each(func(v int64) []byte { return database.AppendInt(nil, v) }, 0, 255)},
		{"decimal(38, 2)", decimals},
		{"money", each(func(v int64) []byte { return database.AppendMoney(nil, v) }, append(ints, 10000, -10001)...)},
		{"float", float64s},
		{"real", float32s},
		{"date", each(func(v int64) []byte { return database.AppendDate(nil, v) }, 0, 1, 738944, 3652058, 3652059, -1, math.MaxInt64)},
		{"time(7)", each(func(v int64) []byte { return database.AppendTime(nil, v) }, 0, 1, day-1, day, -1, math.MinInt64)},
		{"datetime2(7)", each(func(v int64) []byte { return database.AppendDateTime2(nil, v) }, 0, 1, 738944*day+1, 3652059*day-1, 3652059*day, -1, math.MaxInt64)},
		{"datetime", [][]byte{database.AppendDateTime(nil, -53690, 0), database.AppendDateTime(nil, 0, 1), database.AppendDateTime(nil, 45350, 25_919_999),
			database.AppendDateTime(nil, 2958463, 2), database.AppendDateTime(nil, 0, 25_920_000), database.AppendDateTime(nil, math.MinInt64, -1)}},
		{"datetimeoffset(7)", [][]byte{database.AppendDateTimeOffset(nil, 0, 60), database.AppendDateTimeOffset(nil, 0, -60), database.AppendDateTimeOffset(nil, 738944*day+1, -839),
			database.AppendDateTimeOffset(nil, 738944*day+1, 840), database.AppendDateTimeOffset(nil, math.MaxInt64, math.MaxInt64), database.AppendDateTimeOffset(nil, 5, 99999)}},
		{"uniqueidentifier", [][]byte{database.AppendUUID(nil, [16]byte{}), database.AppendUUID(nil, [16]byte{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})}},
		{"nvarchar(max)", text},
		{"varbinary(max)", binary},
		{"xml", xml},
		{"sql_variant", [][]byte{database.AppendVariant(nil, "int", database.AppendInt(nil, 1)), database.AppendVariant(nil, "nvarchar(1)", database.AppendText(nil, "x"))}},
		{"a type of the future", [][]byte{database.AppendInt(nil, 1), database.AppendText(nil, "1"), database.AppendBytes(nil, "1")}},
	}
}

// serverSchema has one table with a column of each type, of which the first is the key.
func serverSchema(t require.TestingT) *database.Schema {
	table := database.Table{Name: `dbo.every "type"`, Key: []int{0}, Columns: []database.Column{{Name: "id", Type: "int"}}}
	for _, ty := range serverTypes() {
		table.Columns = append(table.Columns, database.Column{Name: "c " + ty.declared, Type: ty.declared, Nullable: true})
	}
	s := &database.Schema{Engine: "mssql", Tables: []database.Table{table}, Objects: []database.Object{
		{Kind: "view", Name: "v", Phase: database.AfterLoad, SQL: "CREATE VIEW dbo.v AS SELECT TOP 1 * FROM sys.objects"}}}
	require.NoError(t, s.Seal())
	return s
}

// TestAnotherEnginesRowsAreLossless: rows with every value in the column of every type,
// also where it does not belong, come back as they were.
func TestAnotherEnginesRowsAreLossless(t *testing.T) {
	t.Parallel()
	schema := serverSchema(t)
	table := &schema.Tables[0]
	var values [][]byte
	for _, ty := range serverTypes() {
		values = append(values, ty.values...)
	}
	values = append(values, database.AppendNull(nil))
	rows := make([][]byte, len(values))
	for i, v := range values {
		rows[i] = database.AppendInt(nil, int64(i))
		for range table.Columns[1:] {
			rows[i] = append(rows[i], v...)
		}
	}
	path := filepath.Join(t.TempDir(), "portable.sqlite")
	target, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	require.NoError(t, target.Begin(t.Context(), "plan", schema))
	_, err = target.Load(t.Context(), "unit", table, slices2(rows))
	require.NoError(t, err)
	counters := map[string]int64{"dbo.sequence": 7}
	require.NoError(t, target.Finish(t.Context(), counters))
	require.NoError(t, target.ForgetProgress(t.Context()))
	require.NoError(t, target.Close())

	target, err = sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer target.Close()
	v, err := target.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	i := 0
	for row, err := range v.Rows(t.Context(), table) {
		require.NoError(t, err)
		require.Equal(t, rows[i], row, "%x", values[i])
		i++
	}
	require.Equal(t, len(rows), i)
	got, err := v.Counters(t.Context())
	require.NoError(t, err)
	require.Equal(t, counters, got)
	want, err := schema.Fingerprint()
	require.NoError(t, err)
	is, err := v.Schema().Fingerprint()
	require.NoError(t, err)
	require.Equal(t, want, is)
}

func slices2(rows [][]byte) func(func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// TestAnotherEnginesRowsCanBeRead: a person with any SQLite shell sees what they expect.
func TestAnotherEnginesRowsCanBeRead(t *testing.T) {
	t.Parallel()
	types := map[string]struct {
		value []byte
		want  any
	}{
		"bit":               {database.AppendBit(nil, true), int64(1)},
		"int":               {database.AppendInt(nil, -5), int64(-5)},
		"decimal(10,2)":     {database.AppendDecimal(nil, 2, []byte{0xff, 0x6a}), "-1.50"},
		"numeric(5,0)":      {database.AppendDecimal(nil, 0, []byte{7}), "7"},
		"decimal(5,5)":      {database.AppendDecimal(nil, 5, []byte{7}), "0.00007"},
		"money":             {database.AppendMoney(nil, -12345), "-1.2345"},
		"float":             {database.AppendFloat64(nil, 0.5), 0.5},
		"real":              {database.AppendFloat32(nil, 0.5), 0.5},
		"date":              {database.AppendDate(nil, 738944), "2024-02-29"},
		"time(7)":           {database.AppendTime(nil, 863_999_999_999), "23:59:59.9999999"},
		"datetime2(7)":      {database.AppendDateTime2(nil, 738944*864_000_000_000+1), "2024-02-29 00:00:00.0000001"},
		"datetime":          {database.AppendDateTime(nil, -53690, 1), "1753-01-01 00:00:00.003"},
		"datetimeoffset":    {database.AppendDateTimeOffset(nil, 738944*864_000_000_000, 90), "2024-02-29 01:30:00.0000000 +01:30"},
		"uniqueidentifier":  {database.AppendUUID(nil, [16]byte{0xab, 15: 1}), "ab000000-0000-0000-0000-000000000001"},
		"nvarchar(10)":      {database.AppendText(nil, "ä "), "ä "},
		"xml":               {database.AppendXML(nil, "<a/>"), "<a/>"},
		"varbinary(10)":     {database.AppendBytes(nil, "\x00"), []byte{0}},
		"sql_variant":       {database.AppendVariant(nil, "int", database.AppendInt(nil, 1)), database.AppendVariant(nil, "int", database.AppendInt(nil, 1))},
		"geography":         {database.AppendText(nil, "x"), "0d0178"},
		"decimal(3,1) NULL": {database.AppendNull(nil), nil},
	}
	for declared, test := range types {
		t.Run(declared, func(t *testing.T) {
			t.Parallel()
			schema := &database.Schema{Engine: "mssql", Tables: []database.Table{{Name: "dbo.t", Key: []int{0}, Columns: []database.Column{{Name: "id", Type: "int"}, {Name: "v", Type: declared}}}}}
			require.NoError(t, schema.Seal())
			path := filepath.Join(t.TempDir(), "p.sqlite")
			target, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
			require.NoError(t, err)
			defer target.Close()
			require.NoError(t, target.Begin(t.Context(), "plan", schema))
			_, err = target.Load(t.Context(), "unit", &schema.Tables[0], slices2([][]byte{append(database.AppendInt(nil, 1), test.value...)}))
			require.NoError(t, err)
			require.NoError(t, target.Finish(t.Context(), nil))
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			defer db.Close()
			var got any
			require.NoError(t, db.QueryRow(`SELECT v FROM "dbo.t"`).Scan(&got))
			require.Equal(t, test.want, got)
		})
	}
}

// TestAnotherEnginesTransactionsReplay: a portable target follows the log too.
func TestAnotherEnginesTransactionsReplay(t *testing.T) {
	t.Parallel()
	schema := serverSchema(t)
	table := &schema.Tables[0]
	target, err := sqlite.OpenTarget(t.Context(), filepath.Join(t.TempDir(), "p.sqlite"), sqlite.Options{})
	require.NoError(t, err)
	defer target.Close()
	require.NoError(t, target.Begin(t.Context(), "plan", schema))
	require.NoError(t, target.Finish(t.Context(), nil))
	require.NoError(t, target.SetPosition(t.Context(), 0))
	rows := map[int][]byte{}
	seq := uint64(0)
	rapid.Check(t, func(r *rapid.T) {
		var changes []database.Change
		for range rapid.IntRange(0, 4).Draw(r, "changes") {
			id := rapid.IntRange(0, 5).Draw(r, "id")
			if old, ok := rows[id]; ok {
				changes = append(changes, database.Change{Op: database.Delete, Table: table.Name, Row: old})
				delete(rows, id)
			}
			if rapid.Bool().Draw(r, "insert") {
				row := database.AppendInt(nil, int64(id))
				for _, ty := range serverTypes() {
					row = append(row, rapid.SampledFrom(ty.values).Draw(r, ty.declared)...)
				}
				rows[id] = row
				changes = append(changes, database.Change{Op: database.Insert, Table: table.Name, Row: row})
			}
		}
		seq++
		require.NoError(r, target.Apply(t.Context(), seq, changes))
		v, err := target.View(t.Context())
		require.NoError(r, err)
		got := map[int][]byte{}
		for row, err := range v.Rows(t.Context(), table) {
			require.NoError(r, err)
			first, _, err := database.Next(row)
			require.NoError(r, err)
			got[int(first.Int)] = slices.Clone(row)
		}
		require.NoError(r, v.Close())
		require.Equal(r, fmt.Sprint(rows), fmt.Sprint(got))
	})
}
