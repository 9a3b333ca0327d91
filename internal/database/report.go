package database

import (
	"context"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Report is what a doctor found out about a database that is to be protected. Its lists
// are in order of names; empty is good. It holds no secret.
type Report struct {
	Product  string            `json:"product"`
	Version  string            `json:"version"`
	Edition  string            `json:"edition,omitempty"`
	Database string            `json:"database"`
	Settings map[string]string `json:"settings"`

	Capture string `json:"capture"` // "not installed", "installed" or "installed for another schema"
	Pending int64  `json:"pending_changes"`
	Fenced  string `json:"fenced,omitempty"` // the reason, if the database refuses writes

	Blocked    []string `json:"blocked,omitempty"`             // what stands in the way of capture or snapshots, and the remedy
	Missing    []string `json:"missing_permissions,omitempty"` // "PERMISSION on WHAT (for what)"
	Refused    []string `json:"refused,omitempty"`             // what cannot be captured, by name, and why
	NotCarried []string `json:"not_carried,omitempty"`
	Warnings   []string `json:"warnings,omitempty"`
	Triggers   []string `json:"triggers,omitempty"` // the application's own

	Tables          int     `json:"tables"`
	Rows            int64   `json:"rows"`             // about, where the engine only estimates
	Bytes           int64   `json:"bytes"`            // of all canonical rows, estimated from samples
	SnapshotBytes   int64   `json:"snapshot_bytes"`   // the same, compressed as the samples were
	SnapshotSeconds float64 `json:"snapshot_seconds"` // reading all rows at the samples' rate
}

// Ready tells whether capture can be installed and drained.
func (r *Report) Ready() bool {
	return len(r.Blocked) == 0 && len(r.Missing) == 0 && len(r.Refused) == 0 && r.Fenced == ""
}

// Doctor is a Source that can say what stands in the way of protecting its database.
type Doctor interface {
	// Doctor looks at the database without changing anything. What cannot be captured is
	// part of the report, not an error.
	Doctor(ctx context.Context) (*Report, error)
}

// Samples are the first rows of each table, until either limit is met.
const (
	sampleRows = 2000
	sampleTime = 10 * time.Second
)

// Estimate reads samples of every table in a view and scales them up to the number of
// rows that count gives.
func (r *Report) Estimate(ctx context.Context, v View, count func(*Table) (int64, error), clock func() time.Time) error {
	schema := v.Schema()
	s := sample{clock: clock, began: clock()}
	for i := range schema.Tables {
		t := &schema.Tables[i]
		rows, err := count(t)
		if err != nil {
			return fmt.Errorf("count the rows of table %s: %w", t.Name, err)
		}
		r.Rows += rows
		if err := s.table(ctx, v, t, rows); err != nil {
			return err
		}
	}
	r.Bytes, r.SnapshotSeconds = s.bytes, s.reading.Seconds()
	r.SnapshotBytes = int64(float64(s.bytes) * s.ratio())
	return nil
}

// sample is what the doctor has read of the tables so far.
type sample struct {
	clock   func() time.Time
	began   time.Time
	held    []byte
	bytes   int64         // of all rows, estimated
	reading time.Duration // of all rows, estimated
}

func (s *sample) table(ctx context.Context, v View, t *Table, rows int64) error {
	if rows == 0 || s.clock().Sub(s.began) > sampleTime {
		return nil
	}
	n, before, from := int64(0), len(s.held), s.clock()
	for row, err := range v.Rows(ctx, t) {
		if err != nil {
			return err
		}
		s.held = append(s.held, row...)
		if n++; n == sampleRows || s.clock().Sub(s.began) > sampleTime {
			break
		}
	}
	if n == 0 {
		return nil
	}
	parts := float64(max(rows, n)) / float64(n)
	s.bytes += int64(float64(len(s.held)-before) * parts)
	s.reading += time.Duration(float64(s.clock().Sub(from)) * parts)
	return nil
}

// ratio is how small the samples become when they are compressed as snapshots are.
func (s *sample) ratio() float64 {
	encoder, err := zstd.NewWriter(nil)
	if err != nil || len(s.held) == 0 {
		return 1
	}
	return min(1, float64(len(encoder.EncodeAll(s.held, nil)))/float64(len(s.held)))
}
