package probe_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/probe"
	"lifeboat/failover/run"
)

// service keeps what is posted to it, and is down for its first calls.
func service(t *testing.T, down int32, forget bool) *httptest.Server {
	t.Helper()
	var calls atomic.Int32
	var kept atomic.Value
	kept.Store("")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) <= down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /notes", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if !forget {
			kept.Store(string(text))
		}
	})
	mux.HandleFunc("GET /notes", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, kept.Load().(string)) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func of(s *httptest.Server) *probe.Probe {
	return &probe.Probe{Health: "http://{host}/healthz", Write: "http://{host}/notes", Read: "http://{host}/notes",
		Login: func(context.Context, run.Place) error { return nil }, Patience: time.Minute, Every: time.Millisecond, Client: s.Client()}
}

func at(s *httptest.Server) run.Place { return run.Place{Host: s.Listener.Addr().String()} }

func TestProbeUntilTrafficArrives(t *testing.T) {
	t.Parallel()
	s := service(t, 3, false)
	found, err := of(s).Probe(t.Context(), at(s))
	require.NoError(t, err)
	require.Equal(t, []run.Check{{Name: "name", Found: "127.0.0.1 is 127.0.0.1"}, {Name: "health", Found: "200 OK"}, {Name: "login", Found: "answered"},
		{Name: "write", Found: "200 OK"}, {Name: "read", Found: "200 OK"}}, found.Checks)
}

func TestProbeSaysWhatAUserRunsInto(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		down   int32
		forget bool
		change func(*probe.Probe)
		says   string
	}{
		"down":     {1 << 30, false, nil, "health: GET http://127.0.0.1"},
		"forgets":  {0, true, nil, "does not show what was just written"},
		"no login": {0, false, func(p *probe.Probe) { p.Login = func(context.Context, run.Place) error { return errors.New("denied") } }, "login: denied"},
		"no write": {0, false, func(p *probe.Probe) { p.Write += "/x" }, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := service(t, c.down, c.forget)
			p := of(s)
			p.Patience = 20 * time.Millisecond
			if c.change != nil {
				c.change(p)
			}
			_, err := p.Probe(t.Context(), at(s))
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestWhatIsNotConfiguredIsNotFine(t *testing.T) {
	t.Parallel()
	found, err := (&probe.Probe{}).Probe(t.Context(), run.Place{})
	require.NoError(t, err)
	require.Len(t, found.Checks, 5)
	for _, c := range found.Checks {
		require.Equal(t, "not tried: not configured", c.Found)
	}
}
