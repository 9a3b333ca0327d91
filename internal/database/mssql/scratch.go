package mssql

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"

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
	if err := exec(ctx, s.server.db, "DROP DATABASE IF EXISTS "+quote(name)); err != nil {
		return s.server.failed("drop a scratch database on the server of", err)
	}
	delete(s.made, name)
	return nil
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
