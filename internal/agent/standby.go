package agent

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lifeboat/internal/database"
	"lifeboat/internal/lease"
)

// Standby waits until no other agent is at work on the database, then starts one as Start
// does. Meanwhile its HTTP interface hands every question on to the agent at work, so that
// callers may ask either. It needs a database that keeps a lease. The error is ctx's, or
// Start's.
func Standby(ctx context.Context, cfg Config) (a *Agent, err error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	if cfg.Lease == nil {
		return nil, errors.New("a standby needs a database that keeps the agents' lease")
	}
	s := &standby{}
	if cfg.Listen != "" {
		if cfg.front, err = openFront(ctx, cfg.Listen, cfg.Log, s.handler()); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, cfg.front.server.Close())
			}
		}()
	}
	cfg.Log.InfoContext(ctx, "standing by", "listen", cfg.frontAddress())
	if cfg.held, err = lease.Wait(ctx, cfg.leaseConfig(), s.saw); err != nil {
		return nil, err
	}
	cfg.Log.WarnContext(ctx, "no other agent is at work: taking over", "was", s.active())
	s.saw(database.Lease{}) // what it would hand on now would come back to itself
	if a, err = startBeating(ctx, cfg); err != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownTimeout)
		defer cancel()
		return nil, errors.Join(err, cfg.held.Release(last))
	}
	return a, nil
}

// startBeating is Start, with signs of life meanwhile: it may have to wait long for a
// store. When the lease is lost it gives up.
func startBeating(ctx context.Context, cfg Config) (*Agent, error) {
	starting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	beats, enough := context.WithCancel(ctx)
	kept := make(chan error, 1)
	go func() {
		err := cfg.held.Keep(beats)
		if err != nil {
			giveUp(err)
		}
		kept <- err
	}()
	a, err := Start(starting, cfg)
	enough()
	lost := <-kept
	if err != nil {
		return nil, errors.Join(err, lost)
	}
	return a, nil // if it is lost, Run says so
}

func (c *Config) leaseConfig() lease.Config {
	return lease.Config{Table: c.Lease, Address: c.frontAddress(), TTL: c.LeaseTTL, Log: c.Log}
}

// frontAddress is where others reach the HTTP interface, "" without one.
func (c *Config) frontAddress() string {
	switch {
	case c.Advertise != "":
		return c.Advertise
	case c.front != nil:
		return c.front.addr()
	}
	return ""
}

// standby is what a waiting agent knows and answers.
type standby struct {
	mu  sync.Mutex
	now database.Lease
}

func (s *standby) saw(l database.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = l
}

// active is the address of the agent at work, "" when there is none or it has none.
func (s *standby) active() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.Address
}

func (s *standby) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(standbyGauge, func() float64 { return 1 }))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.health)
	mux.HandleFunc("GET /healthz", s.health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/v1/", s.forward())
	return mux
}

// health of a standby: it is well when it stands by for somebody.
func (s *standby) health(w http.ResponseWriter, r *http.Request) {
	out := healthAnswer{Version: 1, Standby: true, Active: s.active()}
	out.Healthy = out.Active != "" || r.URL.Path == "/livez"
	status := http.StatusOK
	if !out.Healthy {
		out.Problems = append(out.Problems, "no agent is known to be at work")
		status = http.StatusServiceUnavailable
	}
	answer(w, status, out)
}

// forwarded marks what a standby has handed on. An address in the lease may meanwhile be
// another standby's; it must not hand on in a circle.
const forwarded = "X-Lifeboat-Forwarded"

func (s *standby) forward() http.Handler {
	nobody := func(w http.ResponseWriter, why string) {
		answer(w, http.StatusServiceUnavailable, barrierAnswer{Version: 1, Error: why + "; nothing is known about durability, ask again"})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := s.active()
		if to == "" || r.Header.Get(forwarded) != "" {
			nobody(w, "this agent stands by, and no agent is at work")
			return
		}
		// An audit takes as long as it takes; whoever does not want to wait hangs up.
		if err := http.NewResponseController(w).SetWriteDeadline(noDeadline); err != nil {
			nobody(w, err.Error())
			return
		}
		proxy := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: to})
				r.Out.Header.Set(forwarded, "1")
			},
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				nobody(w, "the agent at work does not answer: "+err.Error())
			},
		}
		proxy.ServeHTTP(w, r)
	})
}
