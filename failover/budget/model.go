package budget

import (
	"fmt"
	"slices"
	"time"

	"lifeboat/failover"
	"lifeboat/restore"
)

// parts of a restore, each with the work that its time follows.
var restoreParts = []struct {
	step   string
	units  func(Work) float64
	preset line
}{
	{restore.StepChanges, func(w Work) float64 { return float64(w.LogBytes) }, line{0.01, 1.0 / 40e6}},
	{restore.StepLoad, func(w Work) float64 { return float64(w.Rows) }, line{0.05, 1.0 / 300_000}},
	{restore.StepFinish, func(w Work) float64 { return float64(w.Rows) }, line{0.02, 1.0 / 600_000}},
	{restore.StepVerify, func(w Work) float64 { return float64(w.Rows) }, line{0.02, 1.0 / 400_000}},
}

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

// Runs is how many observations there are of a database, of any for "".
func (m Model) Runs(database string) int {
	n := 0
	for _, o := range m.seen {
		if database == "" || o.Database == database {
			n++
		}
	}
	return n
}

// Job is what is to be forecast.
type Job struct {
	Kind     failover.Kind
	Work     Work
	Database string        // kind and SKU during the restore
	TTL      time.Duration // of the public name, with the probes that move it
}

// Forecast lays the steps of a run out in time: how long each takes, one after the other.
func (m Model) Forecast(j Job) []failover.Step {
	var steps []failover.Step
	start := 0.0
	for _, name := range j.Kind.Steps() {
		s := failover.Step{Name: name, Start: start}
		switch name {
		case failover.StepRestore:
			s.Seconds, s.Basis = m.Restore(j.Work, j.Database)
		case failover.StepTraffic:
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

// Restore forecasts a restore, verified, into a database of that kind and SKU.
func (m Model) Restore(w Work, database string) (seconds float64, basis string) {
	measured := 0
	for _, part := range restoreParts {
		l, n := m.line(part.step, database)
		measured = max(measured, n)
		seconds += l.at(part.units(w))
	}
	basis = "assumed: no restore into " + database + " was measured"
	if measured > 0 {
		basis = fmt.Sprintf("fitted to %d of %s", measured, database)
	}
	if bound, rate := governed(w, database); bound > seconds {
		return bound, fmt.Sprintf("bounded by the log rate of %s, %.3g MB/s; else %s", database, rate/1e6, basis)
	}
	return seconds, basis
}

// line fits a part of a restore.
func (m Model) line(step, database string) (line, int) {
	for _, part := range restoreParts {
		if part.step != step {
			continue
		}
		var points []point
		for _, o := range m.seen {
			for _, p := range o.Parts {
				if o.Database == database && p.Name == restorePart(step) {
					points = append(points, point{part.units(o.Work), p.Seconds})
				}
			}
		}
		return fit(points, part.preset), len(points)
	}
	return line{}, 0
}

// ReplayBudget is how much log, as stored, a restore gets through in that time: what the
// agent lets the log grow to before it takes a snapshot. 0 when no restore was measured.
func (m Model) ReplayBudget(database string, within time.Duration) int64 {
	l, n := m.line(restore.StepChanges, database)
	if n == 0 || l.slope <= 0 {
		return 0
	}
	return int64(max(0, within.Seconds()-l.fixed) / l.slope)
}
