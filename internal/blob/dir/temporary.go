package dir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"time"
)

const (
	tmpFolder = ".tmp"
	// tmpMaxAge is how old a temporary file is when nobody can be writing it any more.
	tmpMaxAge = 24 * time.Hour

	// maxSpares bounds the empty files that wait for their object; few creates run at once.
	maxSpares = 2
	// spareAfter is after how many objects a store begins to make spares: whoever makes only
	// a few leaves nothing behind.
	spareAfter = 64
	// spareMaxAge is how old a spare may be that is used; emptyMaxAge, far above, how old an
	// empty file is that nobody uses any more.
	spareMaxAge = time.Minute
	emptyMaxAge = time.Hour
)

// spare is an empty temporary file that was made ahead. It is not kept open: that would
// keep the disk from being remounted.
type spare struct {
	name string // in the store's folder
	made time.Time
}

// takeSpare returns the name of a spare, or "".
func (s *Store) takeSpare() string {
	for {
		select {
		case t := <-s.spares:
			if time.Since(t.made) < spareMaxAge {
				return t.name
			}
			_ = s.root.Remove(t.name)
		default:
			return ""
		}
	}
}

// writeTemporary makes body durable in a temporary file, the spare if there is one, and
// returns its name.
func (s *Store) writeTemporary(spare string, body []byte) (name string, err error) {
	if spare != "" {
		err := s.fill(spare, body)
		if !errors.Is(err, fs.ErrNotExist) { // nobody cleared it
			return spare, err
		}
	}
	if name, err = s.makeTemporary(); err != nil {
		return "", err
	}
	return name, s.fill(name, body)
}

// makeTemporary makes an empty file.
func (s *Store) makeTemporary() (name string, err error) {
	if _, err := s.folder(tmpFolder); err != nil {
		return "", err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	name = tmpFolder + "/" + hex.EncodeToString(id[:])
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return "", err
	}
	return name, f.Close()
}

// fill makes body durable in an empty file. Where that fails, the file is removed.
func (s *Store) fill(name string, body []byte) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, s.root.Remove(name))
	}
	return nil
}

// prepareSpare makes a spare, if one is wanted, beside what its caller does; the function
// it returns waits for it. Making a file can take longer than an fsync: after deletions,
// ext4 looks at every inode freed of late before it hands one out.
func (s *Store) prepareSpare() (wait func()) {
	if s.made.Add(1) < spareAfter || len(s.spares) == cap(s.spares) {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		name, err := s.makeTemporary()
		if err != nil {
			return // the next create makes its own, and reports what stops it
		}
		select {
		case s.spares <- spare{name: name, made: time.Now()}:
		default:
			_ = s.root.Remove(name)
		}
	}()
	return func() { <-done }
}

// dropSpares is best effort: a leftover is ignored by List and cleared by Open.
func (s *Store) dropSpares() {
	for {
		select {
		case t := <-s.spares:
			_ = s.root.Remove(t.name)
		default:
			return
		}
	}
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
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		age := time.Since(info.ModTime())
		if age > tmpMaxAge || age > emptyMaxAge && info.Size() == 0 {
			_ = s.root.Remove(tmpFolder + "/" + e.Name())
		}
	}
}
