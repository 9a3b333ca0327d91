package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"lifeboat/internal/blob"
)

const (
	// Health data: nobody but the owner reads it.
	filePerm   = 0o600
	folderPerm = 0o700
)

// Store is a blob.Store in one folder. It is safe for concurrent use, also by several
// processes.
type Store struct {
	root     *os.Root
	listPage int
	rename   func(from *os.File, old string, to *os.File, name string) error

	mu      sync.Mutex
	folders map[string]*folder // whose entry in the parent is known to be durable
	tmp     *temporary         // nil before the first create
}

var _ blob.Store = (*Store)(nil)

// Init makes the folder at path and those above it where they are missing, durably,
// and opens it.
func Init(path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("init store %s: %w", path, err)
	}
	if err := makeDurable(abs); err != nil {
		return nil, explain("init store", path, err)
	}
	return Open(path)
}

// Open opens the folder at path, which must exist: see Init. It clears temporary files
// that a crash left more than a day ago, if it may.
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path) // this process may change its folder later
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, blob.Permanent(fmt.Errorf("open store %s: %w", path, err),
			"mount the disk, correct the path, or make a new store with `lifeboat init`")
	}
	if err != nil {
		return nil, explain("open store", path, err)
	}
	s := &Store{root: root, listPage: defaultListPage, rename: renameNoReplace, folders: map[string]*folder{}}
	s.clearTemporary()
	return s, nil
}

// Close releases the folder. The store must not be used afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.tmp.close(), s.root.Close())
}

// Path is the absolute path of the folder.
func (s *Store) Path() string { return s.root.Name() }

// String is the store's URL.
func (s *Store) String() string { return "dir:" + s.Path() }

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, name string, body []byte) error {
	if err := blob.CheckObject(name, body); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	if err := s.create(ctx, name, body); err != nil {
		return explain("create", name, err)
	}
	return nil
}

func (s *Store) create(ctx context.Context, name string, body []byte) error {
	// Most calls for a taken name are repeats; answer them without writing anything.
	taken, err := s.compare(name, body)
	if err != nil {
		return err
	}
	f, err := s.folder(path.Dir(name))
	if err != nil {
		return err
	}
	opened, err := s.root.Open(f.path)
	if err != nil {
		return err
	}
	defer opened.Close() //nolint:errcheck // only read
	if !taken {
		if err := s.write(ctx, opened, name, body); err != nil {
			return err
		}
	}
	// Also when it was there already: whoever gave it its name may not have got this far.
	return f.sync(opened)
}

// write makes body durable under a temporary name and then gives it its own.
func (s *Store) write(ctx context.Context, folder *os.File, name string, body []byte) error {
	t, err := s.temporary()
	if err != nil {
		return err
	}
	tmp, err := t.write(body)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(err, t.root.Remove(tmp))
	}
	err = s.place(t, tmp, folder, name)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	taken, err := s.compare(name, body)
	if err != nil || taken {
		return err
	}
	if info, err := s.root.Lstat(name); err == nil && info.IsDir() {
		return fmt.Errorf("%w: it is a folder of other objects", blob.ErrName)
	}
	return errors.New("the name was taken, and free again a moment later: try again")
}

// compare tells whether name is taken: by the same bytes (true, nil), by others
// (ErrExists), or not at all (false, nil).
func (s *Store) compare(name string, body []byte) (bool, error) {
	f, info, err := s.open(name)
	if errors.Is(err, blob.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // only read
	if info.Size() != int64(len(body)) {
		return false, fmt.Errorf("%w: %d bytes there, %d given", blob.ErrExists, info.Size(), len(body))
	}
	buf := make([]byte, min(len(body), 256<<10))
	for at := 0; at < len(body); {
		n := min(len(buf), len(body)-at)
		if _, err := io.ReadFull(f, buf[:n]); err != nil {
			return false, err
		}
		if !bytes.Equal(buf[:n], body[at:at+n]) {
			return false, fmt.Errorf("%w: other bytes from offset %d to %d", blob.ErrExists, at, at+n)
		}
		at += n
	}
	return true, nil
}

// open returns the object's file, or ErrNotExist also for what is only a folder.
func (s *Store) open(name string) (*os.File, fs.FileInfo, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, nil, notExist(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: not a regular file", blob.ErrPermanent)
		if info.IsDir() {
			err = blob.ErrNotExist
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// Get implements blob.Store.
func (s *Store) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := errors.Join(blob.CheckName(name), ctx.Err()); err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	if off < 0 {
		return nil, fmt.Errorf("get %s: negative offset %d", name, off)
	}
	f, info, err := s.open(name)
	if err != nil {
		return nil, explain("get", name, s.absence(err))
	}
	if rest := max(0, info.Size()-off); n < 0 || n > rest {
		n = rest
	}
	return &reader{ctx: ctx, part: io.NewSectionReader(f, off, n), file: f}, nil
}

// reader ends with the context it was opened under, as a request over a network would.
type reader struct {
	ctx  context.Context //nolint:containedctx // an io.Reader has no other way to learn of it
	part *io.SectionReader
	file *os.File
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.part.Read(p)
}

func (r *reader) Close() error { return r.file.Close() }

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, name string) (blob.Info, error) {
	if err := errors.Join(blob.CheckName(name), ctx.Err()); err != nil {
		return blob.Info{}, fmt.Errorf("stat %s: %w", name, err)
	}
	info, err := s.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = blob.ErrNotExist
	}
	if err != nil {
		return blob.Info{}, explain("stat", name, s.absence(notExist(err)))
	}
	return blob.Info{Name: name, Size: info.Size(), Created: info.ModTime().UTC()}, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if _, err := s.Stat(ctx, name); err != nil {
		if errors.Is(err, blob.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("delete: %w", err)
	}
	if err := s.root.Remove(name); err != nil && !errors.Is(notExist(err), blob.ErrNotExist) {
		return explain("delete", name, err)
	}
	f, err := s.folder(path.Dir(name))
	if err == nil {
		err = s.sync(f)
	}
	if err != nil {
		return explain("delete", name, err)
	}
	return nil
}

// absence keeps a store that was removed from looking like one that is empty.
func (s *Store) absence(err error) error {
	if !errors.Is(err, blob.ErrNotExist) {
		return err
	}
	if lost := s.present(); lost != nil {
		return lost
	}
	return err
}

// present fails when the folder this store was opened on is no longer at its path.
func (s *Store) present() error {
	opened, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	now, err := os.Stat(s.root.Name())
	if err == nil && os.SameFile(opened, now) {
		return nil
	}
	return blob.Permanent(errors.New("the store's folder was removed or replaced"), "restore it, or fail over to the other store")
}
