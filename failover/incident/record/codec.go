package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"lifeboat/failover/incident"
	"lifeboat/internal/signers"
	"lifeboat/internal/versioned"
)

// Namespace is the SSHSIG namespace of entries.
const Namespace = "lifeboat-incident"

// Limits on what is read from a store, in bytes.
const (
	maxEntry      = 256 << 10
	maxAttachment = 64 << 20
	maxEntries    = 100_000 // in one stream
)

// Limits are the largest entry and attachment, in bytes, and the most entries in a stream.
func Limits() (entry, attachment, entries int) { return maxEntry, maxAttachment, maxEntries }

// Errors a caller may test for with errors.Is.
var (
	// ErrCorrupt: the bytes are no entry: damaged, truncated, or not in canonical form.
	ErrCorrupt = errors.New("entry is damaged")
	// ErrNewerFormat: written by a newer lifeboat; upgrade to read it.
	ErrNewerFormat = errors.New("entry has a newer format than this lifeboat knows")
	// ErrForged: the signature is not by the person and in the role that the entry claims.
	ErrForged = errors.New("entry is not signed by whom it claims")
)

var entryKind = versioned.Kind{Field: "format", Known: incident.Format, Damaged: ErrCorrupt, Newer: ErrNewerFormat}

// encode is the entry's canonical text.
func encode(e incident.Entry) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // people read this text
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	return out.Bytes(), nil
}

// decode reads an object without checking who signed it.
func decode(object []byte) (incident.Entry, error) {
	var e incident.Entry
	if len(object) > maxEntry {
		return e, fmt.Errorf("%w: %d bytes is over the limit of %d", ErrCorrupt, len(object), maxEntry)
	}
	text, _, err := signers.Split(object)
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if e, err = versioned.Decode[incident.Entry](entryKind, text); err != nil {
		return e, err
	}
	canonical, err := encode(e)
	if err != nil {
		return e, err
	}
	if !bytes.Equal(canonical, text) {
		return e, fmt.Errorf("%w: it is not in its canonical form", ErrCorrupt)
	}
	if err := e.Validate(); err != nil {
		return e, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return e, nil
}

// open reads an object and checks who signed it.
func open(ring *signers.Ring, object []byte) (incident.Signed, error) {
	e, err := decode(object)
	if err != nil {
		return incident.Signed{Entry: e}, err
	}
	signed := incident.Signed{Entry: e, Digest: incident.Digest(object)}
	_, who, err := ring.Open(Namespace, object, e.Recorded)
	if err != nil {
		return signed, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if who.Person != e.By {
		return signed, fmt.Errorf("%w: %s signed in the name of %s", ErrForged, who.Person, e.By)
	}
	signed.Who = who
	return signed, nil
}
