package workload

import (
	"context"
	"database/sql"
	"slices"
)

// Model is a database as an application sees it.
type Model struct {
	Tables []Table
}

// Kind is what sort of value a column takes.
type Kind int

// The kinds of columns. Other is filled by copying what other rows have.
const (
	Other Kind = iota
	Integer
	Number
	Text
	Bytes
	Moment // a date or time, in whatever form the column holds it
)

// Column is one column.
type Column struct {
	Name     string
	Kind     Kind
	Nullable bool
	// ReadOnly: the database computes it. It is read and compared, never written.
	ReadOnly bool
	// MaxLen is the longest text in characters or binary in bytes; 0: no limit.
	MaxLen int
}

// Action is what happens to referencing rows when the referenced row goes.
type Action int

// The actions of a foreign key.
const (
	Refuse Action = iota
	Cascade
	SetNull
	SetDefault
)

// ForeignKey says that Columns of this table hold the ParentColumns of a row of Parent,
// or a NULL. All are positions.
type ForeignKey struct {
	Columns       []int
	Parent        string
	ParentColumns []int
	OnDelete      Action
}

// Table is one table. Name is Table.Name of internal/database, so that reports agree.
type Table struct {
	Name    string
	Columns []Column
	Key     []int // positions; never empty
	// AutoKey: the database numbers the single key column; writers leave it out.
	AutoKey bool
	Uniques [][]int // besides the key
	Foreign []ForeignKey
	// Triggered: triggers of the application write to this table on behalf of others,
	// so that the writers cannot know all of what is in it. Its rows are not checked
	// against the record; hashes still are.
	Triggered bool
}

// Table returns the table of that name, or nil.
func (m *Model) Table(name string) *Table {
	for i := range m.Tables {
		if m.Tables[i].Name == name {
			return &m.Tables[i]
		}
	}
	return nil
}

// reference is a foreign key seen from its parent.
type reference struct {
	child *Table
	key   *ForeignKey
}

// references lists the foreign keys that point at a table.
func (m *Model) references(parent string) (list []reference) {
	for i := range m.Tables {
		for j := range m.Tables[i].Foreign {
			if m.Tables[i].Foreign[j].Parent == parent {
				list = append(list, reference{&m.Tables[i], &m.Tables[i].Foreign[j]})
			}
		}
	}
	return list
}

// unique tells whether a column is, alone or with others, in a unique key.
func (t *Table) unique(column int) bool {
	if slices.Contains(t.Key, column) {
		return true
	}
	return slices.ContainsFunc(t.Uniques, func(u []int) bool { return slices.Contains(u, column) })
}

// foreign returns the foreign key that a column belongs to, or nil.
func (t *Table) foreign(column int) *ForeignKey {
	for i := range t.Foreign {
		if slices.Contains(t.Foreign[i].Columns, column) {
			return &t.Foreign[i]
		}
	}
	return nil
}

// Querier is what reading takes: a *sql.DB, *sql.Conn or *sql.Tx.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Failure sorts the errors that a database answers with.
type Failure int

// The sorts of failures.
const (
	// Fatal: the database is gone, or a statement is wrong.
	Fatal Failure = iota
	// Constraint: a rule of the schema forbids it; the transaction goes on.
	Constraint
	// Conflict: another transaction is in the way; roll back and begin again.
	Conflict
)

// Tx is one write transaction of the application.
type Tx interface {
	Querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	// Insert adds one row and returns its key as Dialect.Read reads it.
	Insert(ctx context.Context, t *Table, columns []int, values []any) (key []any, err error)
	// ID is the transaction's id as the capture will know it, "" if it cannot be told.
	ID() string
	Commit() error
	Rollback() error
}

// Dialect is how writers speak to one engine.
type Dialect interface {
	// Describe reads the tables of the application.
	Describe(ctx context.Context, db *sql.DB) (*Model, error)
	// Begin starts a write transaction that is captured as one of its own.
	Begin(ctx context.Context, db *sql.DB) (Tx, error)
	// Table and Column quote a name; Place is the placeholder of argument n, from 1.
	Table(name string) string
	Column(name string) string
	Place(n int) string
	// Read is the expression that reads a column so that its value can be given back as
	// an argument unchanged.
	Read(column string) string
	// Image is the expression that renders a column as text so that two values have the
	// same text if and only if they are the same, type included. Never NULL.
	Image(column string) string
	// Sort tells what sort of failure err is.
	Sort(err error) Failure
}
