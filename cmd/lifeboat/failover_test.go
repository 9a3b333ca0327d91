package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"lifeboat/failover"
	"lifeboat/failover/incident/report"
	"lifeboat/failover/preflight"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/config"
	"lifeboat/internal/drill/embedded"
	"lifeboat/internal/repotest"
)

// newBridge is a company with a protected hospital whose primary is about to be lost.
func newBridge(t *testing.T) (c *company, args func(verb ...string) []string) {
	t.Helper()
	c, args = newOffice(t)
	c.protects("")
	return c, args
}

// protects makes the hospital and protects it, with more at the configuration's end.
func (c *company) protects(more string) {
	c.t.Helper()
	require.NoError(c.t, embedded.Hospital(c.t.Context(), filepath.Join(c.root, "app.sqlite"), 50, 1))
	c.configure(more)
	for _, verb := range [][]string{{"capture", "install"}, {"snapshot", "take", "--base"}} {
		got := lifeboat(c.t, append(verb, "--quiet", "--config", filepath.Join(c.root, "lifeboat.yaml"))...)
		require.Zero(c.t, got.code, got.errout)
	}
	c.now = time.Now().UTC().Truncate(time.Millisecond)
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

// TestARefusedPlanSaysWhy has a row for every way to refuse a plan, by what an operator
// sees: its own message and its own exit code, from the check and from the run, which does
// nothing then.
func TestARefusedPlanSaysWhy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before func(c *company) // so that the plan is made of it
		flags  []string         // of the plan; LATER is in a year
		do     func(c *company, args func(...string) []string, p planned)
		code   int
		says   string
	}{
		{"signed and true", nil, nil, signed, 0, ""},
		{"unsigned", nil, nil, func(*company, func(...string) []string, planned) {}, 20, "not signed by anybody"},
		{"too few", nil, nil, func(c *company, args func(...string) []string, p planned) { c.approves(args, p.Plan.ID, "ada") }, 21, "still needed: cto or ld"},
		{"wrong people", nil, nil, func(c *company, args func(...string) []string, p planned) { c.approves(args, p.Plan.ID, "sam", "pam") }, 21, "ceo or deputy, and cto or ld"},
		{"a signer struck off", nil, nil, struckOff, 22, "not in allowed_signers"},
		{"a signature changed", nil, nil, forged, 23, "does not verify"},
		{"a plan changed", nil, nil, changed, 23, "database.kind was sqlite, is sqlserver"},
		{"plan expired", nil, nil, func(c *company, args func(...string) []string, p planned) {
			signed(c, args, p)
			c.now = p.Plan.Expires
		}, 24, "plan again"},
		{"approval expired", func(c *company) { c.configure("failover: {plan_validity: 48h}\n") }, nil, func(c *company, args func(...string) []string, p planned) {
			c.approves(args, p.Plan.ID, "ada")
			c.now = c.now.Add(25 * time.Hour)
			c.approves(args, p.Plan.ID, "bob")
		}, 25, "expired: of ada@careful.example"},
		{"mirror stale", nil, []string{"--lost-at", "LATER"}, signed, 26, "mirror.stale_seconds was at most 900"},
		{"mirror stale, accepted", nil, []string{"--lost-at", "LATER", "--accept-stale", "nobody worked"}, signed, 0, ""},
		{"mirror moved", nil, nil, func(c *company, args func(...string) []string, p planned) {
			signed(c, args, p)
			got := c.run("takeover", "--reason", "test", "--quiet", "--config", filepath.Join(c.root, "lifeboat.yaml"))
			require.Zero(c.t, got.code, got.errout)
		}, 27, "mirror.epoch was"},
		{"other code", nil, nil, func(c *company, args func(...string) []string, p planned) {
			signed(c, args, p)
			got := c.run("code", "backup", "--repository", c.repository(), "--quiet", "--config", filepath.Join(c.root, "lifeboat.yaml"))
			require.Zero(c.t, got.code, got.errout)
		}, 28, "code.commit was"},
		{"other config", nil, nil, func(c *company, args func(...string) []string, p planned) {
			signed(c, args, p)
			c.configure("failover: {rto: 3h}\n")
		}, 29, "limits.rto_seconds was 14400, is 10800"},
		{"other quorum", nil, nil, func(c *company, args func(...string) []string, p planned) {
			signed(c, args, p)
			file, err := os.ReadFile(filepath.Join(c.root, "allowed_signers"))
			require.NoError(c.t, err)
			c.write("allowed_signers", append(file, "# nothing\n"...))
		}, 31, "allowed_signers_sha256"},
		{"no room", inACloud, nil, func(c *company, args func(...string) []string, p planned) {
			signed(c, args, p)
			c.free["standardDDSv5Family"] = 3
		}, 32, "at least 12 of standardDDSv5Family, is 3"},
		{"room", inACloud, nil, signed, 0, ""},
		{"glass broken by two", nil, nil, func(c *company, args func(...string) []string, p planned) {
			for _, who := range []string{"lin", "pam"} {
				got := c.run(args("failover", "approve", p.Plan.ID, "--key", c.key(who), "--break-glass", "nobody answers")...)
				require.Zero(c.t, got.code, got.errout)
			}
		}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, args := newBridge(t)
			if tt.before != nil {
				tt.before(c)
			}
			for i, flag := range tt.flags {
				if flag == "LATER" {
					tt.flags[i] = c.now.AddDate(1, 0, 0).Format(time.RFC3339)
				}
			}
			p := c.plans(args, tt.flags...)
			tt.do(c, args, p)
			c.refuses(args, planOf(c, p), tt.code, tt.says)
		})
	}
}

// refuses wants the plan refused, or let pass with code 0, without anything being done.
func (c *company) refuses(args func(...string) []string, plan string, code int, says string) {
	c.t.Helper()
	got := c.run(args("failover", "show", plan, "--check")...)
	require.Equal(c.t, code, got.code, got.errout)
	require.Contains(c.t, got.errout, says)
	if code == 0 {
		return
	}
	before := c.objects()
	got = c.run(args("failover", "run", plan)...)
	require.Equal(c.t, code, got.code, got.errout)
	require.Contains(c.t, got.errout, says)
	require.Equal(c.t, before, c.objects(), "a plan that is refused leaves nothing")
	require.NoError(c.t, write(c.t, filepath.Join(c.root, "app.sqlite")))
}

// objects are the names of everything in both stores.
func (c *company) objects() (names []string) {
	c.t.Helper()
	for _, region := range []string{"primary", "mirror"} {
		store, err := dir.Open(filepath.Join(c.root, region))
		require.NoError(c.t, err)
		for info, err := range store.List(c.t.Context(), "", "") {
			require.NoError(c.t, err)
			names = append(names, region+" "+info.Name)
		}
	}
	return names
}

func signed(c *company, args func(...string) []string, p planned) {
	c.t.Helper()
	c.approves(args, p.Plan.ID, "ada", "bob")
}

// struckOff takes a signer's key out of the file after it has signed.
func struckOff(c *company, args func(...string) []string, p planned) {
	signed(c, args, p)
	file, err := os.ReadFile(filepath.Join(c.root, "allowed_signers"))
	require.NoError(c.t, err)
	var rest []string
	for line := range strings.Lines(string(file)) {
		if !strings.HasPrefix(line, "bob@") {
			rest = append(rest, line)
		}
	}
	c.write("allowed_signers", []byte(strings.Join(rest, "")))
}

// forged puts another's name under a signature in the store.
func forged(c *company, args func(...string) []string, p planned) {
	signed(c, args, p)
	files, err := filepath.Glob(filepath.Join(c.root, "mirror", "approvals", "*", "*"))
	require.NoError(c.t, err)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(c.t, err)
		require.NoError(c.t, os.Chmod(file, 0o600))
		require.NoError(c.t, os.WriteFile(file, bytes.Replace(body, []byte("bob@"), []byte("lin@"), 1), 0o600))
	}
}

// changed writes another plan of the same id, signed as it was made.
func changed(c *company, args func(...string) []string, p planned) {
	signed(c, args, p)
	other := *p.Plan
	other.Database.Kind = "sqlserver"
	text, err := other.Encode()
	require.NoError(c.t, err)
	c.write("changed.json", text)
}

// planOf is the plan to run: the one that was changed, if there is one.
func planOf(c *company, p planned) string {
	if file := filepath.Join(c.root, "changed.json"); exists(file) {
		return file
	}
	return p.Plan.ID
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// inACloud configures a stack, in a region that has room for it.
func inACloud(c *company) {
	c.free = map[string]int64{"standardDDSv5Family": 100, "SQL vCores": 100}
	c.configure("failover: {stack_file: '" + filepath.Join(repotest.Root(c.t), "Pulumi.dr.yaml") + "'}\n")
}

// TestAContainerDatabaseIsRefused before anything is made, with what to do: a run would find
// out when the primary is fenced.
func TestAContainerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	text, err := os.ReadFile(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "kind: azure ")
	c.write("Pulumi.dr.yaml", []byte(strings.Replace(string(text), "kind: azure ", "kind: container ", 1)))
	c.configure("failover: {stack_file: Pulumi.dr.yaml}\n")
	for _, line := range [][]string{args("failover", "plan"), {"drill", "--stack", "--config", filepath.Join(c.root, "lifeboat.yaml")}} {
		got := c.run(line...)
		require.Equal(t, 2, got.code, got.errout)
		require.Contains(t, got.errout, "use kind azure")
	}
	r := c.preflights(args, 37)
	require.Equal(t, preflight.Fail, r["settings"].Status)
	require.Contains(t, r["plan"].Found, "use kind azure")
}

// TestAPlanForOtherKeysIsRefused: the mirror's objects are the same, under another root key.
func TestAPlanForOtherKeysIsRefused(t *testing.T) {
	t.Parallel()
	c, args := newOffice(t)
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	c.write("identity", []byte(id.String()+"\n"))
	c.protects("encryption: {age_recipients: [" + id.Recipient().String() + "], identity_file: '" + filepath.Join(c.root, "identity") + "'}\n")
	p := c.plans(args)
	c.approves(args, p.Plan.ID, "ada", "bob")
	c.refuses(args, p.Plan.ID, 0, "")
	c.resealed()
	c.refuses(args, p.Plan.ID, 30, "keys.0.root was "+p.Plan.Keys[0].Root)
}

// resealed replaces the mirror by one that holds the same under keys of its own.
func (c *company) resealed() {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.root, "lifeboat.yaml"))
	require.NoError(c.t, err)
	file, err := config.Parse(text, c.lookup)
	require.NoError(c.t, err)
	s := stores{encryption: file.Encryption, lookup: c.lookup, log: slog.New(slog.DiscardHandler)}
	other := config.Region{Store: config.URL("dir:" + filepath.Join(c.root, "other"))}
	require.NoError(c.t, s.make(c.t.Context(), other))
	to, err := s.open(c.t.Context(), other)
	require.NoError(c.t, err)
	from, err := s.open(c.t.Context(), file.Mirror)
	require.NoError(c.t, err)
	for info, err := range from.List(c.t.Context(), "", "") {
		require.NoError(c.t, err)
		body, err := blob.ReadAll(c.t.Context(), from, info.Name, 1<<30)
		require.NoError(c.t, err)
		require.NoError(c.t, to.Create(c.t.Context(), info.Name, body))
	}
	require.NoError(c.t, os.Rename(filepath.Join(c.root, "mirror"), filepath.Join(c.root, "before")))
	require.NoError(c.t, os.Rename(filepath.Join(c.root, "other"), filepath.Join(c.root, "mirror")))
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
