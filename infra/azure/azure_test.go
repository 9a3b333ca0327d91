package azure_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/infra/azure"
)

// TestEveryRegionHasAPairInItsGeography: a mirror by default never leaves the boundary.
func TestEveryRegionHasAPairInItsGeography(t *testing.T) {
	t.Parallel()
	codes := map[string]azure.Region{}
	for _, r := range azure.Regions() {
		require.True(t, r.Pair().Known(), r)
		require.NotEqual(t, r, r.Pair())
		require.Equal(t, r.Geography(), r.Pair().Geography(), r)
		require.Len(t, r.Code(), 3, r)
		require.Empty(t, codes[r.Code()], "%s and %s share a code, and so their names", r, codes[r.Code()])
		codes[r.Code()] = r
	}
	require.Equal(t, []azure.Region{"uksouth", "ukwest"}, azure.RegionsIn("uk"))
	require.False(t, azure.Region("ukwest").Zones())
}

func TestDatabaseSizes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]float64{"GP_Gen5_4": 18, "GP_Gen5_2": 9, "GP_Gen5_80": 50, "BC_Gen5_8": 96, "HS_Gen5_8": 100, "GP_S_Gen5_2": 9} {
		got, err := azure.ParseDatabaseSKU(name)
		require.NoError(t, err)
		require.InEpsilon(t, want, got.LogMBps, 1e-9, name)
	}
	for _, name := range []string{"", "GP_Gen5", "GP_Gen5_3", "GP_Gen5_x", "gp_gen5_4", "S3", "_4", "GP_Gen5_4 "} {
		_, err := azure.ParseDatabaseSKU(name)
		require.ErrorContains(t, err, "is not a database size", name)
	}
}

func TestProblemsReadTheSameWhateverTheOrder(t *testing.T) {
	t.Parallel()
	var a, b azure.Problems
	a.Addf("x", "one")
	a.Check("y", errors.New("two"))
	a.Check("z", nil)
	b.Check("y", errors.New("two"))
	b.Addf("x", "one")
	require.EqualError(t, a.Err(), "x: one\ny: two")
	require.Equal(t, a.Err().Error(), b.Err().Error())
	require.NoError(t, new(azure.Problems).Err())
}
