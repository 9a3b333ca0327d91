package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/agent"
	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
	"lifeboat/internal/lease"
	"lifeboat/internal/readiness"
)

// silent is a lease that can be cut off.
type silent struct {
	lease.Table
	cut atomic.Bool
}

var errCut = errors.New("cut off")

func (s *silent) SwapLease(ctx context.Context, seen, next database.Lease) (bool, error) {
	if s.cut.Load() {
		return false, errCut
	}
	return s.Table.SwapLease(ctx, seen, next)
}

// standby is a second agent of the rig, and where it answers while it waits.
type standby struct {
	cfg     agent.Config
	address chan string
	started chan *agent.Agent
	ended   chan error
}

// address finds where an agent says in its log that it listens.
type addressLog struct {
	safeBuffer
	found chan string
}

func (a *addressLog) Write(p []byte) (int, error) {
	if _, rest, ok := strings.Cut(string(p), `msg="standing by" listen=`); ok {
		a.found <- strings.TrimSpace(rest)
	}
	return a.safeBuffer.Write(p)
}

func (r *rig) standBy() *standby {
	s := &standby{cfg: r.cfg, address: make(chan string, 1), started: make(chan *agent.Agent, 1), ended: make(chan error, 1)}
	s.cfg.Lease = r.source
	s.cfg.Log = logTo(&addressLog{found: s.address})
	go func() {
		a, err := agent.Standby(r.t.Context(), s.cfg)
		if err != nil {
			s.ended <- err
			return
		}
		s.started <- a
		s.ended <- a.Run(r.t.Context())
	}()
	return s
}

func withLease(c *agent.Config) {
	c.Lease, c.LeaseTTL = c.Source.(lease.Table), time.Second
}

func TestStandbyHandsOnAndTakesOverWhenTheOtherStops(t *testing.T) {
	t.Parallel()
	r := newRig(t, withLease)
	s := r.standBy()
	at := <-s.address
	require.Eventually(t, func() bool {
		status, body := r.callAt(at, http.MethodGet, "/healthz")
		return status == http.StatusOK && strings.Contains(body, r.Addr())
	}, time.Minute, 10*time.Millisecond)
	status, _ := r.callAt(at, http.MethodGet, "/livez")
	require.Equal(t, http.StatusOK, status)
	_, metrics := r.callAt(at, http.MethodGet, "/metrics")
	require.Contains(t, metrics, "lifeboat_standby 1")
	_, metrics = r.callAt(r.Addr(), http.MethodGet, "/metrics")
	require.Contains(t, metrics, "lifeboat_standby 0")

	r.exec("UPDATE ward SET beds = beds + 1")
	status, body := r.callAt(at, http.MethodPost, "/v1/barrier?timeout=20s")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"seq":1`)

	r.exec("UPDATE ward SET beds = beds + 1")
	r.stop()
	require.NoError(t, <-r.ended)
	second := <-s.started
	require.Equal(t, at, second.Addr(), "it answers where it answered before")
	require.EqualValues(t, 2, second.Frontier().Epoch)
	require.EqualValues(t, 2, second.Frontier().Durable, "the first made durable what was committed before it gave the lease back")
	r.exec("UPDATE ward SET beds = beds + 1")
	status, body = r.callAt(at, http.MethodPost, "/v1/barrier?timeout=20s")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"seq":3`)
	second.Kill()
	<-s.ended
}

func TestStandbyTakesOverFromOneThatDied(t *testing.T) {
	t.Parallel()
	r := newRig(t, withLease)
	s := r.standBy()
	at := <-s.address
	r.Kill()
	require.NoError(t, <-r.ended)
	require.Eventually(t, func() bool { // between the two, nothing is claimed
		status, body := r.callAt(at, http.MethodPost, "/v1/barrier?timeout=20s")
		require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, status, body)
		return status == http.StatusOK
	}, time.Minute, 10*time.Millisecond)
	second := <-s.started
	second.Kill()
	<-s.ended
}

func TestAnAgentThatLosesItsLeaseStops(t *testing.T) {
	t.Parallel()
	table := &silent{}
	r := newRig(t, func(c *agent.Config) {
		table.Table = c.Source.(lease.Table)
		c.Lease, c.LeaseTTL = table, time.Second
	})
	s := r.standBy()
	<-s.address
	table.cut.Store(true)
	second := <-s.started
	table.cut.Store(false)
	err := <-r.ended
	require.True(t, errors.Is(err, lease.ErrLost) || errors.Is(err, eventlog.ErrFenced), "%v", err)
	second.Kill()
	<-s.ended
}

func TestStandbyNeedsALeaseAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, withLease)
	cfg := r.cfg
	cfg.Listen, cfg.Lease = "", nil
	_, err := agent.Standby(t.Context(), cfg)
	require.ErrorContains(t, err, "lease")
	cfg.Lease = r.source
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = agent.Standby(ctx, cfg)
	require.ErrorIs(t, err, context.Canceled)
	r.exec("UPDATE ward SET beds = beds + 1")
	_, err = r.Barrier(t.Context())
	require.NoError(t, err, "one that only stood by fences nobody")
}

func TestAuditOverHTTPIsMarked(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	last := func() readiness.Event {
		e, _, err := readiness.Latest(t.Context(), r.there, readiness.Audited)
		require.NoError(t, err)
		return e
	}
	audit := func() (a agent.AuditAnswer) {
		status, body := r.call(http.MethodPost, "/v1/audit")
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &a))
		return a
	}
	require.True(t, last().At.IsZero())
	first := audit()
	require.True(t, first.Match)
	require.Positive(t, first.Tables)
	require.True(t, last().OK)

	c, err := capi.Open(r.path, capi.ReadWrite)
	require.NoError(t, err)
	require.NoError(t, c.EnableTriggers(false))
	require.NoError(t, c.Exec("DELETE FROM shift WHERE day = (SELECT min(day) FROM shift)"))
	require.NoError(t, c.Close())
	r.now.Add(int64(time.Second))
	second := audit()
	require.Equal(t, []string{"shift"}, second.Differ)
	require.False(t, last().OK)
	require.Contains(t, last().Detail, "tables shift differ")
	r.now.Add(int64(time.Second))
	require.True(t, audit().Match, "a new base was taken at once")
	require.True(t, last().OK)
	history, err := readiness.History(t.Context(), r.there, time.Time{}, time.Now().Add(time.Hour), 10)
	require.NoError(t, err)
	require.Len(t, history, 3, "every audit adds to the history")
	require.NotNil(t, history[0].Exposed)
	require.True(t, history[0].Audit.OK)
	require.False(t, history[1].Audit.OK)
}
