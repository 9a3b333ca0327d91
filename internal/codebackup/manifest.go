package codebackup

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/numbered"
	"lifeboat/internal/versioned"
)

// Limits of the format; see FORMAT.md.
const (
	formatVersion = 1
	maxChain      = 64
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

var backups = numbered.Series{
	What: "code backup", Manifests: "code/manifests/", Most: 16 << 20, None: ErrNone,
	Part: func(digest string) string { return "code/parts/" + digest },
	Kind: versioned.Kind{Field: "version", Known: formatVersion, Damaged: ErrDamaged, Newer: ErrNewer},
}

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
type Part = numbered.Part

// Bytes is the size of the backup's bundle.
func (m *Manifest) Bytes() int64 {
	var n int64
	for _, p := range m.Parts {
		n += p.Size
	}
	return n
}

var (
	objectID = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
	refName  = regexp.MustCompile(`^refs/[^\s~^:?*\[\\\x00-\x1f\x7f]+$`)
)

func (m *Manifest) check(number uint64) error {
	switch {
	case m.Number != number:
		return backups.Damaged(number, "it says that it is number %d", m.Number)
	case m.Parent >= m.Number && m.Number > 0 || m.Number == 0:
		return backups.Damaged(number, "its parent is %d", m.Parent)
	case m.Commit != "" && !objectID.MatchString(m.Commit):
		return backups.Damaged(number, "commit %q", m.Commit)
	case m.Head != "" && !refName.MatchString(m.Head):
		return backups.Damaged(number, "head %q", m.Head)
	}
	for ref, id := range m.Refs {
		if !refName.MatchString(ref) || !objectID.MatchString(id) {
			return backups.Damaged(number, "ref %q at %q", ref, id)
		}
	}
	for _, p := range m.Parts {
		if !p.Possible() {
			return backups.Damaged(number, "part %q of %d bytes", p.SHA256, p.Size)
		}
	}
	return nil
}

// Read returns the backup of that number.
func Read(ctx context.Context, store blob.Store, number uint64) (*Manifest, error) {
	m, err := numbered.Read[Manifest](ctx, store, backups, number)
	if err != nil {
		return nil, err
	}
	return m, m.check(number)
}

// Latest returns the number of the newest backup in the store, or ErrNone.
func Latest(ctx context.Context, store blob.Store) (uint64, error) { return backups.Latest(ctx, store) }

// chain returns the backups that together are backup `number`, the full one first.
func chain(ctx context.Context, store blob.Store, number uint64) ([]*Manifest, error) {
	var up []*Manifest
	for n := number; n > 0; {
		m, err := Read(ctx, store, n)
		if err != nil {
			return nil, err
		}
		if up = append(up, m); len(up) > maxChain+1 {
			return nil, backups.Damaged(number, "it adds to more than %d others", maxChain)
		}
		n = m.Parent
	}
	slices.Reverse(up)
	return up, nil
}
