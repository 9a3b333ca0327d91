package eventlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/klauspost/compress/zstd"

	"lifeboat/internal/database"
)

// newEncoder makes what compresses blocks. Its window is a block: more would find nothing.
func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithWindowSize(blockTarget))
}

// newDecoder makes what decompresses blocks, never beyond the size asked for.
func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(maxBlockBytes), zstd.IgnoreChecksum(true))
}

// Segment is one verified segment. It is immutable and safe for concurrent use.
type Segment struct {
	info    SegmentInfo
	header  *header
	footer  *footer
	body    []byte
	schema  *database.Schema // in force at the end
	decoder func() (*zstd.Decoder, error)
}

// appendDigest ends a segment with SHA-256 of everything before, and returns that of the
// whole.
func appendDigest(b []byte) (object []byte, digest Digest) {
	hash := sha256.New()
	hash.Write(b)
	object = hash.Sum(b)
	hash.Write(object[len(b):])
	hash.Sum(digest[:0])
	return object, digest
}

// parseSegment checks the object as a whole: lengths, SHA-256, footer. Records are
// checked as they are read; their bytes are covered by the SHA-256 already.
func parseSegment(b []byte, e Epoch, s Slot) (*Segment, error) {
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	if h.epoch != e || h.slot != s {
		return nil, fmt.Errorf("%w: says it is %s", ErrCorrupt, SegmentName(h.epoch, h.slot))
	}
	switch size := h.size(); {
	case int64(len(b)) < size:
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, len(b), size)
	case int64(len(b)) > size:
		return nil, fmt.Errorf("%w: %d bytes after the end", ErrCorrupt, int64(len(b))-size)
	}
	end := len(b) - digestLen
	hash := sha256.New()
	hash.Write(b[:end])
	if !bytes.Equal(hash.Sum(nil), b[end:]) {
		return nil, fmt.Errorf("%w: SHA-256 does not match", ErrCorrupt)
	}
	hash.Write(b[end:])
	bodyEnd := headerLen + int(h.bodyLen)
	f, err := parseFooter(b[bodyEnd:end], h)
	if err != nil {
		return nil, err
	}
	seg := &Segment{info: h.info(), header: h, footer: f, body: b[headerLen:bodyEnd]}
	hash.Sum(seg.info.Digest[:0])
	return seg, nil
}

// Info describes the segment.
func (s *Segment) Info() SegmentInfo { return s.info }

// Ledger returns, per table, the state hash of all changes of the log up to the end of
// this segment (since the table's last change of shape): what inserts added minus what
// deletes removed. A table that never changed is absent. The map is the caller's own.
func (s *Segment) Ledger() database.States {
	states := make(database.States, len(s.footer.tables))
	for _, t := range s.footer.tables {
		states[t.name] = t.state
	}
	return states
}

// Schema is the schema in force at the segment's end. Nil: the log has none yet
// (Info().SchemaVersion is 0), or the segment that held it is damaged.
func (s *Segment) Schema() *database.Schema { return s.schema }

// Taken returns the ids of the captured changes that are in this segment.
func (s *Segment) Taken() *IDSet { return s.footer.taken.Clone() }

// Outstanding returns the ids of the captured changes in the log up to here that were
// not known to be forgotten when the segment was written.
func (s *Segment) Outstanding() *IDSet { return s.footer.outstanding.Clone() }

func (s *Segment) damaged(format string, args ...any) error {
	return &ObjectError{s.info.Name(), fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)}
}

// blocks yields the decompressed blocks. Each is memory of its own.
func (s *Segment) blocks(yield func([]byte, error) bool) {
	dec, err := s.decoder()
	if err != nil {
		yield(nil, err)
		return
	}
	body := s.body
	for i, size := range s.footer.blocks {
		raw, err := dec.DecodeAll(body[:size.packed], make([]byte, 0, size.raw))
		if err != nil || len(raw) != size.raw {
			yield(nil, s.damaged("block %d does not decompress to %d bytes (%v)", i, size.raw, err))
			return
		}
		body = body[size.packed:]
		if !yield(raw, nil) {
			return
		}
	}
}

// record is one record as it lies in a block.
type record struct {
	kind    byte
	payload []byte // after the kind
}

// records yields the records of all blocks, checksums verified.
func (s *Segment) records(yield func(record, error) bool) {
	for block, err := range s.blocks {
		if err != nil {
			yield(record{}, err)
			return
		}
		for len(block) > 0 {
			if len(block) < recordHead+1 {
				yield(record{}, s.damaged("a record ends early"))
				return
			}
			n, sum := binary.BigEndian.Uint32(block), binary.BigEndian.Uint32(block[4:])
			if n == 0 || uint64(n) > uint64(len(block)-recordHead) {
				yield(record{}, s.damaged("a record of %d bytes does not fit its block", n))
				return
			}
			payload := block[recordHead : recordHead+n : recordHead+n]
			if crc32.Checksum(payload, castagnoli) != sum {
				yield(record{}, s.damaged("checksum of a record does not match"))
				return
			}
			block = block[recordHead+n:]
			if !yield(record{payload[0], payload[1:]}, nil) {
				return
			}
		}
	}
}

// scan walks the records, checks that they are what the header promises, and hands on
// what they hold. Any of the callbacks may be nil.
type scan struct {
	seg    *Segment
	change func(table string, op database.Op, row []byte) error
	begin  func(seq Seq, at int64, txID []byte, changes int) error
	done   func() error // the transaction is complete
	other  func(at int64, r record) error

	seq  Seq
	left uint64 // changes of the open transaction that are still to come
	at   int64
	any  bool
}

func (sc *scan) run() error {
	s := sc.seg
	sc.seq = s.header.first - 1
	sc.at = s.header.firstTime
	for r, err := range s.records {
		if err != nil {
			return err
		}
		if err := sc.record(r); err != nil {
			return err
		}
		sc.any = true
	}
	switch {
	case sc.left > 0:
		return s.damaged("transaction %d lacks %d changes", sc.seq, sc.left)
	case sc.seq != s.header.last:
		return s.damaged("ends at transaction %d, the header says %d", sc.seq, s.header.last)
	case sc.any && sc.at != s.header.lastTime:
		return s.damaged("the last record's time is not the header's")
	}
	return nil
}

func (sc *scan) record(r record) error {
	c := &cursor{b: r.payload}
	if (r.kind == kindMore) != (sc.left > 0) {
		return sc.seg.damaged("a record of kind %d where %d changes are to come", r.kind, sc.left)
	}
	if r.kind == kindMore {
		return sc.changes(c)
	}
	at := sc.seg.header.firstTime + int64(c.uvarint())
	if c.bad || at < sc.at || at > sc.seg.header.lastTime || !sc.any && at != sc.at {
		return sc.seg.damaged("a record's time is outside the segment's or goes backwards")
	}
	sc.at = at
	switch r.kind {
	case kindTransaction:
		return sc.transaction(c)
	case kindSchema, kindNote:
		if sc.other == nil {
			return nil
		}
		return sc.other(at, record{r.kind, c.b})
	}
	return sc.seg.damaged("unknown kind of record %d", r.kind)
}

func (sc *scan) transaction(c *cursor) error {
	seq := Seq(c.uvarint())
	txID := c.bytes(c.uvarint())
	sc.left = c.uvarint()
	if c.bad || seq != sc.seq+1 || seq > sc.seg.header.last || sc.left > MaxSegmentBytes/2 {
		return sc.seg.damaged("malformed transaction after %d", sc.seq)
	}
	sc.seq = seq
	if sc.begin != nil {
		if err := sc.begin(seq, sc.at, txID, int(sc.left)); err != nil {
			return err
		}
	}
	if sc.left == 0 {
		return sc.finish(c)
	}
	return sc.changes(c)
}

func (sc *scan) finish(c *cursor) error {
	if len(c.b) != 0 {
		return sc.seg.damaged("%d bytes after transaction %d", len(c.b), sc.seq)
	}
	if sc.done != nil {
		return sc.done()
	}
	return nil
}

// changes decodes the changes of one record. It is the hot loop of every restore.
func (sc *scan) changes(c *cursor) error {
	tables := sc.seg.footer.tables
	for len(c.b) > 0 && sc.left > 0 {
		head := c.uvarint()
		op, table := head&3, head>>2
		row := c.bytes(c.uvarint())
		if c.bad || table >= uint64(len(tables)) || op > opUpdate || op == opUpdate && sc.left < 2 {
			return sc.seg.damaged("malformed change in transaction %d", sc.seq)
		}
		name, first := tables[table].name, database.Delete
		if op == opInsert {
			first = database.Insert
		}
		sc.left--
		if sc.change != nil {
			if err := sc.change(name, first, row); err != nil {
				return err
			}
		}
		if op != opUpdate {
			continue
		}
		row = c.bytes(c.uvarint())
		if c.bad {
			return sc.seg.damaged("malformed update in transaction %d", sc.seq)
		}
		sc.left--
		if sc.change != nil {
			if err := sc.change(name, database.Insert, row); err != nil {
				return err
			}
		}
	}
	if sc.left > 0 {
		return nil
	}
	return sc.finish(c)
}

// Changes calls visit for each change in order, without allocating per change; row
// aliases memory that is never reused (as in Events). It stops at the first error of
// visit and returns it as it is. Several goroutines may do this on one segment or on
// several.
func (s *Segment) Changes(visit func(seq Seq, table string, op database.Op, row []byte) error) error {
	sc := scan{seg: s}
	sc.change = func(table string, op database.Op, row []byte) error { return visit(sc.seq, table, op, row) }
	return sc.run()
}

// errStop ends a scan early; it never leaves the package.
var errStop = errors.New("stopped by the reader")

// Events yields the segment's records in order. Rows alias memory that is never reused:
// they may be kept, and keep their block of about 1 MiB alive. A transaction is yielded
// whole: a large one is large in memory.
func (s *Segment) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var tx *Transaction
		emit := func(e Event) error {
			if !yield(e, nil) {
				return errStop
			}
			return nil
		}
		sc := scan{seg: s}
		sc.begin = func(seq Seq, at int64, txID []byte, changes int) error {
			tx = &Transaction{Seq: seq, Time: fromNanos(at), TxID: string(txID), Changes: make([]database.Change, 0, min(changes, 1<<16))}
			return nil
		}
		sc.change = func(table string, op database.Op, row []byte) error {
			tx.Changes = append(tx.Changes, database.Change{Op: op, Table: table, Row: row})
			return nil
		}
		sc.done = func() error { return emit(Event{Seq: tx.Seq, Time: tx.Time, Tx: tx}) }
		sc.other = func(at int64, r record) error {
			e, err := s.decodeOther(r)
			if err != nil {
				return err
			}
			e.Seq, e.Time = sc.seq, fromNanos(at)
			return emit(e)
		}
		if err := sc.run(); err != nil && !errors.Is(err, errStop) {
			yield(Event{}, err)
		}
	}
}

func (s *Segment) decodeOther(r record) (Event, error) {
	if r.kind == kindSchema {
		schema, err := database.DecodeSchema(r.payload)
		if err != nil {
			return Event{}, s.damaged("schema record: %v", err)
		}
		return Event{Schema: schema}, nil
	}
	c := &cursor{b: r.payload}
	n := &Note{Kind: string(c.bytes(c.uvarint())), Text: string(c.bytes(c.uvarint()))}
	if c.bad || len(c.b) != 0 {
		return Event{}, s.damaged("malformed note")
	}
	return Event{Note: n}, nil
}

// ownSchema returns the schema record in this segment, nil if it has none.
func (s *Segment) ownSchema() (*database.Schema, error) {
	if s.footer.schema.epoch != s.info.Epoch || s.footer.schema.slot != s.info.Slot {
		return nil, nil
	}
	for e, err := range s.Events() {
		if err != nil || e.Schema != nil {
			return e.Schema, err
		}
	}
	return nil, s.damaged("no schema record where the footer says there is one")
}
