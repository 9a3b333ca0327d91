package run

import (
	"context"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/failover"
)

// StepArm installs capture before anybody can write: what an application commits before
// the log goes on stays captured in the database until then.
const StepArm failover.StepName = "arm"

// MovesLog reports whether a run of this kind takes the log over, so that only one such
// run may be under way. A drill leaves log, traffic and primary alone.
func MovesLog(k failover.Kind) bool { return k == failover.Failover || k == failover.Failback }

// Phase is how far a stack has been brought up. Each contains the ones before.
type Phase int

// The phases of a stack.
const (
	Standing Phase = iota // network, cluster and an empty database
	Deployed              // and the application, which nobody reaches yet
	Live                  // and traffic, and the agent that captures
)

func (p Phase) String() string { return [...]string{"standing", "deployed", "live"}[p] }

// Place is where a region's parts are, as its stack says. It holds no secret.
type Place struct {
	Stack    string `json:"stack"`
	Region   string `json:"region"`
	Database string `json:"database"`       // URL
	Size     string `json:"size,omitempty"` // SKU of the database; "" = it has none
	Host     string `json:"host,omitempty"` // of the application in this region; "" in a drill
	Public   string `json:"public"`         // the name that users type
}

// Readiness is what the preflight found.
type Readiness struct {
	Checked int      `json:"checked"`
	Notes   []string `json:"notes,omitempty"` // of what is not as it should be and does not stop the run
}

// Authority is on whose word the run goes ahead.
type Authority struct {
	Plan        string     `json:"plan"` // SHA-256, hex
	BrokenGlass bool       `json:"broken_glass,omitempty"`
	Approvals   []Approved `json:"approvals"`
}

// Approved is one signature under the plan.
type Approved struct {
	Person   string    `json:"person"`
	Role     string    `json:"role"`
	Decision string    `json:"decision"`
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
	Key      string    `json:"key"`
}

// Fence is what ended the old writer's reign.
type Fence struct {
	Epoch   eventlog.Epoch         `json:"epoch"` // the one that began
	End     eventlog.Position      `json:"end"`   // where the log goes on
	Copied  uint64                 `json:"copied"`
	Orphans []eventlog.SegmentInfo `json:"orphans,omitempty"`
	// Database tells what became of the old database: fenced, or why it could not be.
	Database string `json:"database,omitempty"`
}

// Restored is what a restore did and proved.
type Restored struct {
	PlanID  string             `json:"plan_id"`
	Seq     eventlog.Seq       `json:"seq"`
	Time    time.Time          `json:"time,omitzero"` // of that transaction
	Rows    int64              `json:"rows"`
	Tables  []TableProof       `json:"tables"`
	Seconds map[string]float64 `json:"seconds,omitempty"` // by the restore's own steps
	Where   string             `json:"where,omitempty"`   // for people; "": on the machine of the run
}

// TableProof is one restored table against what it has to be.
type TableProof struct {
	Name     string `json:"name"`
	Rows     int64  `json:"rows"`
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
}

// Match reports whether the table is what it has to be.
func (t TableProof) Match() bool { return t.Expected == t.Actual && t.Expected != "" }

// Probed is what a user found.
type Probed struct {
	Checks []Check `json:"checks"`
}

// Check is one thing that was tried through the real endpoint.
type Check struct {
	Name  string `json:"name"`
	Found string `json:"found"`
}

// Protection is where the log goes on.
type Protection struct {
	Epoch  eventlog.Epoch `json:"epoch"`
	Mirror string         `json:"mirror"` // the new one's store
	Base   eventlog.Seq   `json:"base"`   // of the first base there
}

// Teardown is what is left of a drill's stack: nothing, or it fails.
type Teardown struct {
	Left []string `json:"left"`
	// Unasked is why the cloud did not say what it holds; then the engine's state is all
	// that Left is known by.
	Unasked string `json:"unasked,omitempty"`
}

// Proof says by what it is known what is left.
func (t Teardown) Proof() string {
	if t.Unasked != "" {
		return "by the engine's state alone; the cloud was not asked: " + t.Unasked
	}
	return "by the engine's state, and by the cloud"
}

// Reported names the report.
type Reported struct {
	Object string `json:"object"` // in the DR store
	SHA256 string `json:"sha256"`
}

// Gate decides whether the run may go ahead.
type Gate interface {
	// Preflight looks at everything a failover needs. ErrRefused names what is missing.
	Preflight(ctx context.Context) (Readiness, error)
	// Authorise judges the signatures and compares the facts with those that the plan
	// was approved on. ErrRefused says what changed, or whose signature is missing.
	Authorise(ctx context.Context) (Authority, error)
}

// Log is the event log in the DR store.
type Log interface {
	// Fence ends the old writer's reign. Again: nothing more happens.
	Fence(ctx context.Context) (Fence, error)
	// Fenced reports what Fence did for this run, if it did.
	Fenced(ctx context.Context) (Fence, bool, error)
}

// Cloud is the stack of this run.
type Cloud interface {
	// Up brings the stack to a phase, or leaves it beyond.
	Up(ctx context.Context, p Phase, say func(string)) (Place, error)
	// At reports whether the stack is at a phase or beyond.
	At(ctx context.Context, p Phase) (Place, bool, error)
	// Destroy removes the stack and reports what it left.
	Destroy(ctx context.Context, say func(string)) (Teardown, error)
	// Gone reports whether the stack is not there (any more), and what it left.
	Gone(ctx context.Context) (Teardown, bool, error)
}

// Database is the database of a place.
type Database interface {
	// Restore fills it up to a Seq, or goes on with that, and verifies it. What is loaded
	// is recorded in the database itself, with the rows: again, it only verifies.
	Restore(ctx context.Context, at Place, seq eventlog.Seq, say func(string)) (Restored, error)
	// Arm installs capture, and takes the restore's records away. Armed reports whether
	// that is so.
	Arm(ctx context.Context, at Place) error
	Armed(ctx context.Context, at Place) (bool, error)
	// Protect begins an epoch after the fence's, towards the new mirror, and makes its
	// first base durable. Where there is no new mirror it does nothing, and says so by an
	// empty Mirror. Protected reports whether there is one that holds a base.
	Protect(ctx context.Context, at Place, after eventlog.Epoch) (Protection, error)
	Protected(ctx context.Context, at Place, after eventlog.Epoch) (Protection, bool, error)
}

// Service is the application, as its users see it.
type Service interface {
	// Probe uses it; an error says what a user would run into.
	Probe(ctx context.Context, at Place) (Probed, error)
}

// Reporter keeps the evidence.
type Reporter interface {
	// Report writes the report and tells the incident record, if there is one, which
	// never holds the run up.
	Report(ctx context.Context, e *Evidence) (Reported, error)
	// Reported reports whether the report is there.
	Reported(ctx context.Context) (Reported, bool, error)
}

// Parts are the outside of a run.
type Parts struct {
	Gate     Gate
	Log      Log
	Cloud    Cloud
	Database Database
	Service  Service
	Reporter Reporter
}

// Evidence is what the steps found, each as the journal has it.
type Evidence struct {
	Readiness  Readiness
	Authority  Authority
	Fence      Fence
	Place      Place // provisioned
	Restored   Restored
	Verified   []TableProof
	Deployed   Place
	Live       Place
	Probed     Probed
	Protection Protection
	Teardown   Teardown
	Reported   Reported
}

// Recipe says what a run is to do.
type Recipe struct {
	Kind failover.Kind
	// Seq is the restore's target; 0: everything that the fence left (a drill: everything
	// that there is), which Latest finds out.
	Seq    eventlog.Seq
	Latest func(context.Context) (eventlog.Seq, error) // needed by a drill without Seq
	// Forecast is by step.
	Forecast map[failover.StepName]time.Duration
}

// Steps lists the steps of a run, and where they leave their evidence.
func Steps(r Recipe, p Parts) ([]Step, *Evidence) {
	b := &builder{recipe: r, parts: p, found: &Evidence{}}
	steps := []Step{b.preflight(), b.authorise()}
	if r.Kind == failover.Drill {
		steps = append(steps, b.provision(failover.StepAuthorise), b.restore(failover.StepProvision), b.verify(), b.deploy(failover.StepVerify),
			b.probe(failover.StepDeploy), b.teardown(), b.report(failover.StepDestroy))
	} else {
		steps = append(steps, b.fence(), b.provision(failover.StepAuthorise), b.restore(failover.StepFence, failover.StepProvision), b.verify(), b.arm(),
			b.deploy(StepArm), b.traffic(), b.probe(failover.StepTraffic), b.protect(), b.report(failover.StepCapture))
	}
	for i := range steps {
		steps[i].Forecast = r.Forecast[steps[i].Name]
	}
	return steps, b.found
}

type builder struct {
	recipe Recipe
	parts  Parts
	found  *Evidence
}

func (b *builder) preflight() Step {
	return Step{Name: failover.StepPreflight, Keep: &b.found.Readiness, Do: func(ctx context.Context, _ func(string)) (any, error) {
		return b.parts.Gate.Preflight(ctx)
	}}
}

// authorise looks, and so is believed once it is in the journal: a run that has begun is
// not stopped by an approval that expires meanwhile.
func (b *builder) authorise() Step {
	return Step{Name: failover.StepAuthorise, After: []failover.StepName{failover.StepPreflight}, Keep: &b.found.Authority, Do: func(ctx context.Context, _ func(string)) (any, error) {
		return b.parts.Gate.Authorise(ctx)
	}}
}

func (b *builder) fence() Step {
	return Step{
		Name: failover.StepFence, After: []failover.StepName{failover.StepAuthorise}, Keep: &b.found.Fence, Final: true,
		Done: func(ctx context.Context) (any, bool, error) { return result(b.parts.Log.Fenced(ctx)) },
		Do:   func(ctx context.Context, _ func(string)) (any, error) { return b.parts.Log.Fence(ctx) },
	}
}

// result lets a typed answer go through as evidence.
func result[T any](v T, done bool, err error) (any, bool, error) { return v, done, err }

func (b *builder) phase(p Phase, keep *Place) Step {
	return Step{
		Keep: keep,
		Done: func(ctx context.Context) (any, bool, error) { return result(b.parts.Cloud.At(ctx, p)) },
		Do:   func(ctx context.Context, say func(string)) (any, error) { return b.parts.Cloud.Up(ctx, p, say) },
	}
}

func (b *builder) provision(after ...failover.StepName) Step {
	s := b.phase(Standing, &b.found.Place)
	s.Name, s.After, s.Final = failover.StepProvision, after, b.recipe.Kind == failover.Drill // which destroys it in the end
	return s
}

// restore has no question of its own: the database records what is loaded, and Restore
// asks it.
func (b *builder) restore(after ...failover.StepName) Step {
	return Step{
		Name: failover.StepRestore, After: after, Keep: &b.found.Restored,
		Do: func(ctx context.Context, say func(string)) (any, error) {
			seq, err := b.target(ctx)
			if err != nil {
				return nil, err
			}
			return b.parts.Database.Restore(ctx, b.found.Place, seq, say)
		},
	}
}

// target is the Seq to restore to: it stays the same for as long as the run lasts.
func (b *builder) target(ctx context.Context) (eventlog.Seq, error) {
	switch {
	case b.recipe.Seq != 0:
		return b.recipe.Seq, nil
	case b.recipe.Kind != failover.Drill:
		return b.found.Fence.End.Seq, nil
	}
	return b.recipe.Latest(ctx)
}

func (b *builder) verify() Step {
	return Step{Name: failover.StepVerify, After: []failover.StepName{failover.StepRestore}, Keep: &b.found.Verified, Do: func(context.Context, func(string)) (any, error) {
		tables := b.found.Restored.Tables
		if len(tables) == 0 {
			return nil, fmt.Errorf("the restore proved no table at all")
		}
		for _, t := range tables {
			if !t.Match() {
				return nil, fmt.Errorf("table %s has state hash %s, snapshot and log demand %s: do not use this database", t.Name, t.Actual, t.Expected)
			}
		}
		return tables, nil
	}}
}

func (b *builder) arm() Step {
	return Step{
		Name: StepArm, After: []failover.StepName{failover.StepVerify}, Final: true,
		Done: func(ctx context.Context) (any, bool, error) {
			armed, err := b.parts.Database.Armed(ctx, b.found.Place)
			return nil, armed, err
		},
		Do: func(ctx context.Context, _ func(string)) (any, error) {
			return nil, b.parts.Database.Arm(ctx, b.found.Place)
		},
	}
}

func (b *builder) deploy(after failover.StepName) Step {
	s := b.phase(Deployed, &b.found.Deployed)
	s.Name, s.After, s.Final = failover.StepDeploy, []failover.StepName{after}, b.recipe.Kind == failover.Drill
	return s
}

func (b *builder) traffic() Step {
	s := b.phase(Live, &b.found.Live)
	s.Name, s.After = failover.StepTraffic, []failover.StepName{failover.StepDeploy}
	return s
}

func (b *builder) probe(after failover.StepName) Step {
	return Step{Name: failover.StepProbe, After: []failover.StepName{after}, Keep: &b.found.Probed, Do: func(ctx context.Context, _ func(string)) (any, error) {
		at := b.found.Live
		if b.recipe.Kind == failover.Drill {
			at = b.found.Deployed
		}
		return b.parts.Service.Probe(ctx, at)
	}}
}

// protect comes when users are served again: until then what they commit is captured in
// the database. Before that it would only hold them up.
func (b *builder) protect() Step {
	return Step{
		Name: failover.StepCapture, After: []failover.StepName{failover.StepProbe}, Keep: &b.found.Protection, Final: true,
		Done: func(ctx context.Context) (any, bool, error) {
			return result(b.parts.Database.Protected(ctx, b.found.Place, b.found.Fence.Epoch))
		},
		Do: func(ctx context.Context, _ func(string)) (any, error) {
			return b.parts.Database.Protect(ctx, b.found.Place, b.found.Fence.Epoch)
		},
	}
}

func (b *builder) teardown() Step {
	return Step{
		Name: failover.StepDestroy, After: []failover.StepName{failover.StepProbe}, Keep: &b.found.Teardown, Final: true,
		Done: func(ctx context.Context) (any, bool, error) { return result(b.parts.Cloud.Gone(ctx)) },
		Do:   func(ctx context.Context, say func(string)) (any, error) { return b.parts.Cloud.Destroy(ctx, say) },
	}
}

func (b *builder) report(after ...failover.StepName) Step {
	return Step{
		Name: failover.StepReport, After: after, Keep: &b.found.Reported,
		Done: func(ctx context.Context) (any, bool, error) { return result(b.parts.Reporter.Reported(ctx)) },
		Do:   func(ctx context.Context, _ func(string)) (any, error) { return b.parts.Reporter.Report(ctx, b.found) },
	}
}
