package codebackup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"time"

	"lifeboat/internal/blob"
)

// Limits of the format; see FORMAT.md.
const (
	formatVersion = 1
	maxManifest   = 16 << 20
	maxPart       = 32 << 20
	maxChain      = 64
)

const (
	manifests = "code/manifests/"
	parts     = "code/parts/"
)

// Errors a caller may test for.
var (
	// ErrNone: the store holds no backup.
	ErrNone = errors.New("no code backup")
	// ErrDamaged: an object of a backup is missing or not what its name says.
	ErrDamaged = errors.New("code backup is damaged")
	// ErrNewer: the backup was written by a newer lifeboat.
	ErrNewer = errors.New("code backup of a newer format")
	// ErrRepository: the folder is not a repository that can be backed up.
	ErrRepository = errors.New("unusable repository")
)

// Manifest is one backup.
type Manifest struct {
	Version int               `json:"version"`
	Number  uint64            `json:"number"`
	Parent  uint64            `json:"parent"`
	Created time.Time         `json:"created"` // UTC
	Head    string            `json:"head"`
	Commit  string            `json:"commit"`
	Refs    map[string]string `json:"refs"`
	Parts   []Part            `json:"parts"`
}

// Part is a piece of a bundle.
type Part struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

// Bytes is the size of the backup's bundle.
func (m *Manifest) Bytes() int64 {
	var n int64
	for _, p := range m.Parts {
		n += p.Size
	}
	return n
}

func manifestName(number uint64) string { return fmt.Sprintf("%s%016d", manifests, number) }

var (
	objectID = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
	digest   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	refName  = regexp.MustCompile(`^refs/[^\s~^:?*\[\\\x00-\x1f\x7f]+$`)
)

// decode parses the manifest of that number and refuses what could not have been written.
func decode(number uint64, b []byte) (*Manifest, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, damaged(number, "it is no JSON: %v", err)
	}
	if version.Version > formatVersion {
		return nil, fmt.Errorf("%s: %w: version %d, known %d: update lifeboat", manifestName(number), ErrNewer, version.Version, formatVersion)
	}
	m := new(Manifest)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, damaged(number, "%v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, damaged(number, "something follows it")
	}
	return m, m.check(number)
}

func (m *Manifest) check(number uint64) error {
	switch {
	case m.Version != formatVersion:
		return damaged(number, "version %d", m.Version)
	case m.Number != number:
		return damaged(number, "it says that it is number %d", m.Number)
	case m.Parent >= m.Number && m.Number > 0 || m.Number == 0:
		return damaged(number, "its parent is %d", m.Parent)
	case m.Commit != "" && !objectID.MatchString(m.Commit):
		return damaged(number, "commit %q", m.Commit)
	case m.Head != "" && !refName.MatchString(m.Head):
		return damaged(number, "head %q", m.Head)
	}
	for ref, id := range m.Refs {
		if !refName.MatchString(ref) || !objectID.MatchString(id) {
			return damaged(number, "ref %q at %q", ref, id)
		}
	}
	for _, p := range m.Parts {
		if !digest.MatchString(p.SHA256) || p.Size < 1 || p.Size > maxPart {
			return damaged(number, "part %q of %d bytes", p.SHA256, p.Size)
		}
	}
	return nil
}

func damaged(number uint64, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", manifestName(number), ErrDamaged, fmt.Sprintf(format, args...))
}

// Read returns the backup of that number.
func Read(ctx context.Context, store blob.Store, number uint64) (*Manifest, error) {
	b, err := blob.ReadAll(ctx, store, manifestName(number), maxManifest)
	if errors.Is(err, blob.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: it is missing", manifestName(number), ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	return decode(number, b)
}

// Latest returns the number of the newest backup in the store, or ErrNone.
func Latest(ctx context.Context, store blob.Store) (uint64, error) {
	var last uint64
	for info, err := range store.List(ctx, manifests, "") {
		if err != nil {
			return 0, fmt.Errorf("list code backups: %w", err)
		}
		n, err := strconv.ParseUint(info.Name[len(manifests):], 10, 64)
		if err != nil || manifestName(n) != info.Name {
			return 0, fmt.Errorf("%s: %w: it is not named like a backup", info.Name, ErrDamaged)
		}
		last = n
	}
	if last == 0 {
		return 0, ErrNone
	}
	return last, nil
}

// chain returns the backups that together are backup `number`, the full one first.
func chain(ctx context.Context, store blob.Store, number uint64) ([]*Manifest, error) {
	var up []*Manifest
	for n := number; n > 0; {
		m, err := Read(ctx, store, n)
		if err != nil {
			return nil, err
		}
		if up = append(up, m); len(up) > maxChain+1 {
			return nil, damaged(number, "it adds to more than %d others", maxChain)
		}
		n = m.Parent
	}
	slices.Reverse(up)
	return up, nil
}
