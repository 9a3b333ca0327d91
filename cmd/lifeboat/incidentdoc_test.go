package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"lifeboat/failover/approval"
	"lifeboat/failover/incident/report"
	"lifeboat/failover/preflight"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/repotest"
	"lifeboat/internal/signers"
	"lifeboat/stacks/settings"
)

// company is what the script of docs/incident.md runs in: keys, stores, a mail server and a
// webhook receiver that both fail at first, and a clock that the script sets.
type company struct {
	t        *testing.T
	root     string
	now      time.Time
	vars     map[string]string
	mu       sync.Mutex
	mailFail int
	hookFail int
	mails    map[string][]string // recipient → messages
	hooks    []string
	free     map[string]int64 // quotas of every region; nil: nobody can be asked
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{t: t, root: t.TempDir(), vars: map[string]string{"SMTP_HOST": "127.0.0.1", "SMTP_PASSWORD": "hunter2"},
		mailFail: 2, hookFail: 2, mails: map[string][]string{}}
	certificate, ca := serverCertificate(t)
	c.write("ca.pem", ca)
	c.serveMail(certificate)
	hooks := httptest.NewUnstartedServer(http.HandlerFunc(c.hook))
	hooks.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	hooks.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	hooks.StartTLS()
	t.Cleanup(hooks.Close)
	c.vars["TEAMS_URL"] = hooks.URL + "/T0KEN"
	require.NoError(t, os.Mkdir(filepath.Join(c.root, "keys"), 0o700))
	var allowed bytes.Buffer
	for who, role := range map[string]string{"ada": "ceo", "pam": "dpo", "bob": "cto", "lin": "ld", "sam": "staff"} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		block, err := ssh.MarshalPrivateKey(private, who)
		require.NoError(t, err)
		c.write("keys/"+who, pem.EncodeToMemory(block))
		public, err := ssh.NewPublicKey(private.Public())
		require.NoError(t, err)
		fmt.Fprintf(&allowed, "%s@careful.example,role:%s %s", who, role, ssh.MarshalAuthorizedKey(public))
	}
	c.write("allowed_signers", allowed.Bytes())
	for _, store := range []string{"primary", "mirror"} {
		_, err := dir.Init(filepath.Join(c.root, store))
		require.NoError(t, err)
	}
	c.write("lifeboat.yaml", []byte("version: 1\nprimary: {store: \"dir:primary\"}\nmirror: {store: \"dir:mirror\"}\n"))
	return c
}

func (c *company) write(name string, body []byte) {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(filepath.Join(c.root, name), body, 0o600))
}

func serverCertificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (c *company) hook(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hookFail > 0 {
		c.hookFail--
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	c.hooks = append(c.hooks, string(body))
}

func (c *company) serveMail(certificate tls.Certificate) {
	s := smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) { return &mailSession{company: c}, nil }))
	s.Domain, s.TLSConfig = "localhost", &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(c.t, err)
	go func() { _ = s.Serve(l) }()
	c.t.Cleanup(func() { _ = s.Close() })
	_, c.vars["SMTP_PORT"], err = net.SplitHostPort(l.Addr().String())
	require.NoError(c.t, err)
}

type mailSession struct {
	company *company
	to      string
	known   bool
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if s.known = user == "lifeboat" && password == "hunter2"; !s.known {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

func (s *mailSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c := s.company
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mailFail > 0 {
		c.mailFail--
		return &smtp.SMTPError{Code: 451, Message: "try again later"}
	}
	c.mails[s.to] = append(c.mails[s.to], string(body))
	return nil
}

func (*mailSession) Reset()        {}
func (*mailSession) Logout() error { return nil }

// run is lifeboat at the company's time, with its environment.
func (c *company) run(args ...string) outcome {
	var out, errout bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errout, clock: func() time.Time { return c.now },
		lookup: c.lookup, azure: c.cloud}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errout)
	code := a.end(root.ExecuteContext(c.t.Context()))
	return outcome{code, out.String(), errout.String()}
}

func (c *company) lookup(name string) (string, bool) { v, ok := c.vars[name]; return v, ok }

// cloud is asked for quotas instead of Azure.
func (c *company) cloud(*settings.Settings) (preflight.Cloud, preflight.Registry) {
	if c.free == nil {
		return nil, nil
	}
	return c, nil
}

// Free implements preflight.Cloud.
func (c *company) Free(context.Context, string) (map[string]int64, error) { return c.free, nil }

// Sizes implements preflight.Cloud.
func (c *company) Sizes(context.Context, string) ([]string, error) { return nil, nil }

// Identity implements preflight.Cloud.
func (c *company) Identity(context.Context, string, string) (principal, client string, err error) {
	return "", "", nil
}

// words splits a line as a shell does, for the quoting that the document uses.
func words(line string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		list = append(list, m[1]+m[2])
	}
	return list
}

// script runs every block of the document that is marked as script, and returns what each
// lifeboat command printed.
func (c *company) script(document string) map[string]outcome {
	c.t.Helper()
	said := map[string]outcome{}
	want := 0
	for _, block := range regexp.MustCompile("(?s)```sh script\n(.*?)```").FindAllStringSubmatch(document, -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "# at "):
				at, err := time.Parse(time.RFC3339, strings.TrimPrefix(line, "# at "))
				require.NoError(c.t, err)
				c.now = at
			case strings.HasPrefix(line, "# exit "):
				_, err := fmt.Sscanf(line, "# exit %d", &want)
				require.NoError(c.t, err)
			case strings.HasPrefix(line, "lifeboat "):
				got := c.run(words(line)[1:]...)
				require.Equal(c.t, want, got.code, "%s\n%s%s", line, got.out, got.errout)
				said[line] = got
				c.now = c.now.Add(time.Minute)
			case line != "":
				out, err := exec.Command("sh", "-c", line).CombinedOutput()
				require.NoError(c.t, err, "%s: %s", line, out)
			}
		}
		want = 0
	}
	return said
}

// TestTheDocumentedIncident runs docs/incident.md from open to close: a fake clock, real
// signatures, a real mail server and webhook receiver that fail at first. It is not
// parallel, because the script works in its own folder.
func TestTheDocumentedIncident(t *testing.T) {
	document, err := os.ReadFile(filepath.Join(repotest.Root(t), "docs", "incident.md"))
	require.NoError(t, err)
	c := newCompany(t)
	t.Chdir(c.root)
	yaml := regexp.MustCompile("(?s)```yaml committee.yaml\n(.*?)```").FindSubmatch(document)
	require.NotNil(t, yaml)
	c.write("committee.yaml", yaml[1])
	c.write("drill.json", drillReport(t))
	said := c.script(string(document))
	require.Greater(t, len(said), 30)

	t.Run("everybody heard of it", func(t *testing.T) {
		require.Zero(t, c.mailFail+c.hookFail, "both failed at first")
		require.NotEmpty(t, c.hooks)
		for _, who := range []string{"ada", "pam", "bob"} {
			text := strings.Join(c.mails[who+"@careful.example"], "\n")
			for _, subject := range []string{"Significant incident reported", "Recovery plan: your approval is needed", "Change of plan", "Recovery plan approved",
				"Recovery started", "A message to customers needs approval", "Customers were informed", "The service is back", "Investigated", "Closed", "The glass was broken"} {
				require.Contains(t, text, subject, who)
			}
			require.NotContains(t, text, "Sam called", "typed text stays in the record")
		}
		require.Empty(t, c.mails["lin@careful.example"])
		require.Len(t, c.mails["customers@careful.example"], 1)
		unfolded := strings.ReplaceAll(c.mails["customers@careful.example"][0], "=\r\n", "")
		require.Contains(t, unfolded, "We expect to be back by noon")
	})
	t.Run("both figures are always shown", func(t *testing.T) {
		for line, got := range said {
			if got.code == 0 && (strings.Contains(line, "incident show") || strings.Contains(line, "recover") || strings.HasPrefix(line, "lifeboat due")) {
				require.Contains(t, got.out, "8 h 00 m 00 s", line)
				require.Contains(t, got.out, "4 h 22 m 48 s", line)
			}
		}
		show := said["lifeboat incident show SI-2026-0001"].out
		require.Contains(t, show, "used 2 h 30 m 00 s of 8 h 00 m 00 s")
		require.Contains(t, show, "left 1 h 52 m 48 s")
	})
	t.Run("refusals say what comes first", func(t *testing.T) {
		require.Contains(t, said["lifeboat incident announce SI-2026-0001 --key keys/pam --file bad.txt"].errout, "personal data: NHS number")
		require.Contains(t, said["lifeboat incident close SI-2026-0001 --key keys/ada"].errout+said["lifeboat due"].out, "A1")
	})
	t.Run("approvals are where failover looks", func(t *testing.T) {
		plan, err := os.ReadFile("plan2.txt")
		require.NoError(t, err)
		store, err := dir.Open("mirror")
		require.NoError(t, err)
		allowed, err := os.ReadFile("allowed_signers")
		require.NoError(t, err)
		ring, err := signers.ParseRing(allowed)
		require.NoError(t, err)
		subject := digestOf(plan)
		docs, err := approval.Kept(t.Context(), store, subject)
		require.NoError(t, err)
		at := time.Date(2026, 3, 2, 10, 30, 0, 0, time.UTC)
		v := approval.Judge(ring, approval.DefaultPolicy(), approval.Question{Kind: "failover-plan", Subject: subject, At: at}, docs)
		require.NoError(t, v.Err())
		require.ErrorIs(t, approval.Judge(ring, approval.DefaultPolicy(), approval.Question{Kind: "failover-plan", Subject: subject, At: at.AddDate(0, 0, 1)}, docs).Err(), approval.ErrExpired)
	})
	t.Run("tampering is found", func(t *testing.T) { c.tamper(t) })
	t.Run("the export is checked by OpenSSH", func(t *testing.T) { c.checkExport(t, string(document)) })
	t.Run("the mirror's store alone", func(t *testing.T) {
		require.NoError(t, os.Rename("primary", "lost"))
		got := c.run("incident", "note", "SI-2026-0002", "--key", "keys/sam", "--text", "written with the primary gone")
		require.Zero(t, got.code, got.errout)
		require.NoError(t, os.Rename("lost", "primary"))
		require.NotZero(t, strings.Count(c.run("incident", "verify").out, "behind"))
		require.Zero(t, c.run("incident", "sync").code)
		require.Contains(t, c.run("incident", "verify").out, "every entry verifies in both stores")
	})
}

// tamper changes a report, then an entry, and puts each back.
func (c *company) tamper(t *testing.T) {
	page, err := os.ReadFile("reports/SI-2026-0001.html")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("altered.html", bytes.Replace(page, []byte("2 h 30 m 00 s"), []byte("0 h 30 m 00 s"), 1), 0o600))
	got := c.run("report", "verify", "altered.html")
	require.Equal(t, 7, got.code)
	require.Contains(t, got.errout, "is not what its evidence")

	var last string
	for n := 1; ; n++ {
		name := fmt.Sprintf("export/%06d", n)
		if _, err := os.Stat(name); err != nil {
			break
		}
		last = filepath.Base(name)
	}
	for _, store := range []string{"mirror", "primary"} {
		require.NoError(t, os.Rename(objectFile(t, store, "incidents/SI-2026-0001/"+last), store+"-entry"))
	}
	got = c.run("incident", "verify")
	require.Equal(t, 7, got.code, "the next incident quotes it")
	require.Contains(t, got.out, "incidents/SI-2026-0001/"+last)
	for _, store := range []string{"mirror", "primary"} {
		require.NoError(t, os.Rename(store+"-entry", filepath.Join(store, "incidents/SI-2026-0001", last)))
	}
	require.Zero(t, c.run("incident", "verify").code)
}

func objectFile(t *testing.T, store, name string) string {
	t.Helper()
	path := filepath.Join(store, name)
	_, err := os.Stat(path)
	require.NoError(t, err)
	return path
}

// checkExport runs the document's own commands on the exported first entry.
func (c *company) checkExport(t *testing.T, document string) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("needs ssh-keygen (package openssh-client)")
	}
	block := regexp.MustCompile("(?s)```sh\n(sed .*?)```").FindStringSubmatch(document)
	require.NotNil(t, block)
	out, err := exec.Command("sh", "-ec", block[1]).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "Good")
}

// drillReport is the report of a drill that passed.
func drillReport(t *testing.T) []byte {
	t.Helper()
	began := time.Date(2026, 2, 9, 10, 0, 0, 0, time.UTC)
	src, err := report.NewSource(began.Add(2*time.Hour), report.Exercise{Company: "CAREFUL", What: "drill", ID: "drill-2026", Plan: digestOf([]byte("plan")),
		Began: began, Ended: began.Add(time.Hour), Succeeded: true, RTO: time.Hour, Tables: []report.TableProof{{Name: "dbo.Patient", Rows: 3, Expected: "3:aa", Actual: "3:aa"}}})
	require.NoError(t, err)
	body, err := src.Render(report.JSON)
	require.NoError(t, err)
	return body
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
