package embedded

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strconv"
	"strings"

	_ "modernc.org/sqlite" // the application's driver

	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/workload"
)

// OpenApp opens a database file as an application would: foreign keys on, commits that
// survive a power cut, and patience with other writers.
func OpenApp(path string) (*sql.DB, error) {
	settings := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(20000)", "foreign_keys(1)", "journal_mode(WAL)", "synchronous(FULL)"},
	}
	return sql.Open("sqlite", "file:"+escapePath(path)+"?"+settings.Encode())
}

func escapePath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// Dialect is SQLite for workload's writers.
type Dialect struct {
	// turn admits one writer at a time, as SQLite does anyway; waiting for a channel is
	// cheaper than for a lock that is asked again and again.
	turn chan struct{}
	// marked: capture is installed, so every transaction is marked as one of its own.
	marked bool
}

// NewDialect returns a dialect for one database; marked says that capture is installed.
func NewDialect(marked bool) *Dialect {
	return &Dialect{turn: make(chan struct{}, 1), marked: marked}
}

// Table quotes a name.
func (d *Dialect) Table(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Column quotes a name.
func (d *Dialect) Column(name string) string { return d.Table(name) }

// Place is a numbered placeholder.
func (d *Dialect) Place(n int) string { return "?" + strconv.Itoa(n) }

// Read keeps the driver from turning texts into times because of a declared type.
func (d *Dialect) Read(column string) string { return "+" + column }

// Image shows storage class and bytes. SQLite's quote() ends a text at its first NUL.
func (d *Dialect) Image(column string) string {
	return "typeof(" + column + ") || ':' || CASE WHEN typeof(" + column + ") IN ('text', 'blob') THEN hex(" +
		column + ") ELSE quote(" + column + ") END"
}

// Primary result codes of SQLite (https://sqlite.org/rescode.html).
const (
	codeBusy       = 5
	codeLocked     = 6
	codeTooBig     = 18
	codeConstraint = 19
	codeMismatch   = 20
)

// Sort tells constraints and conflicts from everything else.
func (d *Dialect) Sort(err error) workload.Failure {
	var coded interface{ Code() int }
	if !errors.As(err, &coded) {
		return workload.Fatal
	}
	switch coded.Code() & 0xff {
	case codeConstraint, codeMismatch, codeTooBig:
		return workload.Constraint
	case codeBusy, codeLocked:
		return workload.Conflict
	}
	return workload.Fatal
}

// Begin starts a transaction that holds the write lock.
func (d *Dialect) Begin(ctx context.Context, db *sql.DB) (workload.Tx, error) {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t := &tx{d: d}
	var err error
	if t.Tx, err = db.BeginTx(ctx, nil); err == nil && d.marked {
		var mark int64
		if err = t.QueryRowContext(ctx, sqlite.MarkTransaction+" RETURNING mark").Scan(&mark); err != nil {
			err = errors.Join(err, t.Tx.Rollback())
		}
		t.id = strconv.FormatInt(mark, 10)
	}
	if err != nil {
		<-d.turn
		return nil, err
	}
	return t, nil
}

type tx struct {
	*sql.Tx
	d    *Dialect
	id   string
	over bool
}

func (t *tx) ID() string { return t.id }

func (t *tx) Commit() error { return t.end(t.Tx.Commit) }

func (t *tx) Rollback() error { return t.end(t.Tx.Rollback) }

// end lets the next writer in once the lock is certain to be given up. After a commit
// that found the database busy the transaction is still open.
func (t *tx) end(how func() error) error {
	err := how()
	if err != nil && t.d.Sort(err) != workload.Fatal {
		err = errors.Join(err, ignoreDone(t.Tx.Rollback()))
	}
	if !t.over {
		t.over = true
		<-t.d.turn
	}
	return err
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// Insert adds a row and reads its key back.
func (t *tx) Insert(ctx context.Context, table *workload.Table, columns []int, values []any) ([]any, error) {
	var names, places, keys []string
	for i, c := range columns {
		names = append(names, t.d.Column(table.Columns[c].Name))
		places = append(places, t.d.Place(i+1))
	}
	for _, k := range table.Key {
		keys = append(keys, t.d.Read(t.d.Column(table.Columns[k].Name)))
	}
	query := "INSERT INTO " + t.d.Table(table.Name)
	if len(names) == 0 {
		query += " DEFAULT VALUES"
	} else {
		query += " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
	}
	key := make([]any, len(keys))
	dest := make([]any, len(keys))
	for i := range key {
		dest[i] = &key[i]
	}
	err := t.QueryRowContext(ctx, query+" RETURNING "+strings.Join(keys, ", "), values...).Scan(dest...)
	return key, err
}
