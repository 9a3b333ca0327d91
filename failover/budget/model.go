package budget

import (
	"fmt"
	"slices"
	"time"

	"lifeboat/failover"
	"lifeboat/restore"
)

// presets are for steps that no run has measured: what Azure takes for them on a usual day.
var presets = map[failover.StepName]float64{
	failover.StepPreflight: 30, failover.StepAuthorise: 2, failover.StepFence: 10, failover.StepProvision: 25 * 60,
	failover.StepVerify: 0, failover.StepDeploy: 5 * 60, failover.StepProbe: 30, failover.StepCapture: 60, failover.StepReport: 5,
	failover.StepDestroy: 20 * 60,
}

// Model forecasts. The zero Model has presets alone.
type Model struct{ seen []Observation }

// Fit makes the model of observations, oldest first.
func Fit(seen []Observation) Model { return Model{slices.Clone(seen)} }

// Job is what is to be forecast.
type Job struct {
	Kind     failover.Kind
	Work     Work
	Database string        // kind and SKU during the restore
	TTL      time.Duration // of the public name, with the probes that move it
	NoStack  bool          // nothing is brought up: the database and the application are there
}

// OfStack tells the steps that only a stack gives something to do.
func OfStack(s failover.StepName) bool {
	return s == failover.StepProvision || s == failover.StepDeploy || s == failover.StepDestroy
}

// Forecast lays the steps of a run out in time: how long each takes, one after the other.
func (m Model) Forecast(j Job) []failover.Step {
	var steps []failover.Step
	start := 0.0
	for _, name := range j.Kind.Steps() {
		s := failover.Step{Name: name, Start: start}
		switch {
		case OfStack(name) && j.NoStack:
			s.Basis = "nothing to do: no stack is configured"
		case name == failover.StepRestore:
			e := m.Restore(j.Work, j.Database)
			s.Seconds, s.Basis = e.Seconds, e.Basis
		case name == failover.StepTraffic:
			s.Seconds, s.Basis = m.step(name, j.TTL.Seconds())
		default:
			s.Seconds, s.Basis = m.step(name, presets[name])
		}
		start += s.Seconds
		steps = append(steps, s)
	}
	return steps
}

// step is the median of what a step took in earlier runs, or a preset.
func (m Model) step(name failover.StepName, preset float64) (float64, string) {
	var took []float64
	for _, o := range m.seen {
		for _, p := range o.Parts {
			if p.Name == string(name) {
				took = append(took, p.Seconds)
			}
		}
	}
	if len(took) == 0 {
		return preset, "assumed: never measured"
	}
	slices.Sort(took)
	return took[len(took)/2], fmt.Sprintf("median of %d", len(took))
}

// Estimate is how long a restore should take.
type Estimate struct {
	Seconds float64 // the sum of Parts
	Basis   string  // measured how often, or assumed
	Parts   []Part  // by the restore's own steps, named as those are, in order
}

// Restore forecasts a restore, verified, into a database of that kind and SKU.
func (m Model) Restore(w Work, database string) Estimate {
	e := Estimate{Basis: "assumed: no restore into " + database + " was measured"}
	measured := 0
	for _, part := range parts {
		points := m.points(part, database)
		measured = max(measured, len(points))
		sh := shapeOf(part, database)
		seconds := fit(points).at(sh.fixed, sh.work(w))
		e.Parts = append(e.Parts, Part{part, seconds})
		e.Seconds += seconds
	}
	if measured > 0 {
		e.Basis = fmt.Sprintf("fitted to %d of %s", measured, database)
	}
	if bound, rate := governed(w, database); bound > e.Seconds {
		load := slices.Index(parts, restore.StepLoad) // it is the step that is held back
		e.Parts[load].Seconds += bound - e.Seconds
		e.Seconds, e.Basis = bound, fmt.Sprintf("bounded by the log rate of %s, %.3g MB/s; else %s", database, rate/1e6, e.Basis)
	}
	return e
}

// points are what a part of a restore took, in every observation of such a database.
func (m Model) points(part, database string) []point {
	var points []point
	sh := shapeOf(part, database)
	for _, o := range m.seen {
		for _, p := range o.Parts {
			if o.Database == database && p.Name == RestorePart(part) {
				points = append(points, point{sh.fixed, sh.work(o.Work), p.Seconds})
			}
		}
	}
	return points
}

// ReplayBudget is how much log, as stored, a restore gets through in that time: what the
// agent lets the log grow to before it takes a snapshot. 0 when no restore that had log to
// go through was measured.
func (m Model) ReplayBudget(database string, within time.Duration) int64 {
	points := m.points(restore.StepChanges, database)
	if !slices.ContainsFunc(points, func(p point) bool { return p.work > 0 }) {
		return 0
	}
	s, sh := fit(points), shapeOf(restore.StepChanges, database)
	left := within.Seconds() - s.at(sh.fixed, 0)
	return int64(max(0, left) / s.at(0, sh.logByte))
}
