package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync/atomic"

	"lifeboat/internal/blob"
)

// errUnreachable is what a cut link answers.
var errUnreachable = errors.New("the region cannot be reached")

// link is the way to a store. While it is cut nothing gets through; what was under way
// when it was cut may have arrived or not, and nobody is told.
type link struct {
	inner blob.Store
	cut   atomic.Bool
}

var _ blob.Store = (*link)(nil)

func (l *link) broken() error {
	if l.cut.Load() {
		return errUnreachable
	}
	return nil
}

func (l *link) Create(ctx context.Context, name string, body []byte) error {
	if err := l.broken(); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	err := l.inner.Create(ctx, name, body)
	if l.broken() != nil {
		return fmt.Errorf("create %s: %w", name, errUnreachable)
	}
	return err
}

func (l *link) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := l.broken(); err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	return l.inner.Get(ctx, name, off, n)
}

func (l *link) Stat(ctx context.Context, name string) (blob.Info, error) {
	if err := l.broken(); err != nil {
		return blob.Info{}, fmt.Errorf("stat %s: %w", name, err)
	}
	return l.inner.Stat(ctx, name)
}

func (l *link) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for info, err := range l.inner.List(ctx, prefix, after) {
			if l.broken() != nil {
				info, err = blob.Info{}, fmt.Errorf("list %s: %w", prefix, errUnreachable)
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}

func (l *link) Delete(ctx context.Context, name string) error {
	if err := l.broken(); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return l.inner.Delete(ctx, name)
}
