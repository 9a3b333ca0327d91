package restore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/versioned"
)

// PinPrefix is where pins are. A pin keeps retention from removing what somebody is
// reading.
const PinPrefix = "pins/"

const pinVersion = 1

var pinKind = versioned.Kind{Field: "version", Known: pinVersion, Damaged: eventlog.ErrCorrupt, Newer: eventlog.ErrNewerVersion}

// maxPin bounds a pin's object, in bytes: a hundred thousand deltas in one chain fit.
const maxPin = 8 << 20

// Pin is a promise asked of retention: until Expires, leave these snapshots, their
// parents and the log after the first of them alone.
type Pin struct {
	Version   int               `json:"version"`
	Reason    string            `json:"reason"`
	Created   time.Time         `json:"created"` // UTC
	Expires   time.Time         `json:"expires"` // UTC
	Snapshots []eventlog.Digest `json:"snapshots"`
	name      string
}

// PinTTL is how long a pin lasts if nobody removes it: longer than any restore that
// meets an 8 h outage target. A longer one pins again.
const PinTTL = 24 * time.Hour

// CreatePin stores a pin; Unpin removes it. A store that refuses deletion keeps it until
// it expires, which is harmless.
func CreatePin(ctx context.Context, store blob.Store, reason string, now time.Time, snapshots []Snapshot) (*Pin, error) {
	p := &Pin{Version: pinVersion, Reason: reason, Created: now.UTC(), Expires: now.UTC().Add(PinTTL)}
	for _, s := range snapshots {
		p.Snapshots = append(p.Snapshots, s.Digest)
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("name a pin: %w", err)
	}
	p.name = PinPrefix + p.Created.Format("20060102T150405") + "-" + hex.EncodeToString(id[:])
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode a pin: %w", err)
	}
	if err := store.Create(ctx, p.name, body); err != nil {
		return nil, fmt.Errorf("pin the snapshots that are being read: %w", err)
	}
	return p, nil
}

// Unpin takes the pin away again.
func (p *Pin) Unpin(ctx context.Context, store blob.Store) error {
	if err := store.Delete(ctx, p.name); err != nil {
		return fmt.Errorf("remove pin %s: %w", p.name, err)
	}
	return nil
}

// ReadPins returns the pins that have not expired. One that cannot be read is an error:
// nobody knows what it protects.
func ReadPins(ctx context.Context, store blob.Store, now time.Time) ([]Pin, error) {
	var pins []Pin
	for info, err := range store.List(ctx, PinPrefix, "") {
		if err != nil {
			return nil, fmt.Errorf("list pins: %w", err)
		}
		body, err := blob.ReadAll(ctx, store, info.Name, maxPin)
		if errors.Is(err, blob.ErrNotExist) {
			continue // its owner has just finished
		}
		if err != nil {
			return nil, err
		}
		p, err := decodePin(body)
		if err != nil {
			return nil, fmt.Errorf("pin %s: %w", info.Name, err)
		}
		p.name = info.Name
		if now.Before(p.Expires) {
			pins = append(pins, p)
		}
	}
	return pins, nil
}

func decodePin(body []byte) (Pin, error) {
	p, err := versioned.Decode[Pin](pinKind, body)
	if err == nil && p.Expires.IsZero() {
		err = fmt.Errorf("%w: it has no end", eventlog.ErrCorrupt)
	}
	return p, err
}
