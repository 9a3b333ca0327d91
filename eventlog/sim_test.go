package eventlog_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
)

var (
	soak     = flag.Int("soak", 0, "run this many seeds of the simulation in TestSoak")
	soakSeed = flag.Uint64("soak-seed", 1, "the first of them")
)

// seeds of TestSimulation; the race detector makes each ten times as slow.
const seeds = 300 - 240*raceFactor

// The simulated life of a log: writers that crash, come twice, are cut off and taken
// over, over stores that lose requests and answers, deliver late and twice, and get lost.
// Whatever was acknowledged must be in every later recovery.
func TestSimulation(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { t.Parallel(); simulate(t, seed) })
	}
}

// TestSoak is the same for as many seeds as are asked for: go test -run Soak -soak 10000.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("asked for by -soak N")
	}
	t.Parallel()
	workers := uint64(runtime.GOMAXPROCS(0))
	for worker := range workers {
		t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
			t.Parallel()
			for i := worker; i < uint64(*soak); i += workers {
				seed := *soakSeed<<20 + i
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { simulate(t, seed) })
			}
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed)
		for range 4 + w.rng.IntN(6) {
			w.event()
		}
		w.finish()
	})
}

type world struct {
	t             *testing.T
	rng           *rand.Rand
	mode          eventlog.MirrorLoss
	rates         memory.Rates
	local, mirror *memory.Store // as the operator has configured them now
	gone          *memory.Store // the old region's store, if it still exists somewhere
	stores        int
	ready         *memory.Store // a mirror that is known to hold all of the log

	mu     sync.Mutex
	acked  map[eventlog.Seq]string
	wrote  map[string][]database.Change
	next   int
	live   []*actor
	events []string
}

// actor is one writer with its clients.
type actor struct {
	w      *eventlog.Writer
	cancel context.CancelFunc
	group  sync.WaitGroup
}

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 42))
	w := &world{t: t, rng: rng, acked: map[eventlog.Seq]string{}, wrote: map[string][]database.Change{}}
	if rng.IntN(4) == 0 {
		w.mode = eventlog.Degrade
	}
	bad := rng.Float64() * 0.15
	w.rates = memory.Rates{Failed: bad, DoneButFailed: bad, Late: bad / 2, Twice: bad / 2, Cut: bad / 4, MaxCalls: 20, MaxDelay: 30 * time.Millisecond}
	if rng.IntN(5) == 0 {
		w.rates = memory.Rates{MaxDelay: 30 * time.Millisecond}
	}
	w.local, w.mirror = w.store(), w.store()
	w.start()
	return w
}

func (w *world) note(format string, args ...any) {
	w.events = append(w.events, fmt.Sprintf(format, args...))
}

func (w *world) store() *memory.Store {
	w.stores++
	s := memory.New()
	w.heal(s)
	return s
}

func (w *world) heal(s *memory.Store) { s.Use(memory.Random(w.rng.Uint64(), w.rates)) }

func (w *world) sleep() {
	time.Sleep(time.Duration(w.rng.IntN(400)) * time.Millisecond) //nolint:forbidigo // time of the bubble
}

// start opens a writer on the configured stores, as an agent would on its start.
func (w *world) start() {
	cfg := eventlog.WriterConfig{Local: w.local, Mirror: w.mirror, OnMirrorLoss: w.mode, Reason: "start",
		Patience: time.Second, AttemptTimeout: time.Second, SegmentBytes: 200 + w.rng.IntN(2000), Pipeline: 1 + w.rng.IntN(5), PipelineBytes: 1 + w.rng.IntN(300)}
	cfg = eventlog.SmallCopies(cfg, 2+w.rng.IntN(6), 1+w.rng.IntN(3))
	ctx, cancel := context.WithTimeout(background, 20*time.Second)
	defer cancel()
	lw, err := eventlog.OpenWriter(ctx, cfg)
	switch {
	case err == nil:
		w.note("epoch %d began", lw.Epoch())
		if w.mode == eventlog.Block {
			w.know(w.mirror)
		}
		w.run(lw)
	case errors.Is(err, context.DeadlineExceeded):
		w.note("start timed out: %v", err)
	case errors.Is(err, eventlog.ErrFenced):
		w.note("start refused: %v", err)
		w.takeover(w.local, w.mirror) // an earlier takeover got half way: finish it the other way round
	case errors.Is(err, eventlog.ErrDiverged):
		w.note("start found histories diverged: %v", err)
		w.mirror = w.store()
	default:
		w.fail("start: %v", err)
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, e := range w.events {
		w.t.Log(e)
	}
	w.t.Fatalf(format, args...)
}

// run lets clients append through a writer until it stops.
func (w *world) run(lw *eventlog.Writer) {
	ctx, cancel := context.WithCancel(background)
	a := &actor{w: lw, cancel: cancel}
	mirror := w.mirror
	w.live = append(w.live, a)
	if lw.Schema() == nil {
		_, _ = lw.Append(ctx, eventlog.Batch{Schema: schema(3)})
	}
	for range 1 + w.rng.IntN(3) {
		seed := w.rng.Uint64()
		a.group.Go(func() { w.client(ctx, lw, mirror, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func (w *world) client(ctx context.Context, lw *eventlog.Writer, mirror *memory.Store, rng *rand.Rand) {
	for ctx.Err() == nil && lw.Err() == nil {
		b, ids := w.batch(rng)
		last, err := lw.Append(ctx, b)
		if err != nil {
			continue
		}
		wait, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(2000))*time.Millisecond)
		if err := lw.WaitDurable(wait, last); err == nil {
			w.ack(last, ids)
			w.know(mirror)
		}
		cancel()
		time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond) //nolint:forbidigo // time of the bubble
	}
}

func (w *world) batch(rng *rand.Rand) (b eventlog.Batch, ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 1 + rng.IntN(3) {
		w.next++
		id := fmt.Sprint("tx", w.next)
		var changes []database.Change
		for range rng.IntN(4) {
			c := insert(fmt.Sprint("t", rng.IntN(3)), rng.Int64N(10), fmt.Sprint(id, " ", rng.Uint64()))
			if rng.IntN(3) == 0 {
				c.Op = database.Delete
			}
			changes = append(changes, c)
		}
		w.wrote[id] = changes
		ids = append(ids, id)
		b.Transactions = append(b.Transactions, eventlog.Pending{TxID: id, Changes: changes})
	}
	return b, ids
}

func (w *world) ack(last eventlog.Seq, ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, id := range ids {
		seq := last - eventlog.Seq(len(ids)-1-i)
		if old, ok := w.acked[seq]; ok && old != id {
			w.fail("seq %d was acknowledged as %s and as %s", seq, old, id)
		}
		w.acked[seq] = id
	}
}

// know remembers a mirror that holds all of the log.
func (w *world) know(mirror *memory.Store) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = mirror
}

func (a *actor) stop() {
	a.cancel()
	crash(a.w)
	a.group.Wait()
}

func (w *world) crashAll() {
	for _, a := range w.live {
		a.stop()
	}
	w.live = nil
}

// event is one turn of fate.
func (w *world) event() {
	w.sleep()
	switch w.rng.IntN(12) {
	case 0, 1:
		w.note("crash")
		w.crashAll()
		w.start()
	case 2:
		w.note("a second writer")
		w.start()
	case 3:
		w.note("two writers at once")
		done := make(chan error, 2)
		for range 2 {
			cfg := eventlog.SmallCopies(eventlog.WriterConfig{Local: w.local, Mirror: w.mirror, Reason: "race", AttemptTimeout: time.Second}, 3, 2)
			go func() {
				ctx, cancel := context.WithTimeout(background, 20*time.Second)
				defer cancel()
				lw, err := eventlog.OpenWriter(ctx, cfg)
				if err == nil {
					w.mu.Lock()
					w.run(lw)
					w.mu.Unlock()
				}
				done <- err
			}()
		}
		w.note("race: %v; %v", <-done, <-done)
	case 4:
		w.note("mirror cut off")
		w.mirror.Use(w.outage())
		w.sleep()
		w.sleep()
		w.heal(w.mirror)
	case 5:
		w.note("local cut off")
		w.local.Use(w.outage())
		w.sleep()
		w.heal(w.local)
	case 6:
		w.loseRegion()
	case 7:
		w.note("planned takeover")
		w.takeover(w.mirror, w.local)
	case 8:
		w.note("new mirror")
		w.crashAll()
		w.mirror = w.store()
		w.start()
	case 9:
		w.intruder()
	case 10, 11:
		w.compact()
	}
}

// compact joins and deletes segments beside whatever else goes on.
func (w *world) compact() {
	for _, s := range []*memory.Store{w.local, w.mirror} {
		ctx, cancel := context.WithTimeout(background, 10*time.Second)
		r, err := eventlog.Compact(ctx, eventlog.SmallPacks(eventlog.CompactConfig{Store: s, Delete: w.rng.IntN(4) > 0, KeepSmall: -time.Hour}, 4, 16, 2))
		cancel()
		w.note("compacted: %d packs, %d deleted, %v", len(r.Packs), r.Deleted, err)
		if err != nil && !errors.Is(err, memory.ErrInjected) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, eventlog.ErrGap) {
			w.fail("compact: %v", err)
		}
	}
}

func (w *world) outage() memory.Plan {
	if w.rng.IntN(2) == 0 {
		return memory.Always(memory.Hung())
	}
	return memory.Always(memory.Failed())
}

// loseRegion loses the local store for good, while the mirror may lag and the old
// writer may still be alive on the other side of a partition.
func (w *world) loseRegion() {
	w.mu.Lock()
	ready := w.ready == w.mirror
	w.mu.Unlock()
	if !ready {
		return // a mirror still being filled: a second disaster at once is beyond any promise
	}
	w.note("region lost")
	if w.rng.IntN(2) == 0 {
		w.crashAll()
	}
	w.takeover(w.mirror, nil)
}

// takeover moves the log to dr. What was acknowledged must be there.
func (w *world) takeover(dr, old *memory.Store) {
	cfg := eventlog.TakeoverConfig{DR: dr, Reason: "takeover", Patience: 3 * time.Second, AttemptTimeout: time.Second}
	if old != nil {
		cfg.Old = old
	}
	cfg = eventlog.SmallTakeoverCopies(cfg, 4, 2)
	for try := 0; ; try++ {
		w.heal(dr)
		limit := 60 * time.Second
		if w.rng.IntN(4) == 0 && try == 0 {
			limit = time.Duration(w.rng.IntN(500)) * time.Millisecond // killed half way
		}
		ctx, cancel := context.WithTimeout(background, limit)
		r, err := eventlog.Takeover(ctx, cfg)
		cancel()
		if err == nil {
			w.note("took over: epoch %d after %v, copied %d, orphans %d %s", r.Epoch, r.End, len(r.Copied), len(r.Orphans), r.OldFailed)
			break
		}
		w.note("takeover failed: %v", err)
		if errors.Is(err, eventlog.ErrDiverged) {
			cfg.Old = nil // the operator gives up the old store
		}
		if try > 20 {
			w.fail("takeover: %v", err)
		}
	}
	w.gone, w.local = w.local, dr
	w.checkStore(dr, false)
	switch {
	case old == nil || cfg.Old == nil || w.rng.IntN(2) == 0:
		w.mirror = w.store()
	default:
		w.mirror = old
	}
	if dr == w.gone { // finished an interrupted takeover in place
		w.gone = nil
	}
	w.start()
}

// intruder starts the old primary again after a takeover: it must not get the log.
func (w *world) intruder() {
	if w.gone == nil || w.gone == w.mirror || w.gone == w.local {
		return
	}
	w.note("the old primary comes back")
	ctx, cancel := context.WithTimeout(background, 10*time.Second)
	defer cancel()
	w.heal(w.gone)
	_, err := eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: w.gone, Mirror: w.local, Reason: "intruder", AttemptTimeout: time.Second})
	if err == nil {
		w.fail("the old primary got the log back without a takeover")
	}
	w.note("refused: %v", err)
}

// checkStore looks at what one store proves, without faults.
func (w *world) checkStore(s *memory.Store, quiet bool) []eventlog.Transaction {
	w.t.Helper()
	image := s.Clone()
	all := transactions(w.t, image)
	w.mu.Lock()
	defer w.mu.Unlock()
	for seq, id := range w.acked {
		if int(seq) > len(all) || all[seq-1].TxID != id {
			w.fail("seq %d was acknowledged as %s and is not in the log (%d transactions)", seq, id, len(all))
		}
	}
	for _, tx := range all {
		if len(w.wrote[tx.TxID]) != len(tx.Changes) {
			w.fail("transaction %s has %d changes, %d were written", tx.TxID, len(tx.Changes), len(w.wrote[tx.TxID]))
		}
		for i, c := range w.wrote[tx.TxID] {
			require.Equal(w.t, c, tx.Changes[i])
		}
	}
	if quiet {
		r, err := eventlog.OpenLog(image).Verify(background)
		require.NoError(w.t, err)
		if len(r.Damage) > 0 {
			w.fail("damage: %+v", r.Damage)
		}
		require.EqualValues(w.t, len(all), r.Transactions)
	}
	return all
}

// finish heals everything and compares the stores.
func (w *world) finish() {
	w.sleep()
	w.rates = memory.Rates{}
	for try := 0; ; try++ {
		w.crashAll()
		w.heal(w.local)
		w.heal(w.mirror)
		if w.start(); len(w.live) > 0 {
			break
		}
		if try > 10 {
			w.fail("the log cannot be opened any more")
		}
	}
	w.sleep()
	a := w.live[len(w.live)-1]
	last, err := a.w.Append(background, one("last"))
	require.NoError(w.t, err)
	require.NoError(w.t, a.w.WaitDurable(background, last))
	w.ack(last, []string{"last"})
	w.crashAll()
	lw, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: w.local, Mirror: w.mirror, Reason: "end"})
	if err != nil {
		w.fail("end: %v", err)
	}
	require.NoError(w.t, lw.Close(background))
	w.checkStore(w.local, true)
	w.checkStore(w.mirror, true)
	require.Equal(w.t, segments(w.t, w.local), segments(w.t, w.mirror), "the stores differ")
	var _ blob.Store = w.local
	if w.t.Failed() {
		w.fail("see above")
	}
}
