package restore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"lifeboat/internal/database"
)

// hashBatch is how many bytes of rows go to a hashing goroutine at once.
const hashBatch = 256 << 10

// rowBatch is rows, end to end.
type rowBatch struct {
	data []byte
	ends []int
}

// Scan reads every row of a table of a view and returns the table's state. Hashing runs
// beside the scan, on the other cores.
func Scan(ctx context.Context, view database.View, table *database.Table) (database.State, error) {
	var total database.State
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	full, empty := make(chan rowBatch, 4), make(chan rowBatch, 8)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			var sum database.State
			var scratch []byte
			for b := range full {
				from := 0
				for _, end := range b.ends {
					var h database.RowHash
					h, scratch = table.Hash(scratch, b.data[from:end])
					sum.Add(h)
					from = end
				}
				select {
				case empty <- rowBatch{b.data[:0], b.ends[:0]}:
				default:
				}
			}
			mu.Lock()
			total = total.Plus(sum)
			mu.Unlock()
			return nil
		})
	}
	err := scanInto(gctx, view, table, full, empty)
	close(full)
	if werr := g.Wait(); err == nil {
		err = werr
	}
	if err != nil {
		return database.State{}, fmt.Errorf("scan table %s: %w", table.Name, err)
	}
	return total, nil
}

func scanInto(ctx context.Context, view database.View, table *database.Table, full chan<- rowBatch, empty <-chan rowBatch) error {
	var b rowBatch
	for row, err := range view.Rows(ctx, table) {
		if err != nil {
			return err
		}
		b.data = append(b.data, row...)
		b.ends = append(b.ends, len(b.data))
		if len(b.data) >= hashBatch {
			full <- b
			select {
			case b = <-empty:
			default:
				b = rowBatch{}
			}
		}
	}
	full <- b
	return nil
}

// verify scans the finished target and compares every table with what it must be. Each
// core scans a table of its own.
func (r *restorer) verify(ctx context.Context) error {
	results := make([]TableResult, len(r.schema.Tables))
	r.expectRows(StepVerify)
	g, gctx := errgroup.WithContext(ctx)
	tables := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error { return r.verifyTables(gctx, tables, results) })
	}
	g.Go(func() error {
		defer close(tables)
		for i := range r.schema.Tables {
			select {
			case tables <- i:
			case <-gctx.Done():
				return context.Cause(gctx)
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	r.result.Tables = results
	for _, t := range results {
		r.result.Rows += t.Rows
	}
	return mismatch(results)
}

func (r *restorer) verifyTables(ctx context.Context, tables <-chan int, results []TableResult) (err error) {
	view, err := r.target.View(ctx)
	if err != nil {
		return fmt.Errorf("open the target for verification: %w", err)
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	for i := range tables {
		// The table as the target itself describes it: a column lost on the way must show.
		table := view.Schema().Table(r.schema.Tables[i].Name)
		if table == nil {
			return fmt.Errorf("%w: the target has no table %s", ErrMismatch, r.schema.Tables[i].Name)
		}
		state, err := Scan(ctx, view, table)
		if err != nil {
			return err
		}
		results[i] = TableResult{
			Name: table.Name, Rows: state.Count, State: state, Expected: r.expected[i], Match: state == r.expected[i],
		}
		r.advance(StepVerify, state.Count)
	}
	return nil
}
