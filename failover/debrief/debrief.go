package debrief

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lifeboat/failover"
	"lifeboat/failover/budget"
	"lifeboat/failover/incident"
	"lifeboat/failover/incident/report"
	"lifeboat/failover/run"
	"lifeboat/internal/blob"
)

// root is where reports are kept.
const root = "reports/"

// maxReport bounds a report that is read, bytes.
const maxReport = 64 << 20

// Debrief is the reporter of one run.
type Debrief struct {
	Store    blob.Store // of the region that took over
	Plan     *failover.Plan
	Company  string
	Incident string // "" = none
	Lost     time.Time
	Work     budget.Work // of the restore; for the observation
	Database string      // kind and size, as in budget.Job
	Clock    func() time.Time
	// Tell hears of the report when it is durable. It must not take long: what it does
	// with it is no part of the recovery.
	Tell func(context.Context, report.Exercise, *report.Source)
	Warn func(string, error)
}

var _ run.Reporter = (*Debrief)(nil)

// Name is the object that holds a form of the report.
func Name(id string, form report.Form) string { return root + id + "." + string(form) }

// Report implements run.Reporter.
func (d *Debrief) Report(ctx context.Context, e *run.Evidence) (run.Reported, error) {
	if r, done, err := d.Reported(ctx); done || err != nil {
		return r, err
	}
	h, err := run.ReadHistory(ctx, d.Store, d.Plan.ID)
	if err != nil {
		return run.Reported{}, err
	}
	x := d.exercise(ctx, h, e)
	src, err := report.NewSource(d.Clock(), x)
	if err != nil {
		return run.Reported{}, err
	}
	// JSON last: that it is there says that all of them are.
	for _, form := range []report.Form{report.HTML, report.Markdown, report.JSON} {
		body, err := src.Render(form)
		if err != nil {
			return run.Reported{}, err
		}
		err = d.Store.Create(ctx, Name(d.Plan.ID, form), body)
		if err != nil && !errors.Is(err, blob.ErrExists) { // an earlier attempt's is as good
			return run.Reported{}, fmt.Errorf("keep the report: %w", err)
		}
	}
	if err := budget.Observe(ctx, d.Store, d.observation(x)); err != nil && d.Warn != nil {
		d.Warn("what this run took will not improve the next forecast", err)
	}
	if d.Tell != nil {
		d.Tell(ctx, x, src)
	}
	r, _, err := d.Reported(ctx)
	return r, err
}

// Reported implements run.Reporter.
func (d *Debrief) Reported(ctx context.Context) (run.Reported, bool, error) {
	name := Name(d.Plan.ID, report.JSON)
	body, err := blob.ReadAll(ctx, d.Store, name, maxReport)
	if errors.Is(err, blob.ErrNotExist) {
		return run.Reported{}, false, nil
	}
	if err != nil {
		return run.Reported{}, false, err
	}
	return run.Reported{Object: name, SHA256: incident.Digest(body)}, true, nil
}

func (d *Debrief) exercise(ctx context.Context, h run.History, e *run.Evidence) report.Exercise {
	hash, _ := d.Plan.Hash() // an approved plan has one
	x := report.Exercise{
		Company: d.Company, What: string(d.Plan.Kind), ID: d.Plan.ID, Incident: d.Incident, Plan: hash,
		Began: h.Entries[0].Time, Ended: d.Clock().UTC(), Succeeded: true, BrokenGlass: e.Authority.BrokenGlass,
		Forecast: seconds(d.Plan.Forecast.TotalSeconds), YearLeft: seconds(d.Plan.Forecast.Year.LeftSeconds),
		Leftover: e.Teardown.Left,
		Hashes:   []report.Hash{{Name: "plan", SHA256: hash}, {Name: "last segment restored", SHA256: e.Fence.End.Digest.String()}},
	}
	x.LostCommits, x.LostSeconds = d.loss(e)
	for _, t := range e.Verified {
		x.Tables = append(x.Tables, report.TableProof(t))
	}
	for _, a := range e.Authority.Approvals {
		x.Approvals = append(x.Approvals, report.Approval{Person: a.Person, Role: a.Role, Decision: a.Decision, At: a.At, Key: a.Key})
		x.Present = append(x.Present, a.Person)
	}
	x.Steps = withParts(d.steps(h), e.Restored.Seconds, d.estimate(ctx))
	x.RTO = d.rto(h, x)
	if e.Place.Stack != "" {
		x.Planned = report.Sizes{Restore: cmp.Or(d.Plan.Database.RestoreSKU, d.Plan.Database.SKU), Serve: d.Plan.Database.SKU}
		x.Sizes = report.Sizes{Restore: e.Place.Size, Serve: cmp.Or(e.Live.Size, e.Deployed.Size)}
	}
	x.Deviations = d.deviations(h, e)
	return x
}

// loss is what the fence set aside, and the time from the last commit that was saved to
// the loss.
func (d *Debrief) loss(e *run.Evidence) (commits int64, secs float64) {
	if d.Plan.Kind == failover.Drill {
		return 0, 0
	}
	for _, o := range e.Fence.Orphans {
		commits += int64(o.Transactions())
	}
	if !d.Lost.IsZero() && !e.Restored.Time.IsZero() {
		secs = max(0, d.Lost.Sub(e.Restored.Time).Seconds())
	}
	return commits, secs
}

// rto ends when users are served again, which is when the probe has found that out.
func (d *Debrief) rto(h run.History, x report.Exercise) time.Duration {
	began, ended := x.Began, x.Ended
	if !d.Lost.IsZero() && d.Lost.Before(began) && d.Plan.Kind != failover.Drill {
		began = d.Lost
	}
	if p, ok := h.Of(failover.StepProbe, run.Done); ok {
		ended = p.Time
	}
	return max(0, ended.Sub(began))
}

// steps are the journal's, from the first beginning to the end, interruptions included.
func (d *Debrief) steps(h run.History) []report.Step {
	forecast := map[failover.StepName]time.Duration{}
	for _, s := range d.Plan.Forecast.Steps {
		forecast[s.Name] = seconds(s.Seconds)
	}
	var steps []report.Step
	at := map[failover.StepName]int{}
	for _, e := range h.Entries {
		i, known := at[e.Step]
		switch {
		case e.Event == run.Begun && !known:
			at[e.Step] = len(steps)
			steps = append(steps, report.Step{Name: string(e.Step), Began: e.Time, Forecast: forecast[e.Step]})
		case e.Event == run.Done && known:
			steps[i].Took, steps[i].Failed = e.Time.Sub(steps[i].Began), ""
		case e.Event == run.Failed && known:
			steps[i].Took, steps[i].Failed = e.Time.Sub(steps[i].Began), e.Detail
		}
	}
	return steps
}

// estimate is what earlier runs let expect of the restore's own steps, in their order; no
// time where that is not known. A report is worth having without it.
func (d *Debrief) estimate(ctx context.Context) []budget.Part {
	seen, err := budget.Observations(ctx, d.Store)
	parts := budget.Fit(seen).Restore(d.Work, d.Database).Parts
	if err != nil || d.Work == (budget.Work{}) {
		for i := range parts {
			parts[i].Seconds = 0
		}
	}
	return parts
}

// withParts adds the restore's own steps after the restore, one after the other.
func withParts(steps []report.Step, took map[string]float64, expected []budget.Part) []report.Step {
	i := slices.IndexFunc(steps, func(s report.Step) bool { return s.Name == string(failover.StepRestore) })
	if i < 0 {
		return steps
	}
	var parts []report.Step
	began := steps[i].Began
	for _, name := range inOrder(took, expected) {
		part := report.Step{Name: budget.RestorePart(name), Began: began, Took: seconds(took[name])}
		for _, p := range expected {
			if p.Name == name {
				part.Forecast = seconds(p.Seconds)
			}
		}
		began = began.Add(part.Took)
		parts = append(parts, part)
	}
	return slices.Insert(steps, i+1, parts...)
}

// inOrder lists the restore's own steps as they follow each other, unknown ones last.
func inOrder(took map[string]float64, expected []budget.Part) []string {
	names := slices.Sorted(maps.Keys(took))
	place := func(name string) int {
		i := slices.IndexFunc(expected, func(p budget.Part) bool { return p.Name == name })
		return cmp.Or(i+1, len(expected)+1)
	}
	slices.SortStableFunc(names, func(a, b string) int { return place(a) - place(b) })
	return names
}

// deviations are what a plan does not foresee.
func (d *Debrief) deviations(h run.History, e *run.Evidence) []string {
	var list []string
	for _, entry := range h.Entries {
		switch entry.Event {
		case run.Failed:
			list = append(list, fmt.Sprintf("%s: step %s failed: %s", stamp(entry.Time), entry.Step, entry.Detail))
		case run.Taken:
			list = append(list, fmt.Sprintf("%s: %s went on with the run", stamp(entry.Time), entry.By))
		}
	}
	if d.Plan.Kind != failover.Drill && e.Protection.Mirror == "" {
		list = append(list, "there is no new mirror: what is committed from now on is in one region only")
	}
	if e.Teardown.Unasked != "" {
		list = append(list, "what the teardown left is known "+e.Teardown.Proof())
	}
	list = append(list, e.Readiness.Notes...)
	for _, a := range e.Authority.Approvals {
		if a.Reason != "" {
			list = append(list, fmt.Sprintf("%s (%s): %s: %s", a.Person, a.Role, a.Decision, a.Reason))
		}
	}
	return list
}

// observation is what the next forecast learns. Of a restore whose work this runner does
// not know, because another one began it, and of a stack that did not have to be brought
// up, the times say nothing.
func (d *Debrief) observation(x report.Exercise) budget.Observation {
	o := budget.Observation{At: x.Ended, Run: x.ID, Database: d.Database, Work: d.Work,
		Forecast: d.Plan.Forecast.TotalSeconds, Actual: x.Ended.Sub(x.Began).Seconds()}
	known := d.Work != (budget.Work{})
	for _, s := range x.Steps {
		if strings.HasPrefix(s.Name, budget.RestorePart("")) && !known || budget.OfStack(failover.StepName(s.Name)) && d.Plan.Stack.Settings == "" {
			continue
		}
		o.Parts = append(o.Parts, budget.Part{Name: s.Name, Seconds: s.Took.Seconds()})
	}
	return o
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
