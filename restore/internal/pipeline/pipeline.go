// Package pipeline fetches ahead, within a budget of memory and of requests, and hands
// over in order.
package pipeline

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// Budget shares out some memory, in bytes. It is safe for concurrent use.
type Budget struct {
	sem *semaphore.Weighted
	cap int64
}

// NewBudget shares out that many bytes, at least one.
func NewBudget(bytes int64) *Budget {
	bytes = max(bytes, 1)
	return &Budget{sem: semaphore.NewWeighted(bytes), cap: bytes}
}

// acquire waits for n bytes. What is larger than the whole budget gets all of it, alone.
func (b *Budget) acquire(ctx context.Context, n int64) (release func(), err error) {
	n = min(n, b.cap)
	if err := b.sem.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { b.sem.Release(n) }, nil
}

// Pipeline describes what to fetch. Memory is taken in order, so that an early item
// never waits for a later one's.
type Pipeline[T any] struct {
	Memory   *Budget
	Requests int               // under way at once
	Weigh    func(i int) int64 // bytes that item i will hold
	Fetch    func(ctx context.Context, i int) (T, error)
}

// Item is what was fetched. Its memory counts as used until Release.
type Item[T any] struct {
	Index   int
	Value   T
	Release func()
}

// Run yields the results of Fetch(0) to Fetch(n-1). After an error, or when the loop is
// left, it stops and waits for what is under way.
func (p Pipeline[T]) Run(ctx context.Context, n int) iter.Seq2[Item[T], error] {
	type outcome struct {
		item Item[T]
		err  error
	}
	return func(yield func(Item[T], error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var g errgroup.Group
		defer func() { cancel(); _ = g.Wait() }() // the goroutines report through outcomes
		ahead := make(chan chan outcome, p.Requests)
		g.Go(func() error {
			defer close(ahead)
			for i := range n {
				release, err := p.Memory.acquire(ctx, p.Weigh(i))
				if err != nil {
					return nil
				}
				result := make(chan outcome, 1)
				select {
				case ahead <- result:
				case <-ctx.Done():
					return nil
				}
				g.Go(func() error {
					v, err := p.Fetch(ctx, i)
					result <- outcome{Item[T]{i, v, release}, err}
					return nil
				})
			}
			return nil
		})
		done := 0
		for result := range ahead {
			o := <-result
			if !yield(o.item, o.err) || o.err != nil {
				return
			}
			done++
		}
		if done < n {
			yield(Item[T]{}, context.Cause(ctx))
		}
	}
}
