package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"lifeboat/internal/blob"
)

// Format is the version of a manifest.
const Format = 1

const (
	manifests   = "kits/manifests/"
	parts       = "kits/parts/"
	maxManifest = 4 << 20  // bytes; a plugin has some hundred files
	maxPart     = 32 << 20 // bytes
)

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
type Part struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

// Bytes is the size of all files.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

func manifestName(number uint64) string { return fmt.Sprintf("%s%016d", manifests, number) }
func partName(digest string) string     { return parts + digest[:2] + "/" + digest }

var digestShape = regexp.MustCompile(`^[0-9a-f]{64}$`)

func damaged(number uint64, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %w", manifestName(number), ErrDamaged, fmt.Errorf(format, args...))
}

func decode(number uint64, body []byte) (*Manifest, error) {
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(body, &version); err != nil {
		return nil, damaged(number, "%w", err)
	}
	if version.Format > Format {
		return nil, fmt.Errorf("%s: %w: %d, known %d: update lifeboat", manifestName(number), ErrNewer, version.Format, Format)
	}
	m := new(Manifest)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, damaged(number, "%w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, damaged(number, "something follows it")
	}
	return m, m.check(number)
}

func (m *Manifest) check(number uint64) error {
	if m.Format != Format || m.Number != number || number == 0 {
		return damaged(number, "it says that it is number %d of format %d", m.Number, m.Format)
	}
	last := ""
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || f.Path <= last {
			return damaged(number, "file %q is not where a file may be", f.Path)
		}
		last = f.Path
		var size int64
		for _, p := range f.Parts {
			if !digestShape.MatchString(p.SHA256) || p.Size < 1 || p.Size > maxPart {
				return damaged(number, "%s: part %q of %d bytes", f.Path, p.SHA256, p.Size)
			}
			size += p.Size
		}
		if size != f.Size || !digestShape.MatchString(f.SHA256) {
			return damaged(number, "%s: its parts have %d bytes, it has %d", f.Path, size, f.Size)
		}
	}
	return nil
}

// Read returns the kit of that number.
func Read(ctx context.Context, store blob.Store, number uint64) (*Manifest, error) {
	body, err := blob.ReadAll(ctx, store, manifestName(number), maxManifest)
	if errors.Is(err, blob.ErrNotExist) {
		return nil, damaged(number, "it is missing")
	}
	if err != nil {
		return nil, err
	}
	return decode(number, body)
}

// Latest returns the number of the newest kit, or ErrNone.
func Latest(ctx context.Context, store blob.Store) (uint64, error) {
	var last uint64
	for info, err := range store.List(ctx, manifests, "") {
		if err != nil {
			return 0, fmt.Errorf("list kits: %w", err)
		}
		n, err := strconv.ParseUint(info.Name[len(manifests):], 10, 64)
		if err != nil || manifestName(n) != info.Name {
			return 0, fmt.Errorf("%s: %w: it is not named like a kit", info.Name, ErrDamaged)
		}
		last = n
	}
	if last == 0 {
		return 0, ErrNone
	}
	return last, nil
}
