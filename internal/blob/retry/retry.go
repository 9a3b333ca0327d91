package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"lifeboat/internal/blob"
)

// slowest is the bandwidth, in bytes a second, below which an attempt counts as hung.
const slowest = 64 << 10

// errHung ends an attempt that took too long, or a read that gave nothing for too long.
var errHung = errors.New("no answer in time")

// Policy says how patient a Store is. The zero value is a good one.
type Policy struct {
	Tries   int           // attempts in all, without progress between them; 0 = 6
	First   time.Duration // mean wait after the first failure, growing by half each time; 0 = 100 ms
	Longest time.Duration // mean wait at most; 0 = 10 s
	Attempt time.Duration // an attempt without an answer is given up after this, and 1 s for each 64 KiB of body; 0 = 30 s
	Log     *slog.Logger  // told of each retry at debug level; nil = nobody
}

// Store is a blob.Store that tries again. It is safe for concurrent use.
type Store struct {
	inner  blob.Store
	policy Policy
}

var _ blob.Store = (*Store)(nil)

// New decorates inner.
func New(inner blob.Store, p Policy) *Store {
	if p.Tries <= 0 {
		p.Tries = 6
	}
	if p.First <= 0 {
		p.First = 100 * time.Millisecond
	}
	if p.Longest <= 0 {
		p.Longest = 10 * time.Second
	}
	if p.Attempt <= 0 {
		p.Attempt = 30 * time.Second
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{inner: inner, policy: p}
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, name string, body []byte) error {
	p := s.policy
	p.Attempt += time.Duration(len(body)/slowest) * time.Second
	_, err := do(ctx, p, attempt(ctx, p, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.inner.Create(ctx, name, body)
	}))
	return err
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	_, err := do(ctx, s.policy, attempt(ctx, s.policy, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.inner.Delete(ctx, name)
	}))
	return err
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, name string) (blob.Info, error) {
	return do(ctx, s.policy, attempt(ctx, s.policy, func(ctx context.Context) (blob.Info, error) {
		return s.inner.Stat(ctx, name)
	}))
}

// attempt bounds the time of one try of f.
func attempt[T any](ctx context.Context, p Policy, f func(context.Context) (T, error)) func() (T, error) {
	return func() (T, error) {
		ctx, dog := watch(ctx, p.Attempt)
		defer dog.stop()
		result, err := f(ctx)
		return result, dog.explain(err)
	}
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for last := after; ; {
			next, err := do(ctx, s.policy, func() (string, error) {
				return s.listOnce(ctx, prefix, last, yield)
			})
			if errors.Is(err, errEnd) {
				return
			}
			if err != nil {
				yield(blob.Info{}, err)
				return
			}
			last = next
		}
	}
}

// errEnd: the list is complete, or its consumer has enough.
var errEnd = errors.New("end of list")

// listOnce yields what one list gives. After a failure behind some progress it returns
// the name to go on from.
func (s *Store) listOnce(ctx context.Context, prefix, last string, yield func(blob.Info, error) bool) (string, error) {
	ctx, dog := watch(ctx, s.policy.Attempt)
	defer dog.stop()
	first := last
	for info, err := range s.inner.List(ctx, prefix, last) {
		if err != nil && last != first && ctx.Err() == nil {
			return last, nil
		}
		if err != nil {
			return "", dog.explain(err)
		}
		last = info.Name
		dog.rest() // the consumer's time is not the store's
		if !yield(info, nil) {
			return "", errEnd
		}
		dog.wake()
	}
	return "", errEnd
}

// Get implements blob.Store.
func (s *Store) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	r := &reader{store: s, ctx: ctx, name: name, off: off, rest: n}
	_, err := do(ctx, s.policy, func() (struct{}, error) { return struct{}{}, r.open() })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// reader goes on from where a broken read ended. Objects never change, so the bytes of
// several requests fit together.
type reader struct {
	store *Store
	ctx   context.Context //nolint:containedctx // an io.Reader has no other way to learn of it
	name  string
	off   int64 // of the next byte
	rest  int64 // bytes still wanted; negative = to the end

	inner io.ReadCloser // nil: to be opened at off
	dog   *watchdog
}

func (r *reader) open() error {
	ctx, dog := watch(r.ctx, r.store.policy.Attempt)
	inner, err := r.store.inner.Get(ctx, r.name, r.off, r.rest)
	if err != nil {
		dog.stop()
		return dog.explain(err)
	}
	dog.rest()
	r.inner, r.dog = inner, dog
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := do(r.ctx, r.store.policy, func() (int, error) {
		if r.inner == nil {
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		r.dog.wake()
		n, err := r.inner.Read(p)
		r.dog.rest()
		if err == nil || err == io.EOF { //nolint:errorlint // a wrapped one is a broken connection
			return n, err
		}
		err = r.dog.explain(err)
		_ = r.Close() // it is broken already
		if n > 0 {
			return n, nil
		}
		return 0, fmt.Errorf("read %s at offset %d: %w", r.name, r.off, err)
	})
	r.off += int64(n)
	if r.rest >= 0 {
		r.rest -= int64(n)
	}
	return n, err
}

func (r *reader) Close() error {
	if r.inner == nil {
		return nil
	}
	err := r.inner.Close()
	r.dog.stop()
	r.inner = nil
	return err
}

// do calls f until it succeeds, fails for good, or patience ends.
func do[T any](ctx context.Context, p Policy, f func() (T, error)) (T, error) {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = p.First, p.Longest
	var last error
	tries := 0
	result, err := backoff.Retry(ctx, func() (T, error) {
		var result T
		if ctx.Err() != nil {
			return result, backoff.Permanent(context.Cause(ctx))
		}
		tries++
		result, last = f()
		if last != nil && final(last) {
			return result, backoff.Permanent(last)
		}
		return result, last
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(uint(p.Tries)), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			p.Log.DebugContext(ctx, "retried a store's request", "err", err, "try", tries, "wait", wait)
		}))
	switch {
	case err == nil || final(err):
		return result, err
	case last != nil && !errors.Is(err, last): // the context ended between two tries
		return result, fmt.Errorf("%w, after %d tries; the last answer: %w", err, tries, last)
	}
	return result, fmt.Errorf("gave up after %d tries: %w", tries, err)
}

// final tells what another try cannot change.
func final(err error) bool {
	for _, e := range []error{blob.ErrPermanent, blob.ErrExists, blob.ErrNotExist, blob.ErrName, blob.ErrEmpty, errEnd} {
		if errors.Is(err, e) {
			return true
		}
	}
	return err == io.EOF //nolint:errorlint // a wrapped one is a connection that was closed on us
}

// watchdog ends a context when nothing happens for too long while it is awake.
type watchdog struct {
	timer  *time.Timer
	limit  time.Duration
	ctx    context.Context //nolint:containedctx // the one it ends
	cancel context.CancelCauseFunc
}

func watch(ctx context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watchdog{
		timer: time.AfterFunc(limit, func() { cancel(errHung) }),
		limit: limit, ctx: ctx, cancel: cancel,
	}
}

func (d *watchdog) rest() { d.timer.Stop() }
func (d *watchdog) wake() { d.timer.Reset(d.limit) }

func (d *watchdog) stop() {
	d.timer.Stop()
	d.cancel(nil)
}

// explain replaces the bare "context canceled" that the watchdog caused.
func (d *watchdog) explain(err error) error {
	if err != nil && errors.Is(context.Cause(d.ctx), errHung) {
		// Not wrapped: it is the watchdog that cancelled, not the caller.
		return fmt.Errorf("%w within %s (%s)", errHung, d.limit, err.Error())
	}
	return err
}
