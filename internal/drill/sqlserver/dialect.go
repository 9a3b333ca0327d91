package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/microsoft/go-mssqldb"

	"lifeboat/internal/workload"
)

// Dialect is T-SQL for workload's writers. Describe must be called before Read and Image,
// which need to know what type a column has. It is safe for concurrent use after that.
type Dialect struct {
	mu    sync.RWMutex
	types map[string]string // by quoted column name; "" where tables disagree
	// txID is the expression for the id that the capture gives a transaction.
	txID string
	// typedNull: the server wants to know the type of a NULL argument.
	typedNull bool
}

var _ workload.Dialect = (*Dialect)(nil)

// Table quotes schema.table.
func (d *Dialect) Table(name string) string {
	schema, table, ok := strings.Cut(name, ".")
	if !ok {
		return d.Column(name)
	}
	return d.Column(strings.Trim(schema, "[]")) + "." + d.Column(strings.Trim(table, "[]"))
}

// Column quotes a name.
func (d *Dialect) Column(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// Place is a numbered placeholder.
func (d *Dialect) Place(n int) string { return "@p" + strconv.Itoa(n) }

func (d *Dialect) typeOf(column string) string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.types[column]
}

// Read gives as text what an argument could not give back unchanged: the driver reads a
// decimal as bytes, and would write bytes as binary.
func (d *Dialect) Read(column string) string {
	switch d.typeOf(column) {
	case "decimal", "numeric", "money", "smallmoney":
		return "CAST(" + column + " AS nvarchar(50))"
	case "uniqueidentifier":
		return "CAST(" + column + " AS nvarchar(36))"
	case "date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset":
		return "CONVERT(nvarchar(40), " + column + ", 126)"
	}
	return column
}

// Image tells values of a column apart to the last digit, and NULL from any text.
func (d *Dialect) Image(column string) string {
	text := "CONVERT(nvarchar(max), " + column + ")"
	switch d.typeOf(column) {
	case "date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset":
		text = d.Read(column)
	case "float", "real":
		text = "CONVERT(nvarchar(50), " + column + ", 3)"
	case "binary", "varbinary":
		text = "CONVERT(nvarchar(max), " + column + ", 2)"
	case "sql_variant":
		text = "CONCAT(CAST(SQL_VARIANT_PROPERTY(" + column + ", 'BaseType') AS nvarchar(128)), N':', CONVERT(nvarchar(4000), " + column + "))"
	}
	return "CASE WHEN " + column + " IS NULL THEN N'-' ELSE N'+' + " + text + " END"
}

// fenced is the number with which Lifeboat's triggers turn writes away after a takeover. To
// an application it is one more transaction that came to nothing.
const fenced = 51207

// sortOf knows the numbers of SQL Server's errors.
func sortOf(number int32) workload.Failure {
	switch number {
	case 2627, 2601, 547, 515, 2628, 8152, 245, 220, 232, 8114, 8115, 241, 242, 295, 296, 544, 339, 1065, 8106, 257, 206, 2705, 13905:
		return workload.Constraint
	case 1205, 1222, 3960, 3961, 3906, 3998, 3902, 3903, fenced:
		return workload.Conflict
	}
	return workload.Fatal
}

// Sort tells constraints and conflicts from everything else.
func (d *Dialect) Sort(err error) workload.Failure {
	var e mssql.Error
	if !errors.As(err, &e) {
		return workload.Fatal
	}
	if e.Number == 0 { // the driver: the server has rolled the transaction back already
		return workload.Conflict
	}
	if e.Number == unmapped {
		return workload.Conflict // at worst one transaction comes to nothing
	}
	return sortOf(e.Number)
}

// unmapped is the number of an error of PostgreSQL for which Babelfish has no other.
const unmapped = 33557097

// Begin starts a transaction that sees one state of the database: what it reads of a row
// before it changes it is what it changes, or it fails.
func (d *Dialect) Begin(ctx context.Context, db *sql.DB) (workload.Tx, error) {
	inner, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSnapshot})
	if err != nil {
		return nil, err
	}
	t := &tx{Tx: inner, d: d}
	if d.txID == "" {
		return t, nil
	}
	if err := inner.QueryRowContext(ctx, "SELECT "+d.txID).Scan(&t.id); err != nil {
		return nil, errors.Join(err, ignoreDone(inner.Rollback()))
	}
	return t, nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// tx is one transaction of a writer.
type tx struct {
	*sql.Tx
	d  *Dialect
	id string
}

// ID is what the capture calls the transaction.
func (t *tx) ID() string { return t.id }

// QueryContext gives NULL arguments a type where they need one.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.Tx.QueryContext(ctx, query, t.d.arguments(args)...)
}

// ExecContext is like QueryContext.
func (t *tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.Tx.ExecContext(ctx, query, t.d.arguments(args)...)
}

func (d *Dialect) arguments(args []any) []any {
	if !d.typedNull {
		return args
	}
	typed := slices.Clone(args)
	for i, a := range typed {
		if a == nil {
			typed[i] = sql.NullString{}
		}
	}
	return typed
}

// Insert adds a row and reads its key back. A NULL is written as NULL: an argument would
// have a type, which not every column takes.
func (t *tx) Insert(ctx context.Context, table *workload.Table, columns []int, values []any) ([]any, error) {
	var names, places []string
	var args []any
	given := map[int]string{}
	for i, c := range columns {
		place := "NULL"
		if values[i] != nil {
			args = append(args, values[i])
			place = t.d.Place(len(args))
		}
		names, places = append(names, t.d.Column(table.Columns[c].Name)), append(places, place)
		given[c] = place
	}
	query := "INSERT INTO " + t.d.Table(table.Name) + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
	if len(names) == 0 {
		query = "INSERT INTO " + t.d.Table(table.Name) + " DEFAULT VALUES"
	}
	var keys, where []string
	for _, k := range table.Key {
		name := t.d.Column(table.Columns[k].Name)
		keys = append(keys, t.d.Read(name))
		place, ok := given[k]
		if !ok {
			place = "SCOPE_IDENTITY()" // OUTPUT without INTO fails where there are triggers
		}
		where = append(where, name+" = "+place)
	}
	query = "SET NOCOUNT ON; " + query + "; SELECT " + strings.Join(keys, ", ") + " FROM " + t.d.Table(table.Name) + " WHERE " + strings.Join(where, " AND ")
	key := make([]any, len(keys))
	dest := make([]any, len(keys))
	for i := range key {
		dest[i] = &key[i]
	}
	return key, t.Tx.QueryRowContext(ctx, query, args...).Scan(dest...)
}
