package restore

import (
	"sync"

	"github.com/zeebo/xxh3"

	"lifeboat/internal/database"
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
}

// slotPage is how many slots are allocated at once: 5 KiB.
const slotPage = 64

type slot struct {
	key    xxh3.Uint128
	minus  xxh3.Uint128
	plus   xxh3.Uint128
	image  place // the added row; without one, some row with this key
	before place // the row taken away, if such rows are kept
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
const slotCost = 80 + 2*24

func (s *shard) count() int { return s.used - len(s.holes) }

func (s *shard) size() int64 {
	return int64(len(s.index))*8 + int64(len(s.slots))*slotPage*slotCost + s.rows.bytes
}

// addAll adds changes and returns by how many bytes the shard grew.
func (s *shard) addAll(changes []change, keepMinus bool) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.size()
	for i := range changes {
		s.add(&changes[i], keepMinus)
	}
	return s.size() - before
}

func (s *shard) add(c *change, keepMinus bool) {
	if 4*(s.count()+1) > 3*len(s.index) {
		s.grow()
	}
	at := s.find(c.key)
	if s.index[at] == 0 {
		s.index[at] = c.key.Lo<<32 | uint64(s.take(c)+1)
	}
	e := s.slot(uint32(s.index[at]) - 1)
	switch {
	case e.has == hasMany:
		s.addMany(e, c, keepMinus)
	case c.op == database.Insert:
		s.insert(e, c, keepMinus)
	default:
		s.remove(e, c, keepMinus)
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

func (s *shard) insert(e *slot, c *change, keep bool) {
	switch {
	case e.has&hasMinus != 0 && e.minus == c.hash:
		e.has &^= hasMinus
		if e.before.page != 0 {
			s.rows.drop(e.before)
			e.before = place{}
		}
	case e.has&hasPlus == 0:
		e.plus = c.hash
		e.image = s.rows.put(c.row, e.image)
		e.has |= hasPlus
	default:
		s.spread(e)
		s.addMany(e, c, keep)
	}
}

func (s *shard) remove(e *slot, c *change, keep bool) {
	switch {
	case e.has&hasPlus != 0 && e.plus == c.hash:
		e.has &^= hasPlus // the image stays: the key is read from it
	case e.has&hasMinus == 0:
		e.minus = c.hash
		e.has |= hasMinus
		if keep {
			e.before = s.rows.put(c.row, place{})
		}
		if e.image.page == 0 {
			e.image = s.rows.put(c.row, place{})
		}
	default:
		s.spread(e)
		s.addMany(e, c, keep)
	}
}

// spread moves a slot's rows to a list. The row that carries the key goes with them even
// if it is not part of the sum, as the term's row.
func (s *shard) spread(e *slot) {
	var terms []term
	if e.has&hasMinus != 0 {
		t := term{hash: e.minus, factor: -1, row: e.before}
		if t.row.page == 0 {
			t.row = s.rows.put(s.rows.get(e.image), place{})
		}
		terms = append(terms, t)
	}
	if e.has&hasPlus != 0 {
		terms = append(terms, term{hash: e.plus, factor: 1, row: e.image})
	} else if e.image.page != 0 {
		s.rows.drop(e.image)
	}
	e.image, e.before, e.has = place{}, place{}, hasMany
	if s.many == nil {
		s.many = make(map[xxh3.Uint128][]term)
	}
	s.many[e.key] = terms
}

// addMany adds to a list, and goes back to a plain slot when that is enough: changes
// that arrive out of order pass through here.
func (s *shard) addMany(e *slot, c *change, keepMinus bool) {
	terms := s.many[e.key]
	factor := 1
	if c.op == database.Delete {
		factor = -1
	}
	at := -1
	for i := range terms {
		if terms[i].hash == c.hash {
			at = i
		}
	}
	if at < 0 {
		terms = append(terms, term{hash: c.hash, factor: factor, row: s.rows.put(c.row, place{})})
	} else if terms[at].factor += factor; terms[at].factor == 0 {
		s.rows.drop(terms[at].row)
		terms[at] = terms[len(terms)-1]
		terms = terms[:len(terms)-1]
	}
	s.many[e.key] = terms
	s.gather(e, terms, keepMinus)
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
		e.plus, e.image, e.has = plus.hash, plus.row, hasPlus
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
