package codebackup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lifeboat/internal/blob"
)

// ErrNotEmpty: the folder to restore into holds something already.
var ErrNotEmpty = errors.New("folder is not empty")

// Restore makes a repository in folder, which must be empty or absent, from the backup of
// that number (0: the newest) in one store, checks every object and every ref, and checks
// out HEAD unless bare is set.
func Restore(ctx context.Context, store blob.Store, number uint64, folder string, bare bool) (*Manifest, error) {
	if err := emptyFolder(folder); err != nil {
		return nil, err
	}
	up, err := upTo(ctx, store, number)
	if err != nil {
		return nil, err
	}
	g := git{folder}
	args := []string{"init", "--quiet"}
	if bare {
		args = append(args, "--bare")
	}
	if _, err := g.run(ctx, nil, args...); err != nil {
		return nil, err
	}
	for _, m := range up {
		if err := unbundle(ctx, g, store, m); err != nil {
			return nil, fmt.Errorf("backup %d: %w", m.Number, err)
		}
	}
	m := up[len(up)-1]
	if err := setRefs(ctx, g, m); err != nil {
		return nil, err
	}
	if !bare && m.Commit != "" {
		if _, err := g.run(ctx, nil, "reset", "--hard", "--quiet", m.Commit); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Verify proves one store's backup (0: the newest) by restoring it into a folder that is
// removed again.
func Verify(ctx context.Context, store blob.Store, number uint64) (m *Manifest, err error) {
	folder, err := os.MkdirTemp("", "lifeboat-code-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the clone: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	return Restore(ctx, store, number, filepath.Join(folder, "clone"), true)
}

// Check reads every byte of one store's backup (0: the newest) and of those that it adds
// to, and compares them with their hashes. It needs no git, and does not prove that git
// can read what it compares: that is what Verify is for.
func Check(ctx context.Context, store blob.Store, number uint64) (*Manifest, error) {
	up, err := upTo(ctx, store, number)
	if err != nil {
		return nil, err
	}
	for _, m := range up {
		for _, p := range m.Parts {
			if _, err := backups.ReadPart(ctx, store, p); err != nil {
				return nil, fmt.Errorf("backup %d: %w", m.Number, err)
			}
		}
	}
	return up[len(up)-1], nil
}

// upTo are the backups that the one of that number (0: the newest) needs, itself last.
func upTo(ctx context.Context, store blob.Store, number uint64) ([]*Manifest, error) {
	if number == 0 {
		var err error
		if number, err = Latest(ctx, store); err != nil {
			return nil, err
		}
	}
	return chain(ctx, store, number)
}

func emptyFolder(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(folder, 0o755)
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s: %w: name a new one", folder, ErrNotEmpty)
	}
	return nil
}

// unbundle reads a backup's bundle into the repository. git checks it.
func unbundle(ctx context.Context, g git, store blob.Store, m *Manifest) error {
	if len(m.Parts) == 0 {
		return nil
	}
	file, err := os.CreateTemp("", "lifeboat-*.bundle")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // a temporary file
	for _, p := range m.Parts {
		body, err := backups.ReadPart(ctx, store, p)
		if err == nil {
			_, err = file.Write(body)
		}
		if err != nil {
			return errors.Join(err, file.Close())
		}
	}
	if err := file.Close(); err != nil {
		return err
	}
	if _, err := g.run(ctx, nil, "bundle", "unbundle", file.Name()); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// setRefs sets HEAD and every ref, then has git check that all they need is there.
func setRefs(ctx context.Context, g git, m *Manifest) error {
	var b strings.Builder
	for _, ref := range slices.Sorted(maps.Keys(m.Refs)) {
		fmt.Fprintf(&b, "create %s %s\n", ref, m.Refs[ref])
	}
	if _, err := g.run(ctx, strings.NewReader(b.String()), "update-ref", "--stdin"); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var err error
	switch {
	case m.Head != "":
		_, err = g.run(ctx, nil, "symbolic-ref", "HEAD", m.Head)
	case m.Commit != "":
		_, err = g.run(ctx, nil, "update-ref", "--no-deref", "HEAD", m.Commit)
	}
	if err != nil {
		return err
	}
	if _, err := g.run(ctx, nil, "fsck", "--full", "--no-dangling", "--no-progress"); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	now, err := g.state(ctx)
	if err != nil {
		return err
	}
	if !maps.Equal(now.refs, m.Refs) || now.commit != m.Commit {
		return fmt.Errorf("%w: the restored refs differ from backup %d", ErrDamaged, m.Number)
	}
	return nil
}
