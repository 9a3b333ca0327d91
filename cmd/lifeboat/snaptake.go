package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"lifeboat/internal/agent"
	"lifeboat/internal/config"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// takeOptions are the flags of snapshot take.
type takeOptions struct{ base, rollForward bool }

func (a *app) snapshotTakeCommand() *cobra.Command {
	var o takeOptions
	cmd := &cobra.Command{
		Use:   "take",
		Short: "Take a snapshot now, beside the agent's schedule",
		Long: `Take an incremental snapshot from the log alone: the net changes since the newest snapshot. It does
not touch the database, and an agent may run meanwhile. With --roll-forward the increments are merged
into a new whole snapshot, again without the database.

With --base the whole database is scanned. That begins a new epoch of the log, so no agent may run
meanwhile: it would be fenced.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.base {
				return a.takeBase(cmd.Context())
			}
			return a.takeDelta(cmd.Context(), o.rollForward)
		},
	}
	a.flagsFor(cmd, theDatabase|thePrimary|theMirror)
	cmd.Flags().BoolVar(&o.base, "base", false, "scan the database; no agent may be running")
	cmd.Flags().BoolVar(&o.rollForward, "roll-forward", false, "merge the increments into a whole snapshot")
	cmd.MarkFlagsMutuallyExclusive("base", "roll-forward")
	return cmd
}

// takeResult is what snapshot take prints with --json.
type takeResult struct {
	Version  int          `json:"version"`
	Taken    bool         `json:"taken"` // false: nothing has changed since the newest
	Snapshot snapshotLine `json:"snapshot"`
}

func (a *app) reportTaken(s restore.Snapshot, taken bool) error {
	return a.report(takeResult{1, taken, describeSnapshot(s)}, func(w io.Writer) {
		if !taken {
			line(w, "nothing has changed since the newest snapshot:")
		}
		line(w, "SEQ\tKIND\tCREATED\tPARENT\tROWS\tENTRIES\tBYTES")
		printSnapshot(w, describeSnapshot(s))
	})
}

func (a *app) takeDelta(ctx context.Context, rollForward bool) error {
	file, err := a.settings(thePrimary | theMirror)
	if err != nil {
		return err
	}
	cfg, err := a.snapshotConfig(ctx, file)
	if err != nil {
		return err
	}
	plan, _, err := restore.Prepare(ctx, cfg.Stores[1], restore.Latest())
	if err != nil {
		return err
	}
	tip := plan.Tip()
	taken := len(plan.Segments) > 0 && plan.Point.Seq > tip.Position.Seq
	if taken {
		r, err := snapshot.Delta(ctx, cfg, tip, plan.Segments[len(plan.Segments)-1].End())
		if err != nil {
			return err
		}
		tip = r.Snapshot
	}
	if rollForward && !tip.Kind.Whole() {
		r, err := snapshot.RollForward(ctx, cfg, tip)
		if err != nil {
			return err
		}
		tip, taken = r.Snapshot, true
	}
	return a.reportTaken(tip, taken)
}

func (a *app) snapshotConfig(ctx context.Context, file *config.File) (snapshot.Config, error) {
	log := a.logger()
	bars := &stepBars{app: a}
	cfg := snapshot.Config{Memory: int64(file.Restore.Memory), TempDir: file.Restore.Scratch, Progress: bars.progress, Log: log, Clock: a.clock}
	for _, r := range []config.Region{file.Primary, file.Mirror} {
		s, err := a.stores(file).patient(ctx, r)
		if err != nil {
			return cfg, err
		}
		cfg.Stores = append(cfg.Stores, s)
	}
	return cfg, nil
}

// takeBase runs an agent just long enough.
func (a *app) takeBase(ctx context.Context) error {
	file, err := a.settings(theDatabase | thePrimary | theMirror)
	if err != nil {
		return err
	}
	return a.withAgentConfig(ctx, file, func(cfg agent.Config) error {
		cfg.Listen, cfg.Reason = "", "snapshot take --base"
		s, err := agent.TakeBase(ctx, cfg)
		if err != nil {
			return err
		}
		return a.reportTaken(s, true)
	})
}
