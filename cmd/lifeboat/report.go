package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/failover/incident"
	"lifeboat/failover/incident/report"
	"lifeboat/internal/affected"
	"lifeboat/internal/readiness"
)

func (a *app) reportCommand() *cobra.Command {
	return group("report", "Make and verify reports",
		a.reportIncidentCommand(), a.reportDrillCommand(), a.reportCommitteeCommand(), a.reportContactsCommand(), a.reportVerifyCommand())
}

// reportFlags say where a report goes.
type reportFlags struct {
	*officeFlags
	out string
}

func (a *app) reportFlags(cmd *cobra.Command) *reportFlags {
	r := &reportFlags{officeFlags: a.officeFlags(cmd)}
	cmd.Flags().StringVar(&r.out, "out", "", "folder to write the three forms to (must exist); default: Markdown on standard output")
	return r
}

// reportResult is what making a report prints with --json.
type reportResult struct {
	Version int      `json:"version"`
	SHA256  string   `json:"sha256"`
	Files   []string `json:"files"`
}

// publish writes the report in all forms, or its Markdown to standard output.
func (r *reportFlags) publish(name string, data report.Data) error {
	a := r.app
	src, err := report.NewSource(a.clock(), data)
	if err != nil {
		return err
	}
	if r.out == "" {
		form := report.Markdown
		if a.json {
			form = report.JSON
		}
		body, err := src.Render(form)
		if err == nil {
			_, err = a.stdout.Write(body)
		}
		return err
	}
	result := reportResult{Version: 1, SHA256: src.SHA256}
	for _, form := range report.Forms() {
		body, err := src.Render(form)
		if err != nil {
			return err
		}
		file := filepath.Join(r.out, name+"."+string(form))
		if err := os.WriteFile(file, body, 0o600); err != nil {
			return err
		}
		result.Files = append(result.Files, file)
	}
	return a.report(result, func(w io.Writer) {
		line(w, "evidence\tSHA-256 %s", result.SHA256)
		for _, f := range result.Files {
			line(w, "written\t%s", f)
		}
	})
}

func (a *app) reportIncidentCommand() *cobra.Command {
	var windows []string
	var keys int
	cmd := &cobra.Command{
		Use:   "incident ID",
		Short: "Report an incident: timeline, cause, terms, affected rows and people",
		Long: `Report an incident for the committee and the DPO. --affected names a part of the log that was lost or
rolled back, as FIRST-LAST sequence numbers: the report then lists which rows of which tables its
transactions changed, by key, and counts people by the table that committee.yaml names.`,
		Example: "  lifeboat report incident SI-2026-0001 --affected 41-44 --out reports",
		Args:    incidentArg,
	}
	r := a.reportFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		of, id, err := r.openFor(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		show, err := a.lookUp(cmd, of, id)
		if err != nil {
			return err
		}
		c := report.Case{Company: of.file.Company, State: show.State, Entries: show.Entries, Clocks: show.Clocks, Ledger: show.Ledger, Findings: damageOnly(show.Findings)}
		changes := &affected.Log{Log: eventlog.OpenLog(of.dr), PeopleTable: of.file.PeopleTable}
		for _, w := range windows {
			var first, last uint64
			if n, err := fmt.Sscanf(w, "%d-%d", &first, &last); n != 2 || err != nil || first == 0 || last < first {
				return fmt.Errorf("%w: --affected %q: want FIRST-LAST sequence numbers", errUsage, w)
			}
			part, err := changes.Affected(cmd.Context(), first-1, last, keys)
			if err != nil {
				return err
			}
			part.Why = "lost or rolled back"
			c.Affected = append(c.Affected, part)
		}
		return r.publish(string(id), c)
	}
	cmd.Flags().StringArrayVar(&windows, "affected", nil, "transactions that were lost or rolled back, FIRST-LAST (may be repeated)")
	cmd.Flags().IntVar(&keys, "keys", 100, "keys to list for each table; the counts are always whole")
	return cmd
}

func damageOnly(all []incident.Finding) []incident.Finding {
	var damage []incident.Finding
	for _, f := range all {
		if f.Damage() {
			damage = append(damage, f)
		}
	}
	return damage
}

func (a *app) reportCommitteeCommand() *cobra.Command {
	var month, findings, costs string
	cmd := &cobra.Command{
		Use:   "committee",
		Short: "Report a month to the Risk Committee: terms, ledger, readiness, incidents, drills, findings, costs",
		Args:  noArgs,
	}
	r := a.reportFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		of, err := r.open(cmd.Context())
		if err != nil {
			return err
		}
		from, err := time.ParseInLocation("2006-01", month, of.settings.Location)
		if month == "" {
			now := a.clock().In(of.settings.Location)
			from, err = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, of.settings.Location), nil
		}
		if err != nil {
			return fmt.Errorf("%w: --month %q: want YYYY-MM", errUsage, month)
		}
		p, err := a.pack(cmd, of, from)
		if err := errors.Join(err, fromJSON(findings, &p.Policies), fromJSON(costs, &p.Costs)); err != nil {
			return err
		}
		return r.publish("committee-"+from.Format("2006-01"), p)
	}
	f := cmd.Flags()
	f.StringVar(&month, "month", "", "which month, YYYY-MM (default: this one)")
	f.StringVar(&findings, "findings", "", "JSON file with the policy findings to include: [{rule, resource, level, text}]")
	f.StringVar(&costs, "costs", "", "JSON file with the monthly costs to include: [{what, amount, currency, source}]")
	return cmd
}

func fromJSON(name string, into any) error {
	if name == "" {
		return nil
	}
	body, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errUsage, name, err)
	}
	return nil
}

func (a *app) pack(cmd *cobra.Command, of *office, from time.Time) (report.Pack, error) {
	ctx, to, now := cmd.Context(), from.AddDate(0, 1, 0), a.clock()
	r, damage, err := of.record(ctx)
	if err != nil {
		return report.Pack{}, err
	}
	p := report.Pack{Company: of.file.Company, From: from.UTC(), To: to.UTC(), Ledger: incident.YearLedger(from.Year(), r.Incidents, of.settings, now),
		Drills: r.Register.Drills, Findings: damage}
	for _, c := range of.desk.Policy.RecordClocks(r, of.settings, now) {
		if c.Ended.IsZero() || !c.Ended.Before(from) {
			p.Clocks = append(p.Clocks, c)
		}
	}
	for _, s := range r.Incidents {
		if s.Closed.IsZero() || !s.Last.Before(from) {
			p.Incidents = append(p.Incidents, s)
		}
	}
	if p.History, err = readiness.History(ctx, of.dr, from, to, 31); err != nil {
		return p, err
	}
	s, err := a.measure(ctx, of)
	if err != nil {
		return p, err
	}
	p.Now = &s
	p.Heads, err = of.book.Heads(ctx)
	return p, err
}

func (a *app) reportContactsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "contacts", Short: "Print the contact list, with its date and who decides", Args: noArgs}
	r := a.reportFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		of, err := r.open(cmd.Context())
		if err != nil {
			return err
		}
		p := of.desk.Policy
		return r.publish("contacts", report.Contacts{Company: of.file.Company, Printed: a.clock().UTC(), People: of.desk.People,
			Quorum: p.PlanQuorum.String(), Glass: p.BreakGlass.String(), Signers: of.ring.Digest(), Notes: of.file.Notes})
	}
	return cmd
}

// verifiedResult is what report verify prints with --json.
type verifiedResult struct {
	Version int       `json:"version"`
	File    string    `json:"file"`
	Form    string    `json:"form"`
	Made    time.Time `json:"made"`
	SHA256  string    `json:"sha256"`
}

func (a *app) reportVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a report is exactly what its evidence gives, and print its hash",
		Args:  oneArg("a report in any form"),
		RunE: func(_ *cobra.Command, args []string) error {
			body, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			s, form, err := report.Verify(body)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return a.report(verifiedResult{1, args[0], string(form), s.Made, s.SHA256}, func(w io.Writer) {
				line(w, "unaltered\t%s\tmade %s", form, utc(s.Made))
				line(w, "evidence\tSHA-256 %s", s.SHA256)
			})
		},
	}
}
