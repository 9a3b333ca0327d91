package readiness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/versioned"
)

// What is something that is done again and again, and remembered.
type What string

// What is remembered.
const (
	Audited  What = "audit" // the database was compared with its log
	Proved   What = "proof" // a restore was compared, table by table, with its hashes
	Forecast What = "rto"   // a failover was planned; Seconds is its predicted time
	// Preflight: everything that a failover needs was asked; Seconds is how long that took.
	Preflight What = "preflight"
)

const marks = root + "marks/"

// mark is an Event as it is kept.
type mark struct {
	Format  int       `json:"format"`
	At      time.Time `json:"at"`
	OK      bool      `json:"ok"`
	Detail  string    `json:"detail,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
}

// Mark remembers that something was done at e.At. seconds is how long it took or will take,
// where that matters. On nil it is durable; the first of two in one millisecond stays.
func Mark(ctx context.Context, store blob.Store, what What, e Event, seconds float64) error {
	if !slices.Contains([]What{Audited, Proved, Forecast, Preflight}, what) {
		return fmt.Errorf("mark %q: want %s, %s, %s or %s", what, Audited, Proved, Forecast, Preflight)
	}
	at := e.At.UTC().Truncate(time.Millisecond)
	body, err := json.Marshal(mark{Format, at, e.OK, e.Detail, seconds})
	if err != nil {
		return fmt.Errorf("encode mark: %w", err)
	}
	err = store.Create(ctx, fmt.Sprintf("%s%s/%016d", marks, what, at.UnixMilli()), body)
	if err != nil && !errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("mark %s: %w", what, err)
	}
	return nil
}

// Latest is the last mark of its kind; the zero Event when there never was one.
func Latest(ctx context.Context, store blob.Store, what What) (Event, float64, error) {
	last := ""
	for info, err := range store.List(ctx, marks+string(what)+"/", "") {
		if err != nil {
			return Event{}, 0, fmt.Errorf("list marks: %w", err)
		}
		last = info.Name
	}
	if last == "" {
		return Event{}, 0, nil
	}
	body, err := blob.ReadAll(ctx, store, last, maxSample)
	if err != nil {
		return Event{}, 0, err
	}
	m, err := versioned.Decode[mark](sampleKind, body)
	if err != nil {
		return Event{}, 0, fmt.Errorf("%s: %w", last, err)
	}
	return Event{At: m.At, OK: m.OK, Detail: m.Detail}, m.Seconds, nil
}
