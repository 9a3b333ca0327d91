package restore

import (
	"bytes"
	"slices"
	"sync"

	"github.com/zeebo/xxh3"
)

// shard is one part of a Net: an open-addressed table of keys by hash. A key almost
// always has at most one row taken away and one row added; the rest is in many.
type shard struct {
	mu sync.Mutex
	// index holds, by hash, 32 bits of the hash above the number of the slot plus one;
	// a power of two long, at most three quarters full.
	index []uint64
	slots [][]slot // pages of slotPage
	used  int      // slots handed out, ever
	holes []uint32 // of those, given back
	rows  arena
	many  map[xxh3.Uint128][]term

	touched byte // keeps the compiler from leaving out what touch does
}

// slotPage is how many slots are allocated at once: 5 KiB.
const slotPage = 64

// slot is 64 bytes: one line of the processor's cache.
type slot struct {
	key    xxh3.Uint128
	minus  xxh3.Uint128 // of the row taken away
	image  place        // the added row; without one, some row with this key
	before place        // the row taken away, if such rows are kept
	table  uint32
	has    uint32 // hasMinus | hasPlus, or hasMany alone
}

const (
	hasMinus = 1 << iota
	hasPlus
	hasMany
)

// term is one row of a sum with its factor.
type term struct {
	hash   xxh3.Uint128
	factor int // not zero
	row    place
}

// slotCost is what one slot takes, and what sorting it will take, in bytes.
const slotCost = 64 + 2*24

func (s *shard) count() int { return s.used - len(s.holes) }

func (s *shard) size() int64 {
	return int64(len(s.index))*8 + int64(len(s.slots))*slotPage*slotCost + s.rows.bytes
}

// addAll adds changes and returns by how many bytes the shard grew.
func (s *shard) addAll(changes []change, n *Net) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.size()
	s.touch(changes)
	for i := range changes {
		s.add(&changes[i], n)
	}
	return s.size() - before
}

// touch reads what the changes will need, in loops so short that the processor waits for
// many lines of memory at once instead of for one after another. Keys come in no order,
// so that waiting is most of the work.
func (s *shard) touch(changes []change) {
	if len(s.index) == 0 {
		return
	}
	mask := uint32(len(s.index) - 1)
	var at [batchLen]uint32
	for i := range changes {
		at[i%batchLen] = uint32(s.index[uint32(changes[i].key.Lo)&mask])
	}
	var images [batchLen]place
	for i := range changes {
		if v := at[i%batchLen]; v != 0 {
			images[i%batchLen] = s.slot(v - 1).image
		}
	}
	for i := range changes {
		if p := images[i%batchLen]; p.page != 0 && s.pageThere(p) {
			s.touched += s.rows.pages[p.page-1][p.offset]
		}
	}
}

func (s *shard) pageThere(p place) bool { return len(s.rows.pages[p.page-1]) > int(p.offset) }

// add adds one change: a row taken away, a row added, or first one and then the other.
func (s *shard) add(c *change, n *Net) {
	if 4*(s.count()+1) > 3*len(s.index) {
		s.grow()
	}
	at := s.find(c.key)
	if s.index[at] == 0 {
		s.index[at] = c.key.Lo<<32 | uint64(s.take(c)+1)
	}
	e := s.slot(uint32(s.index[at]) - 1)
	if c.minus != nil {
		s.remove(e, c.minus, n)
	}
	if c.plus != nil {
		s.insert(e, c.plus, n)
	}
	if e.has == 0 {
		s.rows.drop(e.image)
		s.holes = append(s.holes, uint32(s.index[at])-1)
		*e = slot{}
		s.free(at)
	}
}

func (s *shard) slot(i uint32) *slot { return &s.slots[i/slotPage][i%slotPage] }

// take returns the number of a slot for a key that has none.
func (s *shard) take(c *change) (i uint32) {
	if last := len(s.holes) - 1; last >= 0 {
		i, s.holes = s.holes[last], s.holes[:last]
	} else {
		if s.used == len(s.slots)*slotPage {
			s.slots = append(s.slots, make([]slot, slotPage))
		}
		i = uint32(s.used)
		s.used++
	}
	*s.slot(i) = slot{key: c.key, table: c.table}
	return i
}

// insert adds a row. That it equals the one taken away is noticed when the sum is read:
// comparing here would cost a hash for every update.
func (s *shard) insert(e *slot, row []byte, n *Net) {
	switch {
	case e.has == hasMany:
		s.addMany(e, row, 1, n)
	case e.has&hasPlus == 0:
		e.image = s.rows.put(row, e.image)
		e.has |= hasPlus
	default:
		s.spread(e, n)
		s.addMany(e, row, 1, n)
	}
}

func (s *shard) remove(e *slot, row []byte, n *Net) {
	switch {
	case e.has == hasMany:
		s.addMany(e, row, -1, n)
	case e.has&hasPlus != 0 && bytes.Equal(s.rows.get(e.image), row):
		e.has &^= hasPlus // the image stays: the key is read from it
	case e.has&hasMinus == 0:
		e.minus = n.hash(row)
		e.has |= hasMinus
		if n.cfg.KeepMinus {
			e.before = s.rows.put(row, place{})
		}
		if e.image.page == 0 {
			e.image = s.rows.put(row, place{})
		}
	default:
		s.spread(e, n)
		s.addMany(e, row, -1, n)
	}
}

// spread moves a slot's rows to a list. A row whose bytes are not kept gets those that
// carry the key.
func (s *shard) spread(e *slot, n *Net) {
	var terms []term
	if e.has&hasMinus != 0 {
		t := term{hash: e.minus, factor: -1, row: e.before}
		if t.row.page == 0 {
			t.row = s.rows.put(s.rows.get(e.image), place{})
		}
		terms = append(terms, t)
	}
	switch hash := n.hash(s.rows.get(e.image)); {
	case e.has&hasPlus == 0:
		s.rows.drop(e.image)
	case len(terms) > 0 && terms[0].hash == hash:
		s.rows.drop(e.image)
		s.rows.drop(terms[0].row)
		terms = nil
	default:
		terms = append(terms, term{hash: hash, factor: 1, row: e.image})
	}
	e.image, e.before, e.has = place{}, place{}, hasMany
	if s.many == nil {
		s.many = make(map[xxh3.Uint128][]term)
	}
	s.many[e.key] = terms
}

// addMany adds to a list, and goes back to a plain slot when that is enough: changes
// that arrive out of order pass through here.
func (s *shard) addMany(e *slot, row []byte, factor int, n *Net) {
	terms := s.many[e.key]
	hash := n.hash(row)
	at := slices.IndexFunc(terms, func(t term) bool { return t.hash == hash })
	if at < 0 {
		terms = append(terms, term{hash: hash, factor: factor, row: s.rows.put(row, place{})})
	} else if terms[at].factor += factor; terms[at].factor == 0 {
		s.rows.drop(terms[at].row)
		terms[at] = terms[len(terms)-1]
		terms = terms[:len(terms)-1]
	}
	s.many[e.key] = terms
	s.gather(e, terms, n.cfg.KeepMinus)
}

// gather turns a list of at most one row on each side back into a plain slot.
func (s *shard) gather(e *slot, terms []term, keepMinus bool) {
	var minus, plus *term
	for i := range terms {
		switch t := &terms[i]; {
		case t.factor == -1 && minus == nil:
			minus = t
		case t.factor == 1 && plus == nil:
			plus = t
		default:
			return
		}
	}
	delete(s.many, e.key)
	e.has = 0
	if plus != nil {
		e.image, e.has = plus.row, hasPlus
	}
	if minus == nil {
		return
	}
	e.minus, e.has = minus.hash, e.has|hasMinus
	if keepMinus {
		e.before = minus.row
		if plus == nil {
			e.image = s.rows.put(s.rows.get(minus.row), place{})
		}
	} else if plus == nil {
		e.image = minus.row
	} else {
		s.rows.drop(minus.row)
	}
}

// find returns where in the index the key is or would be.
func (s *shard) find(key xxh3.Uint128) int {
	mask := len(s.index) - 1
	at := int(uint32(key.Lo)) & mask
	for ; s.index[at] != 0; at = (at + 1) & mask {
		if s.index[at]>>32 == key.Lo&(1<<32-1) && s.slot(uint32(s.index[at])-1).key == key {
			break
		}
	}
	return at
}

func (s *shard) grow() {
	old := s.index
	s.index = make([]uint64, max(2*len(old), 64))
	mask := len(s.index) - 1
	for _, v := range old {
		if v != 0 {
			at := int(v>>32) & mask
			for s.index[at] != 0 {
				at = (at + 1) & mask
			}
			s.index[at] = v
		}
	}
}

// free empties a place in the index and moves later ones of the same cluster up, so
// that no search meets a hole before its key.
func (s *shard) free(at int) {
	mask := len(s.index) - 1
	for next := (at + 1) & mask; s.index[next] != 0; next = (next + 1) & mask {
		home := int(s.index[next]>>32) & mask
		if (next-home)&mask >= (next-at)&mask {
			s.index[at] = s.index[next]
			at = next
		}
	}
	s.index[at] = 0
}
