package azure_test

import (
	"testing"
	"time"

	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/blob/blobtest"
)

func openStore(t testing.TB, c azure.Config) *azure.Store {
	s, err := azure.Open(c)
	require.NoError(t, err)
	return s
}

// TestAzurite shares two servers, as two regions, between its parts.
func TestAzurite(t *testing.T) {
	t.Parallel()
	south := azuritetest.Start(t, "uksouth")
	west := azuritetest.Start(t, "ukwest")
	t.Run("suite with a key", func(t *testing.T) {
		t.Parallel()
		blobtest.Run(t, blobtest.Suite{New: func(t *testing.T) blob.Store { return south.Store(t) }, Big: 20 << 20})
	})
	t.Run("suite with a SAS and a prefix", func(t *testing.T) {
		t.Parallel()
		blobtest.Run(t, blobtest.Suite{New: func(t *testing.T) blob.Store {
			c := west.Config(t)
			c.Key, c.Prefix = "", "tenants/careful"
			c.SAS = west.SAS(t, sas.AccountPermissions{Read: true, Write: true, Create: true, Delete: true, List: true}, time.Now().Add(time.Hour))
			return openStore(t, c)
		}})
	})
	for name, test := range map[string]func(*testing.T, *azuritetest.Server){
		"lost answers":         testLostAnswers,
		"broken reads":         testBrokenReads,
		"storm":                testStorm,
		"cancel stops changes": testCancelStopsChanges,
		"refusals":             testRefusals,
		"hazards":              testHazards,
		"log in a storm":       testLogInAStorm,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, west)
		})
	}
}

// testRefusals: what Azurite itself refuses arrives with its code and its hint.
func testRefusals(t *testing.T, server *azuritetest.Server) {
	ctx, soon := t.Context(), time.Now().Add(time.Hour)
	good := server.Config(t)
	require.NoError(t, openStore(t, good).Create(ctx, "there", []byte("x")))
	read := server.SAS(t, sas.AccountPermissions{Read: true, List: true}, soon)
	tests := []struct {
		name   string
		change func(c *azure.Config)
		says   string
	}{
		{"no container", func(c *azure.Config) { c.Container = "nowhere" }, "infrastructure code"},
		{"wrong key", func(c *azure.Config) { c.Key = "d3Jvbmc=" }, "credential"}, // AuthorizationFailure here, AuthenticationFailed in Azure
		{"expired SAS", func(c *azure.Config) {
			c.Key, c.SAS = "", server.SAS(t, sas.AccountPermissions{Read: true, Create: true, Write: true}, time.Now().Add(-time.Hour))
		}, "credential"},
		{"SAS that may only read", func(c *azure.Config) { c.Key, c.SAS = "", read }, "Storage Blob Data Contributor"},
	}
	for _, tt := range tests {
		c := good
		tt.change(&c)
		err := openStore(t, c).Create(ctx, "new", []byte("x"))
		require.ErrorIs(t, err, blob.ErrPermanent, tt.name)
		require.ErrorContains(t, err, tt.says, tt.name)
		require.ErrorContains(t, err, c.Location.String(), tt.name)
		require.NotContains(t, err.Error(), "sig=", tt.name)
	}
	require.NoError(t, openStore(t, good).Check(ctx))
	good.Container = "nowhere"
	err := openStore(t, good).Check(ctx)
	require.ErrorIs(t, err, blob.ErrPermanent)
	_, err = openStore(t, good).Stat(ctx, "there")
	require.NotErrorIs(t, err, blob.ErrNotExist, "a missing container is not a missing object")
	for _, err := range openStore(t, good).List(ctx, "", "") {
		require.ErrorIs(t, err, blob.ErrPermanent)
	}
	require.Error(t, openStore(t, good).Delete(ctx, "there"))
}

// testHazards: what a lifecycle rule does to objects is seen, and said when one is read.
func testHazards(t *testing.T, server *azuritetest.Server) {
	c := server.Config(t)
	s, plain := openStore(t, c), openBare(t, c)
	for _, name := range []string{"chunks/1", "chunks/2", "chunks/3"} {
		require.NoError(t, s.Create(t.Context(), name, []byte("x")))
	}
	found, err := s.Hazards(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	for name, tier := range map[string]azblob.AccessTier{"chunks/1": azblob.AccessTierCool, "chunks/2": azblob.AccessTierArchive} {
		_, err := plain.c.NewBlobClient(name).SetTier(t.Context(), tier, nil)
		require.NoError(t, err)
	}
	found, err = s.Hazards(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Contains(t, found[0], "chunks/2")
	require.Contains(t, found[0], "archive tier")
	require.Contains(t, found[1], "lifecycle rule")
}
