package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"

	"lifeboat/internal/blob"
)

// folder is a folder of the store whose entry in its parent is durable.
type folder struct {
	path string

	mu  sync.Mutex
	err error // the first failed fsync; see sync
}

// sync returns when everything that was in the folder, opened, before the call is durable. Each
// caller asks the kernel itself, which lets them share one write of the journal: having
// them wait for each other here took twice as long (see BenchmarkCreate).
func (f *folder) sync(opened *os.File) error {
	if err := f.failed(nil); err != nil {
		return err
	}
	err := opened.Sync()
	if err == nil {
		return f.failed(nil) // one that failed meanwhile may have taken our entry along
	}
	return f.failed(blob.Permanent(fmt.Errorf("fsync of folder %s: %w", f.path, err),
		"nothing more is written there until this process is restarted; check the disk first"))
}

// failed returns the first failure, which err becomes if there was none. Linux forgets
// a failed write-back once it has told of it, so that the next fsync would answer
// "durable" for entries that are lost: the first answer is the one to believe.
func (f *folder) failed(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return f.err
}

// folder returns the folder at p ("." is the root), making it and those above it
// durably on first use.
func (s *Store) folder(p string) (*folder, error) {
	s.mu.Lock()
	f := s.folders[p]
	s.mu.Unlock()
	if f != nil {
		return f, nil
	}
	if p != "." {
		if err := s.makeFolder(p); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.folders[p]; f != nil {
		return f, nil
	}
	f = &folder{path: p}
	s.folders[p] = f
	return f, nil
}

// makeFolder leaves p in its parent durably. The parent is fsynced also when p was
// there, since whoever made it may have crashed before doing so.
func (s *Store) makeFolder(p string) error {
	parent, err := s.folder(path.Dir(p))
	if err != nil {
		return err
	}
	if err := s.root.Mkdir(p, folderPerm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := s.root.Lstat(p)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %q is an object, so it cannot be a folder too", blob.ErrName, p)
	}
	return s.sync(parent)
}

// sync opens the folder for its sync.
func (s *Store) sync(f *folder) error {
	opened, err := s.root.Open(f.path)
	if err != nil {
		return err
	}
	defer opened.Close() //nolint:errcheck // only read
	return f.sync(opened)
}

// makeDurable makes the folder at the absolute path p and those above it, each fsynced
// into its parent.
func makeDurable(p string) error {
	info, err := os.Stat(p)
	if err == nil && !info.IsDir() {
		return syscall.ENOTDIR
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDurable(filepath.Dir(p)); err != nil {
		return err
	}
	if err := os.Mkdir(p, folderPerm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	parent, err := os.OpenRoot(filepath.Dir(p))
	if err != nil {
		return err
	}
	return errors.Join(fsync(parent, "."), parent.Close())
}

func fsync(root *os.Root, p string) error {
	f, err := root.Open(p)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// notExist turns the system's words for absence into the port's. ENOTDIR: a part of
// the name is an object, so nothing can be below it.
func notExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return blob.ErrNotExist
	}
	return err
}

// explain says what failed on what, and what to do where that is known.
func explain(verb, name string, err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		err = fmt.Errorf("%w: a part of it is an object, not a folder", blob.ErrName)
	}
	err = fmt.Errorf("%s %s: %w", verb, name, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return blob.Permanent(err, "the store's folder was removed from under this process: restore it and restart, or fail over")
	case errors.Is(err, syscall.EROFS):
		return blob.Permanent(err, "the file system is read-only: remount it for writing, or check the disk")
	case errors.Is(err, fs.ErrPermission):
		return blob.Permanent(err, "give this user the right to read and write the store's folder")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		// Not permanent: the caller goes on as soon as somebody has made room.
		return fmt.Errorf("%w (no room: free some or enlarge the disk; nothing was stored)", err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w (too many open files: raise the limit with ulimit -n)", err)
	}
	return err
}
