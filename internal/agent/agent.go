package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/eventlog/capture"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/internal/lease"
	"lifeboat/restore/snapshot"
)

// Config is what Start needs. Zero durations take the defaults below.
type Config struct {
	Source          database.Source
	Primary, Mirror blob.Store
	OnMirrorLoss    eventlog.MirrorLoss
	Reason          string // why this agent starts; kept in the log
	DrainInterval   time.Duration
	BarrierTimeout  time.Duration
	ShutdownTimeout time.Duration
	Snapshots       Schedule
	AuditInterval   time.Duration
	CompactInterval time.Duration    // between two compactions of the log: 1 h if 0
	KeepSegments    time.Duration    // that a pack holds, as objects of their own too
	Retention       *snapshot.Policy // applied once a day; nil: everything is kept
	Memory          int64            // bytes that making a snapshot may use; 0: its default
	TempDir         string           // for what does not fit; "": the system's
	Listen          string           // address of the HTTP interface; "": none
	Advertise       string           // address under which others reach it; "": the one that it listens on
	Lease           lease.Table      // where agents tell standbys that they are at work; nil: nowhere
	LeaseTTL        time.Duration    // after so much silence a standby begins; 0: lease.DefaultTTL
	Log             *slog.Logger     // nil: discard
	Clock           func() time.Time // nil: time.Now

	front *front      // opened before the epoch begins, by a standby long before
	held  *lease.Held // likewise
}

// Schedule says how often snapshots are taken.
type Schedule struct {
	MaxInterval  time.Duration
	MinInterval  time.Duration
	ReplayBudget int64 // bytes of log after the newest snapshot
	MaxDeltas    int
}

func (c *Config) setDefaults() error {
	if c.Source == nil || c.Primary == nil || c.Mirror == nil {
		return errors.New("an agent needs a database and two stores")
	}
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.DrainInterval, 100*time.Millisecond)
	set(&c.BarrierTimeout, 2*time.Second)
	set(&c.ShutdownTimeout, 15*time.Second)
	set(&c.AuditInterval, 24*time.Hour)
	set(&c.CompactInterval, time.Hour)
	set(&c.Snapshots.MaxInterval, 24*time.Hour)
	set(&c.Snapshots.MinInterval, time.Minute)
	if c.Snapshots.ReplayBudget == 0 {
		c.Snapshots.ReplayBudget = snapshot.DefaultBudget
	}
	if c.Snapshots.MaxDeltas == 0 {
		c.Snapshots.MaxDeltas = snapshot.DefaultMaxDeltas
	}
	if c.Reason == "" {
		c.Reason = "agent started"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return nil
}

// Agent protects one database. Its methods are safe for concurrent use.
type Agent struct {
	cfg     Config
	writer  *eventlog.Writer
	drainer *capture.Drainer
	keeper  *keeper
	metrics *metrics

	ready  chan struct{} // closed when there is a snapshot to restore from
	killed chan struct{}
	once   sync.Once
}

// Start begins a new epoch of the log and opens the HTTP interface. It waits for both
// stores, whatever OnMirrorLoss says, until ctx ends: an agent that has never reached
// the mirror protects nothing. ErrFenced: another agent has begun, or the log has moved to
// another store (ErrMoved); in that case the database refuses writes from then on. An address
// that is taken ends it before the epoch begins, so that the agent at work stays at work.
func Start(ctx context.Context, cfg Config) (a *Agent, err error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	if cfg.front == nil && cfg.Listen != "" {
		if cfg.front, err = openFront(ctx, cfg.Listen, cfg.Log, starting()); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, cfg.front.server.Close())
			}
		}()
	}
	a = &Agent{cfg: cfg, ready: make(chan struct{}), killed: make(chan struct{})}
	w, err := eventlog.OpenWriter(ctx, eventlog.WriterConfig{
		Local: cfg.Primary, Mirror: cfg.Mirror, OnMirrorLoss: cfg.OnMirrorLoss,
		Reason: cfg.Reason, Log: cfg.Log, Clock: cfg.Clock,
	})
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", errors.Join(err, a.quiesce(ctx, err)))
	}
	a.writer = w
	a.metrics = newMetrics(gauges{
		frontier: w.Frontier, clock: cfg.Clock,
		drainFailing: func() bool { return a.drainer.Err() != nil },
		lastSnapshot: func() time.Time { return a.keeper.lastSnapshot() },
		lastAudit:    func() time.Time { return a.keeper.lastAudit() },
	})
	a.keeper = newKeeper(a)
	a.drainer, err = capture.New(capture.Config{
		Source: cfg.Source, Writer: w, Log: cfg.Log, Clock: cfg.Clock, OnSchemaChange: a.keeper.base, HasBase: a.keeper.hasBase,
	})
	if err != nil {
		return nil, errors.Join(err, a.closeWriter(ctx))
	}
	a.show(ctx)
	return a, nil
}

// show begins to answer and tells standbys that this agent is at work. That they cannot be
// told holds nothing up: the lease is for them, and the fence is what counts.
func (a *Agent) show(ctx context.Context) {
	if a.cfg.front != nil {
		a.cfg.front.answerBy(a.handler())
	}
	if a.cfg.Lease != nil && a.cfg.held == nil {
		var err error
		if a.cfg.held, err = lease.Take(ctx, a.cfg.leaseConfig()); err != nil {
			a.cfg.Log.WarnContext(ctx, "standbys will not see this agent at work", "err", err)
		}
	}
}

// quiesce makes the database refuse writes when the log has moved away: a primary that
// comes back after a failover must not take what nobody will ever keep. Another agent on
// the same stores is no reason.
func (a *Agent) quiesce(ctx context.Context, err error) error {
	if !errors.Is(err, eventlog.ErrMoved) {
		return nil
	}
	if ferr := a.cfg.Source.Fence(ctx, "the log has moved to another region"); ferr != nil {
		return fmt.Errorf("and the database could not be made to refuse writes: %w", ferr)
	}
	a.cfg.Log.Error("the log has moved to another region; the database refuses writes from now on")
	return nil
}

// Ready is closed when both regions hold a snapshot, so that there is something to
// restore from.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Barrier returns when everything that was committed before the call is durable in both
// regions; see capture.Drainer.Barrier for its errors.
func (a *Agent) Barrier(ctx context.Context) (capture.Result, error) {
	began := a.cfg.Clock()
	r, err := a.drainer.Barrier(ctx)
	a.metrics.barrierSeconds.Observe(a.cfg.Clock().Sub(began).Seconds())
	a.metrics.barriers.WithLabelValues(barrierLabel(err)).Inc()
	return r, err
}

func barrierLabel(err error) string {
	switch {
	case err == nil:
		return "durable"
	case errors.Is(err, eventlog.ErrFenced):
		return "fenced"
	case errors.Is(err, eventlog.ErrDegraded):
		return "degraded"
	case errors.Is(err, eventlog.ErrNotDurable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "timeout"
	}
	return "error"
}

// Frontier tells how far the log has got.
func (a *Agent) Frontier() eventlog.Frontier { return a.writer.Frontier() }

// Run works until ctx ends, then makes durable what is committed and stops: nil. If the
// writer stops by itself (fenced, for example) it returns why. Call it once.
func (a *Agent) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	gctx, cancel := context.WithCancel(gctx)
	defer cancel()
	stop := context.AfterFunc(gctx, cancel)
	defer stop()
	go func() {
		select {
		case <-a.killed:
			cancel()
		case <-gctx.Done():
		}
	}()
	g.Go(func() error { return a.drainer.Run(gctx, a.cfg.DrainInterval) })
	g.Go(func() error { return a.keeper.run(gctx) })
	g.Go(func() error { a.watch(gctx); return nil })
	g.Go(func() error { a.keepHouse(gctx); return nil })
	if f := a.cfg.front; f != nil {
		g.Go(func() error {
			if err := <-f.ended; err != nil {
				return fmt.Errorf("serve HTTP: %w", err)
			}
			return nil
		})
		g.Go(func() error { <-gctx.Done(); return a.closeFront(gctx) })
	}
	if a.cfg.held != nil {
		g.Go(func() error { return a.cfg.held.Keep(gctx) })
	}
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, a.finish(ctx))
}

// closeFront lets the barriers that are waiting have their answers: the last drain comes
// after this.
func (a *Agent) closeFront(ctx context.Context) error {
	ctx, cancel := a.lastBreath(ctx)
	defer cancel()
	return a.cfg.front.close(ctx)
}

// lastBreath is a context for what is done after ctx has ended.
func (a *Agent) lastBreath(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.ShutdownTimeout)
	select {
	case <-a.killed:
		cancel()
	default:
	}
	return ctx, cancel
}

// finish drains once more and closes the log.
func (a *Agent) finish(ctx context.Context) error {
	select {
	case <-a.killed:
		return a.closeWriter(ctx)
	default:
	}
	last, cancel := a.lastBreath(ctx)
	defer cancel()
	if a.writer.Err() == nil {
		if _, err := a.drainer.Drain(last); err != nil {
			a.cfg.Log.Warn("the last drain failed; what it would have taken stays captured in the database", "err", err)
		}
	}
	err := a.closeWriter(ctx)
	if a.cfg.held != nil {
		if lerr := a.cfg.held.Release(last); lerr != nil {
			a.cfg.Log.Warn("a standby has to wait until this agent's silence is long enough", "err", lerr)
		}
	}
	return err
}

func (a *Agent) closeWriter(ctx context.Context) error {
	if a.writer.Err() != nil {
		return nil // it has ended, and whoever needs to know was told
	}
	last, cancel := a.lastBreath(ctx)
	defer cancel()
	if err := a.writer.Close(last); err != nil && !a.wasKilled() {
		return fmt.Errorf("close the log: %w", err)
	}
	return nil
}

// Kill stops the agent at once, without making anything durable: for tests and drills of
// its sudden death. Run returns soon after.
func (a *Agent) Kill() { a.once.Do(func() { close(a.killed) }) }

func (a *Agent) wasKilled() bool {
	select {
	case <-a.killed:
		return true
	default:
		return false
	}
}
