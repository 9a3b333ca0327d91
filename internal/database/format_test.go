package database_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

var update = flag.Bool("update", false, "write the golden file of a new format version")

// formatVectors are the values whose encodings FORMAT.md shows.
func formatVectors() map[string][]byte {
	return map[string][]byte{
		"NULL":                                  database.AppendNull(nil),
		"bit 1":                                 database.AppendBit(nil, true),
		"int 0":                                 database.AppendInt(nil, 0),
		"int -1":                                database.AppendInt(nil, -1),
		"int 300":                               database.AppendInt(nil, 300),
		"int -9223372036854775808":              database.AppendInt(nil, -1<<63),
		"decimal 1.50":                          database.AppendDecimal(nil, 2, []byte{0, 150}),
		"decimal -1":                            database.AppendDecimal(nil, 0, []byte{0xff}),
		"money 0.0001":                          database.AppendMoney(nil, 1),
		"float64 1":                             database.AppendFloat64(nil, 1),
		"float64 -2.5":                          database.AppendFloat64(nil, -2.5),
		"float32 1":                             database.AppendFloat32(nil, 1),
		"date 2024-02-29":                       database.AppendDate(nil, 738944),
		"time 23:59:59.9999999":                 database.AppendTime(nil, 863999999999),
		"datetime2 0001-01-01T00:00:00":         database.AppendDateTime2(nil, 0),
		"datetime 1753-01-01T00:00:00.003":      database.AppendDateTime(nil, -53690, 1),
		"datetimeoffset 0001-01-01T01:00+01:00": database.AppendDateTimeOffset(nil, 0, 60),
		"uuid 00112233-4455-6677-8899-aabbccddeeff": database.AppendUUID(nil, [16]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}),
		"text empty":         database.AppendText(nil, ""),
		"text ä, NUL, space": database.AppendText(nil, "ä\x00 "),
		"binary 00ff":        database.AppendBytes(nil, "\x00\xff"),
		"xml <a/>":           database.AppendXML(nil, "<a/>"),
		"variant int 1":      database.AppendVariant(nil, "int", database.AppendInt(nil, 1)),
	}
}

func formatTable(t *testing.T) *database.Table {
	s := &database.Schema{Tables: []database.Table{{Name: "t", Key: []int{0}, Columns: []database.Column{
		{Name: "a", Type: "int"}, {Name: "b", Type: "nvarchar(10)", Collation: "Latin1_General_CI_AS"}}}}}
	require.NoError(t, s.Seal())
	return &s.Tables[0]
}

func formatHashes(t *testing.T) []string {
	table := formatTable(t)
	var state database.State
	lines := []string{"version " + table.Version()}
	for _, row := range [][]byte{database.AppendText(database.AppendInt(nil, 1), "x"), database.AppendNull(database.AppendInt(nil, 2))} {
		h, _ := table.Hash(nil, row)
		state.Add(h)
		lines = append(lines, fmt.Sprintf("row %x hash %x", row, h))
	}
	return append(lines, "state of both "+state.String())
}

// block returns the lines of a fenced block of FORMAT.md.
func block(t *testing.T, name string) []string {
	text, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	m := regexp.MustCompile("(?s)```" + name + "\n(.*?)\n```").FindSubmatch(text)
	require.NotNil(t, m, name)
	return strings.Split(string(m[1]), "\n")
}

func TestFormatVectors(t *testing.T) {
	t.Parallel()
	want := formatVectors()
	var lines []string
	for _, line := range block(t, "vectors") {
		name, encoded, ok := strings.Cut(line, " | value ")
		require.True(t, ok, line)
		value, ok := want[name]
		require.True(t, ok, line)
		require.Equal(t, fmt.Sprintf("%x | key %x", value, keyOf(t, [][]byte{value})), encoded, name)
		lines = append(lines, name)
	}
	require.Len(t, lines, len(want))
	require.Equal(t, formatHashes(t), block(t, "hashes"))
}

// TestFormatTags: the table of tags is the code's.
func TestFormatTags(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| ([a-zA-Z_0-9]+)`).FindAllStringSubmatch(string(text), -1)
	names := map[database.Tag]string{
		database.TagNull: "NULL", database.TagBit: "bit", database.TagInt: "integer", database.TagDecimal: "decimal",
		database.TagMoney: "money", database.TagFloat64: "float64", database.TagFloat32: "float32", database.TagDate: "date",
		database.TagTime: "time", database.TagDateTime2: "datetime2", database.TagDateTime: "datetime",
		database.TagDateTimeOffset: "datetimeoffset", database.TagUUID: "uniqueidentifier", database.TagText: "text",
		database.TagBytes: "binary", database.TagXML: "xml", database.TagVariant: "sql_variant",
	}
	got := map[string]bool{}
	for _, row := range rows {
		got[row[1]+" "+row[2]] = true
	}
	for tag, name := range names {
		require.True(t, got[fmt.Sprintf("%d %s", tag, name)], name)
	}
}

// TestGoldenValues: what version 1 has written stays readable and means the same.
func TestGoldenValues(t *testing.T) {
	t.Parallel()
	const name = "testdata/v1/values.txt"
	if *update {
		var out bytes.Buffer
		for tag := database.TagNull; tag <= database.TagVariant; tag++ {
			for _, v := range extremes()[tag] {
				if len(v) < 300 {
					fmt.Fprintf(&out, "%x %x\n", v, keyOf(t, [][]byte{v}))
				}
			}
		}
		require.NoError(t, os.WriteFile(name, out.Bytes(), 0o644))
	}
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		encoded, key, _ := strings.Cut(lines.Text(), " ")
		b, err := hex.DecodeString(encoded)
		require.NoError(t, err)
		v, rest, err := database.Next(b)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, b, database.AppendValue(nil, v))
		require.Equal(t, key, hex.EncodeToString(keyOf(t, [][]byte{b})))
	}
	require.Greater(t, n, 300)
}
