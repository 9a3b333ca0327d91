package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	_ "github.com/microsoft/go-mssqldb" // the application's driver

	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/drill"
	"lifeboat/internal/workload"
)

// Config says on which server to play, and what.
type Config struct {
	// URL names a server on which databases may be created, and a database there. If that
	// has tables, a copy of it is played with; else the hospital's, with about Rows rows.
	URL mssql.URL
	// Script is T-SQL that makes the database to play with instead; see Batches.
	Script string
	// Allow names what the copy may lose; see mssql.Config.
	Allow []string
	Rows  int
	Seed  uint64
	Log   *slog.Logger // nil: discard
}

// Engine implements drill.Engine on SQL Server.
type Engine struct {
	cfg     Config
	scratch *mssql.Scratch
	source  *mssql.Source // nil with a script
	copied  bool          // the source has tables
}

var _ drill.Engine = (*Engine)(nil)

// New connects to the server and looks at the source. It changes nothing yet.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	config := mssql.Config{URL: cfg.URL, Allow: cfg.Allow, Log: cfg.Log}
	scratch, err := mssql.OpenScratch(ctx, config)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, scratch: scratch}
	if cfg.Script != "" {
		return e, nil
	}
	if e.source, err = mssql.Open(ctx, config); err != nil {
		return nil, errors.Join(err, scratch.Close())
	}
	if e.copied, err = hasTables(ctx, e.source); err != nil {
		return nil, errors.Join(err, e.source.Close(), scratch.Close())
	}
	return e, nil
}

func hasTables(ctx context.Context, s *mssql.Source) (has bool, err error) {
	v, err := s.View(ctx)
	if err != nil {
		return false, err
	}
	has = len(v.Schema().Tables) > 0
	return has, v.Close()
}

// Close drops every database that the drill made and ends the connections.
func (e *Engine) Close(ctx context.Context) error {
	var err error
	if e.source != nil {
		err = e.source.Close()
	}
	return errors.Join(err, e.scratch.DropAll(ctx), e.scratch.Close())
}

// Title says what the database is.
func (e *Engine) Title() string {
	switch {
	case e.cfg.Script != "":
		return "a database made by a script"
	case e.copied:
		return "a copy of " + e.cfg.URL.Database()
	}
	return fmt.Sprintf("a hospital's hand-over database of %d rows", e.cfg.Rows)
}

// Prepare makes the application's database.
func (e *Engine) Prepare(ctx context.Context) (drill.Database, error) {
	u, err := e.scratch.Create(ctx, "")
	if err != nil {
		return nil, err
	}
	d := &app{e: e, url: u}
	switch {
	case e.cfg.Script != "":
		return d, e.runScript(ctx, u)
	case e.copied:
		return d, e.copy(ctx, u)
	}
	return d, Hospital(ctx, u, e.cfg.Rows, e.cfg.Seed)
}

// copy loads one view of the source into a new database, as a restore would.
func (e *Engine) copy(ctx context.Context, into mssql.URL) (err error) {
	v, err := e.source.View(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	t, err := mssql.OpenTarget(ctx, mssql.Config{URL: into, Log: e.cfg.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if err := t.Begin(ctx, "copy", v.Schema()); err != nil {
		return err
	}
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		if _, err := t.Load(ctx, table.Name, table, v.Rows(ctx, table)); err != nil {
			return err
		}
	}
	counters, err := v.Counters(ctx)
	if err != nil {
		return err
	}
	if err := t.Finish(ctx, counters); err != nil {
		return err
	}
	return t.ForgetProgress(ctx)
}

// Standby makes the empty database that the restore fills.
func (e *Engine) Standby(ctx context.Context) (drill.Standby, error) {
	u, err := e.scratch.Create(ctx, "")
	return &standby{e: e, url: u}, err
}

// app is the application's database.
type app struct {
	e   *Engine
	url mssql.URL
}

func (a *app) URL() string { return string(a.url) }

func (a *app) App(context.Context) (*sql.DB, workload.Dialect, error) { return openApp(a.url) }

func (a *app) Source(ctx context.Context) (database.Source, error) {
	return mssql.Open(ctx, mssql.Config{URL: a.url, Log: a.e.cfg.Log})
}

// Lose drops the database, whoever has it open.
func (a *app) Lose(ctx context.Context) error { return a.e.scratch.Drop(ctx, a.url) }

// standby is the database that is restored.
type standby struct {
	e   *Engine
	url mssql.URL
}

func (s *standby) Place() string { return s.url.String() }

func (s *standby) Target(ctx context.Context) (database.Target, error) {
	return mssql.OpenTarget(ctx, mssql.Config{URL: s.url, Log: s.e.cfg.Log})
}

func (s *standby) App(context.Context) (*sql.DB, workload.Dialect, error) { return openApp(s.url) }

// Check asks the server whether the database is sound: every page where it has
// DBCC CHECKDB, every constraint where it says that one is broken.
func (s *standby) Check(ctx context.Context) (err error) {
	db, _, err := openApp(s.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var babelfish sql.NullString
	if err := db.QueryRowContext(ctx, "SELECT CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(50))").Scan(&babelfish); err != nil {
		return err
	}
	if babelfish.Valid { // it has no DBCC CHECKDB; constraints were checked as they were made
		return nil
	}
	for _, check := range []string{"DBCC CHECKDB WITH NO_INFOMSGS", "DBCC CHECKCONSTRAINTS WITH NO_INFOMSGS"} {
		if err := silent(ctx, db, check); err != nil {
			return fmt.Errorf("%s in %s: %w", check, s.url, err)
		}
	}
	return nil
}

// silent runs a check that answers only if something is wrong.
func silent(ctx context.Context, db *sql.DB, check string) error {
	rows, err := db.QueryContext(ctx, check)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		columns, err := rows.Columns()
		return errors.Join(err, fmt.Errorf("it found something (%s)", strings.Join(columns, ", ")))
	}
	return rows.Err()
}

// openApp connects as an application does, with the driver's defaults.
func openApp(u mssql.URL) (*sql.DB, workload.Dialect, error) {
	db, err := sql.Open("sqlserver", string(u))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s as the application: the URL is not one of the driver's", u)
	}
	return db, &Dialect{}, nil
}
