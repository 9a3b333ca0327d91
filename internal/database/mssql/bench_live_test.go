package mssql_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"testing"
	"time"

	driver "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
)

// benchRows is how many rows the benchmarks of whole tables use:
//
//	go test -run '^$' -bench Table -benchtime 1x -bench-rows 2000000 ./internal/database/mssql
var benchRows = flag.Int("bench-rows", 100_000, "rows of the table that is read and loaded")

// wide is a table of six columns of the types that most tables have.
const wide = `CREATE TABLE dbo.wide (id bigint NOT NULL PRIMARY KEY, customer int NOT NULL, title nvarchar(100) NOT NULL,
 amount decimal(18,4) NOT NULL, ordered datetime2(6) NOT NULL, note varchar(200) NULL)`

func wideRows(from, n int) [][]byte {
	rows := make([][]byte, n)
	for i := range rows {
		k := int64(from + i)
		row := database.AppendInt(nil, k)
		row = database.AppendInt(row, k%5000)
		row = database.AppendText(row, fmt.Sprintf("Order %d of somebody", k))
		row = database.AppendDecimal(row, 4, []byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)})
		row = database.AppendDateTime2(row, 638_000_000_000_000_000+k*10_000_000)
		rows[i] = database.AppendText(row, fmt.Sprintf("note %d: left at the door, called twice", k%777))
	}
	return rows
}

// unitRows are about as many rows as a restored chunk of 1 MiB holds.
const unitRows = 10_000

// filled is a database whose table wide has benchRows rows.
func filled(b *testing.B) (mssql.URL, *mssql.Target, *database.Table) {
	b.Helper()
	u := scratch(b)
	source := scratch(b)
	execAll(b, application(b, source), wide)
	s, err := mssql.Open(b.Context(), mssql.Config{URL: source})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	v, err := s.View(b.Context())
	require.NoError(b, err)
	defer func() { require.NoError(b, v.Close()) }()
	target := openTarget(b, u)
	b.Cleanup(func() { require.NoError(b, target.Close()) })
	require.NoError(b, target.Begin(b.Context(), "bench", v.Schema()))
	return u, target, v.Schema().Table("dbo.wide")
}

func load(b *testing.B, target *mssql.Target, table *database.Table, run int) {
	b.Helper()
	for from := 0; from < *benchRows; from += unitRows {
		n := min(unitRows, *benchRows-from)
		_, err := target.Load(b.Context(), fmt.Sprint("run ", run, " unit ", from), table, each(wideRows(from, n)))
		require.NoError(b, err)
	}
}

func rate(b *testing.B) {
	b.ReportMetric(float64(*benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkTableRead compares a base's scan with a bare SELECT of the same rows.
func BenchmarkTableRead(b *testing.B) {
	u, target, table := filled(b)
	load(b, target, table, 0)
	b.Run("bare select", func(b *testing.B) {
		db := application(b, u)
		for b.Loop() {
			require.Equal(b, *benchRows, bareSelect(b, db))
		}
		rate(b)
	})
	b.Run("view", func(b *testing.B) {
		v, err := target.View(b.Context())
		require.NoError(b, err)
		defer func() { require.NoError(b, v.Close()) }()
		for b.Loop() {
			n := 0
			for _, err := range v.Rows(b.Context(), table) {
				require.NoError(b, err)
				n++
			}
			require.Equal(b, *benchRows, n)
		}
		rate(b)
	})
}

func bareSelect(b *testing.B, db *sql.DB) int {
	rows, err := db.Query("SELECT id, customer, title, amount, ordered, note FROM dbo.wide ORDER BY id")
	require.NoError(b, err)
	defer func() { _ = rows.Close() }()
	var id, customer int64
	var title, note string
	var amount []byte
	var ordered time.Time
	n := 0
	for rows.Next() {
		require.NoError(b, rows.Scan(&id, &customer, &title, &amount, &ordered, &note))
		n++
	}
	require.NoError(b, rows.Err())
	return n
}

// BenchmarkTableLoad compares a restore's load with a bare CopyIn of the same rows, in
// transactions of as many.
func BenchmarkTableLoad(b *testing.B) {
	u, target, table := filled(b)
	db := application(b, u)
	b.Run("bare copy", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			execAll(b, db, "TRUNCATE TABLE dbo.wide")
			b.StartTimer()
			for from := 0; from < *benchRows; from += unitRows {
				bareCopy(b, db, from, min(unitRows, *benchRows-from))
			}
		}
		rate(b)
	})
	run := 0
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			execAll(b, db, "TRUNCATE TABLE dbo.wide")
			run++
			b.StartTimer()
			load(b, target, table, run)
		}
		rate(b)
	})
}

func bareCopy(b *testing.B, db *sql.DB, from, n int) {
	tx, err := db.Begin()
	require.NoError(b, err)
	stmt, err := tx.Prepare(driver.CopyIn("dbo.wide", driver.BulkOptions{}, "id", "customer", "title", "amount", "ordered", "note"))
	require.NoError(b, err)
	defer func() { require.NoError(b, stmt.Close()) }()
	start := time.Date(2022, 9, 30, 0, 0, 0, 0, time.UTC)
	for k := from; k < from+n; k++ {
		_, err := stmt.Exec(int64(k), int64(k%5000), fmt.Sprintf("Order %d of somebody", k), fmt.Sprintf("%d.%04d", k/10000, k%10000),
			start.Add(time.Duration(k)*time.Second), fmt.Sprintf("note %d: left at the door, called twice", k%777))
		require.NoError(b, err)
	}
	_, err = stmt.Exec()
	require.NoError(b, err)
	require.NoError(b, tx.Commit())
}

// BenchmarkTrigger measures what capture costs the application: the same statements on
// the same table without and with it.
func BenchmarkTrigger(b *testing.B) {
	u := scratch(b)
	db := application(b, u)
	execAll(b, db, wide)
	s, err := mssql.Open(b.Context(), mssql.Config{URL: u})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	conn, err := db.Conn(b.Context())
	require.NoError(b, err)
	defer func() { require.NoError(b, conn.Close()) }()
	next := 0
	single := func(b *testing.B) {
		for b.Loop() {
			next++
			_, err := conn.ExecContext(b.Context(), "INSERT INTO dbo.wide VALUES (@p1, 1, N'one', 1.5, '2024-01-01', 'x')", next)
			require.NoError(b, err)
		}
	}
	const many = 1000
	thousand := func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			clear1000(b, conn, many)
			b.StartTimer()
			_, err := conn.ExecContext(b.Context(), "UPDATE dbo.wide SET customer = customer + 1 WHERE id < 0")
			require.NoError(b, err)
		}
		b.ReportMetric(float64(many)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	}
	b.Run("one row/without", single)
	b.Run("1000 rows/without", thousand)
	_, err = s.Install(b.Context())
	require.NoError(b, err)
	b.Run("one row/captured", single)
	b.Run("1000 rows/captured", thousand)
}

// clear1000 leaves n rows with negative keys in the table.
func clear1000(b *testing.B, conn *sql.Conn, n int) {
	var have int
	require.NoError(b, conn.QueryRowContext(b.Context(), "SELECT COUNT(*) FROM dbo.wide WHERE id < 0").Scan(&have))
	for k := have; k < n; k++ {
		_, err := conn.ExecContext(context.WithoutCancel(b.Context()), "INSERT INTO dbo.wide VALUES (@p1, 1, N'many', 1.5, '2024-01-01', 'x')", -k-1)
		require.NoError(b, err)
	}
}
