package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/database/sqlite/capi"
)

// Each benchmark runs beside its physical limit: the same work on bare SQLite.

const (
	benchRows  = 500_000
	benchTable = `CREATE TABLE patient (id INTEGER PRIMARY KEY, name TEXT NOT NULL, ward INT, weight REAL, admitted DATETIME, note TEXT)`
	benchFill  = `WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d)
		INSERT INTO patient SELECT i, 'patient number ' || i || ' of the ward', i %% 40, i * 0.5, '2024-01-01 10:00:00', NULL FROM s`
)

func perSecond(b *testing.B, rows int) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func filled(b *testing.B, rows int) string {
	path := filepath.Join(b.TempDir(), "bench.sqlite")
	c, err := capi.Open(path, capi.Create)
	require.NoError(b, err)
	require.NoError(b, c.Exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; "+benchTable))
	require.NoError(b, c.Exec(fmt.Sprintf(benchFill, rows)))
	require.NoError(b, c.Close())
	return path
}

func BenchmarkScan(b *testing.B) {
	path := filled(b, benchRows)
	b.Run("bare steps and columns", func(b *testing.B) {
		c, err := capi.Open(path, capi.ReadWrite)
		require.NoError(b, err)
		defer c.Close()
		var sum int
		for b.Loop() {
			require.NoError(b, c.Query("SELECT * FROM patient ORDER BY id", func(s *capi.Stmt) error {
				for i := range 6 {
					switch s.Kind(i) {
					case capi.Integer:
						sum += int(s.Int64(i))
					case capi.Float:
						sum += int(s.Float(i))
					case capi.Text:
						sum += len(s.Bytes(i))
					}
				}
				return nil
			}))
		}
		perSecond(b, benchRows)
	})
	b.Run("bare database/sql", func(b *testing.B) {
		app, err := sql.Open("sqlite", path)
		require.NoError(b, err)
		defer app.Close()
		for b.Loop() {
			rows, err := app.Query("SELECT id, name, ward, weight, admitted, note FROM patient ORDER BY id")
			require.NoError(b, err)
			var v [6]any
			for rows.Next() {
				require.NoError(b, rows.Scan(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5]))
			}
			require.NoError(b, rows.Err())
			require.NoError(b, rows.Close()) //nolint:sqlclosecheck // once a loop, not once a benchmark
		}
		perSecond(b, benchRows)
	})
	b.Run("View.Rows", func(b *testing.B) {
		db, err := sqlite.Open(b.Context(), path, sqlite.Options{})
		require.NoError(b, err)
		defer db.Close()
		v, err := db.View(b.Context())
		require.NoError(b, err)
		defer v.Close()
		for b.Loop() {
			n := 0
			for _, err := range v.Rows(b.Context(), v.Schema().Table("patient")) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			require.Equal(b, benchRows, n)
		}
		perSecond(b, benchRows)
	})
}

func BenchmarkLoad(b *testing.B) {
	rows := make([][]byte, benchRows)
	for i := range rows {
		row := database.AppendText(database.AppendInt(nil, int64(i+1)), fmt.Sprintf("patient number %d of the ward", i+1))
		row = database.AppendFloat64(database.AppendInt(row, int64(i%40)), float64(i)*0.5)
		rows[i] = database.AppendNull(database.AppendText(row, "2024-01-01 10:00:00"))
	}
	b.Run("bare database/sql, 100 rows a statement, no sync", func(b *testing.B) {
		for b.Loop() {
			bareInserts(b, 100)
		}
		perSecond(b, benchRows)
	})
	b.Run("Begin, Load in units of 20,000, Finish with fsync", func(b *testing.B) {
		schema := &database.Schema{Engine: "sqlite", Tables: []database.Table{{Name: "patient", SQL: benchTable, Key: []int{0}, Columns: []database.Column{
			{Name: "id"}, {Name: "name"}, {Name: "ward"}, {Name: "weight"}, {Name: "admitted"}, {Name: "note"}}}}}
		require.NoError(b, schema.Seal())
		var load, finish time.Duration
		for b.Loop() {
			target, err := sqlite.OpenTarget(b.Context(), filepath.Join(b.TempDir(), "target.sqlite"), sqlite.Options{})
			require.NoError(b, err)
			start := time.Now()
			require.NoError(b, target.Begin(b.Context(), "plan", schema))
			for n := 0; n < benchRows; n += 20_000 {
				_, err := target.Load(b.Context(), fmt.Sprint(n), &schema.Tables[0], func(yield func([]byte, error) bool) {
					for _, row := range rows[n : n+20_000] {
						if !yield(row, nil) {
							return
						}
					}
				})
				require.NoError(b, err)
			}
			load += time.Since(start)
			require.NoError(b, target.Finish(b.Context(), nil))
			finish += time.Since(start)
			require.NoError(b, target.Close())
		}
		finish -= load
		b.ReportMetric(float64(benchRows)*float64(b.N)/load.Seconds(), "loaded-rows/s")
		b.ReportMetric(finish.Seconds()/float64(b.N), "finish-s")
		perSecond(b, benchRows)
	})
}

// bareInserts is the fastest load through database/sql: no journal, no sync, one
// prepared statement of many rows, large transactions.
func bareInserts(b *testing.B, per int) {
	app, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "bare.sqlite")+"?_pragma=journal_mode(off)&_pragma=synchronous(off)&_pragma=cache_size(-65536)")
	require.NoError(b, err)
	defer app.Close()
	app.SetMaxOpenConns(1)
	_, err = app.Exec(benchTable)
	require.NoError(b, err)
	insert := "INSERT INTO patient VALUES " + strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?),", per), ",")
	args := make([]any, 0, 6*per)
	for from := 0; from < benchRows; from += 20_000 {
		tx, err := app.Begin()
		require.NoError(b, err)
		s, err := tx.Prepare(insert) //nolint:sqlclosecheck // its transaction closes it
		require.NoError(b, err)
		for i := from; i < from+20_000; i += per {
			args = args[:0]
			for k := i; k < i+per; k++ {
				args = append(args, k+1, fmt.Sprintf("patient number %d of the ward", k+1), k%40, float64(k)*0.5, "2024-01-01 10:00:00", nil)
			}
			_, err := s.Exec(args...)
			require.NoError(b, err)
		}
		require.NoError(b, tx.Commit())
	}
}

// BenchmarkCapture is what capture costs the application: the same statements with and
// without it, in transactions of their own, synchronous off so that only work counts.
func BenchmarkCapture(b *testing.B) {
	for _, installed := range []bool{false, true} {
		name := map[bool]string{false: "bare", true: "captured"}[installed]
		for _, run := range []struct {
			name string
			rows int
			do   func(i int) string
		}{
			{"insert 1 row", 1, func(i int) string {
				return fmt.Sprintf("INSERT INTO patient VALUES (%d, 'new', 1, 2, '2024-01-01', NULL)", 1_000_000+i)
			}},
			{"update 1 row", 1, func(i int) string {
				return fmt.Sprintf("UPDATE patient SET weight = weight + 1 WHERE id = %d", 1+i%10_000)
			}},
			{"update 1000 rows", 1000, func(i int) string {
				return fmt.Sprintf("UPDATE patient SET weight = weight + 1 WHERE id BETWEEN %d AND %d", 1+i%9000, 1000+i%9000)
			}},
			{"insert and delete 1000 rows", 2000, func(i int) string {
				return fmt.Sprintf("INSERT INTO patient SELECT id + 1000000, name, ward, weight, admitted, note FROM patient WHERE id <= 1000; DELETE FROM patient WHERE id > 1000000 AND %d", i+1)
			}},
		} {
			b.Run(run.name+"/"+name, func(b *testing.B) {
				path := filled(b, 10_000)
				if installed {
					db, err := sqlite.Open(b.Context(), path, sqlite.Options{})
					require.NoError(b, err)
					defer db.Close()
					_, err = db.Install(b.Context())
					require.NoError(b, err)
				}
				app, err := sql.Open("sqlite", path+"?_pragma=synchronous(off)")
				require.NoError(b, err)
				defer app.Close()
				app.SetMaxOpenConns(1)
				i := 0
				for b.Loop() {
					_, err := app.Exec(run.do(i))
					require.NoError(b, err)
					i++
				}
				perSecond(b, run.rows)
			})
		}
	}
}

// BenchmarkView is an idle drain: what a poll costs when nothing happened.
func BenchmarkView(b *testing.B) {
	path := filled(b, 1000)
	db, err := sqlite.Open(b.Context(), path, sqlite.Options{})
	require.NoError(b, err)
	defer db.Close()
	_, err = db.Install(b.Context())
	require.NoError(b, err)
	for b.Loop() {
		v, err := db.View(b.Context())
		require.NoError(b, err)
		for range v.Changes(b.Context()) {
			b.Fatal("nothing happened")
		}
		require.NoError(b, v.Close())
	}
}
