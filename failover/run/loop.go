package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"lifeboat/failover"
)

// Step is one step of a run.
type Step struct {
	Name  failover.StepName
	After []failover.StepName // what has to be done before it; steps that do not wait for each other overlap
	// Forecast is how long it should take; 0: not known.
	Forecast time.Duration
	// Done asks the world, not the journal, whether the step's effect is there, and
	// returns what it found: the same evidence as Do. nil: the step changes nothing, it
	// only looks; then the journal's entry is its effect.
	Done func(context.Context) (evidence any, done bool, err error)
	// Do brings the effect about. It may be cut off anywhere and be called again, also
	// while an earlier call is still under way elsewhere.
	Do func(ctx context.Context, say func(string)) (evidence any, err error)
	// Keep is a pointer that the evidence is decoded into, from the journal's bytes on
	// every path; steps that come after may read it. nil: nobody needs it.
	Keep any
	// Final: later steps change what this one left, so once it is in the journal as done
	// the world is not asked again.
	Final bool
}

// Progress is one thing that happened, for whoever watches.
type Progress struct {
	Version  int               `json:"version"` // 1
	Time     time.Time         `json:"time"`
	Run      string            `json:"run"`
	Step     failover.StepName `json:"step,omitempty"`
	What     string            `json:"what"` // begun, working, done, found, failed; of the run: started, finished, stopped
	Detail   string            `json:"detail,omitempty"`
	Took     time.Duration     `json:"took_ns,omitempty"`
	Forecast time.Duration     `json:"forecast_ns,omitempty"` // of the step
	Left     time.Duration     `json:"left_ns"`               // of the run, by the forecast
}

// Run is one runner's attempt to bring a run to its end.
type Run struct {
	Journal *Journal
	History History // what was there when the journal was claimed; zero for a new run
	Steps   []Step
	Watch   func(Progress)   // called one at a time; nil: nobody
	Clock   func() time.Time // nil: time.Now
	// Grace bounds the last entry after an interruption. 0: 10 s.
	Grace time.Duration

	mu      sync.Mutex // guards what follows, and Watch
	states  map[failover.StepName]*stepState
	problem error // the first failure: no further step begins
}

type stepState struct {
	began, ended time.Time
	ready        chan struct{} // closed when the step is done or will not be
	done         bool
}

// Do runs every step that is not done and returns nil when all are. After an error nothing
// is under way any more and the run can be resumed: by anybody when the journal could be
// told, else with a take-over. With ErrSuperseded somebody else has done so already.
func (r *Run) Do(ctx context.Context) error {
	if err := r.prepare(); err != nil {
		return err
	}
	r.tell(Progress{What: "started"})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for i := range r.Steps {
		all.Go(func() {
			s := &r.Steps[i]
			defer close(r.states[s.Name].ready)
			if !r.await(ctx, s) {
				return
			}
			if err := r.step(ctx, s); err != nil {
				r.fail(fmt.Errorf("step %s: %w", s.Name, err))
				if errors.Is(err, ErrSuperseded) {
					cancel(err) // what overlaps must not go on either
				}
				return
			}
			r.mu.Lock()
			r.states[s.Name].done = true
			r.mu.Unlock()
		})
	}
	all.Wait()
	return r.end(ctx)
}

// prepare refuses a list of steps that could never end.
func (r *Run) prepare() error {
	if r.Clock == nil {
		r.Clock = time.Now
	}
	if r.Grace == 0 {
		r.Grace = 10 * time.Second
	}
	r.states = make(map[failover.StepName]*stepState, len(r.Steps))
	for i := range r.Steps {
		s := &r.Steps[i]
		for _, name := range s.After {
			if r.states[name] == nil {
				return fmt.Errorf("step %s comes after %q, which is no step before it", s.Name, name)
			}
		}
		if r.states[s.Name] != nil || s.Do == nil {
			return fmt.Errorf("step %q stands there twice, or does nothing", s.Name)
		}
		r.states[s.Name] = &stepState{ready: make(chan struct{})}
	}
	return nil
}

// await waits for the steps before s. It reports whether s may begin.
func (r *Run) await(ctx context.Context, s *Step) bool {
	for _, name := range s.After {
		<-r.states[name].ready // always comes: every step closes it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := r.problem == nil && ctx.Err() == nil
	for _, name := range s.After {
		ok = ok && r.states[name].done
	}
	if ok {
		r.states[s.Name].began = r.Clock()
	}
	return ok
}

// step makes sure that one step is done.
func (r *Run) step(ctx context.Context, s *Step) error {
	was, journaled := r.before(s)
	if journaled && (s.Final || s.Done == nil) {
		return r.found(ctx, s, was, false)
	}
	if s.Done != nil {
		evidence, done, err := s.Done(ctx)
		if err != nil {
			return fmt.Errorf("ask whether it is done: %w", err)
		}
		if done {
			raw, err := marshal(evidence)
			if err != nil {
				return err
			}
			return r.found(ctx, s, raw, !journaled)
		}
	}
	return r.perform(ctx, s)
}

// before returns the evidence of an earlier runner.
func (r *Run) before(s *Step) (json.RawMessage, bool) {
	e, ok := r.History.Of(s.Name, Done)
	return e.Evidence, ok
}

// perform journals the step's beginning, does it, and journals its end.
func (r *Run) perform(ctx context.Context, s *Step) error {
	if err := r.Journal.Write(ctx, Entry{Event: Begun, Step: s.Name}); err != nil {
		return err
	}
	r.tell(Progress{What: "begun", Step: s.Name, Forecast: s.Forecast})
	evidence, err := s.Do(ctx, func(detail string) {
		r.tell(Progress{What: "working", Step: s.Name, Detail: detail, Forecast: s.Forecast})
	})
	if err != nil {
		evidence, err = r.doubt(ctx, s, err)
	}
	if err != nil {
		r.tell(Progress{What: "failed", Step: s.Name, Detail: err.Error()})
		return errors.Join(err, r.note(ctx, Entry{Event: Failed, Step: s.Name, Detail: clip(err.Error())}))
	}
	raw, err := marshal(evidence)
	if err != nil {
		return err
	}
	return r.found(ctx, s, raw, true)
}

// doubt asks the world after a failure: what was done and only reported as failed is done.
func (r *Run) doubt(ctx context.Context, s *Step, failure error) (any, error) {
	if s.Done == nil || ctx.Err() != nil || errors.Is(failure, ErrRefused) {
		return nil, failure
	}
	evidence, done, err := s.Done(ctx)
	if err != nil || !done {
		return nil, failure // the failure says more than the question's
	}
	return evidence, nil
}

// found keeps the evidence of a step that is done, and journals it if it is news.
func (r *Run) found(ctx context.Context, s *Step, raw json.RawMessage, news bool) error {
	if s.Keep != nil {
		if err := json.Unmarshal(raw, s.Keep); err != nil {
			return fmt.Errorf("its evidence cannot be read: %w", err)
		}
	}
	if news {
		if err := r.Journal.Write(ctx, Entry{Event: Done, Step: s.Name, Evidence: raw}); err != nil {
			return err
		}
	}
	r.mu.Lock()
	state := r.states[s.Name]
	state.ended = r.Clock()
	took := state.ended.Sub(state.began)
	r.mu.Unlock()
	what := "done"
	if !news {
		what = "found"
	}
	r.tell(Progress{What: what, Step: s.Name, Took: took, Forecast: s.Forecast})
	return nil
}

func marshal(evidence any) (json.RawMessage, error) {
	if evidence == nil {
		return nil, nil
	}
	raw, err := json.Marshal(evidence)
	if err != nil {
		return nil, fmt.Errorf("encode its evidence: %w", err)
	}
	return raw, nil
}

func (r *Run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problem = errors.Join(r.problem, err)
}

// end writes the last entry of this runner.
func (r *Run) end(ctx context.Context) error {
	r.mu.Lock()
	err := r.problem
	r.mu.Unlock()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	switch {
	case err == nil:
		if err := r.Journal.Write(ctx, Entry{Event: Finished}); err != nil {
			return err
		}
		r.tell(Progress{What: "finished"})
		return nil
	case errors.Is(err, ErrSuperseded):
		r.tell(Progress{What: "stopped", Detail: ErrSuperseded.Error()})
		return err
	}
	nerr := r.note(ctx, Entry{Event: Stopped, Detail: clip(err.Error())})
	r.tell(Progress{What: "stopped", Detail: err.Error()})
	return errors.Join(err, nerr)
}

// note writes what only helps whoever comes next, also when ctx has ended.
func (r *Run) note(ctx context.Context, e Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Grace)
	defer cancel()
	return r.Journal.Write(ctx, e)
}

// clip bounds a detail: it is for people, and the whole error was printed.
func clip(s string) string {
	const most = 4 << 10
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " …"
}

// tell hands one event to the watcher.
func (r *Run) tell(p Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Watch == nil {
		return
	}
	p.Version, p.Time, p.Run, p.Left = 1, r.Clock().UTC(), r.Journal.ID(), r.left()
	r.Watch(p)
}

// left is the longest chain of forecasts that is still to come. The caller holds mu.
func (r *Run) left() time.Duration {
	until := make(map[failover.StepName]time.Duration, len(r.Steps))
	var most time.Duration
	for i := range r.Steps {
		s, state := &r.Steps[i], r.states[r.Steps[i].Name]
		var t time.Duration
		for _, name := range s.After {
			t = max(t, until[name])
		}
		switch {
		case !state.ended.IsZero():
		case !state.began.IsZero():
			t += max(0, s.Forecast-r.Clock().Sub(state.began))
		default:
			t += s.Forecast
		}
		until[s.Name] = t
		most = max(most, t)
	}
	return most
}

// ErrRefused marks what was refused before anything was changed.
var ErrRefused = errors.New("refused")
