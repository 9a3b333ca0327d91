package sealed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"lifeboat/internal/blob"
)

// ring loads, keeps and makes data keys.
type ring struct {
	inner  blob.Store
	config Config
	pin    string
	page   int // of Store.List

	mu     sync.Mutex
	scopes map[string]*slot
	sealed *names // made of the root key when first needed
}

// slot is what is known of one scope. Whoever holds turn may load or make its keys.
type slot struct {
	turn chan struct{}
	keys []*dataKey // the newest last; guarded by ring.mu
}

// errNoRoot: the store has no root key, so nothing was sealed in it yet.
var errNoRoot = errors.New("no root key")

func newRing(inner blob.Store, c Config) (*ring, error) {
	pin := strings.ToLower(c.Root)
	if raw, err := hex.DecodeString(pin); err != nil || len(raw) != keyIDSize && pin != "" {
		return nil, fmt.Errorf("root %q: want the %d hex digits that were told when the store was made", c.Root, 2*keyIDSize)
	}
	return &ring{inner: inner, config: c, pin: pin, page: defaultPage, scopes: map[string]*slot{}}, nil
}

func (r *ring) slot(scope string) *slot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.scopes[scope]
	if s == nil {
		s = &slot{turn: make(chan struct{}, 1)}
		r.scopes[scope] = s
	}
	return s
}

// known returns the scope's keys that were loaded before.
func (r *ring) known(s *slot) []*dataKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.keys
}

// alone runs f while nobody else loads or makes keys of the slot.
func (s *slot) alone(ctx context.Context, f func() error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// find returns the scope's key with the given id.
func (r *ring) find(ctx context.Context, scope string, id keyID) (*dataKey, error) {
	s := r.slot(scope)
	if k := withID(r.known(s), id); k != nil {
		return k, nil
	}
	err := s.alone(ctx, func() error {
		if withID(r.known(s), id) != nil {
			return nil
		}
		return r.load(ctx, scope, s)
	})
	if err != nil {
		return nil, err
	}
	if k := withID(r.known(s), id); k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("%w: %x of %s%s", ErrKeyGone, id, keyFolder, scope)
}

func withID(keys []*dataKey, id keyID) *dataKey {
	for _, k := range keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// writeKey returns the scope's newest key, making the first one.
func (r *ring) writeKey(ctx context.Context, scope string) (*dataKey, error) {
	return r.obtain(ctx, scope, func() error {
		root, err := r.writeRoot(ctx)
		if err != nil {
			return err
		}
		return r.make(ctx, scope, root)
	})
}

// writeRoot returns the root key, making one in an empty store.
func (r *ring) writeRoot(ctx context.Context) (*dataKey, error) {
	return r.obtain(ctx, rootScope, func() error {
		if r.pin != "" {
			return fmt.Errorf("%w: it has none", ErrForeignRoot)
		}
		empty, err := r.empty(ctx)
		if err != nil {
			return err
		}
		if !empty { // perhaps because another process made the root key just now
			return nil
		}
		return r.make(ctx, rootScope, nil)
	})
}

// readRoot returns the root key, or errNoRoot.
func (r *ring) readRoot(ctx context.Context) (*dataKey, error) {
	return r.obtain(ctx, rootScope, func() error { return errNoRoot })
}

// obtain returns the scope's newest key. If there is none, it calls fill and looks again.
func (r *ring) obtain(ctx context.Context, scope string, fill func() error) (*dataKey, error) {
	s := r.slot(scope)
	if keys := r.known(s); len(keys) > 0 {
		return keys[len(keys)-1], nil
	}
	err := s.alone(ctx, func() error {
		if len(r.known(s)) > 0 {
			return nil
		}
		err := r.load(ctx, scope, s)
		if err != nil || len(r.known(s)) > 0 {
			return err
		}
		if err := fill(); err != nil {
			return err
		}
		// Also what was made here is used only after it could be opened.
		return r.load(ctx, scope, s)
	})
	if err != nil {
		return nil, err
	}
	keys := r.known(s)
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w, but objects: give encryption a new, empty store", ErrKeyGone)
	}
	return keys[len(keys)-1], nil
}

// make creates the scope's first key. Another process may do so at the same time; the
// store decides whose key it is.
func (r *ring) make(ctx context.Context, scope string, root *dataKey) error {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	key, err := newDataKey(secret)
	if err != nil {
		return err
	}
	body, err := makeKeyObject(ctx, scope, key, root, r.config.Recipients)
	if err != nil {
		return err
	}
	err = r.inner.Create(ctx, keyName(scope, 1), body)
	if errors.Is(err, blob.ErrExists) {
		return nil
	}
	return err
}

// load reads the scope's key objects. It succeeds with those it can open if there is at
// least one, or if there are none at all.
func (r *ring) load(ctx context.Context, scope string, s *slot) error {
	var root *dataKey
	var keys []*dataKey
	var failed []error
	for info, err := range r.inner.List(ctx, keyFolder+scope+"/wrap-", "") {
		if err != nil {
			return err
		}
		if scope != rootScope && root == nil {
			if root, err = r.readRoot(ctx); err != nil {
				return fmt.Errorf("root key: %w", orGone(err))
			}
		}
		key, _, err := r.read(ctx, info.Name, root)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", info.Name, err))
			continue
		}
		if withID(keys, key.id) == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && len(failed) > 0 {
		return errors.Join(failed...)
	}
	if scope == rootScope && len(keys) > 1 {
		return fmt.Errorf("%w: it has %d different ones", ErrForeignRoot, len(keys))
	}
	if len(keys) > 0 {
		r.mu.Lock()
		s.keys = keys
		r.mu.Unlock()
	}
	return nil
}

func orGone(err error) error {
	if errors.Is(err, errNoRoot) {
		return ErrKeyGone
	}
	return err
}

// read opens and checks one key object.
func (r *ring) read(ctx context.Context, name string, root *dataKey) (*dataKey, keyObject, error) {
	o, err := r.fetch(ctx, name)
	if err != nil {
		return nil, o, err
	}
	key, err := o.open(ctx, r.config.Openers)
	if err != nil {
		return nil, o, err
	}
	if err := o.verify(key, root); err != nil {
		return nil, o, err
	}
	if o.Scope == rootScope && r.pin != "" && o.KeyID != r.pin {
		return nil, o, fmt.Errorf("%w: it is %s, configured is %s", ErrForeignRoot, o.KeyID, r.pin)
	}
	return key, o, nil
}

// fetch reads one key object and checks that it is under its own name.
func (r *ring) fetch(ctx context.Context, name string) (keyObject, error) {
	body, err := blob.ReadAll(ctx, r.inner, name, maxKeyObject)
	if errors.Is(err, blob.ErrTooLarge) {
		return keyObject{}, fmt.Errorf("%w: larger than %d bytes", ErrCorrupt, maxKeyObject)
	}
	if err != nil {
		return keyObject{}, err
	}
	o, err := decodeKeyObject(body)
	if err != nil {
		return o, err
	}
	if scope, _, ok := parseKeyName(name); !ok || scope != o.Scope {
		return o, fmt.Errorf("%w: it is a key of %q", ErrCorrupt, o.Scope)
	}
	return o, nil
}

// names returns the cipher of content addresses. In an empty store nothing has a name:
// ErrNotExist.
func (r *ring) names(ctx context.Context) (*names, error) {
	r.mu.Lock()
	n := r.sealed
	r.mu.Unlock()
	if n != nil {
		return n, nil
	}
	root, err := r.readRoot(ctx)
	if errors.Is(err, errNoRoot) {
		empty, lerr := r.empty(ctx)
		switch {
		case lerr != nil:
			return nil, lerr
		case empty:
			return nil, blob.ErrNotExist
		}
		return nil, fmt.Errorf("root key: %w", ErrKeyGone)
	}
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	if n, err = newNames(root); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = n
	return n, nil
}

// empty tells whether the inner store has no objects at all.
func (r *ring) empty(ctx context.Context) (bool, error) {
	for _, err := range r.inner.List(ctx, "", "") {
		return false, err
	}
	return true, nil
}
