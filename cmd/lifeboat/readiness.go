package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/failover/incident"
	"lifeboat/internal/blob"
	"lifeboat/internal/readiness"
	"lifeboat/restore"
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
			for name, e := range map[string]readiness.Event{"audit": s.Audit, "restore proof": s.Proof, "drill": s.Drill} {
				line(w, "last %s\t%s\tpassed: %t", name, utc(e.At), e.OK)
			}
		})
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "add the measurement to the history in the mirror's store")
	cmd.AddCommand(a.readinessMarkCommand())
	return cmd
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

// measure fills a sample in from the stores. The primary's being away is an unknown figure,
// not an error.
func (a *app) measure(ctx context.Context, of *office) (readiness.Sample, error) {
	s := readiness.Sample{At: a.clock()}
	inv, err := restore.SurveyAll(ctx, of.dr)
	if err != nil {
		return s, err
	}
	if n := len(inv.Snapshots); n > 0 {
		newest := inv.Snapshots[n-1]
		s.Snapshot = readiness.Point{Seq: uint64(newest.Position.Seq), At: newest.Created}
	}
	if w := inv.Window(); len(w) > 0 {
		first, last := w[0].From, w[len(w)-1].To
		s.From, s.To = readiness.Point{Seq: uint64(first.Seq), At: first.Time}, readiness.Point{Seq: uint64(last.Seq), At: last.Time}
		s.Holes = len(w) - 1
	}
	if of.primary != nil {
		if err := exposureOf(ctx, of.primary, of.dr, &s); err != nil {
			a.logger().Warn("exposure not measured", "err", err)
		}
	}
	return s, a.remembered(ctx, of, &s)
}

func exposureOf(ctx context.Context, primary, dr blob.Store, s *readiness.Sample) error {
	p, err := eventlog.OpenLog(primary).End(ctx)
	if err != nil {
		return err
	}
	m, err := eventlog.OpenLog(dr).End(ctx)
	if err != nil {
		return err
	}
	var n uint64
	var seconds float64
	if p.Seq > m.Seq {
		n, seconds = uint64(p.Seq-m.Seq), p.Time.Sub(m.Time).Seconds()
	}
	s.Exposed, s.Seconds, s.Lag = &n, &seconds, &seconds
	return nil
}

// remembered adds what was marked, and the last drill of the register.
func (a *app) remembered(ctx context.Context, of *office, s *readiness.Sample) (err error) {
	if s.Audit, _, err = readiness.Latest(ctx, of.dr, readiness.Audited); err != nil {
		return err
	}
	if s.Proof, _, err = readiness.Latest(ctx, of.dr, readiness.Proved); err != nil {
		return err
	}
	forecast, seconds, err := readiness.Latest(ctx, of.dr, readiness.Forecast)
	if err != nil {
		return err
	}
	if !forecast.At.IsZero() {
		s.Forecast = &seconds
	}
	r, _, err := of.book.Record(ctx)
	if err != nil {
		return err
	}
	for _, d := range r.Register.Drills {
		if d.At.After(s.Drill.At) {
			s.Drill = readiness.Event{At: d.At, OK: d.Passed, Detail: fmt.Sprintf("RTO %s", span(time.Duration(d.RTOSeconds)*time.Second))}
		}
	}
	return nil
}

// record reads everything people wrote, with the duties' beginning.
func (o *office) record(ctx context.Context) (incident.Record, []incident.Finding, error) {
	r, damage, err := o.book.Record(ctx)
	r.Since = o.since
	return r, damage, err
}
