package budget_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/failover"
	"lifeboat/failover/budget"
	"lifeboat/internal/blob/memory"
	"lifeboat/restore"
)

var t0 = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// restored is what a restore of rows of 120 bytes took.
func restored(rows, logBytes int64, database string, took [4]float64) budget.Observation {
	w := budget.Work{Rows: rows, RowBytes: rows * 120, LogBytes: logBytes, ReadBytes: logBytes + rows*40}
	return observed(w, database, took)
}

func observed(w budget.Work, database string, took [4]float64) budget.Observation {
	return budget.Restored(t0.Add(time.Duration(w.Rows)*time.Millisecond), database, w, []restore.Step{
		{Name: restore.StepChanges, Seconds: took[0]}, {Name: restore.StepLoad, Seconds: took[1]},
		{Name: restore.StepFinish, Seconds: took[2]}, {Name: restore.StepVerify, Seconds: took[3]},
	})
}

// server is a made-up database of which nothing is known beforehand: its costs, all times
// `slow`, have nothing to do with the presets.
func server(rows, logBytes int64, slow float64) budget.Observation {
	return restored(rows, logBytes, "other", [4]float64{
		slow * (0.01 + float64(logBytes)/25e6), slow * (0.09 + float64(rows)/180_000),
		slow * (0.4 + float64(rows)/900_000), slow * (0.02 + float64(rows)/350_000),
	})
}

func TestOneRunCalibrates(t *testing.T) {
	t.Parallel()
	for _, slow := range []float64{0.1, 1, 100} {
		model := budget.Fit([]budget.Observation{server(1_000_000, 10e6, slow)})
		for _, rows := range []int64{300_000, 1_000_000, 20_000_000} {
			o := server(rows, rows*10, slow)
			e := model.Restore(o.Work, "other")
			require.InEpsilon(t, o.Actual, e.Seconds, 0.2, "%d rows, %g times as slow", rows, slow)
			require.Equal(t, "fitted to 1 of other", e.Basis)
		}
	}
}

// TestSmallRunSaysLittleAboutTheRate: a restore of next to nothing must not make a large
// one look endless, or free.
func TestSmallRunSaysLittleAboutTheRate(t *testing.T) {
	t.Parallel()
	large := budget.Work{Rows: 10_000_000, RowBytes: 1.2e9}
	usual := budget.Fit(nil).Restore(large, "other").Seconds
	for _, slow := range []float64{0.01, 30} {
		one := restored(10, 0, "other", [4]float64{0.01 * slow, 0.05 * slow, 0.02 * slow, 0.02 * slow})
		require.InEpsilon(t, usual, budget.Fit([]budget.Observation{one}).Restore(large, "other").Seconds, 0.3, "%g times as slow", slow)
	}
	nothing := restored(0, 0, "other", [4]float64{})
	require.InEpsilon(t, usual, budget.Fit([]budget.Observation{nothing}).Restore(large, "other").Seconds, 0.1)
}

func TestManyRunsSeparateFixedCostFromRate(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test's noise
	var seen []budget.Observation
	for range 30 {
		seen = append(seen, server(10_000+r.Int64N(1_000_000), r.Int64N(50e6)+1, 0.95+0.1*r.Float64()))
	}
	model := budget.Fit(seen)
	for _, rows := range []int64{5_000, 5_000_000} {
		o := server(rows, 1e6, 1)
		require.InEpsilon(t, o.Actual, model.Restore(o.Work, "other").Seconds, 0.15, "%d rows", rows)
	}
}

// TestMeasuredRestores forecasts restores into SQLite that were measured, each from one
// other alone: medians on two cores that nobody else used, seconds.
func TestMeasuredRestores(t *testing.T) {
	t.Parallel()
	hospital := []budget.Observation{
		observed(budget.Work{Rows: 50_000, RowBytes: 4_488_385}, "sqlite", [4]float64{0.0001, 0.065, 0.179, 0.022}),
		observed(budget.Work{Rows: 200_000, RowBytes: 18_157_392}, "sqlite", [4]float64{0.0001, 0.261, 0.821, 0.068}),
		observed(budget.Work{Rows: 800_000, RowBytes: 72_953_315}, "sqlite", [4]float64{0.0001, 1.038, 4.125, 0.260}),
	}
	wide := []budget.Observation{
		observed(budget.Work{Rows: 10_500, RowBytes: 15_677_637}, "sqlite", [4]float64{0.0001, 0.099, 0.055, 0.030}),
		observed(budget.Work{Rows: 40_500, RowBytes: 62_714_845}, "sqlite", [4]float64{0.0001, 0.337, 0.346, 0.105}),
		observed(budget.Work{Rows: 160_500, RowBytes: 250_877_954}, "sqlite", [4]float64{0.0001, 0.944, 1.582, 0.400}),
	}
	for name, runs := range map[string][]budget.Observation{"narrow rows": hospital, "wide rows": wide} {
		for _, calibrating := range runs {
			model := budget.Fit([]budget.Observation{calibrating})
			for _, o := range runs {
				e := model.Restore(o.Work, "sqlite")
				t.Logf("%s: %7d rows, calibrated on %7d: forecast %.3f s, actual %.3f s: %+.0f %%",
					name, o.Work.Rows, calibrating.Work.Rows, e.Seconds, o.Actual, 100*(e.Seconds/o.Actual-1))
				require.InEpsilon(t, o.Actual, e.Seconds, 0.2, "%s: %d rows from %d", name, o.Work.Rows, calibrating.Work.Rows)
			}
		}
	}
}

// TestStepsAddUp: the steps' forecasts are the whole's, and follow the restore.
func TestStepsAddUp(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "other", "sqlserver GP_Gen5_2"} {
		e := budget.Fit(nil).Restore(budget.Work{Rows: 1e6, RowBytes: 9e9, LogBytes: 1e6}, database)
		var sum float64
		var names []string
		for _, p := range e.Parts {
			sum += p.Seconds
			names = append(names, p.Name)
		}
		require.InEpsilon(t, e.Seconds, sum, 1e-9)
		require.Equal(t, []string{restore.StepChanges, restore.StepLoad, restore.StepFinish, restore.StepVerify}, names)
	}
}

// TestMoreWorkNeverTakesLess: whatever was seen, a larger restore is forecast to take longer.
func TestMoreWorkNeverTakesLess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		database := rapid.SampledFrom([]string{"sqlite", "other"}).Draw(t, "database")
		var seen []budget.Observation
		for range rapid.IntRange(0, 5).Draw(t, "runs") {
			took := rapid.SliceOfN(rapid.Float64Range(0, 1e5), 4, 4).Draw(t, "took")
			seen = append(seen, restored(rapid.Int64Range(0, 1e9).Draw(t, "rows"), rapid.Int64Range(0, 1e12).Draw(t, "log"), database, [4]float64(took)))
		}
		model := budget.Fit(seen)
		before := 0.0
		for rows := int64(0); rows < 1e10; rows = rows*3 + 1 {
			now := model.Restore(budget.Work{Rows: rows, RowBytes: rows * 120, LogBytes: rows}, database).Seconds
			if math.IsNaN(now) || math.IsInf(now, 0) || now < before {
				t.Fatalf("%d rows: %g s after %g s", rows, now, before)
			}
			before = now
		}
	})
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
}

// TestWithoutAStackNothingIsBroughtUp: steps that have nothing to do take no time, and say
// so, whatever a run with a stack took.
func TestWithoutAStackNothingIsBroughtUp(t *testing.T) {
	t.Parallel()
	seen := []budget.Observation{{At: t0, Run: "d1", Parts: []budget.Part{{Name: string(failover.StepDeploy), Seconds: 300}}}}
	for _, kind := range []failover.Kind{failover.Failover, failover.Drill, failover.Failback} {
		for _, s := range budget.Fit(seen).Forecast(budget.Job{Kind: kind, Database: "sqlite", NoStack: true}) {
			if budget.OfStack(s.Name) {
				require.Zero(t, s.Seconds, s.Name)
				require.Equal(t, "nothing to do: no stack is configured", s.Basis)
			}
		}
	}
}

func TestTheGovernorBoundsARestore(t *testing.T) {
	t.Parallel()
	w := budget.Work{Rows: 1, RowBytes: 90e9}
	e := budget.Fit(nil).Restore(w, "sqlserver GP_Gen5_4")
	require.InEpsilon(t, 8000, e.Seconds, 0.01)
	require.Contains(t, e.Basis, "log rate of sqlserver GP_Gen5_4, 18 MB/s")
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
	model := budget.Fit([]budget.Observation{server(1000, 10e6, 1)})
	require.InEpsilon(t, 250e6, float64(model.ReplayBudget("other", 10*time.Second)), 0.02)
	require.Zero(t, model.ReplayBudget("other", 0))
	model = budget.Fit([]budget.Observation{server(1000, 0, 1)})
	require.Zero(t, model.ReplayBudget("other", 10*time.Second), "nor of one that had no log to go through")
}

func TestObservationsAreKept(t *testing.T) {
	t.Parallel()
	store, ctx := memory.New(), t.Context()
	a, b := server(1000, 1e6, 1), server(2000, 2e6, 1)
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
