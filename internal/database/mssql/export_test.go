package mssql

import (
	"database/sql/driver"
	"fmt"
	"math"
	"time"

	"lifeboat/internal/database"
)

// Wire sends a canonical value through the conversion that writes and the one that reads,
// with what TDS and the driver do to it in between.
func Wire(c database.Column, value []byte) ([]byte, error) {
	k, err := codecs{rawText: true, pages: new(codePages)}.column(c)
	if err != nil {
		return nil, err
	}
	v, _, err := database.Next(value)
	if err != nil {
		return nil, err
	}
	if v.Tag == database.TagNull {
		return database.AppendNull(nil), nil
	}
	sent, _, err := k.encode(v, nil)
	if err != nil {
		return nil, err
	}
	if k.staged {
		return wireVariant(k, sent.(staging), v)
	}
	return k.decode(nil, []driver.Value{arrived(k.typ, sent)})
}

// arrived is what the driver reads of what it wrote.
func arrived(t sqlType, sent any) driver.Value {
	switch v := sent.(type) {
	case string: // decimals and money
		return []byte(v)
	case float64:
		if t.Name == "real" {
			return float64(float32(v))
		}
	case time.Time:
		return arrivedTime(t, v)
	}
	return sent
}

// arrivedTime does to a time what the driver's encoder and decoder do.
func arrivedTime(t sqlType, v time.Time) time.Time {
	day := v.Truncate(24 * time.Hour)
	since := v.Sub(day)
	switch t.Name {
	case "datetime": // 1/300 s, read back in milliseconds
		thirds := int(math.Round(float64(since.Nanoseconds()%1e9)*3/1e7)) + 300*int(since/time.Second)
		ms := int(math.Trunc(float64(thirds%300)/0.3 + 0.5))
		return day.Add(time.Duration(thirds/300)*time.Second + time.Duration(ms)*time.Millisecond)
	case "smalldatetime":
		return day.Add(since.Truncate(time.Minute))
	case "datetimeoffset":
		return v
	}
	unit := time.Duration(100)
	for range 7 - t.Scale {
		unit *= 10
	}
	if t.Name == "date" {
		return day
	}
	return day.Add(since.Truncate(unit))
}

// wireVariant makes of a staging what the server and the driver would.
func wireVariant(k *codec, s staging, v database.Value) ([]byte, error) {
	declaration, _, err := v.Variant()
	if err != nil {
		return nil, err
	}
	t, err := parseVariantType(declaration)
	if err != nil {
		return nil, err
	}
	text := func() []byte {
		raw, _ := s[stageText].([]byte)
		out, _ := appendFromUTF16(nil, raw)
		return out
	}
	var value driver.Value
	switch {
	case t.isString():
		value = string(text())
	case t.Name == "bit":
		value = string(text()) == "1"
	case t.Name == "tinyint", t.Name == "smallint", t.Name == "int", t.Name == "bigint":
		var n int64
		if _, err := fmt.Sscan(string(text()), &n); err != nil {
			return nil, err
		}
		value = n
	case s[stageText] != nil:
		value = text()
	case s[stageFloat] != nil:
		value = arrived(t.sqlType, s[stageFloat])
	case s[stageBytes] != nil:
		value = s[stageBytes]
	default:
		value = arrived(t.sqlType, s[timeColumn(t.Name)])
	}
	bytes := int64(t.Length)
	if t.isUnicode() {
		bytes *= 2
	}
	return k.decode(nil, []driver.Value{value, t.Name, int64(t.Precision), int64(t.Scale), bytes, t.Collation})
}

func driverValues(values ...any) []driver.Value {
	list := make([]driver.Value, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}
