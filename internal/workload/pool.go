package workload

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
)

const (
	// maxPool is how many keys of a table the writers know at most: enough that two
	// writers rarely want the same row, few enough for any database.
	maxPool = 20_000
	// maxScan bounds the time of looking for keys in a huge table.
	maxScan = 200_000
)

// pool is what the writers know about the rows there are: keys to choose from, and
// numbers that no row has yet. It is shared by the writers.
type pool struct {
	mu     sync.Mutex
	tables map[string]*keys
	next   map[string]*counter // by table and column, for integer keys and uniques
	serial uint64              // for everything else that has to be new
}

type keys struct {
	list [][]any
	at   map[string]int // keyText to position in list
}

// counter hands out integers that are not in a column, upwards, or downwards where the
// column already holds a number near the end.
type counter struct{ value, step int64 }

func loadPool(ctx context.Context, db *sql.DB, d Dialect, m *Model, rng *rand.Rand) (*pool, error) {
	p := &pool{tables: map[string]*keys{}, next: map[string]*counter{}}
	for i := range m.Tables {
		t := &m.Tables[i]
		p.tables[t.Name] = &keys{at: map[string]int{}}
		if err := p.loadKeys(ctx, db, d, t, rng); err != nil {
			return nil, fmt.Errorf("read the keys of table %s: %w", t.Name, err)
		}
		for c := range t.Columns {
			if t.Columns[c].Kind != Integer || !t.unique(c) {
				continue
			}
			p.loadCounter(ctx, db, d, t, c)
		}
	}
	return p, nil
}

// loadKeys keeps a uniform sample of the keys that it reads.
func (p *pool) loadKeys(ctx context.Context, db *sql.DB, d Dialect, t *Table, rng *rand.Rand) error {
	r := rowReader{d: d, q: db}
	rows, err := db.QueryContext(ctx, "SELECT "+r.keyExpressions(t)+" FROM "+d.Table(t.Name))
	if err != nil {
		return err
	}
	defer rows.Close()
	var sample [][]any
	for n := 0; n < maxScan && rows.Next(); n++ {
		key := make([]any, len(t.Key))
		if err := rows.Scan(pointers(key)...); err != nil {
			return err
		}
		if hasNull(key) {
			continue // such a row cannot be named
		}
		if len(sample) < maxPool {
			sample = append(sample, key)
		} else if i := rng.IntN(n + 1); i < maxPool {
			sample[i] = key
		}
	}
	for _, key := range sample {
		p.tables[t.Name].add(key)
	}
	return rows.Err()
}

// loadCounter leaves a column without a counter where it holds other things than integers:
// its new values are then made from the old.
func (p *pool) loadCounter(ctx context.Context, db *sql.DB, d Dialect, t *Table, c int) {
	col := d.Column(t.Columns[c].Name)
	var least, most sql.NullInt64
	query := "SELECT MIN(" + col + "), MAX(" + col + ") FROM " + d.Table(t.Name)
	if err := db.QueryRowContext(ctx, query).Scan(&least, &most); err != nil {
		return
	}
	n := &counter{most.Int64, 1}
	if most.Int64 > math.MaxInt32-1_000_000 && least.Int64 > math.MinInt32+1_000_000 {
		n = &counter{least.Int64, -1}
	}
	p.next[t.Name+"\x00"+t.Columns[c].Name] = n
}

// fresh returns an integer that the column does not hold; ok is false if it cannot tell.
func (p *pool) fresh(t *Table, c int) (v int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.next[t.Name+"\x00"+t.Columns[c].Name]
	if n == nil {
		return 0, false
	}
	n.value += n.step
	return n.value, true
}

// unusual returns a number that it never returned before.
func (p *pool) unusual() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial++
	return p.serial
}

// pick returns a random key of the table, nil if it knows none.
func (p *pool) pick(table string, rng *rand.Rand) []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.tables[table]
	if k == nil || len(k.list) == 0 {
		return nil
	}
	return k.list[rng.IntN(len(k.list))]
}

// size is how many keys of the table it knows.
func (p *pool) size(table string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.tables[table].list)
}

// update takes over what a committed transaction did.
func (p *pool) update(rows []touched) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range rows {
		k := p.tables[row.id.table]
		switch {
		case row.after.present:
			k.add(row.key)
		case row.before.present:
			k.remove(row.id.key)
		}
	}
}

// forget drops a key that turned out to be gone.
func (p *pool) forget(id rowID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tables[id.table].remove(id.key)
}

func (k *keys) add(key []any) {
	text := keyText(key)
	if _, known := k.at[text]; known || len(k.list) >= 2*maxPool {
		return
	}
	k.at[text] = len(k.list)
	k.list = append(k.list, key)
}

func (k *keys) remove(text string) {
	i, known := k.at[text]
	if !known {
		return
	}
	last := len(k.list) - 1
	k.list[i] = k.list[last]
	k.at[keyText(k.list[i])] = i
	k.list = k.list[:last]
	delete(k.at, text)
}

func hasNull(key []any) bool {
	for _, v := range key {
		if v == nil {
			return true
		}
	}
	return false
}
