package restore

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zeebo/xxh3"
)

// run is one sorted partial sum on disk: the entries of each table in order.
//
//	{ uvarint length, key, hash 16, varint factor, uvarint length of row + 1 (0: none), row }
//
// It lives as long as the Net that wrote it, so it has no version and no checksum: what
// a bad disk does to it is found by the state hashes at the end.
type run struct {
	file   *os.File
	name   string // empty: gone already
	tables []section
	size   int64
}

type section struct{ from, to int64 }

// tempFile makes a private file and takes away its name at once where the system allows
// it, so that no rows stay behind even if the process is killed.
func tempFile(dir string) (*os.File, string, error) {
	f, err := os.CreateTemp(dir, "lifeboat-*.spill")
	if err != nil {
		return nil, "", err
	}
	if os.Remove(f.Name()) == nil {
		return f, "", nil
	}
	return f, f.Name(), nil
}

// writeRun writes all shards as one run; nil if they are empty. The caller holds the gate.
func (n *Net) writeRun() (r *run, err error) {
	count := 0
	for i := range n.shards {
		count += n.shards[i].count()
	}
	if count == 0 {
		return nil, nil
	}
	if err := n.sort(); err != nil {
		return nil, err
	}
	r = &run{}
	if r.file, r.name, err = tempFile(n.cfg.TempDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	w := bufio.NewWriterSize(r.file, 256<<10)
	var buf []byte
	for table := range n.cfg.Schema.Tables {
		from := r.size
		c := n.cursor(table)
		for {
			ok, err := c.next()
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			buf = appendEntry(buf[:0], c.entry())
			r.size += int64(len(buf))
			if _, err := w.Write(buf); err != nil {
				return nil, err
			}
		}
		r.tables = append(r.tables, section{from, r.size})
	}
	return r, w.Flush()
}

func appendEntry(dst []byte, e *entry) []byte {
	dst = AppendRow(dst, e.key)
	dst = binary.BigEndian.AppendUint64(dst, e.hash.Hi)
	dst = binary.BigEndian.AppendUint64(dst, e.hash.Lo)
	dst = binary.AppendVarint(dst, int64(e.factor))
	if e.row == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.row))+1)
	return append(dst, e.row...)
}

func (r *run) close() error {
	err := r.file.Close()
	if r.name != "" {
		err = errors.Join(err, os.Remove(r.name))
	}
	return err
}

// cursor reads one table's section; nil if it is empty.
func (r *run) cursor(table, blockLen int) cursor {
	s := r.tables[table]
	if s.from == s.to {
		return nil
	}
	return &runCursor{blocks: blockReader{file: r.file, at: s.from, to: s.to, blockLen: blockLen}}
}

type runCursor struct {
	blocks blockReader
	cur    entry
}

func (c *runCursor) entry() *entry { return &c.cur }

func (c *runCursor) next() (bool, error) {
	if c.blocks.done() {
		return false, nil
	}
	if err := c.read(); err != nil {
		return false, fmt.Errorf("read spilled changes back: %w", err)
	}
	return true, nil
}

func (c *runCursor) read() (err error) {
	if c.cur.key, err = c.blocks.bytes(); err != nil {
		return err
	}
	hash, err := c.blocks.take(16)
	if err != nil {
		return err
	}
	c.cur.hash = xxh3.Uint128{Hi: binary.BigEndian.Uint64(hash), Lo: binary.BigEndian.Uint64(hash[8:])}
	factor, err := c.blocks.uvarint()
	if err != nil {
		return err
	}
	c.cur.factor = int(int64(factor>>1) ^ -int64(factor&1))
	n, err := c.blocks.uvarint()
	if err != nil {
		return err
	}
	c.cur.row = nil
	if n > 0 {
		c.cur.row, err = c.blocks.take(int(n - 1))
	}
	return err
}

// blockReader hands out slices of blocks that it never writes to again, so that rows
// may be kept without a copy each.
type blockReader struct {
	file     io.ReaderAt
	at, to   int64
	blockLen int
	block    []byte
}

func (b *blockReader) done() bool { return len(b.block) == 0 && b.at == b.to }

// need makes the block begin with at least n unread bytes, or as many as there are.
func (b *blockReader) need(n int) error {
	if len(b.block) >= n || b.at == b.to {
		return nil
	}
	next := make([]byte, min(int64(max(b.blockLen, n)), int64(len(b.block))+b.to-b.at))
	kept := copy(next, b.block)
	if _, err := b.file.ReadAt(next[kept:], b.at); err != nil {
		return err
	}
	b.at += int64(len(next) - kept)
	b.block = next
	return nil
}

func (b *blockReader) take(n int) ([]byte, error) {
	if err := b.need(n); err != nil {
		return nil, err
	}
	if n < 0 || n > len(b.block) {
		return nil, io.ErrUnexpectedEOF
	}
	p := b.block[:n:n]
	b.block = b.block[n:]
	return p, nil
}

func (b *blockReader) uvarint() (uint64, error) {
	if err := b.need(binary.MaxVarintLen64); err != nil {
		return 0, err
	}
	v, n := binary.Uvarint(b.block)
	if n <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	b.block = b.block[n:]
	return v, nil
}

func (b *blockReader) bytes() ([]byte, error) {
	n, err := b.uvarint()
	if err != nil {
		return nil, err
	}
	return b.take(int(n))
}
