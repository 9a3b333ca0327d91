package budget_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover"
	"lifeboat/failover/budget"
	"lifeboat/internal/blob/memory"
	"lifeboat/restore"
)

var t0 = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// machine is a made-up machine: what a restore costs on it.
func machine(rows, logBytes int64, noise float64) budget.Observation {
	w := budget.Work{Rows: rows, RowBytes: rows * 120, LogBytes: logBytes, ReadBytes: logBytes + rows*40}
	return budget.Restored(t0.Add(time.Duration(rows)*time.Millisecond), "sqlite", w, []restore.Step{
		{Name: restore.StepChanges, Seconds: (0.01 + float64(logBytes)/25e6) * noise},
		{Name: restore.StepLoad, Seconds: (0.05 + float64(rows)/180_000) * noise},
		{Name: restore.StepFinish, Seconds: (0.02 + float64(rows)/900_000) * noise},
		{Name: restore.StepVerify, Seconds: (0.02 + float64(rows)/350_000) * noise},
	})
}

func TestOneRunCalibrates(t *testing.T) {
	t.Parallel()
	model := budget.Fit([]budget.Observation{machine(100_000, 10e6, 1)})
	for _, rows := range []int64{20_000, 100_000, 2_000_000} {
		o := machine(rows, rows*100, 1)
		seconds, basis := model.Restore(o.Work, "sqlite")
		require.InEpsilon(t, o.Actual, seconds, 0.1, "%d rows", rows)
		require.Equal(t, "fitted to 1 of sqlite", basis)
	}
}

func TestManyRunsSeparateFixedCostFromRate(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test's noise
	var seen []budget.Observation
	for range 30 {
		seen = append(seen, machine(10_000+r.Int64N(1_000_000), r.Int64N(50e6)+1, 0.95+0.1*r.Float64()))
	}
	model := budget.Fit(seen)
	for _, rows := range []int64{5_000, 5_000_000} {
		o := machine(rows, 1e6, 1)
		seconds, _ := model.Restore(o.Work, "sqlite")
		require.InEpsilon(t, o.Actual, seconds, 0.15, "%d rows", rows)
	}
}

func TestForecastSaysWhatItRestsOn(t *testing.T) {
	t.Parallel()
	steps := budget.Fit(nil).Forecast(budget.Job{Kind: failover.Failover, Database: "sqlite", TTL: 40 * time.Second})
	require.Len(t, steps, len(failover.Failover.Steps()))
	for _, s := range steps {
		require.Contains(t, s.Basis, "assumed", s.Name)
	}
	var seen []budget.Observation
	for i, seconds := range []float64{900, 1500, 1200} {
		seen = append(seen, budget.Observation{At: t0.Add(time.Duration(i) * time.Hour), Run: "f1", Database: "sqlserver GP_Gen5_8",
			Parts: []budget.Part{{Name: string(failover.StepProvision), Seconds: seconds}}})
	}
	steps = budget.Fit(seen).Forecast(budget.Job{Kind: failover.Drill, Database: "sqlserver GP_Gen5_8"})
	start := 0.0
	for _, s := range steps {
		require.InDelta(t, start, s.Start, 1e-9)
		start += s.Seconds
		if s.Name == failover.StepProvision {
			require.InDelta(t, 1200, s.Seconds, 0)
			require.Equal(t, "median of 3", s.Basis)
		}
	}
	require.Equal(t, 3, budget.Fit(seen).Runs(""))
	require.Zero(t, budget.Fit(seen).Runs("sqlite"))
}

func TestTheGovernorBoundsARestore(t *testing.T) {
	t.Parallel()
	w := budget.Work{Rows: 1, RowBytes: 90e9}
	seconds, basis := budget.Fit(nil).Restore(w, "sqlserver GP_Gen5_4")
	require.InEpsilon(t, 8000, seconds, 0.01)
	require.Contains(t, basis, "log rate of sqlserver GP_Gen5_4, 18 MB/s")
	for name, want := range map[string]float64{"GP_Gen5_2": 9e6, "GP_Gen5_80": 50e6, "GP_S_Gen5_4": 18e6, "BC_Gen5_4": 48e6, "HS_Gen5_2": 25e6} {
		rate, ok := budget.LogRate(name)
		require.True(t, ok, name)
		require.InDelta(t, want, rate, 1, name)
	}
	for _, name := range []string{"", "S3", "GP_Gen5", "XX_Gen5_2", "GP_Gen5_many"} {
		_, ok := budget.LogRate(name)
		require.False(t, ok, name)
	}
}

func TestPropose(t *testing.T) {
	t.Parallel()
	w := budget.Work{RowBytes: 90e9} // 8,000 s at 18 MB/s
	for _, tt := range []struct {
		sku    string
		within time.Duration
		want   string
	}{
		{"GP_Gen5_4", 3 * time.Hour, "GP_Gen5_4"},
		{"GP_Gen5_4", 90 * time.Minute, "GP_Gen5_6"},
		{"GP_Gen5_4", time.Minute, "GP_Gen5_12"}, // from there on the tier's own limit holds
		{"GP_Gen5_80", time.Minute, "GP_Gen5_80"},
		{"HS_Gen5_2", time.Minute, "HS_Gen5_8"},
		{"", time.Minute, ""},
	} {
		p := budget.Propose(w, tt.sku, tt.within)
		require.Equal(t, tt.want, p.SKU, fmt.Sprint(tt.sku, tt.within))
		require.Equal(t, tt.sku, p.After)
	}
}

func TestReplayBudget(t *testing.T) {
	t.Parallel()
	require.Zero(t, budget.Fit(nil).ReplayBudget("sqlite", 10*time.Second), "nothing measured, nothing said")
	model := budget.Fit([]budget.Observation{machine(1000, 10e6, 1)})
	require.InEpsilon(t, 250e6, float64(model.ReplayBudget("sqlite", 10*time.Second)), 0.01)
	require.Zero(t, model.ReplayBudget("sqlite", 0))
}

func TestObservationsAreKept(t *testing.T) {
	t.Parallel()
	store, ctx := memory.New(), t.Context()
	a, b := machine(1000, 1e6, 1), machine(2000, 2e6, 1)
	require.NoError(t, budget.Observe(ctx, store, b))
	require.NoError(t, budget.Observe(ctx, store, a))
	require.NoError(t, budget.Observe(ctx, store, a), "again is nothing")
	seen, err := budget.Observations(ctx, store)
	require.NoError(t, err)
	require.Len(t, seen, 2)
	require.Equal(t, a.Work, seen[0].Work)
	b.Actual = math.NaN()
	require.ErrorIs(t, budget.Observe(ctx, store, b), budget.ErrCorrupt)
	for body, want := range map[string]error{
		`{"format":2,"new":1}`: budget.ErrNewerFormat, `{"format":1,"x":1}`: budget.ErrCorrupt, `{`: budget.ErrCorrupt,
		`{"format":1}{}`: budget.ErrCorrupt, `{"format":1,"actual_seconds":-1}`: budget.ErrCorrupt,
	} {
		bad := memory.New()
		bad.Put("budget/0000000000000001", []byte(body))
		_, err := budget.Observations(ctx, bad)
		require.ErrorIs(t, err, want, body)
	}
}

func TestGoldenObservation(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("testdata/v1/observation.json")
	require.NoError(t, err)
	store := memory.New()
	store.Put("budget/0001772359200000", body)
	seen, err := budget.Observations(t.Context(), store)
	require.NoError(t, err)
	require.Equal(t, int64(99832), seen[0].Work.Rows)
	require.InDelta(t, 0.399, seen[0].Parts[1].Seconds, 0)
}
