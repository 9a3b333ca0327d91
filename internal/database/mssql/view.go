package mssql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/microsoft/go-mssqldb"

	"lifeboat/internal/database"
)

// view implements database.View in one transaction on one connection.
type view struct {
	s         *server
	conn      *sql.Conn
	tx        *sql.Tx
	schema    *database.Schema
	installed *database.Schema // nil: no capture
	sources   []changeSource
	lastID    int64 // changes after it are of a later generation
	old       bool  // an earlier generation's changes are pending
	broken    bool  // the connection must not be used again
}

var _ database.View = (*view)(nil)

// View implements database.Source.
func (s *Source) View(ctx context.Context) (database.View, error) {
	v, err := retried(ctx, s.log, "open a view", func() (*view, error) { return s.view(ctx) })
	if err != nil {
		return nil, s.failed("open a view of", err)
	}
	return v, nil
}

func (s *Source) view(ctx context.Context) (_ *view, err error) {
	v, err := s.begin(ctx, sql.LevelSnapshot)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Close())
		}
	}()
	// The first read of data fixes the snapshot; metadata have none. A change of schema
	// after it makes the server refuse the table (3961), one before it is seen here.
	if exists, err := one[sql.NullInt64](ctx, v.tx, "SELECT CAST(OBJECT_ID(N'"+schemaName+".state') AS bigint)"); err != nil {
		return nil, err
	} else if exists.Valid {
		if _, err := one[int64](ctx, v.tx, "SELECT CAST(MAX(format) AS bigint) FROM "+schemaName+".state"); err != nil {
			return nil, err
		}
	}
	k, err := s.look(ctx, v.tx)
	if err != nil {
		return nil, err
	}
	v.schema, v.lastID = k.schema, math.MaxInt64
	return v, v.place(ctx, k.state)
}

// begin opens the transaction of a view.
func (s *server) begin(ctx context.Context, isolation sql.IsolationLevel) (*view, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	// Detached from the caller's context: every call has its own, and the end of one
	// must not roll back under another.
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{Isolation: isolation})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &view{s: s, conn: conn, tx: tx}, nil
}

// place finds the generation that the view is in.
func (v *view) place(ctx context.Context, state *captureState) error {
	if !state.installed || state.current() == nil {
		return nil
	}
	v.sources = state.changeTables()
	for i := range state.generations[:len(state.generations)-1] {
		g := &state.generations[i]
		pending, err := pendingUpTo(ctx, v.tx, state, g.lastID)
		if err != nil {
			return err
		}
		if pending {
			v.old, v.lastID, v.installed = true, g.lastID, g.schema
			return nil
		}
	}
	v.installed = state.current().schema
	bad, err := state.damaged(v.s.caps, v.installed)
	if len(bad) > 0 {
		v.installed = without(v.installed, bad)
	}
	return err
}

// without is the schema as far as triggers are in order: what is missing makes its
// fingerprint differ from the database's, so that capture is installed again.
func without(s *database.Schema, tables map[string]bool) *database.Schema {
	less := *s
	less.Tables = slices.DeleteFunc(slices.Clone(s.Tables), func(t database.Table) bool { return tables[t.Name] })
	return &less
}

func (v *view) Schema() *database.Schema    { return v.schema }
func (v *view) Installed() *database.Schema { return v.installed }

// Close ends the view and gives its connection back.
func (v *view) Close() error {
	if v.conn == nil {
		return nil
	}
	conn := v.conn
	v.conn = nil
	if v.broken {
		_ = onDriver(conn, func(c *mssql.Conn) error { return c.Close() })
	}
	err := v.tx.Rollback()
	if v.broken || errors.Is(err, sql.ErrTxDone) || transient(err) {
		err = nil // the server has rolled back by itself
	}
	return errors.Join(err, conn.Close())
}

// Rows implements database.View.
func (v *view) Rows(ctx context.Context, t *database.Table) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := v.rows(ctx, t, yield); err != nil {
			yield(nil, v.s.failed("read table "+t.Name+" of", translated(err)))
		}
	}
}

func (v *view) rows(ctx context.Context, t *database.Table, yield func([]byte, error) bool) error {
	if v.old {
		return fmt.Errorf("changes captured before the last change of schema are pending, so this view is not exactly what the log holds; drain and forget them first: %w", database.ErrSchemaChanged)
	}
	o, err := parseObject(t.Name)
	if err != nil {
		return err
	}
	tc, err := v.s.codecs.table(t)
	if err != nil {
		return err
	}
	var row []byte
	return v.query(ctx, statement{sql: rowsQuery(o, tc)}, func(_ int, values []driver.Value) error {
		var err error
		if row, err = tc.decode(row[:0], values); err != nil {
			return err
		}
		if !yield(row, nil) {
			return errStop
		}
		return nil
	})
}

// query is rawQuery in the view's transaction. When it does not come to its end the
// connection is not used again.
func (v *view) query(ctx context.Context, q statement, each func(int, []driver.Value) error) error {
	if v.conn == nil || v.broken {
		return errors.New("the view is closed")
	}
	err := rawQuery(ctx, v.conn, q, each)
	v.broken = err != nil
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = errors.Join(cause, err)
	}
	return err
}

// RowCount implements database.View: the count that the storage engine keeps.
func (v *view) RowCount(ctx context.Context, t *database.Table) int64 {
	o, err := parseObject(t.Name)
	if err != nil || v.conn == nil || v.broken || !v.s.caps.rowCounts {
		return -1
	}
	n, err := one[sql.NullInt64](ctx, v.tx, "SELECT CAST(SUM(p.rows) AS bigint) FROM sys.partitions AS p WHERE p.object_id = OBJECT_ID(@p1) AND p.index_id IN (0, 1)", o.SQL())
	if err != nil || !n.Valid {
		return -1
	}
	return n.Int64
}

// Counters implements database.View: what sys.identity_columns and sys.sequences hold,
// by the name of the table or the sequence. They are not versioned, so they may be ahead
// of the view, never behind.
func (v *view) Counters(ctx context.Context) (map[string]int64, error) {
	type row struct {
		Schema, Name string
		Last         int
	}
	used := v.s.views.column("sequences", "o", "last_used_value", "o.current_value")
	rows, err := collect[row](ctx, v.tx, `SELECT SCHEMA_NAME(o.schema_id) AS [Schema], o.name AS Name, CAST(i.last_value AS bigint) AS [Last]
FROM sys.identity_columns AS i JOIN sys.tables AS o ON o.object_id = i.object_id WHERE i.last_value IS NOT NULL AND `+userObject+`
UNION ALL
SELECT SCHEMA_NAME(o.schema_id), o.name, CAST(`+used+` AS bigint) FROM sys.sequences AS o
WHERE `+userObject+` AND `+used+` IS NOT NULL`)
	if err != nil {
		return nil, v.s.failed("read the counters of", translated(err))
	}
	declared := map[string]string{} // an engine that folds names gives them back folded
	for _, t := range v.schema.Tables {
		declared[strings.ToLower(t.Name)] = t.Name
	}
	counters := map[string]int64{}
	for _, r := range rows {
		name := object{r.Schema, r.Name}.String()
		if as, ok := declared[strings.ToLower(name)]; ok && v.s.caps.foldedNames {
			name = as
		}
		counters[name] = int64(r.Last)
	}
	return counters, nil
}
