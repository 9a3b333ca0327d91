package mssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/microsoft/go-mssqldb"

	"lifeboat/internal/database"
)

// encoder turns canonical rows into what CopyIn takes. It is for one goroutine.
type encoder struct {
	tc      *tableCodec
	scratch [][]byte
	values  []any
	kinds   []map[string]variantType // by column: the base types of its variants so far
}

// maxKinds bounds the branches of the statement that makes variants.
const maxKinds = 200

func newEncoder(tc *tableCodec) *encoder {
	return &encoder{tc: tc, scratch: make([][]byte, len(tc.columns)), kinds: make([]map[string]variantType, len(tc.columns))}
}

var errNull = errors.New("NULL in a column that is NOT NULL") // the driver would break the stream

// row returns the values of one row, one per staging column; they are valid until the
// next call. The row must be canonical to its last byte.
func (e *encoder) row(row []byte) ([]any, error) {
	e.values = e.values[:0]
	for i, k := range e.tc.columns {
		v, rest, err := database.Next(row)
		if err == nil {
			err = e.column(i, k, v)
		}
		if err != nil {
			return nil, fmt.Errorf("table %s: column %s: %w", e.tc.table.Name, k.name, err)
		}
		row = rest
	}
	if len(row) != 0 {
		return nil, fmt.Errorf("table %s: %w: %d bytes after the last column", e.tc.table.Name, database.ErrRow, len(row))
	}
	return e.values, nil
}

func (e *encoder) column(i int, k *codec, v database.Value) error {
	if v.Tag == database.TagNull {
		if !k.nullable {
			return errNull
		}
		for range k.bulkWidth() {
			e.values = append(e.values, nil)
		}
		return nil
	}
	value, scratch, err := k.encode(v, e.scratch[i])
	e.scratch[i] = scratch
	if err != nil {
		return err
	}
	if s, ok := value.(staging); ok {
		e.values = append(e.values, s[:]...)
		return e.note(i, v)
	}
	e.values = append(e.values, value)
	return nil
}

// note remembers the base type of a variant.
func (e *encoder) note(i int, v database.Value) error {
	declaration, _, err := v.Variant()
	if err != nil || e.kinds[i][declaration].Name != "" {
		return err
	}
	t, err := parseVariantType(declaration)
	if err != nil {
		return err
	}
	if e.kinds[i] == nil {
		e.kinds[i] = map[string]variantType{}
	}
	if e.kinds[i][declaration] = t; len(e.kinds[i]) > maxKinds {
		return errVariants
	}
	return nil
}

// bulkWidth is how many values CopyIn gets for a column.
func (k *codec) bulkWidth() int {
	if k.staged {
		return stageColumns
	}
	return 1
}

// staged: CopyIn cannot fill the table itself.
func (tc *tableCodec) staged() bool {
	return slices.ContainsFunc(tc.columns, func(k *codec) bool { return k.staged })
}

// bulkColumns are the names of the columns that CopyIn fills, those of a staging table
// if it is one.
func (tc *tableCodec) bulkColumns() []string {
	var names []string
	for i, k := range tc.columns {
		if !k.staged {
			names = append(names, k.name)
			continue
		}
		for part := range stageColumns {
			names = append(names, stageColumn(i, part))
		}
	}
	return names
}

func stageColumn(column, part int) string { return fmt.Sprintf("lifeboat_variant_%d_%d", column, part) }

// stageName is a temporary table: it belongs to its session and is gone with it.
const stageName = "#lifeboat_stage"

// createStage makes the staging table of a table. Its row numbers keep the order.
func (tc *tableCodec) createStage(name string) string {
	lines := []string{"    lifeboat_row int IDENTITY(1,1) NOT NULL"}
	for i, k := range tc.columns {
		if k.staged {
			for part, declared := range stageTypes() {
				lines = append(lines, "    "+quote(stageColumn(i, part))+" "+declared+" NULL")
			}
			continue
		}
		c := tc.table.Columns[i]
		line := "    " + quote(c.Name) + " " + c.Type
		if c.Collation != "" {
			line += " COLLATE " + c.Collation
		}
		lines = append(lines, line+" NULL")
	}
	return "CREATE TABLE " + name + " (\n" + strings.Join(lines, ",\n") + "\n)"
}

// insertFromStage moves staged rows into the table in their order.
func (e *encoder) insertFromStage(o object, stage string) string {
	var expressions []string
	for i, k := range e.tc.columns {
		if !k.staged {
			expressions = append(expressions, "s."+quote(k.name))
			continue
		}
		expressions = append(expressions, e.variantCase(i))
	}
	insert := "INSERT INTO " + o.SQL() + " (" + columnNames(e.tc.table) + ")\nSELECT " + strings.Join(expressions, ",\n    ") +
		"\nFROM " + stage + " AS s ORDER BY s.lifeboat_row"
	if !slices.ContainsFunc(e.tc.table.Columns, func(c database.Column) bool { return c.Identity }) {
		return insert
	}
	return "SET IDENTITY_INSERT " + o.SQL() + " ON;\n" + insert + ";\nSET IDENTITY_INSERT " + o.SQL() + " OFF"
}

// variantCase makes a variant by the base type that its row names.
func (e *encoder) variantCase(column int) string {
	ref := func(part int) string { return "s." + quote(stageColumn(column, part)) }
	declarations := make([]string, 0, len(e.kinds[column]))
	for d := range e.kinds[column] {
		declarations = append(declarations, d)
	}
	slices.Sort(declarations)
	if len(declarations) == 0 {
		return "CAST(NULL AS sql_variant)"
	}
	sql := "CASE " + ref(stageKind)
	for _, d := range declarations {
		sql += " WHEN " + literal(d) + " THEN " + variantSQL(e.kinds[column][d], ref)
	}
	return sql + " END"
}

// bulk is where a bulk load goes, and how.
type bulk struct {
	into string // quoted
	e    *encoder
}

// copyIn sends rows to a table by one bulk load on a connection, inside its transaction.
// next gives the next row; nil ends. After an error the connection is of no more use, and
// is broken.
func copyIn(ctx context.Context, conn *sql.Conn, b bulk, next func() ([]byte, error)) (n int64, err error) {
	err = onDriver(conn, func(c *mssql.Conn) (err error) {
		stream := c.CreateBulkContext(ctx, b.into, b.e.tc.bulkColumns())
		stream.Options.KeepNulls = true // or the server would put defaults in their place
		if n, err = send(ctx, stream, b.e, next); err != nil {
			_ = c.Close()
		}
		return err
	})
	return n, err
}

// onDriver runs fn on the driver's own connection. An error never reaches database/sql as
// driver.ErrBadConn: with a transaction open it would wait for itself for ever.
func onDriver(conn *sql.Conn, fn func(c *mssql.Conn) error) error {
	var failure error
	err := conn.Raw(func(dc any) error {
		c, ok := dc.(*mssql.Conn)
		if !ok {
			return fmt.Errorf("driver connection is %T, want *mssql.Conn", dc)
		}
		failure = fn(c)
		return nil
	})
	return errors.Join(failure, err)
}

// send is copyIn's loop. An error of the rows or of the context comes before one of the
// connection, which a cancelled context breaks too.
func send(ctx context.Context, stream *mssql.Bulk, e *encoder, next func() ([]byte, error)) (n int64, err error) {
	for {
		row, err := next()
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return 0, err
		}
		if row == nil {
			break
		}
		values, err := e.row(row)
		if err != nil {
			return 0, err
		}
		if err := stream.AddRow(values); err != nil {
			return 0, errors.Join(context.Cause(ctx), err)
		}
		n++
	}
	if n == 0 {
		return 0, nil
	}
	done, err := stream.Done()
	if err == nil && done != n {
		err = fmt.Errorf("the server took %d of %d rows", done, n)
	}
	return n, err
}
