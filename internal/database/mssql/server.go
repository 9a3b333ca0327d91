package mssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config says which database and how.
type Config struct {
	URL URL
	// Allow names what the schema may lose: things that are not modelled ("assembly
	// Geo", "full-text index dbo.Document", …), exactly as a refusal names them. They are
	// listed in Schema.NotCarried instead of being refused.
	Allow []string
	// Workers is how many Loads run at once on a Target; 0 = 4.
	Workers int
	Log     *slog.Logger     `json:"-"` // nil = discard
	Clock   func() time.Time `json:"-"` // nil = time.Now
}

func (c Config) withDefaults() Config {
	if c.Workers <= 0 {
		c.Workers = 4
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

// server is one database on one server, as every part of this package uses it.
type server struct {
	config Config
	log    *slog.Logger
	db     *sql.DB
	caps   capabilities
	codecs codecs
	views  views
}

// application is the name that sessions show on the server.
const application = "lifeboat"

// connect opens a pool and finds out what the server can do.
func connect(ctx context.Context, config Config) (*server, error) {
	config = config.withDefaults()
	connector, err := config.URL.connector(application)
	if err != nil {
		return nil, err
	}
	s := &server{config: config, log: config.Log, db: sql.OpenDB(connector)}
	s.db.SetMaxIdleConns(config.Workers + 2)
	// An idle session of Azure SQL is dropped by the gateway after 30 minutes.
	s.db.SetConnMaxIdleTime(10 * time.Minute)
	_, err = retried(ctx, s.log, "connect", func() (struct{}, error) { return struct{}{}, s.meet(ctx) })
	if err != nil {
		return nil, errors.Join(s.failed("connect to", err), s.db.Close())
	}
	s.codecs = codecs{rawText: s.caps.rawText, pages: new(codePages)}
	return s, nil
}

// meet finds out what the server is.
func (s *server) meet(ctx context.Context) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if s.caps, err = detect(ctx, conn); err != nil {
		return err
	}
	s.views, err = readViews(ctx, conn)
	return err
}

// failed wraps an error with what was done to which database, without the URL's secrets.
func (s *server) failed(doing string, err error) error {
	return fmt.Errorf("%s database %s: %w", doing, s.config.URL, err)
}

// querier is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// unit is one idempotent piece of work in one transaction on a connection of its own.
type unit struct {
	what      string
	isolation sql.IsolationLevel // never LevelDefault, which is whatever the session had
	do        func(ctx context.Context, tx session) error
}

// session is a transaction and the connection it is on.
type session struct {
	*sql.Tx
	conn *sql.Conn
}

// run does the unit, again when that may help. When it returns nil the unit is committed.
func (s *server) run(ctx context.Context, u unit) error {
	_, err := retried(ctx, s.log, u.what, func() (struct{}, error) {
		return struct{}{}, s.once(ctx, u)
	})
	if err != nil {
		return s.failed(u.what+" in", err)
	}
	return nil
}

func (s *server) once(ctx context.Context, u unit) (err error) {
	if u.isolation == sql.LevelDefault {
		u.isolation = sql.LevelReadCommitted
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // back to the pool; what counts is decided by then
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: u.isolation})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// The first error says why; a rollback that fails has lost its connection,
			// and the server rolls back by itself.
			_ = tx.Rollback()
		}
	}()
	if err = u.do(ctx, session{tx, conn}); err != nil {
		return err
	}
	return tx.Commit()
}

// exec runs statements in order, naming the one that failed.
func exec(ctx context.Context, q querier, statements ...string) error {
	for _, text := range statements {
		if _, err := q.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%w (in: %s)", err, abridged(text))
		}
	}
	return nil
}

// abridged is the beginning of a statement, for messages.
func abridged(text string) string {
	const enough = 200
	if len(text) > enough {
		return text[:enough] + "…"
	}
	return text
}
