package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lifeboat/internal/drill/hospital"
)

// Hospital makes the hospital's database with about rows rows in a new file.
func Hospital(ctx context.Context, path string, rows int, seed uint64) (err error) {
	if err := absent(path); err != nil {
		return err
	}
	db, err := OpenApp(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range hospital.SQLite() {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make the hospital's tables: %w", err)
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fill(ctx, tx, rows, seed); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func fill(ctx context.Context, tx *sql.Tx, rows int, seed uint64) (err error) {
	inserts := map[string]*sql.Stmt{}
	defer func() {
		for _, s := range inserts {
			err = errors.Join(err, s.Close())
		}
	}()
	for row := range hospital.Rows(rows, seed) {
		insert := inserts[row.Table]
		if insert == nil {
			text := "INSERT INTO " + row.Table + " (" + strings.Join(row.Columns, ", ") + ") VALUES (?" +
				strings.Repeat(", ?", len(row.Columns)-1) + ")"
			if insert, err = tx.PrepareContext(ctx, text); err != nil {
				return err
			}
			inserts[row.Table] = insert
		}
		if _, err := insert.ExecContext(ctx, row.Values...); err != nil {
			return fmt.Errorf("fill table %s: %w", row.Table, err)
		}
	}
	return nil
}

// ErrSource: there is no database to copy.
var ErrSource = errors.New("source database")

// Copy makes a new file with everything that a source holds, leaving out what Lifeboat
// may have put there. The source is only read, and may be in use. ErrSource: it is not one to copy.
func Copy(ctx context.Context, source, path string) (err error) {
	if err := absent(path); err != nil {
		return err
	}
	if info, err := os.Stat(source); err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	} else if info.IsDir() {
		return fmt.Errorf("%w %s is a folder; name the file", ErrSource, source)
	}
	db, err := sql.Open("sqlite", "file:"+escapePath(source)+"?mode=ro&_pragma=busy_timeout(20000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var captured int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'lifeboat_state'`).Scan(&captured)
	if err != nil {
		return fmt.Errorf("%w %s: %w; is it a SQLite database?", ErrSource, source, err)
	}
	if captured > 0 {
		return fmt.Errorf("%w %s has Lifeboat's capture installed; restore a copy of it and drill with that", ErrSource, source)
	}
	// VACUUM INTO is one consistent read of a database that may be written to meanwhile.
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("copy %s: %w", source, err)
	}
	return nil
}

func absent(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already; a drill only writes to files that it made", path)
	}
	return os.MkdirAll(filepath.Dir(path), 0o755)
}
