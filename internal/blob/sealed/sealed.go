package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"lifeboat/internal/blob"
)

// Config says who can open the store.
type Config struct {
	// Recipients have every new key wrapped for them; at least one.
	Recipients []Recipient
	// Openers unwrap keys, tried in this order; at least one. A writer needs one too, to
	// go on with keys that are there.
	Openers []Opener
	// Root is the id of the root key, as RootID tells it, that this store must have;
	// "" takes whatever is there, or makes one in an empty store.
	Root string
}

// Recipient can have a key wrapped for it.
type Recipient interface {
	// Wrap encrypts a key of 32 bytes for this recipient.
	Wrap(ctx context.Context, key []byte) (Wrap, error)
	// Covers tells whether w was made for this recipient, or an older version of it.
	Covers(w Wrap) bool
	// String names it in reports.
	String() string
}

// Opener can unwrap keys.
type Opener interface {
	// Unwrap returns the key, or ErrNotMine at once if w is for somebody else.
	Unwrap(ctx context.Context, w Wrap) ([]byte, error)
	// String names it in reports.
	String() string
}

// ErrNotMine: a key was wrapped for another than this opener.
var ErrNotMine = errors.New("wrapped for another key")

// Store is a blob.Store whose objects are sealed in another. It is safe for concurrent
// use.
type Store struct {
	inner blob.Store
	ring  *ring
}

var _ blob.Store = (*Store)(nil)

// New decorates inner. It makes no request.
func New(inner blob.Store, c Config) (*Store, error) {
	if len(c.Recipients) == 0 || len(c.Openers) == 0 {
		return nil, errors.New("encryption: configure at least one recipient and one opener of keys")
	}
	ring, err := newRing(inner, c)
	if err != nil {
		return nil, fmt.Errorf("encryption: %w", err)
	}
	return &Store{inner: inner, ring: ring}, nil
}

// Applied tells whether inner holds sealed objects: a store that does must not be used
// without its keys.
func Applied(ctx context.Context, inner blob.Store) (bool, error) {
	for _, err := range inner.List(ctx, keyFolder, "") {
		return err == nil, err
	}
	return false, nil
}

// RootID makes sure that the store has a root key, and returns its id, to be pinned.
func (s *Store) RootID(ctx context.Context) (string, error) {
	root, err := s.ring.writeRoot(ctx)
	if err != nil {
		return "", fmt.Errorf("root key: %w", err)
	}
	return fmt.Sprintf("%x", root.id), nil
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, name string, body []byte) error {
	if err := blob.CheckObject(name, body); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	key, err := s.ring.writeKey(ctx, scopeOf(name))
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	stored, err := s.storedName(ctx, name)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	sealed, err := key.seal(name, body)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	err = s.inner.Create(ctx, stored, sealed)
	if errors.Is(err, blob.ErrExists) {
		return s.compare(ctx, name, body, err)
	}
	return err
}

// compare resolves a taken name: the same bytes may be there sealed under another of the
// scope's keys.
func (s *Store) compare(ctx context.Context, name string, body []byte, taken error) error {
	there, err := blob.ReadAll(ctx, s, name, int64(len(body)))
	switch {
	case err == nil && bytes.Equal(there, body):
		return nil
	case err == nil, errors.Is(err, blob.ErrTooLarge), errors.Is(err, blob.ErrDamaged):
		return taken
	}
	return fmt.Errorf("create %s: the name is taken: %w", name, err)
}

// Delete implements blob.Store. The scope's key stays.
func (s *Store) Delete(ctx context.Context, name string) error {
	stored, err := s.storedName(ctx, name)
	if errors.Is(err, blob.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return s.inner.Delete(ctx, stored)
}

// scopeOf is which data key seals name: all chunks share one, for they are shared by
// snapshots; elsewhere it is the folder, at most two deep, such as log/<epoch> or
// snapshots/<seq>.
func scopeOf(name string) string {
	if strings.HasPrefix(name, contentFolder) {
		return strings.TrimSuffix(contentFolder, "/")
	}
	parts := strings.SplitN(name, "/", 4)
	switch len(parts) {
	case 1:
		return topScope
	case 2:
		return parts[0]
	}
	return parts[0] + "/" + parts[1]
}
