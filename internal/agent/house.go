package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/pace"
	"lifeboat/restore/snapshot"
)

const (
	retainEvery = 24 * time.Hour
	// houseRate leaves the line to the log while an old one is compacted for the first
	// time, in bytes a second and store. A day's log of 100 GiB still fits into a day.
	houseRate = 32 << 20
)

// keepHouse compacts the log in both stores and applies retention until ctx ends. What
// fails is logged and tried again: nothing that is committed depends on it.
func (a *Agent) keepHouse(ctx context.Context) {
	tick := time.NewTicker(a.cfg.CompactInterval)
	defer tick.Stop()
	var retained time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		retain := a.cfg.Clock().Sub(retained) >= retainEvery
		if retain {
			retained = a.cfg.Clock()
		}
		if err := a.tidy(ctx, retain); err != nil && ctx.Err() == nil {
			a.cfg.Log.Warn("compaction or retention failed; it will be tried again", "err", err)
		}
	}
}

// tidy goes through both stores, each by what it holds itself.
func (a *Agent) tidy(ctx context.Context, retain bool) (err error) {
	for region, store := range map[string]blob.Store{"primary": a.cfg.Primary, "mirror": a.cfg.Mirror} {
		slow := pace.New(store, houseRate)
		err = errors.Join(err, a.count("compact", a.compact(ctx, region, slow)))
		if retain && a.cfg.Retention != nil {
			err = errors.Join(err, a.count("retain", a.retain(ctx, region, slow)))
		}
	}
	return err
}

func (a *Agent) count(task string, err error) error {
	result := "done"
	if err != nil {
		result = "error"
	}
	a.metrics.housekeeping.WithLabelValues(task, result).Inc()
	return err
}

func (a *Agent) compact(ctx context.Context, region string, store blob.Store) error {
	r, err := eventlog.Compact(ctx, eventlog.CompactConfig{
		Store: store, Delete: true, KeepSmall: a.cfg.KeepSegments, Clock: a.cfg.Clock, Log: a.cfg.Log,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", region, err)
	}
	if len(r.Packs)+r.Deleted > 0 || r.KeptWhy != "" {
		a.cfg.Log.Info("log compacted", "region", region, "packs", len(r.Packs), "segments", r.Segments,
			"deleted", r.Deleted, "freed_bytes", r.Freed, "kept_why", r.KeptWhy)
	}
	return nil
}

func (a *Agent) retain(ctx context.Context, region string, store blob.Store) error {
	r, err := snapshot.Retain(ctx, snapshot.RetainConfig{Store: store, Policy: *a.cfg.Retention, Clock: a.cfg.Clock})
	if err != nil {
		return fmt.Errorf("%s: %w", region, err)
	}
	if r.Removed+r.RemovedChunks+len(r.Refused) > 0 {
		a.cfg.Log.Info("retention applied", "region", region, "snapshots", r.Removed, "chunks", r.RemovedChunks,
			"freed_bytes", r.RemovedBytes, "refused", len(r.Refused))
	}
	for _, why := range r.Plan.Blocked {
		a.cfg.Log.Warn("retention removes no chunk", "region", region, "why", why)
	}
	return nil
}
