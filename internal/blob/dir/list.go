package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"lifeboat/internal/blob"
)

// defaultListPage is how many names of one folder List holds before it reads that
// folder again for the next ones: memory stays at some MiB for any number of objects.
const defaultListPage = 1 << 16

// List implements blob.Store. It holds one page of names for each level of folders.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		w := walk{ctx: ctx, root: s.root, prefix: prefix, after: after, page: s.listPage, yield: yield}
		err := s.present()
		if err == nil {
			err = w.folder(".")
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(blob.Info{}, fmt.Errorf("list %q: %w", prefix, err))
		}
	}
}

var errStopped = errors.New("the consumer stopped")

type walk struct {
	ctx           context.Context //nolint:containedctx // lives for one List
	root          *os.Root
	prefix, after string
	page          int
	yield         func(blob.Info, error) bool
}

// folder yields the objects below p. Within one folder a sub-folder sorts as its name
// and a '/', which puts full names in byte order: "a-b" < "a/b" < "a0".
func (w *walk) folder(p string) error {
	base := ""
	if p != "." {
		base = p + "/"
	}
	for last, more := "", true; more; {
		names, err := w.names(p, base, last)
		if err != nil {
			return err
		}
		if more = len(names) > w.page; more {
			names = names[:w.page]
		}
		for _, name := range names {
			last = name
			if err := w.entry(base, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) entry(base, name string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	full := base + name
	if sub, ok := strings.CutSuffix(full, "/"); ok {
		return w.folder(sub)
	}
	info, err := w.root.Lstat(full)
	if errors.Is(notExist(err), blob.ErrNotExist) {
		return nil // deleted since
	}
	if err != nil {
		return explain("stat", full, err)
	}
	if err := blob.CheckName(full); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %q in the store's folder is not an object: move it away", blob.ErrName, full)
	}
	if !w.yield(blob.Info{Name: full, Size: info.Size(), Created: info.ModTime().UTC()}, nil) {
		return errStopped
	}
	return nil
}

// names returns, sorted, the first w.page+1 or more entries of p that are after last
// and can hold a wanted object; those of folders end in '/'.
func (w *walk) names(p, base, last string) ([]string, error) {
	f, err := w.root.Open(p)
	if errors.Is(notExist(err), blob.ErrNotExist) && p != "." {
		return nil, nil
	}
	if err != nil {
		return nil, explain("open folder", p, err)
	}
	defer f.Close() //nolint:errcheck // only read
	var names []string
	for {
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			name := e.Name()
			if e.IsDir() {
				name += "/"
			}
			if name > last && w.wants(base+name) {
				names = append(names, name)
			}
		}
		if len(names) > 2*w.page {
			slices.Sort(names)
			names = names[:w.page+1]
		}
		if errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names, nil
		}
		if err == nil {
			err = w.ctx.Err()
		}
		if err != nil {
			return nil, explain("read folder", p, err)
		}
	}
}

// wants tells whether full, a file's name or a folder's with its '/', is or may hold
// an object that was asked for. Dotted names are never objects.
func (w *walk) wants(full string) bool {
	if path.Base(full)[0] == '.' {
		return false
	}
	if strings.HasSuffix(full, "/") {
		matches := strings.HasPrefix(full, w.prefix) || strings.HasPrefix(w.prefix, full)
		return matches && (full > w.after || strings.HasPrefix(w.after, full))
	}
	return strings.HasPrefix(full, w.prefix) && full > w.after
}
