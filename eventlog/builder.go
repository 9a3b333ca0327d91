package eventlog

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/zstd"

	"lifeboat/internal/database"
)

// Kinds of records, the first byte of each payload.
const (
	kindTransaction = 1
	kindMore        = 2 // the same transaction goes on
	kindSchema      = 3
	kindNote        = 4
)

// How a change is written: table position << 2 | one of these.
const (
	opDelete = 0
	opInsert = 1
	opUpdate = 2 // two rows: one removed, one added
)

// recordHead is length and checksum before each payload.
const recordHead = 8

// builder gathers records for one segment. Rows are copied in as they come.
type builder struct {
	header header
	footer footer
	room   int      // for a block, a guess; bytes
	blocks [][]byte // full ones and, last, the one being filled
	record int      // where the open record begins in the last block
	bytes  int      // of all blocks
	empty  bool     // no record yet
	seqs   int      // transactions
	closed bool     // takes no more; the footer is settled
	end    Position // once sealed
}

func newBuilder(h header) *builder {
	return &builder{header: h, empty: true}
}

// begin opens a record, in a new block if the current one is full.
func (b *builder) begin(kind byte, at int64) {
	if b.empty {
		b.empty, b.header.firstTime = false, at
	}
	b.header.lastTime = at
	b.open(kind)
	b.uvarint(uint64(at - b.header.firstTime))
}

func (b *builder) open(kind byte) {
	if n := len(b.blocks); n == 0 || len(b.blocks[n-1]) >= blockTarget {
		b.blocks = append(b.blocks, make([]byte, 0, b.room))
	}
	block := b.last()
	b.record = len(*block)
	*block = append(*block, 0, 0, 0, 0, 0, 0, 0, 0, kind)
	b.bytes += recordHead + 1
}

func (b *builder) last() *[]byte { return &b.blocks[len(b.blocks)-1] }

// finish closes the record: its length and checksum are known now.
func (b *builder) finish() {
	record := (*b.last())[b.record:]
	payload := record[recordHead:]
	binary.BigEndian.PutUint32(record, uint32(len(payload)))
	binary.BigEndian.PutUint32(record[4:], crc32.Checksum(payload, castagnoli))
}

func (b *builder) uvarint(v uint64) {
	block := b.last()
	n := len(*block)
	*block = binary.AppendUvarint(*block, v)
	b.bytes += len(*block) - n
}

func (b *builder) raw(p []byte) {
	block := b.last()
	*block = append(*block, p...)
	b.bytes += len(p)
}

func (b *builder) text(s string) {
	b.uvarint(uint64(len(s)))
	block := b.last()
	*block = append(*block, s...)
	b.bytes += len(s)
}

func (b *builder) schema(at int64, encoded []byte) {
	b.begin(kindSchema, at)
	b.raw(encoded)
	b.finish()
}

func (b *builder) note(at int64, n *Note) {
	b.begin(kindNote, at)
	b.text(n.Kind)
	b.text(n.Text)
	b.finish()
}

// transaction writes one transaction. tables gives each change's table its position.
func (b *builder) transaction(at int64, t *Pending, tables func(name string) int) {
	b.begin(kindTransaction, at)
	b.header.last++
	b.seqs++
	b.uvarint(uint64(b.header.last))
	b.text(t.TxID)
	b.uvarint(uint64(len(t.Changes)))
	changes := t.Changes
	for len(changes) > 0 {
		c := &changes[0]
		need := len(c.Row)
		update := c.Op == database.Delete && len(changes) > 1 &&
			changes[1].Op == database.Insert && changes[1].Table == c.Table &&
			len(c.Row)+len(changes[1].Row) < blockTarget
		if update {
			need += len(changes[1].Row)
		}
		// A block grows beyond its target only by a row that does not fit anywhere.
		if n := len(*b.last()); n > b.record+recordHead+1 && n+need > blockTarget {
			b.finish()
			b.cut()
		}
		at := uint64(tables(c.Table)) << 2
		switch {
		case update:
			b.uvarint(at | opUpdate)
			b.row(c.Row)
			b.row(changes[1].Row)
			changes = changes[2:]
			continue
		case c.Op == database.Insert:
			b.uvarint(at | opInsert)
		default:
			b.uvarint(at | opDelete)
		}
		b.row(c.Row)
		changes = changes[1:]
	}
	b.finish()
}

// cut goes on with the transaction in a record of a new block.
func (b *builder) cut() {
	b.blocks = append(b.blocks, make([]byte, 0, blockTarget))
	b.open(kindMore)
}

func (b *builder) row(r []byte) {
	b.uvarint(uint64(len(r)))
	b.raw(r)
}

func nanos(t time.Time) int64 { return t.UnixNano() }

// seal compresses the records and returns the object and its digest. The header's prev
// and floor are set by now.
func (b *builder) seal(enc *zstd.Encoder) ([]byte, Digest) {
	out := make([]byte, headerLen, headerLen+b.bytes/2+1024)
	for _, block := range b.blocks {
		n := len(out)
		out = enc.EncodeAll(block, out)
		b.footer.blocks = append(b.footer.blocks, blockSize{packed: len(out) - n, raw: len(block)})
		b.header.rawLen += uint64(len(block))
	}
	b.blocks = nil
	b.header.bodyLen = uint64(len(out) - headerLen)
	at := len(out)
	out = b.footer.append(out)
	b.header.footerLen = uint32(len(out) - at + digestLen)
	b.header.append(out[:0])
	return appendDigest(out)
}
