package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover"
	"lifeboat/failover/approval"
	"lifeboat/internal/blob"
	"lifeboat/internal/config"
	"lifeboat/internal/readiness"
	"lifeboat/restore"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

func (a *app) failoverCommand() *cobra.Command {
	return group("failover", "Plan, approve and run the replacement of a lost region",
		a.failoverPlanCommand(), a.failoverApproveCommand(), a.failoverShowCommand(),
		a.failoverRunCommand(), a.failoverStatusCommand(), a.failoverResumeCommand(), a.failoverAbandonCommand())
}

// bridge is where failovers are decided: the office, with the files a plan is made from.
type bridge struct {
	*office
	config        *config.File
	committeePath string
	stack         *settings.Settings // nil: no stack is configured
}

// bridgeFlags are those of every verb about plans.
type bridgeFlags struct {
	*officeFlags
	cmd *cobra.Command
}

func (a *app) bridgeFlags(cmd *cobra.Command, signs bool) *bridgeFlags {
	if signs {
		return &bridgeFlags{a.signingFlags(cmd), cmd}
	}
	return &bridgeFlags{a.officeFlags(cmd), cmd}
}

func (b *bridgeFlags) open(ctx context.Context) (*bridge, error) {
	file, err := b.app.settings(theMirror)
	if err != nil {
		return nil, err
	}
	if !b.cmd.Flags().Changed("committee") {
		b.committee = beside(b.app.folder(), file.Failover.Committee)
	}
	of, err := b.officeFlags.open(ctx)
	if err != nil {
		return nil, err
	}
	out := &bridge{office: of, config: file, committeePath: b.committee}
	if name := file.Failover.StackFile; name != "" {
		if out.stack, err = stackfile.Read(beside(b.app.folder(), name)); err != nil {
			return nil, fmt.Errorf("%w: failover.stack_file: %w", errUsage, err)
		}
	}
	return out, nil
}

// folder is that of lifeboat.yaml: what it says about failovers names files from there, so
// that the same file works from a kit.
func (a *app) folder() string { return filepath.Dir(a.configPath) }

// planArg wants one argument, the id of a plan or a file, or at least `least` of it.
func planArg(least int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > 1 {
			return fmt.Errorf("%w: %s wants one argument, the id of a plan or its file, not %q", errUsage, cmd.CommandPath(), args)
		}
		if len(args) == 0 || failover.CheckID(args[0]) == nil {
			return nil
		}
		if _, err := os.Stat(args[0]); err != nil {
			return fmt.Errorf("%w: %q is neither the id of a plan nor a file: %w", errUsage, args[0], err)
		}
		return nil
	}
}

// plan finds a plan by the id that the DR store keeps it under, or in a file.
func (b *bridge) plan(ctx context.Context, arg string) (*failover.Plan, error) {
	if failover.CheckID(arg) == nil {
		return failover.Kept(ctx, b.dr, arg)
	}
	text, err := os.ReadFile(arg)
	if err != nil {
		return nil, fmt.Errorf("%w: %q is neither the id of a plan nor a file: %w", errUsage, arg, err)
	}
	p, err := failover.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, err)
	}
	return p, nil
}

// decide asks the gate whether a plan may run now.
func (a *app) decide(ctx context.Context, b *bridge, p *failover.Plan) (failover.Decision, error) {
	hash, err := p.Hash()
	if err != nil {
		return failover.Decision{}, err
	}
	kept, err := failover.Kept(ctx, b.dr, p.ID)
	if err != nil && !errors.Is(err, failover.ErrNoPlan) {
		return failover.Decision{}, err
	}
	docs, err := approval.Kept(ctx, b.dr, hash)
	if err != nil {
		return failover.Decision{}, err
	}
	facts, err := a.facts(ctx, b, question{kind: p.Kind, target: p.Target, lost: p.Mirror.Lost})
	if err != nil {
		return failover.Decision{}, err
	}
	return failover.Check(failover.Gate{Now: a.clock().UTC(), Kept: kept, Ring: b.ring, Docs: docs, Facts: facts}, p)
}

// configDigest pins what lifeboat.yaml says about failovers. Secrets are not part of it:
// URLs are written without theirs.
func configDigest(file *config.File) (string, error) {
	f := file.Failover
	if f.Restore == config.Defaults().Failover.Restore {
		f.Restore = config.FailoverRestore{} // as it was before there was anything to say about it
	}
	text, err := json.Marshal(struct {
		Failover config.Failover
		Mirror   config.URL
		Recovery config.Encryption
	}{f, file.Mirror.Store, file.Encryption})
	if err != nil {
		return "", fmt.Errorf("hash the configuration: %w", err)
	}
	return sha256Of(text), nil
}

func sha256Of(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// planOptions are the flags of failover plan.
type planOptions struct {
	restoreOptions
	kind, out, runbook, stale, lost string
	unkept                          bool
}

func (a *app) failoverPlanCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Make the plan of a failover, with its predicted loss and duration",
		Long: `Make a plan from what the DR side holds: restore point, code, images, keys, quotas and settings,
with the transactions and seconds that will be lost and the seconds that each step will take, against the
8 hours of one outage and against what is left of the year's 4 h 22 m 48 s. Only the mirror's store has to
be reachable.

The plan is kept in the mirror's store under its id, and with --out in a file too. People sign its hash
('lifeboat failover approve'); 'lifeboat failover run' refuses it when any part is no longer so. --runbook
writes the same plan as pages to print.`,
		Example: `  lifeboat failover plan --latest --runbook .
  lifeboat failover plan --at 2026-03-01T09:30:00Z --out plan.json`,
		Args: noArgs,
	}
	b := a.bridgeFlags(cmd, false)
	f := cmd.Flags()
	f.BoolVar(&o.latest, "latest", false, "go to the end of the mirror's log (the default)")
	f.Uint64Var(&o.seq, "seq", 0, "go to this sequence number, inclusive")
	f.StringVar(&o.at, "at", "", "go to this time, inclusive: RFC 3339 with Z or an offset")
	f.StringVar(&o.kind, "kind", string(failover.Failover), "failover, drill or failback")
	f.StringVar(&o.out, "out", "", "file to write the plan to as well")
	f.StringVar(&o.runbook, "runbook", "", "folder to write the runbook to (must exist)")
	f.StringVar(&o.stale, "accept-stale", "", "go on with a mirror that is stale beyond failover.stale_limit, with the reason")
	f.StringVar(&o.lost, "lost-at", "", "when the primary was lost, RFC 3339 (default: the beginning of the outage on record)")
	f.BoolVar(&o.unkept, "dry-run", false, "make the plan and do not keep it: nobody can run it then")
	cmd.MarkFlagsMutuallyExclusive("latest", "seq", "at")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.failoverPlan(cmd, b, o) }
	return cmd
}

func (a *app) failoverPlan(cmd *cobra.Command, b *bridgeFlags, o planOptions) error {
	ctx := cmd.Context()
	o.dryRun = true // nothing is filled here
	target, err := o.target(cmd)
	if err != nil {
		return err
	}
	lost, err := parseTime(o.lost)
	if err != nil {
		return err
	}
	br, err := b.open(ctx)
	if err != nil {
		return err
	}
	p, err := a.newPlan(ctx, br, question{kind: failover.Kind(o.kind), target: target, lost: lost}, o)
	if err != nil {
		return err
	}
	text, err := p.Encode()
	if err != nil {
		return err
	}
	result := planned{Version: 1, Hash: failover.HashOf(text), Plan: p, Kept: !o.unkept}
	if o.out != "" {
		if err := os.WriteFile(o.out, text, 0o600); err != nil {
			return fmt.Errorf("write plan: %w (it is kept in the mirror's store as %s)", err, p.ID)
		}
		result.Files = append(result.Files, o.out)
	}
	if o.runbook != "" {
		files, err := a.writeRunbook(br, p, result.Hash, o.runbook)
		if err != nil {
			return err
		}
		result.Files = append(result.Files, files...)
	}
	return a.report(result, func(w io.Writer) { printFailoverPlan(w, result) })
}

// newPlan makes a plan of what is so now, and keeps it under a new id.
func (a *app) newPlan(ctx context.Context, b *bridge, q question, o planOptions) (*failover.Plan, error) {
	facts, err := a.facts(ctx, b, q)
	if err != nil {
		return nil, err
	}
	now := a.clock().UTC().Truncate(time.Millisecond)
	for attempt := 0; ; attempt++ {
		p, err := failover.NewPlan(facts, failover.Request{ID: failover.NewID(q.kind, now, attempt), Kind: q.kind, Target: q.target,
			Created: now, Validity: b.config.Failover.PlanValidity, StaleAccepted: o.stale})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		if o.unkept {
			return p, nil
		}
		err = failover.Keep(ctx, b.dr, p)
		if err == nil {
			seconds := p.Forecast.TotalSeconds
			return p, readiness.Mark(ctx, b.dr, readiness.Forecast, readiness.Event{At: now, OK: p.Forecast.WithinLimit && p.Forecast.WithinYear, Detail: "plan " + p.ID}, seconds)
		}
		if !errors.Is(err, blob.ErrExists) || attempt == 25 {
			return nil, err
		}
	}
}

// planned is what failover plan prints with --json.
type planned struct {
	Version int            `json:"version"`
	Hash    string         `json:"hash"`
	Plan    *failover.Plan `json:"plan"`
	Files   []string       `json:"files,omitempty"`
	Kept    bool           `json:"kept"` // in the mirror's store, under its id
}

func printFailoverPlan(w io.Writer, r planned) {
	p := r.Plan
	line(w, "plan\t%s\t%s, until %s", p.ID, p.Kind, utc(p.Expires))
	line(w, "hash\t%s", r.Hash)
	line(w, "restore point\t%s\tof target %s", &restore.Point{Seq: p.Point.Seq, Time: p.Point.Time}, p.Target)
	line(w, "mirror\tepoch %d, %s\tnewest commit %s, %.0f s before the loss", uint32(p.Mirror.Epoch), p.Mirror.End, utc(p.Mirror.Newest), p.Mirror.StaleSeconds)
	line(w, "loss\t%s\t%s", lossOf(p), p.Loss.Basis)
	line(w, "code\tcommit %s\tbackup %d", orUnknown(p.Code.Commit), p.Code.Number)
	line(w, "stack\t%s\tin %s", p.Stack.Name, orUnknown(p.Stack.Region))
	line(w, "database\t%s", databaseOf(p))
	for _, s := range p.Forecast.Steps {
		line(w, "  %s\t%.1f s\t%s", s.Name, s.Seconds, s.Basis)
	}
	c := p.Forecast
	line(w, "predicted\t%s\tof %s for one outage: %s", span(lasting(c.TotalSeconds)), span(lasting(c.LimitSeconds)), fits(c.WithinLimit))
	line(w, "\t\tof %s left of the year's %s: %s", span(lasting(c.Year.LeftSeconds)), span(lasting(c.Year.AllowanceSeconds)), fits(c.WithinYear))
	line(w, "needs\t%s\tor, glass broken: %s", p.Quorum.Seats, p.Quorum.BreakGlass)
	for _, f := range r.Files {
		line(w, "written\t%s", f)
	}
	if r.Kept {
		line(w, "next\tlifeboat failover approve %s", p.ID)
	}
}

// databaseOf tells which sizes the database has in turn.
func databaseOf(p *failover.Plan) string {
	d := p.Database
	switch {
	case d.SKU == "":
		return d.Kind
	case d.RestoreSKU == "" || d.RestoreSKU == d.SKU:
		return d.Kind + ", " + d.SKU
	}
	return fmt.Sprintf("%s, %s for the restore, scaled to %s before the application runs", d.Kind, d.RestoreSKU, d.SKU)
}

func lossOf(p *failover.Plan) string {
	text := "transactions unknown"
	switch {
	case p.Loss.Transactions != nil:
		text = fmt.Sprintf("%d transactions", *p.Loss.Transactions)
	case p.Loss.Estimated != nil:
		text = fmt.Sprintf("about %d transactions", *p.Loss.Estimated)
	}
	text += fmt.Sprintf(", %.1f s", p.Loss.Seconds)
	if p.Loss.GivenUp > 0 {
		text += fmt.Sprintf("; %d given up on purpose", p.Loss.GivenUp)
	}
	return text
}

func lasting(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func fits(ok bool) string {
	if ok {
		return "fits"
	}
	return "DOES NOT FIT"
}

func orUnknown(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
