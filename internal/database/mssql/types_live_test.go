package mssql_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/database/sqlite"
)

// limits are what the live server cannot hold, so that it is not asked for it.
type limits struct {
	exactText bool // lone surrogates, NUL and U+FFFD
	fractions bool // of a second, in a bulk-loaded time; the test server cuts some off by one
}

func limitsOf(t testing.TB, db *sql.DB) limits {
	t.Helper()
	var other sql.NullString
	require.NoError(t, db.QueryRow("SELECT CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(50))").Scan(&other))
	if other.Valid {
		return limits{}
	}
	return limits{exactText: true, fractions: true}
}

// value draws a canonical value of a column, often an extreme one.
func (l limits) value(t *rapid.T, c database.Column) []byte {
	if c.Nullable && rapid.IntRange(0, 9).Draw(t, "null") == 0 {
		return database.AppendNull(nil)
	}
	base, args, _ := strings.Cut(strings.TrimSuffix(c.Type, ")"), "(")
	var n, m int
	_, _ = fmt.Sscanf(args, "%d,%d", &n, &m)
	switch base {
	case "bit":
		return database.AppendBit(nil, rapid.Bool().Draw(t, "bit"))
	case "tinyint":
		return database.AppendInt(nil, rapid.Int64Range(0, 255).Draw(t, "int"))
	case "smallint":
		return database.AppendInt(nil, int64(rapid.Int16().Draw(t, "int")))
	case "int":
		return database.AppendInt(nil, int64(rapid.Int32().Draw(t, "int")))
	case "bigint":
		return database.AppendInt(nil, rapid.Int64().Draw(t, "int"))
	case "decimal", "numeric":
		return decimalValue(t, n, m)
	case "money":
		return database.AppendMoney(nil, rapid.Int64().Draw(t, "money"))
	case "smallmoney":
		return database.AppendMoney(nil, int64(rapid.Int32().Draw(t, "money")))
	case "float":
		return database.AppendFloat64(nil, rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "float"))
	case "real":
		return database.AppendFloat32(nil, rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).Draw(t, "real"))
	case "uniqueidentifier":
		return database.AppendUUID(nil, [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid")))
	case "xml":
		return database.AppendXML(nil, rapid.SampledFrom([]string{"<a/>", `<a b="é€𝄞">x &amp; y</a>`, "<a><b>1</b><b>2</b></a>"}).Draw(t, "xml"))
	case "sql_variant":
		return l.variant(t)
	case "binary":
		return database.AppendBytes(nil, rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "binary"))
	case "varbinary":
		return database.AppendBytes(nil, rapid.SliceOfN(rapid.Byte(), 0, longest(n)).Draw(t, "varbinary"))
	case "char", "varchar", "nchar", "nvarchar":
		return database.AppendText(nil, l.text(t, base, longest(n), c.Details["code_page"]))
	}
	return l.time(t, base, n)
}

func longest(n int) int {
	if n == 0 { // max
		return 20_000
	}
	return n
}

func decimalValue(t *rapid.T, precision, scale int) []byte {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 17).Draw(t, "decimal"))
	switch rapid.IntRange(0, 5).Draw(t, "extreme") {
	case 0:
		n.Sub(limit, big.NewInt(1))
	case 1:
		n.SetInt64(1)
	default:
		n.Mod(n, limit)
	}
	if rapid.Bool().Draw(t, "negative") {
		n.Neg(n)
	}
	two := make([]byte, 17)
	if n.Sign() < 0 {
		wrap := new(big.Int).Lsh(big.NewInt(1), 17*8)
		n = wrap.Add(wrap, n)
	}
	return database.AppendDecimal(nil, byte(scale), n.FillBytes(two))
}

func (l limits) time(t *rapid.T, base string, scale int) []byte {
	unit := int64(1)
	for range 7 - scale {
		unit *= 10
	}
	const day = 864_000_000_000
	days := rapid.OneOf(rapid.Int64Range(0, 3652058), rapid.SampledFrom([]int64{0, 3652058, 730178})).Draw(t, "days")
	ticks := rapid.OneOf(rapid.Int64Range(0, day/unit-1), rapid.SampledFrom([]int64{0, day/unit - 1})).Draw(t, "ticks") * unit
	switch base {
	case "date":
		return database.AppendDate(nil, days)
	case "time":
		if !l.fractions {
			ticks -= ticks % 10_000_000
		}
		return database.AppendTime(nil, ticks)
	case "datetime2":
		return database.AppendDateTime2(nil, days*day+ticks)
	case "datetime":
		return database.AppendDateTime(nil, max(days-693595, -53690), rapid.OneOf(rapid.Int64Range(0, 25_919_999), rapid.Just(int64(25_919_999))).Draw(t, "thirds"))
	case "smalldatetime":
		return database.AppendDateTime(nil, days%65536, rapid.Int64Range(0, 1439).Draw(t, "minutes")*18000)
	case "datetimeoffset":
		days = min(max(days, 1), 3652057)
		return database.AppendDateTimeOffset(nil, days*day+ticks, rapid.Int64Range(-840, 840).Draw(t, "minutes"))
	}
	t.Fatalf("no values for type %s", base)
	return nil
}

// text draws text that fits the column's code page, padded if its length is fixed.
func (l limits) text(t *rapid.T, base string, n int, page string) string {
	var runes []rune
	switch page {
	case "": // Unicode
		runes = []rune("aZ 'é€日𝄞😀\u0301\uffff\ue000\t\n")
		if l.exactText {
			runes = append(runes, 0, '\ufffd')
		}
	case "1251":
		runes = alphabet(charmap.Windows1251)
	case "1253":
		runes = alphabet(charmap.Windows1253)
	default:
		runes = alphabet(charmap.Windows1252)
	}
	var b strings.Builder
	units := rapid.IntRange(0, n).Draw(t, "length")
	used := 0
	for used < units {
		r := rapid.SampledFrom(runes).Draw(t, "rune")
		width := 1
		if r > 0xffff {
			width = 2
		}
		if used += width; used > units {
			used -= width
			break
		}
		b.WriteRune(r)
	}
	if base == "char" || base == "nchar" {
		b.WriteString(strings.Repeat(" ", n-used))
	}
	return b.String()
}

func alphabet(m *charmap.Charmap) []rune {
	var list []rune
	for b := 32; b < 256; b++ {
		if r := m.DecodeByte(byte(b)); r != '\ufffd' {
			list = append(list, r)
		}
	}
	return list
}

func (l limits) variant(t *rapid.T) []byte {
	declarations := []string{"int", "bigint", "tinyint", "float", "date", "datetime", "uniqueidentifier", "bit", "smallint", "real", "money", "smallmoney", "smalldatetime"}
	if l.exactText { // the test server does not keep what is declared of these
		declarations = append(declarations, "decimal(20,5)", "numeric(38,38)", "datetime2(7)", "datetimeoffset(3)", "time(5)", "binary(4)", "varbinary(30)")
	}
	declaration := rapid.SampledFrom(declarations).Draw(t, "base type")
	return database.AppendVariant(nil, declaration, l.value(t, database.Column{Type: declaration}))
}

// drawRows draws rows of a table with keys 0, 1, 2, …
func (l limits) drawRows(t *rapid.T, table *database.Table, n int) [][]byte {
	var rows [][]byte
	for i := range n {
		row := database.AppendInt(nil, int64(i))
		for _, c := range table.Columns[1:] {
			row = append(row, l.value(t, c)...)
		}
		rows = append(rows, row)
	}
	return rows
}

func each(rows [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func readAll(t testing.TB, v database.View, table *database.Table) [][]byte {
	t.Helper()
	var rows [][]byte
	for row, err := range v.Rows(t.Context(), table) {
		require.NoError(t, err)
		rows = append(rows, slices.Clone(row))
	}
	return rows
}

// TestLiveTypesRoundTrip: any value of any type, written and read, has the same bytes; so has
// what the trigger captured of it, and what a SQLite database holds of it.
func TestLiveTypesRoundTrip(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	can := limitsOf(t, db.app)
	schema, err := db.source.Install(t.Context())
	require.NoError(t, err)
	extreme := schema.Table("dbo.extreme")
	require.NotNil(t, extreme)
	u := scratch(t)
	target := openTarget(t, u)
	t.Cleanup(func() { require.NoError(t, target.Close()) })
	require.NoError(t, target.Begin(t.Context(), "plan", schema))
	application := application(t, u)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		rows := can.drawRows(r, extreme, rapid.IntRange(1, 20).Draw(r, "rows"))
		execAll(t, application, "DELETE FROM dbo.extreme")
		if _, err := target.Load(t.Context(), fmt.Sprint("unit ", round), extreme, each(rows)); err != nil {
			t.Fatalf("round %d: %v", round, err) // not r: what cannot be repeated would not be shown
		}
		v, err := target.View(t.Context())
		require.NoError(r, err)
		got := readAll(t, v, extreme)
		require.NoError(r, v.Close())
		requireRows(r, extreme, rows, got)
	})
	capturedAndPortable(t, target, u, can)
}

// requireRows says which column of which row differs.
func requireRows(r *rapid.T, table *database.Table, want, got [][]byte) {
	r.Helper()
	if len(want) != len(got) {
		r.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		a, b := want[i], got[i]
		for _, c := range table.Columns {
			x, rest, err := database.Next(a)
			if err != nil {
				r.Fatal(err)
			}
			y, after, err := database.Next(b)
			if err != nil {
				r.Fatal(err)
			}
			if !bytes.Equal(a[:len(a)-len(rest)], b[:len(b)-len(after)]) {
				r.Fatalf("row %d column %s %s: wrote %+v, read %+v (%q, %q)", i, c.Name, c.Type, x, y, x.Bytes, y.Bytes)
			}
			a, b = rest, after
		}
	}
}

// capturedAndPortable: a trigger captures drawn rows as they were written, and they are
// restored into SQLite with the same hashes.
func capturedAndPortable(t *testing.T, target *mssql.Target, u mssql.URL, can limits) {
	schema := target.Schema()
	extreme := schema.Table("dbo.extreme")
	rows := rapid.Custom(func(r *rapid.T) [][]byte { return can.drawRows(r, extreme, 40) }).Example(7)
	app := application(t, u)
	execAll(t, app, "DELETE FROM dbo.extreme")
	_, err := target.Load(t.Context(), "to be captured", extreme, each(rows))
	require.NoError(t, err)
	require.NoError(t, target.Finish(t.Context(), nil))
	require.NoError(t, target.ForgetProgress(t.Context()))

	source, err := mssql.Open(t.Context(), mssql.Config{URL: u})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	_, err = source.Install(t.Context())
	require.NoError(t, err)
	execAll(t, app, "UPDATE dbo.extreme SET id = id")
	v, err := source.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	captured := map[database.Op]int{}
	for c, err := range v.Changes(t.Context()) {
		require.NoError(t, err)
		same := slices.ContainsFunc(rows, func(row []byte) bool { return bytes.Equal(row, c.Row) })
		require.True(t, same, "change %d is captured as it was written", c.ID)
		captured[c.Op]++
	}
	require.Equal(t, map[database.Op]int{database.Delete: len(rows), database.Insert: len(rows)}, captured)
	portable(t, v)
}

// portable restores a view's tables into SQLite and compares the hashes.
func portable(t testing.TB, v database.View) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	lite, err := sqlite.OpenTarget(ctx, filepath.Join(t.TempDir(), "portable.sqlite"), sqlite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, lite.Close()) }()
	require.NoError(t, lite.Begin(ctx, "portable", v.Schema()))
	want := states(t, v)
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		_, err := lite.Load(ctx, table.Name, table, v.Rows(ctx, table))
		require.NoError(t, err)
	}
	counters, err := v.Counters(ctx)
	require.NoError(t, err)
	require.NoError(t, lite.Finish(ctx, counters))
	lv, err := lite.View(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, lv.Close()) }()
	require.Equal(t, want, states(t, lv))
}

func states(t testing.TB, v database.View) database.States {
	t.Helper()
	all := database.States{}
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		var s database.State
		var scratch []byte
		for row, err := range v.Rows(context.WithoutCancel(t.Context()), table) {
			require.NoError(t, err)
			var h database.RowHash
			h, scratch = table.Hash(scratch, row)
			s.Add(h)
		}
		all[table.Name] = s
	}
	return all
}
