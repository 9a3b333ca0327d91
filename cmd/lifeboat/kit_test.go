package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/preflight"
	"lifeboat/internal/azuresim/simtest"
	"lifeboat/internal/repotest"
)

// small is a program that stands for others in tests: what it says is what it is asked for.
func (c *company) small(name, text string) string {
	c.t.Helper()
	file := filepath.Join(c.root, name)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(c.t, os.WriteFile(file, []byte(text), 0o700))
	return file
}

// TestKitPlansByItself builds a kit with this very program and the real Pulumi CLI, which
// has to find the plugin in it, and proves it with everything else gone: the primary's store,
// and the files that it was built from.
func TestKitPlansByItself(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	pulumi := filepath.Join(simtest.Home(t), "bin", "pulumi")
	c.small("plugins/resource-azure-native-v3.6.0/pulumi-resource-azure-native", "plugin")
	c.plainCommittee()
	got := c.run("code", "backup", "--repository", c.repository(), "--quiet", "--config", filepath.Join(c.root, "lifeboat.yaml"))
	require.Zero(t, got.code, got.errout)
	verb := func(verb ...string) []string { return append(verb, "--config", filepath.Join(c.root, "lifeboat.yaml")) }
	got = c.run(verb("kit", "build", "--pulumi", pulumi, "--plugins", filepath.Join(c.root, "plugins"), "--json")...)
	require.Zero(t, got.code, got.errout)
	var built kitResult
	require.NoError(t, json.Unmarshal([]byte(got.out), &built))
	require.True(t, built.Fresh)
	require.Equal(t, "v3.259.0", built.Versions["pulumi"])
	require.Equal(t, "3.6.0", built.Versions["plugin azure-native"])
	got = c.run(verb("kit", "build", "--pulumi", pulumi, "--plugins", filepath.Join(c.root, "plugins"))...)
	require.Zero(t, got.code, got.errout)
	require.Contains(t, got.out, "unchanged")

	for _, gone := range []string{"primary", "plugins"} {
		require.NoError(t, os.RemoveAll(filepath.Join(c.root, gone)))
	}
	got = c.run(verb("kit", "verify", "--json")...)
	require.Zero(t, got.code, got.errout)
	var proven kitResult
	require.NoError(t, json.Unmarshal([]byte(got.out), &proven))
	var plan planned
	require.NoError(t, json.Unmarshal(proven.Plan, &plan))
	require.False(t, plan.Kept, "verifying leaves no plan behind")
	require.Equal(t, built.Code, plan.Plan.Code.Number)
	got = c.run(args("failover", "show")...)
	require.Contains(t, got.out, "no plan is kept")

	folder := filepath.Join(c.root, "unpacked")
	got = c.run("kit", "unpack", "--into", folder, "--config", filepath.Join(c.root, "lifeboat.yaml"))
	require.Zero(t, got.code, got.errout)
	require.FileExists(t, filepath.Join(folder, "code", "main.go"))
	require.FileExists(t, filepath.Join(folder, "allowed_signers"))
	require.NotContains(t, got.out, "bring")

	r := c.preflights(args, 0, "--pulumi", pulumi, "--repository", filepath.Join(c.root, "repository"))
	require.Equal(t, preflight.Pass, r["operator's kit"].Status, r["operator's kit"].Found)
}

// TestAKitWhosePluginIsNotFoundIsDamaged: every byte is as it was stored, and the CLI does
// not find what it would need.
func TestAKitWhosePluginIsNotFoundIsDamaged(t *testing.T) {
	t.Parallel()
	c, _ := newBridge(t)
	pulumi := c.small("tools/pulumi", "#!/bin/sh\n[ \"$1\" = version ] && echo v3.259.0 || echo '[{\"name\": \"azure-native\", \"kind\": \"resource\", \"version\": \"3.5.0\"}]'\n")
	c.small("plugins/resource-azure-native-v3.6.0/pulumi-resource-azure-native", "plugin")
	c.plainCommittee()
	config := filepath.Join(c.root, "lifeboat.yaml")
	got := c.run("kit", "build", "--pulumi", pulumi, "--plugins", filepath.Join(c.root, "plugins"), "--config", config)
	require.Zero(t, got.code, got.errout)
	got = c.run("kit", "verify", "--config", config)
	require.Equal(t, 7, got.code, got.errout)
	require.Contains(t, got.errout, "does not find plugin azure-native 3.6.0")
}

// plainCommittee leaves out the channels that name files beside the committee's.
func (c *company) plainCommittee() {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.root, "committee.yaml"))
	require.NoError(c.t, err)
	var keep []string
	skip := false
	for line := range strings.Lines(string(text)) {
		if line[0] != ' ' && line[0] != '#' && line[0] != '\n' {
			skip = strings.HasPrefix(line, "notify:") || strings.HasPrefix(line, "customers:") || strings.HasPrefix(line, "templates:")
		}
		if !skip {
			keep = append(keep, line)
		}
	}
	c.write("committee.yaml", []byte(strings.Join(keep, "")))
}

func TestKitTakesNoSecrets(t *testing.T) {
	t.Parallel()
	c, _ := newBridge(t)
	config := filepath.Join(c.root, "lifeboat.yaml")
	c.plainCommittee()
	c.configure("failover: {backend: 'azblob://state?storage_account=a&sig=hunter2'}\n")
	got := c.run("kit", "build", "--config", config)
	require.Equal(t, 3, got.code, got.errout)
	require.Contains(t, got.errout, "holds a secret")
	require.NotContains(t, got.errout, "hunter2")
	c.configure("failover: {stack_file: /etc/Pulumi.dr.yaml}\n")
	got = c.run("kit", "build", "--config", config)
	require.Equal(t, 2, got.code, got.errout)
	c.configure("")
	got = c.run("kit", "verify", "--config", config)
	require.Equal(t, 3, got.code, got.errout)
	require.Contains(t, got.errout, "no operator's kit")
}

// preflights runs the preflight and returns its checks by name.
func (c *company) preflights(args func(...string) []string, code int, flags ...string) map[string]preflight.Check {
	c.t.Helper()
	got := c.run(args(append([]string{"preflight", "--json"}, flags...)...)...)
	require.Equal(c.t, code, got.code, got.errout+got.out)
	var r preflightResult
	require.NoError(c.t, json.Unmarshal([]byte(got.out), &r))
	checks := map[string]preflight.Check{}
	for _, check := range r.Checks {
		checks[check.Name] = check
		require.Equal(c.t, check.Status != preflight.Pass, check.Fix != "", check.Name)
	}
	return checks
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	pulumi := c.small("tools/pulumi", "#!/bin/sh\necho v3.259.0\n")
	r := c.preflights(args, 37, "--pulumi", pulumi)
	require.Equal(t, preflight.Pass, r["plan"].Status, r["plan"].Found)
	shown := c.run(args("readiness", "--json")...)
	require.Contains(t, shown.out, `"forecast_rto_seconds"`, shown.errout)
	require.Equal(t, preflight.Fail, r["code"].Status, "there is no backup")
	require.Equal(t, preflight.Fail, r["operator's kit"].Status)
	require.Equal(t, preflight.Pass, r["Pulumi CLI"].Status, r["Pulumi CLI"].Found)
	require.Equal(t, preflight.Pass, r["keys"].Status)

	repository := c.repository()
	got := c.run("code", "backup", "--repository", repository, "--quiet", "--config", filepath.Join(c.root, "lifeboat.yaml"))
	require.Zero(t, got.code, got.errout)
	r = c.preflights(args, 37, "--pulumi", filepath.Join(c.root, "nowhere"), "--repository", repository)
	require.Equal(t, preflight.Pass, r["code"].Status, r["code"].Found)
	require.Equal(t, preflight.Unknown, r["Pulumi CLI"].Status)
	r = c.preflights(args, 37, "--repository", filepath.Join(c.root, "nowhere"))
	require.Equal(t, preflight.Unknown, r["code"].Status, "what cannot be asked is no pass")
}

// TestWhatNoKitHoldsIsNamed: files with secrets, and variables, by build, unpack and preflight.
func TestWhatNoKitHoldsIsNamed(t *testing.T) {
	t.Parallel()
	c, args := newBridge(t)
	c.plainCommittee()
	c.vars["RESCUE"] = "dir:" + filepath.Join(c.root, "third")
	section := "failover:\n  target: 'sqlite:there.sqlite'\n  new_mirror: {store: '${RESCUE}'}\n  restore: {kubeconfig: tunnel.kubeconfig}\n"
	c.configure(section)
	want := []needed{{Key: "failover.restore.kubeconfig", Name: "tunnel.kubeconfig"}, {Key: "variable", Name: "RESCUE"}}
	config := []string{"--config", filepath.Join(c.root, "lifeboat.yaml"), "--json"}
	for _, verb := range [][]string{{"kit", "build", "--plugins", filepath.Join(c.root, "none")}, {"kit", "unpack", "--into", filepath.Join(c.root, "unpacked")}} {
		got := c.run(append(verb, config...)...)
		require.Zero(t, got.code, got.errout)
		require.Equal(t, want, decode[kitResult](t, got.out).Bring)
	}
	require.NoFileExists(t, filepath.Join(c.root, "unpacked", "tunnel.kubeconfig"))
	asked := func() preflight.Check { return c.preflights(args, 37)["what no kit holds"] }
	require.Equal(t, preflight.Fail, asked().Status, "no stack makes that cluster, so it has to be there")
	c.write("tunnel.kubeconfig", []byte("clusters: []\n"))
	require.Equal(t, preflight.Pass, asked().Status, asked().Found)
	require.Contains(t, asked().Found, "failover.restore.kubeconfig tunnel.kubeconfig, variable RESCUE")
	c.configure(strings.Replace(section, "target: 'sqlite:there.sqlite'", "stack_file: '"+filepath.Join(repotest.Root(t), "Pulumi.dr.yaml")+"'", 1))
	require.NoError(t, os.Remove(filepath.Join(c.root, "tunnel.kubeconfig")))
	require.Equal(t, preflight.Pass, asked().Status, "the way to a cluster that is still to be made")
}
