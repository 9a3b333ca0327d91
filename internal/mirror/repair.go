package mirror

import (
	"context"
	"errors"
	"fmt"

	"lifeboat/eventlog"
)

// ErrChanged: an object is not what was written a moment ago.
var ErrChanged = errors.New("object reads back other than it was written")

// Repairs is what Repair did, by region.
type Repairs struct {
	Copied   []string  `json:"copied"`   // what was missing, many small segments as packs
	Replaced []string  `json:"replaced"` // were damaged
	Left     []Finding `json:"left"`     // see their Advice
	Bytes    int64     `json:"bytes"`    // of the objects copied and replaced
}

// RepairReport is what Repair did.
type RepairReport struct {
	Primary Repairs `json:"primary"`
	Mirror  Repairs `json:"mirror"`
}

// Left are the findings of both regions that stay.
func (r *RepairReport) Left() []Finding {
	return append(append([]Finding{}, r.Mirror.Left...), r.Primary.Left...)
}

// Repair copies what one region lacks from the other, as a report of Verify on the same
// stores says, many objects at once. It never overwrites. With replace it deletes damaged
// objects first, each when its good bytes are in memory. Every object is read back. It
// stops at the first error, with what it did; calling it again after another Verify is
// safe. It holds some 64 MiB of objects in memory, or one that is larger.
func Repair(ctx context.Context, s Stores, found *Report, replace bool) (*RepairReport, error) {
	r := &RepairReport{}
	if found.Primary == nil || s.Primary == nil {
		return r, errors.New("repair needs both regions' stores: what one lacks comes from the other")
	}
	to := healer{from: s.Primary, to: s.Mirror, source: found.Primary, target: found.Mirror, replace: replace, done: &r.Mirror}
	if err := to.heal(ctx, found.Mirror.Findings); err != nil {
		return r, fmt.Errorf("repair the mirror: %w", err)
	}
	to = healer{from: s.Mirror, to: s.Primary, source: found.Mirror, target: found.Primary, replace: replace, done: &r.Primary}
	if err := to.heal(ctx, found.Primary.Findings); err != nil {
		return r, fmt.Errorf("repair the primary: %w", err)
	}
	return r, nil
}

// Lag is how far the mirror is behind the primary.
type Lag struct {
	Transactions uint64            `json:"transactions"`
	Segments     int               `json:"segments"`
	Bytes        int64             `json:"bytes"`   // of the segments, as stored
	Seconds      float64           `json:"seconds"` // between the last times of the two logs
	Primary      eventlog.Position `json:"primary"`
	Mirror       eventlog.Position `json:"mirror"`
}

// Measure reads where both logs end and the headers of the segments between.
// eventlog.ErrDiverged: the mirror's log is no beginning of the primary's.
func Measure(ctx context.Context, s Stores) (*Lag, error) {
	l := &Lag{}
	var err error
	// The mirror first: what is written between the two looks can only add to the lag.
	if l.Mirror, err = eventlog.OpenLog(s.Mirror).End(ctx); err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	log := eventlog.OpenLog(s.Primary)
	if l.Primary, err = log.End(ctx); err != nil {
		return nil, fmt.Errorf("primary: %w", err)
	}
	for info, err := range log.Headers(ctx, l.Mirror) {
		if err != nil {
			return nil, fmt.Errorf("primary: %w", err)
		}
		l.Segments++
		l.Transactions += info.Transactions()
		l.Bytes += info.Size
	}
	if l.Segments > 0 && !l.Mirror.Time.IsZero() {
		l.Seconds = max(0, l.Primary.Time.Sub(l.Mirror.Time).Seconds())
	}
	return l, nil
}
