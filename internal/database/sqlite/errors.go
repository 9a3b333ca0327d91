package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lifeboat/internal/database/sqlite/capi"
)

// Errors a caller may test for, beside those of package database.
var (
	// ErrLocked: another connection kept the database locked for too long.
	ErrLocked = errors.New("database is locked")
	// ErrNotDatabase: the file is not a SQLite database, or is encrypted.
	ErrNotDatabase = errors.New("not a SQLite database")
	// ErrDiskFull: no space, or a quota.
	ErrDiskFull = errors.New("disk is full")
	// ErrReadOnly: the file or its folder cannot be written.
	ErrReadOnly = errors.New("database is read-only")
	// ErrDamaged: SQLite found the file malformed.
	ErrDamaged = errors.New("database file is damaged")
)

// explain adds the file and what to do to an error of package capi; the sentinel is for
// errors.Is. After cancellation it is the context's error that counts.
func (f *file) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var plain *capi.Error
	if !errors.As(err, &plain) {
		return err
	}
	switch capi.Code(err) {
	case capi.Interrupt:
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", f.path, context.Cause(ctx))
		}
	case capi.Busy, capi.Locked:
		return fmt.Errorf("%s: %w: another connection has held it for over %s; end its transaction or allow a longer wait", f.path, ErrLocked, f.wait)
	case capi.NotADB:
		return fmt.Errorf("%s: %w (or it is encrypted); check the path", f.path, ErrNotDatabase)
	case capi.Full:
		return fmt.Errorf("%s: %w: the transaction was rolled back; free space in %s and run again", f.path, ErrDiskFull, filepath.Dir(f.path))
	case capi.ReadOnly:
		return fmt.Errorf("%s: %w: give write permission on the file and on its folder (SQLite keeps its journal there)", f.path, ErrReadOnly)
	case capi.Corrupt:
		return fmt.Errorf("%s: %w (%w); stop using it, keep a copy, and restore", f.path, ErrDamaged, plain)
	case capi.CantOpen:
		return f.cannotOpen(plain)
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

func (f *file) cannotOpen(err error) error {
	info, statErr := os.Stat(f.path)
	switch {
	case statErr == nil && info.IsDir():
		return fmt.Errorf("%s is a folder, not a database file", f.path)
	case statErr == nil:
		return fmt.Errorf("cannot open %s: check the permissions of the file and its folder: %w", f.path, err)
	}
	if _, dirErr := os.Stat(filepath.Dir(f.path)); dirErr != nil {
		return fmt.Errorf("cannot open %s: its folder does not exist; create it or correct the path: %w", f.path, dirErr)
	}
	return fmt.Errorf("cannot open %s: %w; check the path", f.path, statErr)
}
