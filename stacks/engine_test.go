package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/azuresim"
	"lifeboat/internal/azuresim/simtest"
)

// edit changes a stack's file as a person would, refusing to change nothing.
func edit(t *testing.T, e *simtest.Engine, stack, from, to string) {
	t.Helper()
	path := filepath.Join(e.Dir, "Pulumi."+stack+".yaml")
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(body), from)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(body), from, to, 1)), 0o644))
}

// find returns the one id that ends so.
func find(t *testing.T, cloud *azuresim.Cloud, suffix string) string {
	t.Helper()
	for _, id := range cloud.IDs() {
		if strings.HasSuffix(id, suffix) {
			return id
		}
	}
	require.Fail(t, "nothing in the cloud ends in "+suffix)
	return ""
}

func property(t *testing.T, cloud *azuresim.Cloud, id, name string) any {
	t.Helper()
	for _, r := range cloud.Resources() {
		if r.ID == id {
			return r.Inputs[name]
		}
	}
	require.Fail(t, "not in the cloud: "+id)
	return nil
}

// TestCommandLine is the life of both standing stacks by the plain command, from copies
// of the project's own files, with the Go language host building the program.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	cloud := simtest.NewCloud()
	e := simtest.NewEngine(t, cloud)

	// The lifeboat before the ship: without the mirror a primary is refused.
	e.Run(true, "stack", "init", "primary")
	e.Run(true, "preview", "-s", "primary")
	require.Empty(t, cloud.IDs(), "a preview must not touch the cloud")

	e.Run(true, "stack", "init", "dr")
	e.Run(true, "up", "-f", "-s", "dr")
	e.Run(true, "up", "-f", "-s", "primary")
	e.Run(true, "up", "-f", "-s", "primary", "--expect-no-changes")

	// Someone weakens the store in the portal: a refresh sees it, and the next up, which
	// also brings a change of the probe, mends it.
	store := find(t, cloud, "storageAccounts/stcarefulukwlogcf4c")
	require.True(t, cloud.Drift(store, "publicNetworkAccess", "Enabled"))
	require.Contains(t, e.Run(true, "refresh", "-f", "-s", "dr"), "publicNetworkAccess")
	profile := find(t, cloud, "trafficManagerProfiles/tm-careful-cf4c")
	edit(t, e, "dr", "interval: 10", "interval: 30")
	edit(t, e, "dr", "protect: true", "protect: false")
	out := e.Run(true, "up", "-f", "-s", "dr")
	require.Regexp(t, `~ +azure-native:storage/v20230501:StorageAccount store updated`, out)
	require.Equal(t, "Disabled", property(t, cloud, store, "publicNetworkAccess"))
	require.InEpsilon(t, 30.0, property(t, cloud, profile, "monitorConfig").(map[string]any)["intervalInSeconds"], 0)

	// What holds data cannot be destroyed by mistake: neither by the engine nor by Azure.
	require.Contains(t, e.Run(false, "destroy", "-f", "-s", "primary"), "protected")
	e.Run(true, "state", "unprotect", "--all", "-y", "-s", "primary")
	e.Run(true, "destroy", "-f", "-s", "primary")
	require.Empty(t, inGroup(cloud, "rg-careful-uks"))
	e.Run(true, "destroy", "-f", "-s", "dr")
	require.Empty(t, cloud.IDs())
	var kept []string
	for _, r := range cloud.SoftDeleted() {
		kept = append(kept, r.Type)
	}
	require.Equal(t, []string{"keyvault:Vault", "keyvault:Vault"}, kept, "a vault under purge protection keeps its name")
}

// inGroup are the ids in a resource group, the group itself included.
func inGroup(cloud *azuresim.Cloud, group string) []string {
	var in []string
	for _, id := range cloud.IDs() {
		if strings.Contains(id+"/", "/resourceGroups/"+group+"/") {
			in = append(in, id)
		}
	}
	return in
}

// TestBadConfigurationTouchesNothing: every problem at once, before anything is asked.
func TestBadConfigurationTouchesNothing(t *testing.T) {
	t.Parallel()
	cloud := simtest.NewCloud()
	e := simtest.NewEngine(t, cloud)
	e.Run(true, "stack", "init", "dr")
	edit(t, e, "dr", "dr: {region: ukwest", "dr: {region: uksouth")
	edit(t, e, "dr", "snapshotInterval: 24h", "snapshotInterval: 25h")
	edit(t, e, "dr", "sku: GP_Gen5_4", "sku: GP_Gen5_5")
	edit(t, e, "dr", "geography: uk", "geography: eu")
	out := e.Run(false, "up", "-f", "-s", "dr")
	for _, problem := range []string{
		"regions.dr.region: is the primary region uksouth", "agent.snapshotInterval: 25h0m0s is over the policy's 24h0m0s",
		`database.sku: "GP_Gen5_5" is not a database size`, "regions.hub.region: ukwest lies in uk; the data may not leave eu",
	} {
		require.Contains(t, out, problem)
	}
	require.Empty(t, cloud.IDs())
	require.Zero(t, cloud.Calls(azuresim.Create))
}
