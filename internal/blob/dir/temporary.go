package dir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path"
	"time"
)

const (
	tmpFolder = ".tmp"
	// tmpMaxAge is how old a temporary file is when nobody can be writing it any more.
	tmpMaxAge = 24 * time.Hour
)

// temporary is the folder of temporary files. It is kept open: every create needs it.
type temporary struct {
	root *os.Root
	file *os.File // the same folder
}

// temporary opens the folder, and makes it, on first use.
func (s *Store) temporary() (*temporary, error) {
	if _, err := s.folder(tmpFolder); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tmp != nil {
		return s.tmp, nil
	}
	root, err := s.root.OpenRoot(tmpFolder)
	if err != nil {
		return nil, err
	}
	file, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s.tmp = &temporary{root, file}
	return s.tmp, nil
}

func (t *temporary) close() error {
	if t == nil {
		return nil
	}
	return errors.Join(t.file.Close(), t.root.Close())
}

// write makes body durable under a temporary name. Where that fails, nothing is left.
func (t *temporary) write(body []byte) (tmp string, err error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	tmp = hex.EncodeToString(id[:])
	f, err := t.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return "", err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, t.root.Remove(tmp))
	}
	return tmp, nil
}

// place gives a temporary file the object's name in the object's folder: fs.ErrExist if it
// is taken. In either case the temporary name is gone.
func (s *Store) place(t *temporary, tmp string, folder *os.File, name string) error {
	err := s.rename(t.file, tmp, folder, path.Base(name))
	if err == nil {
		return nil
	}
	defer t.root.Remove(tmp) //nolint:errcheck // a leftover is ignored by List and cleared by Open
	if errors.Is(err, errors.ErrUnsupported) {
		return s.root.Link(path.Join(tmpFolder, tmp), name)
	}
	return &os.LinkError{Op: "rename", Old: tmp, New: name, Err: err}
}

// clearTemporary is best effort: a store that may only be read is still opened.
func (s *Store) clearTemporary() {
	folder, err := s.root.Open(tmpFolder)
	if err != nil {
		return
	}
	defer folder.Close() //nolint:errcheck // only read
	entries, _ := folder.ReadDir(-1)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > tmpMaxAge {
			_ = s.root.Remove(tmpFolder + "/" + e.Name())
		}
	}
}
