package approval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"lifeboat/internal/blob"
)

// root is where statements are kept: approvals/<subject>/<SHA-256 of the document>. The
// name is the content, so keeping one twice is nothing and two people never collide.
const root = "approvals/"

// maxKept bounds how many statements about one subject are read: a committee has a handful.
const maxKept = 1000

// Keep stores a sealed statement under its subject. On nil it is durable in that store.
// Doing it again is nil.
func Keep(ctx context.Context, store blob.Store, doc []byte) error {
	s, err := Peek(doc)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(doc)
	name := root + s.Subject + "/" + hex.EncodeToString(sum[:])
	if err := store.Create(ctx, name, doc); err != nil {
		return fmt.Errorf("keep approval by %s of %.12s: %w", s.By, s.Subject, err)
	}
	return nil
}

// Kept returns every statement about the subject, unchecked, in the order of their names.
func Kept(ctx context.Context, store blob.Store, subject string) ([][]byte, error) {
	prefix := root + subject + "/"
	if err := blob.CheckName(prefix + "x"); err != nil {
		return nil, fmt.Errorf("approvals of %q: %w", subject, err)
	}
	var docs [][]byte
	for info, err := range store.List(ctx, prefix, "") {
		if err != nil {
			return nil, fmt.Errorf("list approvals of %.12s: %w", subject, err)
		}
		if len(docs) == maxKept {
			return nil, fmt.Errorf("list approvals of %.12s: over %d: somebody is filling the store", subject, maxKept)
		}
		doc, err := blob.ReadAll(ctx, store, info.Name, maxStatement)
		if err != nil {
			return nil, fmt.Errorf("approvals of %.12s: %w", subject, err)
		}
		docs = append(docs, doc)
	}
	return docs, nil
}
