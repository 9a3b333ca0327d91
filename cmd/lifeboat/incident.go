package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
)

func (a *app) incidentCommand() *cobra.Command {
	action := group("action", "Add, finish and drop remedial actions", a.actionAddCommand(false), a.actionDoneCommand(false), a.actionDropCommand(false))
	return group("incident", "Report, record and work through a significant incident",
		a.incidentOpenCommand(), a.incidentNoteCommand(), a.incidentUpdateCommand(), a.incidentInformedCommand(), a.incidentMeetingCommand(),
		a.incidentAssessCommand(), a.incidentPlanCommand(), a.incidentApproveCommand(), a.incidentRecoverCommand(), a.incidentOutageCommand(),
		a.incidentAnnounceCommand(), a.incidentNotifyCommand(), a.incidentInvestigateCommand(), action,
		a.incidentCloseCommand(), a.incidentReopenCommand(),
		a.incidentShowCommand(), a.incidentListCommand(), a.incidentTimelineCommand(), a.incidentExportCommand(),
		a.incidentVerifyCommand(), a.incidentSyncCommand())
}

// entryFlags are those of every verb that adds an entry.
type entryFlags struct {
	*officeFlags
	text   string
	at     string
	attach []string
}

func (a *app) entryFlags(cmd *cobra.Command) *entryFlags {
	e := &entryFlags{officeFlags: a.signingFlags(cmd)}
	f := cmd.Flags()
	f.StringVar(&e.text, "text", "", "what there is to say")
	f.StringVar(&e.at, "at", "", "when it happened, RFC 3339 (default: now)")
	f.StringArrayVar(&e.attach, "attach", nil, "file to keep with the entry (may be repeated)")
	return e
}

// draft makes the entry's draft of the flags.
func (e *entryFlags) draft(o *office, entry incident.Entry) (incident.Draft, func(), error) {
	var err error
	entry.Text = e.text
	if entry.At, err = parseTime(e.at); err != nil {
		return incident.Draft{}, nil, err
	}
	d := incident.Draft{Role: e.role, Entry: entry}
	for _, name := range e.attach {
		body, err := os.ReadFile(name)
		if err != nil {
			return d, nil, fmt.Errorf("%w: attachment: %w", errUsage, err)
		}
		d.Files = append(d.Files, incident.File{Name: filepath.Base(name), Body: body})
	}
	key, done, err := e.signer(o.ring)
	d.Key = key
	return d, done, err
}

// do adds one entry to an incident and tells what came of it.
func (e *entryFlags) do(cmd *cobra.Command, id string, entry incident.Entry) error {
	o, name, err := e.openFor(cmd.Context(), id)
	if err != nil {
		return err
	}
	o.desk.Recorded = e.app.announceEntry
	return e.tell(cmd.Context(), o, entry, func(d incident.Draft) (incident.Outcome, error) { return o.desk.Do(cmd.Context(), name, d) })
}

// tell drafts the entry, has the desk do what there is to do, and prints what came of it.
func (e *entryFlags) tell(ctx context.Context, o *office, entry incident.Entry, do func(incident.Draft) (incident.Outcome, error)) error {
	d, done, err := e.draft(o, entry)
	if err != nil {
		return err
	}
	defer done()
	out, err := do(d)
	if err != nil {
		return err
	}
	return e.app.told(ctx, o, out)
}

// announceEntry says that an entry is safe before anybody waits for messages.
func (a *app) announceEntry(s incident.Signed) {
	if !a.json && !a.quiet {
		line(a.stderr, "recorded: %s/%06d %s, SHA-256 %.12s; informing the committee", s.Entry.Stream, s.Entry.N, s.Entry.Kind, s.Digest)
	}
}

// toldResult is what a verb that adds an entry prints with --json.
type toldResult struct {
	Version    int                 `json:"version"`
	Entry      incident.Signed     `json:"entry"`
	Phase      string              `json:"phase"`
	Clocks     []incident.Clock    `json:"clocks"`
	Ledger     incident.Ledger     `json:"ledger"`
	Deliveries []incident.Delivery `json:"deliveries"`
	Damage     []incident.Finding  `json:"damage"`
	Unrecorded string              `json:"deliveries_not_recorded,omitempty"`
}

// told prints the outcome of a step, always with both outage figures.
func (a *app) told(ctx context.Context, o *office, out incident.Outcome) error {
	now := a.clock()
	r := toldResult{Version: 1, Entry: out.Entry, Phase: out.State.Phase(), Clocks: o.desk.Policy.Clocks(out.State, o.settings, now),
		Ledger: incident.YearLedger(now.In(o.settings.Location).Year(), []incident.State{out.State}, o.settings, now), Deliveries: out.Deliveries, Damage: out.Damage}
	if out.Unrecorded != nil {
		r.Unrecorded = out.Unrecorded.Error()
	}
	if all, _, err := o.book.Record(ctx); err == nil {
		r.Ledger = incident.YearLedger(r.Ledger.Year, all.Incidents, o.settings, now)
	}
	return a.report(r, func(w io.Writer) {
		line(w, "incident\t%s\t%s", out.State.ID, r.Phase)
		line(w, "entry\t%d\tSHA-256 %s", out.State.N, out.State.Head)
		printClocks(w, r.Clocks, r.Ledger)
		printDeliveries(w, out.Deliveries)
		for _, f := range out.Damage {
			line(w, "WARNING\t%s", f)
		}
		if r.Unrecorded != "" {
			line(w, "WARNING\t%s", r.Unrecorded)
		}
	})
}

// printClocks shows the terms, and the outage always against 8 h and against the year.
func printClocks(w io.Writer, clocks []incident.Clock, l incident.Ledger) {
	for _, c := range clocks {
		line(w, "%s\t%s\tdue %s\tused %s of %s", c.What, c.Status, utc(c.Due), span(c.Used), span(c.Limit))
	}
	line(w, "one outage may last\t%s", span(incident.OutageLimit))
	line(w, "the year %d\tused %s\tof %s (99.95 %% of %d days)\tleft %s", l.Year, span(l.Used), span(l.Allowance), l.Days, span(l.Left()))
}

func printDeliveries(w io.Writer, list []incident.Delivery) {
	for _, d := range list {
		fate := "delivered"
		if !d.OK {
			fate = "NOT delivered: " + d.Error
		}
		line(w, "message\t%s %s\t%s", d.Channel, d.To, fate)
	}
}

func span(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "minus ", -d
	}
	s := int64(d / time.Second)
	return fmt.Sprintf("%s%d h %02d m %02d s", sign, s/3600, s/60%60, s%60)
}

// parseTime reads a moment; "" is none.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%w: time %q: want a form like 2026-03-02T09:30:00Z", errUsage, text)
	}
	return t.UTC(), nil
}

// oneArg wants exactly one argument, named for the message.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%w: %s wants one argument: %s", errUsage, cmd.CommandPath(), what)
		}
		return nil
	}
}

// incidentArg wants one argument, an incident.
func incidentArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: %s wants one argument, the incident, not %q", errUsage, cmd.CommandPath(), args)
	}
	if _, err := incident.ParseID(args[0]); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return nil
}

// required marks flags that have to be given.
func required(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		_ = cmd.MarkFlagRequired(name) // fails only for a flag that does not exist
	}
}
