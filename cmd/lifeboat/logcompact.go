package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/pace"
	"lifeboat/internal/config"
)

// regionStore is a region's store, opened.
type regionStore struct {
	config.Region
	store blob.Store
}

// eachStore opens both regions' stores, the mirror's first, or the one that is named.
func (a *app) eachStore(ctx context.Context, only string) ([]regionStore, *config.File, error) {
	need, ok := map[string]place{"": thePrimary | theMirror, "primary": thePrimary, "mirror": theMirror}[only]
	if !ok {
		return nil, nil, fmt.Errorf("%w: --only %q: want primary or mirror", errUsage, only)
	}
	file, err := a.settings(need)
	if err != nil {
		return nil, nil, err
	}
	var list []regionStore
	for _, r := range []struct {
		bit place
		config.Region
	}{{theMirror, file.Mirror}, {thePrimary, file.Primary}} {
		if need&r.bit == 0 {
			continue
		}
		s, err := a.stores(file).patient(ctx, r.Region)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, regionStore{r.Region, s})
	}
	return list, file, nil
}

// compactResult is what log compact prints with --json.
type compactResult struct {
	Version int              `json:"version"`
	Stores  []compactedStore `json:"stores"`
}

type compactedStore struct {
	Region string `json:"region"`
	*eventlog.CompactReport
}

func (a *app) logCompactCommand() *cobra.Command {
	var only string
	var rate config.Size
	var keep time.Duration
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Join small segments into packs, so that a restore reads few objects",
		Long: `Join small segments of the log into packs, and small packs into large ones, in both stores; the agent
does the same on its schedule. What a pack holds is deleted once the pack has been read back whole in
that store and the segment is older than log.keep_segments. What the store protects (immutability) stays,
is reported, and is tried again next time. It is safe beside an agent, restores and another compaction.`,
		Args: noArgs,
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing; say what would be joined and deleted")
	cmd.Flags().StringVar(&only, "only", "", "compact one region's store: primary or mirror (default: both)")
	cmd.Flags().Var(&rate, "rate", "read and write at most so much a second (default: as fast as it goes)")
	cmd.Flags().DurationVar(&keep, "keep-segments", 0, "keep packed segments as objects of their own for so long (default: log.keep_segments of the configuration)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		stores, file, err := a.eachStore(cmd.Context(), only)
		if err != nil {
			return err
		}
		if !cmd.Flags().Changed("keep-segments") {
			keep = file.Log.KeepSegments
		}
		if keep < 0 {
			return fmt.Errorf("%w: --keep-segments %s is negative", errUsage, keep)
		}
		result := compactResult{Version: 1}
		for _, r := range stores {
			report, err := eventlog.Compact(cmd.Context(), eventlog.CompactConfig{
				Store: pace.New(r.store, int64(rate)), Delete: true, KeepSmall: keep, DryRun: dryRun, Clock: a.clock, Log: a.logger(),
			})
			if err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			result.Stores = append(result.Stores, compactedStore{r.Name, report})
		}
		return a.report(result, func(w io.Writer) { printCompacted(w, result) })
	}
	return cmd
}

func printCompacted(w io.Writer, r compactResult) {
	for _, s := range r.Stores {
		packed, deleted := "packed", "deleted"
		if s.DryRun {
			packed, deleted = "would pack", "would delete"
		}
		line(w, "%s\t%s\t%d segments into %d packs", s.Region, packed, s.Segments, len(s.Packs))
		line(w, "\t%s\t%d objects, %d bytes", deleted, s.Deleted, s.Freed)
		if s.Kept > 0 {
			line(w, "\tkept\t%d objects, too young", s.Kept)
		}
		if s.KeptWhy != "" {
			line(w, "\tkept\tthe store refuses: %s", s.KeptWhy)
		}
	}
}
