package capture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
	"lifeboat/eventlog/capture"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
)

type rig struct {
	t             require.TestingT
	db            *fakeDB
	local, mirror *memory.Store
	writer        *eventlog.Writer
	drainer       *capture.Drainer
	cfg           capture.Config
}

func newRig(t require.TestingT, cfg capture.Config) *rig {
	r := &rig{t: t, db: newFakeDB("ward", "patient"), local: memory.New(), mirror: memory.New(), cfg: cfg}
	_, err := r.db.Install(context.Background())
	require.NoError(t, err)
	r.start()
	return r
}

func (r *rig) start() {
	var err error
	r.writer, err = eventlog.OpenWriter(context.Background(), eventlog.WriterConfig{Local: r.local, Mirror: r.mirror, Reason: "test"})
	require.NoError(r.t, err)
	r.cfg.Source, r.cfg.Writer = r.db, r.writer
	r.drainer, err = capture.New(r.cfg)
	require.NoError(r.t, err)
}

func (r *rig) stop() {
	require.NoError(r.t, r.writer.Close(context.Background()))
	require.Zero(r.t, r.db.views, "views left open")
}

// crash stops the process without making anything durable first.
func (r *rig) crash() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.writer.Close(ctx)
}

// fold applies the log in a store to nothing.
func fold(t require.TestingT, store *memory.Store) (rows map[string]map[string]int, last eventlog.Seq, txs []string) {
	rows = map[string]map[string]int{}
	for s, err := range eventlog.OpenLog(store).Segments(context.Background(), eventlog.Position{}) {
		require.NoError(t, err)
		for e, err := range s.Events() {
			require.NoError(t, err)
			if e.Tx == nil {
				continue
			}
			last++
			require.Equal(t, last, e.Seq)
			txs = append(txs, e.Tx.TxID)
			for _, c := range e.Tx.Changes {
				if rows[c.Table] == nil {
					rows[c.Table] = map[string]int{}
				}
				n := 1
				if c.Op == database.Delete {
					n = -1
				}
				if rows[c.Table][string(c.Row)] += n; rows[c.Table][string(c.Row)] == 0 {
					delete(rows[c.Table], string(c.Row))
				}
				if len(rows[c.Table]) == 0 {
					delete(rows, c.Table)
				}
			}
		}
	}
	return rows, last, txs
}

func (db *fakeDB) want() map[string]map[string]int {
	rows := map[string]map[string]int{}
	for name, have := range db.rows {
		for _, r := range have {
			if rows[name] == nil {
				rows[name] = map[string]int{}
			}
			rows[name][string(r)]++
		}
	}
	return rows
}

func TestDrainTakesWhatIsCommitted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, capture.Config{})
	a, b := r.db.begin(), r.db.begin()
	a.put("ward", 1, "north")
	a.put("patient", 1, "ann")
	b.put("ward", 2, "south")
	b.commit() // later begun, first committed
	seq, err := r.drainer.Drain(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, seq)
	a.commit()
	res, err := r.drainer.Barrier(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, res.Seq)
	require.False(t, res.DurableAt.IsZero())
	rows, last, txs := fold(t, r.mirror)
	require.EqualValues(t, 2, last)
	require.Equal(t, []string{"2", "1"}, txs)
	require.Equal(t, r.db.want(), rows)
	r.stop()
}

// Whatever crashes between appending and forgetting, every change is in the log once.
func TestCaptureAcrossCrashes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		r := newRig(t, capture.Config{MemoryBytes: rapid.SampledFrom([]int{1, 400, 1 << 20}).Draw(t, "memory")})
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"write", "write", "write", "drain", "barrier", "crash", "forgetfails", "view"}), 1, 30).Draw(t, "steps")
		v := 0
		for _, step := range steps {
			switch step {
			case "write":
				x := r.db.begin()
				for range rapid.IntRange(1, 4).Draw(t, "changes") {
					v++
					value := fmt.Sprint("v", v)
					if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
						value = ""
					}
					x.put(rapid.SampledFrom([]string{"ward", "patient"}).Draw(t, "table"), rapid.Int64Range(1, 5).Draw(t, "id"), value)
				}
				x.commit()
			case "drain":
				_, err := r.drainer.Drain(ctx)
				require.NoError(t, err)
			case "barrier":
				_, err := r.drainer.Barrier(ctx)
				require.NoError(t, err)
				rows, _, _ := fold(t, r.mirror)
				require.Equal(t, r.db.want(), rows)
			case "view":
				checkView(ctx, t, r)
			case "crash":
				r.crash()
				r.start()
			case "forgetfails":
				r.db.fail = func() error { return errors.New("database is locked") }
				_, err := r.drainer.Drain(ctx)
				require.Error(t, err)
				require.Error(t, r.drainer.Err())
				r.db.fail = nil
			}
		}
		_, err := r.drainer.Barrier(ctx)
		require.NoError(t, err)
		for _, store := range []*memory.Store{r.local, r.mirror} {
			rows, _, _ := fold(t, store)
			require.Equal(t, r.db.want(), rows)
		}
		r.stop()
	})
}

// A view is exactly the transactions up to its position: its rows have the ledger's hash.
func checkView(ctx context.Context, t require.TestingT, r *rig) {
	view, at, err := r.drainer.View(ctx)
	require.NoError(t, err)
	ledger := database.States{}
	if !at.IsZero() {
		seg, err := eventlog.OpenLog(r.mirror).Segment(ctx, at.Epoch, at.Slot)
		require.NoError(t, err)
		require.Equal(t, at, seg.Info().End())
		ledger = seg.Ledger()
	}
	for i := range view.Schema().Tables {
		tab := &view.Schema().Tables[i]
		require.Equal(t, view.(*fakeView).state(tab), ledger[tab.Name], "table %s at %v", tab.Name, at)
	}
	require.NoError(t, view.Close())
}

func TestBarriersShareDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		r := newRig(t, capture.Config{})
		var views atomic.Int64
		r.db.onView = func() {
			views.Add(1)
			time.Sleep(time.Millisecond) //nolint:forbidigo // time of the bubble
		}
		_, err := r.drainer.Barrier(ctx)
		require.NoError(t, err)
		r.local.Use(memory.Random(1, memory.Rates{MaxDelay: 10 * time.Millisecond}))
		r.mirror.Use(memory.Random(2, memory.Rates{MaxDelay: 100 * time.Millisecond}))
		before, creates := views.Load(), r.mirror.Counts().Create
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() {
				x := r.db.begin()
				x.put("ward", int64(i), "x")
				x.commit()
				res, err := r.drainer.Barrier(ctx)
				if err != nil || int(res.Seq) < 1 {
					t.Errorf("barrier: %v, seq %d", err, res.Seq)
				}
			})
		}
		group.Wait()
		require.LessOrEqual(t, views.Load()-before, int64(10), "drains for a thousand callers")
		require.LessOrEqual(t, r.mirror.Counts().Create-creates, int64(10), "segments for a thousand callers")
		rows, _, _ := fold(t, r.mirror)
		require.Equal(t, r.db.want(), rows)
		r.stop()
	})
}

func TestBarrierOutlivesItsLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, capture.Config{})
		r.db.viewWait = make(chan struct{})
		hurried, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		lead := make(chan error, 1)
		go func() { _, err := r.drainer.Barrier(hurried); lead <- err }()
		synctest.Wait()
		follow := make(chan error, 1)
		go func() { _, err := r.drainer.Barrier(context.Background()); follow <- err }()
		require.ErrorIs(t, <-lead, eventlog.ErrNotDurable)
		close(r.db.viewWait)
		require.NoError(t, <-follow)
		r.stop()
	})
}

func TestBarrierWithoutMirror(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, capture.Config{})
		_, err := r.drainer.Barrier(context.Background())
		require.NoError(t, err)
		r.mirror.Use(memory.Always(memory.Failed()))
		x := r.db.begin()
		x.put("ward", 1, "x")
		x.commit()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = r.drainer.Barrier(ctx)
		require.ErrorIs(t, err, eventlog.ErrNotDurable)
		r.mirror.Use(nil)
		_, err = r.drainer.Barrier(context.Background())
		require.NoError(t, err)
		r.stop()
	})
}

// A change of schema: what was captured before stays readable in the old shape, a new
// record and a new base come, and no barrier is answered in between.
func TestSchemaChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		var bases []eventlog.Position
		var r *rig
		gate := make(chan struct{}, 1)
		gate <- struct{}{}
		cfg := capture.Config{OnSchemaChange: func(ctx context.Context, v database.View, at eventlog.Position) error {
			if len(bases) == 1 {
				bases = append(bases, eventlog.Position{})
				return errors.New("the store is full")
			}
			<-gate
			require.Equal(t, print(r.db.schema), print(v.Schema()))
			bases = append(bases, at)
			return nil
		}}
		r = newRig(t, cfg)
		run, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- r.drainer.Run(run, 100*time.Millisecond) }()
		x := r.db.begin()
		x.put("ward", 1, "x")
		x.commit()
		_, err := r.drainer.Barrier(ctx)
		require.NoError(t, err)
		require.Len(t, bases, 1, "the first base")

		r.db.alter("ward")
		x = r.db.begin()
		x.put("ward", 1, "y") // captured by the old triggers
		x.put("ward", 2, "z")
		x.commit()
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err = r.drainer.Barrier(short)
		require.ErrorIs(t, err, eventlog.ErrNotDurable, "no answer before the base")
		open := time.Now()
		gate <- struct{}{}
		answer, err := r.drainer.Barrier(ctx)
		require.NoError(t, err)
		require.False(t, answer.DurableAt.Before(open), "what only the base holds was not durable before it")
		require.Len(t, bases, 3)
		require.Equal(t, 2, r.db.installs)

		x = r.db.begin()
		x.put("ward", 3, "new")
		x.commit()
		_, err = r.drainer.Barrier(ctx)
		require.NoError(t, err)
		stop()
		require.NoError(t, <-done)
		checkLedgerAfter(t, r, bases[2])
		r.stop()
	})
}

// After a new shape the ledger counts from zero: base + ledger is the database.
func checkLedgerAfter(t *testing.T, r *rig, base eventlog.Position) {
	ctx := context.Background()
	end, err := eventlog.OpenLog(r.mirror).End(ctx)
	require.NoError(t, err)
	atBase, err := eventlog.OpenLog(r.mirror).Segment(ctx, base.Epoch, base.Slot)
	require.NoError(t, err)
	atEnd, err := eventlog.OpenLog(r.mirror).Segment(ctx, end.Epoch, end.Slot)
	require.NoError(t, err)
	require.Equal(t, print(r.db.schema), print(atEnd.Schema()))
	require.NotContains(t, atBase.Ledger(), "ward")
	require.EqualValues(t, 1, atEnd.Ledger()["ward"].Minus(atBase.Ledger()["ward"]).Count)
}

func TestRestartWithoutBase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		r := newRig(t, capture.Config{})
		_, err := r.drainer.Barrier(ctx) // no callback: nothing is held
		require.NoError(t, err)
		r.crash()
		bases := 0
		r.cfg.HasBase = func(_ context.Context, since eventlog.Seq) (bool, error) { return bases > 0, nil }
		r.cfg.OnSchemaChange = func(context.Context, database.View, eventlog.Position) error { bases++; return nil }
		r.start()
		run, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- r.drainer.Run(run, 50*time.Millisecond) }()
		_, err = r.drainer.Barrier(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, bases)
		stop()
		require.NoError(t, <-done)
		r.stop()
	})
}

func TestRunForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		r := newRig(t, capture.Config{})
		run, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- r.drainer.Run(run, 50*time.Millisecond) }()
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range 50 {
			x := r.db.begin()
			x.put("patient", rng.Int64N(10), fmt.Sprint(i))
			x.commit()
			if i%7 == 0 {
				time.Sleep(20 * time.Millisecond) //nolint:forbidigo // time of the bubble
			}
		}
		_, err := r.drainer.Barrier(ctx)
		require.NoError(t, err)
		time.Sleep(time.Second) //nolint:forbidigo // time of the bubble
		n, err := r.db.Pending(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		require.Zero(t, r.writer.Outstanding().Len())
		stop()
		require.NoError(t, <-done)
		r.stop()
	})
}

func TestRunEndsWithTheWriter(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, capture.Config{})
	_, err := r.drainer.Barrier(ctx)
	require.NoError(t, err)
	_, err = eventlog.Takeover(ctx, eventlog.TakeoverConfig{DR: r.mirror, Old: r.local, Reason: "lost"})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- r.drainer.Run(ctx, time.Millisecond) }()
	x := r.db.begin()
	x.put("ward", 1, "x")
	x.commit()
	require.ErrorIs(t, <-done, eventlog.ErrFenced)
	_, err = r.drainer.Barrier(ctx)
	require.ErrorIs(t, err, eventlog.ErrFenced)
}

func TestTheSameFailureUnderOtherNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		bases := 0
		r := newRig(t, capture.Config{Log: slog.New(slog.NewTextHandler(&log, nil)), OnSchemaChange: func(context.Context, database.View, eventlog.Position) error {
			if bases++; bases == 20 {
				return errors.New("no route to the store")
			}
			return fmt.Errorf("write .tmp/%016x: no space left", bases*977)
		}})
		run, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.drainer.Run(run, 100*time.Millisecond) }()
		time.Sleep(30 * time.Second) //nolint:forbidigo // time of the bubble
		synctest.Wait()
		require.Equal(t, 2, strings.Count(log.String(), "no space left"), "at once, and after another one: %s", &log)
		require.Equal(t, 1, strings.Count(log.String(), "no route"))
		stop()
		require.NoError(t, <-done)
		r.stop()
	})
}

// A failure that lasts is not logged at every drain, and its end is.
func TestRunLogsAFailureOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, capture.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		installed := r.db.installed
		r.db.installed = nil
		run, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.drainer.Run(run, 100*time.Millisecond) }()
		time.Sleep(150 * time.Second) //nolint:forbidigo // time of the bubble
		synctest.Wait()
		require.Equal(t, 3, strings.Count(log.String(), "drain failed"), "at once, after a minute, after two: %s", &log)
		require.NotContains(t, log.String(), "draining goes on")
		r.db.mu.Lock()
		r.db.installed = installed
		r.db.mu.Unlock()
		time.Sleep(time.Second) //nolint:forbidigo // time of the bubble
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "draining goes on"))
		stop()
		require.NoError(t, <-done)
		r.stop()
	})
}

func TestNotInstalled(t *testing.T) {
	t.Parallel()
	r := newRig(t, capture.Config{})
	r.db.installed = nil
	_, err := r.drainer.Drain(context.Background())
	require.ErrorIs(t, err, database.ErrNotInstalled)
	r.stop()
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := capture.New(capture.Config{})
	require.ErrorContains(t, err, "source")
}
