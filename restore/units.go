package restore

import (
	"context"
	"fmt"
	"iter"
	"strings"
)

// unitBytes is how many bytes of rows a unit gathers: one transaction of the target.
const unitBytes = 4 << 20

// unit is one call of Target.Load. Units are the same whenever the same plan runs.
type unit struct {
	name  string
	table int
	rows  [][]byte
	done  func() // gives the memory back
}

func (u *unit) all() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, row := range u.rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// group is a few consecutive chunks of one table that are fetched, merged and loaded
// together, or the rows after all chunks of an unordered table.
type group struct {
	table  int
	number int // within the table
	chunks []Chunk
	next   []byte // where the group after it starts; nil: it is the last
	last   bool   // of the table: ends the merge
}

func (g group) weight() (bytes int64) {
	for _, c := range g.chunks {
		bytes += c.Weight()
	}
	return bytes
}

// groupsOf cuts a table into groups. There is at least one, even for an empty table.
func groupsOf(table int, chunks []Chunk, ordered bool) []group {
	var groups []group
	g := group{table: table}
	var bytes int64
	for _, c := range chunks {
		if bytes >= unitBytes {
			g.next = c.Start
			groups = append(groups, g)
			g, bytes = group{table: table, number: g.number + 1}, 0
		}
		g.chunks = append(g.chunks, c)
		bytes += c.Raw
	}
	if !ordered && len(g.chunks) > 0 {
		groups = append(groups, g)
		g = group{table: table, number: g.number + 1}
	}
	g.last = true
	return append(groups, g)
}

// The rows of a group make one unit, or several when many new rows fall into it. The
// name of the last says so: the group is loaded when that one and all before it are.
const lastMark = ".last"

func unitName(g group, part int, last bool) string {
	name := fmt.Sprintf("%d.%d.%d", g.table, g.number, part)
	if last {
		name += lastMark
	}
	return name
}

// progress says which groups an earlier run has loaded.
type progress struct {
	units map[string]int64
	parts map[[2]int]int // by table and group: units loaded
	ends  map[[2]int]int // by table and group: how many units there are
}

func parseProgress(loaded map[string]int64) (*progress, error) {
	p := &progress{units: loaded, parts: make(map[[2]int]int), ends: make(map[[2]int]int)}
	for name := range loaded {
		var table, number, part int
		plain, last := strings.CutSuffix(name, lastMark)
		if n, err := fmt.Sscanf(plain, "%d.%d.%d", &table, &number, &part); err != nil || n != 3 || unitName(group{table: table, number: number}, part, last) != name {
			return nil, fmt.Errorf("the target holds a unit %q that this program did not load: restore into an empty database", name)
		}
		key := [2]int{table, number}
		p.parts[key]++
		if last {
			p.ends[key] = part + 1
		}
	}
	return p, nil
}

func (p *progress) has(g group) bool {
	key := [2]int{g.table, g.number}
	return p.ends[key] > 0 && p.parts[key] == p.ends[key]
}

// cutter turns the merged rows of a group into units.
type cutter struct {
	ctx    context.Context //nolint:containedctx // lives as long as one merge
	units  chan<- *unit
	loaded *progress
	group  group
	rows   [][]byte
	bytes  int
	part   int
	users  *users
}

// add takes a row; a unit goes out when the row after it comes, so that the last one can
// be told apart.
func (c *cutter) add(row []byte) error {
	if c.bytes >= unitBytes*5/4 {
		if err := c.send(false); err != nil {
			return err
		}
	}
	c.rows = append(c.rows, row)
	c.bytes += len(row)
	return nil
}

func (c *cutter) send(last bool) error {
	u := &unit{name: unitName(c.group, c.part, last), table: c.group.table, rows: c.rows}
	c.rows, c.bytes, c.part = nil, 0, c.part+1
	if _, done := c.loaded.units[u.name]; done {
		return nil
	}
	u.done = c.users.add()
	select {
	case c.units <- u:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}
