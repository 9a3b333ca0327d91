package sqlite

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// A database of another engine is restored into SQLite losslessly and, as far as that
// goes, readably. Columns have no type, so SQLite changes nothing. Each has a form: the
// one tag that its values usually have and that is stored natively or as text a person
// can read (a date as 2024-02-29, a decimal with its digits). A value of any other tag,
// and one whose text would not lead back to exactly the same value, is stored as its
// canonical encoding: as a BLOB, or in a column of binary data as TEXT in hexadecimal.
type form struct{ tag database.Tag }

// isPortable tells whether a schema is of another engine.
func isPortable(s *database.Schema) bool { return s != nil && s.Engine != "sqlite" }

// formsOf returns the forms of a table's columns, nil if values are stored as they are.
func formsOf(s *database.Schema, t *database.Table) []form {
	if !isPortable(s) {
		return nil
	}
	forms := make([]form, len(t.Columns))
	for i, c := range t.Columns {
		forms[i] = form{usualTag(c.Type)}
	}
	return forms
}

// usualTag is the tag of values of a declared type, TagNull for one that is not known:
// its values are all stored in canonical form.
func usualTag(declared string) database.Tag {
	base := strings.ToLower(declared)
	if i := strings.IndexAny(base, "( "); i >= 0 {
		base = base[:i]
	}
	switch base {
	case "bit":
		return database.TagBit
	case "tinyint", "smallint", "int", "bigint":
		return database.TagInt
	case "decimal", "numeric":
		return database.TagDecimal
	case "money", "smallmoney":
		return database.TagMoney
	case "float":
		return database.TagFloat64
	case "real":
		return database.TagFloat32
	case "date":
		return database.TagDate
	case "time":
		return database.TagTime
	case "datetime2":
		return database.TagDateTime2
	case "datetime", "smalldatetime":
		return database.TagDateTime
	case "datetimeoffset":
		return database.TagDateTimeOffset
	case "uniqueidentifier":
		return database.TagUUID
	case "char", "varchar", "nchar", "nvarchar", "text", "ntext", "sysname":
		return database.TagText
	case "xml":
		return database.TagXML
	case "binary", "varbinary", "image", "hierarchyid", "geography", "geometry":
		return database.TagBytes
	}
	return database.TagNull
}

func (f form) bind(s *capi.Stmt, parameter int, v database.Value, encoded []byte) error {
	if v.Tag == database.TagNull {
		return s.BindNull(parameter)
	}
	if v.Tag == f.tag {
		switch v.Tag {
		case database.TagBit, database.TagInt:
			return s.BindInt64(parameter, v.Int)
		case database.TagFloat64, database.TagFloat32:
			if x := v.Float(); !math.IsNaN(x) { // SQLite has no NaN
				return s.BindFloat(parameter, x)
			}
		case database.TagText, database.TagXML:
			return s.BindText(parameter, v.Bytes)
		case database.TagBytes:
			return s.BindBlob(parameter, v.Bytes)
		default:
			text, ok := readable(v)
			if ok {
				back, ok := appendParsed(nil, f.tag, text)
				if ok && bytes.Equal(back, encoded) {
					return s.BindText(parameter, []byte(text))
				}
			}
		}
	}
	if f.tag == database.TagBytes {
		return s.BindText(parameter, []byte(hex.EncodeToString(encoded)))
	}
	return s.BindBlob(parameter, encoded)
}

// read appends the canonical form of a column of the statement's row.
func (f form) read(dst []byte, s *capi.Stmt, i int) ([]byte, error) {
	kind := s.Kind(i)
	switch {
	case kind == capi.Null:
		return database.AppendNull(dst), nil
	case kind == capi.Integer && f.tag == database.TagInt:
		return database.AppendInt(dst, s.Int64(i)), nil
	case kind == capi.Integer && f.tag == database.TagBit:
		return database.AppendBit(dst, s.Int64(i) != 0), nil
	case kind == capi.Float && f.tag == database.TagFloat64:
		return database.AppendFloat64(dst, s.Float(i)), nil
	case kind == capi.Float && f.tag == database.TagFloat32:
		return database.AppendFloat32(dst, float32(s.Float(i))), nil
	case kind == capi.Text && f.tag == database.TagText:
		return database.AppendText(dst, s.Bytes(i)), nil
	case kind == capi.Text && f.tag == database.TagXML:
		return database.AppendXML(dst, s.Bytes(i)), nil
	case kind == capi.Text && f.tag == database.TagBytes:
		encoded, err := hex.DecodeString(string(s.Bytes(i)))
		return f.verbatim(dst, encoded, err)
	case kind == capi.Blob && f.tag == database.TagBytes:
		return database.AppendBytes(dst, s.Bytes(i)), nil
	case kind == capi.Blob:
		return f.verbatim(dst, s.Bytes(i), nil)
	case kind == capi.Text:
		if out, ok := appendParsed(dst, f.tag, string(s.Bytes(i))); ok {
			return out, nil
		}
	}
	return dst, fmt.Errorf("%w: a value was changed after the restore", database.ErrRow)
}

// verbatim appends a value that is stored in canonical form.
func (f form) verbatim(dst, encoded []byte, err error) ([]byte, error) {
	if err == nil {
		var rest []byte
		if _, rest, err = database.Next(encoded); err == nil && len(rest) > 0 {
			err = database.ErrRow
		}
	}
	if err != nil {
		return dst, fmt.Errorf("%w: a value was changed after the restore", database.ErrRow)
	}
	return append(dst, encoded...), nil
}

// portableTable is the statement that makes a table of another engine: columns without
// types, so that SQLite converts nothing, kept in the order of the key.
func portableTable(t *database.Table) string {
	var columns, key []string
	for _, c := range t.Columns {
		columns = append(columns, quote(c.Name))
	}
	for _, k := range t.Key {
		key = append(key, quote(t.Columns[k].Name))
	}
	return "CREATE TABLE " + quote(t.Name) + " (" + strings.Join(columns, ", ") +
		", PRIMARY KEY (" + strings.Join(key, ", ") + ")) WITHOUT ROWID"
}
