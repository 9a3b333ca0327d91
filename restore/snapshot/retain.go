package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/restore"
)

// RetainConfig is what Retain needs.
type RetainConfig struct {
	Store  blob.Store // one store at a time: each is planned by what it holds itself
	Policy Policy
	DryRun bool // delete nothing, report the same
	// Grace protects chunks that no manifest names yet, because a snapshot is being taken:
	// 24 h if 0.
	Grace time.Duration
	Clock func() time.Time // nil: time.Now
}

// RetainReport is what Retain removed, or would remove.
type RetainReport struct {
	Plan          *RetentionPlan `json:"-"`
	DryRun        bool           `json:"dry_run"`
	Removed       int            `json:"removed_snapshots"`
	RemovedChunks int            `json:"removed_chunks"`
	RemovedBytes  int64          `json:"removed_bytes"`
	// Refused are objects that the store protects (immutability); they stay, and a later
	// run tries again.
	Refused []string `json:"refused"`
}

// Retain removes the snapshots that the policy does not keep, then the chunks that no
// snapshot needs any more. Crashing anywhere loses nothing that is kept: a manifest goes
// before its chunks, and what is left over goes in the next run. The log is not touched:
// see RetentionPlan.LogFrom.
func Retain(ctx context.Context, cfg RetainConfig) (*RetainReport, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Grace == 0 {
		cfg.Grace = 24 * time.Hour
	}
	codec, err := restore.NewCodec(1)
	if err != nil {
		return nil, err
	}
	r := &retainer{cfg: cfg, codec: codec, report: &RetainReport{DryRun: cfg.DryRun, Refused: []string{}}}
	if err := r.run(ctx); err != nil {
		return r.report, fmt.Errorf("apply retention: %w", err)
	}
	return r.report, nil
}

type retainer struct {
	cfg    RetainConfig
	codec  *restore.Codec
	report *RetainReport
}

func (r *retainer) run(ctx context.Context) error {
	inv, err := restore.SurveyAll(ctx, r.cfg.Store)
	if err != nil {
		return err
	}
	// What cannot be used must not make something older superfluous.
	if err := restore.MarkMissing(ctx, r.cfg.Store, inv); err != nil {
		return err
	}
	pins, err := restore.ReadPins(ctx, r.cfg.Store, r.cfg.Clock())
	if err != nil {
		return err
	}
	if r.report.Plan, err = PlanRetention(inv, pins, r.cfg.Policy, r.cfg.Clock()); err != nil {
		return err
	}
	gone := make(map[eventlog.Digest]restore.Snapshot)
	for _, s := range r.report.Plan.Remove {
		removed, err := r.remove(ctx, s.Name())
		if err != nil {
			return err
		}
		if removed {
			r.report.Removed++
			gone[s.Digest] = s
		}
	}
	if len(r.report.Plan.Blocked) > 0 {
		return nil
	}
	live, err := r.live(ctx, gone)
	if err != nil || live == nil {
		return err
	}
	return r.sweep(ctx, live)
}

// remove deletes one object, or in a dry run says that it would.
func (r *retainer) remove(ctx context.Context, name string) (bool, error) {
	if r.cfg.DryRun {
		return true, nil
	}
	err := r.cfg.Store.Delete(ctx, name)
	if errors.Is(err, blob.ErrPermanent) {
		r.report.Refused = append(r.report.Refused, fmt.Sprintf("%s: %v", name, err))
		return false, nil
	}
	return err == nil, err
}

// live is every object that some snapshot needs, as of now: manifests and pins are read
// again, since a snapshot or a restore may have begun meanwhile. A pinned snapshot that
// has just been removed still counts; one that is unknown blocks, then live is nil.
func (r *retainer) live(ctx context.Context, gone map[eventlog.Digest]restore.Snapshot) (map[eventlog.Digest]bool, error) {
	snapshots, damage, err := restore.ReadSnapshots(ctx, r.cfg.Store, r.codec)
	if err != nil {
		return nil, err
	}
	pins, err := restore.ReadPins(ctx, r.cfg.Store, r.cfg.Clock())
	if err != nil {
		return nil, err
	}
	for _, d := range damage {
		r.report.Plan.Blocked = append(r.report.Plan.Blocked, d.Object+": "+d.Detail)
	}
	var kept []restore.Snapshot
	present := make(map[eventlog.Digest]bool)
	for _, s := range snapshots {
		present[s.Digest] = true
		if _, goes := gone[s.Digest]; !goes { // in a dry run they are still there
			kept = append(kept, s)
		}
	}
	for _, p := range pins {
		for _, d := range p.Snapshots {
			if s, was := gone[d]; was {
				kept = append(kept, s)
			} else if !present[d] {
				r.report.Plan.Blocked = append(r.report.Plan.Blocked, "pinned and gone: "+p.Reason)
			}
		}
	}
	live := make(map[eventlog.Digest]bool)
	for _, s := range kept {
		refs, err := r.codec.Objects(ctx, r.cfg.Store, s.Manifest)
		var broken *restore.DamageError
		if errors.As(err, &broken) {
			r.report.Plan.Blocked = append(r.report.Plan.Blocked, fmt.Sprintf("%s cannot be read, so nobody knows which chunks the snapshot at seq %d needs", broken.Object, uint64(s.Position.Seq)))
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			live[ref.Digest] = true
		}
	}
	if len(r.report.Plan.Blocked) > 0 {
		return nil, nil
	}
	return live, nil
}

// sweep removes chunks that nothing needs and that are older than the grace.
func (r *retainer) sweep(ctx context.Context, live map[eventlog.Digest]bool) error {
	oldest := r.cfg.Clock().Add(-r.cfg.Grace)
	for info, err := range r.cfg.Store.List(ctx, restore.ChunkPrefix, "") {
		if err != nil {
			return fmt.Errorf("list chunks: %w", err)
		}
		d, ok := restore.ParseChunkName(info.Name)
		if !ok || live[d] || info.Created.After(oldest) {
			continue
		}
		removed, err := r.remove(ctx, info.Name)
		if err != nil {
			return err
		}
		if removed {
			r.report.RemovedChunks++
			r.report.RemovedBytes += info.Size
		}
	}
	return nil
}
