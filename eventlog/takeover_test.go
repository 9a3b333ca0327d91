package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
)

func takeover(t require.TestingT, dr, old blob.Store) *eventlog.TakeoverReport {
	r, err := eventlog.Takeover(background, eventlog.TakeoverConfig{DR: dr, Old: old, Reason: "drill"})
	require.NoError(t, err)
	return r
}

func names(infos []eventlog.SegmentInfo) (out []string) {
	for _, i := range infos {
		out = append(out, i.Name())
	}
	return out
}

// lagging is a log whose mirror lacks the last n segments: nothing of them was
// acknowledged.
func lagging(t *testing.T, n int) (local, mirror *memory.Store) {
	local, mirror = memory.New(), memory.New()
	w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, PipelineBytes: 1, Pipeline: 16, Reason: "test"})
	require.NoError(t, err)
	_, err = w.Append(background, eventlog.Batch{Schema: schema(2)})
	require.NoError(t, err)
	fill(t, w, 3)
	mirror.Use(memory.Always(memory.Failed()))
	for i := range n {
		seq, err := w.Append(background, one(fmt.Sprint("unacknowledged ", i)))
		require.NoError(t, err)
		for w.Frontier().Local < seq {
			time.Sleep(time.Millisecond) //nolint:forbidigo // time of the bubble
		}
	}
	crash(w)
	mirror.Use(nil)
	return local, mirror
}

func TestTakeoverSavesWhatOnlyTheOldStoreHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := lagging(t, 5)
		r := takeover(t, mirror, local)
		require.EqualValues(t, 2, r.Epoch)
		require.EqualValues(t, 8, r.End.Seq)
		require.Len(t, r.Copied, 5)
		require.Empty(t, r.Orphans)
		require.Empty(t, r.OldFailed)
		require.Equal(t, segments(t, local), segments(t, mirror))
		require.Len(t, transactions(t, mirror), 8)
	})
}

func TestTakeoverWithoutTheOldStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := lagging(t, 5)
		r := takeover(t, mirror, nil)
		require.EqualValues(t, 3, r.End.Seq)
		require.Empty(t, r.Copied)

		// The old store comes back as the new mirror: what it alone has stays there as
		// orphans, named one by one, and is not in the log.
		w := open(t, mirror, local)
		fill(t, w, 2)
		require.NoError(t, w.Close(background))
		require.Equal(t, segments(t, mirror), segments(t, local))
		require.Len(t, transactions(t, local), 5)
		v, err := eventlog.OpenLog(local).Verify(background)
		require.NoError(t, err)
		require.Empty(t, v.Damage)
		require.Len(t, v.Orphans, 5)
		for i, o := range v.Orphans {
			seg, err := eventlog.OpenLog(local).Segment(background, o.Epoch, o.Slot)
			require.NoError(t, err)
			for e, err := range seg.Events() {
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint("unacknowledged ", i), e.Tx.TxID)
			}
			for _, err := range eventlog.OpenLog(local).Segments(background, o.End()) {
				require.ErrorIs(t, err, eventlog.ErrDiverged, "a position among orphans is not on the log")
			}
		}
	})
}

func TestTakeoverReportsOrphans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := lagging(t, 4)
		takeover(t, mirror, nil)
		r := takeover(t, mirror, local) // repeated when the old store can be read
		require.Len(t, r.Orphans, 4)
		require.EqualValues(t, 3, r.Epoch)
	})
}

func TestOldWriterIsFenced(t *testing.T) {
	t.Parallel()
	for _, reachable := range []bool{true, false} {
		t.Run(fmt.Sprint("old store reachable ", reachable), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				local, mirror := memory.New(), memory.New()
				w := openWithSchema(t, local, mirror)
				fill(t, w, 3)
				var old blob.Store
				if reachable {
					old = local
				}
				takeover(t, mirror, old)
				seq, err := w.Append(background, one("too late"))
				require.NoError(t, err)
				err = w.WaitDurable(background, seq)
				require.ErrorIs(t, err, eventlog.ErrFenced)
				require.ErrorContains(t, err, "drill")
				<-w.Done()
				require.ErrorIs(t, w.Close(background), eventlog.ErrFenced)
				require.Len(t, transactions(t, mirror), 3)
				_, err = eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror})
				require.ErrorIs(t, err, eventlog.ErrFenced)
				require.ErrorContains(t, err, "drill")
				w = open(t, mirror, local)
				fill(t, w, 1)
				require.NoError(t, w.Close(background))
			})
		})
	}
}

// A takeover must get ahead of a writer that is faster than the takeover's requests.
func TestTakeoverOfAFastWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := slow(time.Millisecond), slow(time.Millisecond)
		w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, PipelineBytes: 1, Pipeline: 64})
		require.NoError(t, err)
		_, err = w.Append(background, eventlog.Batch{Schema: schema(1)})
		require.NoError(t, err)
		var acked eventlog.Seq
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				seq, err := w.Append(background, one("x"))
				if err != nil {
					return
				}
				if w.WaitDurable(background, seq) == nil {
					acked = seq
				}
			}
		}()
		time.Sleep(time.Second) //nolint:forbidigo // time of the bubble
		r, err := eventlog.Takeover(within(30*time.Second), eventlog.TakeoverConfig{DR: slower{mirror}, Old: slower{local}, Reason: "drill"})
		require.NoError(t, err)
		<-done
		require.ErrorIs(t, w.Err(), eventlog.ErrFenced)
		require.GreaterOrEqual(t, r.End.Seq, acked)
		require.NoError(t, ignoreFenced(w.Close(background)))
		w = open(t, mirror, local)
		require.NoError(t, w.Close(background))
		v, err := eventlog.OpenLog(mirror).Verify(background)
		require.NoError(t, err)
		require.Empty(t, v.Damage)
	})
}

// slower is a store seen over a slow line.
type slower struct{ *memory.Store }

func (s slower) Create(ctx context.Context, name string, body []byte) error {
	time.Sleep(20 * time.Millisecond) //nolint:forbidigo // time of the bubble
	return s.Store.Create(ctx, name, body)
}

func ignoreFenced(err error) error {
	if errors.Is(err, eventlog.ErrFenced) {
		return nil
	}
	return err
}

func TestOldStoreThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := lagging(t, 2)
		local.Use(&memory.Rule{Op: memory.Create, Fault: memory.Fault{Err: fmt.Errorf("immutable: %w", blob.ErrPermanent), Effect: memory.Never}})
		r := takeover(t, mirror, local)
		require.Contains(t, r.OldFailed, "immutable")
		require.Len(t, r.Copied, 2)
		require.EqualValues(t, 5, r.End.Seq)
	})
}

func TestOldStoreThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := lagging(t, 2)
		local.Use(memory.Always(memory.Hung()))
		_, err := eventlog.Takeover(background, eventlog.TakeoverConfig{DR: mirror, Old: local, Reason: "drill", AttemptTimeout: time.Second})
		require.ErrorContains(t, err, "take over without it")
		r := takeover(t, mirror, nil)
		require.EqualValues(t, 3, r.End.Seq)
	})
}

// Killed at any request, a takeover can be repeated; what was acknowledged is kept, and
// the old writer stays able to start only if the log has not moved.
func TestTakeoverKilledAnywhere(t *testing.T) {
	t.Parallel()
	for which := range 2 {
		for call := 0; ; call++ {
			finished := false
			t.Run(fmt.Sprint("store ", which, " call ", call), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					local, mirror := lagging(t, 3)
					stores := []*memory.Store{mirror, local}
					ctx, cancel := context.WithCancel(background)
					n := 0
					stores[which].Use(memory.PlanFunc(func(memory.Call) memory.Fault {
						if n++; n > call {
							cancel()
							return memory.Failed()
						}
						return memory.Fault{}
					}))
					_, err := eventlog.Takeover(ctx, eventlog.TakeoverConfig{DR: mirror, Old: local, Reason: "killed"})
					finished = err == nil
					cancel()
					mirror.Use(nil)
					local.Use(nil)
					w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror})
					if err == nil { // not moved yet
						require.NoError(t, w.Close(background))
					} else {
						require.ErrorIs(t, err, eventlog.ErrFenced)
					}
					r := takeover(t, mirror, local)
					require.EqualValues(t, 6, r.End.Seq)
					w = open(t, mirror, local)
					fill(t, w, 1)
					require.NoError(t, w.Close(background))
					require.Equal(t, segments(t, mirror), segments(t, local))
					require.Len(t, transactions(t, mirror), 7)
				})
			})
			if finished {
				require.Greater(t, call, 5)
				break
			}
		}
	}
}

// After a failover a brand-new store becomes the mirror: it gets the same objects.
func TestNewMirror(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := lagging(t, 2)
		takeover(t, mirror, local)
		fresh := memory.New()
		fresh.Use(memory.Random(1, memory.Rates{Failed: 0.2, DoneButFailed: 0.2}))
		w := open(t, mirror, fresh)
		fill(t, w, 2)
		require.NoError(t, w.Close(background))
		fresh.Use(nil)
		require.Equal(t, mirror.Names(), fresh.Names())
		for _, name := range mirror.Names() {
			if name == "store" {
				continue // an identity is a store's own
			}
			a, _ := mirror.Bytes(name)
			b, _ := fresh.Bytes(name)
			require.Equal(t, a, b, name)
		}
		require.Len(t, transactions(t, fresh), 7)
	})
}

// A new mirror whose filling was interrupted has holes; the next start fills them.
func TestNewMirrorInterrupted(t *testing.T) {
	t.Parallel()
	for call := range 30 {
		synctest.Test(t, func(t *testing.T) {
			local, mirror := memory.New(), memory.New()
			for range 2 {
				w := openWithSchema(t, local, mirror)
				fill(t, w, 6)
				require.NoError(t, w.Close(background))
			}
			fresh := memory.New()
			ctx, cancel := context.WithCancel(background)
			n := 0
			fresh.Use(memory.PlanFunc(func(c memory.Call) memory.Fault {
				if c.Op != memory.Create {
					return memory.Fault{}
				}
				if n++; n > call {
					cancel()
					return memory.Failed()
				}
				return memory.Fault{Before: time.Duration(n*7%5) * time.Millisecond} // out of order
			}))
			w, err := eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: local, Mirror: fresh})
			cancel()
			fresh.Use(nil)
			if err == nil {
				crash(w)
			}
			w = open(t, local, fresh)
			fill(t, w, 1)
			require.NoError(t, w.Close(background))
			require.Equal(t, segments(t, local), segments(t, fresh))
			require.Len(t, transactions(t, fresh), 13)
		})
	}
}

// A home that has lost acknowledged segments (an old copy of it, say) must not set
// aside what its mirror still has.
func TestRolledBackHome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w := openWithSchema(t, local, mirror)
		fill(t, w, 2)
		old := local.Clone()
		fill(t, w, 3)
		crash(w)
		dw, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: old.Clone(), Mirror: mirror})
		require.NoError(t, err, "the mirror gives it back what it lost")
		require.EqualValues(t, 5, dw.Frontier().Durable)
		require.NoError(t, dw.Close(background))

		// Without the mirror it cannot know; when they meet, the loss is seen.
		local, mirror = memory.New(), memory.New()
		w = openWithSchema(t, local, mirror)
		fill(t, w, 2)
		old = local.Clone()
		fill(t, w, 3)
		crash(w)
		mirror.Use(memory.Always(memory.Failed()))
		dw = degrading(t, old, mirror)
		mirror.Use(nil)
		<-dw.Done()
		require.ErrorIs(t, dw.Err(), eventlog.ErrDiverged)
		require.ErrorIs(t, dw.Err(), eventlog.ErrFenced)
	})
}

func TestTwoStartersHaveOneWinner(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			local, mirror := memory.New(), memory.New()
			if seed%4 > 0 {
				w := openWithSchema(t, local, mirror)
				fill(t, w, 2)
				crash(w)
			}
			for i, s := range []*memory.Store{local, mirror} {
				s.Use(memory.Random(seed*2+uint64(i), memory.Rates{MaxDelay: 20 * time.Millisecond, Failed: 0.05, DoneButFailed: 0.05}))
			}
			type result struct {
				w   *eventlog.Writer
				err error
			}
			results := make(chan result, 4)
			for range 4 {
				go func() {
					w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror})
					results <- result{w, err}
				}()
			}
			alive := 0
			var writers []*eventlog.Writer
			for range 4 {
				r := <-results
				if r.err != nil {
					require.ErrorIs(t, r.err, eventlog.ErrFenced)
					continue
				}
				writers = append(writers, r.w)
			}
			for _, w := range writers {
				_, err := w.Append(background, eventlog.Batch{Schema: schema(1)})
				if err == nil {
					_, err = w.Flush(background)
				}
				if err == nil {
					alive++
				} else {
					require.ErrorIs(t, err, eventlog.ErrFenced)
				}
			}
			require.LessOrEqual(t, alive, 1, "of %d that started", len(writers))
			require.NotEmpty(t, writers)
			for _, w := range writers {
				crash(w)
			}
		})
	}
}

func TestStoresThatDoNotBelongTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror, other := memory.New(), memory.New(), memory.New()
		w := openWithSchema(t, local, mirror)
		fill(t, w, 1)
		require.NoError(t, w.Close(background))
		w = openWithSchema(t, other, memory.New())
		fill(t, w, 1)
		require.NoError(t, w.Close(background))

		_, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: other})
		require.ErrorIs(t, err, eventlog.ErrOtherStream)
		_, err = eventlog.Takeover(background, eventlog.TakeoverConfig{DR: other, Old: local})
		require.ErrorIs(t, err, eventlog.ErrOtherStream)
		_, err = eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: local})
		require.ErrorIs(t, err, eventlog.ErrDiverged)
		_, err = eventlog.OpenWriter(background, eventlog.WriterConfig{Local: mirror, Mirror: local})
		require.ErrorIs(t, err, eventlog.ErrFenced, "exchanged")
		_, err = eventlog.OpenWriter(background, eventlog.WriterConfig{Local: memory.New(), Mirror: mirror})
		require.ErrorIs(t, err, eventlog.ErrFenced, "an empty store in place of the home, say a folder that is not mounted")

		// Two takeovers that could not see each other.
		takeover(t, mirror, nil)
		takeover(t, local, nil)
		_, err = eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror})
		require.ErrorIs(t, err, eventlog.ErrDiverged)
		require.ErrorContains(t, err, "new, empty store")
	})
}

// pretender acknowledges fences and does not store them.
type pretender struct{ blob.Store }

func (p pretender) Create(ctx context.Context, name string, body []byte) error {
	if bytes.HasPrefix(body, []byte("LBLOGFEN")) {
		return nil
	}
	return p.Store.Create(ctx, name, body)
}

// A fence that is not there fences nobody: a takeover reads it back, and ends.
func TestFenceThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, mirror := lagging(t, 3)
	_, err := eventlog.Takeover(background, eventlog.TakeoverConfig{DR: pretender{mirror}, Reason: "test"})
	require.ErrorIs(t, err, eventlog.ErrGap)
	require.ErrorContains(t, err, "the store answered that it is there")
}
