package main

import (
	"io"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
)

// takeoverResult is what takeover prints with --json.
type takeoverResult struct {
	Version int `json:"version"`
	*eventlog.TakeoverReport
}

func (a *app) takeoverCommand() *cobra.Command {
	var reason string
	var lost bool
	cmd := &cobra.Command{
		Use:   "takeover",
		Short: "End the old writer's reign and make the mirror the home of the log",
		Long: `End the reign of the log's writer, so that it can never again acknowledge anything, save what
only the primary's store has, and make the mirror's store the home of the log. Run it before a
restore whenever the primary region may still be alive in any way. It is safe to run again.

With --primary-lost the primary's store is not asked: what only it had is not saved.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.takeover(cmd, reason, lost) },
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the log for good")
	cmd.Flags().BoolVar(&lost, "primary-lost", false, "the primary's store cannot be read any more")
	_ = cmd.MarkFlagRequired("reason") // fails only for a flag that does not exist
	return cmd
}

func (a *app) takeover(cmd *cobra.Command, reason string, lost bool) error {
	need := theMirror | thePrimary
	if lost {
		need = theMirror
	}
	file, err := a.settings(need)
	if err != nil {
		return err
	}
	ctx, log := cmd.Context(), a.logger()
	dr, err := a.stores(file).patient(ctx, file.Mirror)
	if err != nil {
		return err
	}
	var old blob.Store
	if !lost {
		if old, err = a.stores(file).patient(ctx, file.Primary); err != nil {
			return err
		}
	}
	r, err := eventlog.Takeover(ctx, eventlog.TakeoverConfig{DR: dr, Old: old, Reason: reason, Log: log, Clock: a.clock})
	if err != nil {
		return err
	}
	return a.report(takeoverResult{1, r}, func(w io.Writer) {
		line(w, "epoch\t%d", uint32(r.Epoch))
		line(w, "log goes on after\t%s", r.End)
		line(w, "segments saved from the primary\t%d", len(r.Copied))
		var orphans uint64
		for _, o := range r.Orphans {
			orphans += o.Transactions()
		}
		line(w, "orphans\t%d transactions in %d segments", orphans, len(r.Orphans))
		line(w, "\nnext: lifeboat restore --latest --into %s", databaseForms())
	})
}
