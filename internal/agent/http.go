package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lifeboat/eventlog"
)

const (
	// maxBarrierWait bounds what a caller may ask for: a connection that waits longer is
	// more likely forgotten than patient.
	maxBarrierWait = time.Minute
	readTimeout    = 10 * time.Second
	idleTimeout    = 2 * time.Minute
)

// barrierAnswer is the body of every answer to a barrier.
type barrierAnswer struct {
	Version   int        `json:"version"`
	Seq       uint64     `json:"seq,omitempty"`
	DurableAt *time.Time `json:"durable_at,omitempty"` // UTC
	Error     string     `json:"error,omitempty"`
}

func (a *Agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/barrier", a.serveBarrier)
	mux.HandleFunc("GET /v1/frontier", a.serveFrontier)
	mux.HandleFunc("GET /healthz", a.serveHealth)
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

// listen begins to serve; the address is known when it returns.
func (a *Agent) listen(ctx context.Context) error {
	if a.cfg.Listen == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with agent.listen", a.cfg.Listen, err)
	}
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		a.cfg.Log.Warn("the agent's HTTP interface can be reached from other machines and has no authentication", "address", l.Addr().String())
	}
	a.listener = l
	a.server = &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      maxBarrierWait + readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
	}
	return nil
}

// Addr is the address of the HTTP interface, "" without one.
func (a *Agent) Addr() string {
	if a.listener == nil {
		return ""
	}
	return a.listener.Addr().String()
}

func (a *Agent) serveBarrier(w http.ResponseWriter, r *http.Request) {
	wait := a.cfg.BarrierTimeout
	if text := r.URL.Query().Get("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 || d > maxBarrierWait {
			answer(w, http.StatusBadRequest, barrierAnswer{Version: 1, Error: fmt.Sprintf("timeout %q is not a duration up to %s", text, maxBarrierWait)})
			return
		}
		wait = d
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	result, err := a.Barrier(ctx)
	out := barrierAnswer{Version: 1, Seq: uint64(result.Seq)}
	if err != nil {
		out.Error = err.Error()
		answer(w, statusOf(err), out)
		return
	}
	at := result.DurableAt.UTC()
	out.DurableAt = &at
	answer(w, http.StatusOK, out)
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, eventlog.ErrFenced):
		return http.StatusGone
	case errors.Is(err, eventlog.ErrDegraded):
		return http.StatusServiceUnavailable
	case errors.Is(err, eventlog.ErrNotDurable), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// frontierAnswer is the body of GET /v1/frontier.
type frontierAnswer struct {
	Version int `json:"version"`
	eventlog.Frontier
	ExposedSeconds float64 `json:"exposed_seconds"`
}

func (a *Agent) serveFrontier(w http.ResponseWriter, _ *http.Request) {
	f := a.writer.Frontier()
	out := frontierAnswer{Version: 1, Frontier: f}
	if !f.ExposedSince.IsZero() {
		out.ExposedSeconds = max(0, a.cfg.Clock().Sub(f.ExposedSince).Seconds())
	}
	answer(w, http.StatusOK, out)
}

// healthAnswer is the body of GET /healthz.
type healthAnswer struct {
	Version  int      `json:"version"`
	Healthy  bool     `json:"healthy"`
	Problems []string `json:"problems,omitempty"`
}

func (a *Agent) serveHealth(w http.ResponseWriter, _ *http.Request) {
	out := healthAnswer{Version: 1, Problems: a.problems()}
	out.Healthy = len(out.Problems) == 0
	status := http.StatusOK
	if !out.Healthy {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, out)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller that has gone needs no answer
}
