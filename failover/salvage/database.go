package salvage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lifeboat/eventlog"
	"lifeboat/failover/run"
	"lifeboat/internal/agent"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/restore"
)

// Database restores and protects the database of a place. It implements run.Database.
type Database struct {
	DR blob.Store
	// Mirror opens the new one; nil in a drill, or when there is none yet. It is not asked
	// before users are served again: it may be where the region was lost.
	Mirror     func(context.Context) (blob.Store, error)
	MirrorName string // its URL, without secrets
	Target     func(ctx context.Context, url string) (database.Target, error)
	Source     func(ctx context.Context, url string) (database.Source, error)
	// Agents: the stack runs an agent of its own, so that Protect waits for what that one
	// does. Else Protect takes the first base itself and leaves the agent to whoever
	// starts one.
	Agents bool
	// Attach lets the stack reach the new mirror; Protect calls it first. nil: nothing to do.
	Attach func(context.Context) error
	// Reason is why Protect begins an epoch; kept in the log. It names the run.
	Reason string
	// Patience is how long Protect waits for the stack's agent. 0: 30 minutes.
	Patience time.Duration
	Poll     time.Duration // between two looks at it. 0: 5 s
	Memory   int64
	TempDir  string
	Log      *slog.Logger
	Clock    func() time.Time
}

var _ run.Database = (*Database)(nil)

// Restore implements run.Database.
func (d *Database) Restore(ctx context.Context, at run.Place, seq eventlog.Seq, say func(string)) (out run.Restored, err error) {
	plan, _, err := restore.Prepare(ctx, d.DR, restore.AtSeq(seq))
	if err != nil {
		return out, err
	}
	target, err := d.Target(ctx, at.Database)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	r, err := restore.Run(ctx, restore.Config{
		Store: d.DR, Memory: d.Memory, TempDir: d.TempDir, Log: d.Log, Clock: d.Clock, KeepProgress: true,
		Progress: restore.Tenths(func(p restore.Progress) { say(p.String()) }),
	}, plan, target)
	if err != nil {
		return out, err
	}
	out = run.Restored{PlanID: r.PlanID, Seq: r.Point.Seq, Time: r.Point.Time, Rows: r.Rows, Seconds: map[string]float64{}}
	for _, t := range r.Tables {
		out.Tables = append(out.Tables, run.TableProof{Name: t.Name, Rows: t.Rows, Expected: t.Expected.String(), Actual: t.State.String()})
	}
	for _, s := range r.Steps {
		out.Seconds[s.Name] = s.Seconds
	}
	return out, nil
}

// Arm implements run.Database.
func (d *Database) Arm(ctx context.Context, at run.Place) error {
	if err := d.forget(ctx, at); err != nil {
		return err
	}
	return d.withSource(ctx, at, func(s database.Source) error {
		_, err := s.Install(ctx)
		return err
	})
}

// forget takes the restore's records out of the database.
func (d *Database) forget(ctx context.Context, at run.Place) error {
	target, err := d.Target(ctx, at.Database)
	if err != nil {
		return err
	}
	return restore.Forget(ctx, target)
}

// Armed implements run.Database. Capture is installed after the restore's records are
// gone, so that it is there says that they are.
func (d *Database) Armed(ctx context.Context, at run.Place) (armed bool, err error) {
	err = d.withSource(ctx, at, func(s database.Source) error {
		_, perr := s.Pending(ctx)
		if errors.Is(perr, database.ErrNotInstalled) {
			return nil
		}
		if perr != nil {
			return perr
		}
		statements, _, err := s.InstallPlan(ctx)
		armed = err == nil && len(statements) == 0
		return err
	})
	return armed, err
}

func (d *Database) withSource(ctx context.Context, at run.Place, do func(database.Source) error) (err error) {
	s, err := d.Source(ctx, at.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return do(s)
}

const (
	agentPatience = 30 * time.Minute
	agentPoll     = 5 * time.Second
)

// Protect implements run.Database.
func (d *Database) Protect(ctx context.Context, at run.Place, after eventlog.Epoch) (run.Protection, error) {
	if d.Mirror == nil {
		return run.Protection{}, nil // the region serves; the report says that it has no mirror
	}
	if d.Attach != nil {
		if err := d.Attach(ctx); err != nil {
			return run.Protection{}, fmt.Errorf("let the stack reach %s: %w", d.MirrorName, err)
		}
	}
	if !d.Agents {
		if err := d.takeBase(ctx, at); err != nil {
			return run.Protection{}, err
		}
	}
	p, done, err := d.Protected(ctx, at, after)
	if done || err != nil {
		return p, err
	}
	if !d.Agents {
		return p, errors.New("the new mirror does not hold the base that was just taken")
	}
	return d.await(ctx, at, after)
}

func (d *Database) takeBase(ctx context.Context, at run.Place) error {
	mirror, err := d.Mirror(ctx)
	if err != nil {
		return err
	}
	return d.withSource(ctx, at, func(s database.Source) error {
		_, err := agent.TakeBase(ctx, agent.Config{
			Source: s, Primary: d.DR, Mirror: mirror, Reason: d.Reason,
			Memory: d.Memory, TempDir: d.TempDir, Log: d.Log, Clock: d.Clock,
		})
		return err
	})
}

// await waits for the agent that the stack runs.
func (d *Database) await(ctx context.Context, at run.Place, after eventlog.Epoch) (run.Protection, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.Patience, agentPatience))
	defer cancel()
	tick := time.NewTicker(cmp.Or(d.Poll, agentPoll))
	defer tick.Stop()
	var last error // a store that does not answer for a moment is no reason to stop waiting
	for {
		select {
		case <-ctx.Done():
		case <-tick.C:
			p, done, err := d.Protected(ctx, at, after)
			if done {
				return p, nil
			}
			if ctx.Err() == nil {
				last = err
			}
		}
		if err := ctx.Err(); err != nil {
			return run.Protection{}, errors.Join(fmt.Errorf("the stack's agent has made no base in %s: look at its log: %w", d.MirrorName, err), last)
		}
	}
}

// Protected implements run.Database: the new mirror restores to a point of an epoch after
// the fence's.
func (d *Database) Protected(ctx context.Context, _ run.Place, after eventlog.Epoch) (run.Protection, bool, error) {
	if d.Mirror == nil {
		return run.Protection{}, false, nil
	}
	mirror, err := d.Mirror(ctx)
	if err != nil {
		return run.Protection{}, false, err
	}
	epochs, err := eventlog.OpenLog(mirror).Epochs(ctx)
	if err != nil || len(epochs) == 0 || epochs[len(epochs)-1].Epoch <= after {
		return run.Protection{}, false, err
	}
	plan, _, err := restore.Prepare(ctx, mirror, restore.Latest())
	if errors.Is(err, restore.ErrNoSnapshot) || errors.Is(err, restore.ErrOutsideWindow) {
		return run.Protection{}, false, nil
	}
	if err != nil {
		return run.Protection{}, false, err
	}
	base := plan.Base()
	p := run.Protection{Epoch: epochs[len(epochs)-1].Epoch, Mirror: d.MirrorName, Base: base.Position.Seq}
	return p, true, nil
}
