package mssql_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/agent"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/database/sqlite"
	"lifeboat/restore"
)

// doomed gives a process its context and its way to the server. At the cut the way is
// closed for good, the context ends and kill is called: nothing of the process has any
// effect on the database after the byte at which it was killed.
type doomed struct {
	u    mssql.URL
	p    *proxy
	ctx  context.Context
	kill func()
}

func newDoomed(t testing.TB, u mssql.URL) *doomed {
	t.Helper()
	d := &doomed{kill: func() {}}
	d.p, d.u = newProxy(t, u)
	var cancel context.CancelFunc
	d.ctx, cancel = context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var once sync.Once
	d.p.died = func() { once.Do(func() { d.kill(); cancel() }) }
	return d
}

// killedAt runs do in a process that is killed at points spread over what it sends and what it
// receives, after a first one that is not. recovered is called after each.
func killedAt(t *testing.T, u func() mssql.URL, do func(d *doomed) error, recovered func(where string)) {
	t.Helper()
	for _, toward := range []bool{true, false} {
		d := newDoomed(t, u())
		d.p.arm(toward, -1)
		require.NoError(t, do(d))
		total, _ := d.p.seen()
		recovered("nowhere")
		for i := range int64(points) {
			at := 1 + (total-2)*i/(points-1)
			where := fmt.Sprintf("killed after %d of %d bytes toward server=%v", at, total, toward)
			d := newDoomed(t, u())
			d.p.arm(toward, at)
			if err := do(d); err != nil {
				_, cuts := d.p.seen()
				require.Positive(t, cuts, "%s: %v", where, err)
			}
			recovered(where)
		}
	}
}

// protected is a database with two stores.
type protected struct {
	*instance
	primary, mirror *memory.Store
	made            int // transactions that the application has committed
}

func protect(t testing.TB) *protected {
	t.Helper()
	w := &protected{instance: fresh(t), primary: memory.New(), mirror: memory.New()}
	_, err := w.source.Install(t.Context())
	require.NoError(t, err)
	for _, row := range []string{"0", "1"} {
		execAll(t, w.app, `INSERT INTO dbo.people (id, name) SELECT 1000 * `+row+` + 100 * a.n + 10 * b.n + c.n, CONCAT(N'name ', `+row+`, a.n, b.n, c.n)
FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS a (n), (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS b (n), (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS c (n)`)
		w.made++
	}
	return w
}

// change commits a few transactions of several changes each.
func (w *protected) change(t testing.TB) {
	t.Helper()
	for range 3 {
		w.made++
		require.NoError(t, w.Transact(true,
			fmt.Sprintf("UPDATE dbo.people SET n = %d WHERE id %% 100 = %d", w.made, w.made%100),
			fmt.Sprintf("INSERT INTO dbo.pair (a, b) VALUES (%d, N'x')", w.made)))
	}
}

func (w *protected) config(source database.Source) agent.Config {
	return agent.Config{Source: source, Primary: w.primary, Mirror: w.mirror, DrainInterval: 5 * time.Millisecond, ShutdownTimeout: 5 * time.Second}
}

// running runs an agent until do has returned, then kills it.
func (w *protected) running(ctx context.Context, source database.Source, doomed *doomed, do func(*agent.Agent) error) error {
	a, err := agent.Start(ctx, w.config(source))
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(context.WithoutCancel(ctx)) }()
	if doomed != nil {
		stop := context.AfterFunc(doomed.ctx, a.Kill)
		defer stop()
	}
	select {
	case <-a.Ready():
		err = do(a)
	case <-ctx.Done():
		err = ctx.Err()
	}
	a.Kill()
	<-ended
	return err
}

// drained makes everything durable with an agent of its own, and proves that the log holds
// each transaction exactly once and that its end is the database.
func (w *protected) drained(t testing.TB, where string) {
	t.Helper()
	err := w.running(t.Context(), w.source, nil, func(a *agent.Agent) error {
		r, err := a.Barrier(t.Context())
		if err == nil && uint64(r.Seq) != uint64(w.made) {
			err = fmt.Errorf("the log holds %d transactions, the application made %d", r.Seq, w.made)
		}
		return err
	})
	require.NoError(t, err, where)
	plan, _, err := restore.Prepare(t.Context(), w.mirror, restore.Latest())
	require.NoError(t, err, where)
	require.Equal(t, eventlog.Seq(w.made), plan.Point.Seq, where)
	target, err := sqlite.OpenTarget(t.Context(), filepath.Join(t.TempDir(), "restored.sqlite"), sqlite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, target.Close()) }()
	_, err = restore.Run(t.Context(), restore.Config{Store: w.mirror}, plan, target)
	require.NoError(t, err, where)
	v, err := target.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	require.Equal(t, viewStates(t, w.source), states(t, v), where)
}

// TestLiveKilledDuringDrain kills the agent at points of connecting, draining and forgetting.
func TestLiveKilledDuringDrain(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.drained(t, "at first")
	killedAt(t, func() mssql.URL { return w.u }, func(d *doomed) error {
		w.change(t)
		source, err := mssql.Open(d.ctx, mssql.Config{URL: d.u})
		if err != nil {
			return err
		}
		defer func() { _ = source.Close() }()
		return w.running(d.ctx, source, d, func(a *agent.Agent) error {
			if _, err := a.Barrier(d.ctx); err != nil {
				return err
			}
			for n := int64(1); n > 0; { // until it is forgotten too
				var err error
				if n, err = source.Pending(d.ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}, func(where string) { w.drained(t, where) })
}

// TestLiveKilledDuringSnapshot kills whoever takes a base at points of it.
func TestLiveKilledDuringSnapshot(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.drained(t, "at first")
	killedAt(t, func() mssql.URL { return w.u }, func(d *doomed) error {
		w.change(t)
		source, err := mssql.Open(d.ctx, mssql.Config{URL: d.u})
		if err != nil {
			return err
		}
		defer func() { _ = source.Close() }()
		_, err = agent.TakeBase(d.ctx, w.config(source))
		return err
	}, func(where string) { w.drained(t, where) })
}

// TestLiveKilledDuringRestore kills a restore at points of it; another one goes on where
// it ended.
func TestLiveKilledDuringRestore(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.change(t)
	w.drained(t, "at first")
	plan, _, err := restore.Prepare(t.Context(), w.mirror, restore.Latest())
	require.NoError(t, err)
	run := func(ctx context.Context, u mssql.URL) (*mssql.Target, error) {
		target, err := mssql.OpenTarget(ctx, mssql.Config{URL: u})
		if err != nil {
			return nil, err
		}
		_, err = restore.Run(ctx, restore.Config{Store: w.mirror}, plan, target)
		return target, err
	}
	var into mssql.URL
	killedAt(t, func() mssql.URL { into = scratch(t); return into }, func(d *doomed) error {
		target, err := run(d.ctx, d.u)
		if target != nil {
			_ = target.Close()
		}
		return err
	}, func(where string) {
		if where == "nowhere" {
			return
		}
		target, err := run(t.Context(), into)
		if target != nil {
			require.NoError(t, target.Close())
		}
		if !errors.Is(err, database.ErrNotEmpty) { // it was complete: the answer alone was lost
			require.NoError(t, err, where)
		}
		restored, err := mssql.Open(t.Context(), mssql.Config{URL: into})
		require.NoError(t, err, where)
		defer func() { require.NoError(t, restored.Close()) }()
		require.Equal(t, viewStates(t, w.source), viewStates(t, restored), where)
	})
}
