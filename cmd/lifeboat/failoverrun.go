package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover"
	runs "lifeboat/failover/run"
)

// runOptions are the flags of the verbs that run a plan.
type runOptions struct {
	takeOver bool
	incident string
	old      string // URL of the store of the region that was lost; failback only
}

func (a *app) failoverRunCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run PLAN",
		Short: "Run an approved plan: fence, provision, restore, verify, serve, protect",
		Long: `Run a plan, by its id or in a file. It is refused, with an exit code for each reason, when it is not
signed by the right people, has expired, or is not true any more; nothing was done then.

Every step stands in a journal in the mirror's store before it has any effect. Whatever happens to this
machine, 'lifeboat failover resume ID' finishes the run from any other one; 'lifeboat failover status ID'
shows where it is. Of two runs at once exactly one proceeds.

--primary-lost says that the primary's store cannot be read any more: it is not asked, and what only
it had is not saved. Progress goes to standard error, as JSON lines with --json.`,
		Example: `  lifeboat failover run f2603011030
  lifeboat failover run f2603011030 --primary-lost --incident SI-2026-0001 --key ~/.ssh/id_ed25519`,
		Args: planArg(1),
	}
	b := a.bridgeFlags(cmd, true)
	cmd.Flags().StringVar(&o.incident, "incident", "", "enter beginning and end of the recovery in this incident's record; needs a key to sign with")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		br, err := b.open(cmd.Context())
		if err != nil {
			return err
		}
		p, err := br.plan(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return a.runPlan(cmd.Context(), b, br, p, o)
	}
	return cmd
}

// runPlan refuses a plan that may not run before anything is written, then begins.
func (a *app) runPlan(ctx context.Context, b *bridgeFlags, br *bridge, p *failover.Plan, o runOptions) (err error) {
	d, err := a.decide(ctx, br, p)
	if err != nil {
		return err
	}
	text, err := p.Encode()
	if err != nil {
		return err
	}
	if o.old, err = oldPrimary(o.old); err != nil {
		return err
	}
	e, err := a.expedition(b, br, p, o)
	if err != nil {
		return err
	}
	e.decision = &d
	defer func() { err = errors.Join(err, e.close()) }()
	lost := p.Mirror.Lost
	if lost.IsZero() {
		lost = a.clock().UTC()
	}
	cfg := e.journal(p.ID)
	j, err := runs.Open(ctx, cfg, runs.Opening{Kind: p.Kind, Plan: string(text), Lost: lost, OldPrimary: e.options.old})
	if errors.Is(err, runs.ErrRunExists) {
		return fmt.Errorf("%w: 'lifeboat failover status %s' shows where it is, 'lifeboat failover resume %s' goes on with it", err, p.ID, p.ID)
	}
	if err != nil {
		return err
	}
	return e.do(ctx, j, runs.History{}, lost)
}

func (a *app) failoverResumeCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "resume ID",
		Short: "Go on with a run that stopped, from any machine",
		Long: `Go on with a run where it is. What was done is found and not done again; the approvals are not asked
for again. A run whose last runner did not say that it stopped is left alone, since it may be alive:
look at that machine, and when it is dead, give --take-over. A runner that is alive all the same then
stops before its next step; it cannot write the journal any more.

The store that a failback was given as --old-primary stands in the journal; give it here to name another,
or one when the failback had none.`,
		Example: `  lifeboat failover resume f2603011030
  lifeboat failover resume f2603011030 --take-over --primary-lost
  lifeboat failover resume b2603081030`,
		Args: planArg(1),
	}
	b := a.bridgeFlags(cmd, true)
	f := cmd.Flags()
	f.BoolVar(&o.takeOver, "take-over", false, "the machine that ran it is dead: take the run, and the stack's lock, from it")
	f.StringVar(&o.incident, "incident", "", "enter beginning and end of the recovery in this incident's record; needs a key to sign with")
	oldPrimaryFlag(cmd, &o.old)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.failoverResume(cmd.Context(), b, o, args[0]) }
	return cmd
}

func (a *app) failoverResume(ctx context.Context, b *bridgeFlags, o runOptions, id string) (err error) {
	br, err := b.open(ctx)
	if err != nil {
		return err
	}
	h, err := runs.ReadHistory(ctx, br.dr, id)
	if err != nil {
		return err
	}
	opening, err := h.Opening()
	if err != nil {
		return err
	}
	p, err := failover.Parse([]byte(opening.Plan))
	if err != nil {
		return fmt.Errorf("plan of run %s: %w", id, err)
	}
	switch {
	case o.old != "" && p.Kind != failover.Failback:
		return fmt.Errorf("%w: run %s is a %s: --old-primary is of a failback", errUsage, id, p.Kind)
	case o.old == "":
		o.old = opening.OldPrimary
	}
	if o.old, err = oldPrimary(o.old); err != nil {
		return err
	}
	e, err := a.expedition(b, br, p, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	j, h, err := runs.Claim(ctx, e.journal(id), o.takeOver)
	if errors.Is(err, runs.ErrAlive) {
		return fmt.Errorf("%w; if that machine is dead: lifeboat failover resume %s --take-over", err, id)
	}
	if err != nil {
		return err
	}
	return e.do(ctx, j, h, opening.Lost)
}

func (a *app) failoverAbandonCommand() *cobra.Command {
	var reason string
	var takeOver bool
	cmd := &cobra.Command{
		Use:   "abandon ID",
		Short: "Give a run up for good, so that another may have the turn",
		Long: `End a run without finishing it: its journal takes no more entries, and another plan may run. What the
run has made so far stays as it is, the fence too.`,
		Args: planArg(1),
	}
	b := a.bridgeFlags(cmd, false)
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the journal for good")
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "the machine that ran it is dead")
	required(cmd, "reason")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		br, err := b.open(cmd.Context())
		if err != nil {
			return err
		}
		cfg := runs.JournalConfig{Store: br.dr, ID: args[0], Who: a.who(), Clock: a.clock}
		return runs.Abandon(cmd.Context(), cfg, reason, takeOver)
	}
	return cmd
}

// who is this process, for whoever reads the journal.
func (a *app) who() runs.Who {
	name, host := "somebody", "somewhere"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return runs.NewWho(fmt.Sprintf("%s@%s, process %d", name, host, os.Getpid()))
}

// watch prints what happens while it happens, on standard error.
func (a *app) watch(p runs.Progress) {
	if a.json {
		if text, err := json.Marshal(p); err == nil {
			line(a.stderr, "%s", text)
		}
		return
	}
	if a.quiet {
		return
	}
	text := fmt.Sprintf("%s  %-10s %-8s", p.Time.Format(time.TimeOnly), p.Step, p.What)
	switch {
	case p.Detail != "":
		text += " " + p.Detail
	case p.Took > 0:
		text += fmt.Sprintf(" in %s", span(p.Took))
	}
	if p.Forecast > 0 {
		text += fmt.Sprintf(" (forecast %s)", span(p.Forecast))
	}
	if p.Left > 0 {
		text += fmt.Sprintf(", about %s left", span(p.Left))
	}
	line(a.stderr, "%s", text)
}

// runResult is what a finished run prints with --json.
type runResult struct {
	Version  int            `json:"version"`
	Run      string         `json:"run"`
	Kind     failover.Kind  `json:"kind"`
	Hash     string         `json:"plan_hash"`
	Evidence *runs.Evidence `json:"evidence"`
	Orphans  *orphanCount   `json:"orphans,omitempty"` // of the region that was lost; failback with --old-primary
}

func printRun(w io.Writer, r runResult) {
	e := r.Evidence
	line(w, "%s\t%s\tplan %.12s", r.Kind, r.Run, r.Hash)
	if e.Fence.Epoch > 0 {
		line(w, "fence\tepoch %d begins\tlog goes on after %s; old database: %s", uint32(e.Fence.Epoch), e.Fence.End, e.Fence.Database)
		line(w, "saved\t%d transactions\tfrom the old store; %d segments set aside as orphans", e.Fence.Copied, len(e.Fence.Orphans))
	}
	if e.Restored.Where != "" {
		line(w, "restored\t%s", e.Restored.Where)
	}
	line(w, "database\t%s\t%d rows in %d tables, every state hash equal", e.Place.Database, e.Restored.Rows, len(e.Verified))
	for _, c := range e.Probed.Checks {
		line(w, "probe\t%s\t%s", c.Name, c.Found)
	}
	switch {
	case r.Kind == failover.Drill:
		line(w, "left behind\t%d\t%s", len(e.Teardown.Left), e.Teardown.Proof())
	case e.Protection.Mirror == "":
		line(w, "NOT PROTECTED\tthere is no new mirror: set failover.new_mirror.store, then 'lifeboat agent'")
	default:
		line(w, "protected\tepoch %d\tbase %d in %s", uint32(e.Protection.Epoch), uint64(e.Protection.Base), e.Protection.Mirror)
	}
	line(w, "report\t%s\tSHA-256 %.12s", e.Reported.Object, e.Reported.SHA256)
}
