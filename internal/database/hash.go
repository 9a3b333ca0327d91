package database

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// RowHash is SHA-256 over the table's tag (its name and version) and the row.
type RowHash [sha256.Size]byte

// Hash returns the hash of row as a row of t. scratch is memory to reuse between
// calls; it may be nil, and is returned grown.
func (t *Table) Hash(scratch, row []byte) (RowHash, []byte) {
	scratch = append(append(scratch[:0], t.tag[:]...), row...)
	return sha256.Sum256(scratch), scratch
}

// State is the state hash of a multiset of rows: how many, and the sum of their hashes
// modulo 2^256. It does not depend on order; adding and removing undo each other. As a
// difference between two states the count may be negative. The zero value is the empty
// set. It proves equality against faults and mistakes; against an adversary who can
// choose rows freely the log's hash chain and the stores' immutability stand.
type State struct {
	Count int64
	sum   [4]uint64 // little-endian limbs
}

// Add puts one row into the set.
func (s *State) Add(h RowHash) { s.Count++; s.addLimbs(limbs(h)) }

// Sub takes one row out of the set.
func (s *State) Sub(h RowHash) { s.Count--; s.subLimbs(limbs(h)) }

// Plus returns the union of s and o as multisets.
func (s State) Plus(o State) State { s.Count += o.Count; s.addLimbs(o.sum); return s }

// Minus returns s without o.
func (s State) Minus(o State) State { s.Count -= o.Count; s.subLimbs(o.sum); return s }

func (s *State) addLimbs(l [4]uint64) {
	var c uint64
	for i := range s.sum {
		s.sum[i], c = bits.Add64(s.sum[i], l[i], c)
	}
}

func (s *State) subLimbs(l [4]uint64) {
	var b uint64
	for i := range s.sum {
		s.sum[i], b = bits.Sub64(s.sum[i], l[i], b)
	}
}

func limbs(h RowHash) (l [4]uint64) {
	for i := range l {
		l[i] = binary.BigEndian.Uint64(h[24-8*i:])
	}
	return l
}

// StateLen is the length of an encoded State in bytes.
const StateLen = 8 + sha256.Size

// AppendBinary appends the count (two's complement, big-endian, 8 bytes) and the sum
// (big-endian, 32 bytes).
func (s State) AppendBinary(dst []byte) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Count))
	for i := range s.sum {
		dst = binary.BigEndian.AppendUint64(dst, s.sum[3-i])
	}
	return dst, nil
}

// UnmarshalBinary decodes exactly StateLen bytes.
func (s *State) UnmarshalBinary(b []byte) error {
	if len(b) != StateLen {
		return fmt.Errorf("state hash has %d bytes, want %d", len(b), StateLen)
	}
	s.Count = int64(binary.BigEndian.Uint64(b))
	s.sum = limbs(RowHash(b[8:]))
	return nil
}

// String is the count, a colon, and the sum as 64 hexadecimal digits.
func (s State) String() string {
	b, _ := s.AppendBinary(nil)
	return strconv.FormatInt(s.Count, 10) + ":" + hex.EncodeToString(b[8:])
}

// MarshalText is String, for JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText parses exactly what String prints.
func (s *State) UnmarshalText(text []byte) error {
	count, sum, ok := strings.Cut(string(text), ":")
	n, err := strconv.ParseInt(count, 10, 64)
	b, herr := hex.DecodeString(sum)
	if !ok || err != nil || herr != nil || len(b) != sha256.Size {
		return fmt.Errorf("state hash %q is not COUNT:64-HEX-DIGITS", text)
	}
	got := State{Count: n, sum: limbs(RowHash(b))}
	if got.String() != string(text) {
		return fmt.Errorf("state hash %q is not in canonical form", text)
	}
	*s = got
	return nil
}

// States holds the state of each table, by Table.Name.
type States map[string]State
