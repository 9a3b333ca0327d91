package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"lifeboat/failover"
)

// shown is what failover show PLAN prints with --json.
type shown struct {
	Version int `json:"version"`
	*failover.Decision
	Plan    *failover.Plan `json:"plan"`
	Refused string         `json:"refused,omitempty"` // why it may not run
}

// plansListed is what failover show prints with --json.
type plansListed struct {
	Version int               `json:"version"`
	Plans   []failover.Listed `json:"plans"`
}

func (a *app) failoverShowCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "show [PLAN]",
		Short: "Show a plan, its approvals, and what has changed since; or list the plans",
		Long: `Show a plan by its id or from a file: what it will do, who has signed, and every part that is no
longer so. With --check the exit code is that with which 'lifeboat failover run' would refuse it, 0 if it
may run.`,
		Args: planArg(0),
	}
	b := a.bridgeFlags(cmd, false)
	cmd.Flags().BoolVar(&check, "check", false, "end with the exit code of the refusal, if it may not run")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		br, err := b.open(cmd.Context())
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return a.listPlans(cmd.Context(), br)
		}
		p, err := br.plan(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		refused, err := a.showPlan(cmd.Context(), br, p)
		if err != nil || !check {
			return err
		}
		return refused
	}
	return cmd
}

func (a *app) listPlans(ctx context.Context, b *bridge) error {
	list, err := failover.List(ctx, b.dr)
	if err != nil {
		return err
	}
	return a.report(plansListed{1, list}, func(w io.Writer) {
		for _, l := range list {
			line(w, "%s\tkept %s", l.ID, utc(l.Kept))
		}
		if len(list) == 0 {
			line(w, "no plan is kept in the mirror's store: make one with 'lifeboat failover plan'")
		}
	})
}

// showPlan prints a plan with the gate's decision, which it returns as refused.
func (a *app) showPlan(ctx context.Context, b *bridge, p *failover.Plan) (refused, err error) {
	d, err := a.decide(ctx, b, p)
	var no *failover.Refusal
	if err != nil && !errors.As(err, &no) {
		return nil, err
	}
	r := shown{Version: 1, Decision: &d, Plan: p}
	if no != nil {
		r.Refused, refused = no.Error(), no
	}
	return refused, a.report(r, func(w io.Writer) {
		printFailoverPlan(w, planned{Hash: d.Hash, Plan: p})
		printVerdict(w, d.Verdict)
		for _, c := range d.Changes {
			word := "changed"
			if c.Refuses {
				word = "CHANGED"
			}
			line(w, "%s\t%s\twas %s\tis %s", word, c.Field, c.Planned, c.Now)
		}
		if no == nil {
			line(w, "may run\tyes\tlifeboat failover run %s", p.ID)
			return
		}
		for _, reason := range no.Reasons {
			line(w, "may run\tNO\t%s", reason)
		}
	})
}
