package kit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/numbered"
)

// Item is a file to put into a kit.
type Item struct {
	Path string // below the kit's folder, with slashes
	From string // the file here
}

// Contents is what a kit is built from.
type Contents struct {
	Items    []Item
	Platform string
	Code     uint64
	Versions map[string]string
	Clock    func() time.Time
}

// Build stores the items as a new kit, unless the newest is the same already; then it is
// returned, and fresh is false. On a nil error it is durable.
func Build(ctx context.Context, store blob.Store, c Contents) (m *Manifest, fresh bool, err error) {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	m = &Manifest{Format: Format, Created: c.Clock().UTC(), Platform: c.Platform, Code: c.Code, Versions: map[string]string{}, Files: []File{}}
	maps.Copy(m.Versions, c.Versions)
	items := slices.SortedFunc(slices.Values(c.Items), func(a, b Item) int { return strings.Compare(a.Path, b.Path) })
	for _, item := range items {
		f, err := upload(ctx, store, item)
		if err != nil {
			return nil, false, fmt.Errorf("put %s into the kit: %w", item.Path, err)
		}
		m.Files = append(m.Files, f)
	}
	for {
		last, err := Latest(ctx, store)
		if err != nil && !errors.Is(err, ErrNone) {
			return nil, false, err
		}
		if last > 0 {
			old, err := Read(ctx, store, last)
			if err != nil && !errors.Is(err, ErrDamaged) { // a damaged kit is replaced
				return nil, false, err
			}
			if err == nil && same(old, m) {
				return old, false, nil
			}
		}
		m.Number = last + 1
		if err := m.check(m.Number); err != nil {
			return nil, false, err
		}
		body, err := json.Marshal(m)
		if err != nil {
			return nil, false, fmt.Errorf("encode kit: %w", err)
		}
		if err = store.Create(ctx, kits.Name(m.Number), body); !errors.Is(err, blob.ErrExists) {
			return m, err == nil, err
		}
	}
}

// same compares two kits but for number and time.
func same(a, b *Manifest) bool {
	x, y := *a, *b
	x.Number, y.Number, x.Created, y.Created = 0, 0, time.Time{}, time.Time{}
	return reflect.DeepEqual(x, y)
}

func upload(ctx context.Context, store blob.Store, item Item) (f File, err error) {
	file, err := os.Open(item.From)
	if err != nil {
		return File{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return File{}, err
	}
	if !info.Mode().IsRegular() {
		return File{}, fmt.Errorf("%s is no regular file", item.From)
	}
	f = File{Path: item.Path, Executable: info.Mode()&0o111 != 0, Parts: []Part{}}
	whole, buffer := sha256.New(), make([]byte, min(numbered.MaxPart, max(info.Size(), 1)))
	err = numbered.Cut(file, buffer, func(p Part, body []byte) error {
		whole.Write(body)
		f.Parts, f.Size = append(f.Parts, p), f.Size+p.Size
		return create(ctx, store, p, body)
	})
	f.SHA256 = hex.EncodeToString(whole.Sum(nil))
	return f, err
}

// create stores a part unless the store says that it has it: most of a kit never changes,
// and sending a plugin of some hundred megabytes every night would be waste.
func create(ctx context.Context, store blob.Store, part Part, body []byte) error {
	if info, err := store.Stat(ctx, kits.Part(part.SHA256)); err == nil && info.Size == part.Size {
		return nil
	}
	return store.Create(ctx, kits.Part(part.SHA256), body)
}

// Unpack writes the kit of that number (0: the newest) into a new or empty folder, every
// byte checked.
func Unpack(ctx context.Context, store blob.Store, number uint64, folder string) (m *Manifest, err error) {
	if number == 0 {
		if number, err = Latest(ctx, store); err != nil {
			return nil, err
		}
	}
	if m, err = Read(ctx, store, number); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s: %w: name a new one", folder, ErrNotEmpty)
	}
	for _, f := range m.Files {
		if err := download(ctx, store, f, filepath.Join(folder, filepath.FromSlash(f.Path))); err != nil {
			return nil, errors.Join(fmt.Errorf("kit %d: %s: %w", number, f.Path, err), os.RemoveAll(folder))
		}
	}
	return m, nil
}

func download(ctx context.Context, store blob.Store, f File, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	mode := os.FileMode(0o600)
	if f.Executable {
		mode = 0o700
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	whole := sha256.New()
	for _, p := range f.Parts {
		body, err := kits.ReadPart(ctx, store, p)
		if err != nil {
			return err
		}
		whole.Write(body)
		if _, err := file.Write(body); err != nil {
			return err
		}
	}
	if hex.EncodeToString(whole.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: its parts are not those of the file", ErrDamaged)
	}
	return nil
}
