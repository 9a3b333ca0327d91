package budget

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"lifeboat/failover"
	"lifeboat/internal/blob"
	"lifeboat/internal/versioned"
	"lifeboat/restore"
)

// Format is the version of a kept observation.
const Format = 1

const (
	prefix         = "budget/"
	maxObservation = 64 << 10 // bytes
	// maxRead bounds how many observations count: the newest, as machines and clouds change.
	maxRead = 100
)

// Errors a caller may test for with errors.Is.
var (
	// ErrCorrupt: a kept observation cannot be read.
	ErrCorrupt = errors.New("observation is damaged")
	// ErrNewerFormat: kept by a newer lifeboat.
	ErrNewerFormat = errors.New("observation has a newer format than this lifeboat knows")
)

var observationKind = versioned.Kind{Field: "format", Known: Format, Damaged: ErrCorrupt, Newer: ErrNewerFormat}

// Work is how much a restore has to do.
type Work struct {
	Rows         int64 `json:"rows"`
	RowBytes     int64 `json:"row_bytes"` // canonical, uncompressed
	ReadBytes    int64 `json:"read_bytes"`
	LogBytes     int64 `json:"log_bytes"` // of ReadBytes, as stored
	Transactions int64 `json:"transactions"`
}

// WorkOf is the work of a restore plan.
func WorkOf(p *restore.Plan) Work {
	var w Work
	r := p.Report(restore.Rates{})
	w.Rows, w.ReadBytes, w.LogBytes, w.Transactions = r.Forecast.Rows, r.Forecast.ReadBytes, r.Log.Bytes, int64(r.Log.Transactions)
	w.RowBytes = p.Base().Raw()
	var rows int64
	for _, t := range p.Base().Tables {
		rows += t.Entries
	}
	if rows > 0 { // the deltas' rows are as wide as the base's
		w.RowBytes = int64(float64(w.RowBytes) * float64(w.Rows) / float64(rows))
	}
	return w
}

// Part is one measured stretch of time.
type Part struct {
	Name    string  `json:"name"` // a failover.StepName, or "restore: " and a step of package restore
	Seconds float64 `json:"seconds"`
}

// Observation is what one run did and took. It holds figures only.
type Observation struct {
	Format   int       `json:"format"`
	At       time.Time `json:"at"`       // when it ended, UTC
	Run      string    `json:"run"`      // id of the plan, or "restore"
	Database string    `json:"database"` // kind and SKU, as in Job.Database
	Work     Work      `json:"work"`
	Parts    []Part    `json:"parts"`
	Forecast float64   `json:"forecast_seconds"` // of the whole, as it was planned; 0 = was not
	Actual   float64   `json:"actual_seconds"`
}

// RestorePart names a step of a restore among the parts of a run.
func RestorePart(step string) string { return string(failover.StepRestore) + ": " + step }

// Restored is the observation of a restore on its own.
func Restored(at time.Time, database string, w Work, steps []restore.Step) Observation {
	o := Observation{At: at, Run: "restore", Database: database, Work: w}
	for _, s := range steps {
		o.Parts = append(o.Parts, Part{RestorePart(s.Name), s.Seconds})
		o.Actual += s.Seconds
	}
	return o
}

// Observe keeps an observation. On nil it is durable. Of two in one millisecond the first
// stays.
func Observe(ctx context.Context, store blob.Store, o Observation) error {
	o.Format, o.At = Format, o.At.UTC().Truncate(time.Millisecond)
	if o.Parts == nil {
		o.Parts = []Part{}
	}
	if err := o.check(); err != nil {
		return err
	}
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode observation: %w", err)
	}
	err = store.Create(ctx, fmt.Sprintf("%s%016d", prefix, max(0, o.At.UnixMilli())), body)
	if err != nil && !errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("keep observation: %w", err)
	}
	return nil
}

// Observations reads the newest observations, oldest first.
func Observations(ctx context.Context, store blob.Store) ([]Observation, error) {
	var names []string
	for info, err := range store.List(ctx, prefix, "") {
		if err != nil {
			return nil, fmt.Errorf("list observations: %w", err)
		}
		names = append(names, info.Name)
	}
	var seen []Observation
	for _, name := range names[max(0, len(names)-maxRead):] {
		body, err := blob.ReadAll(ctx, store, name, maxObservation)
		if err != nil {
			return nil, err
		}
		o, err := versioned.Decode[Observation](observationKind, body)
		if err == nil {
			err = o.check()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		seen = append(seen, o)
	}
	return seen, nil
}

// check refuses figures that would spoil every later forecast.
func (o Observation) check() error {
	figures := []float64{float64(o.Work.Rows), float64(o.Work.RowBytes), float64(o.Work.ReadBytes), float64(o.Work.LogBytes), o.Forecast, o.Actual}
	for _, p := range o.Parts {
		figures = append(figures, p.Seconds)
	}
	for _, x := range figures {
		if x < 0 || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%w: %g is no measurement", ErrCorrupt, x)
		}
	}
	return nil
}
