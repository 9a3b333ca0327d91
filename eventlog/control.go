package eventlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// epochRecord begins an epoch. Whoever creates it, and nobody else, writes the epoch.
type epochRecord struct {
	Stream ID        `json:"stream"`
	Epoch  Epoch     `json:"epoch"`
	Writer ID        `json:"writer"`
	Home   ID        `json:"home"` // the store whose writer may begin the next epoch
	Begun  time.Time `json:"begun"`
	Reason string    `json:"reason"`
	// Takeover: the log moved to Home with this epoch, or was begun by an operator.
	Takeover bool `json:"takeover"`
	// End is where the log before this epoch ends; segments after it are orphans.
	End Position `json:"end"`
}

// fenceRecord ends an epoch in one store: nothing after its slot is part of the log.
type fenceRecord struct {
	Stream ID        `json:"stream"`
	Epoch  Epoch     `json:"epoch"`
	Slot   Slot      `json:"slot"`
	By     ID        `json:"by"` // the writer that wants to begin the next epoch
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
	// Ahead: put some way ahead of a writer that is too fast to be fenced at its next slot.
	// There may be free slots before it; the epoch ends at the first fence of all.
	Ahead bool `json:"ahead,omitempty"`
}

// storeRecord tells one store from another.
type storeRecord struct {
	Store ID `json:"store"`
}

// encodeControl is preamble, JSON, SHA-256 of both.
func encodeControl(magic string, record any) ([]byte, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", magic, err)
	}
	if len(body) > maxControlBytes {
		return nil, fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLarge, magic, len(body), maxControlBytes)
	}
	b := append(appendPreamble(nil, magic, uint32(len(body))), body...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// decodeControl accepts exactly what encodeControl makes of the same record.
func decodeControl(b []byte, magic string, record any) error {
	got, length, err := parsePreamble(b)
	if err != nil {
		return err
	}
	if got != magic {
		return fmt.Errorf("%w: is a %q, want a %q", ErrCorrupt, got, magic)
	}
	if length > maxControlBytes {
		return fmt.Errorf("%w: length %d is beyond the limit %d", ErrCorrupt, length, maxControlBytes)
	}
	end := preambleLen + int(length)
	switch {
	case len(b) < end+digestLen:
		return fmt.Errorf("%w: %d of %d bytes", ErrTruncated, len(b), end+digestLen)
	case len(b) > end+digestLen:
		return fmt.Errorf("%w: %d bytes after the end", ErrCorrupt, len(b)-end-digestLen)
	}
	if sum := sha256.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return fmt.Errorf("%w: SHA-256 does not match", ErrCorrupt)
	}
	d := json.NewDecoder(bytes.NewReader(b[preambleLen:end]))
	d.DisallowUnknownFields()
	if err := d.Decode(record); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if again, err := json.Marshal(record); err != nil || !bytes.Equal(again, b[preambleLen:end]) {
		return fmt.Errorf("%w: not in canonical form", ErrCorrupt)
	}
	return nil
}

func decodeEpoch(b []byte, want Epoch) (*epochRecord, error) {
	r := new(epochRecord)
	if err := decodeControl(b, magicEpoch, r); err != nil {
		return nil, err
	}
	switch {
	case r.Epoch != want:
		return nil, fmt.Errorf("%w: says it is epoch %d", ErrCorrupt, r.Epoch)
	case r.End.Epoch >= r.Epoch:
		return nil, fmt.Errorf("%w: ends %v, in no epoch before it", ErrCorrupt, r.End)
	case r.End.IsZero() && r.End != Position{}:
		return nil, fmt.Errorf("%w: end without a digest", ErrCorrupt)
	}
	return r, nil
}

func decodeFence(b []byte, e Epoch, s Slot) (*fenceRecord, error) {
	r := new(fenceRecord)
	if err := decodeControl(b, magicFence, r); err != nil {
		return nil, err
	}
	if r.Epoch != e || r.Slot != s {
		return nil, fmt.Errorf("%w: says it is the fence at %s", ErrCorrupt, SegmentName(r.Epoch, r.Slot))
	}
	return r, nil
}
