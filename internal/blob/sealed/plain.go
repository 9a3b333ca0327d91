package sealed

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"

	"lifeboat/internal/blob"
)

// ErrSealedStore: the store holds encrypted objects, and no encryption is configured.
var ErrSealedStore error = &failure{"the store holds encrypted objects, and no encryption is configured", false}

// Plain gives out inner as it is, unless it holds sealed objects: then every call fails
// with ErrSealedStore. It asks at the first call and not at once, so that a region that
// cannot be reached can still be opened.
func Plain(inner blob.Store) blob.Store { return &plain{inner: inner} }

type plain struct {
	inner blob.Store
	mu    sync.Mutex
	asked bool
	is    bool
}

func (p *plain) check(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asked {
		is, err := Applied(ctx, p.inner)
		if err != nil {
			return fmt.Errorf("look for encryption: %w", err)
		}
		p.asked, p.is = true, is
	}
	if p.is {
		return ErrSealedStore
	}
	return nil
}

func (p *plain) Create(ctx context.Context, name string, body []byte) error {
	if err := blob.CheckObject(name, body); err != nil {
		return err
	}
	if err := p.check(ctx); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	return p.inner.Create(ctx, name, body)
}

func (p *plain) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := p.check(ctx); err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	return p.inner.Get(ctx, name, off, n)
}

func (p *plain) Stat(ctx context.Context, name string) (blob.Info, error) {
	if err := p.check(ctx); err != nil {
		return blob.Info{}, fmt.Errorf("stat %s: %w", name, err)
	}
	return p.inner.Stat(ctx, name)
}

func (p *plain) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := p.check(ctx); err != nil {
			yield(blob.Info{}, fmt.Errorf("list %s: %w", prefix, err))
			return
		}
		p.inner.List(ctx, prefix, after)(yield)
	}
}

func (p *plain) Delete(ctx context.Context, name string) error {
	if err := p.check(ctx); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return p.inner.Delete(ctx, name)
}
