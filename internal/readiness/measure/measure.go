// Package measure finds out how ready the DR region is from what the two stores hold.
//
// It owns the reading, readiness owns the sample. In short:
//
//	s, err := measure.Stores(ctx, primary, mirror, now) // primary may be nil: it is lost
//	err = readiness.Keep(ctx, mirror, s)
package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/readiness"
	"lifeboat/restore"
)

// ErrExposure: what only the primary holds could not be measured. The sample that comes
// with it is whole otherwise; its exposure is unknown.
var ErrExposure = errors.New("exposure not measured")

// Stores measures the window and the newest snapshot of the mirror's store, how far it is
// behind the primary's (nil: unknown), and what was marked of audits, proofs and forecasts.
// Drills are in the committee's register, which others read.
func Stores(ctx context.Context, primary, mirror blob.Store, now time.Time) (readiness.Sample, error) {
	s := readiness.Sample{At: now}
	inv, err := restore.SurveyAll(ctx, mirror)
	if err != nil {
		return s, err
	}
	if n := len(inv.Snapshots); n > 0 {
		newest := inv.Snapshots[n-1]
		s.Snapshot = readiness.Point{Seq: uint64(newest.Position.Seq), At: newest.Created}
	}
	if w := inv.Window(); len(w) > 0 {
		first, last := w[0].From, w[len(w)-1].To
		s.From, s.To = readiness.Point{Seq: uint64(first.Seq), At: first.Time}, readiness.Point{Seq: uint64(last.Seq), At: last.Time}
		s.Holes = len(w) - 1
	}
	if err := remembered(ctx, mirror, &s); err != nil {
		return s, err
	}
	if primary == nil {
		return s, nil
	}
	if err := exposure(ctx, primary, mirror, &s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrExposure, err)
	}
	return s, nil
}

func exposure(ctx context.Context, primary, mirror blob.Store, s *readiness.Sample) error {
	p, err := eventlog.OpenLog(primary).End(ctx)
	if err != nil {
		return err
	}
	m, err := eventlog.OpenLog(mirror).End(ctx)
	if err != nil {
		return err
	}
	var n uint64
	var seconds float64
	if p.Seq > m.Seq {
		n, seconds = uint64(p.Seq-m.Seq), p.Time.Sub(m.Time).Seconds()
	}
	s.Exposed, s.Seconds, s.Lag = &n, &seconds, &seconds
	return nil
}

func remembered(ctx context.Context, mirror blob.Store, s *readiness.Sample) (err error) {
	if s.Audit, _, err = readiness.Latest(ctx, mirror, readiness.Audited); err != nil {
		return err
	}
	if s.Proof, _, err = readiness.Latest(ctx, mirror, readiness.Proved); err != nil {
		return err
	}
	forecast, seconds, err := readiness.Latest(ctx, mirror, readiness.Forecast)
	if err == nil && !forecast.At.IsZero() {
		s.Forecast = &seconds
	}
	return err
}
