package notify_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/notify"
)

var update = flag.Bool("update", false, "write the golden files")

var at = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

func notice(ev incident.Event) incident.Notice {
	return incident.Notice{Event: ev, Incident: incident.NewID(2026, 1), Entry: 4, Head: strings.Repeat("0123456789abcdef", 4), At: at,
		Phase: "planned", Outage: true, Breach: incident.BreachUnknown, Used: 40 * time.Minute, Left: 7*time.Hour + 20*time.Minute,
		Year: 2026, Ledger: 40 * time.Minute, YearLeft: 3*time.Hour + 42*time.Minute + 48*time.Second,
		Plan: strings.Repeat("9876543210", 6) + "abcd", Missing: []string{"ceo or deputy", "cto or ld"}}
}

var committee = []incident.Person{{ID: "ada", Email: "ada@example.org"}, {ID: "bob", Email: "bob@example.org"}, {ID: "zoe", Phone: "1"}}

func templates(t testing.TB) *notify.Templates {
	t.Helper()
	tm, err := notify.NewTemplates(notify.TemplateConfig{Company: "CAREFUL", Link: "https://status.example.org/"})
	require.NoError(t, err)
	return tm
}

// mailServer is a real SMTP server with STARTTLS and AUTH PLAIN. It refuses the first
// `fail` messages with a passing error.
type mailServer struct {
	mu       sync.Mutex
	fail     int
	answer   *smtp.SMTPError
	received map[string]string // recipient → last message
	count    int
	addr     *net.TCPAddr
	ca       []byte
}

func newMailServer(t testing.TB, names ...string) *mailServer {
	t.Helper()
	certificate, ca := selfSigned(t, names...)
	m := &mailServer{received: map[string]string{}, ca: ca}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{m: m, conn: c}, nil }))
	s.Domain, s.TLSConfig, s.AllowInsecureAuth = "localhost", &tls.Config{Certificates: []tls.Certificate{certificate}}, false
	s.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m.addr, _ = l.Addr().(*net.TCPAddr)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return m
}

type session struct {
	m    *mailServer
	conn *smtp.Conn
	to   string
	user string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "lifeboat" || password != "hunter2" {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.user == "" {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.count++
	if _, encrypted := s.conn.TLSConnectionState(); !encrypted {
		return errors.New("in the clear")
	}
	if s.m.fail > 0 {
		s.m.fail--
		return s.m.answer
	}
	s.m.received[s.to] = string(body)
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func selfSigned(t testing.TB, names ...string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (m *mailServer) channel(t testing.TB, change func(*notify.SMTPConfig)) *notify.SMTP {
	t.Helper()
	cfg := notify.SMTPConfig{Host: "127.0.0.1", Port: m.addr.Port, Security: notify.StartTLS, User: "lifeboat", Password: "hunter2",
		From: "incidents@example.org", CA: m.ca, Wait: time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	c, err := notify.NewSMTP(cfg)
	require.NoError(t, err)
	return c
}

func TestMailFailsAtFirstAndArrives(t *testing.T) {
	t.Parallel()
	m := newMailServer(t, "127.0.0.1")
	m.fail, m.answer = 3, &smtp.SMTPError{Code: 451, Message: "try later"}
	post := &notify.Post{Committee: []notify.Channel{m.channel(t, nil)}, Templates: templates(t), Clock: func() time.Time { return at }}
	got := post.Notify(t.Context(), notice(incident.EventPlanned), committee)
	require.Len(t, got, 2, "zoe has no address")
	attempts := 0
	for _, d := range got {
		require.True(t, d.OK, d.Error)
		require.Equal(t, "email", d.Channel)
		require.Equal(t, at, d.At)
		attempts += d.Attempts
	}
	require.Equal(t, 5, attempts)
	text := m.received["ada@example.org"]
	require.Contains(t, text, "Subject: [CAREFUL SI-2026-0001] Recovery plan: your approval is needed")
	require.Contains(t, text, "To: <ada@example.org>")
	require.NotContains(t, text, "bob@example.org")
	require.Contains(t, text, "0 h 40 m 00 s of 8 h 00 m 00 s; left: 7 h 20 m 00 s")
	require.Contains(t, text, "4 h 22 m 48 s that 99.95")
}

func TestMailThatCannotBeDelivered(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		names  []string
		server func(*mailServer)
		change func(*notify.SMTPConfig)
		tries  int
		says   string
	}{
		{"the server says no for good", []string{"127.0.0.1"},
			func(m *mailServer) { m.fail, m.answer = 9, &smtp.SMTPError{Code: 554, Message: "no such user"} }, nil, 1, "no such user"},
		{"wrong password", []string{"127.0.0.1"}, nil, func(c *notify.SMTPConfig) { c.Password = "swordfish" }, 1, "mail server 127.0.0.1"},
		{"certificate of somebody else", []string{"mail.evil.example"}, nil, nil, 1, "x509"},
		{"certificate of nobody", []string{"127.0.0.1"}, nil, func(c *notify.SMTPConfig) { c.CA = nil }, 1, "x509"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMailServer(t, tt.names...)
			if tt.server != nil {
				tt.server(m)
			}
			post := &notify.Post{Committee: []notify.Channel{m.channel(t, tt.change)}, Templates: templates(t)}
			got := post.Notify(t.Context(), notice(incident.EventReported), committee[:1])
			require.False(t, got[0].OK)
			require.Equal(t, tt.tries, got[0].Attempts)
			require.Contains(t, got[0].Error, tt.says)
			require.NotContains(t, got[0].Error, "swordfish")
			require.NotContains(t, got[0].Error, "hunter2")
			require.Empty(t, m.received)
		})
	}
}

// TestNoFallbackToClearText: a server (or somebody in between) that offers no STARTTLS gets nothing.
func TestNoFallbackToClearText(t *testing.T) {
	t.Parallel()
	m := &mailServer{received: map[string]string{}}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{m: m, conn: c}, nil }))
	s.AllowInsecureAuth = true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	m.addr, _ = l.Addr().(*net.TCPAddr)
	ctx, cancel := context.WithCancel(t.Context())
	c := m.channel(t, func(c *notify.SMTPConfig) { c.Wait = time.Hour })
	go cancel()
	_, err = c.Send(ctx, committee[0], notify.Text{Subject: "x", Body: "y"})
	require.Error(t, err)
	require.Zero(t, m.count)
}

// receiver is a webhook receiver that answers with the given codes, then 200.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int
	bodies  []string
	headers []http.Header
}

func newReceiver(t testing.TB, answers ...int) *receiver {
	r := &receiver{answers: answers}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.headers = append(r.bodies, string(body)), append(r.headers, req.Header)
		if len(r.answers) > 0 {
			code := r.answers[0]
			r.answers = r.answers[1:]
			if code == 0 { // done, but the answer is lost
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(code)
		}
	}))
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(r.Close)
	return r
}

const token = "T0KEN-in-the-path"

func (r *receiver) channel(t testing.TB, shape notify.Shape) *notify.Webhook {
	t.Helper()
	w, err := notify.NewWebhook(notify.WebhookConfig{Shape: shape, URL: notify.Secret(r.URL + "/" + token), Key: "key",
		Wait: time.Millisecond, Client: r.Client()})
	require.NoError(t, err)
	return w
}

func TestWebhooksFailAtFirstAndArrive(t *testing.T) {
	t.Parallel()
	for _, shape := range []notify.Shape{notify.Teams, notify.Slack, notify.Generic} {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, 503, 429, 0, 500)
			post := &notify.Post{Committee: []notify.Channel{r.channel(t, shape)}, Templates: templates(t)}
			got := post.Notify(t.Context(), notice(incident.EventReported), committee)
			require.Len(t, got, 1, "a webhook gets a message once, not once a person")
			require.True(t, got[0].OK, got[0].Error)
			require.Equal(t, 5, got[0].Attempts)
			require.Empty(t, got[0].To)
			require.Len(t, r.bodies, 5)
			require.Equal(t, r.bodies[0], r.bodies[4])
			golden(t, "testdata/v1/"+string(shape)+".json", r.bodies[4])
			if shape == notify.Generic {
				mac := hmac.New(sha256.New, []byte("key"))
				mac.Write([]byte(r.bodies[4]))
				require.Equal(t, "sha256="+hex.EncodeToString(mac.Sum(nil)), r.headers[4].Get("X-Lifeboat-Signature"))
				require.Equal(t, r.headers[0].Get("X-Lifeboat-Delivery"), r.headers[4].Get("X-Lifeboat-Delivery"))
			}
		})
	}
}

func TestWebhookFailuresTellNoSecret(t *testing.T) {
	t.Parallel()
	always := func(code int) []int { return []int{code, code, code, code, code, code, code, code} }
	tests := []struct {
		name    string
		answers []int
		tries   int
		says    string
	}{
		{"gone", []int{404}, 1, "404"},
		{"moved: not followed", []int{307}, 1, "307"},
		{"broken for good", always(502), 7, "502"},
		{"hangs up for good", always(0), 7, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, tt.answers...)
			post := &notify.Post{Committee: []notify.Channel{r.channel(t, notify.Slack)}, Templates: templates(t)}
			got := post.Notify(t.Context(), notice(incident.EventReported), nil)
			require.False(t, got[0].OK)
			require.Equal(t, tt.tries, got[0].Attempts)
			require.Contains(t, got[0].Error, tt.says)
			require.NotContains(t, got[0].Error, token)
		})
	}
	closed := newReceiver(t)
	c := closed.channel(t, notify.Slack)
	closed.Close()
	_, err := c.Send(t.Context(), incident.Person{}, notify.Text{})
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), token)
}

// stuck is a channel that knows no context.
type stuck struct{ release chan struct{} }

func (stuck) Name() string                 { return "stuck" }
func (stuck) Reaches(incident.Person) bool { return true }
func (s stuck) Send(context.Context, incident.Person, notify.Text) (int, error) {
	<-s.release
	return 1, nil
}

func TestNobodyWaitsLongerThanTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := stuck{release: make(chan struct{})}
		post := &notify.Post{Committee: []notify.Channel{s}, Templates: templates(t)}
		many := make([]incident.Person, 30)
		began := time.Now()
		got := post.Notify(t.Context(), notice(incident.EventReported), many)
		require.Equal(t, 20*time.Second, time.Since(began))
		require.Len(t, got, 30)
		for _, d := range got {
			require.False(t, d.OK)
			require.Contains(t, d.Error, "no answer in time")
		}
		close(s.release)
	})
}

func TestPublish(t *testing.T) {
	t.Parallel()
	post := &notify.Post{Templates: templates(t), Clock: func() time.Time { return at }}
	require.Equal(t, []incident.Delivery{{Channel: "by hand", OK: true, At: at}}, post.Publish(t.Context(), "We are back."))
	m := newMailServer(t, "127.0.0.1")
	list := m.channel(t, func(c *notify.SMTPConfig) { c.Name, c.To = "customers", "customers@example.org" })
	require.False(t, list.Reaches(committee[0]))
	post.Customers = []notify.Channel{list}
	got := post.Publish(t.Context(), "We are back.")
	require.True(t, got[0].OK, got[0].Error)
	require.Contains(t, m.received["customers@example.org"], "We are back.")
	require.Contains(t, m.received["customers@example.org"], "Subject: CAREFUL service message")
}

func TestMessagesOfEveryEvent(t *testing.T) {
	t.Parallel()
	var all bytes.Buffer
	for _, ev := range incident.Events() {
		n := notice(ev)
		n.Damaged = ev == incident.EventStatus
		if ev == incident.EventClosed {
			n.Outage = false
		}
		text, err := templates(t).Compose(n)
		require.NoError(t, err)
		require.NotContains(t, text.Subject, "\n")
		fmt.Fprintf(&all, "Subject: %s\n\n%s\n----\n", text.Subject, text.Body)
	}
	golden(t, "testdata/v1/messages.txt", all.String())
}

func TestCustomTemplates(t *testing.T) {
	t.Parallel()
	tm, err := notify.NewTemplates(notify.TemplateConfig{Custom: `{{define "closed"}}Over: {{.Incident}}
Well done.{{end}}`})
	require.NoError(t, err)
	text, err := tm.Compose(notice(incident.EventClosed))
	require.NoError(t, err)
	require.Equal(t, "Over: SI-2026-0001", text.Subject)
	require.Equal(t, "Well done.\n", text.Body)
	for name, bad := range map[string]string{
		"syntax": "{{define", "unknown field": `{{define "closed"}}{{.Patient}}{{end}}`,
	} {
		_, err := notify.NewTemplates(notify.TemplateConfig{Custom: bad})
		require.Error(t, err, name)
	}
	_, err = notify.NewTemplates(notify.TemplateConfig{Custom: `{{define "closed"}}Call 020 7946 0958{{end}}`})
	require.ErrorIs(t, err, notify.ErrPersonalData)
	_, err = notify.NewTemplates(notify.TemplateConfig{Custom: `{{define "closed"}}Call 020 7946 0958{{end}}`, Contacts: []string{"020 7946 0958"}})
	require.NoError(t, err)
	_, err = tm.Compose(notice("unheard of"))
	require.Error(t, err)
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]notify.SMTPConfig{
		"no host": {From: "a@b", Security: notify.TLS}, "no sender": {Host: "h", Security: notify.TLS},
		"no security": {Host: "h", From: "a@b"}, "clear to elsewhere": {Host: "mail.example.org", From: "a@b", Security: notify.Clear},
		"bad CA": {Host: "h", From: "a@b", Security: notify.TLS, CA: []byte("x")},
	} {
		_, err := notify.NewSMTP(cfg)
		require.Error(t, err, name)
	}
	_, err := notify.NewSMTP(notify.SMTPConfig{Host: "127.0.0.1", From: "a@b", Security: notify.Clear})
	require.NoError(t, err)
	for name, cfg := range map[string]notify.WebhookConfig{
		"no shape": {URL: "https://x/" + token}, "clear text": {Shape: notify.Slack, URL: "http://x.example/" + token},
		"no URL": {Shape: notify.Slack, URL: "://" + token}, "no host": {Shape: notify.Slack, URL: token},
	} {
		_, err := notify.NewWebhook(cfg)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), token)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	cfg := struct {
		S notify.SMTPConfig
		W notify.WebhookConfig
	}{notify.SMTPConfig{Password: token}, notify.WebhookConfig{URL: token, Key: token}}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "cfg", cfg, "secret", notify.Secret(token))
	encoded, err := json.Marshal(struct{ A notify.Secret }{token})
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, notify.Secret(token), notify.Secret(token)), logged.String(), string(encoded)} {
		require.NotContains(t, text, token)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	require.Equal(t, "4 h 22 m 48 s", notify.Clock(15768*time.Second))
	require.Equal(t, "minus 0 h 00 m 01 s", notify.Clock(-time.Second))
	require.Equal(t, "26 h 00 m 00 s", notify.Clock(26*time.Hour))
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll("testdata/v1", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
