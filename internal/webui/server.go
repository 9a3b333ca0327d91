package webui

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"lifeboat/failover/incident"
	"lifeboat/internal/readiness"
)

//go:embed assets
var assets embed.FS

// fresh is how long an answer of the stores serves, unless told otherwise: readers who
// reload all the time do not load the stores.
const fresh = 5 * time.Second

// looking is how long the stores may take for one answer.
const looking = 20 * time.Second

// View is everything the pages show, at one time.
type View struct {
	At       time.Time
	Company  string
	Now      *readiness.Sample // nil = nobody measured yet
	History  []readiness.Sample
	Record   incident.Record
	Due      []incident.Clock
	Ledger   incident.Ledger
	Clocks   map[incident.ID][]incident.Clock
	Findings []incident.Finding // what of the record does not verify
}

// Source looks at the stores. Its methods are safe for concurrent use.
type Source interface {
	Look(ctx context.Context) (View, error)
	// Entries are an incident's; incident.ErrNoIncident when there is none of the name.
	Entries(ctx context.Context, id incident.ID) ([]incident.Signed, error)
}

// Config is what a Server needs.
type Config struct {
	Source Source
	Hosts  []string         // names under which it may be reached, besides loopback
	Fresh  time.Duration    // 0 = 5 s
	Clock  func() time.Time // nil = time.Now
	Log    *slog.Logger     // nil = discard
}

// Server serves the pages. It is an http.Handler.
type Server struct {
	cfg   Config
	pages map[string]*template.Template
	mux   *http.ServeMux

	mu   sync.Mutex // held while looking, so that readers share an answer
	view View
	when time.Time
}

// New parses the pages.
func New(cfg Config) (*Server, error) {
	if cfg.Source == nil {
		return nil, errors.New("status page: no source")
	}
	if cfg.Fresh == 0 {
		cfg.Fresh = fresh
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, pages: map[string]*template.Template{}, mux: http.NewServeMux()}
	for _, name := range []string{"readiness", "history", "incidents", "incident", "due", "problem"} {
		t, err := template.New("layout.html").Funcs(functions()).ParseFS(assets, "assets/layout.html", "assets/"+name+".html")
		if err != nil {
			return nil, err
		}
		s.pages[name] = t
	}
	s.mux.HandleFunc("GET /{$}", s.page("readiness", "Readiness"))
	s.mux.HandleFunc("GET /history", s.page("history", "History"))
	s.mux.HandleFunc("GET /incidents", s.page("incidents", "Incidents"))
	s.mux.HandleFunc("GET /due", s.page("due", "Due"))
	s.mux.HandleFunc("GET /incidents/{id}", s.incident)
	s.mux.HandleFunc("GET /style.css", s.style)
	s.mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		s.problem(w, http.StatusNotFound, "There is no such page.")
	})
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	switch {
	case !s.known(r.Host):
		http.Error(w, "this name is not one of the page's; start it with --host to allow it", http.StatusMisdirectedRequest)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this page can only be read", http.StatusMethodNotAllowed)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

func (s *Server) known(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if slices.Contains(s.cfg.Hosts, host) || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// look returns the latest view, asking the source when it is no longer fresh.
func (s *Server) look(ctx context.Context) (View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Clock()
	if !s.when.IsZero() && now.Before(s.when.Add(s.cfg.Fresh)) {
		return s.view, nil
	}
	// The answer serves everybody who waits for it, so one reader who leaves does not end it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), looking)
	defer cancel()
	view, err := s.cfg.Source.Look(ctx)
	if err != nil {
		return View{}, err
	}
	s.view, s.when = view, now
	return view, nil
}

// shown is what a template gets.
type shown struct {
	View
	Title string
	Page  string
	State incident.State
	Said  []incident.Signed
	Text  string
}

func (s *Server) page(name, title string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		view, err := s.look(r.Context())
		if err != nil {
			s.unavailable(w, err)
			return
		}
		s.render(w, http.StatusOK, name, shown{View: view, Title: title, Page: name})
	}
}

func (s *Server) incident(w http.ResponseWriter, r *http.Request) {
	id, err := incident.ParseID(r.PathValue("id"))
	if err != nil {
		s.problem(w, http.StatusNotFound, "There is no such incident.")
		return
	}
	view, err := s.look(r.Context())
	if err != nil {
		s.unavailable(w, err)
		return
	}
	i := slices.IndexFunc(view.Record.Incidents, func(st incident.State) bool { return st.ID == id })
	if i < 0 {
		s.problem(w, http.StatusNotFound, "There is no such incident.")
		return
	}
	entries, err := s.cfg.Source.Entries(r.Context(), id)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	s.render(w, http.StatusOK, "incident", shown{View: view, Title: "Incident " + string(id), Page: "incidents", State: view.Record.Incidents[i], Said: entries})
}

// unavailable keeps what went wrong in the log: it may name places that are nobody's business.
func (s *Server) unavailable(w http.ResponseWriter, err error) {
	s.cfg.Log.Error("stores not read", "err", err)
	s.problem(w, http.StatusServiceUnavailable, "The stores cannot be read at the moment. The log of lifeboat serve says why.")
}

func (s *Server) problem(w http.ResponseWriter, code int, text string) {
	s.render(w, code, "problem", shown{Title: http.StatusText(code), Text: text})
}

// render writes a whole page or none: a template that fails half-way must not look like an
// answer.
func (s *Server) render(w http.ResponseWriter, code int, name string, data shown) {
	var b bytes.Buffer
	if err := s.pages[name].Execute(&b, data); err != nil {
		s.cfg.Log.Error("page not rendered", "page", name, "err", err)
		http.Error(w, "the page could not be made; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = b.WriteTo(w) // the reader has left
}

func (s *Server) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=300")
	http.ServeFileFS(w, r, assets, "assets/style.css")
}
