package budget_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/budget"
	"lifeboat/internal/blob/memory"
)

// FuzzObservation: what is read can be forecast from, and the rest is refused by name.
func FuzzObservation(f *testing.F) {
	golden, err := os.ReadFile("testdata/v1/observation.json")
	require.NoError(f, err)
	f.Add(golden)
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return // no store keeps it
		}
		store := memory.New()
		store.Put("budget/0001772359200000", body)
		seen, err := budget.Observations(t.Context(), store)
		if err != nil {
			require.True(t, errors.Is(err, budget.ErrCorrupt) || errors.Is(err, budget.ErrNewerFormat), "%v", err)
			return
		}
		forecast := budget.Fit(seen).Restore(budget.Work{Rows: 1000, RowBytes: 100_000, ReadBytes: 50_000}, "sqlite")
		require.GreaterOrEqual(t, forecast.Seconds, 0.0)
		require.GreaterOrEqual(t, budget.Fit(seen).ReplayBudget("sqlite", time.Second), int64(0))
	})
}
