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
	"lifeboat/internal/blob/sealed"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/database/sqlite"
)

// kindOfStore makes a Store of what stands after KIND: in a URL.
type kindOfStore struct {
	form string // for help
	open func(ctx context.Context, s stores, r config.Region) (blob.Store, error)
	// make makes a new, empty store where there is none, and opens it.
	make func(ctx context.Context, s stores, r config.Region) (blob.Store, error)
}

// storeKinds are the stores there are. A new one joins by a line here.
var storeKinds = map[string]kindOfStore{
	"dir":    {"dir:PATH", openDir, makeDir},
	"azblob": {"azblob://ACCOUNT/CONTAINER[/PREFIX]", openAzure, makeAzure},
}

// kindOfDatabase opens the databases of one engine.
type kindOfDatabase struct {
	form   string
	source func(ctx context.Context, file *config.File, log *slog.Logger) (database.Source, error)
	target func(ctx context.Context, u config.URL, cache int64, log *slog.Logger) (database.Target, error)
	held   func(ctx context.Context, u config.URL, log *slog.Logger) (plan string, err error) // see held
	absent func(u config.URL) error                                                           // nil: only a connection could tell
}

// databaseKinds are the engines there are. A new one joins by a line here.
var databaseKinds = map[string]kindOfDatabase{
	"sqlite":    {"sqlite:PATH", openSQLite, openSQLiteTarget, heldSQLite, absentSQLite},
	"sqlserver": {"sqlserver://HOST?database=NAME", openSQLServer, openSQLServerTarget, heldSQLServer, nil},
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

// stores opens the regions' stores as the configuration says.
type stores struct {
	encryption config.Encryption
	lookup     config.Lookup
	log        *slog.Logger
}

func (a *app) stores(file *config.File) stores {
	return stores{encryption: file.Encryption, lookup: a.lookup, log: a.logger()}
}

// open opens the store of a region without retries around it: for the log's writer, which
// has its own patience.
func (s stores) open(ctx context.Context, r config.Region) (blob.Store, error) {
	inner, err := s.bare(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.seal(inner, r)
}

// patient opens the store of a region with retries around it: for everything else.
func (s stores) patient(ctx context.Context, r config.Region) (blob.Store, error) {
	inner, err := s.bare(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.seal(retry.New(inner, retry.Policy{Log: s.log}), r)
}

// bare opens what the region's storage really holds.
func (s stores) bare(ctx context.Context, r config.Region) (blob.Store, error) {
	kind, ok := storeKinds[r.Store.Scheme()]
	if !ok {
		return nil, fmt.Errorf("%w: store %q: want %s", errUsage, r.Store, storeForms())
	}
	inner, err := kind.open(ctx, s, r)
	if err != nil {
		return nil, fmt.Errorf("store %s %w: %w", r.Store, errOpen, err)
	}
	return inner, nil
}

// hazards are signs that something besides lifeboat changes what a region's store holds.
func (s stores) hazards(ctx context.Context, r config.Region) ([]string, error) {
	inner, err := s.bare(ctx, r)
	if err != nil {
		return nil, err
	}
	if h, ok := inner.(interface {
		Hazards(ctx context.Context) ([]string, error)
	}); ok {
		return h.Hazards(ctx)
	}
	return nil, nil
}

// seal puts the encryption around a store, or what refuses a store that needs it.
func (s stores) seal(inner blob.Store, r config.Region) (blob.Store, error) {
	if !s.encryption.Configured() {
		return sealed.Plain(inner), nil
	}
	return s.sealed(inner, r)
}

// make makes the store of a region where there is none yet.
func (s stores) make(ctx context.Context, r config.Region) error {
	kind, ok := storeKinds[r.Store.Scheme()]
	if !ok {
		return fmt.Errorf("%w: store %q: want %s", errUsage, r.Store, storeForms())
	}
	if _, err := kind.make(ctx, s, r); err != nil {
		return fmt.Errorf("make store %s: %w", r.Store, err)
	}
	return nil
}

// openSource opens the protected database.
func openSource(ctx context.Context, file *config.File, log *slog.Logger) (database.Source, error) {
	u := file.Database
	kind, ok := databaseKinds[u.Scheme()]
	if !ok {
		return nil, fmt.Errorf("%w: database %q: want %s", errUsage, u, databaseForms())
	}
	s, err := kind.source(ctx, file, log)
	if err != nil {
		return nil, fmt.Errorf("database %s %w: %w", u, errOpen, err)
	}
	return s, nil
}

// openTarget opens the database that a restore fills. cache bounds its pages in this
// process, in bytes; 0: the engine's own default.
func openTarget(ctx context.Context, u config.URL, cache int64, log *slog.Logger) (database.Target, error) {
	kind, ok := databaseKinds[u.Scheme()]
	if !ok {
		return nil, fmt.Errorf("%w: target database %q: want %s", errUsage, u, databaseForms())
	}
	t, err := kind.target(ctx, u, cache, log)
	if err != nil {
		return nil, fmt.Errorf("target database %s %w: %w", u, errOpen, err)
	}
	return t, nil
}

// place is what stands after KIND: in a URL.
func placeOf(u config.URL) string { return strings.TrimPrefix(u.Reveal(), u.Scheme()+":") }

func openDir(_ context.Context, _ stores, r config.Region) (blob.Store, error) {
	return dir.Open(placeOf(r.Store))
}

func makeDir(_ context.Context, _ stores, r config.Region) (blob.Store, error) {
	return dir.Init(placeOf(r.Store))
}

func openSQLite(ctx context.Context, file *config.File, log *slog.Logger) (database.Source, error) {
	return sqlite.Open(ctx, placeOf(file.Database), sqlite.Options{Log: log})
}

func openSQLiteTarget(ctx context.Context, u config.URL, cache int64, log *slog.Logger) (database.Target, error) {
	return sqlite.OpenTarget(ctx, placeOf(u), sqlite.Options{CacheBytes: cache, Log: log})
}

func openSQLServer(ctx context.Context, file *config.File, log *slog.Logger) (database.Source, error) {
	return mssql.Open(ctx, mssql.Config{URL: mssql.URL(file.Database.Reveal()), Allow: file.AllowLost, Log: log})
}

func openSQLServerTarget(ctx context.Context, u config.URL, _ int64, log *slog.Logger) (database.Target, error) {
	return mssql.OpenTarget(ctx, mssql.Config{URL: mssql.URL(u.Reveal()), Log: log})
}
