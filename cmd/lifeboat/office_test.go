package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/report"
	"lifeboat/internal/repotest"
	"lifeboat/policies"
)

// newOffice is a company in its own folder, with files named by absolute paths, so that
// tests can run side by side. args are what every verb then needs.
func newOffice(t *testing.T) (c *company, args func(verb ...string) []string) {
	t.Helper()
	document, err := os.ReadFile(filepath.Join(repotest.Root(t), "docs", "incident.md"))
	require.NoError(t, err)
	c = newCompany(t)
	c.mailFail, c.hookFail = 0, 0
	c.now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	c.write("committee.yaml", regexp.MustCompile("(?s)```yaml committee.yaml\n(.*?)```").FindSubmatch(document)[1])
	at := func(name string) string { return filepath.Join(c.root, name) }
	return c, func(verb ...string) []string {
		return append(verb, "--config", at("lifeboat.yaml"), "--mirror", "dir:"+at("mirror"), "--primary", "dir:"+at("primary"), "--committee", at("committee.yaml"))
	}
}

func (c *company) opened(args func(...string) []string) {
	c.t.Helper()
	got := c.run(args("incident", "open", "--key", filepath.Join(c.root, "keys/bob"), "--title", "database unreachable", "--from", "sam", "--outage-began", "2026-03-02T08:50:00Z")...)
	require.Zero(c.t, got.code, got.errout)
}

func TestServe(t *testing.T) {
	t.Parallel()
	c, args := newOffice(t)
	c.opened(args)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	said, hears := io.Pipe()
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: hears, clock: func() time.Time { return c.now }, lookup: func(name string) (string, bool) { v, ok := c.vars[name]; return v, ok }}
	root := a.root()
	root.SetArgs(args("serve", "--listen", "127.0.0.1:0", "--quiet=false"))
	code := make(chan int, 1)
	go func() { code <- a.end(root.ExecuteContext(ctx)); _ = hears.Close() }()
	var first bytes.Buffer
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)
	for part := make([]byte, 256); !url.Match(first.Bytes()); {
		n, err := said.Read(part)
		require.NoError(t, err, first.String())
		first.Write(part[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	for path, want := range map[string]string{"": "database unreachable", "incidents/SI-2026-0001": "reported", "due": "committee informed", "history": "Nothing was measured yet"} {
		resp, err := http.Get(url.FindString(first.String()) + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.Contains(t, string(body), want, path)
	}
	stop()
	require.Zero(t, <-code, "being told to stop is no failure")
}

func TestReadinessIsMeasuredKeptAndReported(t *testing.T) {
	t.Parallel()
	c, args := newOffice(t)
	for _, verb := range [][]string{{"readiness", "mark", "proof", "--detail", "12 tables"}, {"readiness", "mark", "rto", "--took", "95m"}, {"readiness", "--keep"}} {
		got := c.run(args(verb...)...)
		require.Zero(t, got.code, got.errout)
		c.now = c.now.Add(time.Minute)
	}
	got := c.run(args("report", "committee", "--month", "2026-03", "--json")...)
	require.Zero(t, got.code, got.errout)
	src, form, err := report.Verify([]byte(got.out))
	require.NoError(t, err)
	require.Equal(t, report.JSON, form)
	pack, ok := src.Data.(report.Pack)
	require.True(t, ok)
	require.Len(t, pack.History, 1)
	require.True(t, pack.Now.Proof.OK)
	require.Equal(t, "12 tables", pack.Now.Proof.Detail)
	require.InDelta(t, 5700, *pack.Now.Forecast, 0)
	require.True(t, pack.Now.Drill.At.IsZero())
}

// TestFactsAreTheRecords: what the rules about people judge is what the record says.
func TestFactsAreTheRecords(t *testing.T) {
	t.Parallel()
	c, args := newOffice(t)
	key := func(name string) string { return filepath.Join(c.root, "keys", name) }
	c.opened(args)
	file := filepath.Join(c.root, "facts.json")
	for _, verb := range [][]string{
		{"committee", "meeting", "--key", key("ada"), "--present", "ada@careful.example"},
		{"incident", "investigate", "SI-2026-0001", "--key", key("pam"), "--cause", "power", "--breach", "no"},
		{"incident", "action", "add", "SI-2026-0001", "--key", key("pam"), "--what", "ask", "--owner", "cto", "--due", "2026-03-05"},
		{"committee", "action", "add", "--key", key("ada"), "--what", "ask", "--owner", "cto", "--due", "2026-04-30"},
		{"policy", "facts", "--out", file},
	} {
		got := c.run(args(verb...)...)
		require.Zero(t, got.code, "%v: %s", verb, got.errout)
	}
	read := func(body []byte) *policies.Facts {
		facts, err := policies.ReadFacts(body)
		require.NoError(t, err, "the rules read what the verb writes")
		return facts
	}
	body, err := os.ReadFile(file)
	require.NoError(t, err)
	facts := read(body)
	require.Equal(t, c.now, facts.LastMeeting)
	require.True(t, facts.LastDrill.IsZero())
	require.Empty(t, facts.OverdueActions)
	require.Equal(t, policies.Person{Name: "ada@careful.example", Roles: []string{"CEO"}}, facts.People[0])
	require.Equal(t, []policies.Need{{AnyOf: []string{"CEO", "deputy"}}, {AnyOf: []string{"CTO", "LD"}}}, facts.Quorum)
	require.NotContains(t, string(body), "7946", "no phone, no address leaves the company's file")

	c.now = c.now.AddDate(0, 0, 10)
	c.write("quota.json", []byte(`{"region":"ukwest","sql_vcores":8}`))
	got := c.run(args("policy", "facts", "--quota", filepath.Join(c.root, "quota.json"))...)
	require.Zero(t, got.code, got.errout)
	facts = read([]byte(got.out))
	require.Equal(t, []string{"SI-2026-0001 action A1"}, facts.OverdueActions)
	require.Equal(t, 8, facts.Quota.SQLVCores)

	entry := filepath.Join(c.root, "mirror", "committee", "000001")
	body, err = os.ReadFile(entry)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(entry, 0o600))
	require.NoError(t, os.WriteFile(entry, bytes.Replace(body, []byte("ada@"), []byte("bob@"), 1), 0o600))
	require.NotZero(t, c.run(args("policy", "facts", "--primary-lost")...).code, "a record that does not verify gives no facts")
}

func TestContactsAndDueAsJSON(t *testing.T) {
	t.Parallel()
	c, args := newOffice(t)
	c.opened(args)
	got := c.run(args("report", "contacts")...)
	require.Zero(t, got.code, got.errout)
	require.Contains(t, got.out, "+44 20 7946 0001")
	require.Contains(t, got.out, "(ceo or deputy) + (cto or ld)")
	got = c.run(args("due", "--json")...)
	require.Equal(t, 1, got.code, "no drill is on record")
	var due dueResult
	require.NoError(t, json.Unmarshal([]byte(got.out), &due))
	require.Equal(t, 1, due.Version)
	require.Equal(t, 15768*time.Second, due.Ledger.Allowance)
	var what []string
	for _, clock := range due.Due {
		what = append(what, clock.What)
	}
	require.Contains(t, what, "outage")
	require.Contains(t, what, "yearly drill")
}

func TestProofsAreDueEveryNight(t *testing.T) {
	t.Parallel()
	c, args := newOffice(t)
	began := c.now
	status := func(at time.Time) map[string]incident.Status {
		c.now = at
		got := c.run(args("due", "--json")...)
		var due dueResult
		require.NoError(t, json.Unmarshal([]byte(got.out), &due), got.errout)
		all := map[string]incident.Status{}
		for _, clock := range due.Due {
			if clock.Of == "mirror" {
				all[strings.Fields(clock.What)[0]] = clock.Status
			}
		}
		return all
	}
	require.Empty(t, status(began), "what nobody promised is not due")
	for at, mark := range map[time.Time][]string{began: {"audit"}, began.Add(time.Hour): {"proof", "--failed"}} {
		c.now = at
		got := c.run(args(append([]string{"readiness", "mark"}, mark...)...)...)
		require.Zero(t, got.code, got.errout)
	}
	require.Equal(t, map[string]incident.Status{"audit": incident.Running, "restore": incident.Overdue}, status(began.Add(25*time.Hour)))
	require.Equal(t, map[string]incident.Status{"audit": incident.Overdue, "restore": incident.Overdue}, status(began.Add(25*time.Hour+time.Second)))
}

func TestWhoMayNot(t *testing.T) {
	t.Parallel()
	c, args := newOffice(t)
	key := func(who string) string { return filepath.Join(c.root, "keys", who) }
	open := []string{"incident", "open", "--title", "x", "--from", "sam"}
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no key", append(open, "--no-outage"), 3, "ssh-agent"},
		{"key that is not there", append(open, "--no-outage", "--key", key("eve")), 3, "no key to sign with"},
		{"neither outage nor none", append(open, "--key", key("bob")), 2, "--outage-began or --no-outage"},
		{"both", append(open, "--key", key("bob"), "--no-outage", "--outage-began", "2026-03-02T08:50:00Z"), 2, "--outage-began or --no-outage"},
		{"bad time", append(open, "--key", key("bob"), "--outage-began", "ten to nine"), 2, "2026-03-02T09:30:00Z"},
		{"patient in the title", []string{"incident", "open", "--title", "943 476 5919", "--from", "sam", "--no-outage", "--key", key("bob")}, 3, "personal data"},
		{"no such incident", []string{"incident", "note", "SI-2026-0099", "--text", "x", "--key", key("sam")}, 3, "no such incident"},
		{"a role of others", []string{"incident", "open", "--title", "x", "--from", "sam", "--no-outage", "--key", key("sam"), "--role", "ceo"}, 3, "does not hold the role ceo"},
	}
	for _, tt := range tests {
		got := c.run(args(tt.args...)...)
		require.Equal(t, tt.code, got.code, "%s: %s", tt.name, got.errout)
		require.Contains(t, got.errout, tt.says, tt.name)
	}
	require.Empty(t, c.mails)
	c.write("committee.yaml", []byte("version: 1\n"))
	got := c.run(args("due")...)
	require.Equal(t, 2, got.code)
	require.Contains(t, got.errout, "company")
}

// TestARecordedDrillIsReportedAndFiled goes from what drill --json printed to the register.
func TestARecordedDrillIsReportedAndFiled(t *testing.T) {
	t.Parallel()
	c, args := newOffice(t)
	figures, err := os.ReadFile("testdata/drill-summary.json")
	require.NoError(t, err)
	c.write("drill.json", figures)
	at := func(name string) string { return filepath.Join(c.root, name) }
	got := c.run(args("report", "drill", "--summary", at("drill.json"), "--id", "drill-2026", "--held", "2026-03-01T10:00:00Z",
		"--present", "ada@careful.example", "--deviation", "none of note", "--forecast", "2s", "--out", c.root)...)
	require.Zero(t, got.code, got.errout)
	page, err := os.ReadFile(at("drill-2026.md"))
	require.NoError(t, err)
	golden(t, "drill-2026.md", string(page))
	for _, form := range report.Forms() {
		require.Zero(t, c.run("report", "verify", at("drill-2026."+string(form))).code)
	}
	got = c.run(args("committee", "drill", "--key", at("keys/bob"), "--report", at("drill-2026.json"))...)
	require.Zero(t, got.code, got.errout)
	got = c.run(args("committee", "show", "--json")...)
	var shown registerResult
	require.NoError(t, json.Unmarshal([]byte(got.out), &shown))
	require.True(t, shown.Register.Drills[0].Passed)
	got = c.run(args("committee", "drill", "--key", at("keys/bob"), "--report", at("drill.json"))...)
	require.Equal(t, 7, got.code, "figures are no report: %s", got.errout)
}
