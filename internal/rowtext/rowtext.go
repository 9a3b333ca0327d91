package rowtext

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lifeboat/internal/database"
)

// Cell is one column of a row.
type Cell struct {
	Column string
	Value  database.Value
}

// Cells are a row, or some of its columns.
type Cells []Cell

// Row decodes every column of a row of t. The cells alias row.
func Row(t *database.Table, row []byte) (Cells, error) {
	cells := make(Cells, len(t.Columns))
	for i, c := range t.Columns {
		v, rest, err := database.Next(row)
		if err != nil {
			return nil, fmt.Errorf("row of table %s: %w", t.Name, err)
		}
		cells[i], row = Cell{c.Name, v}, rest
	}
	if len(row) != 0 {
		return nil, fmt.Errorf("row of table %s: %w: %d bytes after the last column", t.Name, database.ErrRow, len(row))
	}
	return cells, nil
}

// Key picks the key columns out of a whole row, in key order.
func (c Cells) Key(t *database.Table) Cells {
	key := make(Cells, len(t.Key))
	for i, k := range t.Key {
		key[i] = c[k]
	}
	return key
}

// Column returns the value of a column.
func (c Cells) Column(name string) (database.Value, bool) {
	for _, cell := range c {
		if cell.Column == name {
			return cell.Value, true
		}
	}
	return database.Value{}, false
}

// String is column=value, in order.
func (c Cells) String() string {
	parts := make([]string, len(c))
	for i, cell := range c {
		text := Text(cell.Value)
		if quoted(cell.Value) {
			text = strconv.Quote(text)
		}
		parts[i] = cell.Column + "=" + text
	}
	return strings.Join(parts, " ")
}

func quoted(v database.Value) bool {
	switch v.Tag {
	case database.TagText, database.TagXML:
		return utf8.Valid(v.Bytes)
	}
	return false
}

// MarshalJSON is an object in the order of the columns. Integers are numbers, decimals
// texts (JSON readers round them), NULL is null.
func (c Cells) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, cell := range c {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(cell.Column)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(plain(cell.Value))
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

func plain(v database.Value) any {
	switch v.Tag {
	case database.TagNull:
		return nil
	case database.TagBit:
		return v.Int != 0
	case database.TagInt:
		return v.Int
	case database.TagFloat64, database.TagFloat32:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	}
	return Text(v)
}

// ticks are 100 ns.
const ticksPerSecond = 10_000_000

// dayOne is 0001-01-01, from which dates and datetime2 count.
var dayOne = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)

// Text is the value without quotes.
func Text(v database.Value) string {
	switch v.Tag {
	case database.TagNull:
		return "NULL"
	case database.TagBit, database.TagInt:
		return strconv.FormatInt(v.Int, 10)
	case database.TagDecimal:
		return decimal(unscaled(v.Bytes), int(v.Aux))
	case database.TagMoney:
		return decimal(big.NewInt(v.Int), 4)
	case database.TagFloat64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case database.TagFloat32:
		return strconv.FormatFloat(v.Float(), 'g', -1, 32)
	case database.TagUUID:
		return fmt.Sprintf("%x-%x-%x-%x-%x", v.Bytes[:4], v.Bytes[4:6], v.Bytes[6:8], v.Bytes[8:10], v.Bytes[10:])
	case database.TagText, database.TagXML:
		if utf8.Valid(v.Bytes) {
			return string(v.Bytes)
		}
		return "0x" + hex.EncodeToString(v.Bytes)
	case database.TagVariant:
		if declaration, inner, err := v.Variant(); err == nil {
			return declaration + " " + Text(inner)
		}
		return "0x" + hex.EncodeToString(v.Bytes)
	case database.TagBytes:
		return "0x" + hex.EncodeToString(v.Bytes)
	}
	return moment(v)
}

func moment(v database.Value) string {
	switch v.Tag {
	case database.TagDate:
		return dayOne.AddDate(0, 0, int(v.Int)).Format(time.DateOnly)
	case database.TagTime:
		return at(v.Int).Format("15:04:05.0000000")
	case database.TagDateTime2:
		return at(v.Int).Format("2006-01-02T15:04:05.0000000")
	case database.TagDateTime:
		day := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(v.Int))
		return day.Add(time.Duration(v.Aux) * time.Second / 300).Format("2006-01-02T15:04:05.000")
	case database.TagDateTimeOffset:
		zone := time.FixedZone("", int(v.Aux)*60)
		return at(v.Int).In(zone).Format("2006-01-02T15:04:05.0000000-07:00")
	}
	return fmt.Sprintf("(type %d)", v.Tag)
}

// at is the instant so many ticks after 0001-01-01. Days first: 2,000 years do not fit
// into a time.Duration.
func at(ticks int64) time.Time {
	const perDay = 24 * 3600 * ticksPerSecond
	days, rest := ticks/perDay, ticks%perDay
	return dayOne.AddDate(0, 0, int(days)).Add(time.Duration(rest) * 100)
}

// unscaled reads big-endian two's complement.
func unscaled(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

func decimal(n *big.Int, scale int) string {
	text := new(big.Int).Abs(n).String()
	if scale > 0 {
		if len(text) <= scale {
			text = strings.Repeat("0", scale-len(text)+1) + text
		}
		text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	}
	if n.Sign() < 0 {
		text = "-" + text
	}
	return text
}

// Compare orders a value and what a person typed: as numbers if both are, else as the
// texts that Text prints. ok is false where NULL meets anything: neither is before the
// other.
func Compare(v database.Value, typed string) (order int, ok bool) {
	if v.Tag == database.TagNull {
		return 0, false
	}
	text := Text(v)
	switch v.Tag {
	case database.TagInt, database.TagBit, database.TagDecimal, database.TagMoney, database.TagFloat64, database.TagFloat32:
		a, okA := new(big.Rat).SetString(text)
		b, okB := new(big.Rat).SetString(typed)
		if okA && okB {
			return a.Cmp(b), true
		}
	}
	return strings.Compare(text, typed), true
}
