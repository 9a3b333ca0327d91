package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/internal/config"
	"lifeboat/restore/snapshot"
)

func (a *app) retentionCommand() *cobra.Command {
	return group("retention", "Show or remove the snapshots that no rule keeps",
		a.retentionVerb("plan", "Show what stays and why, and what would go; removes nothing"),
		a.retentionVerb("apply", "Remove the snapshots that no rule keeps, and the chunks that nothing needs any more"))
}

// retentionPolicy is the configuration's; nil if everything is to be kept.
func retentionPolicy(file *config.File) *snapshot.Policy {
	r := file.Retention
	if r.KeepDays == 0 {
		return nil
	}
	return &snapshot.Policy{KeepDays: r.KeepDays, Monthly: r.Monthly, Yearly: r.Yearly}
}

// retentionResult is what the verbs print with --json.
type retentionResult struct {
	Version int             `json:"version"`
	Stores  []retainedStore `json:"stores"`
}

type retainedStore struct {
	Region string `json:"region"`
	*snapshot.RetainReport
	Keep    []keptLine     `json:"keep"`
	Remove  []snapshotLine `json:"remove"`
	LogFrom eventlog.Seq   `json:"log_from"` // restore points that are kept need the log after it
	Blocked []string       `json:"blocked"`  // why no chunk may be removed for now
	Hazards []string       `json:"hazards"`  // what else changes this store, see hazardous
}

type keptLine struct {
	snapshotLine
	Reasons []string `json:"reasons"`
}

func (a *app) retentionVerb(verb, short string) *cobra.Command {
	var only string
	var flags config.Retention
	var dryRun bool
	cmd := &cobra.Command{
		Use:   verb,
		Short: short,
		Long: short + `, in both stores, each by what it holds itself.

Every restore point of the last retention.keep_days is kept, and the newest snapshot of each of the last
months and years; whatever a kept snapshot is built on; the newest usable snapshot; and what a running
restore reads. The log is kept whole. What the store protects (immutability) stays, is reported, and is
tried again next time. A store that something else changes, such as a lifecycle rule, is refused.`,
		Args: noArgs,
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	cmd.Flags().StringVar(&only, "only", "", "look at one region's store: primary or mirror (default: both)")
	cmd.Flags().IntVar(&flags.KeepDays, "keep-days", 0, "instead of retention.keep_days of the configuration")
	cmd.Flags().IntVar(&flags.Monthly, "monthly", 0, "instead of retention.monthly of the configuration")
	cmd.Flags().IntVar(&flags.Yearly, "yearly", 0, "instead of retention.yearly of the configuration")
	if verb == "apply" {
		cmd.Flags().BoolVar(&dryRun, "dry-run", false, "remove nothing: the same as retention plan")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		stores, file, err := a.eachStore(cmd.Context(), only)
		if err != nil {
			return err
		}
		for name, to := range map[string]*int{"keep-days": &file.Retention.KeepDays, "monthly": &file.Retention.Monthly, "yearly": &file.Retention.Yearly} {
			if cmd.Flags().Changed(name) {
				*to = map[string]int{"keep-days": flags.KeepDays, "monthly": flags.Monthly, "yearly": flags.Yearly}[name]
			}
		}
		if err := file.Validate(); err != nil {
			return err
		}
		if file.Retention.KeepDays == 0 {
			return fmt.Errorf("%w: retention.keep_days is not set, so everything is kept: give --keep-days or write it in the configuration", errUsage)
		}
		return a.retain(cmd.Context(), file, stores, verb == "plan" || dryRun)
	}
	return cmd
}

func (a *app) retain(ctx context.Context, file *config.File, stores []regionStore, dryRun bool) error {
	result := retentionResult{Version: 1, Stores: []retainedStore{}}
	var hazards []string
	for _, r := range stores {
		found, err := a.stores(file).hazards(ctx, r.Region)
		if err != nil {
			return err
		}
		for _, h := range found {
			hazards = append(hazards, r.Name+": "+h)
		}
		if len(found) > 0 && !dryRun {
			continue
		}
		report, err := snapshot.Retain(ctx, snapshot.RetainConfig{Store: r.store, Policy: *retentionPolicy(file), DryRun: dryRun, Clock: a.clock})
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		result.Stores = append(result.Stores, describeRetained(r.Name, report, found))
	}
	if err := a.report(result, func(w io.Writer) { printRetained(w, result) }); err != nil {
		return err
	}
	if len(hazards) > 0 {
		return fmt.Errorf("%w: something else changes what is stored, nothing was removed there: %s", errRefused, strings.Join(hazards, "; "))
	}
	return nil
}

func describeRetained(region string, r *snapshot.RetainReport, hazards []string) retainedStore {
	s := retainedStore{
		Region: region, RetainReport: r, Keep: []keptLine{}, Remove: []snapshotLine{},
		LogFrom: r.Plan.LogFrom.Seq, Blocked: append([]string{}, r.Plan.Blocked...), Hazards: append([]string{}, hazards...),
	}
	for _, k := range r.Plan.Keep {
		s.Keep = append(s.Keep, keptLine{describeSnapshot(k.Snapshot), k.Reasons})
	}
	for _, g := range r.Plan.Remove {
		s.Remove = append(s.Remove, describeSnapshot(g))
	}
	return s
}

func printRetained(w io.Writer, r retentionResult) {
	for _, s := range r.Stores {
		for _, k := range s.Keep {
			line(w, "%s\tkeep\tseq %d\t%s\t%s\t%s", s.Region, uint64(k.Seq), k.Kind, utc(k.Created), strings.Join(k.Reasons, "; "))
		}
		for _, g := range s.Remove {
			line(w, "%s\tremove\tseq %d\t%s\t%s\t%d bytes", s.Region, uint64(g.Seq), g.Kind, utc(g.Created), g.Bytes)
		}
		removed := "removed"
		if s.DryRun {
			removed = "would remove"
		}
		line(w, "%s\t%s\t%d snapshots, %d chunks, %d bytes", s.Region, removed, s.Removed, s.RemovedChunks, s.RemovedBytes)
		for _, why := range s.Blocked {
			line(w, "%s\tblocked\tno chunk is removed: %s", s.Region, why)
		}
		for _, why := range s.Refused {
			line(w, "%s\tkept\tthe store refuses: %s", s.Region, why)
		}
		for _, why := range s.Hazards {
			line(w, "%s\tdanger\t%s", s.Region, why)
		}
	}
}
