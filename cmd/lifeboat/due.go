package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
	"lifeboat/internal/readiness"
)

// errOverdue ends due with exit code 1, for cron and CI.
var errOverdue = errors.New("something is overdue")

// dueResult is what due prints with --json.
type dueResult struct {
	Version int                `json:"version"`
	Due     []incident.Clock   `json:"due"`
	Ledger  incident.Ledger    `json:"ledger"`
	Damage  []incident.Finding `json:"damage"`
}

func (a *app) dueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "due",
		Short: "List what is due or overdue; exit code 1 when anything is overdue",
		Long: `List what falls due within the horizon of committee.yaml and what is overdue, the most urgent
first, with whose turn it is and the command that settles it. The exit code is 1 when anything is
overdue, so that cron or CI can raise it. The audit and the restore proof are terms, too, from the first
one that was marked: each holds for a night, and one that failed is overdue at once.`,
		Args: noArgs,
	}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		of, err := o.open(cmd.Context())
		if err != nil {
			return err
		}
		r, damage, err := of.record(cmd.Context())
		if err != nil {
			return err
		}
		now := a.clock()
		proofs, err := of.proofs(cmd.Context(), now)
		if err != nil {
			return err
		}
		out := dueResult{1, of.desk.Policy.Due(r, of.settings, now, proofs...),
			incident.YearLedger(now.In(of.settings.Location).Year(), r.Incidents, of.settings, now), damage}
		if err := a.report(out, func(w io.Writer) { printDue(w, out) }); err != nil {
			return err
		}
		if incident.AnyOverdue(out.Due) {
			return errOverdue
		}
		return recordDamage(damage)
	}
	return cmd
}

// proofHolds is how long an audit or a restore proof holds: a day, and an hour for the run.
const proofHolds = 25 * time.Hour

// proofs are the terms of what has to be proven every night. What was never marked is no
// term: on a laptop nobody promised it.
func (o *office) proofs(ctx context.Context, now time.Time) (terms []incident.Clock, err error) {
	for _, p := range []struct {
		what     readiness.What
		name, do string
	}{
		{readiness.Audited, "audit of the database against its log", "lifeboat audit"},
		{readiness.Proved, "restore proof from the mirror", "lifeboat restore --latest --into DATABASE --mark"},
	} {
		last, _, err := readiness.Latest(ctx, o.dr, p.what)
		if err != nil {
			return nil, err
		}
		if last.At.IsZero() {
			continue
		}
		c := incident.Clock{What: p.name, Of: "mirror", Who: incident.CTO + ", " + incident.LD, Do: p.do,
			Start: last.At, Due: last.At.Add(proofHolds), Used: now.Sub(last.At), Limit: proofHolds, Status: incident.Running}
		if !last.OK {
			c.Due, c.Limit = last.At, 0
		}
		if now.After(c.Due) {
			c.Status = incident.Overdue
		}
		terms = append(terms, c)
	}
	return terms, nil
}

func printDue(w io.Writer, r dueResult) {
	for _, c := range r.Due {
		line(w, "%s\t%s\t%s\tdue %s\t%s\t%s", c.Status, c.Of, c.What, utc(c.Due), c.Who, c.Do)
	}
	if len(r.Due) == 0 {
		line(w, "nothing is due")
	}
	line(w, "one outage may last\t%s", span(incident.OutageLimit))
	line(w, "the year %d\tused %s\tof %s (99.95 %% of %d days)\tleft %s", r.Ledger.Year, span(r.Ledger.Used), span(r.Ledger.Allowance), r.Ledger.Days, span(r.Ledger.Left()))
	for _, f := range r.Damage {
		line(w, "WARNING\t%s", f)
	}
}
