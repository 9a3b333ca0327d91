package database

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Op is what a change does to a table's multiset of rows.
type Op byte

// The two operations; an update is a Delete of the before image and an Insert of the after image.
const (
	Delete Op = 'D'
	Insert Op = 'I'
)

// Change is one row removed or added.
type Change struct {
	Op    Op
	Table string // Table.Name
	Row   []byte // canonical; the whole image
}

// Captured is a change as the change tables hold it.
type Captured struct {
	ID int64     // change_id: unique, increasing in commit order for conflicting writers
	Tx string    // transaction id; equal for all changes of one database transaction
	At time.Time // UTC; the database's clock when the change was made
	Change
}

// Errors a caller may test for.
var (
	// ErrUnsupported: the database holds something that cannot be captured. The message
	// names every such thing.
	ErrUnsupported = errors.New("not supported")
	// ErrNotInstalled: the database has no capture, or one that no longer fits its schema.
	ErrNotInstalled = errors.New("capture is not installed")
	// ErrNotEmpty: the target of a restore holds something already.
	ErrNotEmpty = errors.New("target database is not empty")
	// ErrSchemaChanged: the schema changed while it was being read; try again.
	ErrSchemaChanged = errors.New("schema changed")
	// ErrFenced: the database refuses writes because its log has been taken over.
	ErrFenced = errors.New("database is fenced")
)

// Source is a database that is protected: captured, drained and scanned. One drainer at
// a time; views may be read concurrently with the application's writes, which they never
// block.
type Source interface {
	// Install puts change tables and triggers in place for every table, in one
	// transaction, and returns the schema they fit. It changes nothing if they are
	// there and fit; if they are there and the schema has changed it replaces the
	// triggers and keeps every captured change that has not been forgotten.
	// ErrUnsupported lists everything refused; nothing is installed then.
	Install(ctx context.Context) (*Schema, error)
	// InstallPlan returns the statements that Install would run (none: up to date) and
	// warnings for the operator, changing nothing.
	InstallPlan(ctx context.Context) (statements, warnings []string, err error)
	// Remove takes away everything Install made. It refuses while changes are pending
	// unless discard is set.
	Remove(ctx context.Context, discard bool) error
	// Pending counts the captured changes that have not been forgotten.
	Pending(ctx context.Context) (int64, error)
	// View opens one consistent, read-only view of the whole database.
	View(ctx context.Context) (View, error)
	// Forget deletes captured changes by id, in small transactions that do not hold up
	// the application. Ids that are gone already are fine.
	Forget(ctx context.Context, ids []int64) error
	// Fence makes the database refuse every write to a captured table with the reason,
	// or lifts that again with "".
	Fence(ctx context.Context, reason string) error
	Close() error
}

// View is the database at one instant. It is for one goroutine. Rows and changes are
// valid until the next iteration only.
type View interface {
	// Schema is the schema in this view. Its fingerprint may differ from the installed
	// one: that is how a change of schema is found.
	Schema() *Schema
	// Installed is the schema the triggers were made for: captured changes have its shape.
	Installed() *Schema
	// Changes yields the captured changes in order of change id.
	Changes(ctx context.Context) iter.Seq2[Captured, error]
	// Rows yields all rows of the table in clustered (key) order as the server has it.
	Rows(ctx context.Context, table *Table) iter.Seq2[[]byte, error]
	// RowCount estimates the number of rows, for progress only; -1 if unknown.
	RowCount(ctx context.Context, table *Table) int64
	// Counters returns the position of each identity or sequence, by name: the last
	// value handed out.
	Counters(ctx context.Context) (map[string]int64, error)
	Close() error
}

// Target is a database that a restore fills.
type Target interface {
	// Begin prepares an empty database for the schema: tables without what is better
	// made after the load. plan identifies the restore: called again with the same plan
	// it resumes, with another one, or on a database with other content, it returns
	// ErrNotEmpty and changes nothing.
	Begin(ctx context.Context, plan string, schema *Schema) error
	// Loaded returns the units that are durably in the target, with their row counts.
	Loaded(ctx context.Context) (map[string]int64, error)
	// Load inserts rows and records unit, in one transaction. A unit that was recorded
	// before must not be given again. Concurrent calls are allowed up to Workers.
	Load(ctx context.Context, unit string, table *Table, rows iter.Seq2[[]byte, error]) (int64, error)
	// Workers is how many concurrent Loads make sense.
	Workers() int
	// Finish makes indexes, keys, checks, triggers and all other objects, and reseeds
	// identities and sequences to counters. Afterwards the database is complete and
	// durable. Idempotent.
	Finish(ctx context.Context, counters map[string]int64) error
	// Check looks, in a finished database, for damage that the hashes of rows do not show.
	// It changes nothing, and may run beside views.
	Check(ctx context.Context) error
	// View opens a view for verification: Rows and Counters work on a target, Changes
	// yields nothing.
	View(ctx context.Context) (View, error)
	// ForgetProgress removes the restore's own records (progress) from the target; call it
	// when the restore has been verified.
	ForgetProgress(ctx context.Context) error
	Close() error
}

// Replayer is a restored database that follows the log transaction by transaction.
type Replayer interface {
	// Position is the Seq of the last transaction applied; ok is false before the first.
	Position(ctx context.Context) (seq uint64, ok bool, err error)
	// SetPosition declares that the database holds exactly transactions 1..seq.
	SetPosition(ctx context.Context, seq uint64) error
	// Apply applies one transaction and its position in one database transaction. A seq
	// at or below the position is skipped; a gap is an error. Triggers of the
	// application and captured-change triggers do not fire for it.
	Apply(ctx context.Context, seq uint64, changes []Change) error
}
