package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/drill"
	"lifeboat/internal/workload"
)

// Config says what to play, and where.
type Config struct {
	// Primary is the folder of the primary region, which will be lost; Standby that of the
	// other. Both are made where they are missing.
	Primary, Standby string
	// Source is a SQLite database to copy; "": the hospital's, with about Rows rows.
	Source string
	Rows   int
	Seed   uint64
	Log    *slog.Logger
}

// Engine implements drill.Engine on SQLite.
type Engine struct{ cfg Config }

// New returns an engine that has done nothing yet.
func New(cfg Config) *Engine { return &Engine{cfg} }

// Title says what the database is.
func (e *Engine) Title() string {
	if e.cfg.Source != "" {
		return "a copy of " + filepath.Base(e.cfg.Source)
	}
	return fmt.Sprintf("a hospital's hand-over database of %d rows", e.cfg.Rows)
}

// Prepare makes the application's database.
func (e *Engine) Prepare(ctx context.Context) (drill.Database, error) {
	d := &app{file: filepath.Join(e.cfg.Primary, "app.sqlite"), log: e.cfg.Log}
	if e.cfg.Source != "" {
		return d, Copy(ctx, e.cfg.Source, d.file)
	}
	return d, Hospital(ctx, d.file, e.cfg.Rows, e.cfg.Seed)
}

// Standby is the file that the restore will make.
func (e *Engine) Standby(context.Context) (drill.Standby, error) {
	s := &standby{file: filepath.Join(e.cfg.Standby, "restored.sqlite"), log: e.cfg.Log}
	return s, absent(s.file)
}

// app is the application's database.
type app struct {
	file string
	log  *slog.Logger
}

func (a *app) URL() string { return "sqlite:" + a.file }

func (a *app) App(context.Context) (*sql.DB, workload.Dialect, error) {
	db, err := OpenApp(a.file)
	return db, NewDialect(true), err
}

func (a *app) Source(ctx context.Context) (database.Source, error) {
	return sqlite.Open(ctx, a.file, sqlite.Options{Log: a.log})
}

// Lose removes the files, whoever has them open.
func (a *app) Lose(context.Context) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(a.file + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// standby is the database that is restored.
type standby struct {
	file string
	log  *slog.Logger
}

func (s *standby) Place() string { return s.file }

func (s *standby) Target(ctx context.Context) (database.Target, error) {
	return sqlite.OpenTarget(ctx, s.file, sqlite.Options{Log: s.log})
}

func (s *standby) App(context.Context) (*sql.DB, workload.Dialect, error) {
	db, err := OpenApp(s.file)
	return db, NewDialect(false), err
}

// Check asks SQLite whether every page, index and constraint is sound. Foreign keys are
// not asked about: a source may break its own, and a restore keeps what it was given.
func (s *standby) Check(ctx context.Context) (err error) {
	db, err := OpenApp(s.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("SQLite's integrity check of %s: %s", s.file, answer)
	}
	return nil
}
