package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lifeboat/restore/snapshot"
)

// snapshotVerifyResult is what snapshot verify prints with --json.
type snapshotVerifyResult struct {
	Version int `json:"version"`
	*snapshot.VerifyReport
}

func (a *app) snapshotVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every object of every snapshot back and name whatever is wrong; repairs nothing",
		Args:  noArgs,
	}
	from := a.storeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		store, _, err := from.open(cmd.Context())
		if err != nil {
			return err
		}
		bars := &stepBars{app: a}
		r, err := snapshot.Verify(cmd.Context(), store, bars.progress)
		bars.done()
		if err != nil {
			return err
		}
		if err := a.report(snapshotVerifyResult{1, r}, func(w io.Writer) { printSnapshotVerify(w, r) }); err != nil {
			return err
		}
		if len(r.Damage) > 0 {
			return fmt.Errorf("%w in %d objects, first %s: %s", errDamage, len(r.Damage), r.Damage[0].Object, r.Damage[0].Detail)
		}
		return nil
	}
	return cmd
}

func printSnapshotVerify(w io.Writer, r *snapshot.VerifyReport) {
	line(w, "snapshots\t%d", r.Snapshots)
	line(w, "objects\t%d", r.Objects)
	line(w, "bytes\t%d", r.Bytes)
	for _, d := range r.Damage {
		line(w, "damaged\t%s\t%s\tneeded by snapshots %v", d.Object, d.Detail, d.Snapshots)
	}
	for _, window := range r.Window {
		line(w, "restorable\tseq %d to %d", uint64(window.From.Seq), uint64(window.To.Seq))
	}
	for _, lost := range r.Lost {
		line(w, "lost\tseq %d to %d", uint64(lost.From.Seq), uint64(lost.To.Seq))
	}
	if len(r.Damage) == 0 {
		line(w, "damage\tnone")
	}
}
