package restore

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
)

// The payloads of chunks, without counts of their own: the header has them.
//
//	rows     { uvarint length, row }
//	changes  { op 'D' or 'I', uvarint length, row }
//	list     { digest 32, size 4, raw 4, entries 4, uvarint length, start }

// AppendRow appends one row to a payload of rows.
func AppendRow(dst, row []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(row))), row...)
}

// AppendChange appends one net change to a payload of changes.
func AppendChange(dst []byte, op database.Op, row []byte) []byte {
	return AppendRow(append(dst, byte(op)), row)
}

// NextRow splits the first row off a payload of rows. The row aliases the payload.
func NextRow(payload []byte) (row, rest []byte, err error) {
	n, w := binary.Uvarint(payload)
	if w <= 0 || n > uint64(len(payload)-w) {
		return nil, nil, fmt.Errorf("%w: bad length of a row", eventlog.ErrCorrupt)
	}
	end := w + int(n)
	return payload[w:end:end], payload[end:], nil
}

// NextChange splits the first change off a payload of changes.
func NextChange(payload []byte) (op database.Op, row, rest []byte, err error) {
	if len(payload) == 0 {
		return 0, nil, nil, fmt.Errorf("%w: ends before a change", eventlog.ErrCorrupt)
	}
	op = database.Op(payload[0])
	if op != database.Delete && op != database.Insert {
		return 0, nil, nil, fmt.Errorf("%w: unknown operation %q", eventlog.ErrCorrupt, payload[0])
	}
	row, rest, err = NextRow(payload[1:])
	return op, row, rest, err
}

// Chunk is one chunk of a table.
type Chunk struct {
	Ref
	// Start is a lower bound of the chunk's keys and above every key of the chunk before
	// it, as short as that allows; empty for the first chunk. Only the chunks of ordered
	// tables and of deltas have it.
	Start []byte
}

// Weight is what the chunk takes while it is fetched and decoded, in bytes.
func (c Chunk) Weight() int64 { return c.Size + c.Raw }

// MaxStart bounds Chunk.Start in bytes. SQL Server's keys have at most 1,700. A table in
// need of longer ones counts as unordered.
const MaxStart = 4 << 10

// listLimit is how many chunks one list names: at 64 to 100 bytes each a list stays near
// the size of a chunk, and a change in a huge table does not rewrite all its lists.
const listLimit = 8192

func appendList(dst []byte, chunks []Chunk) []byte {
	for _, c := range chunks {
		dst = append(dst, c.Digest[:]...)
		for _, n := range []int64{c.Size, c.Raw, c.Entries} {
			dst = binary.BigEndian.AppendUint32(dst, uint32(n))
		}
		dst = AppendRow(dst, c.Start)
	}
	return dst
}

func parseList(payload []byte, entries int64) ([]Chunk, error) {
	const fixed = 32 + 3*4
	if entries < 0 || entries > listLimit || entries*(fixed+1) > int64(len(payload)) {
		return nil, fmt.Errorf("%w: %d chunks in a list of %d bytes", eventlog.ErrCorrupt, entries, len(payload))
	}
	chunks := make([]Chunk, 0, entries)
	for len(payload) > 0 {
		if len(payload) < fixed {
			return nil, fmt.Errorf("%w: a chunk list ends within a reference", eventlog.ErrCorrupt)
		}
		c := Chunk{Ref: Ref{
			Digest:  eventlog.Digest(payload[:32]),
			Size:    int64(binary.BigEndian.Uint32(payload[32:])),
			Raw:     int64(binary.BigEndian.Uint32(payload[36:])),
			Entries: int64(binary.BigEndian.Uint32(payload[40:])),
		}}
		var err error
		if c.Start, payload, err = NextRow(payload[fixed:]); err != nil {
			return nil, err
		}
		if len(c.Start) > MaxStart || c.Raw > MaxPayload {
			return nil, fmt.Errorf("%w: impossible reference in a chunk list", eventlog.ErrCorrupt)
		}
		chunks = append(chunks, c)
	}
	if int64(len(chunks)) != entries {
		return nil, fmt.Errorf("%w: %d chunks in a list, want %d", eventlog.ErrCorrupt, len(chunks), entries)
	}
	return chunks, nil
}

// Separator returns the shortest prefix of next that is above last; next must be above
// last.
func Separator(last, next []byte) []byte {
	n := 0
	for n < len(last) && n < len(next) && last[n] == next[n] {
		n++
	}
	return bytes.Clone(next[:min(n+1, len(next))])
}
