package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
	"lifeboat/internal/readiness"
	"lifeboat/internal/readiness/measure"
)

// readinessResult is what readiness prints with --json.
type readinessResult struct {
	Version int              `json:"version"`
	Kept    bool             `json:"kept"`
	Sample  readiness.Sample `json:"sample"`
}

func (a *app) readinessCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "readiness",
		Short: "Measure how ready the DR region is; with --keep add it to the history",
		Long: `Measure exposure, mirror lag, the newest snapshot and the provable window from the two stores, and
add what was marked before: the last audit, restore proof, drill and forecast. Run it with --keep every
night; the status page and the monthly report show the history.`,
		Args: noArgs,
	}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		of, err := o.open(cmd.Context())
		if err != nil {
			return err
		}
		s, err := a.measure(cmd.Context(), of)
		if err != nil {
			return err
		}
		if keep {
			if err := readiness.Keep(cmd.Context(), of.dr, s); err != nil {
				return err
			}
		}
		return a.report(readinessResult{1, keep, s}, func(w io.Writer) {
			line(w, "snapshot\tseq %d\t%s", s.Snapshot.Seq, utc(s.Snapshot.At))
			line(w, "restorable\tseq %d to %d\t%s to %s", s.From.Seq, s.To.Seq, utc(s.From.At), utc(s.To.At))
			if s.Exposed != nil {
				line(w, "exposed\t%d transactions\t%.3f s", *s.Exposed, *s.Seconds)
			}
			printEvent(w, "last audit", s.Audit)
			printEvent(w, "last restore proof", s.Proof)
			printEvent(w, "last drill", s.Drill)
			if s.Forecast != nil {
				line(w, "forecast RTO\t%s\tof %s", span(lasting(*s.Forecast)), span(incident.OutageLimit))
			}
		})
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "add the measurement to the history in the mirror's store")
	cmd.AddCommand(a.readinessMarkCommand())
	return cmd
}

func printEvent(w io.Writer, name string, e readiness.Event) {
	switch {
	case e.At.IsZero():
		line(w, "%s\tnever", name)
	case e.OK:
		line(w, "%s\t%s\tpassed\t%s", name, utc(e.At), e.Detail)
	default:
		line(w, "%s\t%s\tFAILED\t%s", name, utc(e.At), e.Detail)
	}
}

func (a *app) readinessMarkCommand() *cobra.Command {
	var failed bool
	var detail string
	var took time.Duration
	kinds := []string{string(readiness.Audited), string(readiness.Proved), string(readiness.Forecast)}
	cmd := &cobra.Command{
		Use:     "mark " + strings.Join(kinds, "|"),
		Short:   "Remember that an audit, a restore proof or a forecast was made now",
		Example: "  lifeboat restore --latest --into sqlite:proof.db && lifeboat readiness mark proof",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(kinds, args[0]) {
				return fmt.Errorf("%w: %q: %s wants one of %s", errUsage, args, cmd.CommandPath(), strings.Join(kinds, ", "))
			}
			return nil
		},
	}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		of, err := o.open(cmd.Context())
		if err != nil {
			return err
		}
		return readiness.Mark(cmd.Context(), of.dr, readiness.What(args[0]), readiness.Event{At: a.clock(), OK: !failed, Detail: detail}, took.Seconds())
	}
	f := cmd.Flags()
	f.BoolVar(&failed, "failed", false, "it failed")
	f.StringVar(&detail, "detail", "", "what to show beside it; no personal data")
	f.DurationVar(&took, "took", 0, "how long it took, or for a forecast will take")
	return cmd
}

// measure looks at the stores and at the last drill of the register. The primary's being
// away is an unknown figure, not an error.
func (a *app) measure(ctx context.Context, of *office) (readiness.Sample, error) {
	s, err := measure.Stores(ctx, of.primary, of.dr, a.clock())
	if errors.Is(err, measure.ErrExposure) {
		a.logger().Warn("the primary was not looked at", "err", err)
	} else if err != nil {
		return s, err
	}
	r, _, err := of.book.Record(ctx)
	if err != nil {
		return s, err
	}
	for _, d := range r.Register.Drills {
		if d.At.After(s.Drill.At) {
			s.Drill = readiness.Event{At: d.At, OK: d.Passed, Detail: fmt.Sprintf("RTO %s", span(time.Duration(d.RTOSeconds)*time.Second))}
		}
	}
	return s, nil
}

// record reads everything people wrote, with the duties' beginning.
func (o *office) record(ctx context.Context) (incident.Record, []incident.Finding, error) {
	r, damage, err := o.book.Record(ctx)
	r.Since = o.since
	return r, damage, err
}
