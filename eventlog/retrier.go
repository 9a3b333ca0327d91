package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"lifeboat/internal/blob"
)

// Waits between attempts. The first is about one round trip between regions; the longest
// keeps the time lost after an outage small beside the outage.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 5 * time.Second
	// slowest is the bandwidth below which an attempt counts as hung, in bytes a second.
	slowest = 256 << 10
)

// errUnreachable: a store has failed for longer than the patience with it.
var errUnreachable = errors.New("store cannot be reached")

// retrier repeats requests to one store for as long as they may succeed.
type retrier struct {
	role     string // "local", "mirror", for messages
	attempt  time.Duration
	patience time.Duration // 0: for ever
	stubborn bool          // try again even after a failure that is called permanent
	log      *slog.Logger
}

// final reports whether repeating cannot help: the answer is an answer.
func final(err error) bool {
	return errors.Is(err, blob.ErrExists) || errors.Is(err, blob.ErrNotExist) ||
		errors.Is(err, blob.ErrPermanent) || errors.Is(err, blob.ErrName)
}

// do repeats f until it succeeds, its error is final, patience runs out (errUnreachable)
// or ctx ends. bytes is what f moves, for the time it is given. A request that ended
// without an answer may have been done: f must be safe to repeat.
func (r *retrier) do(ctx context.Context, what string, bytes int64, f func(context.Context) error) error {
	start := time.Now()
	wait := firstWait
	for {
		attempt, cancel := context.WithTimeout(ctx, r.attempt+time.Duration(bytes)*time.Second/slowest)
		err := f(attempt)
		cancel()
		if err == nil || final(err) && !(r.stubborn && errors.Is(err, blob.ErrPermanent)) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s store: %s: %w (%w)", r.role, what, context.Cause(ctx), err)
		}
		if r.patience > 0 && time.Since(start) > r.patience {
			return fmt.Errorf("%w: %s store: %s: %w", errUnreachable, r.role, what, err)
		}
		r.log.Debug("trying again", "store", r.role, "request", what, "wait", wait, "err", err)
		if err := pause(ctx, wait/2+rand.N(wait/2)); err != nil {
			return fmt.Errorf("%s store: %s: %w", r.role, what, err)
		}
		wait = min(2*wait, longestWait)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
