package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/restore/internal/pipeline"
)

func TestRunKeepsOrderAndBudget(t *testing.T) {
	t.Parallel()
	var held, most atomic.Int64
	p := pipeline.Pipeline[int]{
		Memory: pipeline.NewBudget(100), Requests: 4,
		Weigh: func(i int) int64 { return int64(20 + i%7*20) }, // up to 140: more than all
		Fetch: func(_ context.Context, i int) (int, error) {
			now := held.Add(int64(min(20+i%7*20, 100)))
			for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			return i * i, nil
		},
	}
	want := 0
	for item, err := range p.Run(t.Context(), 200) {
		require.NoError(t, err)
		require.Equal(t, want, item.Index)
		require.Equal(t, want*want, item.Value)
		held.Add(-int64(min(20+want%7*20, 100)))
		item.Release()
		want++
	}
	require.Equal(t, 200, want)
	require.LessOrEqual(t, most.Load(), int64(100))
}

func TestRunEndsAtTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	p := pipeline.Pipeline[int]{
		Memory: pipeline.NewBudget(10), Requests: 2, Weigh: func(int) int64 { return 1 },
		Fetch: func(_ context.Context, i int) (int, error) {
			if i == 3 {
				return 0, broken
			}
			return i, nil
		},
	}
	var got []int
	var failed error
	for item, err := range p.Run(t.Context(), 10) {
		if failed = err; err != nil {
			break
		}
		got = append(got, item.Value)
		item.Release()
	}
	require.Equal(t, []int{0, 1, 2}, got)
	require.ErrorIs(t, failed, broken)
}

func TestRunTellsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("the operator pressed a key")
	p := pipeline.Pipeline[int]{
		Memory: pipeline.NewBudget(10), Requests: 2, Weigh: func(int) int64 { return 1 },
		Fetch: func(_ context.Context, i int) (int, error) { return i, nil },
	}
	var failed error
	for item, err := range p.Run(ctx, 1000) {
		if failed = err; err == nil && item.Index == 5 {
			cancel(why)
		}
	}
	require.ErrorIs(t, failed, why)
}
