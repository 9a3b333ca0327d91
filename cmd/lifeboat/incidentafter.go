package main

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
)

func (a *app) incidentInvestigateCommand() *cobra.Command {
	var in incident.Investigation
	var breach string
	cmd := &cobra.Command{
		Use:   "investigate ID",
		Short: "Record the DPO's investigation; due within 7 days of the report",
		Args:  incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.Breach = incident.Breach(breach)
		return e.do(cmd, args[0], incident.Entry{Kind: incident.Investigated, Investigation: &in})
	}
	f := cmd.Flags()
	f.StringVar(&in.Cause, "cause", "", "why it happened")
	f.StringVar(&breach, "breach", "", "breach of personal data: yes, no or unknown")
	f.StringVar(&in.Affected, "affected", "", "rows and people affected, in numbers, never names")
	required(cmd, "cause", "breach")
	return cmd
}

// actionPattern is how actions are named.
var actionPattern = regexp.MustCompile(`^A[0-9]+$`)

// actionAddCommand serves incidents and the committee's register alike.
func (a *app) actionAddCommand(register bool) *cobra.Command {
	var what, owner, due string
	cmd := &cobra.Command{Use: "add ID", Short: "Add an action with its owner and due date", Args: incidentArg}
	if register {
		cmd.Use, cmd.Args = "add", noArgs
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		day, err := incident.ParseDate(due)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		action := &incident.Action{What: what, Owner: owner, Due: day}
		if action.ID, err = e.nextAction(cmd, args); err != nil {
			return err
		}
		return e.file(cmd, args, incident.Entry{Kind: incident.ActionAdded, Action: action})
	}
	f := cmd.Flags()
	f.StringVar(&what, "what", "", "what is to be done")
	f.StringVar(&owner, "owner", "", "who does it: a person or a role")
	f.StringVar(&due, "due", "", "by the end of which day, YYYY-MM-DD")
	required(cmd, "what", "owner", "due")
	return cmd
}

func (e *entryFlags) nextAction(cmd *cobra.Command, args []string) (string, error) {
	if len(args) > 0 {
		_, s, err := e.openAt(cmd.Context(), args[0])
		return s.NextAction(), err
	}
	o, err := e.open(cmd.Context())
	if err != nil {
		return "", err
	}
	r, _, err := o.book.Record(cmd.Context())
	return r.Register.NextAction(), err
}

// file adds an entry to the incident in args, or without one to the register.
func (e *entryFlags) file(cmd *cobra.Command, args []string, entry incident.Entry) error {
	if len(args) > 0 {
		return e.do(cmd, args[0], entry)
	}
	return e.register(cmd, entry)
}

func (a *app) actionDoneCommand(register bool) *cobra.Command {
	return a.actionEnd(register, "done", "Record that an action is done, and what was done", incident.ActionDone)
}

func (a *app) actionDropCommand(register bool) *cobra.Command {
	return a.actionEnd(register, "drop", "Drop an action, with the reason", incident.ActionDropped)
}

func (a *app) actionEnd(register bool, verb, short string, kind incident.Kind) *cobra.Command {
	wanted := 2
	cmd := &cobra.Command{Use: verb + " ID ACTION", Short: short}
	if register {
		wanted, cmd.Use = 1, verb+" ACTION"
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != wanted || !actionPattern.MatchString(args[wanted-1]) {
			return fmt.Errorf("%w: %q: want %s, with an action like A1", errUsage, args, cmd.UseLine())
		}
		return nil
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.file(cmd, args[:wanted-1], incident.Entry{Kind: kind, Action: &incident.Action{ID: args[wanted-1]}})
	}
	required(cmd, "text")
	return cmd
}

func (a *app) incidentCloseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "close ID",
		Short: "Close the incident: the service is back, the DPO has investigated, no action is open",
		Args:  incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.do(cmd, args[0], incident.Entry{Kind: incident.Closed})
	}
	return cmd
}

func (a *app) incidentReopenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "reopen ID", Short: "Open a closed incident again, with the reason", Args: incidentArg}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.do(cmd, args[0], incident.Entry{Kind: incident.Reopened})
	}
	required(cmd, "text")
	return cmd
}
