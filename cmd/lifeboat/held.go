package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/database/sqlite/capi"
	"lifeboat/restore"
)

// held looks at the database that a restore is to fill, before anything is read for it, and
// makes and changes nothing. plan is that of a restore which was begun there and which alone
// may go on; "" if there is nothing, or no target. What else it holds is database.ErrNotEmpty.
func held(ctx context.Context, u config.URL, log *slog.Logger) (plan string, err error) {
	if u == "" {
		return "", nil
	}
	kind, ok := databaseKinds[u.Scheme()]
	if !ok {
		return "", fmt.Errorf("%w: target database %q: want %s", errUsage, u, databaseForms())
	}
	plan, err = kind.held(ctx, u, log)
	if err != nil && !errors.Is(err, database.ErrNotEmpty) {
		err = fmt.Errorf("target database %s %w: %w", u, errOpen, err)
	}
	return plan, err
}

// mayFill refuses a plan for a database that holds the begun restore of another one.
func mayFill(into config.URL, held string, plan *restore.Plan) error {
	if held == "" || held == plan.ID {
		return nil
	}
	return fmt.Errorf("%s: %w: it holds another restore (%s); finish that one, to the point that it was going to, or name another database", into, database.ErrNotEmpty, held)
}

// absentSQLite says what is wrong with the path of a database that is there.
func absentSQLite(u config.URL) error {
	_, err := os.Stat(placeOf(u))
	return err
}

func heldSQLite(ctx context.Context, u config.URL, log *slog.Logger) (plan string, err error) {
	path := placeOf(u)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return "", fmt.Errorf("%s: its folder does not exist; create it or correct the path: %w", path, err)
		}
		return "", nil
	}
	if err != nil || info.Size() == 0 && info.Mode().IsRegular() {
		return "", err
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Log: log}) // explains what is no database
	if err != nil {
		return "", err
	}
	if err := db.Close(); err != nil {
		return "", err
	}
	c, err := capi.Open(path, capi.ReadWrite)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return beganIn(c, path)
}

// beganIn finds the restore that was begun in a file of SQLite.
func beganIn(c *capi.Conn, path string) (plan string, err error) {
	var something string
	var begun bool
	err = c.Query("SELECT type, name FROM sqlite_schema ORDER BY rowid", func(s *capi.Stmt) error {
		if something == "" {
			something = s.Text(0) + " " + s.Text(1)
		}
		begun = begun || s.Text(1) == "lifeboat_restore"
		return nil
	})
	if err != nil || something == "" {
		return "", err
	}
	if begun {
		err = c.Query("SELECT value FROM lifeboat_restore WHERE name = 'plan'", func(s *capi.Stmt) error {
			plan = s.Text(0)
			return nil
		})
	}
	if err == nil && plan == "" {
		err = fmt.Errorf("%s: %w: it has %s; restore into a new file", path, database.ErrNotEmpty, something)
	}
	return plan, err
}

func heldSQLServer(ctx context.Context, u config.URL, log *slog.Logger) (plan string, err error) {
	target, err := mssql.OpenTarget(ctx, mssql.Config{URL: mssql.URL(u.Reveal()), Log: log})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	return target.Held(ctx)
}
