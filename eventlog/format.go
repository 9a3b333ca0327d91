package eventlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// FORMAT.md has the byte layout and the reasons; a test compares its numbers with these.
const (
	formatVersion = 1
	preambleLen   = 20
	headerLen     = 168
	digestLen     = 32

	magicSegment = "LBLOGSEG"
	magicFence   = "LBLOGFEN"
	magicEpoch   = "LBLOGEPO"
	magicStore   = "LBLOGSTO"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendPreamble starts every object: magic, version, a length, and a checksum of the
// three, so that a flipped bit is never taken for another version or another size.
func appendPreamble(dst []byte, magic string, length uint32) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = binary.BigEndian.AppendUint32(dst, formatVersion)
	dst = binary.BigEndian.AppendUint32(dst, length)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

// parsePreamble returns the magic and the length of an object that this version reads.
func parsePreamble(b []byte) (magic string, length uint32, err error) {
	if len(b) < preambleLen {
		return "", 0, fmt.Errorf("%w: %d bytes, the shortest object has more than %d", ErrTruncated, len(b), preambleLen)
	}
	if got, want := crc32.Checksum(b[:16], castagnoli), binary.BigEndian.Uint32(b[16:]); got != want {
		return "", 0, fmt.Errorf("%w: checksum of the preamble is %08x, want %08x", ErrCorrupt, got, want)
	}
	magic = string(b[:8])
	switch magic {
	case magicSegment, magicFence, magicEpoch, magicStore, magicPack:
	default:
		return "", 0, fmt.Errorf("%w: %q is not an object of the log", ErrCorrupt, magic)
	}
	switch v := binary.BigEndian.Uint32(b[8:]); {
	case v > formatVersion:
		return magic, 0, fmt.Errorf("%w: version %d, this program reads up to %d", ErrNewerVersion, v, formatVersion)
	case v < 1:
		return magic, 0, fmt.Errorf("%w: version 0", ErrCorrupt)
	}
	return magic, binary.BigEndian.Uint32(b[12:]), nil
}

// header is the fixed beginning of a segment.
type header struct {
	stream, writer      ID
	epoch               Epoch
	schemaVersion       uint32
	slot                Slot
	first, last         Seq
	firstTime, lastTime int64 // ns since 1970 UTC
	prev                Digest
	rawLen, bodyLen     uint64
	footerLen           uint32
	// floor: all slots below it were in both stores when this segment was closed. So a
	// hole below it is an object lost, not one that a crashed writer never wrote.
	floor Slot
}

func (h *header) append(dst []byte) []byte {
	at := len(dst)
	dst = appendPreamble(dst, magicSegment, headerLen)
	dst = append(dst, 0, 0, 0, 0) // keeps what follows aligned; must be zero
	dst = append(append(dst, h.stream[:]...), h.writer[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.epoch))
	dst = binary.BigEndian.AppendUint32(dst, h.schemaVersion)
	for _, v := range [...]uint64{uint64(h.slot), uint64(h.first), uint64(h.last), uint64(h.firstTime), uint64(h.lastTime)} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	dst = append(dst, h.prev[:]...)
	dst = binary.BigEndian.AppendUint64(dst, h.rawLen)
	dst = binary.BigEndian.AppendUint64(dst, h.bodyLen)
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.floor))
	dst = binary.BigEndian.AppendUint32(dst, h.footerLen)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

// parseHeader decodes and checks the first headerLen bytes of a segment.
func parseHeader(b []byte) (*header, error) {
	magic, length, err := parsePreamble(b)
	if err != nil {
		return nil, err
	}
	if magic != magicSegment || length != headerLen {
		return nil, fmt.Errorf("%w: %q with a header of %d bytes is not a segment", ErrCorrupt, magic, length)
	}
	if len(b) < headerLen {
		return nil, fmt.Errorf("%w: %d bytes, a segment's header has %d", ErrTruncated, len(b), headerLen)
	}
	if got, want := crc32.Checksum(b[:headerLen-4], castagnoli), binary.BigEndian.Uint32(b[headerLen-4:]); got != want {
		return nil, fmt.Errorf("%w: checksum of the header is %08x, want %08x", ErrCorrupt, got, want)
	}
	h := &header{
		epoch:         Epoch(binary.BigEndian.Uint32(b[56:])),
		schemaVersion: binary.BigEndian.Uint32(b[60:]),
		slot:          Slot(binary.BigEndian.Uint64(b[64:])),
		first:         Seq(binary.BigEndian.Uint64(b[72:])),
		last:          Seq(binary.BigEndian.Uint64(b[80:])),
		firstTime:     int64(binary.BigEndian.Uint64(b[88:])),
		lastTime:      int64(binary.BigEndian.Uint64(b[96:])),
		rawLen:        binary.BigEndian.Uint64(b[136:]),
		bodyLen:       binary.BigEndian.Uint64(b[144:]),
		floor:         Slot(binary.BigEndian.Uint64(b[152:])),
		footerLen:     binary.BigEndian.Uint32(b[160:]),
	}
	copy(h.stream[:], b[24:])
	copy(h.writer[:], b[40:])
	copy(h.prev[:], b[104:])
	if binary.BigEndian.Uint32(b[20:]) != 0 {
		return nil, fmt.Errorf("%w: reserved bytes are not zero", ErrCorrupt)
	}
	return h, h.check()
}

// check refuses what no writer writes, before any length is used.
func (h *header) check() error {
	switch {
	case h.first == 0 || h.first > h.last+1 || h.last == math.MaxUint64:
		return fmt.Errorf("%w: transactions %d to %d", ErrCorrupt, h.first, h.last)
	case h.floor > h.slot:
		return fmt.Errorf("%w: floor %d above its slot", ErrCorrupt, h.floor)
	case h.firstTime > h.lastTime:
		return fmt.Errorf("%w: time goes backwards", ErrCorrupt)
	case h.rawLen > MaxSegmentBytes+blockTarget || h.bodyLen > maxObjectBytes || h.footerLen > maxFooterBytes:
		return fmt.Errorf("%w: lengths %d, %d, %d are beyond the limits", ErrCorrupt, h.rawLen, h.bodyLen, h.footerLen)
	case h.footerLen < digestLen || (h.rawLen == 0) != (h.bodyLen == 0):
		return fmt.Errorf("%w: lengths %d, %d, %d cannot be", ErrCorrupt, h.rawLen, h.bodyLen, h.footerLen)
	}
	return nil
}

// size is that of the whole object.
func (h *header) size() int64 { return headerLen + int64(h.bodyLen) + int64(h.footerLen) }

func (h *header) info() SegmentInfo {
	return SegmentInfo{
		Epoch: h.epoch, Slot: h.slot, First: h.first, Last: h.last,
		FirstTime: fromNanos(h.firstTime), LastTime: fromNanos(h.lastTime),
		Prev: h.prev, SchemaVersion: h.schemaVersion, Size: h.size(),
	}
}

func fromNanos(n int64) time.Time { return time.Unix(0, n).UTC() }
