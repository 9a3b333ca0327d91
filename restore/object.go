package restore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
)

// Every object of a snapshot (see FORMAT.md) is one header and one zstd frame:
//
//	 0  4  magic "LBSN"
//	 4  1  format version
//	 5  1  kind
//	 6  2  reserved, zero
//	 8  4  entries in the payload
//	12  4  length of the payload, bytes
//	16  4  length of the frame, bytes
//	20  4  CRC-32C of the bytes above
//	24     the frame
const (
	objectMagic   = "LBSN"
	objectVersion = 1
	headerLen     = 24
)

// MaxPayload is the largest payload of one object, in bytes. A chunk aims at 1 MiB; only
// a single row larger than that makes a larger one. SQLite's largest value is 10^9 bytes.
const MaxPayload = 1 << 30

// maxObject bounds a stored object: a frame grows by less than 1 % on bytes that do not compress.
const maxObject = headerLen + MaxPayload + MaxPayload/64 + 1<<10

// Kind says what an object's payload is.
type Kind byte

// The kinds of objects. The numbers are part of the format.
const (
	KindManifest Kind = 1 + iota // JSON of a Manifest
	KindSchema                   // JSON of a database.Schema
	KindList                     // the chunks of one table, in order
	KindRows                     // canonical rows
	KindChanges                  // net changes
	kindEnd
)

func (k Kind) String() string {
	names := [...]string{"object of kind 0", "manifest", "schema", "chunk list", "chunk of rows", "chunk of changes"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("object of kind %d", byte(k))
}

// Ref names one content-addressed object and says how large it is, so that a reader can
// set memory aside before it asks for the bytes.
type Ref struct {
	Digest  eventlog.Digest `json:"digest"`  // SHA-256 of the stored bytes
	Size    int64           `json:"size"`    // stored bytes
	Raw     int64           `json:"raw"`     // bytes of the payload
	Entries int64           `json:"entries"` // rows, changes or references
}

// Name is the name of the object in a store.
func (r Ref) Name() string { return ChunkName(r.Digest) }

// ChunkPrefix is where content-addressed objects are; ChunkName is the name of one.
const ChunkPrefix = "chunks/"

// ChunkName spreads the names over 256 folders: a folder of a million files is slow on
// many file systems.
func ChunkName(d eventlog.Digest) string {
	hex := d.String()
	return ChunkPrefix + hex[:2] + "/" + hex
}

// Codec encodes and decodes objects. It is safe for concurrent use and holds the memory
// of as many encoders and decoders as it was made for.
type Codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// NewCodec makes a Codec for that many concurrent users.
func NewCodec(concurrency int) (*Codec, error) {
	concurrency = max(concurrency, 1)
	// The fastest level: a base must keep up with the scan that feeds it, and the next
	// level costs three times the time for about a tenth of the bytes.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(concurrency), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, fmt.Errorf("make a compressor: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(concurrency),
		zstd.WithDecoderMaxMemory(MaxPayload), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("make a decompressor: %w", err)
	}
	return &Codec{enc: enc, dec: dec}, nil
}

// Encode returns the stored bytes of a payload, appended to dst, and their Ref.
func (c *Codec) Encode(dst []byte, kind Kind, entries int, payload []byte) ([]byte, Ref, error) {
	if len(payload) > MaxPayload {
		return nil, Ref{}, fmt.Errorf("%s of %d bytes: %w: at most %d", kind, len(payload), ErrTooLarge, MaxPayload)
	}
	at := len(dst)
	dst = append(dst, objectMagic...)
	dst = append(dst, objectVersion, byte(kind), 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(entries))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	dst = append(dst, make([]byte, 8)...)
	dst = c.enc.EncodeAll(payload, dst)
	body := dst[at:]
	binary.BigEndian.PutUint32(body[16:], uint32(len(body)-headerLen))
	binary.BigEndian.PutUint32(body[20:], crc32.Checksum(body[:20], crc32.MakeTable(crc32.Castagnoli)))
	ref := Ref{Digest: sha256.Sum256(body), Size: int64(len(body)), Raw: int64(len(payload)), Entries: int64(entries)}
	return dst, ref, nil
}

// Decode checks body against ref and returns its payload, in dst's memory if that is
// large enough. Its error is a *DamageError naming the object.
func (c *Codec) Decode(dst []byte, kind Kind, ref Ref, body []byte) ([]byte, error) {
	payload, err := c.decode(dst, kind, ref, body)
	if err != nil {
		return nil, &DamageError{Object: ref.Name(), Err: err}
	}
	return payload, nil
}

func (c *Codec) decode(dst []byte, kind Kind, ref Ref, body []byte) ([]byte, error) {
	if int64(len(body)) < ref.Size {
		return nil, fmt.Errorf("%w: %d of %d bytes", eventlog.ErrTruncated, len(body), ref.Size)
	}
	if sha256.Sum256(body) != ref.Digest {
		return nil, fmt.Errorf("%w: its bytes do not have the SHA-256 in its name", eventlog.ErrCorrupt)
	}
	h, err := parseHeader(body)
	if err != nil {
		return nil, err
	}
	if h.kind != kind {
		return nil, fmt.Errorf("%w: it is a %s, want a %s", eventlog.ErrCorrupt, h.kind, kind)
	}
	if int64(h.raw) != ref.Raw || int64(h.entries) != ref.Entries {
		return nil, fmt.Errorf("%w: it holds %d entries in %d bytes, its reference says %d in %d",
			eventlog.ErrCorrupt, h.entries, h.raw, ref.Entries, ref.Raw)
	}
	return c.inflate(dst, h, body[headerLen:])
}

// inflate never makes more than h.raw bytes, whatever the frame claims.
func (c *Codec) inflate(dst []byte, h header, frame []byte) ([]byte, error) {
	if cap(dst) < int(h.raw) {
		dst = make([]byte, 0, h.raw)
	}
	payload, err := c.dec.DecodeAll(frame, dst[:0:h.raw])
	if err != nil {
		return nil, fmt.Errorf("%w: decompress: %w", eventlog.ErrCorrupt, err)
	}
	if len(payload) != int(h.raw) {
		return nil, fmt.Errorf("%w: the payload has %d bytes, want %d", eventlog.ErrCorrupt, len(payload), h.raw)
	}
	return payload, nil
}

// decodeNamed decodes an object of which only the digest is known beforehand.
func (c *Codec) decodeNamed(kind Kind, digest eventlog.Digest, body []byte) ([]byte, error) {
	h, err := parseHeader(body)
	if sha256.Sum256(body) != digest {
		if errors.Is(err, eventlog.ErrTruncated) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: its bytes do not have the SHA-256 in its name", eventlog.ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	if h.kind != kind || h.raw > maxManifest {
		return nil, fmt.Errorf("%w: it is a %s of %d bytes, want a %s of at most %d", eventlog.ErrCorrupt, h.kind, h.raw, kind, maxManifest)
	}
	return c.inflate(nil, h, body[headerLen:])
}

type header struct {
	kind         Kind
	entries, raw uint32
}

// parseHeader tells bytes that are cut short, bytes of a later format and damaged bytes
// apart. A later version may change everything after the version byte.
func parseHeader(body []byte) (header, error) {
	n := min(len(body), len(objectMagic))
	if string(body[:n]) != objectMagic[:n] {
		return header{}, fmt.Errorf("%w: it does not begin with %q", eventlog.ErrCorrupt, objectMagic)
	}
	if len(body) > n && body[n] > objectVersion {
		return header{}, fmt.Errorf("%w: format version %d, this program reads up to %d", eventlog.ErrNewerVersion, body[n], objectVersion)
	}
	if len(body) < headerLen {
		return header{}, fmt.Errorf("%w: %d bytes are less than a header", eventlog.ErrTruncated, len(body))
	}
	if crc32.Checksum(body[:20], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(body[20:]) {
		return header{}, fmt.Errorf("%w: bad checksum of the header", eventlog.ErrCorrupt)
	}
	h := header{kind: Kind(body[5]), entries: binary.BigEndian.Uint32(body[8:]), raw: binary.BigEndian.Uint32(body[12:])}
	stored := binary.BigEndian.Uint32(body[16:])
	switch {
	case body[4] != objectVersion || !bytes.Equal(body[6:8], []byte{0, 0}) || h.kind == 0 || h.kind >= kindEnd || h.raw > MaxPayload:
		return header{}, fmt.Errorf("%w: impossible header", eventlog.ErrCorrupt)
	case int64(len(body)-headerLen) < int64(stored):
		return header{}, fmt.Errorf("%w: %d of %d bytes", eventlog.ErrTruncated, len(body), headerLen+int64(stored))
	case int64(len(body)-headerLen) > int64(stored):
		return header{}, fmt.Errorf("%w: %d bytes after the end", eventlog.ErrCorrupt, len(body)-headerLen-int(stored))
	}
	return h, nil
}

// Fetch reads and decodes one object.
func (c *Codec) Fetch(ctx context.Context, s blob.Store, kind Kind, ref Ref) ([]byte, error) {
	if ref.Size < headerLen || ref.Size > maxObject || ref.Raw < 0 || ref.Raw > MaxPayload || ref.Entries < 0 {
		return nil, &DamageError{Object: ref.Name(), Err: fmt.Errorf("%w: impossible size in the reference to it", eventlog.ErrCorrupt)}
	}
	body, err := fetchBody(ctx, s, ref.Name(), ref.Size)
	if err != nil {
		return nil, err
	}
	return c.Decode(nil, kind, ref, body)
}
