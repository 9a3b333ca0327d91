// Package agekey wraps data keys for age recipients: the offline way into sealed
// objects, for the day on which the key vault is lost with its region.
//
// A wrapped key is a complete age file, so that the age tool can open it too. The
// identity (AGE-SECRET-KEY-1…) belongs in a safe, not on the machines that write; they
// need the recipient (age1…) alone.
package agekey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"lifeboat/internal/blob/sealed"
)

// Kind is that of the wraps which this package makes.
const Kind = "age"

// Recipient wraps keys for one age public key.
type Recipient struct {
	to   age.Recipient
	name string
}

var _ sealed.Recipient = (*Recipient)(nil)

// ParseRecipient reads a public key, age1….
func ParseRecipient(s string) (*Recipient, error) {
	s = strings.TrimSpace(s)
	parsed, err := age.ParseRecipients(strings.NewReader(s))
	if err != nil || len(parsed) != 1 {
		return nil, fmt.Errorf("age recipient %q: want one public key, age1…", s)
	}
	return &Recipient{to: parsed[0], name: s}, nil
}

// Wrap implements sealed.Recipient.
func (r *Recipient) Wrap(_ context.Context, key []byte) (sealed.Wrap, error) {
	var file bytes.Buffer
	w, err := age.Encrypt(&file, r.to)
	if err == nil {
		_, err = w.Write(key)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return sealed.Wrap{}, err
	}
	return sealed.Wrap{Kind: Kind, ID: r.name, Data: file.Bytes()}, nil
}

// Covers implements sealed.Recipient.
func (r *Recipient) Covers(w sealed.Wrap) bool { return w.Kind == Kind && w.ID == r.name }

// String implements sealed.Recipient.
func (r *Recipient) String() string { return "age recipient " + r.name }

// Opener unwraps keys with secret keys.
type Opener struct {
	identities []age.Identity
	name       string
}

var _ sealed.Opener = (*Opener)(nil)

// ParseIdentities reads secret keys, one a line, as age-keygen writes them; name tells
// where from. Its errors do not show what was read.
func ParseIdentities(r io.Reader, name string) (*Opener, error) {
	identities, err := age.ParseIdentities(r)
	if err != nil || len(identities) == 0 {
		return nil, fmt.Errorf("age identities of %s: want lines of AGE-SECRET-KEY-1…, as age-keygen writes them", name)
	}
	return &Opener{identities: identities, name: name}, nil
}

// Unwrap implements sealed.Opener.
func (o *Opener) Unwrap(_ context.Context, w sealed.Wrap) ([]byte, error) {
	if w.Kind != Kind {
		return nil, sealed.ErrNotMine
	}
	r, err := age.Decrypt(bytes.NewReader(w.Data), o.identities...)
	var nobody *age.NoIdentityMatchError
	if errors.As(err, &nobody) {
		return nil, sealed.ErrNotMine
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sealed.ErrCorrupt, err)
	}
	key, err := io.ReadAll(io.LimitReader(r, 64)) // a key has 32 bytes
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sealed.ErrCorrupt, err)
	}
	return key, nil
}

// String implements sealed.Opener.
func (o *Opener) String() string { return "age identities of " + o.name }
