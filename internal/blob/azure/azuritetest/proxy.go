package azuritetest

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Fault is what the proxy does to one request.
type Fault int

const (
	Pass         Fault = iota // nothing
	DropRequest               // the server never sees it; the connection is cut
	DropAnswer                // the server acts; the connection is cut before the answer
	CutBody                   // the answer's body breaks off in the middle
	Throttle                  // 429 without reaching the server
	ServerError               // 500 likewise
	ServerBusy                // 503 likewise
	ErrorOnceMet              // the server acts; 500 is answered
)

// Proxy stands between a store and an Azurite.
type Proxy struct {
	URL  string // to be used in place of the Server's
	Hits atomic.Int64

	mu     sync.Mutex
	decide func(*http.Request) Fault
}

// NewProxy starts a proxy to s that passes everything until Use.
func (s *Server) NewProxy(t testing.TB) *Proxy {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.serve(w, r, forward)
	}))
	t.Cleanup(server.Close)
	p.URL = server.URL + target.Path
	return p
}

// Use has decide say what happens to each request from now on; nil passes all.
func (p *Proxy) Use(decide func(*http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

// Storm gives each request one of the faults with the given probability, the same ones
// for the same seed and order of requests.
func Storm(seed uint64, probability float64, faults ...Fault) func(*http.Request) Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 0))
	return func(*http.Request) Fault {
		mu.Lock()
		defer mu.Unlock()
		if rng.Float64() >= probability {
			return Pass
		}
		return faults[rng.IntN(len(faults))]
	}
}

// First gives the first n requests of a method the fault.
func First(n int64, method string, fault Fault) func(*http.Request) Fault {
	var seen atomic.Int64
	return func(r *http.Request) Fault {
		if r.Method == method && seen.Add(1) <= n {
			return fault
		}
		return Pass
	}
}

func (p *Proxy) fault(r *http.Request) Fault {
	p.mu.Lock()
	decide := p.decide
	p.mu.Unlock()
	if decide == nil {
		return Pass
	}
	f := decide(r)
	if f != Pass {
		p.Hits.Add(1)
	}
	return f
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	switch p.fault(r) {
	case DropRequest:
		panic(http.ErrAbortHandler)
	case DropAnswer:
		forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case CutBody:
		forward.ServeHTTP(&cutter{ResponseWriter: w}, r)
	case Throttle:
		refuse(w, r, http.StatusTooManyRequests, "ServerBusy")
	case ServerError:
		refuse(w, r, http.StatusInternalServerError, "InternalError")
	case ServerBusy:
		refuse(w, r, http.StatusServiceUnavailable, "ServerBusy")
	case ErrorOnceMet:
		forward.ServeHTTP(httptest.NewRecorder(), r)
		refuse(w, r, http.StatusInternalServerError, "InternalError")
	default:
		forward.ServeHTTP(w, r)
	}
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("retry-after-ms", "1") // the storm, not the waiting, is the test
	w.WriteHeader(status)
}

// cutter breaks the connection off halfway through the first write of an answer's body.
type cutter struct{ http.ResponseWriter }

func (c *cutter) Write(b []byte) (int, error) {
	_, _ = c.ResponseWriter.Write(b[:(len(b)+1)/2]) // at least a byte, so that there is progress
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}
