package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// maxBarrierWait bounds what a caller may ask for: a connection that waits longer is
	// more likely forgotten than patient.
	maxBarrierWait = time.Minute
	readTimeout    = 10 * time.Second
	idleTimeout    = 2 * time.Minute
)

// front is the address of the HTTP interface. What answers there may change: a standby
// hands its front on to the agent that it becomes, and no connection is refused meanwhile.
type front struct {
	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	ended    chan error // gets why it ended; nil after close
}

// openFront begins to serve; the address is known when it returns.
func openFront(ctx context.Context, address string, log *slog.Logger, first http.Handler) (*front, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; if an agent is at work there it goes on; stop it first, wait for it with --standby, or choose another address with agent.listen", address, err)
	}
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		log.Warn("the agent's HTTP interface can be reached from other machines and has no authentication", "address", l.Addr().String())
	}
	f := &front{listener: l, ended: make(chan error, 1)}
	f.answerBy(first)
	f.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*f.handler.Load()).ServeHTTP(w, r) }),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      maxBarrierWait + readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
	}
	go func() {
		err := f.server.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		f.ended <- err
	}()
	return f, nil
}

// starting answers until the epoch has begun: that the process is alive, and that nothing
// is known yet. It may have to wait long for a store.
func starting() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" {
			answer(w, http.StatusOK, healthAnswer{Version: 1, Healthy: true})
			return
		}
		const why = "this agent is starting; nothing is known about durability, ask again"
		if r.URL.Path == "/healthz" {
			answer(w, http.StatusServiceUnavailable, healthAnswer{Version: 1, Problems: []string{why}})
			return
		}
		answer(w, http.StatusServiceUnavailable, barrierAnswer{Version: 1, Error: why})
	})
}

func (f *front) answerBy(h http.Handler) { f.handler.Store(&h) }

func (f *front) addr() string { return f.listener.Addr().String() }

// close lets requests that are being answered end, as long as ctx allows.
func (f *front) close(ctx context.Context) error {
	if err := f.server.Shutdown(ctx); err != nil {
		return f.server.Close()
	}
	return nil
}
