package workload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config is what Run needs.
type Config struct {
	DB      *sql.DB
	Dialect Dialect
	Model   *Model // nil: described by Dialect
	Writers int
	Seed    uint64
	Record  *Record
	// Ack returns nil when everything that was committed before the call cannot be lost
	// any more. Any error means that nobody may be told so yet; it is asked again.
	Ack func(ctx context.Context) error
	// Between is called between the statements of a transaction, nil for nothing. It is
	// where a region is lost in mid-write.
	Between func(writer int)
	// Fruitless is how many transactions in a row may come to nothing before the database
	// is taken for one that nobody can write to; 0: 500.
	Fruitless int
	Log       *slog.Logger     // nil: discard
	Clock     func() time.Time // nil: time.Now
}

const (
	// maxPending is how many commits a writer leaves unacknowledged before it only waits:
	// a user whose answers do not come stops asking.
	maxPending = 8
	// ackPause keeps a writer whose Ack fails at once from spinning.
	ackPause     = 10 * time.Millisecond
	maxFruitless = 500
)

// ErrNothingToChange: the writers found no statement that the database accepts.
var ErrNothingToChange = errors.New("the writers find nothing that they may change in this database")

// Run lets the writers write until ctx ends, or until one of them fails for a reason that
// is not the end of ctx. It returns when all have stopped.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Fruitless == 0 {
		cfg.Fruitless = maxFruitless
	}
	if cfg.Between == nil {
		cfg.Between = func(int) {}
	}
	if cfg.Model == nil {
		m, err := cfg.Dialect.Describe(ctx, cfg.DB)
		if err != nil {
			return fmt.Errorf("describe the database to the writers: %w", err)
		}
		cfg.Model = m
	}
	if len(cfg.Model.Tables) == 0 {
		return fmt.Errorf("%w: it has no tables", ErrNothingToChange)
	}
	p, err := loadPool(ctx, cfg.DB, cfg.Dialect, cfg.Model, rand.New(rand.NewPCG(cfg.Seed, 0)))
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for n := range cfg.Writers {
		w := &writer{cfg: &cfg, n: n, pool: p, rng: rand.New(rand.NewPCG(cfg.Seed, uint64(n)+1))}
		g.Go(func() error {
			if err := w.run(gctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("writer %d: %w", w.n, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// writer is one user of the application. It is for one goroutine.
type writer struct {
	cfg     *Config
	n       int
	count   int // transactions so far
	pool    *pool
	rng     *rand.Rand
	pending []*Transaction // committed, not acknowledged
}

func (w *writer) run(ctx context.Context) error {
	fruitless := 0
	for ctx.Err() == nil {
		if len(w.pending) < maxPending {
			done, err := w.transaction(ctx)
			if err != nil {
				return err
			}
			if fruitless++; done {
				fruitless = 0
			}
			if fruitless > w.cfg.Fruitless {
				return ErrNothingToChange
			}
		}
		w.acknowledge(ctx)
	}
	return nil
}

func (w *writer) acknowledge(ctx context.Context) {
	if len(w.pending) == 0 {
		return
	}
	if err := w.cfg.Ack(ctx); err != nil {
		if ctx.Err() == nil {
			w.cfg.Log.Debug("not acknowledged", "writer", w.n, "pending", len(w.pending), "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(ackPause):
		}
		return
	}
	w.cfg.Record.acknowledged(w.pending, w.cfg.Clock())
	w.pending = w.pending[:0:0]
}

// transaction makes one; done is false when nothing came of it.
func (w *writer) transaction(ctx context.Context) (done bool, err error) {
	tx, err := w.cfg.Dialect.Begin(ctx, w.cfg.DB)
	if err != nil {
		return false, w.unlessConflict(err)
	}
	work := &unit{writer: w, tx: tx, reader: rowReader{d: w.cfg.Dialect, q: tx}, at: map[rowID]int{}}
	err = work.fill(ctx)
	if err == nil && len(work.rows) > 0 {
		err = work.readAfter(ctx)
	}
	if err != nil || len(work.rows) == 0 {
		rerr := tx.Rollback()
		if err == nil {
			err = rerr
		}
		return false, w.unlessConflict(err)
	}
	return w.commit(tx, work)
}

func (w *writer) commit(tx Tx, work *unit) (bool, error) {
	r := w.cfg.Record
	w.count++
	t := &Transaction{Writer: w.n, Number: w.count, ID: tx.ID(), Order: r.nextOrder()}
	r.sent(t, work.rows)
	if err := tx.Commit(); err != nil {
		if w.cfg.Dialect.Sort(err) == Fatal {
			return false, err // who knows whether it was done
		}
		// A constraint that is checked at the end, or a conflict: the transaction is still
		// open or gone, but not committed.
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			return false, errors.Join(err, rerr)
		}
		r.refused(t)
		return false, nil
	}
	r.committed(t, w.cfg.Clock())
	w.pool.update(work.rows)
	w.pending = append(w.pending, t)
	return true, nil
}

func (w *writer) unlessConflict(err error) error {
	if err != nil && w.cfg.Dialect.Sort(err) == Fatal {
		return err
	}
	return nil
}
