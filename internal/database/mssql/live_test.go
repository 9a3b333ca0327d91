package mssql_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	_ "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/database/databasetest"
	"lifeboat/internal/database/mssql"
)

// liveServer names the variable that holds the URL of a server on which the tests may
// create databases.
const liveServer = "LIFEBOAT_TEST_SQLSERVER"

// server is the live server's URL; without one the test is skipped, and says so.
func server(t testing.TB) mssql.URL {
	t.Helper()
	u := os.Getenv(liveServer)
	if u == "" {
		t.Skipf("NOT RUN: needs a SQL Server; set %s to a sqlserver:// URL", liveServer)
	}
	return mssql.URL(u)
}

// makeScratch makes and drops databases, one at a time: not every server can do two at once.
type makeScratch struct {
	mu sync.Mutex
	on *mssql.Scratch
}

var shared makeScratch

func (m *makeScratch) create(t testing.TB) mssql.URL {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.on == nil { // one connection for all tests, open until the process ends
		on, err := mssql.OpenScratch(context.Background(), mssql.Config{URL: server(t)})
		require.NoError(t, err)
		m.on = on
	}
	u, err := m.on.Create(t.Context(), "")
	require.NoError(t, err)
	return u
}

// scratch makes a database. All are dropped when the last test has ended: a server may
// stumble over its own catalog while another database is dropped.
func scratch(t testing.TB) mssql.URL {
	t.Helper()
	server(t)
	return shared.create(t)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.on != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		if err := shared.on.DropAll(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "scratch databases are left behind:", err)
			code = 1
		}
		cancel()
	}
	os.Exit(code)
}

// application is a connection as an application has it: the driver's defaults, no
// session options of ours.
func application(t testing.TB, u mssql.URL) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlserver", string(u))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execAll(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}

type instance struct {
	u      mssql.URL
	app    *sql.DB
	source *mssql.Source
}

func (i *instance) Source() database.Source { return i.source }

func (i *instance) Exec(statements ...string) error {
	for _, s := range statements {
		if _, err := i.app.Exec(s); err != nil {
			return err
		}
	}
	return nil
}

func (i *instance) Transact(commit bool, statements ...string) error {
	tx, err := i.app.Begin()
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := tx.Exec(s); err != nil {
			_ = tx.Rollback()
			return err
		}
	}
	if commit {
		return tx.Commit()
	}
	return tx.Rollback()
}

// suiteTables are the tables that databasetest asks for.
func suiteTables() []string {
	return []string{
		"CREATE TABLE dbo.people (id int NOT NULL PRIMARY KEY, name nvarchar(100) NOT NULL UNIQUE, n int NULL)",
		"CREATE TABLE dbo.pair (a int NOT NULL, b nvarchar(50) NOT NULL, v int NULL, PRIMARY KEY (a, b))",
		"CREATE TABLE dbo.counted (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, name nvarchar(100) NULL)",
		"CREATE TABLE dbo.journal (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, what nvarchar(100) NULL)",
		extremeTable,
		"CREATE TRIGGER dbo.pair_journal ON dbo.pair AFTER INSERT AS BEGIN SET NOCOUNT ON; INSERT INTO dbo.journal (what) SELECT b FROM inserted; END",
	}
}

func fresh(t testing.TB) *instance {
	t.Helper()
	u := scratch(t)
	db := application(t, u)
	execAll(t, db, suiteTables()...)
	source, err := mssql.Open(t.Context(), mssql.Config{URL: u})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	return &instance{u: u, app: db, source: source}
}

func openTarget(t testing.TB, u mssql.URL) *mssql.Target {
	t.Helper()
	target, err := mssql.OpenTarget(context.WithoutCancel(t.Context()), mssql.Config{URL: u})
	require.NoError(t, err)
	return target
}

func TestLiveEngine(t *testing.T) {
	server(t)
	// Each test has databases of its own; a few at a time are enough for a small server.
	gate := make(chan struct{}, 3)
	var once sync.Map
	enter := func(t testing.TB) {
		if _, in := once.LoadOrStore(t.Name(), true); !in {
			gate <- struct{}{}
			t.Cleanup(func() { <-gate })
		}
	}
	databasetest.Run(t, databasetest.Engine{
		Fresh: func(t testing.TB) databasetest.Instance { enter(t); return fresh(t) },
		Target: func(t testing.TB) func() databasetest.RestoreTarget {
			enter(t)
			u := scratch(t)
			return func() databasetest.RestoreTarget { return openTarget(t, u) }
		},
		Name:     func(table string) string { return "dbo." + table },
		Extremes: extremeRows(),
		Refused: map[string]string{
			"CREATE TABLE dbo.keyless (a int NOT NULL)":                           "table dbo.keyless",
			"CREATE TABLE dbo.letters (id int NOT NULL PRIMARY KEY, note text)":   "column dbo.letters.note",
			"CREATE TABLE dbo.maybe (a int NULL UNIQUE)":                          "table dbo.maybe",
			"CREATE TABLE dbo.own (id int NOT NULL PRIMARY KEY, lifeboat_id int)": "column dbo.own.lifeboat_id",
		},
		AddColumn: "ALTER TABLE dbo.people ADD extra int NULL",
		Occupy: func(t testing.TB) databasetest.RestoreTarget {
			enter(t)
			u := scratch(t)
			execAll(t, application(t, u), "CREATE TABLE dbo.something (a int)")
			return openTarget(t, u)
		},
		SameSchema: true,
	})
}
