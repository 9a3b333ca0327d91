package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/budget"
	"lifeboat/failover/debrief"
	"lifeboat/failover/preflight"
	"lifeboat/failover/probe"
	"lifeboat/failover/provision"
	runs "lifeboat/failover/run"
	"lifeboat/failover/salvage"
	"lifeboat/internal/blob"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/stacks/outputs"
	"lifeboat/stacks/settings"
)

// expedition is one attempt to bring a run to its end: the run's parts, wired.
type expedition struct {
	app      *app
	bridge   *bridge
	flags    *bridgeFlags
	plan     *failover.Plan
	hash     string
	options  runOptions
	stack    *provision.Stack // nil: there is none
	unasked  string           // why the cloud could not say what it holds of the stack
	decision *failover.Decision
	outputs  *outputs.Outputs                          // of the stack, once they are known
	mirror   func(context.Context) (blob.Store, error) // opens the new mirror
	parts    runs.Parts
	record   *recordKeeper
}

// expedition prepares what a run of the plan needs. Nothing is changed.
func (a *app) expedition(b *bridgeFlags, br *bridge, p *failover.Plan, o runOptions) (*expedition, error) {
	hash, err := p.Hash()
	if err != nil {
		return nil, err
	}
	e := &expedition{app: a, bridge: br, flags: b, plan: p, hash: hash, options: o}
	if err := e.openStack(); err != nil {
		return nil, err
	}
	e.mirror = e.newMirror()
	db := e.database()
	e.record = newRecordKeeper(e)
	e.parts = runs.Parts{Gate: e, Log: e.log(), Cloud: e, Database: db, Service: e.service(), Reporter: e.reporter()}
	in, why, err := restoresInCluster(br.config, br.stack)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	if in {
		inside := e.inCluster(db)
		e.parts.Database, e.parts.Service = inside, e.serviceWith(inside.Login)
	} else {
		a.logger().Debug("the run restores from this machine", "why", why)
	}
	return e, nil
}

func (e *expedition) close() error {
	if e.stack == nil {
		return nil
	}
	return e.stack.Close()
}

func (e *expedition) journal(id string) runs.JournalConfig {
	return runs.JournalConfig{Store: e.bridge.dr, ID: id, Who: e.app.who(), Clock: e.app.clock}
}

// do has the turn if the run needs it, runs it, and prints what came of it.
func (e *expedition) do(ctx context.Context, j *runs.Journal, h runs.History, lost time.Time) error {
	if runs.MovesLog(e.plan.Kind) {
		if err := runs.TakeTurn(ctx, e.journal(j.ID())); err != nil {
			return errors.Join(err, j.Write(ctx, runs.Entry{Event: runs.Stopped, Detail: err.Error()}))
		}
	}
	if d, ok := e.parts.Reporter.(*debrief.Debrief); ok {
		d.Lost = lost
	}
	e.record.started(ctx, len(h.Entries) > 0)
	defer e.record.wait()
	recipe := runs.Recipe{Kind: e.plan.Kind, Forecast: map[failover.StepName]time.Duration{}, Latest: e.latest}
	if e.plan.Target != restore.Latest() || e.plan.Kind == failover.Drill {
		recipe.Seq = e.plan.Point.Seq
	}
	for _, s := range e.plan.Forecast.Steps {
		recipe.Forecast[s.Name] = lasting(s.Seconds)
	}
	steps, evidence := runs.Steps(recipe, e.parts)
	if err := (&runs.Run{Journal: j, History: h, Steps: steps, Watch: e.app.watch, Clock: e.app.clock}).Do(ctx); err != nil {
		if !errors.Is(err, runs.ErrSuperseded) { // else it goes on, elsewhere
			e.record.failed(ctx)
		}
		return fmt.Errorf("%s %s: %w", e.plan.Kind, e.plan.ID, err)
	}
	r := runResult{Version: 1, Run: e.plan.ID, Kind: e.plan.Kind, Hash: e.hash, Evidence: evidence}
	found, err := e.orphans(ctx)
	if err != nil { // the run is done all the same
		e.app.logger().Warn("what the old primary held alone is not known", "err", err)
	}
	r.Orphans = found.count()
	err = e.app.report(r, func(w io.Writer) { printRun(w, r) })
	if found == nil || e.app.json {
		return err
	}
	n, perr := e.app.printOrphans(ctx, found)
	if perr == nil {
		line(e.app.stdout, "old primary: %d transactions that nobody was told are safe", n)
	}
	return errors.Join(err, perr)
}

// log is the log that changes hands. The reason names the run, so that it knows its own.
func (e *expedition) log() *salvage.Log {
	l := &salvage.Log{DR: e.bridge.dr, Old: e.bridge.primary, Log: e.app.logger(), Clock: e.app.clock,
		Reason: fmt.Sprintf("%s %s, plan %.12s", e.plan.Kind, e.plan.ID, e.hash)}
	if e.bridge.config.Database != "" && !e.flags.noPrimary {
		l.Quiesce = func(ctx context.Context, reason string) (err error) {
			source, err := openSource(ctx, e.bridge.config, e.app.logger())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, source.Close()) }()
			return source.Fence(ctx, reason)
		}
	}
	return l
}

// database is where the rows go. What a place's database is called holds no secret, so it
// is opened by what the configuration says.
func (e *expedition) database() *salvage.Database {
	a, file := e.app, e.bridge.config
	share := restore.Share(int64(file.Restore.Memory))
	d := &salvage.Database{
		DR: e.bridge.dr, Memory: share.Run, TempDir: file.Restore.Scratch, Log: a.logger(), Clock: a.clock,
		Target: func(ctx context.Context, url string) (database.Target, error) {
			return openTarget(ctx, e.databaseURL(url), share.Cache, a.logger())
		},
		Source: e.source,
		Reason: fmt.Sprintf("%s %s, first base in the new mirror", e.plan.Kind, e.plan.ID),
	}
	e.mirrored(d)
	return d
}

// source opens the run's database as one that is protected.
func (e *expedition) source(ctx context.Context, url string) (database.Source, error) {
	file := *e.bridge.config
	file.Database = e.databaseURL(url)
	return openSource(ctx, &file, e.app.logger())
}

// databaseURL is the database of this run: the configured one, else the stack's.
func (e *expedition) databaseURL(stack string) config.URL {
	if t := e.bridge.config.Failover.Target; t != "" {
		return config.URL(strings.ReplaceAll(t.Reveal(), "{stack}", e.plan.StackName()))
	}
	return config.URL(stack)
}

func (e *expedition) serviceWith(login func(context.Context, runs.Place) error) *probe.Probe {
	p := e.bridge.config.Failover.Probe
	return &probe.Probe{Health: p.Health, Write: p.Write, Read: p.Read, Login: login}
}

func (e *expedition) service() *probe.Probe {
	return e.serviceWith(func(ctx context.Context, at runs.Place) (err error) {
		source, err := e.source(ctx, at.Database)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, source.Close()) }()
		view, err := source.View(ctx)
		if err != nil {
			return err
		}
		return view.Close()
	})
}

func (e *expedition) reporter() *debrief.Debrief {
	return &debrief.Debrief{
		Store: e.bridge.dr, Plan: e.plan, Company: e.bridge.file.Company, Incident: e.options.incident, Clock: e.app.clock,
		Database: budget.DatabaseOf(e.plan.Database.Kind, e.plan.Database.RestoreSKU), Tell: e.record.finished,
		Warn: func(text string, err error) { e.app.logger().Warn(text, "err", err) },
	}
}

func (e *expedition) latest(context.Context) (eventlog.Seq, error) { return e.plan.Point.Seq, nil }

// runPatience is how long a run waits for each answer of the preflight: what has no answer
// by then is a note, and the step that needs it will say more.
const runPatience = 10 * time.Second

// Preflight implements runs.Gate: what the run needs. Only what no run can do without
// stops it; the rest is noted, told, and stands in the report.
func (e *expedition) Preflight(ctx context.Context) (runs.Readiness, error) {
	out := runs.Readiness{Checked: 2}
	work, _, err := restore.Prepare(ctx, e.bridge.dr, e.plan.Target)
	if err != nil {
		return out, err
	}
	if d, ok := e.parts.Reporter.(*debrief.Debrief); ok {
		d.Work = budget.WorkOf(work)
	}
	out.Notes = append(out.Notes, e.mirrorNotes(ctx)...)
	out.Notes = append(out.Notes, e.orphanNotes(ctx)...)
	if i, asks := e.bridge.agentIdentity(); asks && i.Name == "" {
		out.Notes = append(out.Notes, fmt.Sprintf("when the step provision is done, make the new agent's identity a member of %s, or the restore cannot sign in to the database (docs/failover.md); agent.standingIdentity takes that step away", i.Admins))
		note, err := e.loginNote(i.Admins)
		if err != nil {
			return out, err
		}
		out.Notes = append(out.Notes, note)
	}
	if e.stack == nil && e.bridge.config.Failover.Target == "" {
		return out, fmt.Errorf("%w: neither failover.stack_file nor failover.target says where the database will be", errUsage)
	}
	found := preflight.Run(ctx, preflight.Config{Patience: runPatience, Clock: e.app.clock}, e.app.means(e.bridge, preflightOptions{pulumi: "pulumi"}))
	out.Checked += len(found.Checks)
	for _, c := range found.Checks {
		if c.Status != preflight.Pass {
			out.Notes = append(out.Notes, fmt.Sprintf("%s, %s: %s; %s", c.Name, c.Status, c.Found, c.Fix))
		}
	}
	for _, note := range out.Notes {
		e.app.logger().Warn("preflight: " + note)
	}
	return out, nil
}

// Authorise implements runs.Gate.
func (e *expedition) Authorise(ctx context.Context) (runs.Authority, error) {
	d := e.decision
	if d == nil { // the runner before this one did not get so far
		found, err := e.app.decide(ctx, e.bridge, e.plan)
		if err != nil {
			return runs.Authority{}, err
		}
		d = &found
	}
	out := runs.Authority{Plan: d.Hash, BrokenGlass: d.BrokenGlass}
	for _, v := range d.Verdict.Votes {
		roles := slices.Clone(v.Who.Roles)
		out.Approvals = append(out.Approvals, runs.Approved{Person: v.Who.Person, Role: strings.Join(roles, ", "), Decision: string(v.Statement.Decision),
			Reason: v.Statement.Reason, At: v.Statement.At, Key: v.Who.Key})
	}
	return out, nil
}

// openStack prepares the stack, if one is configured.
func (e *expedition) openStack() error {
	s := e.bridge.stack
	if s == nil {
		if e.plan.Kind == failover.Drill {
			return fmt.Errorf("%w: a drill in a stack needs failover.stack_file", errUsage)
		}
		return nil
	}
	stack, err := provision.New(provision.Config{
		Settings: s, Run: e.stackRun(),
		Backend: e.bridge.config.Failover.Backend.Reveal(), BreakLock: e.options.takeOver,
		Inventory: e.inventory,
	})
	e.stack = stack
	return err
}

// inventory asks the cloud what it holds of the stack. No answer does not undo a teardown:
// it is told, and stands in the report.
func (e *expedition) inventory(ctx context.Context, stack string) ([]string, error) {
	derived, err := e.bridge.stack.ForFailover(e.stackRun())
	if err != nil {
		return nil, err
	}
	cloud, _ := e.app.cloud(e.bridge.stack)
	groups, ok := cloud.(interface {
		InGroups(ctx context.Context, groups ...string) ([]string, error)
	})
	if !ok {
		e.unasked = "nobody is signed in to Azure"
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, runPatience)
	defer cancel()
	names := derived.Names()
	left, err := groups.InGroups(ctx, names.Group(), names.NodeGroup())
	e.unasked = ""
	if err != nil {
		e.unasked = err.Error()
		e.app.logger().Warn("Azure did not say what it holds of the stack", "stack", stack, "err", err)
		return nil, nil
	}
	return left, nil
}

// stackRun is what the stack of the plan has beside its settings.
func (e *expedition) stackRun() settings.FailoverRun {
	run := settings.FailoverRun{ID: e.plan.ID, Drill: e.plan.Kind == failover.Drill, Mirror: e.mirrorHalf()}
	if d := e.plan.Database; d.RestoreSKU != d.SKU {
		run.RestoreSKU = d.RestoreSKU
	}
	return run
}

// phases are those of the stack.
var phases = map[runs.Phase]provision.Phase{runs.Standing: {}, runs.Deployed: {Deploy: true}, runs.Live: {Deploy: true, Live: true}}

// Up implements runs.Cloud.
func (e *expedition) Up(ctx context.Context, p runs.Phase, say func(string)) (runs.Place, error) {
	if e.stack == nil {
		return e.place(nil), nil
	}
	out, err := e.stack.Up(ctx, phases[p], say)
	if err != nil {
		return runs.Place{}, err
	}
	return e.place(out), nil
}

// At implements runs.Cloud.
func (e *expedition) At(ctx context.Context, p runs.Phase) (runs.Place, bool, error) {
	if e.stack == nil {
		return e.place(nil), true, nil
	}
	out, ok, err := e.stack.At(ctx, phases[p])
	if err != nil || !ok {
		return runs.Place{}, false, err
	}
	return e.place(out), true, nil
}

func (e *expedition) place(out *outputs.Outputs) runs.Place {
	at := runs.Place{Region: e.bridge.config.Mirror.Name, Public: e.bridge.config.Failover.EdgeHost}
	var stack string
	if out != nil {
		at = runs.Place{Stack: e.stack.Name(), Region: out.Region, Host: out.AppHost, Public: out.PublicHost, Size: out.DatabaseSKU}
		stack = out.DatabaseURL
		e.outputs = out
	}
	at.Database = e.databaseURL(stack).Redacted()
	return at
}

// Destroy implements runs.Cloud.
func (e *expedition) Destroy(ctx context.Context, say func(string)) (runs.Teardown, error) {
	left, err := e.stack.Destroy(ctx, say)
	return runs.Teardown{Left: left, Unasked: e.unasked}, err
}

// Gone implements runs.Cloud.
func (e *expedition) Gone(ctx context.Context) (runs.Teardown, bool, error) {
	left, gone, err := e.stack.Gone(ctx)
	return runs.Teardown{Left: left, Unasked: e.unasked}, gone, err
}
