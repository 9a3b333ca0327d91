package pace

import (
	"context"
	"io"
	"sync"
	"time"

	"lifeboat/internal/blob"
)

// New bounds the bytes a second of Get and Create together; rate <= 0: unbounded. What
// exceeds it waits, as long as the caller's context lasts.
func New(store blob.Store, rate int64) blob.Store {
	if rate <= 0 {
		return store
	}
	return &pacedStore{Store: store, rate: rate}
}

type pacedStore struct {
	blob.Store
	rate int64
	mu   sync.Mutex
	free time.Time // when what has passed so far is paid for
}

// wait pays for n bytes.
func (p *pacedStore) wait(ctx context.Context, n int) error {
	p.mu.Lock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	pause := p.free.Sub(now)
	p.mu.Unlock()
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Create pays first.
func (p *pacedStore) Create(ctx context.Context, name string, body []byte) error {
	if err := p.wait(ctx, len(body)); err != nil {
		return err
	}
	return p.Store.Create(ctx, name, body)
}

func (p *pacedStore) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	r, err := p.Store.Get(ctx, name, off, n)
	if err != nil {
		return nil, err
	}
	return &pacedReader{r, func(n int) error { return p.wait(ctx, n) }}, nil
}

type pacedReader struct {
	io.ReadCloser
	pay func(n int) error
}

func (r *pacedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if n > 0 {
		if perr := r.pay(n); perr != nil && err == nil {
			err = perr
		}
	}
	return n, err
}
