package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lifeboat/internal/database/sqlite/capi"
)

// Options of Open and OpenTarget; the zero value is good.
type Options struct {
	// BusyTimeout is how long to wait for locks of other connections; 0 means 10 s.
	BusyTimeout time.Duration
	// Log may be nil.
	Log *slog.Logger
	// CacheBytes bounds SQLite's page cache during a restore; 0 means 64 MiB.
	CacheBytes int64
}

const (
	defaultBusyTimeout = 10 * time.Second
	defaultCacheBytes  = 64 << 20
	// viewCacheBytes is the page cache of a read transaction: a scan looks at each page once.
	viewCacheBytes = 256 << 10
)

func (o Options) withDefaults() Options {
	if o.BusyTimeout == 0 {
		o.BusyTimeout = defaultBusyTimeout
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// file opens connections to one database file and keeps idle ones for the next view.
type file struct {
	path string
	wait time.Duration
	mode capi.Mode

	mu     sync.Mutex
	idle   []*capi.Conn
	closed bool
}

// maxIdle is how many connections are kept: one for draining, one beside it for a scan.
const maxIdle = 2

var errClosed = errors.New("database handle is closed")

func newFile(path string, o Options, mode capi.Mode) (*file, error) {
	if path == "" || strings.HasPrefix(path, ":") {
		return nil, fmt.Errorf("%q is not the path of a database file", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: abs, wait: o.BusyTimeout, mode: mode}
	if mode == capi.Create {
		if _, err := os.Stat(filepath.Dir(abs)); err != nil {
			return nil, f.cannotOpen(err)
		}
	}
	return f, nil
}

func (f *file) conn() (*capi.Conn, error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", f.path, errClosed)
	}
	if n := len(f.idle); n > 0 {
		c := f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.mu.Unlock()
		return c, nil
	}
	f.mu.Unlock()
	c, err := capi.Open(f.path, f.mode)
	if err != nil {
		return nil, f.explain(context.Background(), err)
	}
	return c, nil
}

// release takes back a connection without an open transaction.
func (f *file) release(c *capi.Conn) error {
	f.mu.Lock()
	if !f.closed && len(f.idle) < maxIdle && !c.InTransaction() {
		f.idle = append(f.idle, c)
		c = nil
	}
	f.mu.Unlock()
	if c != nil {
		return c.Close()
	}
	return nil
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	var errs []error
	for _, c := range f.idle {
		errs = append(errs, c.Close())
	}
	f.idle = nil
	return errors.Join(errs...)
}

// watch interrupts what runs on c when ctx ends, until stop. After stop no interrupt is
// on its way that could hit the next statement.
func watch(ctx context.Context, c *capi.Conn) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		c.Interrupt()
	})
	return sync.OnceFunc(func() {
		if !cancel() {
			<-done
		}
	})
}

// retry runs step again while it fails because of a lock, for at most f.wait. SQLite's
// own busy handler is not used: it cannot be cancelled.
func (f *file) retry(ctx context.Context, step func() error) error {
	var deadline <-chan time.Time
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		err := step()
		if code := capi.Code(err); code != capi.Busy && code != capi.Locked {
			return err
		}
		if deadline == nil {
			deadline = time.After(f.wait)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return err
		case <-time.After(pause):
		}
	}
}

// write runs fn in one write transaction on c: all of it or, on any error, nothing.
// begin is "BEGIN IMMEDIATE", or "BEGIN EXCLUSIVE".
func (f *file) write(ctx context.Context, c *capi.Conn, fn func() error) error {
	stop := watch(ctx, c)
	defer stop()
	if err := f.retry(ctx, func() error { return c.Exec("BEGIN IMMEDIATE") }); err != nil {
		return f.explain(ctx, err)
	}
	err := fn()
	if err == nil {
		err = f.retry(ctx, func() error { return c.Exec("COMMIT") })
	}
	err = f.explain(ctx, err)
	if err != nil && c.InTransaction() {
		stop()
		err = errors.Join(err, c.Exec("ROLLBACK"))
	}
	return err
}

// update is write on a connection of its own.
func (f *file) update(ctx context.Context, fn func(*capi.Conn) error) error {
	c, err := f.conn()
	if err != nil {
		return err
	}
	if err = c.Exec("PRAGMA cache_size = -2000"); err == nil { // SQLite's default
		err = f.write(ctx, c, func() error { return fn(c) })
	}
	return errors.Join(err, f.release(c))
}

// snapshot begins a read transaction on c and fixes what it sees.
func (f *file) snapshot(ctx context.Context, c *capi.Conn) error {
	err := f.retry(ctx, func() error {
		if err := c.Exec(fmt.Sprintf("PRAGMA cache_size = -%d; BEGIN", viewCacheBytes>>10)); err != nil {
			return err
		}
		if err := c.Exec("SELECT count(*) FROM sqlite_schema"); err != nil {
			return errors.Join(err, c.Exec("ROLLBACK"))
		}
		return nil
	})
	return f.explain(ctx, err)
}

// read runs fn in one read transaction on a connection of its own.
func (f *file) read(ctx context.Context, fn func(*capi.Conn) error) error {
	c, err := f.conn()
	if err != nil {
		return err
	}
	if err := f.snapshot(ctx, c); err != nil {
		return errors.Join(err, c.Close())
	}
	stop := watch(ctx, c)
	err = fn(c)
	stop()
	return errors.Join(f.explain(ctx, err), c.Exec("ROLLBACK"), f.release(c))
}
