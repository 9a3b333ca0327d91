package restore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"runtime"
	"slices"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"
)

// NetRow is one row of a group.
type NetRow struct {
	hash xxh3.Uint128
	// Row may be kept. It is nil for a row taken away unless NetConfig.KeepMinus is set.
	Row []byte
}

// Group is what is left of one key: rows taken away and rows added, no row on both
// sides, each as often as it counts. Rows are in byte order where there are several.
type Group struct {
	// Key is the order of the stream: the key bytes, after eight bytes of hash in hashed
	// tables. Valid until the next call of Next.
	Key         []byte
	Minus, Plus []NetRow
}

// Seal ends the adding: Groups may be called after it.
func (n *Net) Seal() error {
	n.gate.RLock()
	spilled := len(n.runs) > 0
	n.gate.RUnlock()
	if spilled {
		return n.spill(true)
	}
	n.gate.Lock()
	defer n.gate.Unlock()
	return n.sort()
}

// Groups returns the groups of one table in order. Several tables may be read at once.
func (n *Net) Groups(table int) (*Groups, error) {
	g := &Groups{}
	for _, r := range n.runs {
		if c := r.cursor(table, n.blockLen()); c != nil {
			g.cursors = append(g.cursors, c)
		}
	}
	if len(n.runs) == 0 {
		g.cursors = append(g.cursors, n.cursor(table))
	}
	return g, g.start()
}

// blockLen shares a quarter of the memory among the runs that are read together.
func (n *Net) blockLen() int {
	return int(min(max(n.cfg.Memory/4/int64(len(n.runs)), 4<<10), 256<<10))
}

// item is one slot of a shard on its way into order. The first 16 bytes of the sort key
// settle most comparisons.
type item struct {
	table, slot uint32 // the slot's number in its shard, below the shard's number
	prefix      [2]uint64
}

const (
	slotBits = 32 - shardBits
	slotMask = 1<<slotBits - 1
)

// sorter compares items. It is for one goroutine.
type sorter struct {
	net  *Net
	a, b []byte
	err  error
}

func (s *sorter) key(dst []byte, it item) []byte {
	dst, err := s.net.appendSortKey(dst[:0], it.table, s.net.carrier(it))
	if err != nil {
		s.err = err
	}
	return dst
}

func (s *sorter) compare(x, y item) int {
	if c := cmp.Or(cmp.Compare(x.table, y.table), cmp.Compare(x.prefix[0], y.prefix[0]), cmp.Compare(x.prefix[1], y.prefix[1])); c != 0 {
		return c
	}
	s.a, s.b = s.key(s.a, x), s.key(s.b, y)
	return bytes.Compare(s.a, s.b)
}

// sort brings everything in memory into one order: each shard on its own, then pairs of
// sorted lists, on all cores.
func (n *Net) sort() error {
	lists := make([][]item, len(n.shards))
	err := inParallel(len(n.shards), func(i int) (err error) {
		lists[i], err = n.sortShard(i)
		return err
	})
	for err == nil && len(lists) > 1 {
		err = inParallel(len(lists)/2, func(i int) (err error) {
			lists[2*i], err = n.mergeItems(lists[2*i], lists[2*i+1])
			lists[2*i+1] = nil
			return err
		})
		for i := range len(lists) / 2 {
			lists[i] = lists[2*i]
		}
		lists = lists[:len(lists)/2]
	}
	n.items = lists[0]
	return err
}

func inParallel(n int, f func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error { return f(i) })
	}
	return g.Wait()
}

func (n *Net) sortShard(number int) ([]item, error) {
	s, by := &n.shards[number], sorter{net: n}
	items := make([]item, 0, s.count())
	for _, v := range s.index {
		if v == 0 {
			continue
		}
		slot := uint32(v) - 1
		it := item{slot: uint32(number)<<slotBits | slot, table: s.slot(slot).table}
		var p [16]byte
		by.a = by.key(by.a, it)
		copy(p[:], by.a)
		it.prefix = [2]uint64{binary.BigEndian.Uint64(p[:]), binary.BigEndian.Uint64(p[8:])}
		items = append(items, it)
	}
	slices.SortFunc(items, by.compare)
	return items, by.err
}

func (n *Net) mergeItems(a, b []item) ([]item, error) {
	by := sorter{net: n}
	merged := make([]item, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if by.compare(a[0], b[0]) <= 0 {
			merged, a = append(merged, a[0]), a[1:]
		} else {
			merged, b = append(merged, b[0]), b[1:]
		}
	}
	return append(append(merged, a...), b...), by.err
}

// appendSortKey appends what the groups of the table are ordered by.
func (n *Net) appendSortKey(dst []byte, table uint32, row []byte) ([]byte, error) {
	if !n.cfg.Hashed[table] {
		return n.cfg.Schema.Tables[table].AppendKey(dst, row)
	}
	at := len(dst)
	dst, err := n.cfg.Schema.Tables[table].AppendKey(append(dst, make([]byte, 8)...), row)
	if err != nil {
		return dst, err
	}
	binary.BigEndian.PutUint64(dst[at:], xxh3.Hash(dst[at+8:]))
	return dst, nil
}

func (n *Net) locate(it item) (*shard, *slot) {
	s := &n.shards[it.slot>>slotBits]
	return s, s.slot(it.slot & slotMask)
}

// carrier is a row that has the item's key.
func (n *Net) carrier(it item) []byte {
	s, e := n.locate(it)
	if e.has == hasMany {
		return s.rows.get(s.many[e.key][0].row) // never an empty list
	}
	return s.rows.get(e.image)
}

// entry is one row of a sum with its factor and its place in the order.
type entry struct {
	key    []byte
	hash   xxh3.Uint128
	factor int
	row    []byte
}

// cursor walks over sorted entries; entry is valid after next has returned true, until
// the next call.
type cursor interface {
	next() (bool, error)
	entry() *entry
}

// memoryCursor walks over one table of what is in memory, sorted.
type memoryCursor struct {
	net   *Net
	items []item
	queue []entry
	at    int
	key   []byte
}

func (n *Net) cursor(table int) *memoryCursor {
	find := func(table int) int {
		at, _ := slices.BinarySearchFunc(n.items, uint32(table), func(it item, t uint32) int { return cmp.Compare(it.table, t) })
		return at
	}
	return &memoryCursor{net: n, items: n.items[find(table):find(table+1)], at: -1}
}

func (c *memoryCursor) entry() *entry { return &c.queue[c.at] }

func (c *memoryCursor) next() (bool, error) {
	c.at++
	for c.at >= len(c.queue) {
		if len(c.items) == 0 {
			return false, nil
		}
		c.at = 0
		if err := c.load(c.items[0]); err != nil {
			return false, err
		}
		c.items = c.items[1:]
	}
	return true, nil
}

// load queues the rows of one slot; none if they cancel out.
func (c *memoryCursor) load(it item) (err error) {
	if c.key, err = c.net.appendSortKey(c.key[:0], it.table, c.net.carrier(it)); err != nil {
		return err
	}
	c.queue = c.queue[:0]
	s, e := c.net.locate(it)
	if e.has == hasMany {
		for _, t := range s.many[e.key] {
			row := s.rows.get(t.row)
			if t.factor < 0 && !c.net.cfg.KeepMinus {
				row = nil
			}
			c.queue = append(c.queue, entry{key: c.key, hash: t.hash, factor: t.factor, row: row})
		}
		return nil
	}
	if e.has&hasPlus != 0 {
		plus := c.net.hash(s.rows.get(e.image))
		if e.has&hasMinus != 0 && e.minus == plus {
			return nil // changed and changed back
		}
		c.queue = append(c.queue, entry{key: c.key, hash: plus, factor: 1, row: s.rows.get(e.image)})
	}
	if e.has&hasMinus != 0 {
		c.queue = append(c.queue, entry{key: c.key, hash: e.minus, factor: -1, row: s.rows.get(e.before)})
	}
	return nil
}

// Groups merges sorted cursors and adds up what they hold of the same key.
type Groups struct {
	cursors []cursor // a heap by key; those at their end are gone
	group   Group
	sum     []entry
}

func (g *Groups) start() error {
	live := g.cursors[:0]
	for _, c := range g.cursors {
		ok, err := c.next()
		if err != nil {
			return err
		}
		if ok {
			live = append(live, c)
		}
	}
	g.cursors = live
	for i := len(live)/2 - 1; i >= 0; i-- {
		g.down(i)
	}
	return nil
}

func (g *Groups) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(g.cursors); child++ {
			if bytes.Compare(g.cursors[child].entry().key, g.cursors[least].entry().key) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		g.cursors[i], g.cursors[least] = g.cursors[least], g.cursors[i]
		i = least
	}
}

// advance moves the first cursor on.
func (g *Groups) advance() error {
	ok, err := g.cursors[0].next()
	if err != nil {
		return err
	}
	if !ok {
		last := len(g.cursors) - 1
		g.cursors[0] = g.cursors[last]
		g.cursors = g.cursors[:last]
	}
	if len(g.cursors) > 0 {
		g.down(0)
	}
	return nil
}

// Next returns the next group, nil at the end. Keys whose changes cancel out are left out.
func (g *Groups) Next() (*Group, error) {
	for len(g.cursors) > 0 {
		g.group.Key = append(g.group.Key[:0], g.cursors[0].entry().key...)
		g.sum = g.sum[:0]
		for len(g.cursors) > 0 && bytes.Equal(g.cursors[0].entry().key, g.group.Key) {
			g.add(g.cursors[0].entry())
			if err := g.advance(); err != nil {
				return nil, err
			}
		}
		if g.fill() {
			return &g.group, nil
		}
	}
	return nil, nil
}

func (g *Groups) add(e *entry) {
	for i := range g.sum {
		if g.sum[i].hash == e.hash {
			g.sum[i].factor += e.factor
			if g.sum[i].row == nil {
				g.sum[i].row = e.row
			}
			return
		}
	}
	g.sum = append(g.sum, *e)
}

func (g *Groups) fill() bool {
	g.group.Minus, g.group.Plus = g.group.Minus[:0], g.group.Plus[:0]
	for _, e := range g.sum {
		for ; e.factor < 0; e.factor++ {
			g.group.Minus = append(g.group.Minus, NetRow{hash: e.hash, Row: e.row})
		}
		for ; e.factor > 0; e.factor-- {
			g.group.Plus = append(g.group.Plus, NetRow{hash: e.hash, Row: e.row})
		}
	}
	byRow := func(a, b NetRow) int { return bytes.Compare(a.Row, b.Row) }
	if len(g.group.Minus) > 1 {
		slices.SortFunc(g.group.Minus, byRow)
	}
	if len(g.group.Plus) > 1 {
		slices.SortFunc(g.group.Plus, byRow)
	}
	return len(g.group.Minus)+len(g.group.Plus) > 0
}
