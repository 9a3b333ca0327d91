package hospital_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/drill/hospital"
)

func TestRowsAreAsManyAsAskedForAndFixedBySeed(t *testing.T) {
	t.Parallel()
	for _, total := range []int{50, 1_000, 100_000} {
		a := slices.Collect(hospital.Rows(total, 7))
		require.InDelta(t, total, len(a), float64(total)/20+10)
		require.Equal(t, fmt.Sprint(a[:40]), fmt.Sprint(slices.Collect(hospital.Rows(total, 7))[:40]))
		require.NotEqual(t, fmt.Sprint(a), fmt.Sprint(slices.Collect(hospital.Rows(total, 8))))
	}
}

func TestPatientNumbersAreValidTestNumbersAndUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for row := range hospital.Rows(100_000, 1) {
		if row.Table != "patient" {
			continue
		}
		n := row.Values[1].(string)
		require.Regexp(t, `^999\d{7}$`, n)
		require.False(t, seen[n], "number %s twice", n)
		seen[n] = true
		sum := 0
		for i := range 9 {
			sum += int(n[i]-'0') * (10 - i)
		}
		require.Equal(t, (11-sum%11)%11, int(n[9]-'0'), n)
	}
	require.NotEmpty(t, seen)
}
