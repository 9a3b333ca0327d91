package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lifeboat/internal/database"
)

// DefaultTTL is how long a holder may be silent: long enough for a database that is
// moved by its provider to be back, short enough beside the policy's 8 hours.
const DefaultTTL = 15 * time.Second

// beats is how many signs of life there are in a time to live.
const beats = 5

// ErrLost: another agent has taken the lease, because it saw no sign of life or was
// started to take over.
var ErrLost = errors.New("another agent has taken over")

// Table is where the lease is kept; see database.Leaser.
type Table interface {
	ReadLease(ctx context.Context) (database.Lease, error)
	SwapLease(ctx context.Context, seen, next database.Lease) (bool, error)
}

// Config is what Take and Wait need.
type Config struct {
	Table   Table
	Address string        // of the holder's HTTP interface, for those that wait
	TTL     time.Duration // how long a holder may be silent; 0: DefaultTTL. The same for all agents of a database
	Log     *slog.Logger  // nil: discard
}

func (c *Config) setDefaults() {
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Held is a lease that was got. Its methods are for one goroutine at a time.
type Held struct {
	cfg  Config
	last database.Lease // as it was written last
}

// Take gets the lease at once, whoever holds it.
func Take(ctx context.Context, cfg Config) (*Held, error) {
	cfg.setDefaults()
	for {
		seen, err := cfg.Table.ReadLease(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the agents' lease: %w", err)
		}
		if h, err := cfg.take(ctx, seen); h != nil || err != nil {
			return h, err
		}
	}
}

// Wait gets the lease when its holder has given it back or has been silent for the time
// to live. holder, if not nil, is told of every lease that was read while waiting. An
// error of the database is logged and waited out; the only error is ctx's.
func Wait(ctx context.Context, cfg Config, holder func(database.Lease)) (*Held, error) {
	cfg.setDefaults()
	var seen database.Lease
	var since time.Time // when seen was first read; zero: not yet, or not without a gap
	tick := time.NewTicker(cfg.TTL / beats)
	defer tick.Stop()
	for {
		now, err := cfg.Table.ReadLease(ctx)
		switch {
		case err != nil:
			cfg.Log.WarnContext(ctx, "the agents' lease could not be read; waiting goes on", "err", err)
			since = time.Time{}
		case now.Holder == "" || now == seen && !since.IsZero() && time.Since(since) >= cfg.TTL:
			h, err := cfg.take(ctx, now)
			if h != nil {
				return h, nil
			}
			cfg.Log.InfoContext(ctx, "another standby was faster, or the lease could not be written; waiting goes on", "err", err)
			since = time.Time{}
		case now != seen || since.IsZero():
			seen, since = now, time.Now()
		}
		if err == nil && holder != nil {
			holder(now)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// take replaces the lease that was seen; nil if it has changed meanwhile.
func (c *Config) take(ctx context.Context, seen database.Lease) (*Held, error) {
	next := database.Lease{Holder: rand.Text(), Address: c.Address, Beat: seen.Beat + 1}
	ok, err := c.Table.SwapLease(ctx, seen, next)
	if err != nil {
		return nil, fmt.Errorf("take the agents' lease: %w", err)
	}
	if !ok {
		return nil, nil //nolint:nilnil // both are no error: it is somebody's
	}
	return &Held{cfg: *c, last: next}, nil
}

// Keep gives signs of life until ctx ends: nil. ErrLost: another agent has the lease.
// While the database cannot be reached it goes on trying: whoever waits cannot reach it
// either, or will take over.
func (h *Held) Keep(ctx context.Context) error {
	tick := time.NewTicker(h.cfg.TTL / beats)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := h.beat(ctx); errors.Is(err, ErrLost) {
			return err
		} else if err != nil && ctx.Err() == nil {
			h.cfg.Log.WarnContext(ctx, "no sign of life could be given to a standby", "err", err)
		}
	}
}

func (h *Held) beat(ctx context.Context) error {
	next := h.last
	next.Beat++
	return h.swap(ctx, next)
}

// swap replaces the lease as it was written last. A swap whose answer was lost is found
// by the holder's name, which nobody else has.
func (h *Held) swap(ctx context.Context, next database.Lease) error {
	ok, err := h.cfg.Table.SwapLease(ctx, h.last, next)
	if err != nil {
		return err
	}
	if ok {
		h.last = next
		return nil
	}
	now, err := h.cfg.Table.ReadLease(ctx)
	if err != nil {
		return err
	}
	if now.Holder != h.last.Holder {
		return fmt.Errorf("%w (%s)", ErrLost, now.Address)
	}
	h.last = now
	return nil
}

// Release gives the lease back, so that a standby begins at once. One that is lost
// already is nothing to release: nil.
func (h *Held) Release(ctx context.Context) error {
	free := database.Lease{Beat: h.last.Beat + 1}
	for range 2 { // the second time after an answer that was lost
		ok, err := h.cfg.Table.SwapLease(ctx, h.last, free)
		if err != nil {
			return fmt.Errorf("give the agents' lease back: %w", err)
		}
		if ok {
			return nil
		}
		now, err := h.cfg.Table.ReadLease(ctx)
		if err != nil || now.Holder != h.last.Holder {
			return err
		}
		h.last, free.Beat = now, now.Beat+1
	}
	return nil
}
