package codebackup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/numbered"
)

// Config is what Backup needs.
type Config struct {
	Repository string       // folder of the repository
	Stores     []blob.Store // both regions'
	Log        *slog.Logger // nil: discard
	Clock      func() time.Time
}

// Backup stores what is new in the repository into every store and returns the backup.
// When nothing changed since the last one, that one is returned, made complete in every
// store. On a nil error every store holds it durably. An error names the store that does
// not; the others may hold it, and the next run completes it.
func Backup(ctx context.Context, cfg Config) (m *Manifest, fresh bool, err error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := git{cfg.Repository}
	now, err := g.state(ctx)
	if err != nil {
		return nil, false, err
	}
	for {
		last, err := level(ctx, cfg.Stores)
		if err != nil {
			return nil, false, err
		}
		if last != nil && last.Head == now.head && last.Commit == now.commit && maps.Equal(last.Refs, now.refs) {
			return last, false, nil
		}
		m, err := next(ctx, g, cfg, now, last)
		if !errors.Is(err, blob.ErrExists) {
			return m, err == nil, err
		}
		cfg.Log.Info("another backup took the number; taking the next")
	}
}

// level makes every store hold what any of them holds of the newest backup, and returns
// it; nil when there is none.
func level(ctx context.Context, stores []blob.Store) (*Manifest, error) {
	var newest uint64
	var from blob.Store
	for i, s := range stores {
		n, err := Latest(ctx, s)
		if err != nil && !errors.Is(err, ErrNone) {
			return nil, fmt.Errorf("store %d of %d: %w", i+1, len(stores), err)
		}
		if n > newest {
			newest, from = n, s
		}
	}
	if newest == 0 {
		return nil, nil //nolint:nilnil // no backup is not an error here
	}
	up, err := chain(ctx, from, newest)
	if err != nil {
		return nil, err
	}
	for i, s := range stores {
		if s == from {
			continue
		}
		if err := fill(ctx, from, s, up); err != nil {
			return nil, fmt.Errorf("store %d of %d: %w", i+1, len(stores), err)
		}
	}
	return up[len(up)-1], nil
}

// fill copies the backups that a store lacks, in order.
func fill(ctx context.Context, from, to blob.Store, up []*Manifest) error {
	for _, m := range up {
		name := backups.Name(m.Number)
		if _, err := to.Stat(ctx, name); err == nil {
			continue
		} else if !errors.Is(err, blob.ErrNotExist) {
			return err
		}
		for _, p := range m.Parts {
			body, err := backups.ReadPart(ctx, from, p)
			if err != nil {
				return err
			}
			if err := to.Create(ctx, backups.Part(p.SHA256), body); err != nil {
				return err
			}
		}
		body, err := blob.ReadAll(ctx, from, name, backups.Most)
		if err != nil {
			return err
		}
		if err := to.Create(ctx, name, body); err != nil {
			return err
		}
	}
	return nil
}

// next makes the backup that follows last.
func next(ctx context.Context, g git, cfg Config, now state, last *Manifest) (*Manifest, error) {
	m := &Manifest{Version: formatVersion, Number: 1, Created: cfg.Clock().UTC(), Head: now.head, Commit: now.commit, Refs: now.refs, Parts: []Part{}}
	known, err := base(ctx, g, cfg.Stores[0], m, last)
	if err != nil {
		return nil, err
	}
	fresh, err := g.news(ctx, known)
	if err != nil {
		return nil, err
	}
	if fresh {
		err = g.bundle(ctx, known, func(r io.Reader) error { return upload(ctx, cfg.Stores, r, m) })
		if err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	for i, s := range cfg.Stores {
		if err := s.Create(ctx, backups.Name(m.Number), body); err != nil {
			return nil, fmt.Errorf("store %d of %d: %w", i+1, len(cfg.Stores), err)
		}
	}
	cfg.Log.Info("backed up code", "number", m.Number, "parent", m.Parent, "commit", m.Commit, "bytes", m.Bytes())
	return m, nil
}

// base decides what the backup adds to: the last one, or nothing when the chain is long or
// the repository no longer has what the last one had (rewritten and pruned history).
func base(ctx context.Context, g git, store blob.Store, m, last *Manifest) (known []string, err error) {
	if last == nil {
		return nil, nil
	}
	m.Number = last.Number + 1
	up, err := chain(ctx, store, last.Number)
	if err != nil {
		return nil, err
	}
	ids := slices.Compact(slices.Sorted(maps.Values(last.Refs)))
	if len(up) >= maxChain || len(ids) == 0 {
		return nil, nil
	}
	held, err := g.has(ctx, ids)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	m.Parent = last.Number
	return held, nil
}

// upload cuts a bundle into parts and creates each in every store.
func upload(ctx context.Context, stores []blob.Store, r io.Reader, m *Manifest) error {
	return numbered.Cut(r, make([]byte, numbered.MaxPart), func(p Part, body []byte) error {
		for i, s := range stores {
			if err := s.Create(ctx, backups.Part(p.SHA256), body); err != nil {
				return fmt.Errorf("store %d of %d: %w", i+1, len(stores), err)
			}
		}
		m.Parts = append(m.Parts, p)
		return nil
	})
}
