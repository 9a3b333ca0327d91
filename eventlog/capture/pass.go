package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
)

// batchBytes is how much goes to the log at once: enough for one segment, so that a
// long drain is on its way while it is still being read.
const batchBytes = 4 << 20

// maxTurns bounds how often one pass follows a schema that keeps changing.
const maxTurns = 8

// pass drains once, in a view that it returns open. The caller has the turn.
func (d *Drainer) pass(ctx context.Context) (database.View, eventlog.Seq, error) {
	view, seq, err := d.follow(ctx)
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
	return view, seq, err
}

// follow drains until the view's schema is the one that capture is installed for.
func (d *Drainer) follow(ctx context.Context) (database.View, eventlog.Seq, error) {
	if err := d.start(ctx); err != nil {
		return nil, 0, err
	}
	for range maxTurns {
		// Before the view: what is forgotten later than this may still be seen in it.
		known := d.cfg.Writer.Outstanding()
		view, err := d.cfg.Source.View(ctx)
		if err != nil {
			return nil, 0, fmt.Errorf("drain: open a view: %w", err)
		}
		fits, err := d.drain(ctx, view, known)
		if err == nil && fits {
			return view, d.cfg.Writer.Frontier().Committed, nil
		}
		if err = errors.Join(err, view.Close()); err != nil {
			return nil, 0, err
		}
		if err := d.reinstall(ctx); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, fmt.Errorf("drain: %w: it changed %d times in a row", database.ErrSchemaChanged, maxTurns)
}

// drain appends what the view has captured. fits is false when the database's schema is
// no longer the one that capture is installed for.
func (d *Drainer) drain(ctx context.Context, view database.View, known *eventlog.IDSet) (fits bool, err error) {
	installed := view.Installed()
	if installed == nil {
		return false, fmt.Errorf("drain: %w", database.ErrNotInstalled)
	}
	same, err := d.known.same(installed, d.cfg.Writer.Schema())
	if err != nil {
		return false, err
	}
	if !same {
		if err := d.record(ctx, installed); err != nil {
			return false, err
		}
	}
	if fits, err = d.known.same(view.Schema(), installed); err != nil {
		return false, err
	}
	if !fits {
		d.hold() // before anything that was committed under it can be answered for
	}
	r := reader{drainer: d, view: view, known: known, budget: d.cfg.MemoryBytes}
	return fits, r.run(ctx)
}

// reader turns captured changes into batches for the log.
type reader struct {
	drainer *Drainer
	view    database.View
	known   *eventlog.IDSet
	budget  int
}

// group is one transaction as far as it has been read.
type group struct {
	tx    eventlog.Pending
	last  int64 // change id: transactions are in the order of their last change
	bytes int
	ids   []int64
}

// run reads the captured changes once if they fit into memory. If not, it finds the
// order and sizes of the transactions first and then reads as many at a time as fit:
// the view is one instant, so every reading is the same.
func (r *reader) run(ctx context.Context) error {
	groups, whole, err := r.read(ctx, nil)
	if err != nil || whole {
		return r.append(ctx, groups, err)
	}
	sizes, err := r.sizes(ctx)
	if err != nil {
		return err
	}
	for len(sizes) > 0 {
		chosen := make(map[string]bool)
		bytes := 0
		for len(sizes) > 0 && (bytes == 0 || bytes+sizes[0].bytes <= r.budget) {
			bytes += sizes[0].bytes
			chosen[sizes[0].tx.TxID] = true
			sizes = sizes[1:]
		}
		groups, _, err := r.read(ctx, chosen)
		if err = r.append(ctx, groups, err); err != nil {
			return err
		}
	}
	return nil
}

// read collects the transactions that are chosen (nil: all), in order. whole is false
// when they do not fit into memory.
func (r *reader) read(ctx context.Context, chosen map[string]bool) (groups []*group, whole bool, err error) {
	byTx := make(map[string]*group)
	bytes := 0
	var arena []byte
	for c, err := range r.view.Changes(ctx) {
		if err != nil {
			return nil, false, fmt.Errorf("drain: read captured changes: %w", err)
		}
		if r.known.Contains(c.ID) || chosen != nil && !chosen[c.Tx] {
			continue
		}
		if bytes += size(&c); chosen == nil && bytes > r.budget {
			return nil, false, nil
		}
		g := byTx[c.Tx]
		if g == nil {
			g = &group{tx: eventlog.Pending{TxID: c.Tx}}
			byTx[c.Tx] = g
			groups = append(groups, g)
		}
		arena, c.Row = keep(arena, c.Row)
		g.add(&c)
	}
	slices.SortFunc(groups, func(a, b *group) int { return cmp.Compare(a.last, b.last) })
	return groups, true, nil
}

// size is what a captured change takes in memory, roughly.
func size(c *database.Captured) int { return len(c.Row) + 96 }

// keep copies a row: the view's is valid until the next one only.
func keep(arena, row []byte) (rest, kept []byte) {
	const chunk = 64 << 10
	if len(row) > cap(arena)-len(arena) {
		arena = make([]byte, 0, max(chunk, len(row)))
	}
	n := len(arena)
	arena = append(arena, row...)
	return arena, arena[n:len(arena):len(arena)]
}

func (g *group) add(c *database.Captured) {
	g.tx.Changes = append(g.tx.Changes, c.Change)
	g.ids = append(g.ids, c.ID)
	g.last = c.ID
	g.bytes += size(c)
	if c.At.After(g.tx.Time) {
		g.tx.Time = c.At
	}
}

// sizes finds the transactions in order and how large each is.
func (r *reader) sizes(ctx context.Context) ([]*group, error) {
	byTx := make(map[string]*group)
	var groups []*group
	for c, err := range r.view.Changes(ctx) {
		if err != nil {
			return nil, fmt.Errorf("drain: read captured changes: %w", err)
		}
		if r.known.Contains(c.ID) {
			continue
		}
		g := byTx[c.Tx]
		if g == nil {
			g = &group{tx: eventlog.Pending{TxID: c.Tx}}
			byTx[c.Tx] = g
			groups = append(groups, g)
		}
		g.last = c.ID
		g.bytes += size(&c)
	}
	slices.SortFunc(groups, func(a, b *group) int { return cmp.Compare(a.last, b.last) })
	return groups, nil
}

// append hands the transactions to the log, some at a time. Each batch brings the ids of
// its own changes, so a crash between two of them is no different from one between two
// drains.
func (r *reader) append(ctx context.Context, groups []*group, err error) error {
	for err == nil && len(groups) > 0 {
		var b eventlog.Batch
		bytes := 0
		for len(groups) > 0 && (bytes == 0 || bytes+groups[0].bytes <= batchBytes) {
			bytes += groups[0].bytes
			b.Transactions = append(b.Transactions, groups[0].tx)
			b.ChangeIDs = append(b.ChangeIDs, groups[0].ids...)
			groups[0], groups = nil, groups[1:]
		}
		err = r.drainer.appendBatch(ctx, b)
	}
	return err
}

func (d *Drainer) appendBatch(ctx context.Context, b eventlog.Batch) error {
	seq, err := d.cfg.Writer.Append(ctx, b)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if len(b.ChangeIDs) > 0 {
		d.mu.Lock()
		d.tokens = append(d.tokens, taken{seq, b.ChangeIDs})
		d.mu.Unlock()
	}
	return nil
}
