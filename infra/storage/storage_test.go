package storage_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/azure"
	"lifeboat/infra/infratest"
	"lifeboat/infra/record"
	"lifeboat/infra/storage"
)

func args(region azure.Region) *storage.Args {
	return &storage.Args{Scope: infratest.Scope(region), ImmutableDays: 35, Lock: true, SoftDeleteDays: 14, StateContainer: true}
}

func made(t *testing.T, a *storage.Args) []record.Resource {
	t.Helper()
	return infratest.Record(t, func(ctx *pulumi.Context) error {
		_, err := storage.New(ctx, "store", a)
		return err
	})
}

func TestNobodyGetsInButIdentitiesOnThePrivateNetwork(t *testing.T) {
	t.Parallel()
	all := made(t, args("uksouth"))
	for _, name := range []string{"store", "store-state"} {
		account := infratest.One(t, all, "StorageAccount", name)
		require.Equal(t, false, account.Inputs["allowSharedKeyAccess"])
		require.Equal(t, false, account.Inputs["allowBlobPublicAccess"])
		require.Equal(t, "TLS1_2", account.Inputs["minimumTlsVersion"])
		require.Equal(t, "Disabled", account.Inputs["publicNetworkAccess"])
		require.Equal(t, "Deny", infratest.Get(account, "networkRuleSet", "defaultAction"))
		require.True(t, account.Protect)
	}
}

func TestOperatorsAreLetInByAddress(t *testing.T) {
	t.Parallel()
	a := args("uksouth")
	a.OperatorAddresses = []string{"203.0.113.7"}
	account := infratest.One(t, made(t, a), "StorageAccount", "store")
	require.Equal(t, "Enabled", account.Inputs["publicNetworkAccess"])
	require.Equal(t, "Deny", infratest.Get(account, "networkRuleSet", "defaultAction"))
	require.Equal(t, "203.0.113.7", infratest.Get(account, "networkRuleSet", "ipRules", 0, "iPAddressOrRange"))
}

func TestRetentionIsMadeThenLocked(t *testing.T) {
	t.Parallel()
	all := made(t, args("uksouth"))
	policy := func(name string) map[string]any {
		d := infratest.One(t, all, "Deployment", name)
		p, _ := infratest.Get(d, "properties", "template", "resources", 0, "properties", "immutableStorageWithVersioning", "immutabilityPolicy").(map[string]any)
		return p
	}
	require.Equal(t, "Unlocked", policy("store-retention")["state"], "Azure creates no policy that is locked")
	require.Equal(t, "Locked", policy("store-retention-lock")["state"])
	require.InEpsilon(t, 35.0, policy("store-retention-lock")["immutabilityPeriodSinceCreationInDays"], 0)
	require.Contains(t, infratest.One(t, all, "Deployment", "store-retention-lock").DependsOn,
		"azure-native:resources/v20241101:Deployment store-retention")
	require.Equal(t, true, infratest.Get(infratest.One(t, all, "StorageAccount", "store"), "immutableStorageWithVersioning", "enabled"))
	require.Nil(t, infratest.One(t, all, "StorageAccount", "store-state").Inputs["immutableStorageWithVersioning"], "state must be writable")

	a := args("uksouth")
	a.Lock = false
	require.Equal(t, 1, infratest.Count(made(t, a), "Deployment"))
}

func TestVersionsAndSoftDelete(t *testing.T) {
	t.Parallel()
	service := infratest.One(t, made(t, args("uksouth")), "BlobServiceProperties", "store")
	require.Equal(t, true, service.Inputs["isVersioningEnabled"])
	require.Equal(t, map[string]any{"enabled": true, "days": 14.0}, service.Inputs["deleteRetentionPolicy"])
	require.Equal(t, map[string]any{"enabled": true, "days": 14.0}, service.Inputs["containerDeleteRetentionPolicy"])
}

func TestRedundancyFollowsTheRegion(t *testing.T) {
	t.Parallel()
	for region, want := range map[azure.Region]string{"uksouth": "Standard_ZRS", "ukwest": "Standard_LRS"} {
		require.Equal(t, want, infratest.Get(infratest.One(t, made(t, args(region)), "StorageAccount", "store"), "sku", "name"))
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := storage.New(ctx, "store", &storage.Args{ImmutableDays: 146001})
		return err
	})
	for _, want := range []string{"immutableDays: 146001", "softDeleteDays: 0", "group: is missing", "names: incomplete", `region: "" is not a known region`} {
		require.Contains(t, why, want)
	}
}
