package registry_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/infratest"
	"lifeboat/infra/registry"
)

func TestImagesAreInBothRegions(t *testing.T) {
	t.Parallel()
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		_, err := registry.New(ctx, "images", &registry.Args{Scope: infratest.Scope("ukwest"), Replica: "uksouth"})
		return err
	})
	home := infratest.One(t, all, "Registry", "images")
	require.Equal(t, "ukwest", home.Inputs["location"])
	require.Equal(t, "Premium", infratest.Get(home, "sku", "name"))
	require.Equal(t, false, home.Inputs["adminUserEnabled"])
	require.Equal(t, "Disabled", home.Inputs["zoneRedundancy"], "UK West has no zones")
	replica := infratest.One(t, all, "Replication", "images")
	require.Equal(t, "uksouth", replica.Inputs["location"])
	require.Equal(t, "Enabled", replica.Inputs["zoneRedundancy"])
}

func TestAReplicaAtHomeIsRefused(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := registry.New(ctx, "images", &registry.Args{Scope: infratest.Scope("ukwest"), Replica: "ukwest"})
		return err
	})
	require.Contains(t, why, "replica: is the registry's own region ukwest")
}
