package database

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Tag is the type of one encoded value. The numbers are part of the log's and the
// snapshots' formats and never change.
type Tag byte

// A value is: tag (1 byte), then for every tag but Null a length (uvarint) and that
// many bytes of payload:
//
//	Bit             1 byte, 0 or 1
//	Int             zig-zag varint
//	Decimal         scale (1 byte), unscaled integer (two's complement, big-endian, minimal)
//	Money           zig-zag varint, in 1/10,000
//	Float64         IEEE 754 bits, big-endian, 8 bytes
//	Float32         IEEE 754 bits, big-endian, 4 bytes
//	Date            zig-zag varint, days since 0001-01-01
//	Time            zig-zag varint, 100 ns since midnight
//	DateTime2       zig-zag varint, 100 ns since 0001-01-01T00:00
//	DateTime        zig-zag varint days since 1900-01-01, uvarint 1/300 s since midnight
//	DateTimeOffset  zig-zag varint 100 ns since 0001-01-01T00:00 UTC, zig-zag varint minutes
//	UUID            16 bytes, RFC 9562 order
//	Text            UTF-8 as stored, neither normalised nor trimmed
//	Bytes           as stored
//	XML             the server's text, UTF-8
//	Variant         uvarint length of the base type's declaration, the declaration, one value
const (
	TagNull Tag = iota
	TagBit
	TagInt
	TagDecimal
	TagMoney
	TagFloat64
	TagFloat32
	TagDate
	TagTime
	TagDateTime2
	TagDateTime
	TagDateTimeOffset
	TagUUID
	TagText
	TagBytes
	TagXML
	TagVariant
	tagEnd
)

// ErrRow: the bytes are not a canonical row.
var ErrRow = errors.New("malformed row")

// Value is one decoded column value. Which fields count depends on Tag: Int holds bit,
// int, money, days and ticks as the encoding has them, and the bits of floats; Aux
// holds the scale of a decimal, the 1/300 s of a datetime, the offset minutes of a
// datetimeoffset; Bytes holds everything else, for Variant the payload. Bytes aliases
// the row it was decoded from.
type Value struct {
	Tag   Tag
	Int   int64
	Aux   int64
	Bytes []byte
}

// Float returns the number of a Float64 or Float32 value.
func (v Value) Float() float64 {
	if v.Tag == TagFloat32 {
		return float64(math.Float32frombits(uint32(v.Int)))
	}
	return math.Float64frombits(uint64(v.Int))
}

// AppendNull and the other Append functions append one encoded value to dst.
func AppendNull(dst []byte) []byte { return append(dst, byte(TagNull)) }

// AppendBit appends a bit.
func AppendBit(dst []byte, v bool) []byte {
	if v {
		return append(dst, byte(TagBit), 1, 1)
	}
	return append(dst, byte(TagBit), 1, 0)
}

// AppendInt appends an integer of any declared width.
func AppendInt(dst []byte, v int64) []byte { return appendVarint(dst, TagInt, v) }

// AppendMoney appends money or smallmoney given in 1/10,000.
func AppendMoney(dst []byte, v int64) []byte { return appendVarint(dst, TagMoney, v) }

// AppendDate appends a date given in days since 0001-01-01.
func AppendDate(dst []byte, days int64) []byte { return appendVarint(dst, TagDate, days) }

// AppendTime appends a time of day given in 100 ns since midnight.
func AppendTime(dst []byte, ticks int64) []byte { return appendVarint(dst, TagTime, ticks) }

// AppendDateTime2 appends a datetime2 given in 100 ns since 0001-01-01T00:00.
func AppendDateTime2(dst []byte, ticks int64) []byte { return appendVarint(dst, TagDateTime2, ticks) }

// AppendDateTime appends a datetime or smalldatetime given in days since 1900-01-01 and
// 1/300 s since midnight.
func AppendDateTime(dst []byte, days, thirds int64) []byte {
	var b [2 * binary.MaxVarintLen64]byte
	n := binary.PutVarint(b[:], days)
	n += binary.PutUvarint(b[n:], uint64(thirds))
	return append(append(dst, byte(TagDateTime), byte(n)), b[:n]...)
}

// AppendDateTimeOffset appends a datetimeoffset given in 100 ns since 0001-01-01T00:00
// UTC and the offset in minutes.
func AppendDateTimeOffset(dst []byte, ticks, minutes int64) []byte {
	var b [2 * binary.MaxVarintLen64]byte
	n := binary.PutVarint(b[:], ticks)
	n += binary.PutVarint(b[n:], minutes)
	return append(append(dst, byte(TagDateTimeOffset), byte(n)), b[:n]...)
}

// AppendFloat64 appends a double by its bits.
func AppendFloat64(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, byte(TagFloat64), 8), math.Float64bits(v))
}

// AppendFloat32 appends a single by its bits.
func AppendFloat32(dst []byte, v float32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(TagFloat32), 4), math.Float32bits(v))
}

// AppendDecimal appends a decimal: unscaled is big-endian two's complement and is
// stored without redundant sign bytes.
func AppendDecimal(dst []byte, scale byte, unscaled []byte) []byte {
	for len(unscaled) > 1 && (unscaled[0] == 0 && unscaled[1] < 0x80 || unscaled[0] == 0xff && unscaled[1] >= 0x80) {
		unscaled = unscaled[1:]
	}
	dst = append(dst, byte(TagDecimal))
	dst = binary.AppendUvarint(dst, uint64(len(unscaled)+1))
	return append(append(dst, scale), unscaled...)
}

// AppendUUID appends a uniqueidentifier given in RFC byte order.
func AppendUUID(dst []byte, id [16]byte) []byte {
	return append(append(dst, byte(TagUUID), 16), id[:]...)
}

// AppendText appends UTF-8 text exactly as it is.
func AppendText[T string | []byte](dst []byte, v T) []byte { return appendBytes(dst, TagText, v) }

// AppendBytes appends binary data.
func AppendBytes[T string | []byte](dst []byte, v T) []byte { return appendBytes(dst, TagBytes, v) }

// AppendXML appends the server's text of an xml value.
func AppendXML[T string | []byte](dst []byte, v T) []byte { return appendBytes(dst, TagXML, v) }

// AppendVariant appends a sql_variant: the declaration of its base type ("decimal(10,2)",
// "varchar(20) COLLATE Latin1_General_CI_AS") and its encoded value.
func AppendVariant(dst []byte, declaration string, value []byte) []byte {
	var b [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(b[:], uint64(len(declaration)))
	dst = append(dst, byte(TagVariant))
	dst = binary.AppendUvarint(dst, uint64(n+len(declaration)+len(value)))
	dst = append(dst, b[:n]...)
	dst = append(dst, declaration...)
	return append(dst, value...)
}

// AppendValue appends v again as it was decoded.
func AppendValue(dst []byte, v Value) []byte {
	switch v.Tag {
	case TagNull:
		return AppendNull(dst)
	case TagBit:
		return AppendBit(dst, v.Int != 0)
	case TagInt, TagMoney, TagDate, TagTime, TagDateTime2:
		return appendVarint(dst, v.Tag, v.Int)
	case TagDateTime:
		return AppendDateTime(dst, v.Int, v.Aux)
	case TagDateTimeOffset:
		return AppendDateTimeOffset(dst, v.Int, v.Aux)
	case TagFloat64:
		return AppendFloat64(dst, math.Float64frombits(uint64(v.Int)))
	case TagFloat32:
		return AppendFloat32(dst, math.Float32frombits(uint32(v.Int)))
	case TagDecimal:
		return AppendDecimal(dst, byte(v.Aux), v.Bytes)
	default:
		return appendBytes(dst, v.Tag, v.Bytes)
	}
}

func appendVarint(dst []byte, tag Tag, v int64) []byte {
	at := len(dst)
	dst = binary.AppendVarint(append(dst, byte(tag), 0), v)
	dst[at+1] = byte(len(dst) - at - 2)
	return dst
}

func appendBytes[T string | []byte](dst []byte, tag Tag, v T) []byte {
	dst = binary.AppendUvarint(append(dst, byte(tag)), uint64(len(v)))
	return append(dst, v...)
}

// skip returns the tag, the payload and what follows the first value of row.
func skip(row []byte) (tag Tag, payload, rest []byte, err error) {
	if len(row) == 0 {
		return 0, nil, nil, fmt.Errorf("%w: ends before a value", ErrRow)
	}
	tag = Tag(row[0])
	if tag == TagNull {
		return tag, nil, row[1:], nil
	}
	if tag >= tagEnd {
		return 0, nil, nil, fmt.Errorf("%w: unknown type tag %d", ErrRow, tag)
	}
	n, w := binary.Uvarint(row[1:])
	if w <= 0 || n > uint64(len(row)-1-w) || w > 1 && n>>(7*(w-1)) == 0 {
		return 0, nil, nil, fmt.Errorf("%w: bad length of a value", ErrRow)
	}
	end := 1 + w + int(n)
	return tag, row[1+w : end : end], row[end:], nil
}

// Next decodes the first value of row and returns what follows it. It accepts only
// the one canonical encoding of each value.
func Next(row []byte) (Value, []byte, error) {
	tag, payload, rest, err := skip(row)
	if err != nil {
		return Value{}, nil, err
	}
	v := Value{Tag: tag}
	if !v.decode(payload) {
		return Value{}, nil, fmt.Errorf("%w: bad payload of type tag %d", ErrRow, tag)
	}
	return v, rest, nil
}

func (v *Value) decode(p []byte) bool {
	switch v.Tag {
	case TagNull:
		return true
	case TagBit:
		ok := len(p) == 1 && p[0] <= 1
		if ok {
			v.Int = int64(p[0])
		}
		return ok
	case TagInt, TagMoney, TagDate, TagTime, TagDateTime2:
		var n int
		v.Int, n = varint(p)
		return n == len(p) && n > 0
	case TagDateTime, TagDateTimeOffset:
		return v.decodePair(p)
	case TagFloat64:
		if len(p) != 8 {
			return false
		}
		v.Int = int64(binary.BigEndian.Uint64(p))
		return true
	case TagFloat32:
		if len(p) != 4 {
			return false
		}
		v.Int = int64(binary.BigEndian.Uint32(p))
		return true
	case TagDecimal:
		return v.decodeDecimal(p)
	case TagUUID:
		v.Bytes = p
		return len(p) == 16
	case TagVariant:
		v.Bytes = p
		_, _, err := v.Variant()
		return err == nil
	default:
		v.Bytes = p
		return true
	}
}

func (v *Value) decodePair(p []byte) bool {
	var n, m int
	v.Int, n = varint(p)
	if n <= 0 {
		return false
	}
	if v.Tag == TagDateTimeOffset {
		v.Aux, m = varint(p[n:])
	} else {
		var u uint64
		u, m = uvarint(p[n:])
		v.Aux = int64(u)
	}
	return m > 0 && n+m == len(p)
}

func (v *Value) decodeDecimal(p []byte) bool {
	if len(p) < 2 {
		return false
	}
	v.Aux, v.Bytes = int64(p[0]), p[1:]
	b := v.Bytes
	return len(b) == 1 || (b[0] != 0 || b[1] >= 0x80) && (b[0] != 0xff || b[1] < 0x80)
}

// Variant takes a Variant value apart: the declaration of its base type and its value,
// which is never itself a variant and never null.
func (v Value) Variant() (declaration string, value Value, err error) {
	n, w := uvarint(v.Bytes)
	if w <= 0 || n > uint64(len(v.Bytes)-w) {
		return "", Value{}, fmt.Errorf("%w: bad declaration of a variant", ErrRow)
	}
	inner := v.Bytes[w+int(n):]
	if len(inner) > 0 && (Tag(inner[0]) == TagVariant || Tag(inner[0]) == TagNull) {
		return "", Value{}, fmt.Errorf("%w: variant of a variant or of null", ErrRow)
	}
	value, rest, err := Next(inner)
	if err != nil {
		return "", Value{}, err
	}
	if len(rest) != 0 {
		return "", Value{}, fmt.Errorf("%w: bytes after a variant's value", ErrRow)
	}
	return string(v.Bytes[w : w+int(n)]), value, nil
}

// varint and uvarint refuse encodings longer than needed, so that a value has one encoding.
func varint(p []byte) (int64, int) {
	u, n := uvarint(p)
	return int64(u>>1) ^ -int64(u&1), n
}

func uvarint(p []byte) (uint64, int) {
	u, n := binary.Uvarint(p)
	if n > 1 && p[n-1] == 0 {
		return 0, 0
	}
	return u, n
}
