package drill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
	"lifeboat/internal/workload"
	"lifeboat/restore"
)

// Run plays the scenario and writes the report. The result is there whenever the drill
// got as far as a verdict, also with ErrNotProven.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &scene{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x647269)),
		primary: &link{inner: cfg.Primary.Store}, mirror: &link{inner: cfg.Mirror.Store},
		result: &Result{Started: cfg.Clock(), Seed: cfg.Seed, Lose: cfg.Lose, Writers: cfg.Writers, Title: cfg.Engine.Title()},
		lost:   make(chan struct{}),
	}
	err := s.play(ctx)
	err = errors.Join(err, s.close())
	if err != nil {
		return nil, err
	}
	s.result.Ended = cfg.Clock()
	s.result.Verified = s.result.judge()
	if err := s.result.write(cfg.Dir); err != nil {
		return nil, err
	}
	if !s.result.Verified {
		return s.result, fmt.Errorf("%w; see %s", ErrNotProven, s.result.Markdown)
	}
	return s.result, nil
}

// scene is one drill under way.
type scene struct {
	cfg    Config
	rng    *rand.Rand
	result *Result

	primary, mirror *link
	database        Database
	source          database.Source
	app             *sql.DB
	dialect         workload.Dialect
	agent           runningAgent
	record          *workload.Record
	evidence        *os.File
	standby         Standby

	armed   atomic.Int32 // the moment at which to lose; see moment
	lossing sync.Once
	lost    chan struct{} // closed after the loss
	lossErr error
	lossAt  time.Time

	fencedAt time.Time // the old database, where it lived on

	plot    plot // what is lost when
	base    eventlog.Position
	cutFrom workload.Counts // when the mirror's link was cut, and
	cutTo   workload.Counts // when it was healed
	closers []func() error

	restorePlan *restore.Plan
	copied      uint64 // transactions that only the primary's store had
}

// step runs one named step and keeps how long it took.
func (s *scene) step(name string, recovery bool, do func() error) error {
	began := s.cfg.Clock()
	err := do()
	took := s.cfg.Clock().Sub(began)
	s.result.Steps = append(s.result.Steps, Step{name, began, took, recovery})
	if err != nil {
		return fmt.Errorf("drill, %s: %w", name, err)
	}
	s.cfg.Log.Info(name, "elapsed", took.Round(time.Millisecond))
	return nil
}

func (s *scene) play(ctx context.Context) error {
	steps := []struct {
		name     string
		recovery bool
		do       func(context.Context) error
	}{
		{"prepare", false, s.prepare},
		{stepStand, false, s.stand},
		{"install capture", false, s.install},
		{"start agent, take base", false, s.startAgent},
		{"write", false, s.write},
		{"takeover", true, s.takeover},
		{stepProvision, true, s.provision},
		{"plan", true, s.plan},
	}
	for _, step := range steps {
		if s.cfg.Cloud == nil && (step.name == stepStand || step.name == stepProvision) {
			continue
		}
		if err := s.step(step.name, step.recovery, func() error { return step.do(ctx) }); err != nil {
			return err
		}
		if step.name == "write" {
			s.afterLoss()
		}
	}
	if err := s.restore(ctx); err != nil { // it lists its own steps
		return fmt.Errorf("drill, restore: %w", err)
	}
	s.result.LostAt, s.result.RTO = s.lossAt, s.cfg.Clock().Sub(s.lossAt)
	if err := s.prove(ctx); err != nil {
		return err
	}
	return s.tearDown(ctx)
}

func (s *scene) closing(f func() error) { s.closers = append(s.closers, f) }

func (s *scene) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

func (s *scene) prepare(ctx context.Context) (err error) {
	if s.database, err = s.cfg.Engine.Prepare(ctx); err != nil {
		return err
	}
	if s.standby, err = s.cfg.Engine.Standby(ctx); err != nil {
		return err
	}
	s.result.Where = s.standby.Place()
	s.plot = plotLoss(s.cfg, s.rng)
	path := filepath.Join(s.cfg.Dir, "writers.jsonl")
	if s.evidence, err = os.Create(path); err != nil {
		return err
	}
	s.result.Evidence = path
	s.record = workload.NewRecord(s.evidence)
	s.closing(s.evidence.Close)
	return nil
}

func (s *scene) install(ctx context.Context) (err error) {
	if s.source, err = s.database.Source(ctx); err != nil {
		return err
	}
	s.closing(s.source.Close)
	if _, err := s.source.Install(ctx); err != nil {
		return err
	}
	if s.app, s.dialect, err = s.database.App(ctx); err != nil {
		return err
	}
	s.closing(s.app.Close)
	return nil
}

func (s *scene) startAgent(ctx context.Context) (err error) {
	if s.cfg.Lose == AgentKill {
		s.agent, err = s.startChild(ctx)
	} else {
		s.agent, err = s.startWithin(ctx)
	}
	if err != nil {
		return err
	}
	s.closing(s.agent.Kill)
	// The base is durable in both regions; whatever comes after it is the writers'.
	if err := s.firstBarrier(ctx); err != nil {
		return err
	}
	s.base, err = eventlog.OpenLog(s.cfg.Mirror.Store).End(ctx)
	s.result.BaseSeq = uint64(s.base.Seq)
	return err
}

// firstBarrier waits for an agent that answers. The first drain on a new session may take
// longer than a barrier waits: servers read their own catalog then.
func (s *scene) firstBarrier(ctx context.Context) error {
	began := s.cfg.Clock()
	for {
		err := s.agent.Barrier(ctx)
		if err == nil || ctx.Err() != nil || s.cfg.Clock().Sub(began) > noMoreWriting {
			return err
		}
		if err := s.pause(ctx, poll); err != nil {
			return err
		}
	}
}

// write lets the writers write until the loss, and comes back when all have stopped.
func (s *scene) write(ctx context.Context) error {
	wctx, stop := context.WithCancel(ctx)
	defer stop()
	director := make(chan error, 1)
	began := s.cfg.Clock()
	go func() {
		err := s.direct(wctx, began)
		stop() // the writers go on for the plot's last breath and no longer
		director <- err
	}()
	err := workload.Run(wctx, workload.Config{
		DB: s.app, Dialect: s.dialect, Writers: s.cfg.Writers, Seed: s.cfg.Seed, Record: s.record,
		Ack:     s.acknowledge,
		Between: func(int) { s.loseAt(ctx, inTransaction) },
		Log:     s.cfg.Log, Clock: s.cfg.Clock,
	})
	select {
	case <-s.lost:
		err = nil // whatever happened to the writers, the loss did it
	default:
		stop()
	}
	err = errors.Join(err, <-director)
	if err == nil {
		err = s.lossErr
	}
	s.result.Buckets = buckets(s.record.Transactions(), began, s.lossAt)
	return errors.Join(err, s.record.Flush())
}

// afterLoss cuts the last step, in which the region was lost, in two.
func (s *scene) afterLoss() {
	last := &s.result.Steps[len(s.result.Steps)-1]
	end := last.Began.Add(last.Took)
	last.Took = s.lossAt.Sub(last.Began)
	s.result.Steps = append(s.result.Steps, Step{"notice, stop the writers", s.lossAt, end.Sub(s.lossAt), true})
}

// acknowledge is the writers' barrier, and the other two moments at which a region may go.
func (s *scene) acknowledge(ctx context.Context) error {
	s.loseAt(ctx, afterCommit)
	answered := make(chan error, 1)
	go func() { answered <- s.agent.Barrier(ctx) }()
	s.loseAt(ctx, inBarrier)
	return <-answered
}
