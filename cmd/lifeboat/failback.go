package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/salvage"
	"lifeboat/internal/blob"
)

func (a *app) failbackCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "failback PLAN",
		Short: "Go back: run an approved plan of kind failback",
		Long: `Go back to the region that was lost, when it is there again: the same steps as a failover, the other
way. The configuration names what serves now: its database, its store as primary.store, and the store that
it mirrors to, in the region to go back to, as mirror.store. Plan with 'lifeboat failover plan --kind
failback'; 'lifeboat failback orphans' shows first what the old primary held alone.

Nothing of the old database is used, and nothing is merged: what comes back is what serves now.`,
		Example: `  lifeboat failover plan --kind failback
  lifeboat failback b2603081030`,
		Args: planArg(1),
	}
	b := a.bridgeFlags(cmd, true)
	cmd.Flags().StringVar(&o.incident, "incident", "", "enter beginning and end of the recovery in this incident's record; needs a key to sign with")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		br, err := b.open(cmd.Context())
		if err != nil {
			return err
		}
		p, err := br.plan(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if p.Kind != failover.Failback {
			return fmt.Errorf("%w: plan %s is a %s: use 'lifeboat failover run %s'", errUsage, p.ID, p.Kind, p.ID)
		}
		return a.runPlan(cmd.Context(), b, br, p, o)
	}
	cmd.AddCommand(a.orphansCommand())
	return cmd
}

func (a *app) orphansCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "orphans",
		Short: "List what the old primary's log held alone, transaction by transaction",
		Long: `List every transaction that the primary's store holds beyond a takeover: they were never acknowledged,
are not in the log, and are kept where they are. For each, the rows that it removed (-) and added (+) are
shown by key, so that people can decide, one by one, what to enter again. Nothing is merged.`,
		Args: noArgs,
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, err := a.settings(thePrimary | theMirror)
		if err != nil {
			return err
		}
		old, err := a.stores(file).patient(cmd.Context(), file.Primary)
		if err != nil {
			return err
		}
		dr, err := a.stores(file).patient(cmd.Context(), file.Mirror)
		if err != nil {
			return err
		}
		n, err := a.orphans(cmd.Context(), old, dr)
		if err == nil && !a.json {
			line(a.stdout, "%d transactions that nobody was told are safe", n)
		}
		return err
	}
	return cmd
}

// orphans prints what the old store holds beyond each takeover in the other's log.
func (a *app) orphans(ctx context.Context, old, dr blob.Store) (n int, err error) {
	epochs, err := eventlog.OpenLog(dr).Epochs(ctx)
	if err != nil {
		return 0, err
	}
	for _, e := range epochs {
		found, err := salvage.Orphans(ctx, old, e.End)
		if err != nil {
			return n, err
		}
		for _, info := range found {
			m, err := a.printSegment(ctx, eventlog.OpenLog(old), info)
			if n += m; err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// printSegment prints the transactions of one segment and counts them.
func (a *app) printSegment(ctx context.Context, log *eventlog.Log, info eventlog.SegmentInfo) (n int, err error) {
	seg, err := log.Segment(ctx, info.Epoch, info.Slot)
	if err != nil {
		return 0, err
	}
	p := &eventPrinter{app: a, schema: seg.Schema()}
	for e, err := range seg.Events() {
		if err != nil {
			return n, err
		}
		if e.Schema != nil {
			p.schema = e.Schema
		}
		if e.Tx == nil {
			continue
		}
		if _, err := p.print(seg, e); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
