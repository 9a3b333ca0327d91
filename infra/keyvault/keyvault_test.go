package keyvault_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/infratest"
	"lifeboat/infra/keyvault"
)

func TestVaultCannotBeEmptied(t *testing.T) {
	t.Parallel()
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		_, err := keyvault.New(ctx, "vault", &keyvault.Args{Scope: infratest.Scope("ukwest"), Tenant: "t"})
		return err
	})
	vault := infratest.One(t, all, "Vault", "vault")
	for path, want := range map[string]any{
		"enablePurgeProtection": true, "enableSoftDelete": true, "enableRbacAuthorization": true, "softDeleteRetentionInDays": 90.0, "publicNetworkAccess": "Disabled",
	} {
		require.Equal(t, want, infratest.Get(vault, "properties", path), path)
	}
	require.Equal(t, "Deny", infratest.Get(vault, "properties", "networkAcls", "defaultAction"))
	key := infratest.One(t, all, "Key", "vault-wrap")
	require.Equal(t, []any{"wrapKey", "unwrapKey"}, infratest.Get(key, "properties", "keyOps"), "the key wraps and does nothing else")
	require.True(t, vault.Protect)
	require.True(t, key.Protect, "without the key no snapshot opens")
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := keyvault.New(ctx, "vault", &keyvault.Args{})
		return err
	})
	require.Contains(t, why, "tenant: is empty")
	require.Contains(t, why, "group: is missing")
}
