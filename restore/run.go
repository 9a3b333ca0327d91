package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
)

// Config says how to run a plan. Only Store is needed.
type Config struct {
	// Store is where the plan's objects are. It alone is read.
	Store blob.Store
	// Memory is what the restore may use, in bytes: 512 MiB if 0, at least MinMemory. Run
	// itself holds at most three fifths of it (net changes 2/5, chunks on their way 1/5);
	// the rest is for the target's cache and for the collector, which keeps to it only if
	// the process says so: see Share.
	Memory int64
	// TempDir is where net changes go that do not fit; the system's folder if empty. It
	// needs room for them, in clear: they are deleted even if the process is killed.
	TempDir string
	// Unpinned leaves out the pin that keeps retention away: for stores that cannot be
	// written to.
	Unpinned bool
	// KeepProgress leaves the restore's own records in the finished target, so that the
	// same plan run again finds everything loaded and only verifies: for who has to know
	// after a crash. Call Forget afterwards.
	KeepProgress bool
	// Progress is told how far a step is, from several goroutines. May be nil.
	Progress func(Progress)
	Log      *slog.Logger     // nil: silent
	Clock    func() time.Time // nil: time.Now
}

// Limits of Config.Memory, in bytes.
const (
	DefaultMemory = 512 << 20
	MinMemory     = 32 << 20
)

// Progress of a step.
type Progress struct {
	Step  string // one of the Step constants
	Done  int64  // of Total: bytes of the log for StepChanges, rows otherwise
	Total int64  // an estimate; 0 if unknown
}

// The steps of a restore, in order; verifying overlaps with loading.
const (
	StepChanges = "changes" // add up the net changes
	StepLoad    = "load"    // merge and load rows
	StepFinish  = "finish"  // indexes, keys, triggers, counters
	StepVerify  = "verify"  // scan and compare
)

func (c *Config) applyDefaultsAndValidate() error {
	if c.Store == nil {
		return errors.New("restore: no store to read from")
	}
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.Memory < MinMemory {
		return fmt.Errorf("restore: a memory limit of %d bytes is too small: give it at least %d", c.Memory, MinMemory)
	}
	if c.TempDir == "" {
		c.TempDir = os.TempDir()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	return nil
}

// Result is what a restore did and proved.
type Result struct {
	PlanID   string           `json:"plan_id"`
	Point    Point            `json:"point"`
	Rows     int64            `json:"rows"` // in the target
	Tables   []TableResult    `json:"tables"`
	Verified bool             `json:"verified"` // every table matches, and Check found nothing
	Counters map[string]int64 `json:"counters,omitempty"`
	Changes  NetSummary       `json:"changes"`
	Resumed  int              `json:"resumed_units"` // found loaded by an earlier run
	Steps    []Step           `json:"steps"`
}

// TableResult compares one table of the target with what it must be.
type TableResult struct {
	Name     string         `json:"name"`
	Rows     int64          `json:"rows"`
	State    database.State `json:"state_hash"`
	Expected database.State `json:"expected_hash"`
	Match    bool           `json:"match"`
}

// Step is how long a step took.
type Step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// restorer is one run.
type restorer struct {
	cfg      Config
	plan     *Plan
	target   database.Target
	codec    *Codec
	schema   *database.Schema
	chunks   [][]Chunk // by table, of the base
	part     Part      // zero: everything
	mine     [][]bool  // by table and group; nil: every one
	net      *Net
	expected []database.State
	result   *Result
	done     atomic.Int64 // of the step that runs
	total    int64
}

// Run restores the plan into an empty target, or goes on where an earlier run of the
// same plan ended, and verifies it. When it returns nil the target is complete, durable,
// and every table has the state hash that snapshot and log demand. With ErrMismatch the
// result says which tables differ; the target must not be used then.
func Run(ctx context.Context, cfg Config, plan *Plan, target database.Target) (*Result, error) {
	if err := cfg.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	r := &restorer{cfg: cfg, plan: plan, target: target, result: &Result{PlanID: plan.ID, Point: plan.Point}}
	if !cfg.Unpinned {
		defer r.pin(ctx)()
	}
	if err := r.run(ctx); err != nil {
		return r.result, fmt.Errorf("restore to seq %d: %w", uint64(plan.Point.Seq), err)
	}
	return r.result, nil
}

// pin keeps retention away from what is read. A store that cannot be written to must not
// stop a recovery, so a failure is only logged.
func (r *restorer) pin(ctx context.Context) (unpin func()) {
	p, err := CreatePin(ctx, r.cfg.Store, "restore to seq "+r.plan.Point.Seq.String(), r.cfg.Clock(), r.plan.Snapshots)
	if err != nil {
		r.cfg.Log.Warn("restores without a pin: retention must not run meanwhile", "err", err)
		return func() {}
	}
	return func() {
		if err := p.Unpin(context.WithoutCancel(ctx), r.cfg.Store); err != nil {
			r.cfg.Log.Warn("left a pin behind; it expires", "expires", p.Expires, "err", err)
		}
	}
}

func (r *restorer) run(ctx context.Context) error {
	if err := r.fill(ctx); err != nil {
		return err
	}
	if err := r.step(StepFinish, func() error { return r.target.Finish(ctx, r.result.Counters) }); err != nil {
		return fmt.Errorf("complete the target: %w", err)
	}
	if err := r.step(StepVerify, func() error { return r.prove(ctx) }); err != nil {
		return err
	}
	if r.cfg.KeepProgress {
		return nil
	}
	return r.target.ForgetProgress(ctx)
}

// prove compares every table with what it must be, and has the target looked at meanwhile.
func (r *restorer) prove(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.verify(ctx) })
	group.Go(func() error {
		if err := r.target.Check(ctx); err != nil {
			return fmt.Errorf("check the target: %w", err)
		}
		return nil
	})
	err := group.Wait()
	r.result.Verified = err == nil
	return err
}

// Forget takes a finished restore's own records out of the database (see
// Config.KeepProgress), and closes the target.
func Forget(ctx context.Context, target database.Target) error {
	err := target.ForgetProgress(ctx)
	if err != nil {
		err = fmt.Errorf("take the restore's records away: %w", err)
	}
	return errors.Join(err, target.Close())
}

// fill brings the rows into the target: all of them, or this part's.
func (r *restorer) fill(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.net.Close() //nolint:errcheck // what was read or done has been checked already
	if err := r.step(StepChanges, func() error { return r.addChanges(ctx) }); err != nil {
		return err
	}
	if err := r.target.Begin(ctx, r.plan.ID, r.schema); err != nil {
		return fmt.Errorf("prepare the target: %w", err)
	}
	if err := r.step(StepLoad, func() error { return r.load(ctx) }); err != nil {
		return err
	}
	if r.mine == nil { // of a part they are not those of the whole
		r.result.Counters = r.net.Counters(r.plan.Tip().Counters)
	}
	return nil
}

// advance tells that so much more of a step is done.
func (r *restorer) advance(step string, by int64) {
	r.cfg.Progress(Progress{Step: step, Done: r.done.Add(by), Total: r.total})
}

// expect says how much there is to do in the step that begins.
func (r *restorer) expect(step string, total int64) {
	r.done.Store(0)
	r.total = total
	r.advance(step, 0)
}

// expectRows expects every row of the database, or about this part's.
func (r *restorer) expectRows(step string) {
	var rows int64
	for _, s := range r.expected {
		rows += s.Count
	}
	r.expect(step, rows/int64(max(1, r.part.Count)))
}

func (r *restorer) step(name string, do func() error) error {
	start := r.cfg.Clock()
	err := do()
	elapsed := r.cfg.Clock().Sub(start)
	r.result.Steps = append(r.result.Steps, Step{Name: name, Seconds: elapsed.Seconds()})
	if err == nil {
		r.cfg.Log.Info("restore step done", "step", name, "seq", r.plan.Point.Seq, "elapsed", elapsed)
	}
	return err
}

// open reads what the plan is made of, all but the chunks.
func (r *restorer) open(ctx context.Context) (err error) {
	if r.codec, err = NewCodec(readers); err != nil {
		return err
	}
	base := r.plan.Base()
	if r.schema, err = r.codec.ReadSchema(ctx, r.cfg.Store, base.Manifest); err != nil {
		return err
	}
	hashed := make([]bool, len(base.Tables))
	r.chunks = make([][]Chunk, len(base.Tables))
	for i := range base.Tables {
		hashed[i] = !base.Tables[i].Ordered
		if r.chunks[i], err = r.codec.ReadChunks(ctx, r.cfg.Store, &base.Tables[i]); err != nil {
			return err
		}
		for _, c := range r.chunks[i] {
			if c.Weight() > r.cfg.Memory/2 {
				return fmt.Errorf("%w: table %s has a chunk that takes %d bytes, more than half of the memory limit of %d: raise the limit",
					ErrTooLarge, base.Tables[i].Name, c.Weight(), r.cfg.Memory)
			}
		}
	}
	r.share()
	r.net, err = NewNet(NetConfig{
		Schema: r.schema, Hashed: hashed, Only: r.concerned(), TempDir: r.cfg.TempDir,
		Memory: r.cfg.Memory * 2 / 5,
	})
	return err
}

// addChanges sums up deltas and log, and learns from the log what must come out.
func (r *restorer) addChanges(ctx context.Context) error {
	for _, delta := range r.plan.Snapshots[1:] {
		if err := r.net.AddDelta(ctx, r.codec, r.cfg.Store, delta); err != nil {
			return err
		}
	}
	r.expect(StepChanges, r.plan.LogBytes())
	part := LogPart{Log: eventlog.OpenLog(r.cfg.Store), From: r.plan.Tip(), To: r.plan.Point.Seq,
		Seen: func(s eventlog.SegmentInfo) { r.advance(StepChanges, s.Size) }}
	if n := len(r.plan.Segments); n > 0 {
		part.Last = r.plan.Segments[n-1].Digest
	}
	ledger, err := r.net.AddLog(ctx, part)
	if err != nil {
		return err
	}
	r.expected = Expected(r.plan.Tip(), ledger)
	if err := r.net.Seal(); err != nil {
		return err
	}
	r.result.Changes = r.net.Summary()
	return nil
}

// Expected returns the state of every table of a snapshot at a later point, given the
// log's ledger there.
func Expected(from Snapshot, ledger database.States) []database.State {
	states := make([]database.State, len(from.Tables))
	for i := range from.Tables {
		t := &from.Tables[i]
		states[i] = t.State.Plus(ledger[t.Name]).Minus(t.Ledger)
	}
	return states
}

// load merges all tables and loads the rows, on as many goroutines as the target can use.
func (r *restorer) load(ctx context.Context) error {
	done, err := r.target.Loaded(ctx)
	if err != nil {
		return fmt.Errorf("ask the target what it holds already: %w", err)
	}
	loaded, err := parseProgress(done)
	if err != nil {
		return err
	}
	r.result.Resumed = len(done)
	r.expectRows(StepLoad)
	if r.mine == nil {
		for _, rows := range done {
			r.advance(StepLoad, rows)
		}
	}
	units := make(chan *unit)
	g, ctx := errgroup.WithContext(ctx)
	for range max(r.target.Workers(), 1) {
		g.Go(func() error {
			for u := range units {
				if err := r.loadUnit(ctx, u); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(units)
		return r.merge(ctx, loaded, units)
	})
	return g.Wait()
}

func (r *restorer) loadUnit(ctx context.Context, u *unit) error {
	n, err := r.target.Load(ctx, u.name, &r.schema.Tables[u.table], u.all())
	if err != nil {
		there, ok := r.elsewhere(ctx, u.name)
		if !ok {
			return err
		}
		r.cfg.Log.Info("a unit was loaded by another process meanwhile", "unit", u.name)
		n = there
	}
	if n != int64(len(u.rows)) {
		return fmt.Errorf("%w: the target took %d of %d rows of unit %s", ErrMismatch, n, len(u.rows), u.name)
	}
	u.done()
	r.advance(StepLoad, n)
	return nil
}

// elsewhere tells whether a unit that could not be loaded is in the target all the same:
// of two processes that load it at once the target lets one through, and the other's rows
// go with its error.
func (r *restorer) elsewhere(ctx context.Context, unit string) (rows int64, ok bool) {
	if ctx.Err() != nil {
		return 0, false
	}
	loaded, err := r.target.Loaded(ctx)
	if err != nil {
		return 0, false
	}
	rows, ok = loaded[unit]
	return rows, ok
}

func mismatch(tables []TableResult) error {
	var names []string
	for _, t := range tables {
		if !t.Match {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%w: table %s; do not use the target: keep it for analysis and restore to another point", ErrMismatch, strings.Join(names, ", "))
}
