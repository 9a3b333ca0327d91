package eventlog

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// Seq numbers the transactions of a log from 1, without gaps. 0 is before the first.
type Seq uint64

// Epoch numbers the reigns of writers from 1.
type Epoch uint32

// Slot numbers the objects of one epoch from 0.
type Slot uint64

// Digest is SHA-256 of an object's bytes. The zero Digest stands before the first segment.
type Digest [32]byte

// ID names a log (a stream), a writer or a store: 16 random bytes.
type ID [16]byte

const (
	seqDigits   = 16
	epochDigits = 8
	slotDigits  = 16
)

func (s Seq) String() string   { return fmt.Sprintf("%016d", uint64(s)) }
func (e Epoch) String() string { return fmt.Sprintf("%08d", uint32(e)) }
func (s Slot) String() string  { return fmt.Sprintf("%016d", uint64(s)) }

func (d Digest) String() string { return hex.EncodeToString(d[:]) }
func (id ID) String() string    { return hex.EncodeToString(id[:]) }

// ParseSeq parses exactly what String prints.
func ParseSeq(s string) (Seq, error) {
	n, err := parseFixed("seq", s, seqDigits, 64)
	return Seq(n), err
}

// ParseEpoch parses exactly what String prints.
func ParseEpoch(s string) (Epoch, error) {
	n, err := parseFixed("epoch", s, epochDigits, 32)
	return Epoch(n), err
}

// ParseSlot parses exactly what String prints.
func ParseSlot(s string) (Slot, error) {
	n, err := parseFixed("slot", s, slotDigits, 64)
	return Slot(n), err
}

// ParseDigest parses exactly what String prints.
func ParseDigest(s string) (d Digest, err error) {
	return d, parseHex("digest", s, d[:])
}

// ParseID parses exactly what String prints.
func ParseID(s string) (id ID, err error) {
	return id, parseHex("id", s, id[:])
}

func parseFixed(what, s string, digits, bits int) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil || len(s) != digits || s[0] == '+' {
		return 0, fmt.Errorf("%s %q is not %d decimal digits", what, s, digits)
	}
	return n, nil
}

func parseHex(what, s string, dst []byte) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(dst) || hex.EncodeToString(b) != s {
		return fmt.Errorf("%s %q is not %d lower-case hexadecimal digits", what, s, 2*len(dst))
	}
	copy(dst, b)
	return nil
}

// MarshalText and UnmarshalText keep the fixed-width form, for JSON as well.
func (s Seq) MarshalText() ([]byte, error)    { return []byte(s.String()), nil }
func (e Epoch) MarshalText() ([]byte, error)  { return []byte(e.String()), nil }
func (s Slot) MarshalText() ([]byte, error)   { return []byte(s.String()), nil }
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
func (id ID) MarshalText() ([]byte, error)    { return []byte(id.String()), nil }

// UnmarshalText is ParseSeq.
func (s *Seq) UnmarshalText(b []byte) (err error) { *s, err = ParseSeq(string(b)); return err }

// UnmarshalText is ParseEpoch.
func (e *Epoch) UnmarshalText(b []byte) (err error) { *e, err = ParseEpoch(string(b)); return err }

// UnmarshalText is ParseSlot.
func (s *Slot) UnmarshalText(b []byte) (err error) { *s, err = ParseSlot(string(b)); return err }

// UnmarshalText is ParseDigest.
func (d *Digest) UnmarshalText(b []byte) (err error) { *d, err = ParseDigest(string(b)); return err }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// Position is the end of one segment: everything up to and including Seq. The zero
// Position is before the first segment. Digest ties it to one history: two logs that
// have it in common agree on everything before it.
type Position struct {
	Seq    Seq       `json:"seq"`
	Epoch  Epoch     `json:"epoch"`
	Slot   Slot      `json:"slot"`
	Digest Digest    `json:"digest"`
	Time   time.Time `json:"time"` // UTC; the segment's last time
}

// IsZero reports whether p is before the first segment.
func (p Position) IsZero() bool { return p.Digest == Digest{} }

func (p Position) String() string {
	if p.IsZero() {
		return "the beginning"
	}
	return fmt.Sprintf("seq %d (%s)", uint64(p.Seq), SegmentName(p.Epoch, p.Slot))
}

// SegmentInfo describes one segment without its records.
type SegmentInfo struct {
	Epoch Epoch `json:"epoch"`
	Slot  Slot  `json:"slot"`
	// First and Last are inclusive; First is Last+1 when the segment holds no transaction.
	First Seq `json:"first"`
	Last  Seq `json:"last"`
	// FirstTime and LastTime are UTC and never go backwards along the log.
	FirstTime time.Time `json:"first_time"`
	LastTime  time.Time `json:"last_time"`
	Digest    Digest    `json:"digest"`
	Prev      Digest    `json:"prev"` // of the segment before it
	// SchemaVersion counts the schema records up to the end of the segment; 0: none yet.
	SchemaVersion uint32 `json:"schema_version"`
	Size          int64  `json:"size"` // bytes of the object
}

// End is the position after the segment.
func (i SegmentInfo) End() Position {
	return Position{Seq: i.Last, Epoch: i.Epoch, Slot: i.Slot, Digest: i.Digest, Time: i.LastTime}
}

// Transactions is how many transactions the segment holds.
func (i SegmentInfo) Transactions() uint64 { return uint64(i.Last + 1 - i.First) }

// Name is the name of the object the segment was written as.
func (i SegmentInfo) Name() string { return SegmentName(i.Epoch, i.Slot) }

// SegmentName is the name of the segment or fence at a slot.
func SegmentName(e Epoch, s Slot) string { return logPrefix + e.String() + "/" + s.String() }

// EpochName is the name of the object that begins an epoch.
func EpochName(e Epoch) string { return epochPrefix + e.String() }

const (
	logPrefix   = "log/"
	epochPrefix = "epochs/"
	storeName   = "store" // the identity of one store: never copied to another
)
