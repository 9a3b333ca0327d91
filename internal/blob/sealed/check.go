package sealed

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Report is the proof, or the lack of it, that the configured keys open this store.
type Report struct {
	RootID string
	Scopes []ScopeReport // in order of their names; the root key's is one of them
}

// ScopeReport is about one data key's scope.
type ScopeReport struct {
	Scope  string
	KeyIDs []string
	// Openers tells for each opener, by its String, why it cannot open the scope's keys;
	// nil if it can.
	Openers map[string]error
	// Uncovered are recipients that the scope's keys are not wrapped for; see Rewrap.
	Uncovered []string
	// Object is the scope's last object, which was opened and read whole; "" if none.
	Object string
	// Err is why the scope's keys or its Object could not be opened.
	Err error
}

// Err joins everything that is wrong: a scope or an object that cannot be opened, an
// opener that opens nothing, a recipient that is not covered.
func (r *Report) Err() error {
	var errs []error
	for _, s := range r.Scopes {
		if s.Err != nil {
			errs = append(errs, fmt.Errorf("scope %s: %w", s.Scope, s.Err))
		}
		for _, opener := range slices.Sorted(maps.Keys(s.Openers)) {
			if err := s.Openers[opener]; err != nil {
				errs = append(errs, fmt.Errorf("scope %s: %s: %w", s.Scope, opener, err))
			}
		}
		for _, u := range s.Uncovered {
			errs = append(errs, fmt.Errorf("scope %s: not wrapped for %s: wrap its key again", s.Scope, u))
		}
	}
	return errors.Join(errs...)
}

// Check proves that today's keys open today's objects: it has every opener unwrap every
// key by itself, and reads the last object of each scope to its end. It lists the whole
// store once, and changes nothing. Its error is about the store; what is found is in the
// report.
func (s *Store) Check(ctx context.Context) (*Report, error) {
	scopes, err := s.ring.inventory(ctx)
	if err != nil {
		return nil, fmt.Errorf("check keys: %w", err)
	}
	report := &Report{}
	root, err := s.ring.readRoot(ctx)
	switch {
	case err == nil:
		report.RootID = hex.EncodeToString(root.id[:])
	case errors.Is(err, errNoRoot) && len(scopes) == 0:
		return report, nil
	default:
		scopes[rootScope] = &inventory{} // its report tells why
	}
	for _, scope := range slices.Sorted(maps.Keys(scopes)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		report.Scopes = append(report.Scopes, s.checkScope(ctx, scope, scopes[scope]))
	}
	return report, nil
}

// inventory is what the store has of one scope.
type inventory struct {
	keys []string // names of key objects
	last string   // stored name of the last object
}

func (r *ring) inventory(ctx context.Context) (map[string]*inventory, error) {
	scopes := map[string]*inventory{}
	at := func(scope string) *inventory {
		if scopes[scope] == nil {
			scopes[scope] = &inventory{}
		}
		return scopes[scope]
	}
	for info, err := range r.inner.List(ctx, "", "") {
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(info.Name, keyFolder) {
			at(scopeOf(info.Name)).last = info.Name
			continue
		}
		scope, _, ok := parseKeyName(info.Name)
		if !ok {
			return nil, fmt.Errorf("%s: %w: no key object has such a name", info.Name, ErrCorrupt)
		}
		at(scope).keys = append(at(scope).keys, info.Name)
	}
	return scopes, nil
}

func (s *Store) checkScope(ctx context.Context, scope string, have *inventory) ScopeReport {
	r := ScopeReport{Scope: scope, Openers: map[string]error{}}
	var errs []error
	if len(have.keys) == 0 {
		errs = append(errs, fmt.Errorf("%w: %s%s", ErrKeyGone, keyFolder, scope))
	}
	errs = append(errs, s.ring.checkKeys(ctx, have.keys, &r)...)
	if have.last != "" {
		name, err := s.readStored(ctx, have.last)
		r.Object = name
		if err != nil {
			errs = append(errs, err)
		}
	}
	r.Err = errors.Join(errs...)
	return r
}

// checkKeys tries every opener on every key object of a scope. An object that nobody
// opens is excused if its key is also wrapped in one that somebody does: that is what
// Rewrap leaves.
func (r *ring) checkKeys(ctx context.Context, objects []string, report *ScopeReport) []error {
	var errs []error
	shut := map[string]error{} // by key id
	covered := make([]bool, len(r.config.Recipients))
	for _, name := range objects {
		o, err := r.checkKey(ctx, name)
		if errors.Is(err, ErrNoOpener) {
			shut[o.KeyID] = errors.Join(shut[o.KeyID], fmt.Errorf("%s: %w", name, err))
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if !slices.Contains(report.KeyIDs, o.KeyID) {
			report.KeyIDs = append(report.KeyIDs, o.KeyID)
		}
		for _, opener := range r.config.Openers {
			_, err := o.open(ctx, []Opener{opener})
			if was, tried := report.Openers[opener.String()]; !tried || was != nil {
				report.Openers[opener.String()] = err // one wrap that it opens is enough
			}
		}
		for i, recipient := range r.config.Recipients {
			covered[i] = covered[i] || o.covers(recipient)
		}
	}
	for id, err := range shut {
		if !slices.Contains(report.KeyIDs, id) {
			errs = append(errs, err)
		}
	}
	for i, recipient := range r.config.Recipients {
		if len(report.KeyIDs) > 0 && !covered[i] {
			report.Uncovered = append(report.Uncovered, recipient.String())
		}
	}
	return errs
}

// checkKey reads and authenticates one key object.
func (r *ring) checkKey(ctx context.Context, name string) (keyObject, error) {
	var root *dataKey
	if scope, _, _ := parseKeyName(name); scope != rootScope {
		var err error
		if root, err = r.readRoot(ctx); err != nil {
			return keyObject{}, fmt.Errorf("root key: %w", orGone(err))
		}
	}
	_, o, err := r.read(ctx, name, root)
	return o, err
}

// readStored reads an object to its end, by its name in the inner store.
func (s *Store) readStored(ctx context.Context, stored string) (string, error) {
	name, err := s.plainName(ctx, stored)
	if err != nil {
		return stored, err
	}
	r, err := s.Get(ctx, name, 0, -1)
	if err != nil {
		return name, err
	}
	_, err = io.Copy(io.Discard, r)
	return name, errors.Join(err, r.Close())
}

// Rewrap wraps again the keys that some configured recipient does not have yet: after a
// recipient was added or replaced. It returns the names of the key objects it made. The
// objects that the keys seal stay as they are.
func (s *Store) Rewrap(ctx context.Context) ([]string, error) {
	scopes, err := s.ring.inventory(ctx)
	if err != nil {
		return nil, fmt.Errorf("wrap keys again: %w", err)
	}
	var made []string
	for _, scope := range slices.Sorted(maps.Keys(scopes)) {
		name, err := s.ring.rewrap(ctx, scope, scopes[scope].keys)
		if err != nil {
			return made, fmt.Errorf("wrap keys of %s again: %w", scope, err)
		}
		if name != "" {
			made = append(made, name)
		}
	}
	return made, nil
}

func (r *ring) rewrap(ctx context.Context, scope string, names []string) (string, error) {
	if len(names) == 0 {
		return "", nil
	}
	var there []keyObject
	for _, name := range names {
		o, err := r.fetch(ctx, name)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		there = append(there, o)
	}
	lacks := func(to Recipient) bool {
		return !slices.ContainsFunc(there, func(o keyObject) bool { return o.covers(to) })
	}
	if !slices.ContainsFunc(r.config.Recipients, lacks) {
		return "", nil
	}
	key, err := r.obtain(ctx, scope, func() error { return ErrKeyGone })
	if err != nil {
		return "", err
	}
	var root *dataKey
	if scope != rootScope {
		if root, err = r.readRoot(ctx); err != nil {
			return "", err
		}
	}
	body, err := makeKeyObject(ctx, scope, key, root, r.config.Recipients)
	if err != nil {
		return "", err
	}
	_, last, _ := parseKeyName(names[len(names)-1])
	name := keyName(scope, last+1)
	return name, r.inner.Create(ctx, name, body)
}
