package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/run"
	"lifeboat/internal/blob/memory"
)

// TestStaleRunnerStops: the first runner hangs at the end of a step; another takes the
// run over and finishes. When the first one wakes up it has no effect any more.
func TestStaleRunnerStops(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"fence:end", "standing:end", "restore:end", "arm:end", "deployed:end", "live:end"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			asleep, wake := make(chan struct{}), make(chan struct{})
			w := &world{dir: t.TempDir(), hit: func(p string) error {
				if p == point {
					close(asleep)
					<-wake
				}
				return nil
			}}
			stale := make(chan error, 1)
			go func() {
				_, err := w.start(t.Context(), store, failover.Failover)
				stale <- err
			}()
			<-asleep
			second := &world{dir: w.dir}
			_, err := second.resume(t.Context(), store, failover.Failover)
			require.NoError(t, err)
			before := second.state(t)
			close(wake)
			require.ErrorIs(t, <-stale, run.ErrSuperseded)
			require.Equal(t, before, second.state(t), "it went on after it was superseded")
			requireWhole(t, second, store, failover.Failover)
		})
	}
}

// TestStepsOverlap: provisioning begins while the fence is still under way, and the
// restore waits for both.
func TestStepsOverlap(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	provisioning := make(chan struct{})
	w := &world{dir: t.TempDir(), hit: func(p string) error {
		mu.Lock()
		order = append(order, p)
		mu.Unlock()
		switch p {
		case "standing:start":
			close(provisioning)
		case "fence:middle":
			<-provisioning // would never come if they did not overlap
		}
		return nil
	}}
	_, err := w.start(t.Context(), memory.New(), failover.Failover)
	require.NoError(t, err)
	at := func(p string) int { return slices.Index(order, p) }
	for _, pair := range [][2]string{{"fence:end", "restore:start"}, {"standing:end", "restore:start"}, {"restore:end", "arm:start"},
		{"arm:end", "deployed:start"}, {"deployed:end", "live:start"}, {"live:end", "probe:start"}, {"probe:end", "capture:start"},
		{"capture:end", "report:start"}} {
		require.Less(t, at(pair[0]), at(pair[1]), pair)
	}
}

// TestFailureLetsTheOthersEnd: what overlaps with a failing step is not cut off in the
// middle, and nothing begins after it.
func TestFailureLetsTheOthersEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("the old store does not answer")
	provisioning, failed := make(chan struct{}), make(chan struct{})
	asked := 0
	w := &world{dir: t.TempDir(), hit: func(p string) error {
		switch p {
		case "standing:start":
			close(provisioning)
		case "fence:start":
			<-provisioning
			return broken
		case "fence:ask":
			if asked++; asked == 2 { // after the failure
				close(failed)
			}
		case "standing:middle":
			<-failed
		}
		return nil
	}}
	_, err := w.start(t.Context(), memory.New(), failover.Failover)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "step fence")
	require.Equal(t, []string{"standing.1", "standing.2"}, w.state(t))
}

// TestInterruptedSaysSo: after a signal the journal says that the runner stopped, so
// nobody needs to take over.
func TestInterruptedSaysSo(t *testing.T) {
	t.Parallel()
	store := memory.New()
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{dir: t.TempDir(), hit: func(p string) error {
		if p == "restore:middle" && ctx.Err() == nil {
			cancel()
			return ctx.Err()
		}
		return nil
	}}
	_, err := w.start(ctx, store, failover.Failover)
	require.ErrorIs(t, err, context.Canceled)
	j, h, err := run.Claim(t.Context(), config(store, "second"), false)
	require.NoError(t, err)
	steps, _ := w.steps(failover.Failover)
	require.NoError(t, (&run.Run{Journal: j, History: h, Steps: steps}).Do(t.Context()))
	requireWhole(t, w, store, failover.Failover)
}

// TestProgress: every event is one JSON value with what is left by the forecast, which
// never grows.
func TestProgress(t *testing.T) {
	t.Parallel()
	w := &world{dir: t.TempDir()}
	j, err := run.Open(t.Context(), config(memory.New(), "one"), opening)
	require.NoError(t, err)
	steps, _ := w.steps(failover.Failover)
	var events []run.Progress
	require.NoError(t, (&run.Run{Journal: j, Steps: steps, Clock: func() time.Time { return noon }, Watch: func(p run.Progress) {
		text, err := json.Marshal(p)
		require.NoError(t, err)
		require.NotContains(t, string(text), "\n")
		events = append(events, p)
	}}).Do(t.Context()))
	require.Equal(t, "started", events[0].What)
	require.Equal(t, 61*time.Minute, events[0].Left)
	left := events[0].Left
	for _, e := range events {
		require.LessOrEqual(t, e.Left, left)
		left = e.Left
	}
	last := events[len(events)-1]
	require.Equal(t, "finished", last.What)
	require.Zero(t, last.Left)
	require.True(t, slices.ContainsFunc(events, func(p run.Progress) bool {
		return p.What == "working" && p.Step == failover.StepProvision && p.Detail == "creating things"
	}))
}

// TestBadStepsAreRefused before anything is done.
func TestBadStepsAreRefused(t *testing.T) {
	t.Parallel()
	do := func(context.Context, func(string)) (any, error) { return nil, nil }
	for name, steps := range map[string][]run.Step{
		"waits for a later one": {{Name: "a", After: []failover.StepName{"b"}, Do: do}, {Name: "b", Do: do}},
		"waits for itself":      {{Name: "a", After: []failover.StepName{"a"}, Do: do}},
		"twice":                 {{Name: "a", Do: do}, {Name: "a", Do: do}},
		"does nothing":          {{Name: "a"}},
	} {
		j, err := run.Open(t.Context(), config(memory.New(), "one"), opening)
		require.NoError(t, err)
		require.Error(t, (&run.Run{Journal: j, Steps: steps}).Do(t.Context()), name)
	}
}

// TestWrongTableStopsTheRun before anybody can use the database.
func TestWrongTableStopsTheRun(t *testing.T) {
	t.Parallel()
	w := &world{dir: t.TempDir()}
	parts := run.Parts{Gate: w, Log: w, Cloud: w, Database: wrong{w}, Service: w, Reporter: w}
	steps, _ := run.Steps(run.Recipe{Kind: failover.Failover}, parts)
	j, err := run.Open(t.Context(), config(memory.New(), "one"), opening)
	require.NoError(t, err)
	err = (&run.Run{Journal: j, Steps: steps}).Do(t.Context())
	require.ErrorContains(t, err, "table patient has state hash bb, snapshot and log demand aa")
	require.False(t, w.has("arm.1") || w.has("deployed.1"))
}

// wrong is a database whose restore did not come out as it has to.
type wrong struct{ *world }

func (w wrong) Restore(ctx context.Context, at run.Place, seq eventlog.Seq, say func(string)) (run.Restored, error) {
	r, err := w.world.Restore(ctx, at, seq, say)
	r.Tables[0].Actual = "bb"
	return r, err
}
