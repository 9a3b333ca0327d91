package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/azuresim"
	"lifeboat/internal/azuresim/simtest"
	"lifeboat/stacks/stackfile"
)

// child runs lifeboat in a process of its own, with the engine's variables. It is killed
// at the first line of progress that has all of the parts; none: it runs to its end.
func (c *company) child(e *simtest.Engine, args []string, killAt ...string) outcome {
	c.t.Helper()
	self, err := os.Executable()
	require.NoError(c.t, err)
	cmd := exec.Command(self, append(args, "--json")...)
	cmd.Env = os.Environ()
	for _, vars := range []map[string]string{c.vars, e.Env} {
		for name, value := range vars {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(e.CLI())+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out strings.Builder
	cmd.Stdout = &out
	progress, err := cmd.StderrPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, cmd.Start())
	var said strings.Builder
	killed := false
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		hit := len(killAt) > 0
		for _, part := range killAt {
			hit = hit && strings.Contains(lines.Text(), part)
		}
		if hit {
			killed = true
			require.NoError(c.t, cmd.Process.Kill())
			break
		}
	}
	_, _ = io.Copy(io.Discard, progress)
	_ = cmd.Wait() // its code says more
	require.Equal(c.t, len(killAt) > 0, killed, said.String())
	return outcome{cmd.ProcessState.ExitCode(), out.String(), said.String()}
}

// endpointOf returns the status of the stack's endpoint in the edge.
func endpointOf(cloud *azuresim.Cloud, stack string) any {
	for _, r := range cloud.Resources() {
		if r.Type == "network:Endpoint" && strings.HasSuffix(r.ID, "/"+stack) {
			return r.Inputs["endpointStatus"]
		}
	}
	return nil
}

// TestFailoverInAStack: the real engine against the stand-in cloud, with SQLite as the
// stack's database. The runner is killed while the region is being made; another finishes.
// Then a drill in a stack of its own leaves nothing.
func TestFailoverInAStack(t *testing.T) {
	t.Parallel()
	cloud := simtest.NewCloud()
	engine := simtest.NewEngine(t, cloud)
	file := filepath.Join(repositoryRoot(t), "Pulumi.dr.yaml")
	s, err := stackfile.Read(file)
	require.NoError(t, err)
	_, err = engine.Stack(t, s, nil).Up(t.Context())
	require.NoError(t, err)

	c, args := newBridge(t)
	more := "  committee: '" + filepath.Join(c.root, "committee.yaml") + "'\n  stack_file: '" + file + "'\n  backend: '" + engine.Backend + "'\n"
	c.configure(strings.ReplaceAll(c.rescueSection(more), "there.sqlite", "{stack}.sqlite"))
	id := c.plans(args, "--accept-stale", "a test").Plan.ID
	c.approves(args, id, "ada", "bob")

	before := cloud.IDs()
	got := c.child(engine, []string{"drill", "--stack", "--config", filepath.Join(c.root, "lifeboat.yaml")})
	require.Zero(t, got.code, got.errout)
	require.Empty(t, cloud.Left(before), "the drill left something in the cloud")
	require.Equal(t, before, cloud.IDs())
	require.NoError(t, write(t, filepath.Join(c.root, "app.sqlite")), "a drill leaves the primary alone")

	got = c.child(engine, args("failover", "run", id), `"step":"provision","what":"working"`, "ManagedCluster")
	require.Equal(t, -1, got.code)
	require.NotEmpty(t, cloud.Left(before), "it was killed before it made anything")
	got = c.child(engine, args("failover", "resume", id))
	require.Equal(t, 34, got.code, got.errout)
	// What the cloud made while nobody was there to hear of it the engine cannot know; it
	// names it, and the operator removes it, as docs/failover.md says.
	unknown := regexp.MustCompile(`cannot create already existing resource '([^']+)'`)
	for range 5 {
		if got = c.child(engine, args("failover", "resume", id, "--take-over")); got.code == 0 {
			break
		}
		found := unknown.FindAllStringSubmatch(got.errout, -1)
		require.NotEmpty(t, found, got.errout)
		for _, f := range found {
			cloud.Remove(f[1])
		}
	}
	require.Zero(t, got.code, got.errout)
	require.Equal(t, "Enabled", endpointOf(cloud, "failover-"+id))
	var r runResult
	require.NoError(t, json.Unmarshal([]byte(got.out), &r))
	require.Equal(t, "failover-"+id, r.Evidence.Live.Stack)
	require.Equal(t, rowsOf(t, filepath.Join(c.root, "app.sqlite")), rowsOf(t, filepath.Join(c.root, "failover-"+id+".sqlite")))
	require.Error(t, write(t, filepath.Join(c.root, "app.sqlite")))
}
