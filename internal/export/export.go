package export

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// Format of the files.
type Format string

// The formats.
const (
	Parquet Format = "parquet"
	CSV     Format = "csv"
)

// ErrFormat: there is no such format, or no such table.
var ErrFormat = errors.New("cannot be exported")

// Config is what Run needs.
type Config struct {
	Store    blob.Store
	Snapshot restore.Snapshot
	Format   Format
	Dir      string   // made if it is missing; files in it are never replaced
	Tables   []string // empty: all
	Memory   int64    // bytes, for the changes of incremental snapshots: 512 MiB if 0
	TempDir  string
}

// File is one table that was exported.
type File struct {
	Table string `json:"table"`
	Path  string `json:"path"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// sink writes the rows of one table.
type sink interface {
	row(values []database.Value) error
	close() error
}

// Run exports the tables of a snapshot. Tables that were finished before an error are
// complete; they are in the report. Parquet needs the types that columns really hold, so
// the snapshot is read twice for it.
func Run(ctx context.Context, cfg Config) ([]File, error) {
	if cfg.Format != Parquet && cfg.Format != CSV {
		return nil, fmt.Errorf("%w: format %q: want %s or %s", ErrFormat, cfg.Format, Parquet, CSV)
	}
	for _, name := range cfg.Tables {
		if !slices.ContainsFunc(cfg.Snapshot.Tables, func(t restore.TableEntry) bool { return t.Name == name }) {
			return nil, fmt.Errorf("%w: the snapshot has no table %q", ErrFormat, name)
		}
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil { // rows of patients
		return nil, err
	}
	e := &exporter{Config: cfg, kinds: map[string][]kind{}}
	if cfg.Format == Parquet {
		if err := e.read(ctx, e.survey); err != nil {
			return nil, err
		}
	}
	err := e.read(ctx, e.write)
	if e.open != nil { // not finished
		err = errors.Join(err, e.open.file.Close(), os.Remove(e.open.file.Name()))
	}
	return e.files, err
}

type exporter struct {
	Config
	kinds map[string][]kind // by table
	files []File
	open  *part
}

type consumer = func(t *database.Table) (row func([]byte) error, done func() error, err error)

func (e *exporter) read(ctx context.Context, table consumer) error {
	return snapshot.Read(ctx, snapshot.ReadConfig{
		Store: e.Store, Snapshot: e.Snapshot, Memory: e.Memory, TempDir: e.TempDir,
		Table: func(t *database.Table) (func([]byte) error, func() error, error) {
			if len(e.Tables) > 0 && !slices.Contains(e.Tables, t.Name) {
				return nil, nil, nil
			}
			return table(t)
		},
	})
}

// survey finds what kinds of values each column of a table holds.
func (e *exporter) survey(t *database.Table) (func([]byte) error, func() error, error) {
	kinds := make([]kind, len(t.Columns))
	values := make([]database.Value, len(t.Columns))
	row := func(row []byte) error {
		if err := decode(t, row, values); err != nil {
			return err
		}
		for i, v := range values {
			kinds[i] = kinds[i].with(v, &t.Columns[i])
		}
		return nil
	}
	return row, func() error { e.kinds[t.Name] = kinds; return nil }, nil
}

// decode takes a row apart into values, which alias it.
func decode(t *database.Table, row []byte, values []database.Value) (err error) {
	for i := range values {
		if values[i], row, err = database.Next(row); err != nil {
			return fmt.Errorf("row of table %s: %w", t.Name, err)
		}
	}
	if len(row) != 0 {
		return fmt.Errorf("row of table %s: %w: %d bytes after the last column", t.Name, database.ErrRow, len(row))
	}
	return nil
}

// part is a file that is being written, under another name until it is whole.
type part struct {
	file *os.File
	buf  *bufio.Writer
	path string
}

// name makes a file name of any table's name.
func name(table string, f Format) string {
	escaped := url.PathEscape(table)
	if escaped[0] == '.' {
		escaped = "%2E" + escaped[1:]
	}
	return escaped + "." + string(f)
}

func (e *exporter) write(t *database.Table) (func([]byte) error, func() error, error) {
	p := &part{path: filepath.Join(e.Dir, name(t.Name, e.Format))}
	if _, err := os.Lstat(p.path); !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: %s is there already: remove it, or name another folder", ErrFormat, p.path)
	}
	var err error
	if p.file, err = os.OpenFile(p.path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return nil, nil, err
	}
	e.open, p.buf = p, bufio.NewWriterSize(p.file, 1<<20)
	var out sink
	if e.Format == CSV {
		out, err = newCSV(p.buf, t)
	} else {
		out, err = newParquet(p.buf, t, e.kinds[t.Name], e.Snapshot)
	}
	if err != nil {
		return nil, nil, err
	}
	values, rows := make([]database.Value, len(t.Columns)), int64(0)
	row := func(row []byte) error {
		if err := decode(t, row, values); err != nil {
			return err
		}
		rows++
		if err := out.row(values); err != nil {
			return fmt.Errorf("export table %s: %w", t.Name, err)
		}
		return nil
	}
	return row, func() error { return e.finish(t, p, out, rows) }, nil
}

// finish makes a file whole, and gives it its name.
func (e *exporter) finish(t *database.Table, p *part, out sink, rows int64) error {
	err := out.close()
	if err == nil {
		err = p.buf.Flush()
	}
	if err == nil {
		err = p.file.Sync()
	}
	if err == nil {
		err = os.Rename(p.file.Name(), p.path)
	}
	if err == nil {
		e.open, err = nil, p.file.Close()
	}
	if err != nil {
		return fmt.Errorf("export table %s: %w", t.Name, err)
	}
	info, err := os.Stat(p.path)
	if err != nil {
		return err
	}
	e.files = append(e.files, File{Table: t.Name, Path: p.path, Rows: rows, Bytes: info.Size()})
	return nil
}
