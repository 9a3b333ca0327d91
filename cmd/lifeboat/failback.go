package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/salvage"
	"lifeboat/internal/blob"
	"lifeboat/internal/config"
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

Nothing of the old database is used, and nothing is merged: what comes back is what serves now. With
--old-primary what the lost region's log held alone is counted in the report, and listed in the end.`,
		Example: `  lifeboat failover plan --kind failback
  lifeboat failback b2603081030 --old-primary azblob://bcdruksouth/lifeboat/production`,
		Args: planArg(1),
	}
	b := a.bridgeFlags(cmd, true)
	cmd.Flags().StringVar(&o.incident, "incident", "", "enter beginning and end of the recovery in this incident's record; needs a key to sign with")
	oldPrimaryFlag(cmd, &o.old)
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

func oldPrimaryFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "old-primary", "", "store of the region that was lost, "+storeForms()+": report what it held alone")
}

// oldPrimary is a store's URL as the journal keeps it: without a secret, and the same from
// every folder.
func oldPrimary(text string) (string, error) {
	u := config.URL(text)
	if u.HoldsSecret() {
		return "", fmt.Errorf("%w: --old-primary %s holds a secret, and the journal keeps it: give the address alone, and the secret in the account's variable", errUsage, u)
	}
	path, ok := strings.CutPrefix(text, "dir:")
	if !ok {
		return text, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%w: --old-primary %s: %w", errUsage, u, err)
	}
	return "dir:" + path, nil
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
		found, err := findOrphans(cmd.Context(), old, dr)
		if err != nil {
			return err
		}
		n, err := a.printOrphans(cmd.Context(), found)
		if err == nil && !a.json {
			line(a.stdout, "%d transactions that nobody was told are safe", n)
		}
		return err
	}
	return cmd
}

// orphans are what a store holds beyond each takeover in another's log.
type orphans struct {
	log      *eventlog.Log
	segments []eventlog.SegmentInfo
}

func findOrphans(ctx context.Context, old, dr blob.Store) (*orphans, error) {
	epochs, err := eventlog.OpenLog(dr).Epochs(ctx)
	if err != nil {
		return nil, err
	}
	all := &orphans{log: eventlog.OpenLog(old)}
	for _, e := range epochs {
		found, err := salvage.Orphans(ctx, old, e)
		if err != nil {
			return nil, err
		}
		all.segments = append(all.segments, found...)
	}
	return all, nil
}

// orphanCount is how much the lost region's log held alone.
type orphanCount struct {
	Transactions uint64 `json:"transactions"`
	Segments     int    `json:"segments"`
}

// count is nil where nobody has looked.
func (o *orphans) count() *orphanCount {
	if o == nil {
		return nil
	}
	n := orphanCount{Segments: len(o.segments)}
	for _, s := range o.segments {
		n.Transactions += s.Transactions()
	}
	return &n
}

// printOrphans lists them transaction by transaction, and counts these.
func (a *app) printOrphans(ctx context.Context, o *orphans) (n int, err error) {
	for _, info := range o.segments {
		m, err := a.printSegment(ctx, o.log, info)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// orphans looks for what the lost region held alone; nil if no such region is named.
func (e *expedition) orphans(ctx context.Context) (*orphans, error) {
	if e.options.old == "" {
		return nil, nil
	}
	old, err := e.app.stores(e.bridge.config).patient(ctx, config.Region{Name: "old primary", Store: config.URL(e.options.old)})
	if err != nil {
		return nil, err
	}
	return findOrphans(ctx, old, e.bridge.dr)
}

// orphanNotes are for the report. It names no rows: they are people's data.
func (e *expedition) orphanNotes(ctx context.Context) []string {
	found, err := e.orphans(ctx)
	if err != nil {
		return []string{fmt.Sprintf("old primary %s: what it held alone is not known: %v", config.URL(e.options.old), err)}
	}
	count := found.count()
	if count == nil || count.Transactions == 0 {
		return nil
	}
	return []string{fmt.Sprintf("old primary %s: %d transactions in %d segments that nobody was told are safe; 'lifeboat failback orphans' lists them row by row",
		config.URL(e.options.old), count.Transactions, count.Segments)}
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
