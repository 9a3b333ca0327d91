package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/record"
	"lifeboat/failover/incident/report"
)

// recordDamage sums findings up for the exit code.
func recordDamage(findings []incident.Finding) error {
	for _, f := range findings {
		if f.Damage() {
			return fmt.Errorf("%w in the incident record: %s (%d findings)", errDamage, f, len(findings))
		}
	}
	return nil
}

// showResult is what show and timeline print with --json.
type showResult struct {
	Version  int                `json:"version"`
	State    incident.State     `json:"state"`
	Phase    string             `json:"phase"`
	Clocks   []incident.Clock   `json:"clocks"`
	Ledger   incident.Ledger    `json:"ledger"`
	Entries  []incident.Signed  `json:"entries"`
	Findings []incident.Finding `json:"findings"`
}

// incidentReader makes a verb that reads one incident and prints it.
func (a *app) incidentReader(cmd *cobra.Command, print func(io.Writer, showResult)) *cobra.Command {
	cmd.Args = incidentArg
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		of, id, err := o.openFor(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		r, err := a.lookUp(cmd, of, id)
		if err != nil {
			return err
		}
		if err := a.report(r, func(w io.Writer) { print(w, r) }); err != nil {
			return err
		}
		return recordDamage(r.Findings)
	}
	return cmd
}

func (a *app) lookUp(cmd *cobra.Command, of *office, id incident.ID) (showResult, error) {
	s, c, err := of.book.Incident(cmd.Context(), id)
	if err != nil {
		return showResult{}, err
	}
	all, _, err := of.book.Record(cmd.Context())
	if err != nil {
		return showResult{}, err
	}
	now := a.clock()
	return showResult{1, s, s.Phase(), of.desk.Policy.Clocks(s, of.settings, now),
		incident.YearLedger(now.In(of.settings.Location).Year(), all.Incidents, of.settings, now), c.Entries, c.Findings}, nil
}

func (a *app) incidentShowCommand() *cobra.Command {
	return a.incidentReader(&cobra.Command{Use: "show ID", Short: "Show an incident: where it stands, its clocks, what was said"},
		func(w io.Writer, r showResult) {
			s := r.State
			line(w, "%s\t%s\t%s", s.ID, s.Title, r.Phase)
			printClocks(w, r.Clocks, r.Ledger)
			for _, p := range s.Plans {
				line(w, "plan\t%s\tapproved: %t\tstill needed: %v", p.Digest, p.Approved, p.Missing)
			}
			for _, l := range s.Letters {
				line(w, "message\t%s\tapproved: %t\tsent: %s", l.Message.Digest, l.Ballot.Approved, utc(l.Sent))
			}
			for _, t := range s.Todos {
				line(w, "action %s\t%s\t%s\tdue %s\topen: %t", t.ID, t.What, t.Owner, t.Due, t.Open())
			}
			printTimeline(w, r)
		})
}

func (a *app) incidentTimelineCommand() *cobra.Command {
	return a.incidentReader(&cobra.Command{Use: "timeline ID", Short: "Show what happened when, entry by entry"}, printTimeline)
}

func printTimeline(w io.Writer, r showResult) {
	for _, e := range r.Entries {
		line(w, "%06d\t%s\t%s\t%s (%s)\t%s", e.Entry.N, utc(e.Entry.At), e.Entry.Kind, e.Who.Person, e.Entry.Role, report.Said(e.Entry))
	}
	for _, f := range r.Findings {
		line(w, "WARNING\t%s", f)
	}
}

// listResult is what list prints with --json.
type listResult struct {
	Version   int                `json:"version"`
	Incidents []incident.State   `json:"incidents"`
	Damage    []incident.Finding `json:"damage"`
}

func (a *app) incidentListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List all incidents", Args: noArgs}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		of, err := o.open(cmd.Context())
		if err != nil {
			return err
		}
		r, damage, err := of.book.Record(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.report(listResult{1, r.Incidents, damage}, func(w io.Writer) {
			for _, s := range r.Incidents {
				line(w, "%s\t%s\topened %s\t%s", s.ID, s.Phase(), utc(s.Opened), s.Title)
			}
		}); err != nil {
			return err
		}
		return recordDamage(damage)
	}
	return cmd
}

// verifyRecordResult is what incident verify prints with --json.
type verifyRecordResult struct {
	Version  int                `json:"version"`
	Findings []incident.Finding `json:"findings"`
}

func (a *app) incidentVerifyCommand() *cobra.Command {
	var reports []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every signature, link and attachment of the record in both stores; repairs nothing",
		Long: `Check every entry of every incident and of the committee's register in both stores. With --report
the heads that incident reports quote are checked, too: that finds entries which were removed from the
end of a chain in both stores.`,
		Args: noArgs,
	}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var heads []incident.Head
		for _, name := range reports {
			body, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			quoted, err := report.Heads(body)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			heads = append(heads, quoted...)
		}
		of, err := o.open(cmd.Context())
		if err != nil {
			return err
		}
		found, err := of.book.Verify(cmd.Context(), heads...)
		if err != nil {
			return err
		}
		if err := a.report(verifyRecordResult{1, found}, func(w io.Writer) {
			for _, f := range found {
				line(w, "%s", f)
			}
			if len(found) == 0 {
				line(w, "every entry verifies in both stores")
			}
		}); err != nil {
			return err
		}
		return recordDamage(found)
	}
	cmd.Flags().StringArrayVar(&reports, "report", nil, "report whose quoted heads have to be there (may be repeated)")
	return cmd
}

func (a *app) incidentSyncCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "sync", Short: "Copy to the primary's store what could not be copied before", Args: noArgs}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		of, err := o.open(cmd.Context())
		if err != nil {
			return err
		}
		return of.book.SyncAll(cmd.Context())
	}
	return cmd
}

func (a *app) incidentExportCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Write every entry and attachment of an incident to a new folder, checkable with ssh-keygen alone",
		Args:  incidentArg,
	}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		of, id, err := o.openFor(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		n, err := exportTo(cmd, of.book, id, dir)
		if err != nil {
			return err
		}
		line(a.stdout, "%d files in %s", n, dir)
		return nil
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the folder; it must not exist")
	required(cmd, "dir")
	return cmd
}

func exportTo(cmd *cobra.Command, b *record.Book, id incident.ID, dir string) (int, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, errors.Join(errUsage, err)
	}
	n := 0
	for f, err := range b.Export(cmd.Context(), id.Stream()) {
		if err != nil {
			return n, err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Name)), f.Body, 0o600); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
