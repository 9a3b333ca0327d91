package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// moment is where a writer stands when the region is lost.
type moment int32

// The moments; none is armed at first.
const (
	notYet moment = iota
	inTransaction
	afterCommit
	inBarrier
	moments
)

func (m moment) String() string {
	return [...]string{"not yet", "in the middle of a transaction", "between a commit and its barrier", "while a barrier waits"}[m]
}

// plot is what the seed decided about the loss.
type plot struct {
	at        time.Duration // of the loss, after the writers began
	moment    moment
	cut, heal time.Duration // of the mirror's link; zero: never
	after     time.Duration // how long the writers go on after the loss, where they can
}

const (
	// enoughAcks is how many acknowledgements there are before anything is lost: losing
	// nothing proves nothing.
	enoughAcks = 20
	// noMoreWriting is how long a slow machine may take to get there.
	noMoreWriting = 2 * time.Minute
	poll          = 5 * time.Millisecond
)

func plotLoss(cfg Config, rng *rand.Rand) plot {
	part := func(from, to float64) time.Duration {
		return time.Duration((from + (to-from)*rng.Float64()) * float64(cfg.Duration))
	}
	p := plot{at: part(.5, .95), moment: 1 + moment(rng.IntN(int(moments)-1))}
	switch cfg.Lose {
	case MirrorLink:
		p.cut, p.heal, p.at = part(.2, .35), part(.45, .6), part(.75, .95)
	case AgentKill:
		p.after = cfg.Duration / 20
	}
	return p
}

// direct makes things happen when the plot says so. It returns after the loss, when the
// writers have had their last breath.
func (s *scene) direct(ctx context.Context, began time.Time) error {
	until := func(d time.Duration) error { return s.pause(ctx, d-s.cfg.Clock().Sub(began)) }
	if s.plot.cut > 0 {
		if err := errors.Join(until(s.plot.cut), s.cutAndHeal(ctx, s.plot.heal-s.plot.cut)); err != nil {
			return err
		}
	}
	if err := until(s.plot.at); err != nil {
		return err
	}
	if err := s.awaitAcks(ctx, enoughAcks); err != nil {
		return err
	}
	s.armed.Store(int32(s.plot.moment))
	deadline := time.NewTimer(noMoreWriting)
	defer deadline.Stop()
	select {
	case <-s.lost:
	case <-ctx.Done():
		return ctx.Err()
	case <-deadline.C:
		return fmt.Errorf("no writer was %s within %s: the machine is too slow, or the writers are stuck", s.plot.moment, noMoreWriting)
	}
	return s.pause(ctx, s.plot.after)
}

func (s *scene) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(max(0, d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitAcks waits until the writers have been acknowledged n times in all.
func (s *scene) awaitAcks(ctx context.Context, n int) error {
	began := s.cfg.Clock()
	for s.record.Counts().Acknowledged < n {
		if s.cfg.Clock().Sub(began) > noMoreWriting {
			return fmt.Errorf("only %d acknowledgements within %s", s.record.Counts().Acknowledged, noMoreWriting)
		}
		if err := s.pause(ctx, poll); err != nil {
			return err
		}
	}
	return nil
}

// cutAndHeal takes the mirror away for a while and counts what is acknowledged meanwhile.
func (s *scene) cutAndHeal(ctx context.Context, d time.Duration) error {
	if err := s.awaitAcks(ctx, enoughAcks); err != nil {
		return err
	}
	s.mark("mirror link cut")
	s.mirror.cut.Store(true)
	s.cfg.Log.Info("mirror link cut")
	// Barriers that were answered in the instant of the cut may still be on their way to
	// the writers: they were durable before it.
	if err := s.pause(ctx, d/4); err != nil {
		return err
	}
	s.cutFrom = s.record.Counts()
	if err := s.pause(ctx, d); err != nil {
		return err
	}
	s.cutTo = s.record.Counts()
	s.mark("healed")
	s.mirror.cut.Store(false)
	s.cfg.Log.Info("mirror link healed", "acknowledged_meanwhile", s.cutTo.Acknowledged-s.cutFrom.Acknowledged)
	return s.awaitAcks(ctx, s.cutTo.Acknowledged+enoughAcks)
}

// mark is for the director's goroutine alone.
func (s *scene) mark(name string) {
	s.result.Marks = append(s.result.Marks, Mark{name, s.cfg.Clock()})
}

// loseAt loses the region if this is the moment that is armed.
func (s *scene) loseAt(ctx context.Context, here moment) {
	if moment(s.armed.Load()) != here {
		return
	}
	s.lossing.Do(func() {
		s.lossAt = s.cfg.Clock()
		s.lossErr = s.lose(context.WithoutCancel(ctx))
		s.cfg.Log.Warn("lost", "what", string(s.cfg.Lose), "moment", here.String())
		close(s.lost)
	})
	<-s.lost
}

// lose makes the loss real. What the writers are told from here on they were not told.
func (s *scene) lose(ctx context.Context) error {
	if s.cfg.Lose == AgentKill {
		return s.agent.Kill()
	}
	s.record.Lose(s.lossAt)
	s.primary.cut.Store(true)
	s.mirror.cut.Store(true)
	err := s.agent.Kill()
	return errors.Join(err, s.database.Lose(ctx), s.cfg.Primary.Destroy(ctx))
}
