package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/failover/budget"
	"lifeboat/failover/incident/report"
	runs "lifeboat/failover/run"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/drill/embedded"
)

// service is the application's health check and its self-test, on loopback.
func service(t *testing.T) string {
	t.Helper()
	var kept atomic.Value
	kept.Store("")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			kept.Store(string(body))
		}
		_, _ = io.WriteString(w, kept.Load().(string))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// rescueSection is the configuration of where the company's failovers go.
func (c *company) rescueSection(more string) string {
	url := service(c.t)
	return "failover:\n  target: 'sqlite:" + filepath.Join(c.root, "there.sqlite") + "'\n  new_mirror: {store: 'dir:" + filepath.Join(c.root, "third") +
		"'}\n  probe: {health: '" + url + "', write: '" + url + "', read: '" + url + "'}\n" + more
}

// rescue configures failovers and returns a signed plan's id.
func (c *company) rescue(args func(...string) []string) string {
	c.t.Helper()
	c.configure(c.rescueSection(""))
	p := c.plans(args, "--accept-stale", "a test")
	c.approves(args, p.Plan.ID, "ada", "bob")
	return p.Plan.ID
}

func rowsOf(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := embedded.OpenApp(path)
	require.NoError(t, err)
	defer db.Close()
	names, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'lifeboat%' AND name NOT LIKE 'sqlite%'")
	require.NoError(t, err)
	defer names.Close()
	var tables []string
	for names.Next() {
		var name string
		require.NoError(t, names.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, names.Err())
	for _, table := range tables {
		var rows int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&rows))
		n += rows
	}
	return n
}

// write tries to change the database as its application would, and takes it back.
func write(t *testing.T, path string) error {
	t.Helper()
	db, err := embedded.OpenApp(path)
	require.NoError(t, err)
	defer db.Close()
	var table string
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'lifeboat%' AND name NOT LIKE 'sqlite%' ORDER BY name").Scan(&table))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "DELETE FROM "+table+" WHERE rowid IN (SELECT rowid FROM "+table+" LIMIT 1)")
	require.NoError(t, tx.Rollback())
	return err
}

// teaches checks what the next forecast learns from a run without a stack.
func (c *company) teaches(id string) {
	c.t.Helper()
	store, err := dir.Open(filepath.Join(c.root, "mirror"))
	require.NoError(c.t, err)
	seen, err := budget.Observations(c.t.Context(), store)
	require.NoError(c.t, err)
	i := slices.IndexFunc(seen, func(o budget.Observation) bool { return o.Run == id })
	require.GreaterOrEqual(c.t, i, 0)
	require.Positive(c.t, seen[i].Work.Rows)
	var parts []string
	for _, p := range seen[i].Parts {
		parts = append(parts, p.Name)
	}
	require.Subset(c.t, parts, []string{"restore", "restore: changes", "restore: load", "restore: finish", "restore: verify", "verify", "probe"})
	require.NotContains(c.t, parts, "provision", "it would make the next stack look free")
}

// TestFailoverFromTheCommandLine: from an approved plan to users who are served again, and
// back.
func TestFailoverFromTheCommandLine(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	id := c.rescue(args)
	rows := rowsOf(t, filepath.Join(c.root, "app.sqlite"))
	got := c.run(args("failover", "run", id)...)
	require.Zero(t, got.code, got.errout)
	require.Contains(t, got.out, "every state hash equal")
	require.Contains(t, got.out, "refuses writes")
	require.Contains(t, got.out, "protected")
	require.Equal(t, rows, rowsOf(t, filepath.Join(c.root, "there.sqlite")))
	require.Error(t, write(t, filepath.Join(c.root, "app.sqlite")), "the old database must not be written to")
	require.NoError(t, write(t, filepath.Join(c.root, "there.sqlite")))

	body, err := os.ReadFile(filepath.Join(c.root, "mirror", "reports", id+".json"))
	require.NoError(t, err)
	src, _, err := report.Verify(body)
	require.NoError(t, err)
	x := src.Data.(report.Exercise)
	require.Equal(t, "failover", x.What)
	require.Len(t, x.Approvals, 2)
	require.NotEmpty(t, x.Tables)
	require.NotEmpty(t, x.Deviations, "there is neither a code backup nor a kit")
	require.Contains(t, x.Deviations[0], "lifeboat code backup", "it comes with its fix")
	beside := map[string]bool{} // step, and whether its forecast is beside it
	for _, s := range x.Steps {
		require.Empty(t, s.Failed)
		beside[s.Name] = s.Forecast > 0
	}
	for _, name := range []string{"restore", "restore: changes", "restore: load", "restore: finish", "restore: verify", "probe"} {
		require.True(t, beside[name], name)
	}
	require.False(t, beside["provision"], "there is no stack to bring up")
	c.teaches(id)

	got = c.run(args("failover", "run", id)...)
	require.NotZero(t, got.code, "it ran already")
	got = c.run(args("failover", "resume", id)...)
	require.Equal(t, 3, got.code, got.errout)
	got = c.run(args("failover", "resume", id, "--old-primary", "dir:"+filepath.Join(c.root, "primary"))...)
	require.Equal(t, 2, got.code, "a failover has no old primary to look in")
	got = c.run("failover", "status", id, "--json", "--config", filepath.Join(c.root, "lifeboat.yaml"))
	require.Zero(t, got.code, got.errout)
	var status statusRuns
	require.NoError(t, json.Unmarshal([]byte(got.out), &status))
	require.Equal(t, runs.Finished, status.Runs[0].Last)
	require.Len(t, status.Runs[0].Steps, 12)

	c.failback(t)
}

// failback is the same the other way: what served becomes the primary, the third place the
// mirror, and what takes over is a fresh database again.
func (c *company) failback(t *testing.T) {
	t.Helper()
	at := func(name string) string { return filepath.Join(c.root, name) }
	c.write("back.yaml", []byte("version: 1\ndatabase: 'sqlite:"+at("there.sqlite")+"'\nprimary: {store: 'dir:"+at("mirror")+"'}\nmirror: {store: 'dir:"+at("third")+
		"'}\nfailover:\n  target: 'sqlite:"+at("home.sqlite")+"'\n  new_mirror: {store: 'dir:"+at("fourth")+"'}\n"))
	back := func(verb ...string) []string {
		return append(verb, "--config", at("back.yaml"), "--committee", at("committee.yaml"))
	}
	got := c.run("snapshot", "take", "--base", "--quiet", "--config", at("back.yaml"))
	require.Zero(t, got.code, got.errout)
	rows := rowsOf(t, at("there.sqlite"))
	p := c.plans(back, "--kind", "failback", "--accept-stale", "a test")
	c.approves(back, p.Plan.ID, "ada", "bob")
	got = c.run(back("failback", p.Plan.ID, "--old-primary", "azblob://account/container?sig=secret")...)
	require.Equal(t, 2, got.code)
	require.NotContains(t, got.errout, "sig=secret", "it must not be shown either")
	got = c.run(back("failback", p.Plan.ID)...)
	require.Zero(t, got.code, got.errout)
	require.Equal(t, rows, rowsOf(t, at("home.sqlite")))
	require.Error(t, write(t, at("there.sqlite")))
	require.NoError(t, write(t, at("home.sqlite")))
}

// TestKilledFailoverIsResumed from the command line, at the beginning and at the end of
// steps, by a kill that nobody can handle.
func TestKilledFailoverIsResumed(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, moment := range []string{`"step":"fence","what":"begun"`, `"step":"restore","what":"begun"`, `"step":"restore","what":"done"`,
		`"step":"arm","what":"begun"`, `"step":"capture","what":"begun"`, `"step":"capture","what":"done"`, `"step":"report","what":"begun"`} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			c, args := newBridge(t)
			id := c.rescue(args)
			cmd := exec.Command(self, args("failover", "run", id, "--json")...)
			cmd.Env = os.Environ()
			for name, value := range c.vars {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			progress, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			seen := false
			for lines := bufio.NewScanner(progress); lines.Scan(); {
				if seen = strings.Contains(lines.Text(), moment); seen {
					break
				}
			}
			require.NoError(t, cmd.Process.Kill())
			_, _ = io.Copy(io.Discard, progress)
			_ = cmd.Wait() // killed, or it was quicker
			require.True(t, seen, "it never came to that")
			got := c.run(args("failover", "resume", id)...)
			if got.code != 0 { // it may have been quicker than the kill
				require.Contains(t, []int{3, 34}, got.code, got.errout)
			}
			if got.code == 34 {
				require.Contains(t, got.errout, "--take-over")
				got = c.run(args("failover", "resume", id, "--take-over")...)
				require.Zero(t, got.code, got.errout)
			}
			require.Equal(t, rowsOf(t, filepath.Join(c.root, "app.sqlite")), rowsOf(t, filepath.Join(c.root, "there.sqlite")))
			require.Error(t, write(t, filepath.Join(c.root, "app.sqlite")))
			fences, reigns := c.epochs(id)
			require.Equal(t, 1, fences, "fenced once, whoever did it")
			// Nobody can go on in an epoch of somebody who may be alive, so a base that was
			// not finished is taken in another one; a finished one is never taken again.
			if most := 1; moment != `"step":"capture","what":"begun"` {
				require.Equal(t, most, reigns)
			} else {
				require.LessOrEqual(t, reigns, 2)
			}
			for _, store := range []string{"mirror", "third"} {
				got = c.run("log", "verify", "--mirror", "dir:"+filepath.Join(c.root, store))
				require.Zero(t, got.code, got.errout)
			}
		})
	}
}

// epochs counts those that a run began: by its fence, and to protect what it restored.
func (c *company) epochs(id string) (fences, reigns int) {
	c.t.Helper()
	store, err := dir.Open(filepath.Join(c.root, "mirror"))
	require.NoError(c.t, err)
	epochs, err := eventlog.OpenLog(store).Epochs(c.t.Context())
	require.NoError(c.t, err)
	for _, e := range epochs {
		switch {
		case e.Takeover:
			require.Contains(c.t, e.Reason, id)
			fences++
		case strings.Contains(e.Reason, id):
			reigns++
		}
	}
	return fences, reigns
}

// TestTwoOperatorsAtOnce: of two who run the same plan, and of two who run two plans,
// exactly one proceeds.
func TestTwoOperatorsAtOnce(t *testing.T) {
	t.Parallel()
	for name, plans := range map[string]int{"one plan": 1, "two plans": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, args := newBridge(t)
			ids := []string{c.rescue(args)}
			ids = append(ids, ids[0])
			if plans == 2 {
				p := c.plans(args, "--accept-stale", "a test")
				c.approves(args, p.Plan.ID, "ada", "bob")
				ids[1] = p.Plan.ID
			}
			got := make([]outcome, 2)
			var both sync.WaitGroup
			for i, id := range ids {
				both.Go(func() { got[i] = c.run(args("failover", "run", id)...) })
			}
			both.Wait()
			one, other := got[0], got[1]
			if one.code != 0 {
				one, other = other, one
			}
			require.Zero(t, one.code, one.errout)
			// Refused as run already, as busy, or as planned for a log that has moved.
			require.Contains(t, []int{3, 35, 27}, other.code, other.errout)
			require.Equal(t, rowsOf(t, filepath.Join(c.root, "app.sqlite")), rowsOf(t, filepath.Join(c.root, "there.sqlite")))
		})
	}
}
