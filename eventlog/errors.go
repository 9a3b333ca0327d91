package eventlog

import "errors"

// Errors a caller may test for with errors.Is. Damage to an object comes as an
// ObjectError around one of ErrCorrupt, ErrTruncated, ErrNewerVersion, ErrGap.
var (
	// ErrFenced: another writer has begun a later epoch, or the log has moved to another
	// store. This writer can never again be acknowledged; do not retry with it.
	ErrFenced = errors.New("fenced")
	// ErrMoved comes with ErrFenced when the log lives in another store by now: whatever is
	// committed here can never become durable again.
	ErrMoved = errors.New("the log has moved")
	// ErrNotDurable: the wait ended first. The transaction may still become durable.
	ErrNotDurable = errors.New("not durable yet")
	// ErrDegraded: the local store has it, the mirror does not, and the writer was told
	// to go on without. It is not durable.
	ErrDegraded = errors.New("held by the local store only")
	// ErrClosed: the writer was closed.
	ErrClosed = errors.New("log writer is closed")
	// ErrTooLarge: a row, transaction or batch is beyond what a segment may hold.
	// Nothing of it was appended.
	ErrTooLarge = errors.New("too large for the log")
	// ErrNoSchema: transactions were appended before any schema, or change a table that
	// the schema in force does not have.
	ErrNoSchema = errors.New("no schema for this change")

	// ErrCorrupt: the bytes are not what was written.
	ErrCorrupt = errors.New("corrupt")
	// ErrTruncated: the object ends early; what there is may be intact.
	ErrTruncated = errors.New("truncated")
	// ErrNewerVersion: a later release of Lifeboat wrote this; use that one to read it.
	ErrNewerVersion = errors.New("newer format version than this program reads")
	// ErrGap: an object that must exist is missing.
	ErrGap = errors.New("missing from the log")
	// ErrDiverged: two stores, or a store and a position, hold different histories.
	ErrDiverged = errors.New("histories have diverged")
	// ErrOtherStream: the store holds another log.
	ErrOtherStream = errors.New("another log")
)

// ObjectError is something wrong with one object of a store.
type ObjectError struct {
	Object string // its name in the store
	Err    error
}

func (e *ObjectError) Error() string { return "log object " + e.Object + ": " + e.Err.Error() }
func (e *ObjectError) Unwrap() error { return e.Err }
