package run_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/run"
	"lifeboat/internal/blob"
)

// world is everything outside a run, in a folder, so that it outlives whoever changes it.
// An effect is two files, one after the other. The world notes whoever asks for an effect
// that is there already: in the real one that would be a second effect.
type world struct {
	dir string
	// hit is called at every point of every call: "fence:start", "fence:middle",
	// "fence:end", "fence:ask". An error ends the call there.
	hit func(point string) error
}

func (w *world) at(point string) error {
	if w.hit == nil {
		return nil
	}
	return w.hit(point)
}

func (w *world) has(name string) bool {
	_, err := os.Stat(filepath.Join(w.dir, name))
	return err == nil
}

// make brings an effect about; what is there of it stays.
func (w *world) make(name string) error {
	if w.has(name + ".2") {
		return os.WriteFile(filepath.Join(w.dir, "TWICE-"+name), nil, 0o644)
	}
	for i, point := range []string{":start", ":middle"} {
		if err := w.at(name + point); err != nil {
			return err
		}
		part := filepath.Join(w.dir, fmt.Sprintf("%s.%d", name, i+1))
		if err := os.WriteFile(part, []byte(name), 0o644); err != nil {
			return err
		}
	}
	return w.at(name + ":end")
}

func (w *world) made(name string) (bool, error) { return w.has(name + ".2"), w.at(name + ":ask") }

// look is a step that changes nothing.
func (w *world) look(name string) error { return errors.Join(w.at(name+":start"), w.at(name+":end")) }

// state is what the world is in the end.
func (w *world) state(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(w.dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

var place = run.Place{Stack: "failover-f1", Region: "ukwest", Database: "sqlite:x", Host: "h", Public: "app.careful.example"}

func (w *world) Preflight(context.Context) (run.Readiness, error) {
	return run.Readiness{Checked: 9}, w.look("preflight")
}

func (w *world) Authorise(context.Context) (run.Authority, error) {
	return run.Authority{Plan: strings.Repeat("ab", 32), Approvals: []run.Approved{{Person: "ada", Role: "ceo"}}}, w.look("authorise")
}

var fence = run.Fence{Epoch: 2, End: eventlog.Position{Seq: 42, Epoch: 1, Slot: 3}}

func (w *world) Fence(context.Context) (run.Fence, error) { return fence, w.make("fence") }

func (w *world) Fenced(context.Context) (run.Fence, bool, error) {
	ok, err := w.made("fence")
	return fence, ok, err
}

func (w *world) Up(_ context.Context, p run.Phase, say func(string)) (run.Place, error) {
	say("creating things")
	return place, w.make(p.String())
}

func (w *world) At(_ context.Context, p run.Phase) (run.Place, bool, error) {
	if w.has("gone.2") {
		return place, false, nil
	}
	ok, err := w.made(p.String())
	return place, ok, err
}

func (w *world) Destroy(context.Context, func(string)) (run.Teardown, error) {
	return run.Teardown{}, w.make("gone")
}

func (w *world) Gone(context.Context) (run.Teardown, bool, error) {
	ok, err := w.made("gone")
	return run.Teardown{}, ok, err
}

func restored(seq eventlog.Seq) run.Restored {
	return run.Restored{PlanID: "p", Seq: seq, Rows: 7, Tables: []run.TableProof{{Name: "patient", Rows: 7, Expected: "aa", Actual: "aa"}}}
}

func (w *world) Restore(_ context.Context, _ run.Place, seq eventlog.Seq, _ func(string)) (run.Restored, error) {
	if w.has("restore.2") { // the database itself knows what is loaded
		return restored(seq), nil
	}
	return restored(seq), w.make("restore")
}

func (w *world) Arm(context.Context, run.Place) error { return w.make("arm") }

func (w *world) Armed(context.Context, run.Place) (bool, error) { return w.made("arm") }

var protection = run.Protection{Epoch: 3, Mirror: "dir:new", Base: 43}

func (w *world) Protect(context.Context, run.Place, eventlog.Epoch) (run.Protection, error) {
	return protection, w.make("capture")
}

func (w *world) Protected(context.Context, run.Place, eventlog.Epoch) (run.Protection, bool, error) {
	ok, err := w.made("capture")
	return protection, ok, err
}

func (w *world) Probe(context.Context, run.Place) (run.Probed, error) {
	return run.Probed{Checks: []run.Check{{Name: "write", Found: "ok"}}}, w.look("probe")
}

func (w *world) Report(_ context.Context, e *run.Evidence) (run.Reported, error) {
	if e.Restored.Rows != 7 || len(e.Verified) != 1 || e.Place != place {
		return run.Reported{}, fmt.Errorf("the report lacks evidence: %+v", e)
	}
	return run.Reported{Object: "reports/f1"}, w.make("report")
}

func (w *world) Reported(context.Context) (run.Reported, bool, error) {
	ok, err := w.made("report")
	return run.Reported{Object: "reports/f1"}, ok, err
}

// steps are those of the kind over this world.
func (w *world) steps(kind failover.Kind) ([]run.Step, *run.Evidence) {
	recipe := run.Recipe{Kind: kind, Latest: func(context.Context) (eventlog.Seq, error) { return 42, nil },
		Forecast: map[failover.StepName]time.Duration{failover.StepProvision: time.Minute, failover.StepRestore: time.Hour}}
	return run.Steps(recipe, run.Parts{Gate: w, Log: w, Cloud: w, Database: w, Service: w, Reporter: w})
}

const id = "f1"

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	opening = run.Opening{Kind: failover.Failover, Plan: `{"id":"f1"}`, Lost: noon}
)

func config(store blob.Store, by string) run.JournalConfig {
	return run.JournalConfig{Store: store, ID: id, Who: run.NewWho(by), Clock: func() time.Time { return noon }}
}

// start opens the run and does what it can.
func (w *world) start(ctx context.Context, store blob.Store, kind failover.Kind) (*run.Evidence, error) {
	o := opening
	o.Kind = kind
	j, err := run.Open(ctx, config(store, "first"), o)
	if err != nil {
		return nil, err
	}
	steps, evidence := w.steps(kind)
	return evidence, (&run.Run{Journal: j, Steps: steps}).Do(ctx)
}

// resume goes on, if there is a run to go on with, else starts it.
func (w *world) resume(ctx context.Context, store blob.Store, kind failover.Kind) (*run.Evidence, error) {
	j, h, err := run.Claim(ctx, config(store, "second"), true)
	if errors.Is(err, run.ErrNoRun) {
		e, err := w.start(ctx, store, kind)
		if errors.Is(err, run.ErrRunExists) { // the first runner's entry arrived late
			return w.resume(ctx, store, kind)
		}
		return e, err
	}
	steps, evidence := w.steps(kind)
	if errors.Is(err, run.ErrOver) { // nothing left to do: the last entry's answer was lost
		return evidence, nil
	}
	if err != nil {
		return nil, err
	}
	return evidence, (&run.Run{Journal: j, History: h, Steps: steps}).Do(ctx)
}

// requireWhole: the run has ended, the world is as after a run without trouble, nothing
// was done twice, and every step is done in the journal.
func requireWhole(t testing.TB, w *world, store blob.Store, kind failover.Kind) {
	t.Helper()
	reference := &world{dir: t.TempDir()}
	h, err := run.ReadHistory(t.Context(), store, id)
	require.NoError(t, err)
	require.Equal(t, run.Finished, h.Last().Event)
	steps, _ := reference.steps(kind)
	for _, s := range steps {
		require.NoError(t, func() error { _, err := s.Do(t.Context(), func(string) {}); return ignoreLack(err) }())
		_, done := h.Of(s.Name, run.Done)
		require.True(t, done, s.Name)
	}
	if !reference.has("report.2") { // its evidence was not gathered by hand
		require.NoError(t, reference.make("report"))
	}
	require.Equal(t, reference.state(t), w.state(t))
}

func ignoreLack(err error) error {
	if err != nil && (strings.Contains(err.Error(), "lacks evidence") || strings.Contains(err.Error(), "proved no table")) {
		return nil
	}
	return err
}

// child is this test binary as a runner that kills itself at a point.
const (
	envDir   = "LIFEBOAT_TEST_RUN_DIR"
	envPoint = "LIFEBOAT_TEST_RUN_KILL"
	envKind  = "LIFEBOAT_TEST_RUN_KIND"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		os.Exit(child(dir, os.Getenv(envPoint), failover.Kind(os.Getenv(envKind))))
	}
	os.Exit(m.Run())
}

func killSelf() error {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return err
	}
	select {} // until it arrives
}

// mortal is a store under which the process dies before or after a certain Create.
type mortal struct {
	blob.Store
	point string // "journal:<n>:before" or "journal:<n>:after"
}

func (m mortal) Create(ctx context.Context, name string, body []byte) error {
	n := strings.TrimLeft(name[strings.LastIndexByte(name, '/')+1:], "0")
	if m.point == "journal:"+n+":before" {
		return killSelf()
	}
	err := m.Store.Create(ctx, name, body)
	if m.point == "journal:"+n+":after" {
		return killSelf()
	}
	return err
}

var kinds = []failover.Kind{failover.Failover, failover.Drill}

func points(kind failover.Kind) []string {
	var all []string
	effects := []string{"fence", "standing", "restore", "arm", "deployed", "live", "capture", "report"}
	if kind == failover.Drill {
		effects = []string{"standing", "restore", "deployed", "gone", "report"}
	}
	for _, name := range effects {
		all = append(all, name+":start", name+":middle", name+":end")
		if name != "restore" {
			all = append(all, name+":ask")
		}
	}
	for _, name := range []string{"preflight", "authorise", "probe"} {
		all = append(all, name+":start", name+":end")
	}
	slices.Sort(all)
	return all
}
