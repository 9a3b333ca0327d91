package sqlite

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// decoder turns the columns of a statement into a canonical row.
type decoder struct {
	utf16 utf16Order // how the file keeps text
	forms []form     // of a table that came from another engine
}

// utf16Order is the byte order of a file that keeps text as UTF-16, else notUTF16.
type utf16Order int

const (
	notUTF16 utf16Order = iota
	littleEndian
	bigEndian
)

func nativeDecoder(encoding string) decoder {
	switch encoding {
	case "UTF-16le":
		return decoder{utf16: littleEndian}
	case "UTF-16be":
		return decoder{utf16: bigEndian}
	}
	return decoder{}
}

// row appends n columns of the statement's row, from column `from`, by storage class.
func (d decoder) row(dst []byte, s *capi.Stmt, from, n int) ([]byte, error) {
	if d.forms != nil {
		return d.portableRow(dst, s, from, n)
	}
	for i := from; i < from+n; i++ {
		switch kind := s.Kind(i); kind {
		case capi.Null:
			dst = database.AppendNull(dst)
		case capi.Integer:
			dst = database.AppendInt(dst, s.Int64(i))
		case capi.Float:
			dst = database.AppendFloat64(dst, s.Float(i))
		case capi.Text:
			text := s.Bytes(i)
			if d.utf16 != notUTF16 {
				var err error
				if text, err = d.utf16.decode(text); err != nil {
					return dst, fmt.Errorf("column %d: %w", i-from+1, err)
				}
			}
			dst = database.AppendText(dst, text)
		case capi.Blob:
			dst = database.AppendBytes(dst, s.Bytes(i))
		default:
			return dst, fmt.Errorf("column %d: unknown storage class %d", i-from+1, kind)
		}
	}
	return dst, nil
}

func (d decoder) portableRow(dst []byte, s *capi.Stmt, from, n int) ([]byte, error) {
	for i := range n {
		var err error
		if dst, err = d.forms[i].read(dst, s, from+i); err != nil {
			return dst, fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return dst, nil
}

var errUTF16 = errors.New("text is not valid UTF-16 and cannot be carried; correct it in the database")

// decode refuses what SQLite's own conversion would silently turn into something else.
func (o utf16Order) decode(b []byte) ([]byte, error) {
	if len(b)%2 != 0 {
		return nil, errUTF16
	}
	unit := func(i int) rune {
		if o == littleEndian {
			return rune(b[i]) | rune(b[i+1])<<8
		}
		return rune(b[i])<<8 | rune(b[i+1])
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i += 2 {
		r := unit(i)
		if r >= 0xd800 && r < 0xe000 {
			if r >= 0xdc00 || i+3 >= len(b) {
				return nil, errUTF16
			}
			low := unit(i + 2)
			if low < 0xdc00 || low >= 0xe000 {
				return nil, errUTF16
			}
			r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
			i += 2
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

// bindValue binds one value by its storage class.
func bindValue(s *capi.Stmt, i int, v database.Value) error {
	switch v.Tag {
	case database.TagNull:
		return s.BindNull(i)
	case database.TagInt:
		return s.BindInt64(i, v.Int)
	case database.TagFloat64:
		return s.BindFloat(i, v.Float())
	case database.TagText:
		return s.BindText(i, v.Bytes)
	case database.TagBytes:
		return s.BindBlob(i, v.Bytes)
	}
	return fmt.Errorf("%w: type tag %d is not one of SQLite's", database.ErrRow, v.Tag)
}
