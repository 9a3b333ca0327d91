package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

const (
	// tendEvery is how often the keeper looks whether something is due. Looking costs the
	// headers of the segments written since.
	tendEvery = 5 * time.Second
	// firstAudit is how long after its start an agent audits at the latest, so that one
	// that is restarted every day still does.
	firstAudit = 10 * time.Minute
	// tooOften is after how many failures in a row a new base is tried instead of a delta:
	// what a delta needs may be damaged.
	tooOften = 3
)

// run takes snapshots and audits until ctx ends. Failures are logged, shown by /healthz,
// and tried again: what is committed goes on being protected by the log meanwhile.
func (k *keeper) run(ctx context.Context) error {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := k.tend(ctx); err != nil && ctx.Err() == nil {
			k.a.cfg.Log.Error("snapshot or audit failed; it will be tried again", "err", err)
		}
	}
}

// tend does what is due, one call at a time.
func (k *keeper) tend(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	if _, taken, _, _ := k.newestOf(); taken.IsZero() {
		return nil // the drainer is about to ask for the first base
	}
	why, err := k.due(ctx)
	if err == nil && why != "" {
		k.a.cfg.Log.Debug("snapshot due", "why", why)
		err = k.next(ctx)
	}
	if now := k.a.cfg.Clock(); !now.Before(k.nextAudit) {
		k.nextAudit = now.Add(k.a.cfg.AuditInterval)
		_, aerr := k.audit(ctx)
		err = errors.Join(err, aerr)
	}
	return err
}

// due says why a snapshot is due, "" if none is: see snapshot.Schedule for the interval,
// which follows the load.
func (k *keeper) due(ctx context.Context) (string, error) {
	s := k.a.cfg.Snapshots
	newest, taken, _, _ := k.newestOf()
	age := k.a.cfg.Clock().Sub(taken)
	if age < s.MinInterval {
		return "", nil
	}
	if k.read.Seq < newest.Position.Seq || k.read.IsZero() {
		k.read, k.grown = newest.Position, 0
	}
	for info, err := range eventlog.OpenLog(k.a.cfg.Primary).Headers(ctx, k.read) {
		if err != nil {
			return "", fmt.Errorf("measure the log since the newest snapshot: %w", err)
		}
		k.read, k.grown = info.End(), k.grown+info.Size
	}
	interval := snapshot.Schedule{Longest: s.MaxInterval, Budget: s.ReplayBudget}.Interval(k.grown, age)
	if age < interval {
		return "", nil
	}
	return fmt.Sprintf("the interval is %s with %d bytes of log since the newest", interval, k.grown), nil
}

// next takes the next snapshot from the log alone: a delta, and when there is much on one
// base, a new base merged from them.
func (k *keeper) next(ctx context.Context) error {
	newest, _, _, failed := k.newestOf()
	to := k.a.writer.Frontier().End
	if to.Seq == newest.Position.Seq {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.taken = k.a.cfg.Clock() // nothing has changed: the newest is as good as a new one
		return nil
	}
	if failed >= tooOften {
		return k.rebase(ctx)
	}
	err := k.make(ctx, restore.Delta, func() (*snapshot.Report, error) { return snapshot.Delta(ctx, k.cfg, newest, to) })
	if errors.Is(err, database.ErrSchemaChanged) {
		return nil // the drainer has seen it too, and asks for a base
	}
	if err != nil {
		return err
	}
	tip, _, chain, _ := k.newestOf()
	if !chain.Long(k.a.cfg.Snapshots.MaxDeltas) {
		return nil
	}
	return k.make(ctx, restore.RollForward, func() (*snapshot.Report, error) { return snapshot.RollForward(ctx, k.cfg, tip) })
}

// rebase takes a base from the database.
func (k *keeper) rebase(ctx context.Context) (err error) {
	view, at, err := k.a.drainer.View(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	return k.base(ctx, view, at)
}
