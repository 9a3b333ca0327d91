package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
)

// Config is what a Drainer needs.
type Config struct {
	Source database.Source
	Writer *eventlog.Writer
	Log    *slog.Logger     // nil: discard
	Clock  func() time.Time // nil: time.Now

	// OnSchemaChange is called by Run with a view of the database in its new schema (or
	// its first) and the durable position that the view is at. It must make a new base
	// durable in both stores; until it has returned nil no barrier is answered. It does
	// not close the view. After an error it is called again with another view. Nil: no
	// bases, and barriers are not held up.
	OnSchemaChange func(ctx context.Context, view database.View, at eventlog.Position) error
	// HasBase tells, once at the start, whether a base at or behind this Seq exists in
	// both stores: a crash may have come between a change of schema and its base. Nil:
	// there is one.
	HasBase func(ctx context.Context, since eventlog.Seq) (bool, error)

	// MemoryBytes bounds the captured rows held at once; a single transaction larger
	// than that is still taken whole. 0: 128 MiB.
	MemoryBytes int
}

// Drainer moves captured changes from the database into the log. It is safe for
// concurrent use. One Drainer per database.
type Drainer struct {
	cfg  Config
	turn chan struct{} // holds one token: whoever has it drains

	mu      sync.Mutex
	wave    *wave         // barriers that wait for a drain that has not begun
	holds   int           // how often a schema has come up that needs a base
	settled chan struct{} // closed when a base of the schema in force is durable
	based   time.Time     // when that was last
	tokens  []taken       // in the log, not yet forgotten by the database
	err     error         // of the last pass
	checked bool          // HasBase has been asked
	known   fingerprints
}

// wave is the barriers that share one drain.
type wave struct {
	done    chan struct{}
	seq     eventlog.Seq
	settled chan struct{}
	err     error
}

// taken are change ids that the database may forget when seq is durable.
type taken struct {
	seq eventlog.Seq
	ids []int64
}

// Result answers a barrier.
type Result struct {
	Seq       eventlog.Seq `json:"seq"`        // everything committed before the call is at or below
	DurableAt time.Time    `json:"durable_at"` // UTC; not after this time was it durable
}

// New checks the configuration. It does not touch the database.
func New(cfg Config) (*Drainer, error) {
	if cfg.Source == nil || cfg.Writer == nil {
		return nil, errors.New("capture: a source and a log writer are needed")
	}
	if cfg.MemoryBytes < 0 {
		return nil, fmt.Errorf("capture: MemoryBytes is %d", cfg.MemoryBytes)
	}
	if cfg.MemoryBytes == 0 {
		cfg.MemoryBytes = 128 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	d := &Drainer{cfg: cfg, turn: make(chan struct{}, 1), settled: make(chan struct{})}
	d.turn <- struct{}{}
	close(d.settled)
	return d, nil
}

// take waits for the turn to drain.
func (d *Drainer) take(ctx context.Context) error {
	select {
	case <-d.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *Drainer) give() { d.turn <- struct{}{} }

// Drain appends what the database has captured since the last pass and returns the Seq
// of the last transaction in the log. It does not wait for the stores, unless the schema
// has changed: then capture is installed anew, once what it has is durable.
func (d *Drainer) Drain(ctx context.Context) (eventlog.Seq, error) {
	if err := d.take(ctx); err != nil {
		return 0, fmt.Errorf("drain: %w", err)
	}
	defer d.give()
	view, seq, err := d.pass(ctx)
	if err != nil {
		return 0, err
	}
	return seq, view.Close()
}

// Barrier returns when everything that was committed before the call is durable in both
// stores: when a drain that began after the call is. Callers share drains. Errors are
// those of eventlog.Writer.WaitDurable; with eventlog.ErrDegraded the result is valid
// and held by the local store only. After a change of schema it waits for the new base.
func (d *Drainer) Barrier(ctx context.Context) (Result, error) {
	w, err := d.join(ctx)
	if err != nil {
		return Result{}, err
	}
	err = d.cfg.Writer.WaitDurable(ctx, w.seq)
	if err != nil && !errors.Is(err, eventlog.ErrDegraded) {
		return Result{}, err
	}
	r := Result{Seq: w.seq, DurableAt: d.cfg.Writer.Frontier().DurableAt}
	if err != nil {
		return r, err
	}
	select {
	case <-w.settled:
		r.DurableAt = d.notBefore(r.DurableAt)
		return r, nil
	case <-d.cfg.Writer.Done():
		return Result{}, d.cfg.Writer.Err()
	case <-ctx.Done():
		return Result{}, fmt.Errorf("%w: the schema has changed and its base is not there yet: %w", eventlog.ErrNotDurable, context.Cause(ctx))
	}
}

// notBefore is a time at which the base of the schema in force was durable too: what the
// old triggers did not see is only there.
func (d *Drainer) notBefore(t time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.based.After(t) {
		return d.based
	}
	return t
}

// join waits for a drain that begins after the call. The first of a wave of callers
// leads: it waits for its turn, and the wave is whoever has come by then.
func (d *Drainer) join(ctx context.Context) (*wave, error) {
	for {
		d.mu.Lock()
		w, leads := d.wave, d.wave == nil
		if leads {
			w = &wave{done: make(chan struct{})}
			d.wave = w
		}
		d.mu.Unlock()
		if leads {
			d.lead(ctx, w)
		}
		select {
		case <-w.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: drain: %w", eventlog.ErrNotDurable, context.Cause(ctx))
		}
		switch {
		case w.err == nil:
			return w, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: %w", eventlog.ErrNotDurable, w.err)
		case !errors.Is(w.err, errLeft):
			return nil, w.err
		}
	}
}

// errLeft: the leader of a wave gave up; another has to lead.
var errLeft = errors.New("the drain's caller gave up")

func (d *Drainer) lead(ctx context.Context, w *wave) {
	err := d.take(ctx)
	d.mu.Lock()
	d.wave = nil // later callers need a later drain
	d.mu.Unlock()
	if err == nil {
		var view database.View
		if view, w.seq, err = d.pass(ctx); err == nil {
			err = view.Close()
		}
		d.mu.Lock()
		w.settled = d.settled
		d.mu.Unlock()
		d.give()
	}
	if w.err = err; err != nil && ctx.Err() != nil {
		w.err = fmt.Errorf("%w: %w", errLeft, err)
	}
	close(w.done)
}

// View opens a view of the database whose first read was a drain: it is exactly
// transactions 1 to Position.Seq, and they are durable. The caller closes it.
func (d *Drainer) View(ctx context.Context) (database.View, eventlog.Position, error) {
	view, at, _, err := d.view(ctx)
	return view, at, err
}

// view also tells how many holds there were when its drain ended.
func (d *Drainer) view(ctx context.Context) (database.View, eventlog.Position, int, error) {
	if err := d.take(ctx); err != nil {
		return nil, eventlog.Position{}, 0, fmt.Errorf("view: %w", err)
	}
	view, _, err := d.pass(ctx)
	if err != nil {
		d.give()
		return nil, eventlog.Position{}, 0, err
	}
	wait := d.cfg.Writer.Cut() // nothing is appended between the drain and this
	d.mu.Lock()
	holds := d.holds
	d.mu.Unlock()
	d.give()
	at, err := wait(ctx)
	if err != nil {
		return nil, eventlog.Position{}, 0, errors.Join(fmt.Errorf("view: %w", err), view.Close())
	}
	return view, at, holds, nil
}

// Err is the error of the last drain, nil if it went well.
func (d *Drainer) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Run drains every interval, lets the database forget what is durable, and takes a base
// when the schema has changed, until ctx ends (nil) or the writer stops (its error).
// Failures of the database are logged and tried again; see Err. A drain that takes long
// is followed by a pause at least as long, so that the application is not starved.
func (d *Drainer) Run(ctx context.Context, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { d.settle(ctx, interval) })
	group.Go(func() { d.forgetting(ctx, interval) })
	said := complaint{log: d.cfg.Log, what: "drain failed; trying again", better: "draining goes on"}
	for {
		begun := time.Now()
		_, err := d.Drain(ctx)
		if ctx.Err() == nil {
			said.about(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.cfg.Writer.Done():
			return d.cfg.Writer.Err()
		case <-time.After(max(interval, time.Since(begun))):
		}
	}
}

// forgetting lets the database forget, beside the drains.
func (d *Drainer) forgetting(ctx context.Context, interval time.Duration) {
	said := complaint{log: d.cfg.Log, what: "captured changes could not be forgotten; trying again", better: "captured changes are forgotten again"}
	for {
		if err := d.forget(ctx); ctx.Err() == nil {
			said.about(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

// forget deletes captured changes that are durable in the log. It tells the log only
// after the database has forgotten, and takes the token list in order.
func (d *Drainer) forget(ctx context.Context) error {
	durable := d.cfg.Writer.Frontier().Durable
	for {
		d.mu.Lock()
		if len(d.tokens) == 0 || d.tokens[0].seq > durable {
			d.mu.Unlock()
			return nil
		}
		t := d.tokens[0]
		d.mu.Unlock()
		if err := d.cfg.Source.Forget(ctx, t.ids); err != nil {
			return fmt.Errorf("forget %d captured changes: %w", len(t.ids), err)
		}
		d.cfg.Writer.Forgotten(t.ids)
		d.mu.Lock()
		if len(d.tokens) > 0 && &d.tokens[0].ids[0] == &t.ids[0] {
			d.tokens = d.tokens[1:]
		}
		d.mu.Unlock()
	}
}
