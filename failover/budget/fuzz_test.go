package budget_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/budget"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
)

// FuzzObservation: what is read can be forecast from, and the rest is refused by name.
func FuzzObservation(f *testing.F) {
	blobtest.Hostile(f, []string{"testdata/v1/observation.json"}, func(t *testing.T, body []byte) error {
		s := memory.New()
		s.Put("budget/0001772359200000", body)
		seen, err := budget.Observations(t.Context(), s)
		if err == nil {
			forecast := budget.Fit(seen).Restore(budget.Work{Rows: 1000, RowBytes: 100_000, ReadBytes: 50_000}, "sqlite")
			require.GreaterOrEqual(t, forecast.Seconds, 0.0)
			require.GreaterOrEqual(t, budget.Fit(seen).ReplayBudget("sqlite", time.Second), int64(0))
		}
		return err
	}, budget.ErrCorrupt, budget.ErrNewerFormat)
}
