package mssql_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/repotest"
)

// chinook is the text of a T-SQL database from elsewhere; the test is skipped without it.
func chinook(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(repotest.Root(t), "..", "shared", "data", "chinook-sqlserver.sql"))
	if err != nil {
		t.Skipf("NOT RUN: needs ../shared/data/chinook-sqlserver.sql: %v", err)
	}
	if len(raw) > 1 && raw[0] == 0xff && raw[1] == 0xfe {
		units := make([]uint16, len(raw)/2-1)
		for i := range units {
			units[i] = uint16(raw[2*i+2]) | uint16(raw[2*i+3])<<8
		}
		return string(utf16.Decode(units))
	}
	return strings.TrimPrefix(string(raw), "\ufeff")
}

// runScript runs a script as sqlcmd does, but for its database: it goes into this one.
func runScript(t testing.TB, db *sql.DB, text string) {
	t.Helper()
	skip := regexp.MustCompile(`(?i)\b(CREATE|ALTER|DROP) DATABASE\b|^\s*USE\s`)
	for _, batch := range regexp.MustCompile(`(?mi)^\s*GO\s*$`).Split(text, -1) {
		batch = regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(batch, "")
		if strings.TrimSpace(batch) == "" || skip.MatchString(batch) {
			continue
		}
		_, err := db.Exec(batch)
		require.NoError(t, err, batch[:min(len(batch), 300)])
	}
}

// TestLiveChinook: a database that was not made for this is loaded, captured, changed, and
// restored into SQL Server and into SQLite with the same hashes.
func TestLiveChinook(t *testing.T) {
	t.Parallel()
	text := chinook(t)
	u := scratch(t)
	db := application(t, u)
	runScript(t, db, text)
	source, err := mssql.Open(t.Context(), mssql.Config{URL: u})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	schema, err := source.Install(t.Context())
	require.NoError(t, err)
	require.Len(t, schema.Tables, 11)
	require.NotNil(t, schema.Table("dbo.InvoiceLine"))
	before := viewStates(t, source)
	execAll(t, db,
		"UPDATE dbo.Track SET UnitPrice = UnitPrice + 1 WHERE GenreId = 1",
		"DELETE FROM dbo.PlaylistTrack WHERE PlaylistId = 1",
		"INSERT INTO dbo.Artist (ArtistId, Name) VALUES (9000, N'Sigur Rós 🎻')")
	v, err := source.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	require.Equal(t, states(t, v), changed(t, v, before), "captured changes are the difference")

	target := openTarget(t, scratch(t))
	defer func() { require.NoError(t, target.Close()) }()
	requireHeld(t, target, "", nil)
	occupied := openTarget(t, u)
	requireHeld(t, occupied, "", database.ErrNotEmpty)
	require.NoError(t, occupied.Close())
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	requireHeld(t, target, "plan", nil)
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		_, err := target.Load(t.Context(), table.Name, table, v.Rows(t.Context(), table))
		require.NoError(t, err)
	}
	require.NoError(t, target.Finish(t.Context(), nil))
	tv, err := target.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tv.Close()) }()
	require.Equal(t, states(t, v), states(t, tv))
	portable(t, v)
}

func requireHeld(t *testing.T, target *mssql.Target, plan string, is error) {
	t.Helper()
	got, err := target.Held(t.Context())
	require.ErrorIs(t, err, is)
	require.Equal(t, plan, got)
}

func viewStates(t testing.TB, source *mssql.Source) database.States {
	t.Helper()
	v, err := source.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	return states(t, v)
}

// changed applies a view's captured changes to earlier states.
func changed(t testing.TB, v database.View, all database.States) database.States {
	t.Helper()
	for c, err := range v.Changes(t.Context()) {
		require.NoError(t, err)
		h, _ := v.Schema().Table(c.Table).Hash(nil, c.Row)
		s := all[c.Table]
		if c.Op == database.Insert {
			s.Add(h)
		} else {
			s.Sub(h)
		}
		all[c.Table] = s
	}
	return all
}
