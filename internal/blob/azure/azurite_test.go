package azure_test

import (
	"testing"
	"time"

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
}
