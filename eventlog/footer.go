package eventlog

import (
	"encoding/binary"
	"fmt"
	"math"

	"lifeboat/internal/database"
)

// blockSize is one zstd frame of the body.
type blockSize struct{ packed, raw int }

// tableState is one entry of the ledger.
type tableState struct {
	name  string
	state database.State
}

// schemaPlace says which segment holds the schema record in force.
type schemaPlace struct {
	epoch Epoch // 0: none yet
	slot  Slot
	after Seq // the last transaction before the record
}

// footer is what follows a segment's body.
type footer struct {
	schema      schemaPlace
	blocks      []blockSize
	tables      []tableState // records refer to tables by their position here
	taken       IDSet
	outstanding IDSet
}

func (f *footer) append(dst []byte) []byte {
	u := func(v uint64) { dst = binary.AppendUvarint(dst, v) }
	u(uint64(f.schema.epoch))
	u(uint64(f.schema.slot))
	u(uint64(f.schema.after))
	u(uint64(len(f.blocks)))
	for _, b := range f.blocks {
		u(uint64(b.packed))
		u(uint64(b.raw))
	}
	u(uint64(len(f.tables)))
	for _, t := range f.tables {
		u(uint64(len(t.name)))
		dst = append(dst, t.name...)
		dst, _ = t.state.AppendBinary(dst) // never fails
	}
	dst = f.taken.append(dst)
	return f.outstanding.append(dst)
}

// append writes the number of ranges, then for each the distance from the end of the
// range before (the first: from zero) and its length less one.
func (s *IDSet) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.ranges)))
	var from int64
	for i, r := range s.ranges {
		if i == 0 {
			dst = binary.AppendVarint(dst, r.First)
		} else {
			dst = binary.AppendUvarint(dst, uint64(r.First)-uint64(from))
		}
		dst = binary.AppendUvarint(dst, uint64(r.Last)-uint64(r.First))
		from = r.Last
	}
	return dst
}

// cursor reads primitive values; after the first failure every read yields zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || n > 1 && c.b[n-1] == 0 { // one encoding per value
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// count reads the number of items that follow, each of at least size bytes: so it can
// never be used to ask for more memory than the input justifies.
func (c *cursor) count(size int) int {
	n := c.uvarint()
	if n > uint64(len(c.b)/size) {
		c.bad, c.b = true, nil
		return 0
	}
	return int(n)
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) ids() (s IDSet) {
	n := c.count(2)
	if n == 0 {
		return s
	}
	s.ranges = make([]IDRange, 0, n)
	var from int64
	for i := range n {
		step := c.uvarint()
		first := from + int64(step)
		if i == 0 {
			first = int64(step>>1) ^ -int64(step&1) // zig-zag, as binary.AppendVarint
		} else if step < 2 || first < from {
			c.bad = true // ranges are apart: adjacent ones are one range
		}
		length := c.uvarint()
		last := first + int64(length)
		if length > math.MaxInt64 || last < first || c.bad {
			c.bad = true
			return IDSet{}
		}
		s.ranges = append(s.ranges, IDRange{first, last})
		from = last
	}
	return s
}

// parseFooter decodes what append wrote, for a segment with this header.
func parseFooter(b []byte, h *header) (*footer, error) {
	c := &cursor{b: b}
	f := &footer{}
	f.schema.epoch = Epoch(min(c.uvarint(), math.MaxUint32))
	f.schema.slot = Slot(c.uvarint())
	f.schema.after = Seq(c.uvarint())
	f.blocks = make([]blockSize, c.count(2))
	var packed, raw uint64
	for i := range f.blocks {
		p, r := c.uvarint(), c.uvarint()
		if p == 0 || r == 0 || p > h.bodyLen || r > maxBlockBytes {
			c.bad = true
			break
		}
		f.blocks[i] = blockSize{int(p), int(r)}
		packed, raw = packed+p, raw+r
	}
	f.tables = make([]tableState, c.count(1+database.StateLen))
	seen := make(map[string]bool, len(f.tables))
	for i := range f.tables {
		t := &f.tables[i]
		t.name = string(c.bytes(c.uvarint()))
		if err := t.state.UnmarshalBinary(c.bytes(database.StateLen)); err != nil || t.name == "" || seen[t.name] {
			c.bad = true
			break
		}
		seen[t.name] = true
	}
	f.taken = c.ids()
	f.outstanding = c.ids()
	switch {
	case c.bad || len(c.b) != 0:
		return nil, fmt.Errorf("%w: malformed footer", ErrCorrupt)
	case packed != h.bodyLen || raw != h.rawLen:
		return nil, fmt.Errorf("%w: blocks of %d and %d bytes, the header says %d and %d", ErrCorrupt, packed, raw, h.bodyLen, h.rawLen)
	case (f.schema.epoch == 0) != (h.schemaVersion == 0):
		return nil, fmt.Errorf("%w: schema version %d without its record", ErrCorrupt, h.schemaVersion)
	}
	return f, nil
}
