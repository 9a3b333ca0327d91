package restore

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"

	"github.com/zeebo/xxh3"

	"lifeboat/eventlog"
)

// lookup finds the group of a key in a table whose base is in no order that bytes could
// follow. It is a file of groups in the order of a hash of their keys, with an index of
// its blocks in memory and a filter that answers for most keys that have not changed.
type lookup struct {
	file   *os.File
	name   string // empty: gone already
	size   int64
	blocks []lookupBlock
	filter filter
	met    []uint64 // a bit by number of the group: all its rows to take away have been met
	// open holds what is left of groups with several rows to take away.
	open map[int64][]xxh3.Uint128
	buf  []byte
}

type lookupBlock struct {
	hash  uint64 // of the block's first key
	at    int64
	first int64 // number of the block's first group
}

// foundGroup is a group as read from disk, in memory of its own.
type foundGroup struct {
	number int64
	minus  []xxh3.Uint128
	plus   []NetRow
}

// lookupBlockLen is how much one search reads, in bytes: a page or two from the cache of
// the system.
const lookupBlockLen = 8 << 10

// newLookup writes the groups of a table to disk. Groups are numbered in their order.
func (n *Net) newLookup(table int) (l *lookup, err error) {
	groups, err := n.Groups(table)
	if err != nil {
		return nil, err
	}
	l = &lookup{open: make(map[int64][]xxh3.Uint128), filter: newFilter(n.cfg.Memory / 16)}
	if l.file, l.name, err = tempFile(n.cfg.TempDir); err != nil {
		return nil, fmt.Errorf("look up changes of table %s: %w", n.cfg.Schema.Tables[table].Name, err)
	}
	if err := l.fill(groups); err != nil {
		return nil, errors.Join(fmt.Errorf("look up changes of table %s: %w", n.cfg.Schema.Tables[table].Name, err), l.close())
	}
	return l, nil
}

func (l *lookup) fill(groups *Groups) error {
	w := bufio.NewWriterSize(l.file, 256<<10)
	block := int64(lookupBlockLen)
	for number := int64(0); ; number++ {
		g, err := groups.Next()
		if err != nil {
			return err
		}
		if g == nil {
			break
		}
		hash := binary.BigEndian.Uint64(g.Key)
		if block >= lookupBlockLen {
			l.blocks = append(l.blocks, lookupBlock{hash, l.size, number})
			block = 0
		}
		l.filter.add(hash)
		if number%64 == 0 {
			l.met = append(l.met, 0)
		}
		l.buf = appendGroup(l.buf[:0], g)
		l.size, block = l.size+int64(len(l.buf)), block+int64(len(l.buf))
		if _, err := w.Write(l.buf); err != nil {
			return err
		}
	}
	return w.Flush()
}

// A group on disk: its length in front, then key, uvarint count of hashes, hashes, rows.
func appendGroup(dst []byte, g *Group) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = AppendRow(dst, g.Key)
	dst = binary.AppendUvarint(dst, uint64(len(g.Minus)))
	for _, r := range g.Minus {
		dst = binary.BigEndian.AppendUint64(dst, r.hash.Hi)
		dst = binary.BigEndian.AppendUint64(dst, r.hash.Lo)
	}
	for _, r := range g.Plus {
		dst = AppendRow(dst, r.Row)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// find returns the group with that sort key, nil if there is none.
func (l *lookup) find(key []byte) (*foundGroup, error) {
	hash := binary.BigEndian.Uint64(key)
	if !l.filter.has(hash) {
		return nil, nil
	}
	// Groups of one hash may begin in the block before the first that starts with it.
	i := max(sort.Search(len(l.blocks), func(i int) bool { return l.blocks[i].hash >= hash })-1, 0)
	r := blockReader{file: l.file, at: l.blocks[i].at, to: l.size, blockLen: lookupBlockLen + 1<<10}
	for number := l.blocks[i].first; !r.done(); number++ {
		group, err := r.group()
		if err != nil {
			return nil, fmt.Errorf("look up a change on disk: %w", err)
		}
		got, rest, err := NextRow(group)
		if err != nil {
			return nil, fmt.Errorf("look up a change on disk: %w", err)
		}
		switch bytes.Compare(got, key) {
		case 0:
			return parseGroup(number, rest)
		case 1:
			return nil, nil
		}
	}
	return nil, nil
}

func (b *blockReader) group() ([]byte, error) {
	n, err := b.take(4)
	if err != nil {
		return nil, err
	}
	return b.take(int(binary.BigEndian.Uint32(n)))
}

func parseGroup(number int64, p []byte) (*foundGroup, error) {
	g := &foundGroup{number: number}
	n, w := binary.Uvarint(p)
	if w <= 0 || n > uint64(len(p)-w)/16 {
		return nil, fmt.Errorf("%w: a change on disk", eventlog.ErrCorrupt)
	}
	for p = p[w:]; n > 0; n, p = n-1, p[16:] {
		g.minus = append(g.minus, xxh3.Uint128{Hi: binary.BigEndian.Uint64(p), Lo: binary.BigEndian.Uint64(p[8:])})
	}
	for len(p) > 0 {
		row, rest, err := NextRow(p)
		if err != nil {
			return nil, err
		}
		g.plus, p = append(g.plus, NetRow{Row: row}), rest
	}
	return g, nil
}

// match notes that a base row of the group has been met, if it is one of those to take
// away and has not been met as often before.
func (l *lookup) match(g *foundGroup, hash xxh3.Uint128) bool {
	if l.done(g.number) {
		return false
	}
	left, open := l.open[g.number]
	if !open {
		left = g.minus
	}
	at := slices.Index(left, hash)
	if at < 0 {
		return false
	}
	if left = slices.Delete(slices.Clone(left), at, at+1); len(left) > 0 {
		l.open[g.number] = left
		return true
	}
	delete(l.open, g.number)
	l.met[g.number/64] |= 1 << (g.number % 64)
	return true
}

func (l *lookup) done(number int64) bool { return l.met[number/64]>>(number%64)&1 == 1 }

func (l *lookup) close() error {
	err := l.file.Close()
	if l.name != "" {
		err = errors.Join(err, os.Remove(l.name))
	}
	return err
}

// filter says of a hash "perhaps" or "no". Two bits of 64-bit words a hash.
type filter struct{ words []uint64 }

func newFilter(bytes int64) filter {
	return filter{words: make([]uint64, min(max(bytes/8, 1<<7), 1<<21))}
}

func (f filter) at(hash uint64) (word int, bits uint64) {
	hash = xxh3.Hash(binary.BigEndian.AppendUint64(nil, hash))
	return int(hash % uint64(len(f.words))), 1<<(hash>>52&63) | 1<<(hash>>58)
}

func (f filter) add(hash uint64) { w, b := f.at(hash); f.words[w] |= b }

func (f filter) has(hash uint64) bool { w, b := f.at(hash); return f.words[w]&b == b }
