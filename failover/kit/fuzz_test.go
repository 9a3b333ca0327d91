package kit_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/kit"
	"lifeboat/internal/blob/memory"
)

// FuzzManifest: whatever a store gives for a manifest is one, or is refused by name.
func FuzzManifest(f *testing.F) {
	golden, err := os.ReadFile("testdata/v1/manifest.json")
	require.NoError(f, err)
	f.Add(golden)
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return // no store keeps it
		}
		store := memory.New()
		store.Put("kits/manifests/0000000000000001", body)
		m, err := kit.Read(t.Context(), store, 1)
		if err != nil {
			require.True(t, errors.Is(err, kit.ErrDamaged) || errors.Is(err, kit.ErrNewer), "%v", err)
			return
		}
		require.Equal(t, uint64(1), m.Number)
		require.GreaterOrEqual(t, m.Bytes(), int64(0))
	})
}
