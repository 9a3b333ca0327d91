package mssql

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"lifeboat/internal/database"
)

// A codec moves the values of one column between the driver and canonical rows.
type codec struct {
	name     string
	typ      sqlType
	nullable bool
	// selects are the expressions to read the column by, from a table with the alias t; the
	// first is NULL when the column is.
	selects []string
	// decode appends the canonical value; values has one driver value per expression.
	decode func(dst []byte, values []driver.Value) ([]byte, error)
	// encode gives what CopyIn takes. The scratch memory may be part of the result.
	encode func(v database.Value, scratch []byte) (any, []byte, error)
	// staged: CopyIn cannot write the type; see variant.go.
	staged bool
}

// codecs makes codecs for one engine.
type codecs struct {
	rawText bool // see capabilities
	pages   *codePages
}

// detailCodePage is the key in Column.Details of the code page of a char or varchar column.
const detailCodePage = "code_page"

var errTag = errors.New("the value's type does not fit the column's")

// column returns the codec of c.
func (cs codecs) column(c database.Column) (*codec, error) {
	t, err := parseType(c.Type)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.Name, err)
	}
	k := &codec{name: c.Name, typ: t, nullable: c.Nullable, selects: []string{"t." + quote(c.Name)}}
	switch {
	case t.isString():
		err = cs.text(k, c)
	case t.isBinary():
		k.decode, k.encode = decodeBinary, encodeBinary(t)
	default:
		err = cs.scalar(k)
	}
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.Name, err)
	}
	return k, nil
}

func (cs codecs) scalar(k *codec) error {
	t := k.typ
	switch t.Name {
	case "bit":
		k.decode, k.encode = decodeBit, encodeBit
	case "tinyint":
		k.decode, k.encode = decodeInt, encodeInt(0, math.MaxUint8)
	case "smallint":
		k.decode, k.encode = decodeInt, encodeInt(math.MinInt16, math.MaxInt16)
	case "int":
		k.decode, k.encode = decodeInt, encodeInt(math.MinInt32, math.MaxInt32)
	case "bigint":
		k.decode, k.encode = decodeInt, encodeInt(math.MinInt64, math.MaxInt64)
	case "decimal", "numeric":
		k.decode, k.encode = decodeDecimal(t.Scale), encodeDecimal(t.Precision, t.Scale)
	case "money":
		k.decode, k.encode = decodeMoney, encodeMoney(math.MinInt64, math.MaxInt64)
	case "smallmoney":
		k.decode, k.encode = decodeMoney, encodeMoney(math.MinInt32, math.MaxInt32)
	case "float", "real":
		k.decode, k.encode = decodeFloat(t.Name == "real"), encodeFloat(t.Name == "real")
	case "date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset":
		k.decode, k.encode = decodeTime(t), encodeTime(t)
	case "uniqueidentifier":
		k.decode, k.encode = decodeUUID, encodeUUID
	case "xml":
		cs.xml(k)
	case "hierarchyid", "geography", "geometry":
		k.selects[0] = "CAST(" + k.selects[0] + " AS varbinary(max))"
		k.decode, k.encode = decodeBinary, encodeBinary(sqlType{Name: "varbinary", Length: maxLength})
	case "sql_variant":
		k.variant()
	default:
		return fmt.Errorf("type %s is not supported", t)
	}
	return nil
}

// text chooses how a string column travels: raw bytes if the engine casts text to
// varbinary truly, else the driver's strings, refusing those that may have lost something.
func (cs codecs) text(k *codec, c database.Column) error {
	page := (*codePage)(nil)
	if !k.typ.isUnicode() {
		number, err := strconv.Atoi(c.Details[detailCodePage])
		if err != nil {
			return fmt.Errorf("collation %q: code page unknown", c.Collation)
		}
		if page, err = cs.pages.page(number); err != nil {
			return fmt.Errorf("collation %q: %w", c.Collation, err)
		}
	}
	k.encode = encodeText(k.typ, page)
	if !cs.rawText {
		k.decode = decodeString
		return nil
	}
	k.selects[0] = "CAST(" + k.selects[0] + " AS " + k.typ.raw() + ")"
	k.decode = decodeText(page)
	return nil
}

func (cs codecs) xml(k *codec) {
	k.encode = func(v database.Value, scratch []byte) (any, []byte, error) {
		if v.Tag != database.TagXML {
			return nil, scratch, errTag
		}
		return appended(appendToUTF16(scratch[:0], v.Bytes))
	}
	if !cs.rawText {
		k.decode = func(dst []byte, values []driver.Value) ([]byte, error) {
			s, err := lossless(values[0])
			return database.AppendXML(dst, s), err
		}
		return
	}
	k.selects[0] = "CAST(CAST(" + k.selects[0] + " AS nvarchar(max)) AS varbinary(max))"
	k.decode = func(dst []byte, values []driver.Value) ([]byte, error) {
		raw, err := driverValue[[]byte](values[0])
		if err != nil {
			return dst, err
		}
		text, err := appendFromUTF16(nil, raw)
		return database.AppendXML(dst, text), err
	}
}

// appended makes CopyIn's argument of appended bytes: never nil, which would be NULL.
func appended(b []byte, err error) (any, []byte, error) {
	if b == nil {
		b = []byte{}
	}
	return b, b, err
}

// driverValue asserts what the driver documents to return.
func driverValue[T any](v driver.Value) (T, error) {
	typed, ok := v.(T)
	if !ok {
		return typed, fmt.Errorf("the driver gave %T, want %T", v, typed)
	}
	return typed, nil
}

func decodeBit(dst []byte, values []driver.Value) ([]byte, error) {
	v, err := driverValue[bool](values[0])
	return database.AppendBit(dst, v), err
}

func encodeBit(v database.Value, scratch []byte) (any, []byte, error) {
	if v.Tag != database.TagBit {
		return nil, scratch, errTag
	}
	return v.Int != 0, scratch, nil
}

func decodeInt(dst []byte, values []driver.Value) ([]byte, error) {
	v, err := driverValue[int64](values[0])
	return database.AppendInt(dst, v), err
}

// encodeInt checks the range because the driver cuts off what does not fit.
func encodeInt(first, last int64) func(database.Value, []byte) (any, []byte, error) {
	return func(v database.Value, scratch []byte) (any, []byte, error) {
		if v.Tag != database.TagInt {
			return nil, scratch, errTag
		}
		return v.Int, scratch, inRange(v.Int, first, last)
	}
}

func decodeDecimal(scale int) func([]byte, []driver.Value) ([]byte, error) {
	return func(dst []byte, values []driver.Value) ([]byte, error) {
		text, err := driverValue[[]byte](values[0])
		if err != nil {
			return dst, err
		}
		n, err := parseNumber(text, scale)
		return n.appendCanonical(dst, scale), err
	}
}

// encodeDecimal gives a string: the driver would send an integer unscaled.
func encodeDecimal(precision, scale int) func(database.Value, []byte) (any, []byte, error) {
	return func(v database.Value, scratch []byte) (any, []byte, error) {
		if v.Tag != database.TagDecimal || v.Aux != int64(scale) {
			return nil, scratch, errTag
		}
		n, err := numberFromBytes(v.Bytes)
		if err != nil {
			return nil, scratch, err
		}
		text, err := n.text(precision, scale)
		return text, scratch, err
	}
}

const moneyScale = 4

func decodeMoney(dst []byte, values []driver.Value) ([]byte, error) {
	text, err := driverValue[[]byte](values[0])
	if err != nil {
		return dst, err
	}
	n, err := parseNumber(text, moneyScale)
	if err != nil {
		return dst, err
	}
	v, ok := n.int64()
	if !ok {
		return dst, errRange
	}
	return database.AppendMoney(dst, v), nil
}

func encodeMoney(first, last int64) func(database.Value, []byte) (any, []byte, error) {
	return func(v database.Value, scratch []byte) (any, []byte, error) {
		if v.Tag != database.TagMoney {
			return nil, scratch, errTag
		}
		text, err := numberFromInt(v.Int).text(maxPrecision, moneyScale)
		return text, scratch, errors.Join(err, inRange(v.Int, first, last))
	}
}

func decodeFloat(single bool) func([]byte, []driver.Value) ([]byte, error) {
	return func(dst []byte, values []driver.Value) ([]byte, error) {
		v, err := driverValue[float64](values[0])
		if single {
			return database.AppendFloat32(dst, float32(v)), err
		}
		return database.AppendFloat64(dst, v), err
	}
}

func encodeFloat(single bool) func(database.Value, []byte) (any, []byte, error) {
	want := database.TagFloat64
	if single {
		want = database.TagFloat32
	}
	return func(v database.Value, scratch []byte) (any, []byte, error) {
		if v.Tag != want {
			return nil, scratch, errTag
		}
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, scratch, fmt.Errorf("%v: %w", f, errRange)
		}
		return f, scratch, nil
	}
}

func decodeTime(t sqlType) func([]byte, []driver.Value) ([]byte, error) {
	return func(dst []byte, values []driver.Value) ([]byte, error) {
		v, err := driverValue[time.Time](values[0])
		if err != nil {
			return dst, err
		}
		return appendTime(dst, t, v)
	}
}

func encodeTime(t sqlType) func(database.Value, []byte) (any, []byte, error) {
	return func(v database.Value, scratch []byte) (any, []byte, error) {
		at, err := timeValue(t, v)
		return at, scratch, err
	}
}

func decodeUUID(dst []byte, values []driver.Value) ([]byte, error) {
	wire, err := driverValue[[]byte](values[0])
	if err == nil && len(wire) != 16 {
		err = fmt.Errorf("uniqueidentifier of %d bytes", len(wire))
	}
	if err != nil {
		return dst, err
	}
	return database.AppendUUID(dst, swapUUID(wire)), nil
}

func encodeUUID(v database.Value, scratch []byte) (any, []byte, error) {
	if v.Tag != database.TagUUID {
		return nil, scratch, errTag
	}
	id := swapUUID(v.Bytes)
	return id[:], scratch, nil
}

// swapUUID turns the wire's order (three little-endian groups, then bytes) into RFC
// order and back.
func swapUUID(b []byte) [16]byte {
	return [16]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6],
		b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}
}

func decodeBinary(dst []byte, values []driver.Value) ([]byte, error) {
	v, err := driverValue[[]byte](values[0])
	return database.AppendBytes(dst, v), err
}

func encodeBinary(t sqlType) func(database.Value, []byte) (any, []byte, error) {
	return func(v database.Value, scratch []byte) (any, []byte, error) {
		if v.Tag != database.TagBytes {
			return nil, scratch, errTag
		}
		n := len(v.Bytes)
		if t.Length != maxLength && n > t.Length || t.Name == "binary" && n != t.Length { // the server would pad
			return nil, scratch, errRange
		}
		if v.Bytes == nil {
			return []byte{}, scratch, nil
		}
		return v.Bytes, scratch, nil
	}
}

// decodeText decodes raw bytes: UTF-16 without a page.
func decodeText(page *codePage) func([]byte, []driver.Value) ([]byte, error) {
	var text []byte // one codec serves one goroutine; see codecs.table
	return func(dst []byte, values []driver.Value) ([]byte, error) {
		raw, err := driverValue[[]byte](values[0])
		if err != nil {
			return dst, err
		}
		if page != nil {
			text = page.appendText(text[:0], raw)
		} else if text, err = appendFromUTF16(text[:0], raw); err != nil {
			return dst, err
		}
		return database.AppendText(dst, text), nil
	}
}

func encodeText(t sqlType, page *codePage) func(database.Value, []byte) (any, []byte, error) {
	limit := t.Length
	if t.isUnicode() {
		limit *= 2
	}
	return func(v database.Value, scratch []byte) (any, []byte, error) {
		if v.Tag != database.TagText {
			return nil, scratch, errTag
		}
		var err error
		if page != nil {
			scratch, err = page.appendRaw(scratch[:0], v.Bytes)
		} else {
			scratch, err = appendToUTF16(scratch[:0], v.Bytes)
		}
		if err == nil && limit > 0 && len(scratch) > limit {
			err = errRange
		}
		return appended(scratch, err)
	}
}

func decodeString(dst []byte, values []driver.Value) ([]byte, error) {
	s, err := lossless(values[0])
	return database.AppendText(dst, s), err
}

// lossless refuses a string in which the driver may have replaced something.
func lossless(v driver.Value) (string, error) {
	s, err := driverValue[string](v)
	if err == nil && strings.ContainsRune(s, '\ufffd') {
		err = errors.New("text holds U+FFFD, which may stand for something this engine cannot hand over exactly")
	}
	return s, err
}
