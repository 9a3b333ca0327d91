package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/azuresim"
	"lifeboat/internal/azuresim/simtest"
	"lifeboat/internal/blob/azure"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/drill/embedded"
	"lifeboat/internal/repotest"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

// process is lifeboat in a process of its own, with the company's variables and more.
func (c *company) process(args []string, more ...map[string]string) *exec.Cmd {
	c.t.Helper()
	self, err := os.Executable()
	require.NoError(c.t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = os.Environ()
	for _, vars := range append(more, c.vars) {
		for name, value := range vars {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// child runs lifeboat in a process of its own, with the engine's variables. It is killed
// at the first line of progress that has all of the parts; none: it runs to its end.
func (c *company) child(e *simtest.Engine, args []string, killAt ...string) outcome {
	c.t.Helper()
	cmd := c.process(append(args, "--json"), e.Env)
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

// endpointOf returns the endpoint of a stack in the edge.
func endpointOf(t *testing.T, cloud *azuresim.Cloud, stack string) azuresim.Props {
	t.Helper()
	for _, r := range cloud.Resources() {
		if r.Type == "network:Endpoint" && strings.HasSuffix(r.ID, "/"+stack) {
			return r.Inputs
		}
	}
	require.Fail(t, "no endpoint of "+stack)
	return nil
}

// voyage is a company whose regions are stacks in a simulated cloud, with their stores on
// Azurite: the primary that is lost, the mirror beside which the failover's stack stands,
// and the mirror of that, in the region that was lost.
type voyage struct {
	*company
	cloud   *azuresim.Cloud
	engine  *simtest.Engine
	servers map[string]*azuritetest.Server // by region
	stores  map[string]string              // their URLs
	files   map[string]string              // settings of the stacks: there and back
}

func newVoyage(t *testing.T) *voyage {
	t.Helper()
	v := &voyage{servers: map[string]*azuritetest.Server{}, stores: map[string]string{}, files: map[string]string{}}
	v.company, _ = newOffice(t)
	v.now = time.Now().UTC().Truncate(time.Millisecond)
	v.cloud = simtest.NewCloud()
	v.engine = simtest.NewEngine(t, v.cloud)
	v.files["there"] = filepath.Join(repotest.Root(t), "Pulumi.dr.yaml")
	there, err := stackfile.Read(v.files["there"])
	require.NoError(t, err)
	next := settings.Half{Region: "uksouth", Generation: 2}
	back, err := there.ForMirror(there.Regions.DR, next)
	require.NoError(t, err)
	for _, s := range []*settings.Settings{there, back} {
		_, err = v.engine.Stack(t, s, nil).Up(t.Context())
		require.NoError(t, err)
	}
	text, err := back.JSON()
	require.NoError(t, err)
	v.files["back"] = filepath.Join(v.root, "Pulumi.dr-2.yaml")
	v.write("Pulumi.dr-2.yaml", []byte("config:\n  lifeboat:settings: "+text+"\n"))
	for region, half := range map[string]settings.Half{"lost": there.Regions.Primary, "mirror": there.Regions.DR, "next": next} {
		names := there.NamesOf(half)
		s := azuritetest.Start(t, names.LogAccount())
		v.servers[region], v.stores[region] = s, names.StoreURL("log")
		v.vars["LIFEBOAT_AZURE_ENDPOINT_"+strings.ToUpper(s.Account)] = s.URL
		v.vars["LIFEBOAT_AZURE_KEY_"+strings.ToUpper(s.Account)] = string(s.Key)
	}
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	v.write("identity", []byte(id.String()+"\n"))
	v.vars["RECIPIENT"] = id.Recipient().String()
	return v
}

func (v *voyage) at(name string) string { return filepath.Join(v.root, name) }

// configures writes a configuration, and returns what every verb that uses it needs.
func (v *voyage) configures(name, database, primary, mirror, next string) func(verb ...string) []string {
	v.write(name+".yaml", []byte("version: 1\ndatabase: 'sqlite:"+v.at(database)+"'\nprimary: {store: '"+v.stores[primary]+"'}\nmirror: {store: '"+v.stores[mirror]+
		"'}\nencryption: {age_recipients: ["+v.vars["RECIPIENT"]+"], identity_file: '"+v.at("identity")+"'}\n"+
		strings.NewReplacer("there.sqlite", "{stack}.sqlite", "dir:"+v.at("third"), v.stores[next]).Replace(v.rescueSection(
			"  committee: '"+v.at("committee.yaml")+"'\n  stack_file: '"+v.files[name]+"'\n  backend: '"+v.engine.Backend+"'\n  restore_sku: GP_Gen5_8\n"))))
	return func(verb ...string) []string { return append(verb, "--config", v.at(name+".yaml")) }
}

func (v *voyage) ok(args []string) outcome {
	v.t.Helper()
	got := v.run(args...)
	require.Zero(v.t, got.code, "%v: %s", args, got.errout)
	return got
}

// commit changes some rows as the application does.
func (v *voyage) commit(database, statement string) {
	v.t.Helper()
	db, err := embedded.OpenApp(v.at(database))
	require.NoError(v.t, err)
	defer db.Close()
	_, err = db.ExecContext(v.t.Context(), statement)
	require.NoError(v.t, err)
}

// segments counts the objects of the log in a region's store.
func (v *voyage) segments(region string) (n int) {
	v.t.Helper()
	s := v.servers[region]
	location, err := azure.ParseURL(v.stores[region])
	require.NoError(v.t, err)
	store, err := azure.Open(azure.Config{Location: location, Endpoint: s.URL, Key: s.Key})
	require.NoError(v.t, err)
	for _, err := range store.List(v.t.Context(), "log/", "") {
		require.NoError(v.t, err)
		n++
	}
	return n
}

// loses protects the database until the mirror's link breaks, lets a transaction reach the
// primary's store alone, and kills the agent.
func (v *voyage) loses(there func(...string) []string) {
	v.t.Helper()
	agent := v.process(there("agent", "--listen", "127.0.0.1:0", "--address-file", v.at("address")))
	require.NoError(v.t, agent.Start())
	defer func() { _ = agent.Process.Kill(); _ = agent.Wait() }()
	a := &runningAgent{}
	require.Eventually(v.t, func() bool {
		text, err := os.ReadFile(v.at("address"))
		a.address = strings.TrimSpace(string(text))
		return err == nil && a.address != ""
	}, time.Minute, 5*time.Millisecond)
	v.commit("app.sqlite", "UPDATE ward SET name = 'acknowledged' WHERE rowid = 1")
	a.barrier(v.t)
	before := v.segments("lost")
	v.servers["mirror"].Stop()
	v.commit("app.sqlite", "UPDATE ward SET name = 'never acknowledged' WHERE rowid = 2")
	require.Eventually(v.t, func() bool { return v.segments("lost") > before }, time.Minute, 5*time.Millisecond)
	require.NoError(v.t, agent.Process.Kill())
	v.servers["mirror"].Restart(v.t)
}

// finishes resumes a run that was killed while its stack was made. What the cloud made
// while nobody was there to hear of it is found, and kept.
func (v *voyage) finishes(args func(...string) []string, id string) (r runResult) {
	v.t.Helper()
	got := v.child(v.engine, args("failover", "resume", id, "--primary-lost"))
	require.Equal(v.t, 34, got.code, got.errout)
	got = v.child(v.engine, args("failover", "resume", id, "--take-over", "--primary-lost"))
	require.Zero(v.t, got.code, got.errout)
	require.Contains(v.t, got.errout, "that an update was making")
	return decode[runResult](v.t, got.out)
}

// TestFailoverDrillAndFailbackInStacks: the real engine against the stand-in cloud, SQLite
// as the stacks' database, encrypted stores on Azurite. The region is lost while it holds a
// transaction alone; the failover's runner is killed while the stack is made, and another
// finishes; a drill from the new mirror leaves nothing; then everything goes back, and what
// the lost region held alone is told.
func TestFailoverDrillAndFailbackInStacks(t *testing.T) {
	t.Parallel()
	v := newVoyage(t)
	there := v.configures("there", "app.sqlite", "lost", "mirror", "next")
	v.ok([]string{"init", "--config", v.at("init.yaml"), "--database", "sqlite:" + v.at("app.sqlite"), "--primary", v.stores["lost"], "--mirror", v.stores["mirror"]})
	require.NoError(t, embedded.Hospital(t.Context(), v.at("app.sqlite"), 50, 1))
	v.ok(there("capture", "install"))
	v.ok(there("snapshot", "take", "--base"))
	v.loses(there)

	id := v.plans(there, "--accept-stale", "a test", "--primary-lost").Plan.ID
	v.approves(there, id, "ada", "bob")
	before := v.cloud.IDs()
	got := v.child(v.engine, there("failover", "run", id, "--primary-lost"), `"step":"provision","what":"working"`, "ManagedCluster")
	require.Equal(t, -1, got.code)
	require.NotEmpty(t, v.cloud.Left(before), "it was killed before it made anything")
	r := v.finishes(there, id)
	require.Equal(t, "failover-"+id, r.Evidence.Live.Stack)
	require.Equal(t, "ukwest", r.Evidence.Live.Region)
	require.Equal(t, []string{"GP_Gen5_8", "GP_Gen5_4"}, []string{r.Evidence.Place.Size, r.Evidence.Live.Size}, "large for the restore alone")
	require.Equal(t, v.stores["next"], r.Evidence.Protection.Mirror)
	serving := "failover-" + id + ".sqlite"
	require.Equal(t, []string{"acknowledged"}, v.wards(serving, "acknowledged"), "nothing that was acknowledged is missing")
	require.Empty(t, v.wards(serving, "never acknowledged"))
	v.goesBack(id)
}

// wards are the names of wards that are like this.
func (v *voyage) wards(database, name string) []string {
	v.t.Helper()
	db, err := embedded.OpenApp(v.at(database))
	require.NoError(v.t, err)
	defer db.Close()
	return column(v.t, db, "SELECT name FROM ward WHERE name = '"+name+"'")
}

// goesBack drills in and then returns to the region that was lost.
func (v *voyage) goesBack(id string) {
	v.t.Helper()
	serving := "failover-" + id + ".sqlite"
	back := v.configures("back", serving, "mirror", "next", "mirror")
	v.commit(serving, "UPDATE ward SET name = 'since the failover' WHERE rowid = 2")
	v.ok(back("snapshot", "take", "--base"))

	before := v.cloud.IDs()
	got := v.child(v.engine, back("drill", "--stack"))
	require.Zero(v.t, got.code, got.errout)
	require.Equal(v.t, "uksouth", decode[runResult](v.t, got.out).Evidence.Place.Region)
	require.Empty(v.t, v.cloud.Left(before), "the drill left something in the cloud")
	require.Equal(v.t, before, v.cloud.IDs())
	require.NoError(v.t, write(v.t, v.at(serving)), "a drill leaves what serves alone")

	got = v.ok(back("failback", "orphans", "--primary", v.stores["lost"]))
	require.Contains(v.t, got.out, "never acknowledged")
	require.Contains(v.t, got.out, "1 transactions that nobody was told are safe")
	require.NotContains(v.t, got.out, "since the failover", "what is in the log is no orphan")

	home := v.plans(back, "--kind", "failback", "--accept-stale", "a test").Plan.ID
	v.approves(back, home, "ada", "bob")
	got = v.child(v.engine, back("failback", home, "--old-primary", v.stores["lost"]), `"step":"preflight","what":"begun"`)
	require.Equal(v.t, -1, got.code)
	got = v.child(v.engine, back("failover", "resume", home, "--take-over")) // which store was named stands in the journal
	require.Zero(v.t, got.code, got.errout)
	r := decode[runResult](v.t, got.out)
	require.Equal(v.t, &orphanCount{Transactions: 1, Segments: 1}, r.Orphans)
	require.Contains(v.t, strings.Join(r.Evidence.Readiness.Notes, "\n"), "1 transactions in 1 segments that nobody was told are safe", "it stands in the report")
	require.Equal(v.t, "uksouth", r.Evidence.Live.Region)
	now, old := endpointOf(v.t, v.cloud, "failover-"+home), endpointOf(v.t, v.cloud, "failover-"+id)
	require.Equal(v.t, "Enabled", now["endpointStatus"])
	require.Less(v.t, now["priority"], old["priority"], "users have to be sent to what serves now")
	require.Equal(v.t, []string{"since the failover"}, v.wards("failover-"+home+".sqlite", "since the failover"))
	require.Equal(v.t, rowsOf(v.t, v.at(serving)), rowsOf(v.t, v.at("failover-"+home+".sqlite")))
	require.Error(v.t, write(v.t, v.at(serving)), "what served must not be written to any more")
	require.NoError(v.t, write(v.t, v.at("failover-"+home+".sqlite")))
	at := v.configures("home", "failover-"+home+".sqlite", "next", "mirror", "lost")
	v.ok(at("mirror", "repair")) // the snapshots from before the failover
	v.ok(at("mirror", "verify"))
}
