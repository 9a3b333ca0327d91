package program_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/azure"
	"lifeboat/internal/azuresim"
	"lifeboat/internal/azuresim/simtest"
	"lifeboat/internal/repotest"
	"lifeboat/stacks/outputs"
	"lifeboat/stacks/program"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

// pair is a cloud in which both standing stacks stand, and their settings.
type pair struct {
	cloud  *azuresim.Cloud
	engine *simtest.Engine
	base   *settings.Settings // of the mirror
}

func up(t *testing.T, s *auto.Stack) *outputs.Outputs {
	t.Helper()
	result, err := s.Up(t.Context(), optup.SuppressProgress())
	require.NoError(t, err)
	values := make(map[string]any, len(result.Outputs))
	for name, v := range result.Outputs {
		values[name] = v.Value
	}
	o, err := outputs.Decode(values)
	require.NoError(t, err)
	return o
}

// standing brings the mirror up, and the primary too when asked.
func standing(t *testing.T, primary bool) *pair {
	t.Helper()
	p := &pair{cloud: simtest.NewCloud()}
	p.engine = simtest.NewEngine(t, p.cloud)
	s, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	p.base = s
	up(t, p.engine.Stack(t, s, nil))
	if primary {
		s, err := s.ForRole(settings.Primary)
		require.NoError(t, err)
		o := up(t, p.engine.Stack(t, s, nil))
		require.Equal(t, "sql-careful-uks-cf4c.database.windows.net", o.DatabaseHost)
	}
	return p
}

func (p *pair) failover(t *testing.T, run settings.FailoverRun, kind settings.DatabaseKind) *settings.Settings {
	t.Helper()
	base := *p.base
	base.Database.Kind = kind
	s, err := base.ForFailover(run)
	require.NoError(t, err)
	return s
}

func TestDrillLeavesNothing(t *testing.T) {
	t.Parallel()
	p := standing(t, true)
	before, deleted := p.cloud.IDs(), p.cloud.SoftDeleted()
	for kind, secrets := range map[settings.DatabaseKind]map[string]string{
		settings.AzureSQL: nil, settings.Container: {program.PasswordKey: "Correct-Horse-9"},
	} {
		s := p.failover(t, settings.FailoverRun{ID: "d1", Drill: true, Deploy: true}, kind)
		stack := p.engine.Stack(t, s, secrets)
		o := up(t, stack)
		require.Empty(t, o.AppHost, "a drill has no public name")
		require.NotEmpty(t, p.cloud.Left(before))
		requireNotInState(t, p.engine, "Correct-Horse-9")
		_, err := stack.Destroy(t.Context())
		require.NoError(t, err)
		require.Empty(t, p.cloud.Left(before), "the teardown left something that will be billed")
		require.Equal(t, deleted, p.cloud.SoftDeleted(), "the teardown left a name taken")
		require.Equal(t, before, p.cloud.IDs(), "the drill took something of the standing stacks away")
	}
}

func requireNotInState(t *testing.T, e *simtest.Engine, secret string) {
	t.Helper()
	err := filepath.WalkDir(e.State, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		require.NotContains(t, string(body), secret, path)
		return err
	})
	require.NoError(t, err)
}

// TestFailoverWithoutThePrimary: the primary's region is gone, and everything that a
// failover touches is elsewhere; then it is brought up phase by phase.
func TestFailoverWithoutThePrimary(t *testing.T) {
	t.Parallel()
	p := standing(t, true)
	p.cloud.Inject(azuresim.Fault{Region: "uksouth", Effect: azuresim.RegionDown})
	run := settings.FailoverRun{ID: "f1", RestoreSKU: "GP_Gen5_8"}
	o := up(t, p.engine.Stack(t, p.failover(t, run, settings.AzureSQL), nil))
	require.Equal(t, "ukwest", o.Region)
	require.Equal(t, "azblob://stcarefulukwlogcf4c/log", o.LogURL, "the failover's store is the mirror")
	require.Empty(t, kinds(p.cloud, "kubernetes:apps/v1:Deployment", "ukwest"), "nothing runs before the restore")
	require.Equal(t, "GP_Gen5_8", o.DatabaseSKU)
	made := databaseIn(t, p.cloud, "ukwest")
	require.Equal(t, "GP_Gen5_8", made.Inputs["sku"].(map[string]any)["name"], "large for the restore alone")

	run.Deploy = true
	up(t, p.engine.Stack(t, p.failover(t, run, settings.AzureSQL), nil))
	require.Equal(t, []string{"careful"}, kinds(p.cloud, "kubernetes:apps/v1:Deployment", "ukwest"))
	require.Equal(t, "Disabled", endpoint(t, p.cloud, "failover-f1").Inputs["endpointStatus"])
	scaled := databaseIn(t, p.cloud, "ukwest")
	require.Equal(t, "GP_Gen5_4", scaled.Inputs["sku"].(map[string]any)["name"], "scaled down before anybody is connected")
	require.Equal(t, made.ID, scaled.ID, "and it is the one that was restored into")

	run.Live = true
	up(t, p.engine.Stack(t, p.failover(t, run, settings.AzureSQL), nil))
	require.Equal(t, []string{"agent", "careful"}, kinds(p.cloud, "kubernetes:apps/v1:Deployment", "ukwest"))
	now, old := endpoint(t, p.cloud, "failover-f1"), endpoint(t, p.cloud, "primary-uks")
	require.Equal(t, "Enabled", now.Inputs["endpointStatus"])
	require.Less(t, now.Inputs["priority"], old.Inputs["priority"], "an old primary that comes back must not take traffic")
}

// TestIdentitiesAreMadeBeforehand: a failover and a drill beside it use the identities of
// the standing mirror, take nothing of them away, and need nobody to give them rights.
func TestIdentitiesAreMadeBeforehand(t *testing.T) {
	t.Parallel()
	p := &pair{cloud: simtest.NewCloud()}
	p.engine = simtest.NewEngine(t, p.cloud)
	s, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	p.base = s
	up(t, p.engine.Stack(t, s, nil))
	s.Agent.StandingIdentity = true
	run := settings.FailoverRun{ID: "f1", Deploy: true, Live: true}
	first := p.engine.Stack(t, p.failover(t, run, settings.AzureSQL), nil)
	_, err = first.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, "run 'pulumi up' on its stack")

	up(t, p.engine.Stack(t, s, nil))
	require.Subset(t, kinds(p.cloud, "managedidentity:UserAssignedIdentity", "ukwest"), []string{"id-careful-ukw-agent", "id-careful-ukw-careful"})
	before := p.cloud.IDs()
	o := up(t, first)
	client := resourceOf(t, p.cloud, "managedidentity:UserAssignedIdentity", "/id-careful-ukw-agent").Outputs["clientId"]
	require.Equal(t, client, o.AgentClient)
	for account, name := range map[string]string{"lifeboat/agent": "/id-careful-ukw-agent", "careful/careful": "/id-careful-ukw-careful"} {
		metadata := resourceOf(t, p.cloud, "kubernetes:core/v1:ServiceAccount", account).Inputs["metadata"].(map[string]any)
		require.Equal(t, resourceOf(t, p.cloud, "managedidentity:UserAssignedIdentity", name).Outputs["clientId"],
			metadata["annotations"].(map[string]any)["azure.workload.identity/client-id"], account)
	}
	for _, name := range []string{"id-careful-f1-agent", "id-careful-f1-careful"} {
		require.NotContains(t, kinds(p.cloud, "managedidentity:UserAssignedIdentity", "ukwest"), name)
	}

	drill := p.engine.Stack(t, p.failover(t, settings.FailoverRun{ID: "d1", Drill: true, Deploy: true}, settings.AzureSQL), nil)
	serving := p.cloud.IDs()
	require.Equal(t, client, up(t, drill).AgentClient)
	_, err = drill.Destroy(t.Context())
	require.NoError(t, err)
	require.Equal(t, serving, p.cloud.IDs(), "the drill took something from the failover, or left something")
	require.Subset(t, serving, before)
}

// resourceOf is the one resource of a type whose id ends so.
func resourceOf(t *testing.T, c *azuresim.Cloud, kind, suffix string) azuresim.Resource {
	t.Helper()
	for _, r := range c.Resources() {
		if r.Type == kind && strings.HasSuffix(r.ID, suffix) {
			return r
		}
	}
	require.Fail(t, "no "+kind+" "+suffix)
	return azuresim.Resource{}
}

func databaseIn(t *testing.T, c *azuresim.Cloud, region azure.Region) azuresim.Resource {
	t.Helper()
	for _, r := range c.Resources() {
		if r.Type == "sql:Database" && r.Region == region {
			return r
		}
	}
	require.Fail(t, "no database in "+string(region))
	return azuresim.Resource{}
}

// kinds are the names of the resources of a type in a region.
func kinds(c *azuresim.Cloud, kind string, region azure.Region) []string {
	var names []string
	for _, r := range c.Resources() {
		if r.Type == kind && r.Region == region {
			names = append(names, r.ID[strings.LastIndexByte(r.ID, '/')+1:])
		}
	}
	slices.Sort(names)
	return names
}

func endpoint(t *testing.T, c *azuresim.Cloud, name string) azuresim.Resource {
	t.Helper()
	for _, r := range c.Resources() {
		if r.Type == "network:Endpoint" && strings.HasSuffix(r.ID, "/"+name) {
			return r
		}
	}
	require.Fail(t, "no endpoint "+name)
	return azuresim.Resource{}
}

// TestInterruptedUpIsFinishedByTheNext: whatever goes wrong in the middle, the next
// command makes the rest, and nothing twice.
func TestInterruptedUpIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	p := standing(t, false)
	before := p.cloud.IDs()
	s := p.failover(t, settings.FailoverRun{ID: "x1", Drill: true, Deploy: true}, settings.AzureSQL)
	stack := p.engine.Stack(t, s, nil)
	up(t, stack)
	want := p.cloud.IDs()
	p.cloud.Inject(azuresim.Fault{Verb: azuresim.Delete, Effect: azuresim.Throttled, Skip: 5, Times: 2})
	_, err := stack.Destroy(t.Context())
	require.ErrorContains(t, err, "TooManyRequests")
	require.NotEmpty(t, p.cloud.Left(before))
	_, err = stack.Destroy(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, p.cloud.IDs())
	for name, fault := range map[string]azuresim.Fault{
		"region dies":       {Region: "ukwest", Effect: azuresim.RegionDown, Skip: 25},
		"throttled":         {Verb: azuresim.Create, Effect: azuresim.Throttled, Skip: 10, Times: 3},
		"cluster times out": {Type: "containerservice:ManagedCluster", Verb: azuresim.Create, Effect: azuresim.TimedOut, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p.cloud.Inject(fault)
			_, err := stack.Up(t.Context(), optup.SuppressProgress())
			require.Error(t, err)
			p.cloud.Heal()
			up(t, stack)
			require.Equal(t, want, p.cloud.IDs())
			_, err = stack.Destroy(t.Context())
			require.NoError(t, err)
			require.Equal(t, before, p.cloud.IDs())
		})
	}
}

// TestLostAnswerIsNamed: the cloud made a resource and the answer never came. The engine
// does not know of it; the next up names it by its id, so that it can be imported or,
// as here, deleted, and the up after that finishes.
func TestLostAnswerIsNamed(t *testing.T) {
	t.Parallel()
	cloud := simtest.NewCloud()
	s, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	stack := simtest.NewEngine(t, cloud).Stack(t, s, nil)
	cloud.Inject(azuresim.Fault{Type: "containerregistry:Registry", Effect: azuresim.Lost, Times: 1})
	_, err = stack.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, "ConnectionReset")
	id := s.Names().RegistryID()
	require.Contains(t, cloud.IDs(), id)
	_, err = stack.Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, "cannot create already existing resource '"+id+"'")
	cloud.Remove(id)
	up(t, stack)
}

// TestAutomation is the life of a standing stack by the Automation API, as the command
// line's by the plain one.
func TestAutomation(t *testing.T) {
	t.Parallel()
	cloud := simtest.NewCloud()
	s, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	engine := simtest.NewEngine(t, cloud)
	stack := engine.Stack(t, s, nil)
	preview, err := stack.Preview(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[apitype.OpType]int{apitype.OpCreate: 28}, preview.ChangeSummary)
	require.Empty(t, cloud.IDs(), "a preview must not touch the cloud")
	up(t, stack)
	_, err = stack.Up(t.Context(), optup.SuppressProgress(), optup.ExpectNoChanges())
	require.NoError(t, err)

	id := s.Names().LogAccountID()
	require.True(t, cloud.Drift(id, "allowSharedKeyAccess", true))
	refreshed, err := stack.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, (*refreshed.Summary.ResourceChanges)["update"], "the refresh must see exactly what was changed")
	changed := *s
	changed.Edge.Interval, changed.Protect = 30, false
	stack = engine.Stack(t, &changed, nil)
	up(t, stack)
	for _, r := range cloud.Resources() {
		if r.ID == id {
			require.Equal(t, false, r.Inputs["allowSharedKeyAccess"])
		}
	}
	_, err = stack.Destroy(t.Context())
	require.NoError(t, err)
	require.Empty(t, cloud.IDs())
}

// TestPrimaryNeedsItsMirror: the lifeboat before the ship.
func TestPrimaryNeedsItsMirror(t *testing.T) {
	t.Parallel()
	cloud := simtest.NewCloud()
	s, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.primary.yaml"))
	require.NoError(t, err)
	_, err = simtest.NewEngine(t, cloud).Stack(t, s, nil).Up(t.Context(), optup.SuppressProgress())
	require.ErrorContains(t, err, "ParentResourceNotFound")
	require.ErrorContains(t, err, s.NamesOf(s.Regions.DR).Group())
}
