package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lifeboat/eventlog"
)

// barrierAnswer is the body of every answer to a barrier.
type barrierAnswer struct {
	Version   int        `json:"version"`
	Seq       *uint64    `json:"seq,omitempty"`        // 0 while the log holds no transaction
	DurableAt *time.Time `json:"durable_at,omitempty"` // UTC
	Error     string     `json:"error,omitempty"`
}

func (a *Agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/barrier", a.serveBarrier)
	mux.HandleFunc("GET /v1/frontier", a.serveFrontier)
	mux.HandleFunc("POST /v1/audit", a.serveAudit)
	mux.HandleFunc("GET /livez", a.serveLife)
	mux.HandleFunc("GET /healthz", a.serveHealth)
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

// Addr is the address of the HTTP interface, "" without one.
func (a *Agent) Addr() string {
	if a.cfg.front == nil {
		return ""
	}
	return a.cfg.front.addr()
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
	out := barrierAnswer{Version: 1}
	seq := uint64(result.Seq)
	if err == nil || seq != 0 {
		out.Seq = &seq
	}
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

// healthAnswer is the body of GET /healthz and /livez.
type healthAnswer struct {
	Version  int      `json:"version"`
	Healthy  bool     `json:"healthy"`
	Standby  bool     `json:"standby,omitempty"` // this agent waits for the one at work
	Active   string   `json:"active,omitempty"`  // of a standby: the address of the one at work
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

// serveLife tells whether restarting this process could help: only when its writer has
// ended for good. An agent that cannot reach the mirror is alive, and says the truth.
func (a *Agent) serveLife(w http.ResponseWriter, _ *http.Request) {
	if err := a.writer.Err(); err != nil {
		answer(w, http.StatusServiceUnavailable, healthAnswer{Version: 1, Problems: []string{err.Error()}})
		return
	}
	answer(w, http.StatusOK, healthAnswer{Version: 1, Healthy: true})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller that has gone needs no answer
}
