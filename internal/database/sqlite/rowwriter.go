package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// finder looks rows up by their key and compares them whole. Where a key holds NULL
// there may be several rows of it.
type finder struct {
	table  *database.Table
	encode encoder
	decode decoder
	rowid  string // "" in a table without row ids
	s      *capi.Stmt
	row    []byte
}

func newFinder(c *capi.Conn, table *database.Table, encode encoder, decode decoder) (*finder, error) {
	f := &finder{table: table, encode: encode, decode: decode}
	var err error
	if f.rowid, _, err = rowidOf(c, table.Name); err != nil {
		return nil, err
	}
	columns := make([]string, len(table.Columns))
	for i, column := range table.Columns {
		columns[i] = quote(column.Name)
	}
	first := "NULL"
	if f.rowid != "" {
		first = quote(f.rowid)
	}
	f.s, err = c.Prepare("SELECT " + first + ", " + strings.Join(columns, ", ") + f.byKey())
	return f, err
}

// byKey selects the rows whose key is bound.
func (f *finder) byKey() string {
	var key []string
	for i, k := range f.table.Key {
		key = append(key, fmt.Sprintf("%s IS ?%d", quote(f.table.Columns[k].Name), i+1))
	}
	return " FROM " + quote(f.table.Name) + " WHERE " + strings.Join(key, " AND ")
}

// find looks for a row that is exactly the image. If it is there f.s stands on it.
func (f *finder) find(image []byte) (bool, error) {
	if err := f.bindKey(f.s, image); err != nil {
		return false, err
	}
	return f.next(image)
}

// next goes on to the next such row.
func (f *finder) next(image []byte) (bool, error) {
	for {
		more, err := f.s.Step()
		if err != nil || !more {
			return false, err
		}
		if f.row, err = f.decode.row(f.row[:0], f.s, 1, len(f.table.Columns)); err != nil {
			return false, err
		}
		if bytes.Equal(f.row, image) {
			return true, nil
		}
	}
}

func (f *finder) bindKey(s *capi.Stmt, image []byte) error {
	s.Rewind()
	for column, row := 0, image; len(row) > 0; column++ {
		v, rest, err := database.Next(row)
		if err != nil {
			return err
		}
		if i := slices.Index(f.table.Key, column); i >= 0 {
			if err := f.encode.bind(s, i+1, column, v, row[:len(row)-len(rest)]); err != nil {
				return err
			}
		}
		row = rest
	}
	return nil
}

func (f *finder) close() error {
	if f.s == nil {
		return nil
	}
	return f.s.Close()
}

// rowidOf returns the name of a table's row id, "" if it has none, and whether that is a
// column of the table.
func rowidOf(c *capi.Conn, name string) (rowid string, column bool, err error) {
	columns, err := readColumns(c, name)
	if err != nil {
		return "", false, err
	}
	indexes, err := readUniqueIndexes(c, name)
	if err != nil {
		return "", false, err
	}
	flags, err := readTableFlags(c)
	if err != nil {
		return "", false, err
	}
	own := flags[strings.ToLower(name)]
	if own.withoutRowid {
		return "", false, nil
	}
	alias := rowidAlias(columns, indexes, own)
	return rowidName(columns, alias), alias >= 0, nil
}

// rowWriter inserts or deletes single rows of one table.
type rowWriter struct {
	encode encoder
	insert *capi.Stmt
	find   *finder    // for deletes
	del    *capi.Stmt // by row id, else by key
}

func (t *Target) rowWriter(table *database.Table, op database.Op) (*rowWriter, error) {
	w := &rowWriter{encode: t.encoder(table)}
	var err error
	if op == database.Insert {
		w.insert, err = t.c.Prepare(insertRows(table, 1))
		return w, err
	}
	decode := nativeDecoder(t.schema.Settings["encoding"]).decoderFor(t.schema, table)
	if w.find, err = newFinder(t.c, table, w.encode, decode); err != nil {
		return nil, err
	}
	del := "DELETE" + w.find.byKey()
	if w.find.rowid != "" {
		del = "DELETE FROM " + quote(table.Name) + " WHERE " + quote(w.find.rowid) + " = ?"
	}
	if w.del, err = t.c.Prepare(del); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *rowWriter) close() error {
	var errs []error
	for _, s := range []*capi.Stmt{w.insert, w.del} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if w.find != nil {
		errs = append(errs, w.find.close())
	}
	return errors.Join(errs...)
}

// write inserts the image, or deletes it if it is there exactly.
func (w *rowWriter) write(image []byte) error {
	if w.insert != nil {
		w.insert.Rewind()
		if err := w.encode.bindRow(w.insert, 0, image); err != nil {
			return err
		}
		_, err := w.insert.Step()
		return err
	}
	there, err := w.find.find(image)
	if err != nil {
		return err
	}
	if !there {
		return errors.New("the row to be removed is not there as the log has it: the database holds changes that the log does not")
	}
	defer w.find.s.Reset()
	if w.find.rowid != "" {
		return w.del.Exec(w.find.s.Int64(0))
	}
	if err := w.find.bindKey(w.del, image); err != nil {
		return err
	}
	_, err = w.del.Step()
	return err
}
