package webui_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/internal/readiness"
	"lifeboat/internal/webui"
)

func paths() []string {
	return []string{"/", "/history", "/incidents", "/incidents/SI-2026-0001", "/incidents/si-2026-0002", "/due"}
}

func newServer(t testing.TB, s webui.Source, change func(*webui.Config)) *webui.Server {
	t.Helper()
	cfg := webui.Config{Source: s, Clock: func() time.Time { return now }}
	if change != nil {
		change(&cfg)
	}
	server, err := webui.New(cfg)
	require.NoError(t, err)
	return server
}

func get(t testing.TB, h http.Handler, path string) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080"+path, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	return w.Code, string(body), w.Header()
}

func TestPagesShowWhatTheyShould(t *testing.T) {
	t.Parallel()
	h := newServer(t, newSource(t), nil)
	tests := []struct {
		path string
		want []string
	}{
		{"/", []string{"<h1>Readiness</h1>", "2 h 50 m 00 s", "used of 4 h 22 m 48 s (365 days)", "SI-2026-0002 against 8 h", "1 h 40 m 00 s",
			"Seq 29000", "Seq 1 to 29400", "12 tables", "1 h 33 m 00 s", "of 8 h 00 m 00 s", "4 transactions", "Something is overdue."}},
		{"/history", []string{"<svg", "Exposure in seconds", "<table>", "2026-03-30 08:00 UTC</th><td>4</td><td>2.8</td>"}},
		{"/incidents", []string{"UK South is down &lt;again&gt;", "4 h 22 m 48 s", "8 h 00 m 00 s", "actions open: 1", "outage 1 h 10 m 00 s of 8 h 00 m 00 s (kept)"}},
		{"/incidents/SI-2026-0001", []string{"committee informed", "investigated", "by dpo"}},
		{"/incidents/si-2026-0002", []string{"Incident SI-2026-0002", "assessed"}},
		{"/due", []string{"action A1", "<strong class=\"bad\">overdue</strong>", "lifeboat incident action done SI-2026-0001 A1"}},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			code, body, header := get(t, h, tt.path)
			require.Equal(t, http.StatusOK, code)
			for _, want := range tt.want {
				require.Contains(t, body, want)
			}
			require.NotContains(t, body, secret)
			require.NotContains(t, body, "%!")
			require.NotContains(t, body, "@careful.example")
			require.NotContains(t, body, "<script")
			require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
			require.Equal(t, "no-store", header.Get("Cache-Control"))
			for _, outside := range []string{"http://", "https://", "style="} {
				require.NotContains(t, body, outside)
			}
		})
	}
}

func TestOnlyReadingAndOnlyUnderItsName(t *testing.T) {
	t.Parallel()
	h := newServer(t, newSource(t), func(c *webui.Config) { c.Hosts = []string{"status.example.org"} })
	tests := []struct {
		method, host string
		want         int
	}{
		{"GET", "127.0.0.1:8080", 200}, {"HEAD", "localhost", 200}, {"GET", "[::1]:8080", 200}, {"GET", "status.example.org", 200},
		{"GET", "evil.example", 421}, {"GET", "10.0.0.1", 421}, {"GET", "127.0.0.1.evil.example", 421}, {"GET", "", 421},
		{"POST", "localhost", 405}, {"DELETE", "localhost", 405}, {"OPTIONS", "localhost", 405},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, "http://x/", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, tt.want, w.Code, "%s %s", tt.method, tt.host)
	}
	for path, want := range map[string]int{"/nothing": 404, "/incidents/SI-2026-0009": 404, "/incidents/%2e%2e": 404, "/style.css": 200, "/assets/style.css": 404} {
		code, _, _ := get(t, h, path)
		require.Equal(t, want, code, path)
	}
}

func TestStoresThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.fail(errStore)
	var log bytes.Buffer
	h := newServer(t, s, func(c *webui.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	code, body, _ := get(t, h, "/")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.NotContains(t, body, "SECRET")
	require.Contains(t, log.String(), "does not answer")
	s.fail(nil)
	code, _, _ = get(t, h, "/")
	require.Equal(t, http.StatusOK, code, "a failure is not remembered")
}

func TestStoresAreAskedOnceInAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t)
		h := newServer(t, s, func(c *webui.Config) { c.Clock = time.Now })
		for range 20 {
			get(t, h, "/")
		}
		require.Equal(t, 1, s.looks)
		<-time.After(5 * time.Second)
		get(t, h, "/due")
		require.Equal(t, 2, s.looks)
	})
}

func TestNothingKnownIsNothingGood(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.view.Now, s.view.History = nil, nil
	_, body, _ := get(t, newServer(t, s, nil), "/")
	require.Contains(t, body, "Nobody has measured it yet")

	s.view.Now = &readiness.Sample{At: now.Add(-27 * time.Hour)}
	_, body, _ = get(t, newServer(t, s, nil), "/")
	require.Contains(t, body, "the nightly run did not happen")
	ready := body[strings.Index(body, `id="ready"`):strings.Index(body, `id="next"`)]
	require.NotContains(t, ready, `class="card good"`, ready)
	require.Equal(t, 3, strings.Count(ready, `class="card unknown"`))
	_, body, _ = get(t, newServer(t, s, nil), "/history")
	require.Contains(t, body, "Nothing was measured yet")
}

func TestAgesAtTheirEdges(t *testing.T) {
	t.Parallel()
	card := func(change func(*readiness.Sample), name string) string {
		s := newSource(t)
		sample := *s.view.Now
		change(&sample)
		s.view.Now = &sample
		_, body, _ := get(t, newServer(t, s, nil), "/")
		at := strings.Index(body, "<h3>"+name)
		require.Positive(t, at)
		head := body[:at]
		return head[strings.LastIndex(head, `card `)+5 : strings.LastIndex(head, `"`)]
	}
	tests := []struct {
		name   string
		change func(*readiness.Sample)
		want   string
	}{
		{"Last audit", func(s *readiness.Sample) { s.Audit.At = now.Add(-25 * time.Hour) }, "good"},
		{"Last audit", func(s *readiness.Sample) { s.Audit.At = now.Add(-25*time.Hour - 1) }, "bad"},
		{"Last audit", func(s *readiness.Sample) { s.Audit.OK = false }, "bad"},
		{"Last audit", func(s *readiness.Sample) { s.Audit = readiness.Event{} }, "bad"},
		{"Last drill", func(s *readiness.Sample) { s.Drill.At = now.Add(-366 * 24 * time.Hour) }, "good"},
		{"Last drill", func(s *readiness.Sample) { s.Drill.At = now.Add(-366*24*time.Hour - 1) }, "bad"},
		{"Newest snapshot", func(s *readiness.Sample) { s.Snapshot.At = now.Add(-25*time.Hour - 1) }, "bad"},
		{"Provable window", func(s *readiness.Sample) { s.Holes = 1 }, "bad"},
		{"Exposure", func(s *readiness.Sample) { s.Degraded = true }, "bad"},
		{"Exposure", func(s *readiness.Sample) { s.Exposed = nil }, "unknown"},
		{"Exposure", func(s *readiness.Sample) { v := 61.0; s.Seconds = &v }, "bad"},
		{"Forecast RTO", func(s *readiness.Sample) { v := 28800.0; s.Forecast = &v }, "good"},
		{"Forecast RTO", func(s *readiness.Sample) { v := 28801.0; s.Forecast = &v }, "bad"},
		{"Mirror lag", func(s *readiness.Sample) { s.Lag = nil }, "unknown"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, card(tt.change, tt.name), tt.name)
	}
}

func TestDamageIsShownOnEveryPage(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.view.Findings = []incident.Finding{{Stream: "committee", N: 2, Problem: incident.Missing}}
	h := newServer(t, s, nil)
	for _, path := range paths() {
		_, body, _ := get(t, h, path)
		require.Contains(t, body, "does not verify", path)
	}
}

func TestNewNeedsASource(t *testing.T) {
	t.Parallel()
	_, err := webui.New(webui.Config{})
	require.Error(t, err)
}
