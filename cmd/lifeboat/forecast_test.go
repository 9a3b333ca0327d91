//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/budget"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/drill/embedded"
)

// forecastRounds is how often everything is repeated: what differs between restores of the
// same rows is the machine's noise, which no forecast can know.
const forecastRounds = 5

// BenchmarkForecast restores databases of three sizes, each forecast from one calibrating
// restore of the middle one alone, several times over. For each size it reports
//
//   - %off: how far the forecast was off, in percent of the actual time, as the median of
//     the rounds, and %worst of them;
//   - %noise: by how much the slowest restore of these very rows took longer than the
//     fastest;
//   - %cpu: how far off the forecast is by processor time: what the calibrating restore
//     used, times the forecast growth. Other work on the machine changes that less.
//
// Run it alone, with -benchtime 1x: it measures a machine, and asserts nothing about it.
func BenchmarkForecast(b *testing.B) {
	for _, schema := range []struct {
		name  string
		sizes [3]int
		make  func(ctx context.Context, path string, rows int) error
	}{
		{"narrow", [3]int{50_000, 200_000, 800_000}, func(ctx context.Context, path string, rows int) error {
			return embedded.Hospital(ctx, path, rows, 1)
		}},
		{"wide", [3]int{10_000, 40_000, 160_000}, makeDocuments},
	} {
		b.Run(schema.name, func(b *testing.B) {
			var sites []*forecastSite
			for _, rows := range schema.sizes {
				sites = append(sites, newForecastSite(b, rows, schema.make))
			}
			for b.Loop() {
				for range forecastRounds {
					calibration := sites[1].restore(b, nil)
					for _, s := range sites {
						s.compare(b, calibration)
					}
				}
			}
			for _, s := range sites {
				s.report(b)
			}
		})
	}
}

// forecastSite is one protected database and what restoring it took.
type forecastSite struct {
	root   string
	rows   int
	mirror blob.Store
	off    []float64 // percent, by round
	offCPU []float64
	took   []float64 // seconds
}

func newForecastSite(b *testing.B, rows int, create func(context.Context, string, int) error) *forecastSite {
	b.Helper()
	s := &forecastSite{root: b.TempDir(), rows: rows}
	require.NoError(b, create(b.Context(), s.at("app.sqlite"), rows))
	s.must(b, "init", "--database", "sqlite:"+s.at("app.sqlite"), "--primary", "dir:"+s.at("primary"), "--mirror", "dir:"+s.at("mirror"))
	s.must(b, "capture", "install")
	s.must(b, "snapshot", "take", "--base")
	var err error
	s.mirror, err = dir.Open(s.at("mirror"))
	require.NoError(b, err)
	return s
}

func (s *forecastSite) at(name string) string { return filepath.Join(s.root, name) }

func (s *forecastSite) must(b *testing.B, args ...string) string {
	b.Helper()
	var out, errout bytes.Buffer
	require.Zero(b, run(b.Context(), append(args, "--quiet", "--config", s.at("lifeboat.yaml")), strings.NewReader(""), &out, &errout), errout.String())
	return out.String()
}

// forecastRun is one restore: what was forecast, what it took, what it taught.
type forecastRun struct {
	result restoreResult
	took   float64 // seconds
	cpu    float64 // seconds, of all cores
	taught []budget.Observation
}

// restore restores once, with nothing known but what was seen elsewhere.
func (s *forecastSite) restore(b *testing.B, seen []budget.Observation) forecastRun {
	b.Helper()
	for info, err := range s.mirror.List(b.Context(), "budget/", "") {
		require.NoError(b, err)
		require.NoError(b, s.mirror.Delete(b.Context(), info.Name))
	}
	for _, o := range seen {
		require.NoError(b, budget.Observe(b.Context(), s.mirror, o))
	}
	var r forecastRun
	before := processorSeconds(b)
	out := s.must(b, "restore", "--latest", "--into", "sqlite:"+s.at("restored.sqlite"), "--json")
	r.cpu = processorSeconds(b) - before
	require.NoError(b, os.Remove(s.at("restored.sqlite")))
	require.NoError(b, json.Unmarshal([]byte(out), &r.result))
	for _, step := range r.result.Steps {
		r.took += step.Seconds
	}
	all, err := budget.Observations(b.Context(), s.mirror)
	require.NoError(b, err)
	r.taught = all[len(seen):]
	return r
}

// compare restores with the forecast of one calibrating run, and keeps how far off that is.
func (s *forecastSite) compare(b *testing.B, calibration forecastRun) {
	b.Helper()
	r := s.restore(b, calibration.taught)
	model, was := budget.Fit(calibration.taught), calibration.taught[0]
	growth := r.result.Forecast / model.Restore(was.Work, was.Database).Seconds
	s.took = append(s.took, r.took)
	s.off = append(s.off, 100*(r.result.Forecast/r.took-1))
	s.offCPU = append(s.offCPU, 100*(growth*calibration.cpu/r.cpu-1))
	b.Logf("%d rows: %.3f s, forecast %.3f s; by step %v, forecast %v", s.rows, r.took, r.result.Forecast, r.result.Steps, r.result.ForecastSteps)
}

func (s *forecastSite) report(b *testing.B) {
	b.Helper()
	name := func(unit string) string { return fmt.Sprintf("%s/%d", unit, s.rows) }
	worst := slices.MaxFunc(s.off, func(x, y float64) int { return int(1000 * (max(x, -x) - max(y, -y))) })
	b.ReportMetric(median(s.off), name("%off"))
	b.ReportMetric(worst, name("%worst"))
	b.ReportMetric(median(s.offCPU), name("%cpu"))
	b.ReportMetric(100*(slices.Max(s.took)/slices.Min(s.took)-1), name("%noise"))
	b.ReportMetric(median(s.took), name("s"))
}

func median(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }

// processorSeconds is what this process has used of all cores.
func processorSeconds(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// makeDocuments makes a database of rows of about 1.6 kB, text and binary.
func makeDocuments(ctx context.Context, path string, rows int) (err error) {
	db, err := embedded.OpenApp(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Commit()) }()
	for _, statement := range []string{
		`CREATE TABLE site (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)`,
		`CREATE TABLE document (id INTEGER PRIMARY KEY, site_id INTEGER NOT NULL REFERENCES site (id), author TEXT NOT NULL,
			title TEXT NOT NULL, made DATETIME NOT NULL, changed DATETIME, cost REAL, pages INTEGER, scan BLOB, body TEXT NOT NULL)`,
		`CREATE INDEX document_site ON document (site_id, made)`, `CREATE INDEX document_author ON document (author)`,
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO site SELECT i, 'site ' || i FROM n`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO document VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // made-up rows
	text := func(words int) string {
		var t strings.Builder
		for range words {
			fmt.Fprintf(&t, "%x ", r.Uint32N(2000)*524)
		}
		return t.String()
	}
	for id := 1; id <= rows; id++ {
		scan := make([]byte, 300)
		for i := range scan {
			scan[i] = byte(r.Uint32())
		}
		made := fmt.Sprintf("2026-%02d-%02dT10:00:00Z", 1+r.IntN(12), 1+r.IntN(28))
		if _, err := insert.ExecContext(ctx, id, 1+r.IntN(500), text(2), text(6), made, r.Float64(), r.IntN(99), scan, text(180)); err != nil {
			return err
		}
	}
	return nil
}
