package numbered

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"lifeboat/internal/blob"
	"lifeboat/internal/versioned"
)

// Series is where the manifests and the parts of one sort are, and how its errors are called.
type Series struct {
	What      string                     // for people: "code backup"
	Manifests string                     // what the manifests' names begin with
	Part      func(digest string) string // the name of the part with that SHA-256 in hex
	Most      int64                      // bytes of a manifest; a larger one is not read
	Kind      versioned.Kind             // of the manifests; Kind.Damaged is of the parts too
	None      error                      // wrapped where there is no manifest at all
}

// Name is the manifest's with that number.
func (s Series) Name(number uint64) string { return fmt.Sprintf("%s%016d", s.Manifests, number) }

// Damaged is the error of a manifest that is not what it has to be.
func (s Series) Damaged(number uint64, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %w", s.Name(number), s.Kind.Damaged, fmt.Errorf(format, args...))
}

// Latest returns the number of the newest manifest, from 1. Its error wraps s.None in a store
// that has none, and s.Kind.Damaged for an object that is not named like a manifest.
func (s Series) Latest(ctx context.Context, store blob.Store) (uint64, error) {
	var last uint64
	for info, err := range store.List(ctx, s.Manifests, "") {
		if err != nil {
			return 0, fmt.Errorf("list %s: %w", s.Manifests, err)
		}
		n, err := strconv.ParseUint(info.Name[len(s.Manifests):], 10, 64)
		if err != nil || s.Name(n) != info.Name {
			return 0, fmt.Errorf("%s: %w: it is not named like a %s", info.Name, s.Kind.Damaged, s.What)
		}
		last = n
	}
	if last == 0 {
		return 0, s.None
	}
	return last, nil
}

// Read returns the manifest of that number; what it says is for the caller to check. Its
// error names the object and wraps s.Kind.Newer, s.Kind.Damaged (also of one that is
// missing) or the store's.
func Read[M any](ctx context.Context, store blob.Store, s Series, number uint64) (*M, error) {
	body, err := blob.ReadAll(ctx, store, s.Name(number), s.Most)
	if errors.Is(err, blob.ErrNotExist) {
		return nil, s.Damaged(number, "it is missing")
	}
	if err != nil {
		return nil, err
	}
	m, err := versioned.Decode[M](s.Kind, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name(number), err)
	}
	return &m, nil
}
