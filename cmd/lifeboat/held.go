package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/database/sqlite"
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
	return sqlite.Held(ctx, placeOf(u), sqlite.Options{Log: log})
}

func heldSQLServer(ctx context.Context, u config.URL, log *slog.Logger) (plan string, err error) {
	target, err := mssql.OpenTarget(ctx, mssql.Config{URL: mssql.URL(u.Reveal()), Log: log})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	return target.Held(ctx)
}
