package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/report"
)

func (a *app) committeeCommand() *cobra.Command {
	action := group("action", "Add, finish and drop the committee's own actions", a.actionAddCommand(true), a.actionDoneCommand(true), a.actionDropCommand(true))
	return group("committee", "The Risk Committee's register: meetings, drills, actions",
		a.committeeMeetingCommand(), a.committeeDrillCommand(), action, a.committeeShowCommand())
}

// registerResult is what a verb that writes to the register prints with --json.
type registerResult struct {
	Version  int               `json:"version"`
	Entry    *incident.Signed  `json:"entry,omitempty"`
	Register incident.Register `json:"register"`
	Clocks   []incident.Clock  `json:"clocks"`
}

// register adds an entry to the committee's register.
func (e *entryFlags) register(cmd *cobra.Command, entry incident.Entry) error {
	o, err := e.open(cmd.Context())
	if err != nil {
		return err
	}
	d, done, err := e.draft(o, entry)
	if err != nil {
		return err
	}
	defer done()
	s, err := o.book.Append(cmd.Context(), incident.Committee, d)
	if err != nil {
		return err
	}
	return e.showRegister(cmd, o, &s)
}

func (e *entryFlags) showRegister(cmd *cobra.Command, o *office, s *incident.Signed) error {
	r, damage, err := o.book.Record(cmd.Context())
	if err != nil {
		return err
	}
	out := registerResult{1, s, r.Register, r.Register.Clocks(o.since, o.settings, e.app.clock())}
	err = e.app.report(out, func(w io.Writer) {
		if s != nil {
			line(w, "recorded\t%s/%06d %s\tSHA-256 %.12s", s.Entry.Stream, s.Entry.N, s.Entry.Kind, s.Digest)
		}
		line(w, "meetings\t%d", len(r.Register.Meetings))
		line(w, "drills\t%d", len(r.Register.Drills))
		for _, c := range out.Clocks {
			line(w, "%s\t%s\tdue %s", c.What, c.Status, utc(c.Due))
		}
		for _, f := range damage {
			line(w, "WARNING\t%s", f)
		}
	})
	return err
}

func (a *app) committeeMeetingCommand() *cobra.Command {
	var present []string
	cmd := &cobra.Command{
		Use:   "meeting",
		Short: "Record the monthly meeting (at --at), with its minutes as --attach",
		Args:  noArgs,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return e.register(cmd, incident.Entry{Kind: incident.MeetingHeld, Gathering: &incident.Gathering{Present: present, Held: true}})
	}
	cmd.Flags().StringSliceVar(&present, "present", nil, "who came, by their ids")
	required(cmd, "present")
	return cmd
}

func (a *app) committeeDrillCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Record a drill by its report, which is checked and kept",
		Args:  noArgs,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		body, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		d, err := report.DrillOf(body)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		e.attach = append(e.attach, file)
		return e.register(cmd, incident.Entry{Kind: incident.Drilled, Drill: &d})
	}
	cmd.Flags().StringVar(&file, "report", "", "the drill's report, in any form")
	required(cmd, "report")
	return cmd
}

func (a *app) committeeShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Show the register and its terms", Args: noArgs}
	e := &entryFlags{officeFlags: a.officeFlags(cmd)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := e.open(cmd.Context())
		if err != nil {
			return err
		}
		return e.showRegister(cmd, o, nil)
	}
	return cmd
}
