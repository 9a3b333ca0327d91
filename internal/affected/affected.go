package affected

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"lifeboat/eventlog"
	"lifeboat/failover/incident/report"
	"lifeboat/internal/database"
	"lifeboat/internal/rowtext"
)

// maxKeys bounds the distinct keys remembered, of all tables together: about 100 MiB.
const maxKeys = 2_000_000

// ErrTooMany: the window changed more rows than can be told apart here; ask for less of it.
var ErrTooMany = fmt.Errorf("over %d rows changed: ask for a smaller window", maxKeys)

// Log answers report.Changes from an event log.
type Log struct {
	Log *eventlog.Log
	// PeopleTable is the table whose keys stand for people; "" = not known.
	PeopleTable string
}

var _ report.Changes = (*Log)(nil)

// Affected implements report.Changes: what the transactions in (after, last] changed.
func (l *Log) Affected(ctx context.Context, after, last uint64, most int) (report.Affected, error) {
	out := report.Affected{After: after, Last: last, PeopleTable: l.PeopleTable}
	if last <= after {
		return out, fmt.Errorf("window (%d, %d] is empty", after, last)
	}
	start, err := l.before(ctx, after)
	if err != nil {
		return out, err
	}
	c := counter{most: most, tables: map[string]*tableKeys{}}
	reached := uint64(0)
	for seg, err := range l.Log.Segments(ctx, start) {
		if err != nil {
			return out, err
		}
		if uint64(seg.Info().First) > last {
			break
		}
		if err := c.segment(seg, after, last); err != nil {
			return out, fmt.Errorf("%s: %w", seg.Info().Name(), err)
		}
		if reached = uint64(seg.Info().Last); reached >= last {
			break
		}
	}
	if reached < last {
		return out, fmt.Errorf("%w: the log ends at transaction %d, before %d", eventlog.ErrGap, reached, last)
	}
	c.fill(&out)
	return out, nil
}

// before finds a segment's end that is safely before the window: two segments earlier, so
// that the schema in force at its beginning has been seen.
func (l *Log) before(ctx context.Context, after uint64) (eventlog.Position, error) {
	var ends []eventlog.Position
	for info, err := range l.Log.Headers(ctx, eventlog.Position{}) {
		if err != nil {
			return eventlog.Position{}, err
		}
		if uint64(info.Last) > after {
			break
		}
		if ends = append(ends, info.End()); len(ends) > 2 {
			ends = ends[1:]
		}
	}
	if len(ends) < 2 {
		return eventlog.Position{}, nil
	}
	return ends[0], nil
}

// tableKeys are the distinct keys of one table that changed.
type tableKeys struct {
	seen  map[[16]byte]bool
	first []string
}

type counter struct {
	most         int
	schema       *database.Schema
	tables       map[string]*tableKeys
	keys         int
	transactions uint64
}

func (c *counter) segment(seg *eventlog.Segment, after, last uint64) error {
	if c.schema == nil {
		c.schema = seg.Schema()
	}
	for e, err := range seg.Events() {
		if err != nil {
			return err
		}
		if e.Schema != nil {
			c.schema = e.Schema
		}
		if e.Tx == nil || uint64(e.Seq) <= after || uint64(e.Seq) > last {
			continue
		}
		c.transactions++
		for _, change := range e.Tx.Changes {
			if err := c.change(change); err != nil {
				return fmt.Errorf("transaction %d: %w", uint64(e.Seq), err)
			}
		}
	}
	return nil
}

func (c *counter) change(ch database.Change) error {
	var table *database.Table
	if c.schema != nil {
		table = c.schema.Table(ch.Table)
	}
	if table == nil {
		return fmt.Errorf("table %s: %w", ch.Table, eventlog.ErrNoSchema)
	}
	key, err := table.AppendKey(nil, ch.Row)
	if err != nil {
		return fmt.Errorf("table %s: %w", ch.Table, err)
	}
	t := c.tables[ch.Table]
	if t == nil {
		t = &tableKeys{seen: map[[16]byte]bool{}}
		c.tables[ch.Table] = t
	}
	sum := sha256.Sum256(key)
	short := [16]byte(sum[:16])
	if t.seen[short] {
		return nil
	}
	if c.keys++; c.keys > maxKeys {
		return ErrTooMany
	}
	t.seen[short] = true
	if len(t.first) < c.most {
		cells, err := rowtext.Row(table, ch.Row)
		if err != nil {
			return fmt.Errorf("table %s: %w", ch.Table, err)
		}
		var parts []string
		for _, cell := range cells.Key(table) {
			parts = append(parts, rowtext.Text(cell.Value))
		}
		t.first = append(t.first, strings.Join(parts, "/"))
	}
	return nil
}

func (c *counter) fill(out *report.Affected) {
	out.Transactions = c.transactions
	for name, t := range c.tables {
		out.Tables = append(out.Tables, report.AffectedTable{Table: name, Rows: len(t.seen), Keys: t.first})
		if name == out.PeopleTable {
			out.People, out.PeopleKeys = len(t.seen), t.first
		}
	}
	slices.SortFunc(out.Tables, func(a, b report.AffectedTable) int { return strings.Compare(a.Table, b.Table) })
}
