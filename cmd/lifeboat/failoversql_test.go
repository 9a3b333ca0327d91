package main

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database/mssql"
)

// scratchDatabases makes databases on the live server, which are dropped when the test ends.
func scratchDatabases(t *testing.T, n int) (urls []mssql.URL) {
	t.Helper()
	server := os.Getenv("LIFEBOAT_TEST_SQLSERVER")
	if server == "" {
		t.Skip("NOT RUN: needs a SQL Server; set LIFEBOAT_TEST_SQLSERVER to a sqlserver:// URL")
	}
	scratch, err := mssql.OpenScratch(t.Context(), mssql.Config{URL: mssql.URL(server)})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, scratch.DropAll(ctx))
		require.NoError(t, scratch.Close())
	})
	for range n {
		u, err := scratch.Create(t.Context(), "")
		require.NoError(t, err)
		urls = append(urls, u)
	}
	return urls
}

// ask runs a statement as the application would.
func ask(t *testing.T, u mssql.URL, statement string) (answer int, err error) {
	t.Helper()
	db, err := sql.Open("sqlserver", string(u))
	require.NoError(t, err)
	defer db.Close()
	err = db.QueryRowContext(t.Context(), statement).Scan(&answer)
	return answer, err
}

const (
	rename  = "SET NOCOUNT ON; UPDATE dbo.ward SET name = N'Łąka' WHERE id = 1; SELECT 1"
	renamed = "SELECT count(*) FROM dbo.ward WHERE name = N'Łąka'"
	rows    = "SELECT (SELECT count(*) FROM dbo.ward) + (SELECT count(*) FROM dbo.patient)"
)

// wardTables are a small hospital, of what every server that speaks TDS can do.
var wardTables = []string{
	"CREATE TABLE dbo.ward (id int NOT NULL PRIMARY KEY, name nvarchar(100) NOT NULL UNIQUE, beds tinyint NOT NULL)",
	`CREATE TABLE dbo.patient (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, name nvarchar(100) NOT NULL, born date NOT NULL, weight_kg decimal(5, 1) NULL,
 ward_id int NOT NULL CONSTRAINT patient_ward_fk REFERENCES dbo.ward (id), notes nvarchar(max) NULL)`,
	"INSERT INTO dbo.ward VALUES (1, N'Ost', 12), (2, N'Süd', 20)",
	"INSERT INTO dbo.patient (name, born, weight_kg, ward_id) SELECT CONCAT(N'Ärzte ', a.name), '1961-05-04', 71.5, b.id FROM dbo.ward a CROSS JOIN dbo.ward b",
}

// TestFailoverAndBackOnASQLServer: from the command line, with databases on a live server.
// Their URLs hold a password, which stands in no file, no journal and no report.
func TestFailoverAndBackOnASQLServer(t *testing.T) {
	t.Parallel()
	databases := scratchDatabases(t, 3)
	app, there, home := databases[0], databases[1], databases[2]
	c, args := newOffice(t)
	c.now = time.Now().UTC().Truncate(time.Millisecond)
	c.vars["APP"], c.vars["THERE"], c.vars["HOME_AGAIN"] = string(app), string(there), string(home)
	for _, statement := range wardTables {
		_, err := ask(t, app, "SET NOCOUNT ON; "+statement+"; SELECT 1")
		require.NoError(t, err, statement)
	}
	at := func(name string) string { return filepath.Join(c.root, name) }
	ok := func(args []string) outcome {
		t.Helper()
		got := c.run(args...)
		require.Zero(t, got.code, "%v: %s", args, got.errout)
		return got
	}
	c.write("lifeboat.yaml", []byte("version: 1\ndatabase: '${APP}'\nprimary: {store: 'dir:"+at("primary")+"'}\nmirror: {store: 'dir:"+at("mirror")+
		"'}\nfailover: {target: '${THERE}', new_mirror: {store: 'dir:"+at("third")+"'}}\n"))
	ok([]string{"capture", "install", "--config", at("lifeboat.yaml")})
	ok([]string{"snapshot", "take", "--base", "--config", at("lifeboat.yaml")})
	_, err := ask(t, app, rename)
	require.NoError(t, err)
	ok([]string{"snapshot", "take", "--base", "--config", at("lifeboat.yaml")}) // drains it
	id := c.plans(args, "--accept-stale", "a test").Plan.ID
	c.approves(args, id, "ada", "bob")
	got := ok(args("failover", "run", id))
	require.Contains(t, got.out, "refuses writes")
	require.Contains(t, got.out, "protected")
	c.moved(app, there)

	c.write("back.yaml", []byte("version: 1\ndatabase: '${THERE}'\nprimary: {store: 'dir:"+at("mirror")+"'}\nmirror: {store: 'dir:"+at("third")+
		"'}\nfailover: {target: '${HOME_AGAIN}', new_mirror: {store: 'dir:"+at("fourth")+"'}}\n"))
	back := func(verb ...string) []string {
		return append(verb, "--config", at("back.yaml"), "--committee", at("committee.yaml"))
	}
	id = c.plans(back, "--kind", "failback", "--accept-stale", "a test").Plan.ID
	c.approves(back, id, "ada", "bob")
	ok(back("failback", id))
	c.moved(there, home)
	c.holdsNo(databases)
}

// moved: what serves now is what served, and that refuses writes.
func (c *company) moved(old, now mssql.URL) {
	c.t.Helper()
	before, err := ask(c.t, old, rows)
	require.NoError(c.t, err)
	after, err := ask(c.t, now, rows)
	require.NoError(c.t, err)
	require.Equal(c.t, before, after)
	n, err := ask(c.t, now, renamed)
	require.NoError(c.t, err)
	require.Equal(c.t, 1, n)
	_, err = ask(c.t, old, rename)
	require.Error(c.t, err, "what served must not be written to any more")
	_, err = ask(c.t, now, rename)
	require.NoError(c.t, err)
}

// holdsNo looks for the databases' passwords in everything that the company's folder holds.
func (c *company) holdsNo(databases []mssql.URL) {
	c.t.Helper()
	for _, u := range databases {
		err := filepath.WalkDir(c.root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := os.ReadFile(path)
			require.NotContains(c.t, string(body), password(c.t, u), path)
			return err
		})
		require.NoError(c.t, err)
	}
}

func password(t *testing.T, u mssql.URL) string {
	t.Helper()
	parsed, err := url.Parse(string(u))
	require.NoError(t, err)
	secret, ok := parsed.User.Password()
	require.True(t, ok)
	return secret
}
