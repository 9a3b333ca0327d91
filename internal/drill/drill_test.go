package drill_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/database"
	"lifeboat/internal/drill"
	"lifeboat/internal/drill/embedded"
	"lifeboat/internal/workload"
)

// stage is a drill's configuration on the embedded engine, small and short.
func stage(t *testing.T, seed uint64, lose drill.Loss) drill.Config {
	t.Helper()
	home := t.TempDir()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	place := func(name string) drill.Place {
		folder := filepath.Join(home, name, "store")
		store, err := dir.Init(folder)
		require.NoError(t, err)
		return drill.Place{URL: "dir:" + folder, Store: store, Destroy: func(context.Context) error { return os.RemoveAll(folder) }}
	}
	return drill.Config{
		Engine: embedded.New(embedded.Config{
			Primary: filepath.Join(home, "primary"), Standby: filepath.Join(home, "mirror"), Rows: 1500, Seed: seed, Log: log,
		}),
		Primary: place("primary"), Mirror: place("mirror"), Lose: lose, Seed: seed,
		Writers: 4, Duration: time.Second, Dir: home, Memory: 64 << 20, Log: log,
	}
}

// TestNothingAcknowledgedIsLost is the drill itself, for several seeds of each loss that
// one process can play. Losing the agent takes the real program: see cmd/lifeboat.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	for _, lose := range []drill.Loss{drill.Primary, drill.MirrorLink} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", lose, seed), func(t *testing.T) {
				t.Parallel()
				cfg := stage(t, seed, lose)
				r, err := drill.Run(t.Context(), cfg)
				require.NoError(t, err)
				require.True(t, r.Verified)
				require.Zero(t, r.Verdict.AcknowledgedLost)
				require.GreaterOrEqual(t, r.Verdict.Acknowledged, 20)
				require.GreaterOrEqual(t, r.TargetSeq, uint64(r.Verdict.Acknowledged))
				require.Positive(t, r.Verdict.Rows)
				require.Len(t, r.Tables, 6)
				require.Positive(t, r.RTO)
				require.NoDirExists(t, filepath.Join(cfg.Dir, "primary", "store"), "the primary's store is still there")
				require.NoFileExists(t, filepath.Join(cfg.Dir, "primary", "app.sqlite"))
				requireReport(t, r)
			})
		}
	}
}

func requireReport(t *testing.T, r *drill.Result) {
	t.Helper()
	for _, path := range []string{r.Markdown, r.HTML} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, want := range []string{"proven", fmt.Sprintf("seed %d", r.Seed), "patient", string(r.Lose), "restore: load"} {
			require.Contains(t, string(text), want, path)
		}
		require.NotContains(t, string(text), "FAILS")
		require.NotContains(t, string(text), "<no value>")
	}
	page, err := os.ReadFile(r.HTML)
	require.NoError(t, err)
	require.NotRegexp(t, `(src|href)=|url\(|@import`, string(page), "the page needs something from elsewhere")
	evidence, err := os.ReadFile(r.Evidence)
	require.NoError(t, err)
	require.Equal(t, r.Verdict.Acknowledged, strings.Count(string(evidence), `"event":"acknowledged"`))
}

func TestSummaryHasTheKeysThatWerePromised(t *testing.T) {
	t.Parallel()
	r := &drill.Result{Tables: []drill.Table{{Name: "t", Rows: 1}}, Steps: []drill.Step{{Name: "a", Recovery: true}, {Name: "b"}}}
	b, err := json.Marshal(r.Summary())
	require.NoError(t, err)
	zero := "0:" + strings.Repeat("0", 64)
	require.Equal(t, `{"version":1,"committed":0,"acknowledged":0,"acknowledged_lost":0,"committed_lost":0,"target_seq":0,`+
		`"rpo_seconds":0,"rto_seconds":0,"verified":false,`+
		`"tables":[{"name":"t","rows":1,"state_hash":"`+zero+`","expected_hash":"`+zero+`","match":true}],`+
		`"steps":[{"name":"a","seconds":0}],"report":""}`, string(b))
}

// liar is a store that says yes to segments and does not keep them, from some moment on.
type liar struct {
	blob.Store
	after int64
	seen  atomic.Int64
}

func (l *liar) Create(ctx context.Context, name string, body []byte) error {
	if strings.HasPrefix(name, "log/") && !bytes.HasPrefix(body, []byte("LBLOGFEN")) && l.seen.Add(1) > l.after {
		return nil // of fences a takeover would find out
	}
	return l.Store.Create(ctx, name, body)
}

// TestLiesAreFoundOut: a mirror that acknowledges without storing makes the log's promise
// false; no part of Lifeboat can see that, but the writers' record does.
func TestLiesAreFoundOut(t *testing.T) {
	t.Parallel()
	cfg := stage(t, 5, drill.Primary)
	cfg.Mirror.Store = &liar{Store: cfg.Mirror.Store, after: 5}
	r, err := drill.Run(t.Context(), cfg)
	require.ErrorIs(t, err, drill.ErrNotProven)
	require.False(t, r.Verified)
	require.Positive(t, r.Verdict.AcknowledgedLost)
	text, err := os.ReadFile(r.Markdown)
	require.NoError(t, err)
	require.Contains(t, string(text), "NOT PROVEN")
	require.Contains(t, string(text), "**FAILS**")
}

// meddler changes the restored database behind everybody's back.
type meddler struct {
	drill.Engine
	statement string
	early     bool // before it is verified, not after
}

func (m *meddler) Standby(ctx context.Context) (drill.Standby, error) {
	s, err := m.Engine.Standby(ctx)
	return &meddledStandby{s, m}, err
}

type meddledStandby struct {
	drill.Standby
	m *meddler
}

func (s *meddledStandby) App(ctx context.Context) (*sql.DB, workload.Dialect, error) {
	db, d, err := s.Standby.App(ctx)
	if err == nil && !s.m.early {
		_, err = db.ExecContext(ctx, s.m.statement)
	}
	return db, d, err
}

func (s *meddledStandby) Target(ctx context.Context) (database.Target, error) {
	t, err := s.Standby.Target(ctx)
	return &meddledTarget{t, s}, err
}

type meddledTarget struct {
	database.Target
	s *meddledStandby
}

func (t *meddledTarget) Finish(ctx context.Context, counters map[string]int64) error {
	if err := t.Target.Finish(ctx, counters); err != nil || !t.s.m.early {
		return err
	}
	db, _, err := t.s.Standby.App(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, t.s.m.statement)
	return err
}

func TestMeddlingIsFoundOut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, statement string
		early           bool
		check           func(*testing.T, *drill.Result)
	}{
		{"a row changed after the restore, found by the writers", "UPDATE note SET body = body || '.'", false, func(t *testing.T, r *drill.Result) {
			require.Positive(t, r.Verdict.Wrong)
			require.Positive(t, r.Verdict.AcknowledgedLost)
		}},
		{"an untouched row gone before the verification, found by hash", "DELETE FROM note WHERE id = (SELECT min(id) FROM note)", true, func(t *testing.T, r *drill.Result) {
			wrong := 0
			for _, table := range r.Tables {
				if !table.Match() {
					wrong++
					require.Equal(t, "note", table.Name)
				}
			}
			require.Equal(t, 1, wrong)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := stage(t, 6, drill.Primary)
			cfg.Engine = &meddler{cfg.Engine, tt.statement, tt.early}
			r, err := drill.Run(t.Context(), cfg)
			require.ErrorIs(t, err, drill.ErrNotProven)
			tt.check(t, r)
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	cfg := stage(t, 1, "everything")
	cfg.Writers, cfg.Duration = 0, time.Millisecond
	_, err := drill.Run(t.Context(), cfg)
	require.ErrorContains(t, err, "everything")
	require.ErrorContains(t, err, "0 writers")
	require.ErrorContains(t, err, "1ms")
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	cfg := stage(t, 1, drill.Primary)
	cfg.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cfg.Engine = &onStandby{cfg.Engine, cancel}
	_, err := drill.Run(ctx, cfg)
	require.ErrorIs(t, err, context.Canceled)
}

// onStandby calls something when the drill has begun.
type onStandby struct {
	drill.Engine
	do func()
}

func (o *onStandby) Standby(ctx context.Context) (drill.Standby, error) {
	time.AfterFunc(300*time.Millisecond, o.do)
	return o.Engine.Standby(ctx)
}
