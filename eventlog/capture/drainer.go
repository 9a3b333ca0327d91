package capture

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
)

// Config is what a Drainer needs.
type Config struct {
	Source database.Source
	Writer *eventlog.Writer
	Log    *slog.Logger     // nil: discard
	Clock  func() time.Time // nil: time.Now

	// OnSchemaChange is called with a view of the database in its new schema and the
	// position that the view is at, after the new schema is durable in the log and
	// before any barrier is answered again. It must make a new base durable in both
	// stores. It does not close the view. It is called again after an error, and after a
	// restart if the log has a schema record that no call has answered in this process.
	OnSchemaChange func(ctx context.Context, view database.View, at eventlog.Position) error
}

// Drainer moves captured changes from the database into the log. It is safe for
// concurrent use. One Drainer per database.
type Drainer struct{}

// Result answers a barrier.
type Result struct {
	Seq       eventlog.Seq `json:"seq"`        // everything committed before the call is at or below
	DurableAt time.Time    `json:"durable_at"` // UTC
}

var errNotReady = errors.New("not implemented yet")

// New checks the configuration. It does not touch the database.
func New(cfg Config) (*Drainer, error) { return nil, errNotReady }

// Drain appends what the database has captured since the last pass and returns the Seq
// of the last transaction in the log. It does not wait for the stores.
func (d *Drainer) Drain(ctx context.Context) (eventlog.Seq, error) { return 0, errNotReady }

// Barrier returns when everything that was committed before the call is durable in both
// stores. Callers share drains. Errors are those of eventlog.Writer.WaitDurable; with
// eventlog.ErrDegraded the result is valid and held by the local store only.
func (d *Drainer) Barrier(ctx context.Context) (Result, error) { return Result{}, errNotReady }

// View opens a view of the database whose first read was a drain: it is exactly
// transactions 1 to Position.Seq, and they are durable. The caller closes it.
func (d *Drainer) View(ctx context.Context) (database.View, eventlog.Position, error) {
	return nil, eventlog.Position{}, errNotReady
}

// Run drains every interval, and at once when a barrier waits, and lets the database
// forget what is durable, until ctx ends (nil) or the writer stops (its error).
func (d *Drainer) Run(ctx context.Context, interval time.Duration) error { return errNotReady }
