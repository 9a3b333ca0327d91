package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// Rows go in by statements of many rows: measured on one core, 100 rows a statement take
// 1.3 million rows/s of six columns, single rows 0.9 million.
const (
	batchRows  = 100
	batchBytes = 1 << 20 // of one statement at most
	maxBinds   = 32766   // SQLITE_MAX_VARIABLE_NUMBER
)

// loader inserts rows of one table. It keeps its statements from unit to unit.
type loader struct {
	c      *capi.Conn
	table  *database.Table
	encode encoder
	size   int // rows of one statement
	one    *capi.Stmt
	many   *capi.Stmt // made when there is a whole batch

	rows []byte // the batch: rows one after the other
	ends []int  // where each ends
}

func (t *Target) newLoader(table *database.Table) (*loader, error) {
	l := &loader{c: t.c, table: table, encode: t.encoder(table)}
	l.size = max(1, min(batchRows, maxBinds/len(table.Columns)))
	var err error
	if l.encode.number, err = newNumberer(t.c, table); err != nil {
		return nil, err
	}
	l.one, err = t.c.Prepare(insertRows(table, 1))
	return l, err
}

func (l *loader) close() error {
	var errs []error
	for _, s := range []*capi.Stmt{l.one, l.many} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// load inserts all rows in the caller's transaction and returns how many there were.
func (l *loader) load(ctx context.Context, rows iter.Seq2[[]byte, error]) (int64, error) {
	var n int64
	l.rows, l.ends = l.rows[:0], l.ends[:0]
	if err := l.encode.number.start(); err != nil {
		return 0, err
	}
	for row, err := range rows {
		if err != nil {
			return 0, err
		}
		n++
		l.rows = append(l.rows, row...)
		l.ends = append(l.ends, len(l.rows))
		if len(l.ends) < l.size && len(l.rows) < batchBytes {
			continue
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if err := l.flush(); err != nil {
			return 0, err
		}
	}
	return n, l.flush()
}

// flush inserts the batch: by one statement if it is full, else row by row.
func (l *loader) flush() error {
	s, per := l.one, 1
	if len(l.ends) == l.size && l.size > 1 {
		if l.many == nil {
			var err error
			if l.many, err = l.c.Prepare(insertRows(l.table, l.size)); err != nil {
				return err
			}
		}
		s, per = l.many, l.size
	}
	from := 0
	for i, end := range l.ends {
		if i%per == 0 {
			s.Rewind()
		}
		if err := l.encode.bindRow(s, i%per*len(l.table.Columns), l.rows[from:end]); err != nil {
			return err
		}
		from = end
		if i%per == per-1 {
			if _, err := s.Step(); err != nil {
				return err
			}
			if err := l.encode.number.check(); err != nil {
				return err
			}
		}
	}
	l.rows, l.ends = l.rows[:0], l.ends[:0]
	return nil
}

// insertRows is the statement that inserts n rows. OR ABORT overrides conflict clauses
// of the table: nothing may be replaced or ignored.
func insertRows(t *database.Table, n int) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quote(c.Name)
	}
	row := "(?" + strings.Repeat(", ?", len(names)-1) + ")"
	return "INSERT OR ABORT INTO " + quote(t.Name) + " (" + strings.Join(names, ", ") + ") VALUES " +
		row + strings.Repeat(", "+row, n-1)
}

// encoder binds canonical rows of one table.
type encoder struct {
	columns int
	forms   []form    // of a database that came from another engine; nil: by storage class
	number  *numberer // nil: every row id is given
}

func (t *Target) encoder(table *database.Table) encoder {
	return encoder{columns: len(table.Columns), forms: formsOf(t.schema, table)}
}

// bindRow binds a row to the parameters after the first `skip`.
func (e encoder) bindRow(s *capi.Stmt, skip int, row []byte) error {
	for i := range e.columns {
		v, rest, err := database.Next(row)
		if err != nil {
			return err
		}
		if err := e.bind(s, skip+i+1, i, v, row[:len(row)-len(rest)]); err != nil {
			return err
		}
		row = rest
	}
	if len(row) > 0 {
		return fmt.Errorf("%w: %d bytes after the last column", database.ErrRow, len(row))
	}
	return nil
}

// bind binds the value of a column to a parameter; encoded is v's canonical form.
func (e encoder) bind(s *capi.Stmt, parameter, column int, v database.Value, encoded []byte) error {
	if e.forms != nil {
		return e.forms[column].bind(s, parameter, v, encoded)
	}
	if e.number.follows(column, v) {
		return s.BindNull(parameter)
	}
	return bindValue(s, parameter, v)
}
