package restore

import "math/bits"

// pageLen is the unit in which an arena takes memory, in bytes: 64 shards of a Net must
// fit the smallest memory limit with a page each.
const pageLen = 64 << 10

// place is where an arena keeps some bytes. The zero place is nowhere.
type place struct {
	page, offset uint32 // page counts from 1
	size         uint32
}

// arena keeps many small byte strings without a pointer for each: the collector sees a
// few pages instead of millions of rows. Freed room is used again for strings of about
// the same size.
type arena struct {
	pages [][]byte
	fill  int // of the page that small strings go to
	small int // its index in pages
	free  [][]place
	bytes int64
}

// sizeClass rounds n up (by at most an eighth above 128 bytes) and numbers the result.
func sizeClass(n int) (class, rounded int) {
	if n <= 128 {
		class = max((n+15)/16, 1)
		return class, class * 16
	}
	shift := bits.Len(uint(n-1)) - 4
	steps := (n-1)>>shift + 1 // 9 to 16
	return 8 + (shift-4)*8 + steps - 8, steps << shift
}

// put keeps a copy of b. old is room that is no longer needed, or the zero place.
func (a *arena) put(b []byte, old place) place {
	class, rounded := sizeClass(len(b))
	if old.page != 0 {
		if c, _ := sizeClass(int(old.size)); c == class {
			copy(a.pages[old.page-1][old.offset:], b)
			old.size = uint32(len(b))
			return old
		}
		a.drop(old)
	}
	p := a.room(class, rounded)
	p.size = uint32(len(b))
	copy(a.pages[p.page-1][p.offset:], b)
	return p
}

func (a *arena) room(class, rounded int) place {
	if class < len(a.free) && len(a.free[class]) > 0 {
		last := len(a.free[class]) - 1
		p := a.free[class][last]
		a.free[class] = a.free[class][:last]
		return p
	}
	if rounded > pageLen/4 {
		return a.page(rounded)
	}
	if len(a.pages) == 0 || a.small == 0 || a.fill+rounded > pageLen {
		a.small = int(a.page(pageLen).page)
		a.fill = 0
	}
	p := place{page: uint32(a.small), offset: uint32(a.fill)}
	a.fill += rounded
	return p
}

func (a *arena) page(n int) place {
	a.pages = append(a.pages, make([]byte, n))
	a.bytes += int64(n)
	return place{page: uint32(len(a.pages))}
}

// drop frees the room of p, if it is anywhere. Room of its own page goes back to the collector.
func (a *arena) drop(p place) {
	if p.page == 0 {
		return
	}
	class, rounded := sizeClass(int(p.size))
	if rounded > pageLen/4 {
		a.pages[p.page-1] = nil
		a.bytes -= int64(rounded)
		return
	}
	for len(a.free) <= class {
		a.free = append(a.free, nil)
	}
	a.free[class] = append(a.free[class], p)
}

// get returns the bytes at p; they are valid until p is dropped or put over.
func (a *arena) get(p place) []byte {
	if p.page == 0 {
		return nil
	}
	return a.pages[p.page-1][p.offset : p.offset+p.size : p.offset+p.size]
}
