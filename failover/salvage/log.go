package salvage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"lifeboat/eventlog"
	"lifeboat/failover/run"
	"lifeboat/internal/blob"
)

// Log is the event log that changes hands. It implements run.Log.
type Log struct {
	DR  blob.Store // the log's home from now on
	Old blob.Store // nil: lost
	// Reason is kept in the log for good. It has to be this run's alone: by it Fenced
	// knows what this run has done.
	Reason string
	// Quiesce makes the old database refuse writes; it is called when the log has been
	// taken over, so that whoever can still write there finds out. nil: it is lost.
	Quiesce func(ctx context.Context, reason string) error
	Log     *slog.Logger
	Clock   func() time.Time
}

var _ run.Log = (*Log)(nil)

// Fence implements run.Log.
func (l *Log) Fence(ctx context.Context) (run.Fence, error) {
	if f, done, err := l.Fenced(ctx); err != nil || done {
		return f, err
	}
	r, err := eventlog.Takeover(ctx, eventlog.TakeoverConfig{DR: l.DR, Old: l.Old, Reason: l.Reason, Log: l.Log, Clock: l.Clock})
	if err != nil {
		return run.Fence{}, err
	}
	f := run.Fence{Epoch: r.Epoch, End: r.End, Orphans: r.Orphans}
	for _, c := range r.Copied {
		f.Copied += c.Transactions()
	}
	f.Database = l.quiesce(ctx)
	return f, nil
}

// quiesce tells what became of the old database. Nothing here may hold the recovery up:
// what it commits from now on is never acknowledged, whether or not it can be told.
func (l *Log) quiesce(ctx context.Context) string {
	if l.Quiesce == nil {
		return "lost: its agent makes it refuse writes if it ever starts again"
	}
	if err := l.Quiesce(ctx, l.Reason); err != nil {
		return "could not be told: " + err.Error()
	}
	return "refuses writes"
}

// Fenced implements run.Log. How much was copied is known to the process that did it
// alone; what was set aside is looked up.
func (l *Log) Fenced(ctx context.Context) (run.Fence, bool, error) {
	epochs, err := eventlog.OpenLog(l.DR).Epochs(ctx)
	if err != nil {
		return run.Fence{}, false, err
	}
	for _, e := range epochs {
		if !e.Takeover || e.Reason != l.Reason {
			continue
		}
		f := run.Fence{Epoch: e.Epoch, End: e.End, Database: l.quiesce(ctx)}
		if f.Orphans, err = l.orphans(ctx, e); err != nil {
			return f, false, err
		}
		return f, true, nil
	}
	return run.Fence{}, false, nil
}

// orphans are the segments beyond the end of the epoch that next ended, in either store.
func (l *Log) orphans(ctx context.Context, next eventlog.EpochInfo) ([]eventlog.SegmentInfo, error) {
	var all []eventlog.SegmentInfo
	for _, store := range []blob.Store{l.DR, l.Old} {
		if store == nil {
			continue
		}
		found, err := Orphans(ctx, store, next)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Orphans lists the segments that a store holds of the epoch before next, beyond where that
// ended: they were never acknowledged and are not in the log.
func Orphans(ctx context.Context, store blob.Store, next eventlog.EpochInfo) ([]eventlog.SegmentInfo, error) {
	var found []eventlog.SegmentInfo
	ended := next.Epoch - 1
	if ended == 0 {
		return nil, nil // nothing was before the first
	}
	first, after := eventlog.SegmentName(ended, 0), ""
	if next.End.Epoch == ended { // else nothing of it is in the log
		after = eventlog.SegmentName(ended, next.End.Slot)
	}
	for info, err := range store.List(ctx, path.Dir(first)+"/", after) {
		if err != nil {
			return nil, fmt.Errorf("list orphans: %w", err)
		}
		slot, err := eventlog.ParseSlot(path.Base(info.Name))
		if err != nil {
			continue // not a slot's object
		}
		seg, err := eventlog.OpenLog(store).Segment(ctx, ended, slot)
		switch {
		case errors.Is(err, eventlog.ErrGap):
			continue // the fence itself
		case err != nil:
			return nil, fmt.Errorf("orphan %s: %w", info.Name, err)
		}
		found = append(found, seg.Info())
	}
	return found, nil
}
