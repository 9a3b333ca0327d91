package eventlog

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"
	"strings"
)

// A pack is many segments of one epoch in one object: an index and the segments' bytes
// as they are. It follows from the segments alone, so two stores have equal packs.
const (
	packPrefix    = "packs/"
	magicPack     = "LBLOGPAK"
	packHeaderLen = 128

	// maxPackSegments and maxPackBytes bound one pack. A pack is made in memory.
	maxPackSegments = 1 << 17
	maxPackBytes    = 128 << 20
	// maxPackedBytes: a larger segment stays an object of its own.
	maxPackedBytes = 32 << 20
	// maxIndexBytes holds maxPackSegments entries at their longest.
	maxIndexBytes = maxPackSegments * (5*binary.MaxVarintLen64 + digestLen)
)

// pack is a pack as its name describes it.
type pack struct {
	epoch       Epoch
	first, last Slot // inclusive
	size        int64
}

func (p pack) name() string {
	return packPrefix + p.epoch.String() + "/" + p.first.String() + "-" + p.last.String()
}

func (p pack) count() int { return int(p.last - p.first + 1) }

// parsePackName takes the name behind the epoch apart.
func parsePackName(e Epoch, name string) (pack, bool) {
	a, b, ok := strings.Cut(name, "-")
	first, err := ParseSlot(a)
	last, err2 := ParseSlot(b)
	ok = ok && err == nil && err2 == nil && first <= last && last-first < maxPackSegments
	return pack{epoch: e, first: first, last: last}, ok
}

// Holds tells which slots of the log an object with that name holds, both included: one
// for a segment or fence, many for a pack. false: it is neither.
func Holds(name string) (e Epoch, first, last Slot, ok bool) {
	rest, packed := strings.CutPrefix(name, packPrefix)
	epoch, slot, found := strings.Cut(strings.TrimPrefix(rest, logPrefix), "/")
	if !found || !belongs(name) {
		return 0, 0, 0, false
	}
	e, err := ParseEpoch(epoch)
	if packed {
		p, ok := parsePackName(e, slot)
		return e, p.first, p.last, ok && err == nil
	}
	first, err2 := ParseSlot(slot)
	return e, first, first, err == nil && err2 == nil
}

// packHeader is the fixed beginning of a pack.
type packHeader struct {
	stream, writer ID
	epoch          Epoch
	count          uint32
	first          Slot
	firstSeq       Seq
	at             int64 // ns; the first segment's first time
	prev           Digest
	indexLen       uint32 // with its SHA-256
}

func (h *packHeader) append(dst []byte) []byte {
	at := len(dst)
	dst = append(appendPreamble(dst, magicPack, packHeaderLen), 0, 0, 0, 0)
	dst = append(append(dst, h.stream[:]...), h.writer[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.epoch))
	dst = binary.BigEndian.AppendUint32(dst, h.count)
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.first))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.firstSeq))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.at))
	dst = append(dst, h.prev[:]...)
	dst = binary.BigEndian.AppendUint32(dst, h.indexLen)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

func parsePackHeader(b []byte) (*packHeader, error) {
	magic, length, err := parsePreamble(b)
	if err != nil {
		return nil, err
	}
	if magic != magicPack || length != packHeaderLen {
		return nil, fmt.Errorf("%w: %q with a header of %d bytes is not a pack", ErrCorrupt, magic, length)
	}
	if len(b) < packHeaderLen {
		return nil, fmt.Errorf("%w: %d bytes, a pack's header has %d", ErrTruncated, len(b), packHeaderLen)
	}
	if got, want := crc32.Checksum(b[:packHeaderLen-4], castagnoli), binary.BigEndian.Uint32(b[packHeaderLen-4:]); got != want {
		return nil, fmt.Errorf("%w: checksum of the header is %08x, want %08x", ErrCorrupt, got, want)
	}
	h := &packHeader{
		epoch: Epoch(binary.BigEndian.Uint32(b[56:])), count: binary.BigEndian.Uint32(b[60:]),
		first: Slot(binary.BigEndian.Uint64(b[64:])), firstSeq: Seq(binary.BigEndian.Uint64(b[72:])),
		at: int64(binary.BigEndian.Uint64(b[80:])), indexLen: binary.BigEndian.Uint32(b[120:]),
	}
	copy(h.stream[:], b[24:])
	copy(h.writer[:], b[40:])
	copy(h.prev[:], b[88:])
	if binary.BigEndian.Uint32(b[20:]) != 0 || h.count == 0 || h.count > maxPackSegments || h.indexLen < digestLen || h.indexLen > maxIndexBytes+digestLen {
		return nil, fmt.Errorf("%w: a pack of %d segments with an index of %d bytes", ErrCorrupt, h.count, h.indexLen)
	}
	return h, nil
}

// packIndex says what is in a pack and where.
type packIndex struct {
	header  packHeader
	entries []packEntry
	size    int64 // of the whole object
}

type packEntry struct {
	offset, size int64
	info         SegmentInfo
}

// buildPack joins segments, which follow each other, into one object.
func buildPack(segments []atSlot) []byte {
	first := segments[0].segment
	h := packHeader{
		stream: first.header.stream, writer: first.header.writer, epoch: first.info.Epoch, count: uint32(len(segments)),
		first: first.info.Slot, firstSeq: first.info.First, at: first.header.firstTime, prev: first.info.Prev,
	}
	var index []byte
	at, version, total := h.at, uint32(0), 0
	for _, s := range segments {
		sh := s.segment.header
		index = binary.AppendUvarint(index, uint64(len(s.bytes)))
		index = binary.AppendUvarint(index, s.segment.info.Transactions())
		index = binary.AppendUvarint(index, uint64(sh.firstTime-at))
		index = binary.AppendUvarint(index, uint64(sh.lastTime-sh.firstTime))
		index = binary.AppendUvarint(index, uint64(sh.schemaVersion-version))
		index = append(index, s.segment.info.Digest[:]...)
		at, version, total = sh.lastTime, sh.schemaVersion, total+len(s.bytes)
	}
	h.indexLen = uint32(len(index) + digestLen)
	out := make([]byte, 0, packHeaderLen+len(index)+digestLen+total)
	out = append(h.append(out), index...)
	sum := sha256.Sum256(out)
	out = append(out, sum[:]...)
	for _, s := range segments {
		out = append(out, s.bytes...)
	}
	return out
}

// parsePackIndex decodes header and index, for the pack that the name promises.
func parsePackIndex(b []byte, p pack) (*packIndex, error) {
	h, err := parsePackHeader(b)
	if err != nil {
		return nil, err
	}
	if h.epoch != p.epoch || h.first != p.first || int(h.count) != p.count() {
		return nil, fmt.Errorf("%w: holds %d segments from %s on", ErrCorrupt, h.count, SegmentName(h.epoch, h.first))
	}
	end := packHeaderLen + int(h.indexLen)
	if len(b) < end {
		return nil, fmt.Errorf("%w: %d bytes, header and index have %d", ErrTruncated, len(b), end)
	}
	if sum := sha256.Sum256(b[:end-digestLen]); !bytes.Equal(sum[:], b[end-digestLen:end]) {
		return nil, fmt.Errorf("%w: SHA-256 of the index does not match", ErrCorrupt)
	}
	x := &packIndex{header: *h, entries: make([]packEntry, h.count), size: int64(end)}
	c := &cursor{b: b[packHeaderLen : end-digestLen]}
	at, version, seq, prev := h.at, uint32(0), h.firstSeq, h.prev
	for i := range x.entries {
		size, txs := c.uvarint(), c.uvarint()
		first := at + int64(c.uvarint())
		last := first + int64(c.uvarint())
		version += uint32(c.uvarint())
		e := packEntry{offset: x.size, size: int64(size), info: SegmentInfo{
			Epoch: h.epoch, Slot: h.first + Slot(i), First: seq, Last: seq + Seq(txs) - 1,
			FirstTime: fromNanos(first), LastTime: fromNanos(last), Prev: prev, SchemaVersion: version, Size: int64(size),
		}}
		copy(e.info.Digest[:], c.bytes(digestLen))
		if c.bad || size < headerLen || size > maxPackedBytes || txs > MaxSegmentBytes || first < at || last < first {
			return nil, fmt.Errorf("%w: malformed index", ErrCorrupt)
		}
		x.entries[i] = e
		at, seq, prev, x.size = last, seq+Seq(txs), e.info.Digest, x.size+e.size
	}
	if len(c.b) != 0 || x.size > maxPackBytes+maxIndexBytes+packHeaderLen+digestLen {
		return nil, fmt.Errorf("%w: malformed index", ErrCorrupt)
	}
	return x, nil
}

// segmentHeader is what the index says of a segment, in the form of its header.
func (x *packIndex) segmentHeader(i int) *header {
	s := x.entries[i].info
	return &header{
		stream: x.header.stream, writer: x.header.writer, epoch: s.Epoch, slot: s.Slot, schemaVersion: s.SchemaVersion,
		first: s.First, last: s.Last, firstTime: nanos(s.FirstTime), lastTime: nanos(s.LastTime), prev: s.Prev,
		bodyLen: uint64(s.Size - headerLen),
	}
}

// packs lists an epoch's packs, by their first slot, the longest first.
func (o objects) packs(ctx context.Context, e Epoch) ([]pack, error) {
	var packs []pack
	prefix := packPrefix + e.String() + "/"
	err := o.try(ctx, "list "+prefix, firstRead, func(ctx context.Context) error {
		packs = packs[:0]
		for info, err := range o.store.List(ctx, prefix, "") {
			if err != nil {
				return err
			}
			if p, ok := parsePackName(e, strings.TrimPrefix(info.Name, prefix)); ok {
				p.size = info.Size
				packs = append(packs, p)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	slices.SortFunc(packs, func(a, b pack) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.last, a.last))
	})
	return packs, nil
}

// cover returns the pack that holds a slot and goes furthest, nil for none; next is the
// first slot from s on that some pack holds, maxSlot for none.
func cover(packs []pack, s Slot) (best *pack, next Slot) {
	next = maxSlot
	for i := range packs {
		p := &packs[i]
		switch {
		case p.last < s:
		case p.first > s:
			next = min(next, p.first)
		case best == nil || p.last > best.last:
			best = p
		}
	}
	return best, next
}

// index reads what is in a pack; nil if there is no such object.
func (o objects) index(ctx context.Context, p pack) (*packIndex, error) {
	b, err := o.ranged(ctx, p.name(), 0, firstRead)
	if err != nil || b == nil {
		return nil, err
	}
	if h, err := parsePackHeader(b); err == nil && packHeaderLen+int64(h.indexLen) > firstRead && len(b) == firstRead {
		rest, err := o.ranged(ctx, p.name(), firstRead, packHeaderLen+int64(h.indexLen)-firstRead)
		if err != nil {
			return nil, err
		}
		b = append(b, rest...)
	}
	x, err := parsePackIndex(b, p)
	if err != nil {
		return nil, &ObjectError{p.name(), err}
	}
	return x, nil
}

// packChunk is how much of a pack is asked for at once, in whole segments.
const packChunk = 1 << 20

// packed reads segments [from, to) out of a pack, in pieces, fetching ahead. A damaged
// segment is yielded as an ObjectError of the pack and does not end the sequence.
func (o objects) packed(ctx context.Context, p pack, x *packIndex, from, to Slot) iter.Seq2[atSlot, error] {
	entries := x.entries[from-p.first : to-p.first]
	chunks := func(yield func([]packEntry) bool) {
		for len(entries) > 0 {
			n, size := 0, int64(0)
			for n < len(entries) && (n == 0 || size+entries[n].size <= packChunk) {
				size += entries[n].size
				n++
			}
			if !yield(entries[:n]) {
				return
			}
			entries = entries[n:]
		}
	}
	type piece struct {
		entries []packEntry
		bytes   []byte
	}
	fetch := func(ctx context.Context, entries []packEntry) (piece, error) {
		last := entries[len(entries)-1]
		b, err := o.ranged(ctx, p.name(), entries[0].offset, last.offset+last.size-entries[0].offset)
		return piece{entries, b}, err
	}
	return func(yield func(atSlot, error) bool) {
		for piece, err := range prefetch(ctx, min(o.width, aheadWidth), chunks, fetch) {
			if err != nil {
				yield(atSlot{}, err)
				return
			}
			for _, e := range piece.entries {
				at, err := o.cutOut(piece.bytes, e.offset-piece.entries[0].offset, e)
				if err != nil {
					err = &ObjectError{p.name(), err}
				}
				if !yield(at, err) {
					return
				}
			}
		}
	}
}

// cutOut takes one segment out of a piece of a pack.
func (o objects) cutOut(piece []byte, off int64, e packEntry) (atSlot, error) {
	if off+e.size > int64(len(piece)) {
		return atSlot{}, fmt.Errorf("%w: it ends before the end of %s", ErrTruncated, e.info.Name())
	}
	b := piece[off : off+e.size : off+e.size]
	at, err := o.parse(b, e.info.Epoch, e.info.Slot)
	if err == nil && (at.segment == nil || at.segment.info != e.info) {
		err = fmt.Errorf("%w: not what the index says", ErrCorrupt)
	}
	if err != nil {
		return atSlot{}, fmt.Errorf("%s: %w", e.info.Name(), err)
	}
	return at, nil
}

// fromPack reads one slot from whatever pack holds it.
func (o objects) fromPack(ctx context.Context, e Epoch, s Slot) (atSlot, error) {
	packs, err := o.packs(ctx, e)
	if err != nil {
		return atSlot{}, err
	}
	p, _ := cover(packs, s)
	if p == nil {
		return atSlot{}, nil
	}
	x, err := o.index(ctx, *p)
	if x == nil || err != nil {
		return atSlot{}, err
	}
	for at, err := range o.packed(ctx, *p, x, s, s+1) {
		return at, err
	}
	return atSlot{}, nil
}

// wholePack reads a pack and checks every byte of it.
func (o objects) wholePack(ctx context.Context, p pack) ([]byte, *packIndex, error) {
	x, err := o.index(ctx, p)
	if err == nil && x == nil {
		err = &ObjectError{p.name(), ErrGap}
	}
	if err != nil {
		return nil, nil, err
	}
	body, err := o.pieces(ctx, p.name(), x.size+1)
	if err != nil {
		return nil, nil, err
	}
	if int64(len(body)) > x.size {
		return nil, nil, &ObjectError{p.name(), fmt.Errorf("%w: bytes after the end", ErrCorrupt)}
	}
	for _, e := range x.entries {
		if _, err := o.cutOut(body, e.offset, e); err != nil {
			return nil, nil, &ObjectError{p.name(), err}
		}
	}
	return body, x, nil
}

const (
	// wholePiece is how much of a whole pack one request asks for, and wholeWidth how many
	// such requests are under way.
	wholePiece = 4 << 20
	wholeWidth = 8
)

// pieces reads the first n bytes of a large object by several requests at once, or all
// there are. n is to be trusted.
func (o objects) pieces(ctx context.Context, name string, n int64) ([]byte, error) {
	offsets := func(yield func(int64) bool) {
		for off := int64(0); off < n && yield(off); off += wholePiece {
		}
	}
	body := make([]byte, 0, n)
	for b, err := range prefetch(ctx, wholeWidth, offsets, func(ctx context.Context, off int64) ([]byte, error) {
		return o.ranged(ctx, name, off, min(wholePiece, n-off))
	}) {
		if err != nil {
			return nil, err
		}
		body = append(body, b...)
		if len(body)%wholePiece != 0 {
			break // the object ends here
		}
	}
	return body, nil
}
