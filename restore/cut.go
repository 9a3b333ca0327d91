package restore

import (
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Cut decides where one chunk ends and the next begins, by the keys and sizes of the
// entries since the last cut and by nothing else. So two scans of almost the same table
// make almost the same chunks, wherever rows were inserted or removed between them, and
// equal chunks are stored once. Sizes are in bytes of payload. The zero value is not
// usable; see DefaultCut. Other sizes make other chunks, but any reader reads them.
type Cut struct {
	Min    int // no cut before this
	Spread int // after Min, a cut is due every Spread bytes on average
	Max    int // a cut whatever the key, unless one entry alone is larger
}

// DefaultCut makes chunks of 1 MiB on average, in 256 KiB to 4 MiB: large enough that a
// request costs less than its bytes, small enough that a restore holds dozens in memory.
func DefaultCut() Cut { return Cut{Min: 256 << 10, Spread: 768 << 10, Max: 4 << 20} }

// Before tells whether an entry of size bytes with this key begins a new chunk when the
// current one holds filled bytes.
func (c Cut) Before(filled int, key []byte, size int) bool {
	if filled == 0 {
		return false
	}
	if filled+size > c.Max {
		return true
	}
	if filled < c.Min {
		return false
	}
	// The chance of an entry is its share of Spread, so a chunk's size does not depend on
	// how large the rows are: hash/2^64 < size/Spread.
	hi, _ := bits.Mul64(xxh3.Hash(key), uint64(c.Spread))
	return hi < uint64(size)
}
