package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover"
	"lifeboat/failover/incident/report"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/drill/embedded"
)

// newBridge is a company with a protected hospital whose primary is about to be lost.
func newBridge(t *testing.T) (c *company, args func(verb ...string) []string) {
	t.Helper()
	c, args = newOffice(t)
	db := filepath.Join(c.root, "app.sqlite")
	require.NoError(t, embedded.Hospital(t.Context(), db, 50, 1))
	c.configure("")
	for _, verb := range [][]string{{"capture", "install"}, {"snapshot", "take", "--base"}} {
		got := lifeboat(t, append(verb, "--quiet", "--config", filepath.Join(c.root, "lifeboat.yaml"))...)
		require.Zero(t, got.code, got.errout)
	}
	c.now = time.Now().UTC().Truncate(time.Millisecond)
	return c, args
}

// configure writes lifeboat.yaml, with more at its end.
func (c *company) configure(more string) {
	c.t.Helper()
	at := func(name string) string { return filepath.Join(c.root, name) }
	c.write("lifeboat.yaml", []byte("version: 1\ndatabase: 'sqlite:"+at("app.sqlite")+"'\nprimary: {store: 'dir:"+at("primary")+"'}\nmirror: {store: 'dir:"+at("mirror")+"'}\n"+more))
}

func (c *company) key(who string) string { return filepath.Join(c.root, "keys", who) }

// plans makes a plan and returns it.
func (c *company) plans(args func(...string) []string, flags ...string) planned {
	c.t.Helper()
	got := c.run(args(append([]string{"failover", "plan", "--json"}, flags...)...)...)
	require.Zero(c.t, got.code, got.errout)
	var p planned
	require.NoError(c.t, json.Unmarshal([]byte(got.out), &p))
	return p
}

func (c *company) approves(args func(...string) []string, id string, who ...string) {
	c.t.Helper()
	for _, person := range who {
		got := c.run(args("failover", "approve", id, "--key", c.key(person))...)
		require.Zero(c.t, got.code, got.errout)
	}
}

// TestFailoverIsPlannedAndApproved needs the mirror's store alone: the primary's is gone.
func TestFailoverIsPlannedAndApproved(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	require.NoError(t, os.RemoveAll(filepath.Join(c.root, "primary")))
	c.opened(args)
	p := c.plans(args, "--out", filepath.Join(c.root, "plan.json"), "--runbook", c.root, "--lost-at", c.now.Format(time.RFC3339), "--accept-stale", "a test")
	require.Nil(t, p.Plan.Loss.Transactions, "nobody can know")
	require.InDelta(t, 15768, p.Plan.Forecast.Year.AllowanceSeconds, 0)
	text, err := os.ReadFile(filepath.Join(c.root, "plan.json"))
	require.NoError(t, err)
	require.Equal(t, p.Hash, failover.HashOf(text))
	for _, form := range []string{".md", ".html"} {
		page, err := os.ReadFile(filepath.Join(c.root, "runbook-"+p.Plan.ID+form))
		require.NoError(t, err)
		require.Contains(t, string(page), p.Hash)
		require.Contains(t, string(page), "+44 20 7946 0001")
		require.Contains(t, string(page), "lifeboat failover run "+p.Plan.ID)
		src, _, err := report.Verify(page)
		require.NoError(t, err)
		require.IsType(t, report.Runbook{}, src.Data)
	}
	got := c.run(args("failover", "show", p.Plan.ID, "--check")...)
	require.Equal(t, 20, got.code, got.errout)
	c.approves(args, p.Plan.ID, "ada")
	got = c.run(args("failover", "approve", filepath.Join(c.root, "plan.json"), "--key", c.key("bob"))...)
	require.Zero(t, got.code, got.errout)
	require.Contains(t, got.out, "approved")
	got = c.run(args("failover", "show", p.Plan.ID, "--check")...)
	require.Zero(t, got.code, got.errout)
	require.Contains(t, got.out, "lifeboat failover run "+p.Plan.ID)
	again := c.plans(args, "--accept-stale", "a test")
	require.NotEqual(t, p.Plan.ID, again.Plan.ID, "two plans in one minute have two ids")
	got = c.run(args("failover", "show")...)
	require.Contains(t, got.out, again.Plan.ID)
}

// TestARefusedPlanSaysWhy has a row for every way to refuse a plan, by what an operator sees.
func TestARefusedPlanSaysWhy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		flags []string
		do    func(c *company, args func(...string) []string, p planned)
		code  int
		says  string
	}{
		{"unsigned", nil, func(*company, func(...string) []string, planned) {}, 20, "not signed by anybody"},
		{"too few", nil, func(c *company, args func(...string) []string, p planned) { c.approves(args, p.Plan.ID, "ada") }, 21, "still needed: cto or ld"},
		{"wrong people", nil, func(c *company, args func(...string) []string, p planned) { c.approves(args, p.Plan.ID, "sam", "pam") }, 21, "ceo or deputy, and cto or ld"},
		{"a signer struck off", nil, func(c *company, args func(...string) []string, p planned) {
			c.approves(args, p.Plan.ID, "ada", "bob")
			file, err := os.ReadFile(filepath.Join(c.root, "allowed_signers"))
			require.NoError(c.t, err)
			var rest []string
			for line := range strings.Lines(string(file)) {
				if !strings.HasPrefix(line, "bob@") {
					rest = append(rest, line)
				}
			}
			c.write("allowed_signers", []byte(strings.Join(rest, "")))
		}, 22, "not in allowed_signers"},
		{"plan expired", nil, func(c *company, args func(...string) []string, p planned) {
			c.approves(args, p.Plan.ID, "ada", "bob")
			c.now = p.Plan.Expires
		}, 24, "plan again"},
		{"mirror stale", []string{"--lost-at", "2000-01-01T00:00:00Z"}, func(c *company, args func(...string) []string, p planned) {
			c.approves(args, p.Plan.ID, "ada", "bob")
		}, 0, ""},
		{"other config", nil, func(c *company, args func(...string) []string, p planned) {
			c.approves(args, p.Plan.ID, "ada", "bob")
			c.configure("failover: {rto: 3h}\n")
		}, 29, "limits.rto_seconds was 14400, is 10800"},
		{"other quorum", nil, func(c *company, args func(...string) []string, p planned) {
			c.approves(args, p.Plan.ID, "ada", "bob")
			file, err := os.ReadFile(filepath.Join(c.root, "allowed_signers"))
			require.NoError(c.t, err)
			c.write("allowed_signers", append(file, "# nothing\n"...))
		}, 31, "allowed_signers_sha256"},
		{"other code", nil, func(c *company, args func(...string) []string, p planned) {
			c.approves(args, p.Plan.ID, "ada", "bob")
			repository := c.repository()
			got := c.run("code", "backup", "--repository", repository, "--quiet", "--config", filepath.Join(c.root, "lifeboat.yaml"))
			require.Zero(c.t, got.code, got.errout)
		}, 28, "code.commit was"},
		{"mirror moved", nil, func(c *company, args func(...string) []string, p planned) {
			c.approves(args, p.Plan.ID, "ada", "bob")
			got := c.run("takeover", "--reason", "test", "--quiet", "--config", filepath.Join(c.root, "lifeboat.yaml"))
			require.Zero(c.t, got.code, got.errout)
		}, 27, "mirror.epoch was"},
		{"glass broken by two", nil, func(c *company, args func(...string) []string, p planned) {
			for _, who := range []string{"lin", "pam"} {
				got := c.run(args("failover", "approve", p.Plan.ID, "--key", c.key(who), "--break-glass", "nobody answers")...)
				require.Zero(c.t, got.code, got.errout)
			}
		}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, args := newBridge(t)
			p := c.plans(args, tt.flags...)
			tt.do(c, args, p)
			got := c.run(args("failover", "show", p.Plan.ID, "--check")...)
			require.Equal(t, tt.code, got.code, got.errout)
			require.Contains(t, got.errout, tt.says)
		})
	}
}

func TestATamperedPlanIsRefused(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	p := c.plans(args)
	c.approves(args, p.Plan.ID, "ada", "bob")
	changed := *p.Plan
	changed.Database.Kind = "sqlserver"
	text, err := changed.Encode()
	require.NoError(t, err)
	c.write("plan.json", text)
	got := c.run(args("failover", "show", filepath.Join(c.root, "plan.json"), "--check")...)
	require.Equal(t, 23, got.code, got.errout)
	require.Contains(t, got.errout, "database.kind was sqlite, is sqlserver")
	got = c.run(args("failover", "approve", filepath.Join(c.root, "plan.json"), "--key", c.key("ada"))...)
	require.Equal(t, 23, got.code, got.errout)
	c.write("plan.json", bytes.Replace(text, []byte(`"format": 1`), []byte(`"format": 2`), 1))
	got = c.run(args("failover", "show", filepath.Join(c.root, "plan.json"))...)
	require.Equal(t, 9, got.code, got.errout)
	c.write("plan.json", text[:len(text)/2])
	got = c.run(args("failover", "show", filepath.Join(c.root, "plan.json"))...)
	require.Equal(t, 7, got.code, got.errout)
}

// TestBrokenGlassOpensACase and never waits for it.
func TestBrokenGlassOpensACase(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	p := c.plans(args)
	got := c.run(args("failover", "approve", p.Plan.ID, "--key", c.key("lin"), "--break-glass", "nobody answers", "--quiet=false")...)
	require.Zero(t, got.code, "there is no incident to enter it in: %s", got.errout)
	require.Contains(t, got.errout, "tell the DPO")
	c.opened(args)
	got = c.run(args("failover", "approve", p.Plan.ID, "--key", c.key("pam"), "--break-glass", "nobody answers")...)
	require.Zero(t, got.code, got.errout)
	require.Contains(t, got.out, "glass broken")
	got = c.run(args("incident", "timeline", "SI-"+c.now.Format("2006")+"-0001")...)
	require.Contains(t, got.out, "nobody answers")
}

func TestApprovedByHandWithOpenSSH(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("needs ssh-keygen (package openssh-client)")
	}
	c, args := newBridge(t)
	p := c.plans(args)
	got := c.run(args("failover", "approve", p.Plan.ID, "--print", "--by", "ada@careful.example")...)
	require.Zero(t, got.code, got.errout)
	c.write("statement", []byte(got.out))
	file := filepath.Join(c.root, "statement")
	out, err := exec.Command("ssh-keygen", "-Y", "sign", "-n", "lifeboat-approval", "-f", c.key("ada"), file).CombinedOutput()
	require.NoError(t, err, string(out))
	got = c.run(args("failover", "approve", p.Plan.ID, "--statement", file, "--import", file+".sig")...)
	require.Zero(t, got.code, got.errout)
	require.Contains(t, got.out, "ada@careful.example")
	got = c.run(args("failover", "approve", p.Plan.ID, "--statement", file, "--import", file)...)
	require.NotZero(t, got.code)
}

// repository is a small git repository.
func (c *company) repository() string {
	c.t.Helper()
	folder := filepath.Join(c.root, "repository")
	require.NoError(c.t, os.MkdirAll(folder, 0o700))
	require.NoError(c.t, os.WriteFile(filepath.Join(folder, "main.go"), []byte("package main\n"), 0o600))
	for _, git := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"}} {
		out, err := exec.Command("git", append([]string{"-C", folder}, git...)...).CombinedOutput()
		require.NoError(c.t, err, string(out))
	}
	return folder
}

func TestPlanMistakes(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"failover", "plan", "--kind", "failsafe"}, 2},
		{[]string{"failover", "plan", "--lost-at", "noon"}, 2},
		{[]string{"failover", "plan", "--seq", "99999"}, 6},
		{[]string{"failover", "show", "f26"}, 3},
		{[]string{"failover", "show", "/nowhere/plan.json"}, 2},
		{[]string{"failover", "approve", "f26", "--key", "x"}, 3},
		{[]string{"failover", "approve"}, 2},
	} {
		got := c.run(args(tt.args...)...)
		require.Equal(t, tt.code, got.code, "%v: %s", tt.args, got.errout)
	}
	store, err := dir.Open(filepath.Join(c.root, "mirror"))
	require.NoError(t, err)
	list, err := failover.List(t.Context(), store)
	require.NoError(t, err)
	require.Empty(t, list, "what was refused left no plan")
}
