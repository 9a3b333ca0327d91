package restore

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"lifeboat/internal/database"
)

// Net is the sum of many changes: what is left of each key when inserts and deletes of
// equal rows have cancelled out. A sum does not depend on the order of its terms, so
// changes may be added from many goroutines, segments in any order, and sums of parts
// may be added up later: that is how it stays within its memory, by writing sorted
// partial sums to disk.
//
// Rows count as equal when their 128-bit hashes under a random, secret seed are: nobody
// can prepare two rows that collide.
type Net struct {
	cfg    NetConfig
	index  map[string]int
	seed   uint64
	shards []shard

	// gate: adding needs it shared, spilling alone.
	gate  sync.RWMutex
	used  atomic.Int64
	runs  []*run
	items []item // what is in memory, in order, once sorted
	sum   NetSummary

	identity []identity
}

// NetConfig says what a Net adds up.
type NetConfig struct {
	Schema *database.Schema // sealed
	// Hashed lists, by table, whether its groups come in order of a hash of the key, for
	// lookups, instead of key order.
	Hashed []bool
	// Only lists, by table, whose changes are summed; nil: all. Counters are those of what
	// is summed.
	Only []bool
	// Memory is how many bytes it may hold before it spills to disk.
	Memory int64
	// TempDir is where spilled runs go; empty: the system's folder for such files.
	TempDir string
	// KeepMinus keeps the rows that are taken away, not only their hashes. A delta needs
	// them; a merge has them in the base.
	KeepMinus bool
}

// NetSummary counts what went through a Net.
type NetSummary struct {
	Changes int64 `json:"changes"` // added
	Spills  int   `json:"spills"`  // runs written to disk
	Spilled int64 `json:"spilled"` // bytes of them
}

// identity finds the largest value that an identity column was given.
type identity struct {
	column int // -1: the table has none
	mu     sync.Mutex
	max    int64
	seen   bool
}

// shardBits: 64 shards keep two goroutines out of each other's way and a shard's table
// near the size of a processor's cache.
const shardBits = 6

// NewNet returns an empty sum.
func NewNet(cfg NetConfig) (*Net, error) {
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("draw a seed: %w", err)
	}
	n := &Net{
		cfg: cfg, seed: binary.NativeEndian.Uint64(seed[:]), index: make(map[string]int, len(cfg.Schema.Tables)),
		shards: make([]shard, 1<<shardBits), identity: make([]identity, len(cfg.Schema.Tables)),
	}
	if cfg.Hashed == nil {
		n.cfg.Hashed = make([]bool, len(cfg.Schema.Tables))
	}
	for i := range cfg.Schema.Tables {
		t := &cfg.Schema.Tables[i]
		n.index[t.Name] = i
		n.identity[i].column = -1
		for c := range t.Columns {
			if t.Columns[c].Identity {
				n.identity[i].column = c
			}
		}
	}
	return n, nil
}

// Table returns the position of a table in the schema; ok is false if it is not there.
func (n *Net) Table(name string) (i int, ok bool) { i, ok = n.index[name]; return i, ok }

// change is one or two terms of one key on their way to their shard: a row taken away, a
// row added, or an update, which is both.
type change struct {
	key         xxh3.Uint128
	minus, plus []byte
	table       uint32
}

// batchLen is how many changes go to a shard at once: enough to pay for the lock, and
// for the processor to fetch much of the memory that they need at the same time.
const batchLen = 256

// Batch collects changes for one goroutine. Rows must stay as they are until Flush.
type Batch struct {
	net     *Net
	pending [1 << shardBits][]change
	open    *change // the last one, in pending, if it may become an update
	key     []byte  // its key, as it stands in the row
	scratch []byte
	max     []int64
	seen    []bool
	count   int64
}

// Batch returns an empty batch.
func (n *Net) Batch() *Batch {
	return &Batch{net: n, max: make([]int64, len(n.identity)), seen: make([]bool, len(n.identity))}
}

// Add adds one change of the table at that position of the schema.
func (b *Batch) Add(table int, op database.Op, row []byte) error {
	n := b.net
	if n.cfg.Only != nil && !n.cfg.Only[table] {
		return nil
	}
	key, err := b.rawKey(&n.cfg.Schema.Tables[table], row)
	if err != nil {
		return err
	}
	b.count++
	if op == database.Insert {
		if n.identity[table].column >= 0 {
			if err := b.number(table, row); err != nil {
				return err
			}
		}
		// The usual update: the row that was taken away comes back in another shape.
		if b.open != nil && b.open.table == uint32(table) && bytes.Equal(b.key, key) {
			b.open.plus, b.open = row, nil
			return nil
		}
	}
	c := change{key: xxh3.Hash128Seed(key, n.seed+uint64(table)), table: uint32(table)}
	shard := int(c.key.Hi >> (64 - shardBits))
	if len(b.pending[shard]) >= batchLen {
		if err := b.flush(shard); err != nil {
			return err
		}
	}
	b.open = nil
	if op == database.Insert {
		c.plus = row
		b.pending[shard] = append(b.pending[shard], c)
		return nil
	}
	c.minus = row
	b.pending[shard] = append(b.pending[shard], c)
	b.open, b.key = &b.pending[shard][len(b.pending[shard])-1], append(b.key[:0], key...)
	return nil
}

// rawKey returns the values of the key columns as they stand in the row: a key has one
// such form, so it tells keys apart as well as AppendKey does, at a fraction of the time.
func (b *Batch) rawKey(t *database.Table, row []byte) ([]byte, error) {
	b.scratch = b.scratch[:0]
	at, column := 0, 0
	for i, k := range t.Key {
		if k != i { // the key is not in front: gather it
			b.scratch = b.scratch[:0]
			for _, k := range t.Key {
				from, err := skipValues(row, 0, k)
				if err != nil {
					return nil, err
				}
				to, err := skipValues(row, from, 1)
				if err != nil {
					return nil, err
				}
				b.scratch = append(b.scratch, row[from:to]...)
			}
			return b.scratch, nil
		}
		column++
	}
	at, err := skipValues(row, at, column)
	return row[:at], err
}

// skipValues returns the offset behind n values from an offset on: see the encoding in
// package database. Only lengths are looked at.
func skipValues(row []byte, at, n int) (int, error) {
	for range n {
		if at >= len(row) {
			return 0, fmt.Errorf("%w: ends before its key", database.ErrRow)
		}
		if database.Tag(row[at]) == database.TagNull {
			at++
			continue
		}
		size, w := binary.Uvarint(row[at+1:])
		if w <= 0 || size > uint64(len(row)-at-1-w) {
			return 0, fmt.Errorf("%w: bad length of a value", database.ErrRow)
		}
		at += 1 + w + int(size)
	}
	return at, nil
}

func (b *Batch) number(table int, row []byte) error {
	for range b.net.identity[table].column {
		var err error
		if _, row, err = database.Next(row); err != nil {
			return err
		}
	}
	v, _, err := database.Next(row)
	if err != nil {
		return err
	}
	if v.Tag == database.TagInt && (!b.seen[table] || v.Int > b.max[table]) {
		b.max[table], b.seen[table] = v.Int, true
	}
	return nil
}

func (b *Batch) flush(shard int) error {
	n := b.net
	n.gate.RLock()
	n.used.Add(n.shards[shard].addAll(b.pending[shard], n))
	n.gate.RUnlock()
	clear(b.pending[shard])
	b.pending[shard] = b.pending[shard][:0]
	if n.used.Load() > n.cfg.Memory {
		return n.spill(false)
	}
	return nil
}

// Flush adds what is pending; the rows may then be reused.
func (b *Batch) Flush() error {
	for i := range b.pending {
		if len(b.pending[i]) > 0 {
			if err := b.flush(i); err != nil {
				return err
			}
		}
	}
	n := b.net
	b.open = nil
	for i := range b.max {
		if b.seen[i] {
			n.identity[i].note(b.max[i])
		}
	}
	n.gate.Lock()
	n.sum.Changes += b.count
	n.gate.Unlock()
	clear(b.seen)
	b.count = 0
	return nil
}

func (id *identity) note(v int64) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if !id.seen || v > id.max {
		id.max, id.seen = v, true
	}
}

// Summary returns counts so far.
func (n *Net) Summary() NetSummary {
	n.gate.RLock()
	defer n.gate.RUnlock()
	return n.sum
}

// Counters returns the counters of a snapshot as they are after the changes: at or above
// every value that was ever handed out, also to rows that are gone again.
func (n *Net) Counters(before map[string]int64) map[string]int64 {
	counters := make(map[string]int64, len(before))
	maps.Copy(counters, before)
	for i := range n.identity {
		id, name := &n.identity[i], n.cfg.Schema.Tables[i].Name
		id.mu.Lock()
		if last, ok := counters[name]; id.seen && (!ok || id.max > last) {
			counters[name] = id.max
		}
		id.mu.Unlock()
	}
	return counters
}

// spill writes everything to a sorted run and forgets it, unless another goroutine just
// did. It waits for all adding to pause.
func (n *Net) spill(all bool) error {
	n.gate.Lock()
	defer n.gate.Unlock()
	if !all && n.used.Load() <= n.cfg.Memory {
		return nil
	}
	r, err := n.writeRun()
	if err != nil {
		return fmt.Errorf("spill net changes to disk: %w", err)
	}
	if r != nil {
		n.runs = append(n.runs, r)
		n.sum.Spills++
		n.sum.Spilled += r.size
	}
	for i := range n.shards {
		n.shards[i] = shard{}
	}
	n.items = nil
	n.used.Store(0)
	return nil
}

// Close removes what was spilled.
func (n *Net) Close() error {
	n.gate.Lock()
	defer n.gate.Unlock()
	var first error
	for _, r := range n.runs {
		if err := r.close(); err != nil && first == nil {
			first = err
		}
	}
	n.runs, n.shards = nil, nil
	return first
}
