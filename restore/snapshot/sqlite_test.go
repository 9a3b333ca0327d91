package snapshot_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the application's own driver

	"lifeboat/eventlog"
	"lifeboat/eventlog/capture"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// protected is a real SQLite database with capture, a log and two stores.
type protected struct {
	path          string
	app           *sql.DB
	drainer       *capture.Drainer
	local, mirror *memory.Store
	schema        *database.Schema
}

func protect(t *testing.T, path string) *protected {
	t.Helper()
	ctx := t.Context()
	p := &protected{path: path, local: memory.New(), mirror: memory.New()}
	var err error
	p.app, err = sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.app.Close()) })
	source, err := sqlite.Open(ctx, path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	p.schema, err = source.Install(ctx)
	require.NoError(t, err)
	writer, err := eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: p.local, Mirror: p.mirror, Reason: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = writer.Close(t.Context()) })
	p.drainer, err = capture.New(capture.Config{Source: source, Writer: writer})
	require.NoError(t, err)
	return p
}

func (p *protected) config() snapshot.Config {
	return snapshot.Config{Stores: []blob.Store{p.local, p.mirror}}
}

func (p *protected) base(t *testing.T) *snapshot.Report {
	t.Helper()
	view, at, err := p.drainer.View(t.Context())
	require.NoError(t, err)
	report, err := snapshot.Take(t.Context(), p.config(), view, at)
	require.NoError(t, err)
	require.NoError(t, view.Close())
	return report
}

func (p *protected) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	_, err := p.app.Exec(query, args...)
	require.NoError(t, err)
}

func (p *protected) position(t *testing.T) eventlog.Position {
	t.Helper()
	view, at, err := p.drainer.View(t.Context())
	require.NoError(t, err)
	require.NoError(t, view.Close())
	return at
}

// restored restores from the mirror alone and opens the result.
func (p *protected) restored(t *testing.T, target restore.Target) (*sql.DB, *restore.Result) {
	t.Helper()
	ctx := t.Context()
	plan, _, err := restore.Prepare(ctx, p.mirror, target)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "restored.sqlite")
	into, err := sqlite.OpenTarget(ctx, path, sqlite.Options{})
	require.NoError(t, err)
	result, err := restore.Run(ctx, restore.Config{Store: p.mirror}, plan, into)
	require.NoError(t, err)
	require.True(t, result.Verified)
	require.NoError(t, into.Close())
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db, result
}

// dump renders a table, for comparing through the application's own driver.
func dump(t *testing.T, db *sql.DB, table string) (rows []string) {
	t.Helper()
	r, err := db.Query(fmt.Sprintf("SELECT * FROM %q", table))
	require.NoError(t, err)
	defer r.Close()
	columns, err := r.Columns()
	require.NoError(t, err)
	for r.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, r.Scan(into...))
		rows = append(rows, fmt.Sprintf("%#v", values))
	}
	require.NoError(t, r.Err())
	return rows
}

// A real database from elsewhere: base, changes, delta, roll-forward, restores to the end
// and to the middle.
func TestChinookThereAndBack(t *testing.T) {
	t.Parallel()
	original, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "chinook.sqlite"))
	if err != nil {
		t.Skip("no ../shared/data/chinook.sqlite beside the repository: ", err)
	}
	path := filepath.Join(t.TempDir(), "chinook.sqlite")
	require.NoError(t, os.WriteFile(path, original, 0o600))
	p := protect(t, path)
	base := p.base(t)
	require.Nil(t, base.Audit)

	p.exec(t, "UPDATE Track SET UnitPrice = UnitPrice + 0.01 WHERE TrackId % 3 = 0")
	p.exec(t, "DELETE FROM PlaylistTrack WHERE TrackId % 5 = 0")
	middle := p.position(t)
	want := make(map[string][]string)
	for i := range p.schema.Tables {
		want[p.schema.Tables[i].Name] = dump(t, p.app, p.schema.Tables[i].Name)
	}
	delta, err := snapshot.Delta(t.Context(), p.config(), base.Snapshot, middle)
	require.NoError(t, err)
	p.exec(t, "INSERT INTO Artist(Name) VALUES ('Mötley Crüe ☂'), (NULL)")
	p.exec(t, "UPDATE Track SET UnitPrice = UnitPrice - 0.01 WHERE TrackId % 3 = 0")
	rolled, err := snapshot.RollForward(t.Context(), p.config(), delta.Snapshot)
	require.NoError(t, err)
	require.Equal(t, delta.Position, rolled.Position)

	db, result := p.restored(t, restore.AtSeq(middle.Seq))
	require.Len(t, result.Tables, len(p.schema.Tables))
	for name, rows := range want {
		require.ElementsMatch(t, rows, dump(t, db, name), name)
	}
	p.position(t)
	db, _ = p.restored(t, restore.Latest())
	for i := range p.schema.Tables {
		name := p.schema.Tables[i].Name
		require.ElementsMatch(t, dump(t, p.app, name), dump(t, db, name), name)
	}
	again := p.base(t)
	require.NotNil(t, again.Audit)
	require.True(t, again.Audit.Match)
	for _, s := range []*memory.Store{p.local, p.mirror} {
		report, err := snapshot.Verify(t.Context(), s, nil)
		require.NoError(t, err)
		require.Empty(t, report.Damage)
		require.Equal(t, 4, report.Snapshots)
	}
}

// A change behind the back of the triggers is found by the next audit, by table.
func TestAuditNamesTheTableThatChangedUnseen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ward.sqlite")
	make, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = make.Exec("CREATE TABLE ward(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE bed(id INTEGER PRIMARY KEY, ward INT); INSERT INTO ward VALUES (1, 'A'); INSERT INTO bed VALUES (1, 1)")
	require.NoError(t, err)
	require.NoError(t, make.Close())
	p := protect(t, path)
	p.base(t)
	p.exec(t, "INSERT INTO ward VALUES (2, 'B')")
	audit := func() *snapshot.AuditReport {
		view, at, err := p.drainer.View(t.Context())
		require.NoError(t, err)
		report, err := snapshot.Audit(t.Context(), p.config(), view, at)
		require.NoError(t, err)
		require.NoError(t, view.Close())
		return report
	}
	require.True(t, audit().Match)

	// Rows written into the file's B-tree by a connection that has its triggers off.
	into, err := sqlite.OpenTarget(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	position := p.position(t)
	require.NoError(t, into.SetPosition(t.Context(), uint64(position.Seq)))
	row := database.AppendInt(database.AppendInt(nil, 2), 2)
	require.NoError(t, into.Apply(t.Context(), uint64(position.Seq)+1, []database.Change{{Op: database.Insert, Table: "bed", Row: row}}))
	require.NoError(t, into.ForgetProgress(t.Context()))
	require.NoError(t, into.Close())

	report := audit()
	require.False(t, report.Match)
	require.Equal(t, []string{"bed"}, report.Differing())
	again := p.base(t)
	require.NotNil(t, again.Audit)
	require.Equal(t, []string{"bed"}, again.Audit.Differing())
}
