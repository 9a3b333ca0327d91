package mssql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/microsoft/go-mssqldb"

	"lifeboat/internal/database"
)

// tableCodec reads and writes the rows of one table. It is for one goroutine.
type tableCodec struct {
	table   *database.Table
	columns []*codec
	width   int // driver values to a row
}

// table makes a codec for every column. It reports all columns it cannot handle.
func (cs codecs) table(t *database.Table) (*tableCodec, error) {
	tc := &tableCodec{table: t}
	var problems []error
	for _, c := range t.Columns {
		k, err := cs.column(c)
		if err != nil {
			problems = append(problems, fmt.Errorf("table %s: %w", t.Name, err))
			continue
		}
		tc.columns = append(tc.columns, k)
		tc.width += len(k.selects)
	}
	return tc, errors.Join(problems...)
}

// selects are the expressions of a SELECT list, in order.
func (tc *tableCodec) selects() string {
	var list []string
	for _, k := range tc.columns {
		list = append(list, k.selects...)
	}
	return strings.Join(list, ", ")
}

// decode appends the canonical row of the driver's values.
func (tc *tableCodec) decode(dst []byte, values []driver.Value) ([]byte, error) {
	for _, k := range tc.columns {
		var err error
		if values[0] == nil {
			dst = database.AppendNull(dst)
		} else if dst, err = k.decode(dst, values); err != nil {
			return dst, fmt.Errorf("table %s: column %s: %w", tc.table.Name, k.name, err)
		}
		values = values[len(k.selects):]
	}
	return dst, nil
}

// large: some column's values may have up to 2 GB.
func (tc *tableCodec) large() bool {
	return slices.ContainsFunc(tc.columns, func(k *codec) bool { return k.typ.isLarge() })
}

// orderBy is the order of the clustered index if it is unique, else of the key.
func orderBy(t *database.Table) string {
	type part struct {
		place int
		sql   string
	}
	var parts []part
	for _, c := range t.Columns {
		order, ok := c.Details[detailOrder]
		if !ok {
			continue
		}
		number, direction, _ := strings.Cut(order, " ")
		if place, err := strconv.Atoi(number); err == nil {
			parts = append(parts, part{place, strings.TrimSpace("t." + quote(c.Name) + " " + direction)})
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return a.place - b.place })
	if len(parts) == 0 {
		for _, k := range t.Key {
			if !comparable(t.Columns[k].Type) { // of a history table, whose key is all columns
				continue
			}
			parts = append(parts, part{0, "t." + quote(t.Columns[k].Name)})
		}
	}
	list := make([]string, len(parts))
	for i, p := range parts {
		list[i] = p.sql
	}
	if len(list) == 0 {
		return ""
	}
	return " ORDER BY " + strings.Join(list, ", ")
}

// comparable: the server can order by the type.
func comparable(declared string) bool {
	return declared != "xml" && declared != "geography" && declared != "geometry"
}

// rowsQuery reads a whole table.
func rowsQuery(o object, tc *tableCodec) string {
	return "SELECT " + tc.selects() + " FROM " + o.SQL() + " AS t" + orderBy(tc.table)
}

// statement is T-SQL and its arguments @p1, @p2, …
type statement struct {
	sql  string
	args []any
}

// rawQuery runs a query on the driver's own connection, below database/sql, which would
// copy and convert every value once more. each is called for every row with the driver's
// values, valid until it returns; result is the number of the result set. It stops at
// the first error; errStop is not passed on.
func rawQuery(ctx context.Context, conn *sql.Conn, q statement, each func(result int, values []driver.Value) error) error {
	return onDriver(conn, func(c *mssql.Conn) (err error) {
		stmt, err := c.PrepareContext(ctx, q.sql)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stmt.Close()) }()
		named := make([]driver.NamedValue, len(q.args))
		for i, a := range q.args {
			named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
		}
		rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, named)
		if err != nil {
			return err
		}
		err = walk(rows, each)
		if errors.Is(err, errStop) {
			err = nil // Close tells the server to stop too
		}
		return errors.Join(err, rows.Close())
	})
}

// errStop ends a walk early.
var errStop = errors.New("stop")

func walk(rows driver.Rows, each func(int, []driver.Value) error) error {
	for result := 0; ; result++ {
		values := make([]driver.Value, len(rows.Columns()))
		for {
			err := rows.Next(values)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if err := each(result, values); err != nil {
				return err
			}
		}
		more, ok := rows.(driver.RowsNextResultSet)
		if !ok || !more.HasNextResultSet() {
			return nil
		}
		if err := more.NextResultSet(); err != nil {
			return err
		}
	}
}
