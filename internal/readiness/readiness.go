package readiness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/versioned"
)

// Format is the version of a kept sample.
const Format = 1

const (
	root      = "readiness/"
	maxSample = 64 << 10 // bytes
)

// Errors a caller may test for with errors.Is.
var (
	// ErrCorrupt: a kept sample cannot be read.
	ErrCorrupt = errors.New("readiness sample is damaged")
	// ErrNewerFormat: kept by a newer lifeboat.
	ErrNewerFormat = errors.New("readiness sample has a newer format than this lifeboat knows")
)

var sampleKind = versioned.Kind{Field: "format", Known: Format, Damaged: ErrCorrupt, Newer: ErrNewerFormat}

// Event is when something was last done, and whether it succeeded.
type Event struct {
	At     time.Time `json:"at,omitzero"` // zero = never
	OK     bool      `json:"ok"`
	Detail string    `json:"detail,omitempty"`
}

// Point is a restore point.
type Point struct {
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at,omitzero"`
}

// Sample is how ready the DR region is at a time. A nil figure is unknown.
type Sample struct {
	Format  int       `json:"format"`
	At      time.Time `json:"at"`
	Exposed *uint64   `json:"exposed_transactions,omitempty"` // committed, not in both regions
	Seconds *float64  `json:"exposed_seconds,omitempty"`      // since the oldest of them
	Lag     *float64  `json:"mirror_lag_seconds,omitempty"`   // the mirror's newest commit behind the primary's
	// Degraded: the primary goes on without the mirror.
	Degraded bool     `json:"degraded"`
	Snapshot Point    `json:"snapshot"` // the newest
	From     Point    `json:"window_from"`
	To       Point    `json:"window_to"` // every point from From to To is provably restorable
	Holes    int      `json:"window_holes"`
	Audit    Event    `json:"audit"`
	Proof    Event    `json:"restore_proof"` // a restore whose every table matched its hash
	Drill    Event    `json:"drill"`
	Forecast *float64 `json:"forecast_rto_seconds,omitempty"`
}

// Keep adds the sample to the history. On nil it is durable.
func Keep(ctx context.Context, store blob.Store, s Sample) error {
	s.Format, s.At = Format, s.At.UTC().Truncate(time.Millisecond)
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode readiness: %w", err)
	}
	err = store.Create(ctx, name(s.At), body)
	if errors.Is(err, blob.ErrExists) {
		return nil // somebody looked in the same millisecond
	}
	if err != nil {
		return fmt.Errorf("keep readiness: %w", err)
	}
	return nil
}

// History reads the samples of [from, to) in their order, at most `most` of them, spread
// evenly over what there is; the newest is always among them.
func History(ctx context.Context, store blob.Store, from, to time.Time, most int) ([]Sample, error) {
	var names []string
	for info, err := range store.List(ctx, root, name(from.Add(-time.Millisecond))) {
		if err != nil {
			return nil, fmt.Errorf("list readiness: %w", err)
		}
		if info.Name >= name(to) {
			break
		}
		names = append(names, info.Name)
	}
	var samples []Sample
	for i := range min(most, len(names)) {
		pick := names[len(names)-1-i*len(names)/min(most, len(names))]
		s, err := read(ctx, store, pick)
		if err != nil {
			return nil, err
		}
		samples = append([]Sample{s}, samples...)
	}
	return samples, nil
}

func read(ctx context.Context, store blob.Store, name string) (Sample, error) {
	body, err := blob.ReadAll(ctx, store, name, maxSample)
	if err != nil {
		return Sample{}, err
	}
	s, err := versioned.Decode[Sample](sampleKind, body)
	if err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	if ms, err := strconv.ParseInt(path.Base(name), 10, 64); err != nil || !s.At.Equal(time.UnixMilli(ms)) {
		return s, fmt.Errorf("%s: %w: it is of %s", name, ErrCorrupt, s.At)
	}
	return s, nil
}

func name(t time.Time) string { return fmt.Sprintf("%s%016d", root, max(0, t.UnixMilli())) }
