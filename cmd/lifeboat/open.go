package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/blob/retry"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

// kindOfStore makes a Store of what stands after KIND: in a URL.
type kindOfStore struct {
	form string // for help
	open func(ctx context.Context, u config.URL, log *slog.Logger) (blob.Store, error)
	// make makes a new, empty store where there is none, and opens it.
	make func(ctx context.Context, u config.URL, log *slog.Logger) (blob.Store, error)
}

// storeKinds are the stores there are. A new one joins by a line here.
var storeKinds = map[string]kindOfStore{
	"dir": {"dir:PATH", openDir, makeDir},
}

// kindOfDatabase opens the databases of one engine.
type kindOfDatabase struct {
	form   string
	source func(ctx context.Context, u config.URL, log *slog.Logger) (database.Source, error)
	target func(ctx context.Context, u config.URL, log *slog.Logger) (database.Target, error)
}

// databaseKinds are the engines there are. A new one joins by a line here.
var databaseKinds = map[string]kindOfDatabase{
	"sqlite": {"sqlite:PATH", openSQLite, openSQLiteTarget},
}

func forms[K any](kinds map[string]K, form func(K) string) string {
	var list []string
	for _, k := range kinds {
		list = append(list, form(k))
	}
	slices.Sort(list)
	return strings.Join(list, " or ")
}

func storeForms() string { return forms(storeKinds, func(k kindOfStore) string { return k.form }) }
func databaseForms() string {
	return forms(databaseKinds, func(k kindOfDatabase) string { return k.form })
}

// openStore opens the store of a region as it is: for the log's writer, which has its own
// patience.
func openStore(ctx context.Context, u config.URL, log *slog.Logger) (blob.Store, error) {
	kind, ok := storeKinds[u.Scheme()]
	if !ok {
		return nil, fmt.Errorf("%w: store %q: want %s", errUsage, u, storeForms())
	}
	s, err := kind.open(ctx, u, log)
	if err != nil {
		return nil, fmt.Errorf("store %s %w: %w", u, errOpen, err)
	}
	return s, nil
}

// openPatient opens the store of a region with retries around it: for everything else.
func openPatient(ctx context.Context, u config.URL, log *slog.Logger) (blob.Store, error) {
	s, err := openStore(ctx, u, log)
	if err != nil {
		return nil, err
	}
	return retry.New(s, retry.Policy{Log: log}), nil
}

// makeStore makes the store of a region where there is none yet.
func makeStore(ctx context.Context, u config.URL, log *slog.Logger) error {
	kind, ok := storeKinds[u.Scheme()]
	if !ok {
		return fmt.Errorf("%w: store %q: want %s", errUsage, u, storeForms())
	}
	if _, err := kind.make(ctx, u, log); err != nil {
		return fmt.Errorf("make store %s: %w", u, err)
	}
	return nil
}

// openSource opens the protected database.
func openSource(ctx context.Context, u config.URL, log *slog.Logger) (database.Source, error) {
	kind, ok := databaseKinds[u.Scheme()]
	if !ok {
		return nil, fmt.Errorf("%w: database %q: want %s", errUsage, u, databaseForms())
	}
	s, err := kind.source(ctx, u, log)
	if err != nil {
		return nil, fmt.Errorf("database %s %w: %w", u, errOpen, err)
	}
	return s, nil
}

// openTarget opens the database that a restore fills.
func openTarget(ctx context.Context, u config.URL, log *slog.Logger) (database.Target, error) {
	kind, ok := databaseKinds[u.Scheme()]
	if !ok {
		return nil, fmt.Errorf("%w: target database %q: want %s", errUsage, u, databaseForms())
	}
	t, err := kind.target(ctx, u, log)
	if err != nil {
		return nil, fmt.Errorf("target database %s %w: %w", u, errOpen, err)
	}
	return t, nil
}

// place is what stands after KIND: in a URL.
func placeOf(u config.URL) string { return strings.TrimPrefix(u.Reveal(), u.Scheme()+":") }

func openDir(_ context.Context, u config.URL, _ *slog.Logger) (blob.Store, error) {
	return dir.Open(placeOf(u))
}

func makeDir(_ context.Context, u config.URL, _ *slog.Logger) (blob.Store, error) {
	return dir.Init(placeOf(u))
}

func openSQLite(ctx context.Context, u config.URL, log *slog.Logger) (database.Source, error) {
	return sqlite.Open(ctx, placeOf(u), sqlite.Options{Log: log})
}

func openSQLiteTarget(ctx context.Context, u config.URL, log *slog.Logger) (database.Target, error) {
	return sqlite.OpenTarget(ctx, placeOf(u), sqlite.Options{Log: log})
}
