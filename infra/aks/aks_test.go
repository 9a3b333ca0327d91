package aks_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/aks"
	"lifeboat/infra/azure"
	"lifeboat/infra/identity"
	"lifeboat/infra/infratest"
	"lifeboat/infra/record"
)

func cluster(t *testing.T, region azure.Region, disposable bool) []record.Resource {
	t.Helper()
	return infratest.Record(t, func(ctx *pulumi.Context) error {
		scope := infratest.Scope(region)
		ids, err := identity.New(ctx, "ids", &identity.Args{Scope: scope, Names: []string{"plane", "kubelet"}})
		if err != nil {
			return err
		}
		plane, err := ids.Get("plane")
		if err != nil {
			return err
		}
		kubelet, err := ids.Get("kubelet")
		if err != nil {
			return err
		}
		_, err = aks.New(ctx, "cluster", &aks.Args{
			Scope: scope, Version: "1.33", System: aks.Pool{Size: "Standard_D2ds_v5", Min: 2, Max: 3}, User: aks.Pool{Size: "Standard_D4ds_v5", Min: 2, Max: 6},
			SubnetID: pulumi.String("/subnet"), WorkspaceID: pulumi.String("/workspace"), Tenant: "t", AdminObjectID: "admins",
			ControlPlane: plane, Kubelet: kubelet, Day: "Sunday", Start: "02:00", Hours: 4, Disposable: disposable,
		})
		return err
	})
}

func TestClusterIsPrivateAndUnderEntra(t *testing.T) {
	t.Parallel()
	c := infratest.One(t, cluster(t, "uksouth", false), "ManagedCluster", "cluster")
	for _, check := range []struct {
		want any
		path []any
	}{
		{true, []any{"apiServerAccessProfile", "enablePrivateCluster"}},
		{true, []any{"apiServerAccessProfile", "disableRunCommand"}},
		{true, []any{"disableLocalAccounts"}},
		{true, []any{"aadProfile", "enableAzureRBAC"}},
		{true, []any{"oidcIssuerProfile", "enabled"}},
		{true, []any{"securityProfile", "workloadIdentity", "enabled"}},
		{true, []any{"securityProfile", "defender", "securityMonitoring", "enabled"}},
		{true, []any{"addonProfiles", "omsagent", "enabled"}},
		{"cilium", []any{"networkProfile", "networkPolicy"}},
		{"Standard", []any{"sku", "tier"}},
		{"<ids-kubelet>", []any{"identityProfile", "kubeletidentity", "resourceId"}},
		{"<ids-plane>", []any{"identity", "userAssignedIdentities", 0}},
	} {
		require.Equal(t, check.want, infratest.Get(c, check.path...), check.path)
	}
}

func TestPoolsSpreadWhereThereAreZonesAndScale(t *testing.T) {
	t.Parallel()
	for region, zones := range map[azure.Region]any{"uksouth": []any{"1", "2", "3"}, "ukwest": nil} {
		all := cluster(t, region, false)
		require.Equal(t, zones, infratest.Get(infratest.One(t, all, "ManagedCluster", "cluster"), "agentPoolProfiles", 0, "availabilityZones"))
		user := infratest.One(t, all, "AgentPool", "cluster-user")
		require.Equal(t, zones, infratest.Get(user, "availabilityZones"))
		require.Equal(t, true, user.Inputs["enableAutoScaling"])
		require.InEpsilon(t, 6.0, user.Inputs["maxCount"], 0)
		require.Equal(t, 2, infratest.Count(all, "MaintenanceConfiguration"))
	}
}

func TestKubeconfigIsASecretAndADrillIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, disposable := range []bool{true, false} {
		p := infratest.One(t, cluster(t, "uksouth", disposable), "kubernetes", "cluster")
		require.Equal(t, record.Masked, p.Inputs["kubeconfig"])
		require.Contains(t, []any{disposable, map[bool]string{true: "true", false: "false"}[disposable]}, p.Inputs["deleteUnreachable"])
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := aks.New(ctx, "cluster", &aks.Args{Scope: infratest.Scope("uksouth"), System: aks.Pool{Size: "tiny", Min: 2, Max: 1}, User: aks.Pool{Size: "Standard_D4ds_v5", Min: 1, Max: 1}})
		return err
	})
	for _, want := range []string{`system.size: "tiny" is not a known node size`, "system: 2 to 1 nodes", "hours: 0 is under the 4", "subnet, workspace"} {
		require.Contains(t, why, want)
	}
}
