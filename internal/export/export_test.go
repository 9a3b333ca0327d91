package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"iter"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
	"lifeboat/internal/export"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// view is a database with these rows.
type view struct {
	schema *database.Schema
	rows   map[string][][]byte
}

func (v *view) Schema() *database.Schema    { return v.schema }
func (v *view) Installed() *database.Schema { return v.schema }
func (v *view) Changes(context.Context) iter.Seq2[database.Captured, error] {
	return func(func(database.Captured, error) bool) {}
}

func (v *view) Rows(_ context.Context, t *database.Table) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, r := range v.rows[t.Name] {
			if !yield(bytes.Clone(r), nil) {
				return
			}
		}
	}
}
func (v *view) RowCount(context.Context, *database.Table) int64    { return -1 }
func (v *view) Counters(context.Context) (map[string]int64, error) { return map[string]int64{}, nil }
func (v *view) Close() error                                       { return nil }
func column(name, kind string) database.Column {
	return database.Column{Name: name, Type: kind, Nullable: true}
}
func sealed(t *testing.T, tables ...database.Table) *database.Schema {
	s := &database.Schema{Engine: "test", Tables: tables}
	require.NoError(t, s.Seal())
	return s
}

// stored takes a snapshot of the view.
func stored(t *testing.T, v *view) (*memory.Store, restore.Snapshot) {
	store, other := memory.New(), memory.New()
	w, err := eventlog.OpenWriter(t.Context(), eventlog.WriterConfig{Local: store, Mirror: other, Reason: "test"})
	require.NoError(t, err)
	_, err = w.Append(t.Context(), eventlog.Batch{Schema: v.schema})
	require.NoError(t, err)
	at, err := w.Flush(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.Close(t.Context()))
	r, err := snapshot.Take(t.Context(), snapshot.Config{Stores: []blob.Store{store}}, v, at)
	require.NoError(t, err)
	return store, r.Snapshot
}

var columns = []database.Column{
	column("id", "int"), column("bit", "bit"), column("dec", "decimal(38,5)"), column("money", "money"), column("f8", "float"), column("f4", "real"),
	column("date", "date"), column("time", "time(7)"), column("fine", "datetime2(7)"), column("coarse", "datetime2(6)"), column("datetime", "datetime"),
	column("offset", "datetimeoffset"), column("uuid", "uniqueidentifier"), column("text", "nvarchar(max)"), column("bytes", "varbinary(max)"),
	column("xml", "xml"), column("variant", "sql_variant"), column("mixed", ""), column("never", "int"),
}

// extremes are two rows at the ends of every type, one of ordinary values, and one of NULLs.
func extremes() [][]byte {
	const lastDay, lastTick = 3652058, 3652059*864_000_000_000 - 1
	big38 := new(big.Int).Sub(new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil), big.NewInt(1)).Bytes()
	id := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}
	minus := make([]byte, len(big38)) // two's complement of the largest
	carry := true
	for i := len(big38) - 1; i >= 0; i-- {
		if minus[i] = ^big38[i]; carry {
			minus[i]++
			carry = minus[i] == 0
		}
	}
	row := func(n int64, dec []byte, m int64, f float64, day, tick int64, text string, mixed []byte) []byte {
		r := database.AppendBit(database.AppendInt(nil, n), n > 0)
		r = database.AppendMoney(database.AppendDecimal(r, 5, dec), m)
		r = database.AppendFloat32(database.AppendFloat64(r, f), float32(f))
		r = database.AppendTime(database.AppendDate(r, day), tick%864_000_000_000)
		r = database.AppendDateTime2(database.AppendDateTime2(r, tick), tick/10*10)
		r = database.AppendDateTime(r, day-693595, 25_919_999)
		r = database.AppendDateTimeOffset(r, tick, -14*60)
		r = database.AppendText(database.AppendUUID(r, id), text)
		r = database.AppendXML(database.AppendBytes(r, []byte(text)), "<a>"+text+"</a>")
		r = database.AppendVariant(r, "int", database.AppendInt(nil, n))
		return database.AppendNull(append(r, mixed...))
	}
	nulls := database.AppendInt(nil, 4)
	for range columns[1:] {
		nulls = database.AppendNull(nulls)
	}
	return [][]byte{
		row(1, append([]byte{0}, big38...), math.MaxInt64, math.MaxFloat64, lastDay, lastTick, "Zoë, \"quoted\"\r\nline", database.AppendInt(nil, 7)),
		row(2, minus, math.MinInt64, math.Inf(-1), 0, 0, "", database.AppendText(nil, "seven")),
		row(3, []byte{1}, 12345, 0.1, 739000, 739000*864_000_000_000+1234567, "NULL", database.AppendFloat64(nil, 7.5)),
		nulls,
	}
}

func run(t *testing.T, format export.Format, v *view) map[string]export.File {
	store, s := stored(t, v)
	dir := filepath.Join(t.TempDir(), "out")
	files, err := export.Run(t.Context(), export.Config{Store: store, Snapshot: s, Format: format, Dir: dir})
	require.NoError(t, err)
	byTable := map[string]export.File{}
	for _, f := range files {
		byTable[f.Table] = f
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(files), "nothing is left of what was being written")
	_, err = export.Run(t.Context(), export.Config{Store: store, Snapshot: s, Format: format, Dir: dir})
	require.ErrorIs(t, err, export.ErrFormat, "files are never replaced")
	return byTable
}

func TestParquetReadsBack(t *testing.T) {
	t.Parallel()
	v := &view{sealed(t, database.Table{Name: "dbo.All/types", Columns: columns, Key: []int{0}}), map[string][][]byte{"dbo.All/types": extremes()}}
	f := run(t, export.Parquet, v)["dbo.All/types"]
	require.EqualValues(t, 4, f.Rows)
	file, err := os.Open(f.Path)
	require.NoError(t, err)
	defer file.Close()
	p, err := parquet.OpenFile(file, f.Bytes)
	require.NoError(t, err)
	seq, ok := p.Lookup("lifeboat.seq")
	require.True(t, ok)
	require.Equal(t, eventlog.Seq(0).String(), seq)
	var names []string
	for _, c := range p.Root().Columns() {
		names = append(names, c.Name())
	}
	for i, c := range columns {
		require.Equal(t, c.Name, names[i], "in the table's order")
	}
	for name, want := range map[string]string{
		"id": "INT(64,true)", "dec": "DECIMAL(38,5)", "money": "DECIMAL(19,4)", "date": "DATE", "time": "TIME(isAdjustedToUTC=false,unit=NANOS)", "fine": "STRING",
		"coarse": "TIMESTAMP(isAdjustedToUTC=false,unit=MICROS)", "datetime": "TIMESTAMP(isAdjustedToUTC=false,unit=MILLIS)",
		"offset": "STRING", "uuid": "UUID", "text": "STRING", "mixed": "STRING", "never": "STRING",
	} {
		if got := p.Root().Column(name).Type(); got.LogicalType() != nil {
			require.Equal(t, want, got.LogicalType().String(), name)
		}
	}
	rows := make([]parquet.Row, 4)
	reader := parquet.NewReader(p)
	n, _ := reader.ReadRows(rows)
	require.Equal(t, 4, n)
	at := func(row int, name string) parquet.Value {
		for i, c := range columns {
			if c.Name == name {
				return rows[row][i]
			}
		}
		panic(name)
	}
	number := func(v parquet.Value) string { // two's complement
		b := v.ByteArray()
		x := new(big.Int).SetBytes(b)
		if b[0] >= 0x80 {
			x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		return x.String()
	}
	require.Equal(t, strings.Repeat("9", 38), number(at(0, "dec")))
	require.Equal(t, "-"+strings.Repeat("9", 38), number(at(1, "dec")))
	require.Equal(t, fmt.Sprint(int64(math.MaxInt64)), number(at(0, "money")))
	require.Equal(t, fmt.Sprint(int64(math.MinInt64)), number(at(1, "money")))
	require.InDelta(t, math.MaxFloat64, at(0, "f8").Double(), 0)
	day := func(v parquet.Value) string {
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(v.Int32())).Format(time.DateOnly)
	}
	require.Equal(t, "9999-12-31", day(at(0, "date")))
	require.Equal(t, "0001-01-01", day(at(1, "date")))
	require.Equal(t, int64(24*time.Hour-100), at(0, "time").Int64())
	require.Equal(t, "9999-12-31T23:59:59.9999999", at(0, "fine").String())
	require.Equal(t, "9999-12-31 23:59:59.999999", time.UnixMicro(at(0, "coarse").Int64()).UTC().Format("2006-01-02 15:04:05.999999"))
	require.Equal(t, "0001-01-01 00:00:00", time.UnixMicro(at(1, "coarse").Int64()).UTC().Format("2006-01-02 15:04:05.999999"))
	require.Equal(t, "9999-12-31 23:59:59.997", time.UnixMilli(at(0, "datetime").Int64()).UTC().Format("2006-01-02 15:04:05.999"))
	require.Equal(t, "9999-12-31T09:59:59.9999999-14:00", at(0, "offset").String())
	require.Equal(t, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}, at(0, "uuid").ByteArray())
	require.Equal(t, "Zoë, \"quoted\"\r\nline", at(0, "text").String())
	require.False(t, at(1, "text").IsNull(), "the empty text is not NULL")
	require.Equal(t, "int 1", at(0, "variant").String())
	require.Equal(t, "7", at(0, "mixed").String())
	require.Equal(t, "seven", at(1, "mixed").String())
	for _, c := range columns[1:] {
		require.True(t, at(3, c.Name).IsNull(), c.Name)
	}
}

func TestCSVReadsBack(t *testing.T) {
	t.Parallel()
	v := &view{sealed(t, database.Table{Name: "t", Columns: columns, Key: []int{0}}), map[string][][]byte{"t": extremes()}}
	f := run(t, export.CSV, v)["t"]
	text, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	require.Contains(t, string(text), "4"+strings.Repeat(",", len(columns)-1)+"\r\n", "NULL is empty and without quotes")
	require.Contains(t, string(text), `,"","0x"`, "the empty text is quoted")
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 5)
	require.Equal(t, "id", rows[0][0])
	require.Equal(t, "Zoë, \"quoted\"\nline", rows[1][13], "encoding/csv itself turns CRLF into LF")
	require.Equal(t, "-"+strings.Repeat("9", 33)+"."+strings.Repeat("9", 5), rows[2][2])
	require.Equal(t, "00010203-0405-0607-0809-0a0b0c0d0eff", rows[1][12])
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	v := &view{sealed(t, database.Table{Name: "t", Columns: columns[:1], Key: []int{0}}), map[string][][]byte{"t": {database.AppendInt(nil, 1)}}}
	store, s := stored(t, v)
	_, err := export.Run(t.Context(), export.Config{Store: store, Snapshot: s, Format: "xlsx", Dir: t.TempDir()})
	require.ErrorIs(t, err, export.ErrFormat)
	_, err = export.Run(t.Context(), export.Config{Store: store, Snapshot: s, Format: export.CSV, Dir: t.TempDir(), Tables: []string{"u"}})
	require.ErrorIs(t, err, export.ErrFormat)
	for _, name := range store.Names() {
		if strings.HasPrefix(name, restore.ChunkPrefix) {
			store.Tamper(name, memory.Flip(200))
		}
	}
	dir := t.TempDir()
	_, err = export.Run(t.Context(), export.Config{Store: store, Snapshot: s, Format: export.CSV, Dir: dir})
	require.ErrorIs(t, err, eventlog.ErrCorrupt)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing of a damaged table is left")
}

// Many rows make several row groups.
func TestManyRows(t *testing.T) {
	t.Parallel()
	v := &view{sealed(t, database.Table{Name: "t", Columns: columns[13:15], Key: []int{0}}), map[string][][]byte{}}
	for i := range 40 {
		v.rows["t"] = append(v.rows["t"], database.AppendBytes(database.AppendText(nil, fmt.Sprintf("%04d", i)), bytes.Repeat([]byte{byte(i)}, 1<<20)))
	}
	f := run(t, export.Parquet, v)["t"]
	file, err := os.Open(f.Path)
	require.NoError(t, err)
	defer file.Close()
	p, err := parquet.OpenFile(file, f.Bytes)
	require.NoError(t, err)
	require.Greater(t, len(p.RowGroups()), 1)
	require.EqualValues(t, 40, p.NumRows())
}
