package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/budget"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/drill/embedded"
)

// BenchmarkForecast restores databases of three sizes, each forecast from one calibrating
// restore alone, and reports how far each forecast was off, in percent of the actual time.
// Run it alone, with -benchtime 1x: it measures a machine, and asserts nothing about it.
func BenchmarkForecast(b *testing.B) {
	for range b.N {
		_, calibration := forecastSite(b, 200_000, nil)
		for _, rows := range []int{50_000, 200_000, 800_000} {
			r, _ := forecastSite(b, rows, calibration)
			var actual float64
			for _, s := range r.Steps {
				actual += s.Seconds
			}
			b.ReportMetric(100*(r.Forecast-actual)/actual, fmt.Sprintf("%%off/%d", rows))
			b.ReportMetric(actual, fmt.Sprintf("s/%d", rows))
		}
	}
}

// forecastSite protects a new database of some rows and restores it, after teaching its
// store what was seen elsewhere; it returns what its own restore taught.
func forecastSite(b *testing.B, rows int, seen []budget.Observation) (restoreResult, []budget.Observation) {
	b.Helper()
	root := b.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	must := func(args ...string) string {
		var out, errout bytes.Buffer
		require.Zero(b, run(b.Context(), append(args, "--quiet", "--config", at("lifeboat.yaml")), strings.NewReader(""), &out, &errout), errout.String())
		return out.String()
	}
	require.NoError(b, embedded.Hospital(b.Context(), at("app.sqlite"), rows, 1))
	must("init", "--database", "sqlite:"+at("app.sqlite"), "--primary", "dir:"+at("primary"), "--mirror", "dir:"+at("mirror"))
	must("capture", "install")
	must("snapshot", "take", "--base")
	store, err := dir.Open(at("mirror"))
	require.NoError(b, err)
	for _, o := range seen {
		require.NoError(b, budget.Observe(b.Context(), store, o))
	}
	var r restoreResult
	require.NoError(b, json.Unmarshal([]byte(must("restore", "--latest", "--into", "sqlite:"+at("restored.sqlite"), "--json")), &r))
	all, err := budget.Observations(b.Context(), store)
	require.NoError(b, err)
	b.Logf("%d rows: forecast %.2f s; %v", r.Rows, r.Forecast, r.Steps)
	return r, all
}
