package sealed

import (
	"bytes"
	"context"
	"io"

	"filippo.io/age"
)

// plainAge is a recipient and opener for tests inside this package, which cannot import
// the adapter.
type plainAge struct{ identity *age.X25519Identity }

func (p *plainAge) Wrap(_ context.Context, key []byte) (Wrap, error) {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, p.identity.Recipient())
	if err != nil {
		return Wrap{}, err
	}
	if _, err := w.Write(key); err != nil {
		return Wrap{}, err
	}
	if err := w.Close(); err != nil {
		return Wrap{}, err
	}
	return Wrap{Kind: "age", ID: p.identity.Recipient().String(), Data: b.Bytes()}, nil
}

func (p *plainAge) Covers(w Wrap) bool { return w.ID == p.identity.Recipient().String() }

func (p *plainAge) Unwrap(_ context.Context, w Wrap) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(w.Data), p.identity)
	if err != nil {
		return nil, ErrNotMine
	}
	return io.ReadAll(r)
}

func (p *plainAge) String() string { return "age for tests" }
