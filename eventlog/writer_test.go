package eventlog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
)

func within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(background, d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// slow stores take as long as a round trip to another region.
func slow(rtt time.Duration) *memory.Store {
	s := memory.New()
	s.Use(memory.Always(memory.Fault{After: rtt}))
	return s
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := slow(time.Millisecond), slow(60*time.Millisecond)
		w := openWithSchema(t, local, mirror)
		before, begun := mirror.Counts().Create, time.Now()
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				for j := range 10 {
					seq, err := w.Append(background, one(fmt.Sprint(i, j), insert("t0", int64(i), "x")))
					if err == nil {
						err = w.WaitDurable(background, seq)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		require.LessOrEqual(t, mirror.Counts().Create-before, int64(2*10), "segments for 640 durable commits")
		require.LessOrEqual(t, time.Since(begun), 2*11*60*time.Millisecond)
		require.Equal(t, mirror.Counts().Create, local.Counts().Create, "one append is one request to each store")
		require.NoError(t, w.Close(background))
		require.Len(t, transactions(t, mirror), 640)
	})
}

// One durable append to an open log is one create in each store, and nothing else.
func TestRequestsOfAnAppend(t *testing.T) {
	t.Parallel()
	local, mirror := memory.New(), memory.New()
	w := openWithSchema(t, local, mirror)
	l, m := local.Counts(), mirror.Counts()
	fill(t, w, 5)
	l.Create, m.Create = l.Create+5, m.Create+5
	got := local.Counts()
	l.BytesIn = got.BytesIn
	require.Equal(t, l, got)
	got = mirror.Counts()
	m.BytesIn = got.BytesIn
	require.Equal(t, m, got)
	require.Empty(t, mirror.Violations())
	require.NoError(t, w.Close(background))
}

func TestNoAnswerOutOfOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, PipelineBytes: 1, Pipeline: 8})
		require.NoError(t, err)
		withSchema(t, w)
		gap := eventlog.SegmentName(1, 2)
		mirror.Use(&memory.Rule{Op: memory.Create, Prefix: gap, Fault: memory.Failed()})
		for i := range 4 {
			_, err := w.Append(background, one(fmt.Sprint(i), insert("t0", 1, "x")))
			require.NoError(t, err)
			synctest.Wait()
		}
		require.NoError(t, w.WaitDurable(background, 1))
		_, there := mirror.Bytes(eventlog.SegmentName(1, 4))
		require.True(t, there, "later slots are under way")
		require.ErrorIs(t, w.WaitDurable(within(time.Minute), 2), eventlog.ErrNotDurable)
		require.ErrorIs(t, w.WaitDurable(within(time.Minute), 4), eventlog.ErrNotDurable)
		f := w.Frontier()
		require.Equal(t, []eventlog.Seq{4, 4, 1}, []eventlog.Seq{f.Committed, f.Local, f.Durable})
		require.EqualValues(t, 3, f.Exposed)
		require.False(t, f.Degraded)
		mirror.Use(nil)
		require.NoError(t, w.WaitDurable(background, 4))
		require.Zero(t, w.Frontier().Exposed)
		require.NoError(t, w.Close(background))
	})
}

// One answer that is late does not stop what comes behind it, up to four times what may
// be unanswered; and nothing of that is acknowledged.
func TestALateAnswerStopsNothingAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, PipelineBytes: 1, Pipeline: 2})
		require.NoError(t, err)
		withSchema(t, w)
		mirror.Use(&memory.Rule{Op: memory.Create, Prefix: eventlog.SegmentName(1, 1), Fault: memory.Hung()})
		for i := range 20 {
			_, err := w.Append(background, one(fmt.Sprint(i), insert("t0", 1, "x")))
			require.NoError(t, err)
			synctest.Wait()
		}
		require.Equal(t, 1+8, count(local, "log/"))
		require.Equal(t, 1+7, count(mirror, "log/"))
		require.Zero(t, w.Frontier().Durable)
		mirror.Use(nil)
		require.NoError(t, w.WaitDurable(background, 20))
		require.NoError(t, w.Close(background))
	})
}

// Blocking mode: nothing is acknowledged, memory is bounded, and all of it comes through
// when the mirror is back.
func TestBlockingMode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, SegmentBytes: 10_000, Pipeline: 2})
		require.NoError(t, err)
		_, err = w.Append(background, eventlog.Batch{Schema: schema(1)})
		require.NoError(t, err)
		fill(t, w, 1)
		mirror.Use(memory.Always(memory.Hung()))
		taken, refused := 0, error(nil)
		for refused == nil && taken < 1000 {
			_, refused = w.Append(within(time.Hour), one(fmt.Sprint(taken), insert("t0", 1, strings.Repeat("x", 1000))))
			taken++
		}
		require.ErrorIs(t, refused, context.DeadlineExceeded)
		require.Less(t, taken, 60, "two segments wait, two are under way")
		require.ErrorIs(t, w.WaitDurable(within(time.Minute), 2), eventlog.ErrNotDurable)
		require.EqualValues(t, 1, w.Frontier().Durable)
		require.False(t, w.Frontier().ExposedSince.IsZero())
		mirror.Use(nil)
		seq, err := w.Append(background, one("after", insert("t0", 1, "y")))
		require.NoError(t, err)
		require.NoError(t, w.WaitDurable(background, seq))
		require.NoError(t, w.Close(background))
		all := transactions(t, mirror)
		require.Len(t, all, taken+1)
		require.Equal(t, "after", all[len(all)-1].TxID)
		require.EqualValues(t, len(all), seq)
	})
}

// Bad input is refused whole, and the writer goes on.
func TestBadBatchesChangeNothing(t *testing.T) {
	t.Parallel()
	local, mirror := memory.New(), memory.New()
	w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, MaxBatchBytes: 1000})
	require.NoError(t, err)
	_, err = w.Append(background, one("1", insert("t0", 1, "x")))
	require.ErrorIs(t, err, eventlog.ErrNoSchema)
	_, err = w.Append(background, eventlog.Batch{Schema: schema(1)})
	require.NoError(t, err)
	good := insert("t0", 1, "x")
	for name, c := range map[string]struct {
		batch eventlog.Batch
		want  error
	}{
		"unknown table":     {one("2", good, insert("nowhere", 1, "x")), eventlog.ErrNoSchema},
		"malformed row":     {one("3", good, database.Change{Op: database.Insert, Table: "t0", Row: []byte{99}}), database.ErrRow},
		"a column too few":  {one("4", good, database.Change{Op: database.Insert, Table: "t0", Row: database.AppendInt(nil, 1)}), database.ErrRow},
		"unknown operation": {one("5", good, database.Change{Op: 'U', Table: "t0", Row: row(1, "x")}), nil},
		"too large":         {one("6", insert("t0", 1, strings.Repeat("x", 1000))), eventlog.ErrTooLarge},
		"long id":           {one(strings.Repeat("x", 1<<17)), eventlog.ErrTooLarge},
		"bad schema":        {eventlog.Batch{Schema: &database.Schema{Tables: []database.Table{{Name: "x"}}}}, database.ErrSchema},
		"large schema":      {eventlog.Batch{Schema: schema(50)}, eventlog.ErrTooLarge},
		"large note":        {eventlog.Batch{Note: &eventlog.Note{Text: strings.Repeat("x", 1<<17)}}, eventlog.ErrTooLarge},
	} {
		_, err := w.Append(background, c.batch)
		require.Error(t, err, name)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, name)
		}
	}
	require.Zero(t, w.Frontier().Committed)
	require.Zero(t, w.Outstanding().Len())
	fill(t, w, 2)
	require.ErrorIs(t, w.WaitDurable(background, 3), eventlog.ErrNotDurable, "never appended")
	require.NoError(t, w.Close(background))
	require.Len(t, transactions(t, mirror), 2)
}

// A transaction larger than the segment target is alone in one segment.
func TestLargeTransaction(t *testing.T) {
	t.Parallel()
	local, mirror := memory.New(), memory.New()
	w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, SegmentBytes: 4096})
	require.NoError(t, err)
	_, err = w.Append(background, eventlog.Batch{Schema: schema(2)})
	require.NoError(t, err)
	big := eventlog.Pending{TxID: "big"}
	for i := range 100_000 {
		big.Changes = append(big.Changes, insert("t1", int64(i), fmt.Sprint("row ", i)))
	}
	for _, b := range []eventlog.Batch{one("small", insert("t0", 1, "x")), {Transactions: []eventlog.Pending{big}}, one("after")} {
		_, err := w.Append(background, b)
		require.NoError(t, err)
	}
	_, err = w.Flush(background)
	require.NoError(t, err)
	require.NoError(t, w.Close(background))
	all := transactions(t, mirror)
	require.Equal(t, big.Changes, all[1].Changes)
	for _, i := range segments(t, mirror) {
		if i.First <= 2 && 2 <= i.Last {
			require.EqualValues(t, 1, i.Transactions())
		}
	}
}

func TestTimesNeverGoBack(t *testing.T) {
	t.Parallel()
	local, mirror := memory.New(), memory.New()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { now = now.Add(-time.Hour); return now } // a clock that runs backwards
	for range 3 {
		w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, Clock: clock})
		require.NoError(t, err)
		if w.Schema() == nil {
			_, err = w.Append(background, eventlog.Batch{Schema: schema(2)})
			require.NoError(t, err)
		}
		fill(t, w, 2)
		_, err = w.Append(background, eventlog.Batch{Transactions: []eventlog.Pending{{TxID: "old", Time: now.Add(-24 * time.Hour)}, {TxID: "new", Time: now.Add(72 * time.Hour)}}})
		require.NoError(t, err)
		_, err = w.Flush(background)
		require.NoError(t, err)
		require.NoError(t, w.Close(background))
	}
	var last time.Time
	for _, tx := range transactions(t, mirror) {
		require.False(t, tx.Time.Before(last))
		last = tx.Time
	}
}

// The ledger of a table begins anew when its shape changes, and only then.
func TestLedgerAcrossSchemas(t *testing.T) {
	t.Parallel()
	local, mirror := memory.New(), memory.New()
	w := openWithSchema(t, local, mirror)
	_, err := w.Append(background, one("1", insert("t0", 1, "a"), insert("t1", 1, "b")))
	require.NoError(t, err)
	s := schema(3)
	s.Tables[1].Columns = append(s.Tables[1].Columns, database.Column{Name: "more", Type: "TEXT"})
	require.NoError(t, s.Seal())
	_, err = w.Append(background, eventlog.Batch{Schema: s, Note: &eventlog.Note{Kind: "why", Text: "a column"}, Transactions: []eventlog.Pending{{
		TxID: "2", Changes: []database.Change{insert("t0", 2, "c"), insert("t2", 1, "d")},
	}}})
	require.NoError(t, err)
	at, err := w.Flush(background)
	require.NoError(t, err)
	require.EqualValues(t, 1, w.SchemaSeq())
	crash(w)

	w = open(t, local, mirror)
	require.EqualValues(t, 1, w.SchemaSeq())
	require.Len(t, w.Schema().Tables, 3)
	_, err = w.Append(background, one("3", remove("t0", 1, "a")))
	require.NoError(t, err)
	end, err := w.Flush(background)
	require.NoError(t, err)
	require.NoError(t, w.Close(background))
	require.Len(t, transactions(t, mirror), 3) // checks every ledger

	seg, err := eventlog.OpenLog(mirror).Segment(background, at.Epoch, at.Slot)
	require.NoError(t, err)
	require.NotContains(t, seg.Ledger(), "t1")
	require.EqualValues(t, 2, seg.Ledger()["t0"].Count)
	require.EqualValues(t, 2, seg.Info().SchemaVersion)
	seg, err = eventlog.OpenLog(mirror).Segment(background, end.Epoch, end.Slot)
	require.NoError(t, err)
	require.EqualValues(t, 1, seg.Ledger()["t0"].Count)
	require.Len(t, seg.Schema().Tables, 3)
	require.Equal(t, []string{"why"}, notes(t, mirror))
}

func TestOutstanding(t *testing.T) {
	t.Parallel()
	local, mirror := memory.New(), memory.New()
	w := openWithSchema(t, local, mirror)
	_, err := w.Append(background, eventlog.Batch{ChangeIDs: []int64{7, 5, 6, 100}, Transactions: []eventlog.Pending{{TxID: "1"}}})
	require.NoError(t, err)
	w.Forgotten([]int64{6})
	at, err := w.Flush(background)
	require.NoError(t, err)
	w.Forgotten([]int64{5}) // too late for that segment: a restart knows it as outstanding still
	crash(w)
	w = open(t, local, mirror)
	require.Equal(t, []eventlog.IDRange{{First: 5, Last: 5}, {First: 7, Last: 7}, {First: 100, Last: 100}}, w.Outstanding().Ranges())
	seg, err := eventlog.OpenLog(local).Segment(background, at.Epoch, at.Slot)
	require.NoError(t, err)
	require.EqualValues(t, 4, seg.Taken().Len())
	require.True(t, seg.Outstanding().Contains(100))
	require.NoError(t, w.Close(background))
}

func TestCutSeparates(t *testing.T) {
	t.Parallel()
	local, mirror := memory.New(), memory.New()
	w := open(t, local, mirror)
	at, err := w.Flush(background)
	require.NoError(t, err)
	require.True(t, at.IsZero(), "nothing was ever appended")
	_, err = w.Append(background, eventlog.Batch{Schema: schema(1)})
	require.NoError(t, err)
	var waits []func(context.Context) (eventlog.Position, error)
	for i := range 20 {
		_, err := w.Append(background, one(fmt.Sprint(i), insert("t0", 1, "x")))
		require.NoError(t, err)
		waits = append(waits, w.Cut(), w.Cut())
	}
	for i, wait := range waits {
		at, err := wait(background)
		require.NoError(t, err)
		require.EqualValues(t, i/2+1, at.Seq)
		seg, err := eventlog.OpenLog(mirror).Segment(background, at.Epoch, at.Slot)
		require.NoError(t, err)
		require.Equal(t, at, seg.Info().End())
	}
	require.NoError(t, w.Close(background))
	w = open(t, local, mirror)
	again, err := w.Flush(background)
	require.NoError(t, err)
	require.EqualValues(t, 20, again.Seq)
	require.NoError(t, w.Close(background))
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w := openWithSchema(t, local, mirror)
		_, err := w.Append(background, one("1"))
		require.NoError(t, err)
		require.NoError(t, w.Close(background))
		require.NoError(t, w.Close(background), "twice")
		_, err = w.Append(background, one("2"))
		require.ErrorIs(t, err, eventlog.ErrClosed)
		require.NoError(t, w.WaitDurable(background, 1))
		require.ErrorIs(t, w.Err(), eventlog.ErrClosed)
		<-w.Done()
		require.Len(t, transactions(t, mirror), 1)

		w = open(t, local, mirror)
		mirror.Use(memory.Always(memory.Hung()))
		seq, err := w.Append(background, one("3"))
		require.NoError(t, err)
		require.ErrorIs(t, w.Close(within(time.Second)), eventlog.ErrNotDurable)
		require.ErrorIs(t, w.WaitDurable(background, seq), eventlog.ErrClosed)
		calls := mirror.Counts()
		time.Sleep(time.Hour) //nolint:forbidigo // time of the bubble
		require.Equal(t, calls, mirror.Counts(), "no request after the end")
	})
}

func TestWriterConfig(t *testing.T) {
	t.Parallel()
	_, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Pipeline: 1000, SegmentBytes: -1, Reason: strings.Repeat("x", 1<<20)})
	for _, problem := range []string{"mirror", "Pipeline", "SegmentBytes", "reason"} {
		require.ErrorContains(t, err, problem)
	}
}

// Every call to a store fails once, in both forms; the outcome is as if it had not.
func TestEveryCallFailsOnce(t *testing.T) {
	t.Parallel()
	scenario := func(t *testing.T, local, mirror *memory.Store) []eventlog.Transaction {
		for range 2 {
			w := openWithSchema(t, local, mirror)
			fill(t, w, 2)
			require.NoError(t, w.Close(background))
		}
		_, err := eventlog.Takeover(background, eventlog.TakeoverConfig{DR: mirror, Old: local, Reason: "drill"})
		require.NoError(t, err)
		w := open(t, mirror, local)
		fill(t, w, 1)
		require.NoError(t, w.Close(background))
		local.Use(nil)
		mirror.Use(nil)
		require.Equal(t, segments(t, local), segments(t, mirror))
		require.Equal(t, local.Names(), mirror.Names())
		return transactions(t, mirror)
	}
	local, mirror := memory.New(), memory.New()
	want := scenario(t, local, mirror)
	calls := func(s *memory.Store) int64 {
		c := s.Counts()
		return c.Create + c.Get + c.Stat + c.List
	}
	for which, n := range []int64{calls(local), calls(mirror)} {
		for form, fault := range []memory.Fault{memory.Failed(), memory.DoneButFailed(), memory.Delayed(3), {Effect: memory.Twice, Calls: 4}} {
			for call := range int(n) {
				t.Run(fmt.Sprint("store ", which, " form ", form, " call ", call), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						stores := []*memory.Store{memory.New(), memory.New()}
						stores[which].Use(&memory.Rule{Skip: call, Times: 1, Fault: fault})
						got := scenario(t, stores[0], stores[1])
						require.Len(t, got, len(want))
						for i := range want {
							require.Equal(t, want[i].Changes, got[i].Changes)
						}
					})
				})
			}
		}
	}
}
