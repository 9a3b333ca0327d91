package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

func TestHeld(t *testing.T) {
	t.Parallel()
	app := freshApp(t, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "")
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	require.NoError(t, os.WriteFile(at("empty"), nil, 0o600))
	require.NoError(t, os.WriteFile(at("letter"), []byte("Dear committee, this is no database but a long letter."), 0o600))
	begun, err := sqlite.OpenTarget(t.Context(), at("begun"), sqlite.Options{})
	require.NoError(t, err)
	view, err := app.source.View(t.Context())
	require.NoError(t, err)
	defer view.Close()
	require.NoError(t, begun.Begin(t.Context(), "the plan", view.Schema()))
	require.NoError(t, begun.Close())
	var other string
	require.NoError(t, app.db.QueryRow("SELECT file FROM pragma_database_list").Scan(&other))
	for _, tt := range []struct {
		path, plan, says string
		is               error
	}{
		{path: at("nothing")},
		{path: at("empty")},
		{path: at("begun"), plan: "the plan"},
		{path: other, is: database.ErrNotEmpty, says: `table "t"`},
		{path: at("letter"), says: "not a SQLite database"},
		{path: at("no/folder"), says: "folder does not exist"},
	} {
		plan, err := sqlite.Held(t.Context(), tt.path, sqlite.Options{})
		require.Equal(t, tt.plan, plan, tt.path)
		if tt.says == "" {
			require.NoError(t, err, tt.path)
			continue
		}
		require.ErrorContains(t, err, tt.says, tt.path)
		if tt.is != nil {
			require.ErrorIs(t, err, tt.is)
		}
	}
	require.NoFileExists(t, at("nothing"), "nothing is made")
}
