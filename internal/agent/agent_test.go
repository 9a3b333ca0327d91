package agent_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/agent"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/database/sqlite/capi"
	"lifeboat/internal/drill/embedded"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// rig is an agent with its database and stores.
type rig struct {
	*agent.Agent
	t      *testing.T
	app    *sql.DB
	source *sqlite.DB
	here   *gate
	there  *gate
	log    *safeBuffer
	ended  chan error
	stop   context.CancelFunc
	now    atomic.Int64 // added to the clock, in nanoseconds
	cfg    agent.Config
	path   string
}

// gate is a store that can be shut.
type gate struct {
	blob.Store
	shut atomic.Bool
}

var errShut = errors.New("shut")

func (g *gate) Create(ctx context.Context, name string, body []byte) error {
	if g.shut.Load() {
		return errShut
	}
	return g.Store.Create(ctx, name, body)
}

func (g *gate) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if g.shut.Load() {
		return nil, errShut
	}
	return g.Store.Get(ctx, name, off, n)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newRig(t *testing.T, change func(*agent.Config)) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.sqlite")
	require.NoError(t, embedded.Hospital(t.Context(), path, 200, 1))
	source, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	_, err = source.Install(t.Context())
	require.NoError(t, err)
	app, err := embedded.OpenApp(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	r := &rig{t: t, path: path, app: app, source: source, log: &safeBuffer{}, here: &gate{Store: memory.New()}, there: &gate{Store: memory.New()}}
	r.cfg = agent.Config{
		Source: source, Primary: r.here, Mirror: r.there, DrainInterval: 5 * time.Millisecond, ShutdownTimeout: 5 * time.Second,
		Listen: "127.0.0.1:0", Log: logTo(r.log),
		Clock: func() time.Time { return time.Now().Add(time.Duration(r.now.Load())) },
	}
	if change != nil {
		change(&r.cfg)
	}
	r.start()
	return r
}

func (r *rig) start() {
	r.t.Helper()
	var err error
	r.Agent, err = agent.Start(r.t.Context(), r.cfg)
	require.NoError(r.t, err)
	ctx, stop := context.WithCancel(r.t.Context())
	r.stop, r.ended = stop, make(chan error, 1)
	go func() { r.ended <- r.Run(ctx) }()
	r.t.Cleanup(func() { stop(); r.Kill() })
	select {
	case <-r.Ready():
	case err := <-r.ended:
		require.NoError(r.t, err, r.log)
		r.t.Fatal("the agent ended before it was ready: " + r.log.String())
	}
}

func (r *rig) exec(statement string) {
	r.t.Helper()
	_, err := r.app.ExecContext(r.t.Context(), statement)
	require.NoError(r.t, err)
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func (r *rig) call(method, path string) (int, string) {
	r.t.Helper()
	return r.callAt(r.Addr(), method, path)
}

func (r *rig) callAt(address, method, path string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+address+path, nil)
	require.NoError(r.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	return response.StatusCode, string(body)
}

func TestBarrierOverHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.exec("UPDATE ward SET beds = beds + 1")
	status, body := r.call(http.MethodPost, "/v1/barrier?timeout=20s")
	require.Equal(t, http.StatusOK, status, body)
	var a struct {
		Version   int
		Seq       uint64
		DurableAt *time.Time `json:"durable_at"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &a))
	require.Equal(t, 1, a.Version)
	require.EqualValues(t, 1, a.Seq)
	require.NotNil(t, a.DurableAt)
	end, err := eventlog.OpenLog(r.there).End(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, end.Seq, "the mirror does not hold what was acknowledged")

	status, body = r.call(http.MethodGet, "/v1/frontier")
	require.Equal(t, http.StatusOK, status)
	var f map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &f))
	require.EqualValues(t, 1, f["version"])
	require.Equal(t, "0000000000000001", f["durable"])
	require.EqualValues(t, 0, f["exposed"])

	for path, want := range map[string]int{
		"/v1/barrier?timeout=soon": http.StatusBadRequest, "/v1/barrier?timeout=2h": http.StatusBadRequest, "/v1/barrier?timeout=-1s": http.StatusBadRequest,
		"/healthz": http.StatusMethodNotAllowed, "/nothing": http.StatusNotFound,
	} {
		status, _ := r.call(http.MethodPost, path)
		require.Equal(t, want, status, path)
	}
	status, _ = r.call(http.MethodGet, "/v1/barrier")
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestHealthAndMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	status, body := r.call(http.MethodGet, "/healthz")
	require.Equal(t, http.StatusOK, status, body)
	r.exec("DELETE FROM note WHERE id = 1")
	_, err := r.Barrier(t.Context())
	require.NoError(t, err)
	_, text := r.call(http.MethodGet, "/metrics")
	for _, want := range []string{
		"lifeboat_durable_seq 1", "lifeboat_exposed_transactions 0", "lifeboat_degraded 0", "lifeboat_drain_failing 0", "lifeboat_epoch 1",
		`lifeboat_barriers_total{result="durable"} 1`, `lifeboat_snapshots_total{kind="base"} 1`, "lifeboat_audit_age_seconds -1",
		"lifeboat_snapshot_failures_total 0", "go_goroutines",
	} {
		require.Contains(t, text, want)
	}
	for _, l := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(l, "# HELP lifeboat_"); ok {
			require.Greater(t, len(strings.SplitN(name, " ", 2)[1]), 20, "metric without help: "+l)
		}
	}
}

func TestMirrorGoneMeansNoAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.there.shut.Store(true)
	r.exec("UPDATE ward SET beds = beds + 1")
	status, body := r.call(http.MethodPost, "/v1/barrier?timeout=200ms")
	require.Equal(t, http.StatusGatewayTimeout, status, body)
	require.Contains(t, body, "not durable yet")
	r.now.Store(int64(time.Hour))
	status, body = r.call(http.MethodGet, "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "not become durable")
	r.there.shut.Store(false)
	_, err := r.Barrier(t.Context())
	require.NoError(t, err)
}

func TestDegradedIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *agent.Config) { c.OnMirrorLoss = eventlog.Degrade })
	r.there.shut.Store(true)
	r.exec("UPDATE ward SET beds = beds + 1")
	status, body := r.call(http.MethodPost, "/v1/barrier?timeout=1m")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	status, body = r.call(http.MethodGet, "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "one region only")
	_, text := r.call(http.MethodGet, "/metrics")
	require.Contains(t, text, "lifeboat_degraded 1")
	require.Contains(t, text, `lifeboat_barriers_total{result="degraded"} 1`)
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), "ALERT: the mirror cannot be reached") }, 20*time.Second, 10*time.Millisecond)
}

func TestAnotherAgentFences(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	second := r.cfg
	second.Listen = ""
	b, err := agent.Start(t.Context(), second)
	require.NoError(t, err)
	t.Cleanup(b.Kill)
	r.exec("UPDATE ward SET beds = beds + 1")
	require.ErrorIs(t, <-r.ended, eventlog.ErrFenced)
	_, err = r.Barrier(t.Context())
	require.ErrorIs(t, err, eventlog.ErrFenced)
}

func TestStopMakesDurableWhatIsCommitted(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *agent.Config) { c.DrainInterval = 500 * time.Millisecond })
	r.exec("UPDATE ward SET beds = beds + 1")
	r.stop()
	require.NoError(t, <-r.ended)
	end, err := eventlog.OpenLog(r.there).End(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, end.Seq)

	// Started again it goes on from there, without a new base.
	r.start()
	r.exec("UPDATE ward SET beds = beds + 1")
	got, err := r.Barrier(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, got.Seq)
	inv, err := restore.SurveyAll(t.Context(), r.there)
	require.NoError(t, err)
	require.Len(t, inv.Snapshots, 1)
}

func TestNewMirrorGetsEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.exec("UPDATE ward SET beds = beds + 1")
	_, err := r.Barrier(t.Context())
	require.NoError(t, err)
	r.stop()
	require.NoError(t, <-r.ended)
	r.there = &gate{Store: memory.New()}
	r.cfg.Mirror = r.there
	r.start()
	plan, _, err := restore.Prepare(t.Context(), r.there, restore.Latest())
	require.NoError(t, err)
	require.EqualValues(t, 1, plan.Point.Seq)
}

// TestSchedule drives the keeper by hand through a day of a hospital that never sleeps.
func TestSchedule(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *agent.Config) { c.Snapshots.MaxDeltas = 2 })
	change := func() {
		r.exec("UPDATE ward SET beds = 1 + abs(random()) % 60")
		_, err := r.Barrier(t.Context())
		require.NoError(t, err)
	}
	kinds := func() (list []restore.SnapshotKind) {
		inv, err := restore.SurveyAll(t.Context(), r.there)
		require.NoError(t, err)
		require.Empty(t, inv.Damage)
		for _, s := range inv.Snapshots {
			list = append(list, s.Kind)
		}
		return list
	}
	tend := func() { require.NoError(t, r.Tend(t.Context())) }
	r.AuditAt(r.cfg.Clock().Add(100 * time.Hour))
	hour := int64(time.Hour)

	change()
	tend()
	require.Equal(t, []restore.SnapshotKind{restore.Base}, kinds(), "nothing is due yet")
	r.now.Add(25 * hour)
	tend()
	require.Equal(t, []restore.SnapshotKind{restore.Base, restore.Delta}, kinds(), "a day has passed")
	tend()
	r.now.Add(25 * hour)
	tend()
	require.Len(t, kinds(), 2, "nothing has changed since")
	change()
	r.now.Add(25 * hour)
	tend()
	require.Equal(t, []restore.SnapshotKind{restore.Base, restore.Delta, restore.Delta, restore.RollForward}, kinds(), "two deltas are enough")

	change()
	r.SetReplayBudget(1)
	tend()
	require.Len(t, kinds(), 4, "below the shortest interval")
	r.now.Add(hour)
	tend()
	require.Len(t, kinds(), 5, "the log has reached the budget")
	require.Empty(t, r.Problems())
}

func TestAuditFindsWhatCaptureDidNotSee(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	audit := func() { require.NoError(t, r.Audit(t.Context())) }
	audit()
	require.False(t, r.LastAudit().IsZero())
	require.Empty(t, r.Problems())

	// Behind the triggers' back, as a careless administrator would.
	c, err := capi.Open(r.path, capi.ReadWrite)
	require.NoError(t, err)
	require.NoError(t, c.EnableTriggers(false))
	require.NoError(t, c.Exec("DELETE FROM shift WHERE day = (SELECT min(day) FROM shift)"))
	require.NoError(t, c.Close())
	audit()
	require.Len(t, r.Problems(), 1)
	require.Contains(t, r.Problems()[0], "tables shift differ")
	require.Contains(t, r.log.String(), "ALERT: the database was changed without capture")

	// A new base was taken at once: a restore has what the database has.
	plan, _, err := restore.Prepare(t.Context(), r.there, restore.Latest())
	require.NoError(t, err)
	var rows int64
	require.NoError(t, r.app.QueryRowContext(t.Context(), "SELECT count(*) FROM shift").Scan(&rows))
	require.Equal(t, rows, plan.Base().Table("shift").State.Count)
	audit()
	require.Empty(t, r.Problems())
}

// The agent compacts both stores and applies retention; what fails is said and counted.
func TestKeepsHouse(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *agent.Config) { c.Retention, c.KeepSegments = &snapshot.Policy{KeepDays: 1}, time.Nanosecond })
	require.NoError(t, r.Agent.KeepHouse(t.Context()))
	r.there.shut.Store(true)
	require.ErrorIs(t, r.Agent.KeepHouse(t.Context()), errShut)
	r.there.shut.Store(false)
	require.NoError(t, r.Agent.KeepHouse(t.Context()))
	inv, err := restore.SurveyAll(t.Context(), r.there)
	require.NoError(t, err)
	require.NotEmpty(t, inv.Window())
}

// A second agent by mistake, on the address of the first, must not end the first one's
// protection and then fail itself.
func TestTakenAddressLeavesTheAgentAtWork(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	second := r.cfg
	second.Listen = r.Addr()
	_, err := agent.Start(t.Context(), second)
	require.ErrorContains(t, err, r.Addr())
	require.ErrorContains(t, err, "--standby")
	r.exec("UPDATE ward SET beds = beds + 1")
	status, body := r.call(http.MethodPost, "/v1/barrier?timeout=20s")
	require.Equal(t, http.StatusOK, status, body)
	require.EqualValues(t, 1, r.Frontier().Epoch)
}

// While a store cannot be reached at the start, whoever asks learns that nothing is known.
func TestStartingIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	address := r.Addr()
	r.stop()
	require.NoError(t, <-r.ended)
	r.there.shut.Store(true)
	again := r.cfg
	again.Listen = address
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan error, 1)
	go func() {
		_, err := agent.Start(ctx, again)
		started <- err
	}()
	require.Eventually(t, func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		return err == nil && c.Close() == nil
	}, 20*time.Second, 10*time.Millisecond)
	for path, want := range map[string]int{"/livez": http.StatusOK, "/healthz": http.StatusServiceUnavailable, "/v1/frontier": http.StatusServiceUnavailable} {
		status, body := r.callAt(address, http.MethodGet, path)
		require.Equal(t, want, status, body)
	}
	cancel()
	require.ErrorIs(t, <-started, context.Canceled)
}

func TestBarrierOfAnEmptyLogNamesItsSeq(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	status, body := r.call(http.MethodPost, "/v1/barrier?timeout=20s")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `"seq":0`)
}
