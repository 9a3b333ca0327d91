package azure_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/database"
)

// oneTable is what the tests' log is about: a key and a text.
func oneTable(t require.TestingT) *database.Schema {
	s := &database.Schema{Engine: "test", Tables: []database.Table{{
		Name: "t", Key: []int{0}, Columns: []database.Column{{Name: "id", Type: "INTEGER"}, {Name: "v", Type: "TEXT"}},
	}}}
	require.NoError(t, s.Seal())
	return s
}

func insertion(id int64, v string) eventlog.Batch {
	row := database.AppendText(database.AppendInt(nil, id), v)
	return eventlog.Batch{Transactions: []eventlog.Pending{{TxID: fmt.Sprint(id), Changes: []database.Change{{Op: database.Insert, Table: "t", Row: row}}}}}
}

func openLog(t require.TestingT, cfg eventlog.WriterConfig) *eventlog.Writer {
	cfg.Reason = "test"
	w, err := eventlog.OpenWriter(context.Background(), cfg)
	require.NoError(t, err)
	_, err = w.Append(context.Background(), eventlog.Batch{Schema: oneTable(t)})
	require.NoError(t, err)
	_, err = w.Flush(context.Background())
	require.NoError(t, err)
	return w
}

// appenders commit through a log and keep what was acknowledged.
type appenders struct {
	t     *testing.T
	w     *eventlog.Writer
	next  atomic.Int64
	mu    sync.Mutex
	acked map[eventlog.Seq]string
}

// commit has 8 writers make n more commits durable.
func (a *appenders) commit(n int64) {
	a.t.Helper()
	last := a.next.Load() + n
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := a.next.Add(1); i <= last; i = a.next.Add(1) {
				seq, err := a.w.Append(a.t.Context(), insertion(i, "value"))
				if err == nil {
					err = a.w.WaitDurable(a.t.Context(), seq)
				}
				if err != nil {
					a.t.Errorf("commit %d: %v", i, err)
					return
				}
				a.mu.Lock()
				a.acked[seq] = fmt.Sprint(i)
				a.mu.Unlock()
			}
		})
	}
	group.Wait()
	a.next.Store(last)
}

// inMirror: what was acknowledged is in the log that the mirror alone leads to.
func (a *appenders) inMirror(mirror blob.Store) {
	a.t.Helper()
	ctx, cancel := context.WithCancel(a.t.Context())
	cancel() // as a crash would
	_ = a.w.Close(ctx)
	_, err := eventlog.Takeover(a.t.Context(), eventlog.TakeoverConfig{DR: mirror, Reason: "the primary is lost"})
	require.NoError(a.t, err)
	found := map[eventlog.Seq]string{}
	for s, err := range eventlog.OpenLog(mirror).Segments(a.t.Context(), eventlog.Position{}) {
		require.NoError(a.t, err)
		for e, err := range s.Events() {
			require.NoError(a.t, err)
			if e.Tx != nil {
				found[e.Seq] = e.Tx.TxID
			}
		}
	}
	for seq, tx := range a.acked {
		require.Equal(a.t, tx, found[seq], "acknowledged as seq %d", seq)
	}
	v, err := eventlog.OpenLog(mirror).Verify(a.t.Context())
	require.NoError(a.t, err)
	require.Empty(a.t, v.Damage)
}

// testLogInAStorm: the links to both regions throttle, answer 500 and 503, drop requests,
// and drop answers after the write; then the mirror alone is slow; then all is well again.
// Nothing acknowledged is lost, and afterwards a commit costs as few requests as before.
func testLogInAStorm(t *testing.T, server *azuritetest.Server) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	here, far := server.NewProxy(t), server.NewProxy(t)
	c := server.Config(t)
	there := openStore(t, c) // past the proxy
	c.Endpoint = far.URL
	mirror := openStore(t, c)
	a := &appenders{t: t, acked: map[eventlog.Seq]string{}, w: openLog(t, eventlog.WriterConfig{Local: throughProxy(t, server, here), Mirror: mirror})}
	var puts atomic.Int64
	counting := func(r *http.Request) azuritetest.Fault {
		if r.Method == http.MethodPut {
			puts.Add(1)
		}
		return azuritetest.Pass
	}
	far.Use(counting)
	a.commit(200)
	before := puts.Load()

	faults := []azuritetest.Fault{azuritetest.Throttle, azuritetest.ServerError, azuritetest.ServerBusy, azuritetest.DropRequest, azuritetest.DropAnswer, azuritetest.ErrorOnceMet}
	here.Use(azuritetest.Storm(seed, 0.2, faults...))
	far.Use(azuritetest.Storm(seed+1, 0.2, faults...))
	a.commit(200)
	require.Greater(t, here.Hits.Load()+far.Hits.Load(), int64(5))

	here.Use(nil)
	far.Use(func(r *http.Request) azuritetest.Fault {
		select { // a slow line, not a wait for anything
		case <-time.After(50 * time.Millisecond):
		case <-r.Context().Done():
		}
		return azuritetest.Pass
	})
	a.commit(100)

	puts.Store(0)
	far.Use(counting)
	a.commit(200)
	require.LessOrEqual(t, puts.Load(), 2*before+20, "requests for as many commits")
	a.inMirror(there)
}

// TestRestartUnderALog: either region's service goes away in mid-append and comes back.
func TestRestartUnderALog(t *testing.T) {
	t.Parallel()
	regions := []*azuritetest.Server{azuritetest.Start(t, "uksouth"), azuritetest.Start(t, "ukwest")}
	local, mirror := regions[0].Store(t), regions[1].Store(t)
	a := &appenders{t: t, acked: map[eventlog.Seq]string{}, w: openLog(t, eventlog.WriterConfig{Local: local, Mirror: mirror})}
	for _, server := range regions {
		done, before := make(chan struct{}), a.count()
		go func() { a.commit(400); close(done) }()
		require.Eventually(t, func() bool { return a.count() > before+50 }, time.Minute, time.Millisecond)
		server.Stop()
		server.Restart(t)
		<-done
	}
	require.Equal(t, 800, a.count())
	a.inMirror(mirror)
}

func (a *appenders) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.acked)
}
