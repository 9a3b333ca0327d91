package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lifeboat/internal/config"
	"lifeboat/internal/mirror"
)

func (a *app) mirrorCommand() *cobra.Command {
	return group("mirror", "Compare the two regions' stores, and heal one from the other",
		a.mirrorStatusCommand(), a.mirrorVerifyCommand(), a.mirrorRepairCommand())
}

// mirrorStatus, mirrorVerify and mirrorRepair are what the verbs print with --json.
type (
	mirrorStatus struct {
		Version int `json:"version"`
		*mirror.Lag
	}
	mirrorVerify struct {
		Version int `json:"version"`
		*mirror.Report
	}
	mirrorRepair struct {
		Version int `json:"version"`
		*mirror.RepairReport
	}
)

// bothStores opens the stores of both regions, or the mirror's alone.
func (a *app) bothStores(ctx context.Context, mirrorOnly bool) (s mirror.Stores, err error) {
	need := thePrimary | theMirror
	if mirrorOnly {
		need = theMirror
	}
	file, err := a.settings(need)
	if err != nil {
		return s, err
	}
	if s.Mirror, err = a.stores(file).patient(ctx, file.Mirror); err != nil || mirrorOnly {
		return s, err
	}
	s.Primary, err = a.stores(file).patient(ctx, file.Primary)
	return s, err
}

func (a *app) mirrorStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how far the mirror is behind, in transactions, bytes and seconds",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.bothStores(cmd.Context(), false)
			if err != nil {
				return err
			}
			l, err := mirror.Measure(cmd.Context(), s)
			if err != nil {
				return err
			}
			return a.report(mirrorStatus{1, l}, func(w io.Writer) {
				line(w, "primary ends at\t%s\t%s", l.Primary, utc(l.Primary.Time))
				line(w, "mirror ends at\t%s\t%s", l.Mirror, utc(l.Mirror.Time))
				line(w, "behind by\t%d transactions\t%d bytes in %d segments\t%.3f s", l.Transactions, l.Bytes, l.Segments, l.Seconds)
			})
		},
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	return cmd
}

func (a *app) mirrorVerifyCommand() *cobra.Command {
	var rate config.Size
	var alone bool
	var resume string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read everything in both stores, compare them, and name what is wrong and what it costs; repairs nothing",
		Long: `Read everything in both stores, check every hash and every link, compare the two, and name what is wrong
and which restore points that costs. It repairs nothing.

With --resume FILE it can be interrupted: it notes there what it found whole, and a later run with the same
file reads only the rest. The file is removed when everything has been read.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.bothStores(cmd.Context(), alone)
			if err != nil {
				return err
			}
			r, err := verifyMirror(cmd.Context(), s, mirror.Options{Rate: int64(rate)}, resume)
			if err != nil {
				return err
			}
			if err := a.report(mirrorVerify{1, r}, func(w io.Writer) { printMirror(w, r) }); err != nil {
				return err
			}
			return foundError(r.Findings())
		},
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	cmd.Flags().Var(&rate, "rate", "read at most so much a second from each store (default: as fast as it goes)")
	cmd.Flags().BoolVar(&alone, "mirror-only", false, "read the mirror's store alone, as if the primary were lost")
	cmd.Flags().StringVar(&resume, "resume", "", "keep in this file how far it got, and go on from there")
	return cmd
}

// verifyMirror verifies, noting in a file how far it got if there is to be one.
func verifyMirror(ctx context.Context, s mirror.Stores, o mirror.Options, resume string) (r *mirror.Report, err error) {
	if resume != "" {
		if o.Pass, err = mirror.OpenPass(resume); err != nil {
			return nil, fmt.Errorf("%w: --resume: %w", errUsage, err)
		}
		defer func() { err = errors.Join(err, o.Pass.Close(err == nil)) }()
	}
	return mirror.Verify(ctx, s, o)
}

func (a *app) mirrorRepairCommand() *cobra.Command {
	var rate config.Size
	var replace bool
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Verify both stores, then copy what one lacks from the other, never overwriting",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			s, err := a.bothStores(ctx, false)
			if err != nil {
				return err
			}
			found, err := mirror.Verify(ctx, s, mirror.Options{Rate: int64(rate)})
			if err != nil {
				return err
			}
			r, err := mirror.Repair(ctx, s, found, replace)
			return errors.Join(err, a.report(mirrorRepair{1, r}, func(w io.Writer) {
				printRepairs(w, "mirror", r.Mirror)
				printRepairs(w, "primary", r.Primary)
			}), foundError(r.Left()))
		},
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	cmd.Flags().Var(&rate, "rate", "read at most so much a second from each store while verifying (default: as fast as it goes)")
	cmd.Flags().BoolVar(&replace, "replace-damaged", false, "also delete damaged objects that the other store has whole, and copy them")
	return cmd
}

func printMirror(w io.Writer, r *mirror.Report) {
	for _, side := range []struct {
		name string
		*mirror.Side
	}{{"mirror", r.Mirror}, {"primary", r.Primary}} {
		if side.Side == nil {
			line(w, "%s\tnot looked at", side.name)
			continue
		}
		line(w, "%s\t%d objects\tlog ends at %s", side.name, side.Objects, side.Log.End)
		for _, window := range side.Window {
			line(w, "  restorable\tseq %d to %d", uint64(window.From.Seq), uint64(window.To.Seq))
		}
		for _, lost := range side.Lost {
			line(w, "  lost\tseq %d to %d", uint64(lost.From.Seq), uint64(lost.To.Seq))
		}
		printFindings(w, side.Findings)
	}
}

func printFindings(w io.Writer, findings []mirror.Finding) {
	for _, f := range findings {
		line(w, "  %s\t%s\t%s", f.Problem, f.Object, f.Detail)
		line(w, "    costs\ttransactions: %s; snapshots: %v", seqRange(f.Transactions), f.Snapshots)
		line(w, "    do\t%s", f.Advice)
	}
	if len(findings) == 0 {
		line(w, "  damage\tnone")
	}
}

func printRepairs(w io.Writer, name string, r mirror.Repairs) {
	line(w, "%s\t%d objects copied\t%d replaced\t%d bytes", name, len(r.Copied), len(r.Replaced), r.Bytes)
	printFindings(w, r.Left)
}

func foundError(findings []mirror.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	return fmt.Errorf("%w in %d objects, first %s: %s", errDamage, len(findings), findings[0].Object, findings[0].Detail)
}
