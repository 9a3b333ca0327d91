package kit

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/numbered"
	"lifeboat/internal/versioned"
)

// Format is the version of a manifest.
const Format = 1

// Errors a caller may test for with errors.Is.
var (
	// ErrNone: the store holds no kit.
	ErrNone = errors.New("no operator's kit")
	// ErrDamaged: an object of a kit is missing or not what its name says.
	ErrDamaged = errors.New("operator's kit is damaged")
	// ErrNewer: built by a newer lifeboat.
	ErrNewer = errors.New("operator's kit of a newer format")
	// ErrNotEmpty: the folder to unpack into holds something already.
	ErrNotEmpty = errors.New("folder is not empty")
)

var kits = numbered.Series{
	What: "kit", Manifests: "kits/manifests/", Most: 4 << 20, None: ErrNone, // a plugin has some hundred files
	Part: func(digest string) string { return "kits/parts/" + digest[:2] + "/" + digest },
	Kind: versioned.Kind{Field: "format", Known: Format, Damaged: ErrDamaged, Newer: ErrNewer},
}

// Manifest is one kit.
type Manifest struct {
	Format   int               `json:"format"`
	Number   uint64            `json:"number"` // from 1
	Created  time.Time         `json:"created"`
	Platform string            `json:"platform"`    // what its programs run on, such as linux/amd64
	Code     uint64            `json:"code_backup"` // in the same store; 0 = there was none
	Versions map[string]string `json:"versions"`    // of its programs, by name
	Files    []File            `json:"files"`       // in order of their paths
}

// File is one file of a kit.
type File struct {
	Path       string `json:"path"` // below the kit's folder, with slashes
	Executable bool   `json:"executable"`
	Size       int64  `json:"size"`   // bytes
	SHA256     string `json:"sha256"` // of the whole file
	Parts      []Part `json:"parts"`
}

// Part is a piece of a file.
type Part = numbered.Part

// Bytes is the size of all files.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

func (m *Manifest) check(number uint64) error {
	if m.Number != number || number == 0 {
		return kits.Damaged(number, "it says that it is number %d", m.Number)
	}
	last := ""
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || f.Path <= last {
			return kits.Damaged(number, "file %q is not where a file may be", f.Path)
		}
		last = f.Path
		var size int64
		for _, p := range f.Parts {
			if !p.Possible() {
				return kits.Damaged(number, "%s: part %q of %d bytes", f.Path, p.SHA256, p.Size)
			}
			size += p.Size
		}
		if size != f.Size || !numbered.IsDigest(f.SHA256) {
			return kits.Damaged(number, "%s: its parts have %d bytes, it has %d", f.Path, size, f.Size)
		}
	}
	return nil
}

// Read returns the kit of that number.
func Read(ctx context.Context, store blob.Store, number uint64) (*Manifest, error) {
	m, err := numbered.Read[Manifest](ctx, store, kits, number)
	if err != nil {
		return nil, err
	}
	return m, m.check(number)
}

// Latest returns the number of the newest kit, or ErrNone.
func Latest(ctx context.Context, store blob.Store) (uint64, error) { return kits.Latest(ctx, store) }
