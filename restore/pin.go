package restore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
)

// PinPrefix is where pins are. A pin keeps retention from removing what somebody is
// reading.
const PinPrefix = "pins/"

const pinVersion = 1

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

func decodePin(body []byte) (p Pin, err error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(body, &version); err != nil {
		return p, fmt.Errorf("%w: %w", eventlog.ErrCorrupt, err)
	}
	if version.Version > pinVersion {
		return p, fmt.Errorf("%w: %d, known %d", eventlog.ErrNewerVersion, version.Version, pinVersion)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("%w: %w", eventlog.ErrCorrupt, err)
	}
	if p.Version != pinVersion || p.Expires.IsZero() {
		return p, fmt.Errorf("%w: it lacks a version or an end", eventlog.ErrCorrupt)
	}
	return p, nil
}
