package export

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"lifeboat/internal/database"
	"lifeboat/internal/rowtext"
)

// kind is what the values of a column have in common, NULL aside. The zero kind is of a
// column that has had none.
type kind struct {
	tag   database.Tag
	scale int64 // of a decimal
	fine  bool  // a datetime2 whose declared precision is finer than Parquet's microseconds
	mixed bool  // kept as text
}

// with widens a kind by one more value.
func (k kind) with(v database.Value, c *database.Column) kind {
	if v.Tag == database.TagNull || k.mixed {
		return k
	}
	n := kind{tag: v.Tag}
	switch v.Tag {
	case database.TagDecimal:
		n.scale = v.Aux
		n.mixed = v.Aux > maxPrecision || len(v.Bytes) > decimalLen
	case database.TagDateTime2:
		n.fine = !coarse(c.Type)
	case database.TagText, database.TagXML:
		n.mixed = !utf8.Valid(v.Bytes)
	}
	if k.tag != database.TagNull && k != n {
		n.mixed = true
	}
	return n
}

// coarse tells whether a declared type holds no more than microseconds.
func coarse(declared string) bool {
	digits, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(declared, " ", "")), "datetime2(")
	return ok && len(digits) == 2 && digits[0] >= '0' && digits[0] <= '6'
}

const (
	// maxPrecision is that of SQL Server; 16 bytes hold it.
	maxPrecision = 38
	decimalLen   = 16
	// moneyPrecision is more than the 18 digits that Parquet puts into 8 bytes.
	moneyPrecision = 19
	// Parquet counts from 1970-01-01; canonical values from 0001-01-01 and 1900-01-01.
	daysTo1970       = 719162
	days1900To1970   = 25567
	ticksPerDay      = 24 * 3600 * 10_000_000
	millisPerDay     = 24 * 3600 * 1000
	datetimePerMilli = 300.0 / 1000
)

// node is the Parquet type of a column.
func (k kind) node() parquet.Node {
	switch {
	case k.mixed:
	case k.tag == database.TagBit:
		return parquet.Leaf(parquet.BooleanType)
	case k.tag == database.TagInt:
		return parquet.Leaf(parquet.Int64Type)
	case k.tag == database.TagDecimal:
		return parquet.Decimal(int(k.scale), maxPrecision, parquet.FixedLenByteArrayType(decimalLen))
	case k.tag == database.TagMoney:
		return parquet.Decimal(4, moneyPrecision, parquet.FixedLenByteArrayType(decimalLen))
	case k.tag == database.TagFloat64:
		return parquet.Leaf(parquet.DoubleType)
	case k.tag == database.TagFloat32:
		return parquet.Leaf(parquet.FloatType)
	case k.tag == database.TagDate:
		return parquet.Date()
	case k.tag == database.TagTime:
		return parquet.TimeAdjusted(parquet.Nanosecond, false)
	case k.tag == database.TagDateTime2 && !k.fine:
		return parquet.TimestampAdjusted(parquet.Microsecond, false)
	case k.tag == database.TagDateTime:
		return parquet.TimestampAdjusted(parquet.Millisecond, false)
	case k.tag == database.TagUUID:
		return parquet.UUID()
	case k.tag == database.TagBytes:
		return parquet.Leaf(parquet.ByteArrayType)
	}
	return parquet.String()
}

// value is what a Parquet column of this kind holds for a value.
func (k kind) value(v database.Value) parquet.Value {
	switch {
	case v.Tag == database.TagNull:
		return parquet.NullValue()
	case k.mixed:
	case v.Tag == database.TagBit:
		return parquet.BooleanValue(v.Int != 0)
	case v.Tag == database.TagInt:
		return parquet.Int64Value(v.Int)
	case v.Tag == database.TagMoney:
		return parquet.FixedLenByteArrayValue(wide(binary.BigEndian.AppendUint64(nil, uint64(v.Int))))
	case v.Tag == database.TagDecimal:
		return parquet.FixedLenByteArrayValue(wide(v.Bytes))
	case v.Tag == database.TagFloat64:
		return parquet.DoubleValue(v.Float())
	case v.Tag == database.TagFloat32:
		return parquet.FloatValue(math.Float32frombits(uint32(v.Int)))
	case v.Tag == database.TagDate:
		return parquet.Int32Value(int32(v.Int - daysTo1970))
	case v.Tag == database.TagTime:
		return parquet.Int64Value(v.Int * 100)
	case v.Tag == database.TagDateTime2 && !k.fine:
		return parquet.Int64Value((v.Int - daysTo1970*ticksPerDay) / 10)
	case v.Tag == database.TagDateTime:
		millis := int64(math.Round(float64(v.Aux) / datetimePerMilli))
		return parquet.Int64Value((v.Int-days1900To1970)*millisPerDay + millis)
	case v.Tag == database.TagUUID:
		return parquet.FixedLenByteArrayValue(v.Bytes)
	case v.Tag == database.TagBytes:
		return parquet.ByteArrayValue(v.Bytes)
	}
	return parquet.ByteArrayValue([]byte(rowtext.Text(v)))
}

// wide is a two's complement of decimalLen bytes.
func wide(b []byte) []byte {
	out := make([]byte, decimalLen)
	if b[0] >= 0x80 {
		for i := range out {
			out[i] = 0xff
		}
	}
	copy(out[decimalLen-len(b):], b)
	return out
}
