package budget

import (
	"strings"

	"lifeboat/restore"
)

// shape is how the time of a part of a restore grows with its work: seconds on the machine
// that the presets were measured on. A run stretches it to its own machine; what one run
// cannot tell, namely how other sizes compare, is here.
type shape struct {
	fixed   float64 // however little there is to do: files opened, tables made, an fsync
	row     float64 // for each row
	byte    float64 // for each byte of row, canonical
	logByte float64 // for each byte of the log, as stored
	// Beyond the first `near` bytes of rows, rows and their bytes cost so much more, or less.
	near    float64
	farRow  float64
	farByte float64
}

// parts of a restore, in order.
var parts = []string{restore.StepChanges, restore.StepLoad, restore.StepFinish, restore.StepVerify}

// usual is assumed of a database that nothing else is known of.
var usual = map[string]shape{
	restore.StepChanges: {fixed: 0.01, logByte: 1.0 / 40e6},
	restore.StepLoad:    {fixed: 0.05, row: 1.0 / 300_000},
	restore.StepFinish:  {fixed: 0.02, row: 1.0 / 600_000},
	restore.StepVerify:  {fixed: 0.02, row: 1.0 / 400_000},
}

// shapes of engines whose ways were measured: two cores, 32 MiB of third-level cache, 3,000
// to 1,600,000 rows, of 90 bytes with two indexes each and of 1.6 kB (docs/performance.md).
//
// Verifying goes through the rows in order: each costs the same, whatever the size. So does
// loading, but for memory that is taken from the system for the first time, which ends when
// the page cache and the buffers have their full size. Finishing is different: an index is
// sorted by following pointers to its keys, and a foreign key looks its row up anywhere in
// the file. While that is in the processor's third-level cache it is near; from memory it
// costs nearly twice as much. A page cache of any size was measured to change nothing.
var shapes = map[string]map[string]shape{
	"sqlite": {
		restore.StepChanges: {fixed: 0.0002, logByte: 1.0 / 40e6},
		restore.StepLoad:    {fixed: 0.005, row: 0.83e-6, byte: 5e-9, near: 48 << 20, farByte: -2e-9},
		restore.StepFinish:  {fixed: 0.025, row: 2.95e-6, byte: 0.22e-9, near: 12 << 20, farRow: 2.4e-6, farByte: 2.5e-9},
		restore.StepVerify:  {fixed: 0.005, row: 0.2e-6, byte: 1.4e-9},
	},
}

// shapeOf is the shape of a part of a restore into a database of that kind and SKU.
func shapeOf(part, database string) shape {
	kind, _, _ := strings.Cut(database, " ")
	if own, ok := shapes[kind]; ok {
		return own[part]
	}
	return usual[part]
}

// work is the time for all but what is fixed.
func (s shape) work(w Work) float64 {
	rows, bytes := float64(w.Rows), float64(w.RowBytes)
	far := 0.0 // share of the rows
	if s.near > 0 && bytes > s.near {
		far = 1 - s.near/bytes
	}
	return rows*(s.row+far*s.farRow) + bytes*(s.byte+far*s.farByte) + float64(w.LogBytes)*s.logByte
}
