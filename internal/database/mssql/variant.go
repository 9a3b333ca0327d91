package mssql

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"lifeboat/internal/database"
)

// A sql_variant is read as the driver's value and what SQL_VARIANT_PROPERTY says of its
// base type. It cannot be written by CopyIn (the driver has no form for it), so a table
// with such a column is loaded through a staging table whose typed columns hold the
// value without loss, and the server makes the variant; see stage.go.

// A variant is staged in these columns.
const (
	stageKind   = iota // nvarchar: the base type's declaration
	stageText          // nvarchar: integers, decimals, money and text
	stageFloat         // float
	stageBytes         // varbinary: binary and uniqueidentifier (wire order)
	stageTime          // datetime2(7): date, time, smalldatetime, datetime2
	stageOffset        // datetimeoffset(7)
	stageDate1         // datetime
	stageColumns
)

func stageTypes() [stageColumns]string {
	return [stageColumns]string{"nvarchar(400)", "nvarchar(4000)", "float", "varbinary(8000)",
		"datetime2(7)", "datetimeoffset(7)", "datetime"}
}

// staging is a variant's value per staging column; nil where it has none.
type staging [stageColumns]any

func (k *codec) variant() {
	ref := k.selects[0]
	property := func(name, as string) string {
		return "CAST(SQL_VARIANT_PROPERTY(" + ref + ", '" + name + "') AS " + as + ")"
	}
	k.selects = append(k.selects, property("BaseType", "nvarchar(128)"), property("Precision", "int"),
		property("Scale", "int"), property("MaxLength", "int"), property("Collation", "nvarchar(128)"))
	k.decode, k.encode, k.staged = decodeVariant, encodeVariant, true
}

// variantType is the base type of a variant and, for text, its collation.
type variantType struct {
	sqlType
	Collation string
}

func (v variantType) String() string {
	if v.Collation == "" {
		return v.sqlType.String()
	}
	return v.sqlType.String() + " COLLATE " + v.Collation
}

// parseVariantType undoes String and lets nothing else pass: the text becomes SQL.
func parseVariantType(s string) (variantType, error) {
	base, collation, _ := strings.Cut(s, " COLLATE ")
	t, err := parseType(base)
	v := variantType{t, collation}
	if err != nil {
		return v, err
	}
	named := strings.IndexFunc(collation, notInCollation) < 0
	if v.String() != s || !named || t.isString() != (collation != "") || t.isLarge() ||
		t.Name == "sql_variant" || t.Name == "hierarchyid" {
		return v, fmt.Errorf("%q cannot be the base type of a sql_variant", s)
	}
	return v, nil
}

func notInCollation(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

func decodeVariant(dst []byte, values []driver.Value) ([]byte, error) {
	name, err := driverValue[string](values[1])
	if err != nil {
		return dst, err
	}
	number := func(i int) int {
		n, _ := values[i].(int64) // null: the type has no such property
		return int(n)
	}
	v := variantType{sqlType: catalogType(name, number(4), number(2), number(3))}
	if v.isString() {
		v.Collation, _ = values[5].(string)
	}
	if _, err := parseVariantType(v.String()); err != nil {
		return dst, err
	}
	decode, err := v.decoder()
	if err != nil {
		return dst, err
	}
	inner, err := decode(nil, values[:1])
	return database.AppendVariant(dst, v.String(), inner), err
}

func (v variantType) decoder() (func([]byte, []driver.Value) ([]byte, error), error) {
	if v.isString() {
		return decodeString, nil
	}
	if v.isBinary() {
		return decodeBinary, nil
	}
	var k codec
	k.typ, k.selects = v.sqlType, []string{""}
	err := codecs{}.scalar(&k)
	return k.decode, err
}

// encodeVariant gives a staging.
func encodeVariant(v database.Value, scratch []byte) (any, []byte, error) {
	if v.Tag != database.TagVariant {
		return nil, scratch, errTag
	}
	declaration, inner, err := v.Variant()
	if err != nil {
		return nil, scratch, err
	}
	t, err := parseVariantType(declaration)
	if err != nil {
		return nil, scratch, err
	}
	s := staging{stageKind: []byte(nil)}
	if s[stageKind], _, err = appended(appendToUTF16(nil, []byte(declaration))); err != nil {
		return nil, scratch, err
	}
	return s, scratch, s.set(t, inner)
}

func (s *staging) set(t variantType, v database.Value) error {
	if t.isString() {
		return s.setText(t, v)
	}
	if t.isBinary() {
		b, _, err := encodeBinary(t.sqlType)(v, nil)
		s[stageBytes] = b
		return err
	}
	k := codec{typ: t.sqlType, selects: []string{""}}
	if err := (codecs{}).scalar(&k); err != nil {
		return err
	}
	value, _, err := k.encode(v, nil)
	if err != nil {
		return err
	}
	switch value := value.(type) {
	case bool, int64:
		err = s.setString(fmt.Sprint(v.Int)) // a bit is 0 or 1
	case string:
		err = s.setString(value)
	case float64:
		s[stageFloat] = value
	case []byte:
		s[stageBytes] = value
	case time.Time:
		s[timeColumn(t.Name)] = value
	default:
		err = fmt.Errorf("%w: %T", errTag, value)
	}
	return err
}

func timeColumn(name string) int {
	switch name {
	case "datetime":
		return stageDate1
	case "datetimeoffset":
		return stageOffset
	}
	return stageTime
}

func (s *staging) setText(t variantType, v database.Value) error {
	if v.Tag != database.TagText {
		return errTag
	}
	raw, _, err := appended(appendToUTF16(nil, v.Bytes))
	s[stageText] = raw
	if n := len(raw.([]byte)); err == nil && (n > math.MaxUint16 || t.isUnicode() && n > 2*t.Length) {
		err = errRange
	}
	return err
}

func (s *staging) setString(text string) (err error) {
	s[stageText], _, err = appended(appendToUTF16(nil, []byte(text)))
	return err
}

// variantSQL is the expression that makes the variant of type t from its staging
// columns, given by their names.
func variantSQL(t variantType, column func(int) string) string {
	text := func(as string) string { return "CONVERT(" + as + ", " + column(stageText) + ")" }
	name := t.sqlType.String()
	var value string
	switch {
	case t.isUnicode():
		value = text(name) + " COLLATE " + t.Collation
	case t.isString():
		// The collation must be there before the conversion, or the text would pass
		// through the code page of the database.
		value = "CONVERT(" + name + ", " + column(stageText) + " COLLATE " + t.Collation + ")"
	case t.isBinary(), t.Name == "uniqueidentifier":
		value = "CAST(" + column(stageBytes) + " AS " + name + ")"
	case t.Name == "float", t.Name == "real":
		value = "CAST(" + column(stageFloat) + " AS " + name + ")"
	case t.Name == "date", t.Name == "time", t.Name == "datetime", t.Name == "smalldatetime",
		t.Name == "datetime2", t.Name == "datetimeoffset":
		value = "CAST(" + column(timeColumn(t.Name)) + " AS " + name + ")"
	default:
		value = text(name)
	}
	return "CAST(" + value + " AS sql_variant)"
}

// errVariants: more base types in one unit than a statement should have branches.
var errVariants = errors.New("too many different base types of sql_variant values in one unit")
