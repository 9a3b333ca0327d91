package mssql

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"lifeboat/internal/database"
)

// Scratch makes databases to be thrown away on the server of a URL, for drills and tests.
// It only ever drops what it made itself.
type Scratch struct {
	server *server
	made   map[string]bool
}

// scratchPrefix begins the name of every scratch database.
const scratchPrefix = "lifeboat_scratch_"

// OpenScratch connects to the server; the URL's database must exist and is not changed.
// The login must be allowed to create databases.
func OpenScratch(ctx context.Context, config Config) (*Scratch, error) {
	s, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Scratch{server: s, made: map[string]bool{}}, nil
}

// Create makes an empty database with SNAPSHOT isolation allowed and returns its URL.
// like is the collation it must have; "" = the server's default.
func (s *Scratch) Create(ctx context.Context, like string) (URL, error) {
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	name := scratchPrefix + hex.EncodeToString(random[:])
	statements := []string{"CREATE DATABASE " + quote(name)}
	if like != "" {
		statements[0] += " COLLATE " + like
	}
	if s.server.caps.alterDatabase && !s.server.caps.azure {
		statements = append(statements, "ALTER DATABASE "+quote(name)+" SET ALLOW_SNAPSHOT_ISOLATION ON")
	}
	s.made[name] = true
	if err := exec(ctx, s.server.db, statements...); err != nil {
		return "", s.server.failed("create a scratch database on the server of", err)
	}
	return s.server.config.URL.WithDatabase(name)
}

// Drop drops a database that Create made, also under those who have it open.
func (s *Scratch) Drop(ctx context.Context, u URL) error {
	name := u.Database()
	if !s.made[name] {
		return fmt.Errorf("%w: %s is not a scratch database of this run", database.ErrUnsupported, u)
	}
	if s.server.caps.alterDatabase && !s.server.caps.azure {
		if err := exec(ctx, s.server.db, "IF DB_ID("+literal(name)+") IS NOT NULL ALTER DATABASE "+quote(name)+" SET SINGLE_USER WITH ROLLBACK IMMEDIATE"); err != nil {
			return s.server.failed("close a scratch database on the server of", err)
		}
	}
	if err := s.drop(ctx, name); err != nil {
		return s.server.failed("drop a scratch database on the server of", err)
	}
	delete(s.made, name)
	return nil
}

// drop ends the sessions of the database while it is being dropped, where that cannot be
// asked for in one statement and the drop would wait for them.
func (s *Scratch) drop(ctx context.Context, name string) error {
	drop := func() error {
		_, err := retried(ctx, s.server.log, "drop a scratch database", func() (struct{}, error) {
			return struct{}{}, exec(ctx, s.server.db, "DROP DATABASE IF EXISTS "+quote(name))
		})
		return err
	}
	if s.server.caps.alterDatabase {
		return drop()
	}
	dropped := make(chan error, 1)
	go func() { dropped <- drop() }()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case err := <-dropped:
			return err
		case <-again.C:
			s.killSessions(ctx, name)
		}
	}
}

// killSessions ends what is open on a database. One that cannot be ended is gone already,
// or the drop says why it fails.
func (s *Scratch) killSessions(ctx context.Context, name string) {
	type row struct{ ID int }
	sessions, err := collect[row](ctx, s.server.db, "SELECT session_id AS ID FROM sys.dm_exec_sessions WHERE database_id = DB_ID("+literal(name)+") AND session_id <> @@SPID")
	if err != nil {
		return
	}
	for _, r := range sessions {
		if err := exec(ctx, s.server.db, fmt.Sprintf("KILL %d", r.ID)); err != nil {
			s.server.log.DebugContext(ctx, "cannot end a session", "session", r.ID, "err", err)
		}
	}
}

// DropAll drops every database that is left.
func (s *Scratch) DropAll(ctx context.Context) error {
	var problems []error
	for name := range maps.Clone(s.made) {
		u, err := s.server.config.URL.WithDatabase(name)
		if err == nil {
			err = s.Drop(ctx, u)
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// Close ends the connection. Databases that were not dropped stay.
func (s *Scratch) Close() error { return s.server.Close() }
