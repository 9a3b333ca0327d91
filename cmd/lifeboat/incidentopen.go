package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
)

func (a *app) incidentOpenCommand() *cobra.Command {
	var title, from, began string
	var verbal, noOutage bool
	cmd := &cobra.Command{
		Use:   "open",
		Short: "Report a significant incident, inform the committee, start the clocks",
		Long: `Open an incident. Anyone with a key may; whoever was told by word of mouth writes it down with
--verbal --from NAME. The whole committee is informed at once, on every channel; what cannot be
delivered is recorded and holds nothing up.

Say when the service failed with --outage-began, or that it did not with --no-outage. The title goes
into messages: no personal data in it.`,
		Example: `  lifeboat incident open --title "database unreachable" --from sam --verbal --outage-began 2026-03-02T08:50:00Z`,
		Args:    noArgs,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := &incident.Report{Title: title, From: from, Verbal: verbal}
		at, err := parseTime(began)
		if err != nil {
			return err
		}
		if at.IsZero() == !noOutage {
			return fmt.Errorf("%w: give either --outage-began or --no-outage", errUsage)
		}
		if !at.IsZero() {
			r.OutageBegan = &at
		}
		o, err := e.open(cmd.Context())
		if err != nil {
			return err
		}
		d, done, err := e.draft(o, incident.Entry{Kind: incident.Reported, Report: r})
		if err != nil {
			return err
		}
		defer done()
		o.desk.Recorded = a.announceEntry
		out, err := o.desk.Open(cmd.Context(), d)
		if err != nil {
			return err
		}
		return a.told(cmd.Context(), o, out)
	}
	f := cmd.Flags()
	f.StringVar(&title, "title", "", "what happened, in a few words")
	f.StringVar(&from, "from", "", "who noticed")
	f.BoolVar(&verbal, "verbal", false, "it was reported by word of mouth")
	f.StringVar(&began, "outage-began", "", "when the service failed, RFC 3339")
	f.BoolVar(&noOutage, "no-outage", false, "the service did not fail")
	required(cmd, "title", "from")
	return cmd
}
