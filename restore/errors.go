package restore

import (
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
)

// Errors a caller may test for with errors.Is. Damage to an object of a snapshot comes
// as a *DamageError around one of eventlog.ErrCorrupt, eventlog.ErrTruncated,
// eventlog.ErrNewerVersion, or blob.ErrNotExist when it is missing.
var (
	// ErrOutsideWindow: the target is not a provable restore point; see *WindowError.
	ErrOutsideWindow = errors.New("not a provable restore point")
	// ErrNoSnapshot: the store holds no usable snapshot at all.
	ErrNoSnapshot = errors.New("no usable snapshot")
	// ErrMismatch: what was restored or scanned is not what the log and the snapshot say.
	ErrMismatch = errors.New("state hash does not match")
	// ErrInconsistent: snapshot and log contradict each other, row by row. Neither is
	// damaged as bytes, so the capture missed a change or both were mixed up.
	ErrInconsistent = errors.New("snapshot and log contradict each other")
	// ErrTooLarge: something does not fit the format or the memory limit.
	ErrTooLarge = errors.New("too large")
)

// DamageError is something wrong with one object of a snapshot.
type DamageError struct {
	Object string // its name in the store
	Err    error
}

func (e *DamageError) Error() string { return "snapshot object " + e.Object + ": " + e.Err.Error() }
func (e *DamageError) Unwrap() error { return e.Err }

// Point is one restore point.
type Point struct {
	Seq  eventlog.Seq `json:"seq"`
	Time time.Time    `json:"time"` // UTC; of the transaction, zero if unknown
}

func (p *Point) String() string {
	if p == nil {
		return "none"
	}
	if p.Time.IsZero() {
		return fmt.Sprintf("seq %d", uint64(p.Seq))
	}
	return fmt.Sprintf("seq %d of %s", uint64(p.Seq), p.Time.UTC().Format(time.RFC3339Nano))
}

// WindowError says why a target cannot be proven and which points nearest to it can.
type WindowError struct {
	Target        Target
	Reason        string
	Before, After *Point // nil: none on that side
}

func (e *WindowError) Error() string {
	return fmt.Sprintf("cannot restore to %s: %s; nearest provable point before: %s, after: %s",
		e.Target, e.Reason, e.Before, e.After)
}

// Unwrap makes errors.Is(err, ErrOutsideWindow) true.
func (e *WindowError) Unwrap() error { return ErrOutsideWindow }
