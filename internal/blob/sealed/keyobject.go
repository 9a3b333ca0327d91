package sealed

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

const (
	keyFormat    = "lifeboat key"
	keyVersion   = 1
	maxKeyObject = 64 << 10 // bytes; two recipients need about 2 KiB
)

// Wrap is a key as one recipient keeps it.
type Wrap struct {
	Kind string `json:"kind"` // of recipient, such as "age"
	ID   string `json:"id"`   // of the recipient's key, with its version if it has one
	Data []byte `json:"data"`
}

// keyObject is what is stored under keys/<scope>/wrap-<number>.
type keyObject struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Scope   string `json:"scope"`
	KeyID   string `json:"key_id"`
	Wraps   []Wrap `json:"wraps"`
	MAC     string `json:"mac"`
}

// makeKeyObject wraps key for every recipient. root is nil for the root key itself.
func makeKeyObject(ctx context.Context, scope string, key, root *dataKey, to []Recipient) ([]byte, error) {
	o := keyObject{Format: keyFormat, Version: keyVersion, Scope: scope, KeyID: hex.EncodeToString(key.id[:])}
	for _, recipient := range to {
		w, err := recipient.Wrap(ctx, key.secret)
		if err != nil {
			return nil, fmt.Errorf("wrap a key for %s: %w", recipient, err)
		}
		o.Wraps = append(o.Wraps, w)
	}
	mac, err := o.mac(key, root)
	if err != nil {
		return nil, err
	}
	o.MAC = mac
	return o.encode()
}

func (o keyObject) encode() ([]byte, error) {
	b, err := json.MarshalIndent(o, "", "  ")
	return append(b, '\n'), err
}

// mac binds the object to the key that it holds and to the root key. Whoever can only
// write to the store knows neither.
func (o keyObject) mac(key, root *dataKey) (string, error) {
	secret := bytes.Clone(key.secret)
	if root != nil {
		secret = append(bytes.Clone(root.secret), secret...)
	}
	o.MAC = ""
	b, err := o.encode()
	if err != nil {
		return "", err
	}
	m := hmac.New(sha256.New, derive(secret, nil, labelRing))
	m.Write(b)
	return hex.EncodeToString(m.Sum(nil)), nil
}

// decodeKeyObject is strict: there is one encoding of each key object. Nothing in it is
// authenticated yet.
func decodeKeyObject(b []byte) (keyObject, error) {
	var kind struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(b, &kind); err != nil {
		if unfinished(b) {
			return keyObject{}, fmt.Errorf("%w: %w", ErrTruncated, err)
		}
		return keyObject{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if kind.Format == keyFormat && kind.Version > keyVersion {
		return keyObject{}, fmt.Errorf("%w: version %d, known is %d", ErrNewerVersion, kind.Version, keyVersion)
	}
	var o keyObject
	if err := json.Unmarshal(b, &o); err != nil {
		return keyObject{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	again, err := o.encode()
	if err != nil {
		return keyObject{}, err
	}
	if !bytes.Equal(b, again) || o.Format != keyFormat || o.Version != keyVersion {
		return keyObject{}, fmt.Errorf("%w: not the one encoding of a key object", ErrCorrupt)
	}
	return o, nil
}

func unfinished(b []byte) bool {
	var any json.RawMessage
	err := json.NewDecoder(bytes.NewReader(b)).Decode(&any)
	return err != nil && (len(b) == 0 || err.Error() == "unexpected EOF")
}

// open unwraps the key with the first opener that can, and checks that it is the one
// the object speaks of.
func (o keyObject) open(ctx context.Context, openers []Opener) (*dataKey, error) {
	var failed []error
	for _, opener := range openers {
		for _, w := range o.Wraps {
			secret, err := opener.Unwrap(ctx, w)
			if errors.Is(err, ErrNotMine) {
				continue
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", opener, err))
				continue
			}
			key, err := newDataKey(secret)
			if err != nil || hex.EncodeToString(key.id[:]) != o.KeyID {
				failed = append(failed, fmt.Errorf("%s: %w: it opens another key", opener, ErrCorrupt))
				continue
			}
			return key, nil
		}
	}
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	return nil, fmt.Errorf("%w: it is wrapped for %s", ErrNoOpener, o.recipients())
}

func (o keyObject) recipients() string {
	var s string
	for i, w := range o.Wraps {
		if i > 0 {
			s += " and "
		}
		s += w.Kind + " " + w.ID
	}
	return s
}

// verify checks the MAC with the keys that were unwrapped.
func (o keyObject) verify(key, root *dataKey) error {
	want, err := o.mac(key, root)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(want), []byte(o.MAC)) {
		return ErrForeignRoot
	}
	return nil
}

// covers tells whether some wrap is for the recipient.
func (o keyObject) covers(r Recipient) bool {
	for _, w := range o.Wraps {
		if r.Covers(w) {
			return true
		}
	}
	return false
}

var keyObjectName = regexp.MustCompile(`^keys/(.+)/wrap-([0-9]{4})$`)

func keyName(scope string, number int) string {
	return fmt.Sprintf("%s%s/wrap-%04d", keyFolder, scope, number)
}

// parseKeyName returns the scope and number of a key object, ok only for names that
// keyName makes.
func parseKeyName(name string) (scope string, number int, ok bool) {
	m := keyObjectName.FindStringSubmatch(name)
	if m == nil {
		return "", 0, false
	}
	number, err := strconv.Atoi(m[2])
	return m[1], number, err == nil && number > 0
}
