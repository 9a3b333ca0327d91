package salvage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/run"
	"lifeboat/failover/salvage"
	"lifeboat/internal/agent"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/drill/embedded"
	"lifeboat/restore"
)

// rig is two regions: a database that an agent protects, and its stores.
type rig struct {
	t               *testing.T
	dir             string
	primary, mirror *memory.Store
	path            string // of the database
	app             *sql.DB
	agent           *agent.Agent
	stopped         chan error
	stop            context.CancelFunc
	source          database.Source
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := embedded.OpenApp(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), primary: memory.New(), mirror: memory.New()}
	r.path = filepath.Join(r.dir, "app.sqlite")
	r.app = open(t, r.path)
	r.exec("CREATE TABLE patient (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
	source, err := sqlite.Open(t.Context(), r.path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	_, err = source.Install(t.Context())
	require.NoError(t, err)
	r.source = source
	r.start()
	return r
}

func (r *rig) config() agent.Config {
	return agent.Config{Source: r.source, Primary: r.primary, Mirror: r.mirror}
}

// start runs the agent until kill.
func (r *rig) start() {
	a, err := agent.Start(r.t.Context(), r.config())
	require.NoError(r.t, err)
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	r.agent, r.stopped = a, make(chan error, 1)
	go func() { r.stopped <- a.Run(ctx) }()
	<-a.Ready()
}

func (r *rig) kill() {
	r.agent.Kill()
	r.stop()
	<-r.stopped
}

func (r *rig) exec(statement string, args ...any) {
	r.t.Helper()
	_, err := r.app.ExecContext(r.t.Context(), statement, args...)
	require.NoError(r.t, err)
}

func (r *rig) admit(from, to int) {
	r.t.Helper()
	for id := from; id <= to; id++ {
		r.exec("INSERT INTO patient VALUES (?, ?)", id, fmt.Sprintf("patient %d", id))
	}
}

func (r *rig) barrier() {
	r.t.Helper()
	_, err := r.agent.Barrier(r.t.Context())
	require.NoError(r.t, err)
}

// region is the stack: a SQLite file, which its applications use as soon as it is live.
type region struct{ path string }

func (c region) place() run.Place { return run.Place{Stack: "s", Region: "ukwest", Database: c.path} }

func (c region) Up(context.Context, run.Phase, func(string)) (run.Place, error) {
	return c.place(), nil
}
func (c region) At(context.Context, run.Phase) (run.Place, bool, error) { return c.place(), false, nil }
func (c region) Destroy(context.Context, func(string)) (run.Teardown, error) {
	return run.Teardown{}, nil
}
func (c region) Gone(context.Context) (run.Teardown, bool, error) { return run.Teardown{}, false, nil }
func (c region) Preflight(context.Context) (run.Readiness, error) { return run.Readiness{}, nil }
func (c region) Authorise(context.Context) (run.Authority, error) { return run.Authority{}, nil }
func (c region) Report(context.Context, *run.Evidence) (run.Reported, error) {
	return run.Reported{}, nil
}
func (c region) Reported(context.Context) (run.Reported, bool, error) {
	return run.Reported{}, false, nil
}

// Probe writes and reads as a user would: what it writes must not be lost either.
func (c region) Probe(ctx context.Context, _ run.Place) (out run.Probed, err error) {
	db, err := embedded.OpenApp(c.path)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "INSERT INTO patient SELECT max(id) + 1, 'probe' FROM patient")
	return out, err
}

func parts(log *salvage.Log, db *salvage.Database, c region) run.Parts {
	return run.Parts{Gate: c, Log: log, Cloud: c, Database: db, Service: c, Reporter: c}
}

func databaseOf(dr, mirror blob.Store) *salvage.Database {
	return &salvage.Database{
		DR: dr, Mirror: func(context.Context) (blob.Store, error) { return mirror, nil }, MirrorName: "memory:new",
		Target: func(ctx context.Context, url string) (database.Target, error) {
			return sqlite.OpenTarget(ctx, url, sqlite.Options{})
		},
		Source: func(ctx context.Context, url string) (database.Source, error) {
			return sqlite.Open(ctx, url, sqlite.Options{})
		},
	}
}

func do(t *testing.T, store blob.Store, id string, kind failover.Kind, p run.Parts) (*run.Evidence, error) {
	t.Helper()
	j, err := run.Open(t.Context(), run.JournalConfig{Store: store, ID: id, Who: run.NewWho("test")}, run.Opening{Kind: kind, Plan: "{}"})
	require.NoError(t, err)
	steps, evidence := run.Steps(run.Recipe{Kind: kind}, p)
	return evidence, (&run.Run{Journal: j, Steps: steps}).Do(t.Context())
}

func count(t *testing.T, path string) (n int) {
	t.Helper()
	require.NoError(t, open(t, path).QueryRowContext(t.Context(), "SELECT count(*) FROM patient").Scan(&n))
	return n
}

// TestFailoverAndBack: the primary is lost with everything in it but its log; the log
// goes on in the other region, and then in a third place, and nothing acknowledged is
// missing anywhere.
func TestFailoverAndBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.admit(1, 20)
	r.barrier()
	r.kill()
	next := memory.New()
	there := region{filepath.Join(r.dir, "there.sqlite")}
	log := &salvage.Log{DR: r.mirror, Old: r.primary, Reason: "failover f1", Quiesce: r.source.Fence}
	e, err := do(t, r.mirror, "f1", failover.Failover, parts(log, databaseOf(r.mirror, next), there))
	require.NoError(t, err)
	require.Equal(t, "refuses writes", e.Fence.Database)
	require.EqualValues(t, 20, e.Restored.Rows)
	require.Equal(t, 21, count(t, there.path), "the probe's row is in the database")
	require.Greater(t, e.Protection.Epoch, e.Fence.Epoch)

	plan, _, err := restore.Prepare(t.Context(), next, restore.Latest())
	require.NoError(t, err)
	require.EqualValues(t, 21, plan.Base().Tables[0].State.Count, "what was written between restore and protection is in the base")

	back := region{filepath.Join(r.dir, "back.sqlite")}
	home := memory.New()
	source, err := sqlite.Open(t.Context(), there.path, sqlite.Options{})
	require.NoError(t, err)
	defer source.Close()
	log = &salvage.Log{DR: next, Old: r.mirror, Reason: "failback b1", Quiesce: source.Fence}
	e, err = do(t, next, "b1", failover.Failback, parts(log, databaseOf(next, home), back))
	require.NoError(t, err)
	require.EqualValues(t, 21, e.Restored.Rows)
	require.Equal(t, 22, count(t, back.path))
	_, err = open(t, there.path).ExecContext(t.Context(), "DELETE FROM patient")
	require.ErrorContains(t, err, "failback b1", "the side that was left must not be written to")
}

// TestOldPrimaryComesBack in the middle of the failover, when only the fence stands: it is
// never acknowledged, and its database refuses writes.
func TestOldPrimaryComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.admit(1, 5)
	r.barrier()
	log := &salvage.Log{DR: r.mirror, Reason: "failover f1"} // lost: nobody could tell it
	f, err := log.Fence(t.Context())
	require.NoError(t, err)
	require.Contains(t, f.Database, "lost")

	r.admit(6, 6) // it did not notice yet
	_, err = r.agent.Barrier(t.Context())
	require.ErrorIs(t, err, eventlog.ErrFenced, "the running agent was acknowledged")
	r.kill()
	_, err = agent.Start(t.Context(), r.config()) // its supervisor starts it again
	require.ErrorIs(t, err, eventlog.ErrFenced)
	require.ErrorIs(t, err, eventlog.ErrMoved)
	_, err = r.app.ExecContext(t.Context(), "INSERT INTO patient VALUES (7, 'x')")
	require.ErrorContains(t, err, "the log has moved to another region")
	require.Equal(t, 6, count(t, r.path))

	again, done, err := log.Fenced(t.Context())
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, f, again)
	twice, err := log.Fence(t.Context())
	require.NoError(t, err)
	require.Equal(t, f, twice, "fencing again began another epoch")
}

// TestOrphansAreFound: what only the lost region's log has is set aside, kept, and listed,
// whoever asks.
func TestOrphansAreFound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.admit(1, 5)
	r.barrier()
	safe := r.agent.Frontier().Local // a poll may take several inserts as one transaction
	r.mirror.Use(memory.Always(memory.Failed()))
	r.admit(6, 6)
	require.Eventually(t, func() bool { return r.agent.Frontier().Local == safe+1 }, time.Minute, time.Millisecond)
	r.kill()
	r.mirror.Use(nil)
	lost := &salvage.Log{DR: r.mirror, Reason: "failover f1"}
	f, err := lost.Fence(t.Context())
	require.NoError(t, err)
	require.Equal(t, safe, f.End.Seq)
	require.Empty(t, f.Orphans, "the lost region cannot be asked")
	found := &salvage.Log{DR: r.mirror, Old: r.primary, Reason: "failover f1"} // it is back
	f, done, err := found.Fenced(t.Context())
	require.NoError(t, err)
	require.True(t, done)
	require.Len(t, f.Orphans, 1)
	require.EqualValues(t, 1, f.Orphans[0].Transactions())
}

// TestOrphansOfAnEpochThatIsNotInTheLog: the agent had just begun its epoch, so that
// nothing of it is in the mirror; and each is found once, whatever epochs come after.
func TestOrphansOfAnEpochThatIsNotInTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.admit(1, 5)
	r.barrier()
	r.kill()
	r.start() // a new epoch
	safe := r.agent.Frontier().Local
	r.mirror.Use(memory.Always(memory.Failed()))
	r.admit(6, 6)
	require.Eventually(t, func() bool { return r.agent.Frontier().Local == safe+1 }, time.Minute, time.Millisecond)
	r.kill()
	r.mirror.Use(nil)
	for _, reason := range []string{"failover f1", "failover f2"} {
		_, err := (&salvage.Log{DR: r.mirror, Reason: reason}).Fence(t.Context())
		require.NoError(t, err)
	}
	epochs, err := eventlog.OpenLog(r.mirror).Epochs(t.Context())
	require.NoError(t, err)
	require.Len(t, epochs, 4)
	var found []eventlog.SegmentInfo
	for _, e := range epochs {
		some, err := salvage.Orphans(t.Context(), r.primary, e)
		require.NoError(t, err)
		found = append(found, some...)
	}
	require.Len(t, found, 1)
	require.Equal(t, eventlog.Epoch(2), found[0].Epoch)
}

// TestProtectKilledAnywhere: cut off at every object that it creates in the new mirror, it
// is done by the next one. Nobody goes on in an epoch of somebody who may be alive: so it
// is at most one epoch for each attempt, and none when the base is there.
func TestProtectKilledAnywhere(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		r := newRig(t)
		next := memory.New()
		db, at, f := r.served(next)
		db.Reason = "failover f1, first base"

		ctx, kill := context.WithCancel(t.Context())
		var creates atomic.Int64
		next.Use(memory.PlanFunc(func(c memory.Call) memory.Fault {
			if c.Op == memory.Create && creates.Add(1) >= int64(n) {
				kill()
				return memory.Failed()
			}
			return memory.Fault{}
		}))
		_, err := db.Protect(ctx, at, f.Epoch)
		kill()
		next.Use(nil)
		whole := err == nil && creates.Load() < int64(n)
		for range 2 {
			p, done, err := db.Protected(t.Context(), at, f.Epoch)
			require.NoError(t, err)
			if !done {
				p, err = db.Protect(t.Context(), at, f.Epoch)
				require.NoError(t, err, "killed at object %d", n)
			}
			require.Greater(t, p.Epoch, f.Epoch)
		}
		fences, reigns := 0, 0
		epochs, err := eventlog.OpenLog(next).Epochs(t.Context())
		require.NoError(t, err)
		for _, e := range epochs {
			if e.Takeover {
				fences++
			} else if e.Reason == db.Reason {
				reigns++
			}
		}
		require.Equal(t, 1, fences)
		if whole {
			require.Equal(t, 1, reigns)
			require.Greater(t, n, 5, "it was never cut off")
			return
		}
		require.LessOrEqual(t, reigns, 2, "killed at object %d", n)
	}
}

// served is a place whose database was restored and armed after a fence.
func (r *rig) served(mirror blob.Store) (*salvage.Database, run.Place, run.Fence) {
	r.t.Helper()
	r.admit(1, 20)
	r.barrier()
	r.kill()
	f, err := (&salvage.Log{DR: r.mirror, Reason: "failover f1"}).Fence(r.t.Context())
	require.NoError(r.t, err)
	db, at := databaseOf(r.mirror, mirror), region{filepath.Join(r.dir, "there.sqlite")}.place()
	_, err = db.Restore(r.t.Context(), at, f.End.Seq, func(string) {})
	require.NoError(r.t, err)
	require.NoError(r.t, db.Arm(r.t.Context(), at))
	return db, at, f
}

// TestProtectWaitsForTheStacksAgent: the stack is let in to the new mirror first, and then
// a real agent of its own makes the base; this process begins no epoch.
func TestProtectWaitsForTheStacksAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	next := memory.New()
	db, at, f := r.served(next)
	db.Agents, db.Poll = true, time.Millisecond
	db.Attach = func(ctx context.Context) error { // the stack's rollout starts its agent
		source, err := sqlite.Open(ctx, at.Database, sqlite.Options{})
		if err != nil {
			return err
		}
		t.Cleanup(func() { require.NoError(t, source.Close()) })
		r.source, r.primary, r.mirror = source, r.mirror, next
		r.start()
		return nil
	}
	p, err := db.Protect(t.Context(), at, f.Epoch)
	require.NoError(t, err)
	require.Equal(t, run.Protection{Epoch: f.Epoch + 1, Mirror: "memory:new", Base: p.Base}, p)
	again, done, err := db.Protected(t.Context(), at, f.Epoch)
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, p, again)
	_, err = open(t, at.Database).ExecContext(t.Context(), "INSERT INTO patient VALUES (99, 'after')")
	require.NoError(t, err)
	r.barrier() // it is the one at work
	r.kill()

	db.Attach = func(context.Context) error { return errors.New("no room") }
	_, err = db.Protect(t.Context(), at, f.Epoch)
	require.ErrorContains(t, err, "let the stack reach memory:new: no room")
}

// TestProtectGivesUpOnAnAgentThatNeverComes, after its patience and with what to look at.
func TestProtectGivesUpOnAnAgentThatNeverComes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	next := memory.New()
	db, at, f := r.served(next)
	db.Agents = true
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := db.Protect(t.Context(), at, f.Epoch)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "the stack's agent has made no base in memory:new")
		require.Equal(t, 30*time.Minute, time.Since(began))
	})
	require.Empty(t, names(t, next), "and began no epoch in its place")
}

func names(t *testing.T, store blob.Store) (list []string) {
	t.Helper()
	for info, err := range store.List(t.Context(), "", "") {
		require.NoError(t, err)
		list = append(list, info.Name)
	}
	return list
}

// TestRestoreAgainOnlyVerifies, whatever it had come to, and arming takes its records away.
func TestRestoreAgainOnlyVerifies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.admit(1, 50)
	r.barrier()
	r.kill()
	end, err := eventlog.OpenLog(r.mirror).End(t.Context())
	require.NoError(t, err)
	at := region{filepath.Join(r.dir, "there.sqlite")}.place()
	db := databaseOf(r.mirror, nil)
	say := func(string) {}
	first, err := db.Restore(t.Context(), at, end.Seq, say)
	require.NoError(t, err)
	second, err := db.Restore(t.Context(), at, end.Seq, say)
	require.NoError(t, err)
	first.Seconds, second.Seconds = nil, nil
	require.Equal(t, first, second)
	armed, err := db.Armed(t.Context(), at)
	require.NoError(t, err)
	require.False(t, armed)
	for range 2 {
		require.NoError(t, db.Arm(t.Context(), at))
		armed, err = db.Armed(t.Context(), at)
		require.NoError(t, err)
		require.True(t, armed)
	}
	var left int
	require.NoError(t, open(t, at.Database).QueryRowContext(t.Context(),
		"SELECT count(*) FROM sqlite_schema WHERE name IN ('lifeboat_restore', 'lifeboat_units')").Scan(&left))
	require.Zero(t, left)
	_, err = db.Restore(t.Context(), at, end.Seq, say)
	require.ErrorIs(t, err, database.ErrNotEmpty, "a database in use is never restored into")
}
