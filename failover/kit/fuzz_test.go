package kit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/kit"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
)

// FuzzManifest: whatever a store gives for a manifest is one, or is refused by name.
func FuzzManifest(f *testing.F) {
	blobtest.Hostile(f, []string{"testdata/v1/manifest.json"}, func(t *testing.T, body []byte) error {
		s := memory.New()
		s.Put("kits/manifests/0000000000000001", body)
		m, err := kit.Read(t.Context(), s, 1)
		if err == nil {
			require.Equal(t, uint64(1), m.Number)
			require.GreaterOrEqual(t, m.Bytes(), int64(0))
		}
		return err
	}, kit.ErrDamaged, kit.ErrNewer)
}
