package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
)

// maxObject bounds one object in memory, in bytes: four times the largest segment.
const maxObject = 1 << 30

// ErrChanged: an object is not what was written a moment ago.
var ErrChanged = errors.New("object reads back other than it was written")

// Repairs is what Repair did, by region.
type Repairs struct {
	Copied   []string  `json:"copied"`   // were missing
	Replaced []string  `json:"replaced"` // were damaged
	Left     []Finding `json:"left"`     // see their Advice
	Bytes    int64     `json:"bytes"`
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
// stores says. It never overwrites. With replace it deletes damaged objects first, each
// when its good bytes are in memory. Every object is read back. It stops at the first
// error, with what it did; calling it again after another Verify is safe.
func Repair(ctx context.Context, s Stores, found *Report, replace bool) (*RepairReport, error) {
	r := &RepairReport{}
	if found.Primary == nil || s.Primary == nil {
		return r, errors.New("repair needs both regions' stores: what one lacks comes from the other")
	}
	// In order of names: chunks before the manifests that make them a snapshot.
	if err := heal(ctx, s.Primary, s.Mirror, found.Mirror.Findings, replace, &r.Mirror); err != nil {
		return r, fmt.Errorf("repair the mirror: %w", err)
	}
	if err := heal(ctx, s.Mirror, s.Primary, found.Primary.Findings, replace, &r.Primary); err != nil {
		return r, fmt.Errorf("repair the primary: %w", err)
	}
	return r, nil
}

func heal(ctx context.Context, from, to blob.Store, findings []Finding, replace bool, done *Repairs) error {
	*done = Repairs{Copied: []string{}, Replaced: []string{}, Left: []Finding{}}
	for _, f := range findings {
		if !f.Elsewhere || f.Problem == Damaged && !replace {
			done.Left = append(done.Left, f)
			continue
		}
		if err := done.heal(ctx, from, to, f); err != nil {
			return err
		}
	}
	return nil
}

// heal copies what heals one finding, and deletes a damaged object: before its own good
// bytes are written, which are in memory then, or after those of objects with other names.
func (r *Repairs) heal(ctx context.Context, from, to blob.Store, f Finding) error {
	for _, name := range f.From {
		if name != f.Object {
			if _, err := to.Stat(ctx, name); err == nil {
				continue // if it is damaged, it has a finding of its own
			} else if !errors.Is(err, blob.ErrNotExist) {
				return err
			}
		}
		body, err := blob.ReadAll(ctx, from, name, maxObject)
		if err != nil {
			return err
		}
		if f.Problem == Damaged && name == f.Object {
			if err := to.Delete(ctx, name); err != nil {
				return err
			}
		}
		if err := put(ctx, to, name, body); err != nil {
			return err
		}
		r.Bytes += int64(len(body))
		if f.Problem == Damaged && name == f.Object {
			r.Replaced = append(r.Replaced, name)
		} else if !slices.Contains(r.Copied, name) {
			r.Copied = append(r.Copied, name)
		}
	}
	if f.Problem == Damaged && !slices.Contains(f.From, f.Object) {
		r.Replaced = append(r.Replaced, f.Object)
		return to.Delete(ctx, f.Object)
	}
	return nil
}

func put(ctx context.Context, to blob.Store, name string, body []byte) error {
	if err := to.Create(ctx, name, body); err != nil {
		return err
	}
	there, err := blob.ReadAll(ctx, to, name, maxObject)
	if err == nil && !bytes.Equal(there, body) {
		err = fmt.Errorf("%s: %w", name, ErrChanged)
	}
	return err
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
