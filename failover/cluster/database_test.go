package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	batch "k8s.io/api/batch/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"lifeboat/eventlog"
	"lifeboat/failover/cluster"
	"lifeboat/failover/run"
	"lifeboat/internal/agent"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/drill/embedded"
	"lifeboat/restore"
)

// mirror is a store with a snapshot of a small database.
func mirror(t *testing.T) *memory.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.sqlite")
	require.NoError(t, embedded.Hospital(t.Context(), path, 20, 1))
	source, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer source.Close()
	_, err = source.Install(t.Context())
	require.NoError(t, err)
	store := memory.New()
	_, err = agent.TakeBase(t.Context(), agent.Config{Source: source, Primary: memory.New(), Mirror: store, Reason: "test"})
	require.NoError(t, err)
	return store
}

// proofOf is what a restore of the plan leaves, as long as it is an honest one.
func proofOf(t *testing.T, store *memory.Store, plan *restore.Plan) restore.Proof {
	t.Helper()
	tables, err := restore.Foresee(t.Context(), store, plan)
	require.NoError(t, err)
	r := restore.Result{PlanID: plan.ID, Point: plan.Point, Tables: tables, Steps: []restore.Step{{Name: restore.StepLoad, Seconds: 1.5}}}
	for i := range r.Tables {
		r.Tables[i].State = r.Tables[i].Expected
		r.Rows += r.Tables[i].Rows
	}
	return r.Proof()
}

// works lets every Job that is created succeed; message is what its pod leaves, and gone
// whether that is lost with the pod.
func (w *world) works(message func(job string) (text string, gone bool)) (stop func()) {
	jobs, err := w.client.BatchV1().Jobs(space).Watch(w.t.Context(), meta.ListOptions{})
	require.NoError(w.t, err)
	go func() {
		for e := range jobs.ResultChan() {
			j, ok := e.Object.(*batch.Job)
			if !ok || e.Type != "ADDED" {
				continue
			}
			if text, gone := message(j.Name); !gone {
				w.setPod(j.Name, "pod-of-"+j.Name, exited(0, text))
			}
			w.setEnd(j.Name, batch.JobComplete, "")
		}
	}()
	return jobs.Stop
}

// TestAResultIsBelievedOnlyWithItsProof, by what the log in the store demands.
func TestAResultIsBelievedOnlyWithItsProof(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		shards int
		leaves func(honest restore.Proof, attempt int) (text any, gone bool)
		is     error
		jobs   int
	}{
		"honest":          {leaves: func(p restore.Proof, _ int) (any, bool) { return p, false }, jobs: 1},
		"honest, sharded": {shards: 4, leaves: func(p restore.Proof, _ int) (any, bool) { return p, false }, jobs: 2},
		"its pod is gone": {leaves: func(p restore.Proof, n int) (any, bool) { return p, n == 1 }, jobs: 2},
		"a row too few":   {leaves: func(p restore.Proof, _ int) (any, bool) { p.Rows--; return p, false }, is: restore.ErrMismatch, jobs: 1},
		"other contents": {leaves: func(p restore.Proof, _ int) (any, bool) { p.States = strings.Repeat("0", 64); return p, false },
			is: restore.ErrMismatch, jobs: 1},
		"to another point": {leaves: func(p restore.Proof, _ int) (any, bool) { p.Seq++; return p, false }, is: restore.ErrMismatch, jobs: 1},
		"no proof at all":  {leaves: func(restore.Proof, int) (any, bool) { return map[string]string{"hello": "world"}, false }, is: eventlog.ErrCorrupt, jobs: 1},
		"of a newer release": {leaves: func(p restore.Proof, _ int) (any, bool) { p.Version = 2; return p, false },
			is: eventlog.ErrNewerVersion, jobs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := mirror(t)
			plan, _, err := restore.Prepare(t.Context(), store, restore.Latest())
			require.NoError(t, err)
			honest := proofOf(t, store, plan)
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.works(func(job string) (string, bool) {
					if strings.HasPrefix(job, "load-") {
						return "", false
					}
					attempt := 0
					_, err := fmt.Sscanf(job[strings.LastIndex(job, "-")+1:], "%d", &attempt)
					require.NoError(t, err)
					proof, gone := tt.leaves(honest, attempt)
					text, err := json.Marshal(proof)
					require.NoError(t, err)
					return string(text), gone
				})()
				d := &cluster.Database{DR: store, Shards: tt.shards, Memory: 512 << 20,
					Open: func(context.Context, run.Place) (*cluster.Cluster, error) { return w.c, nil }}
				at := run.Place{Database: "sqlserver://db?database=app"}
				got, err := d.Restore(t.Context(), at, plan.Point.Seq, w.say)
				require.Equal(t, tt.jobs, w.creations())
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
					return
				}
				require.NoError(t, err)
				require.Equal(t, honest.Rows, got.Rows)
				require.Len(t, got.Tables, honest.Tables)
				for _, table := range got.Tables {
					require.True(t, table.Match(), table.Name)
				}
				require.InDelta(t, 1.5, got.Seconds[restore.StepLoad], 0)
				again, err := d.Restore(t.Context(), at, plan.Point.Seq, w.say)
				require.NoError(t, err)
				require.Equal(t, got, again)
				require.Equal(t, tt.jobs, w.creations(), "asked again, the proof that is there is read")
			})
		})
	}
}

// TestArmedIsWhatTheClusterRemembers.
func TestArmedIsWhatTheClusterRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.works(func(string) (string, bool) { return "", false })()
		d := &cluster.Database{Open: func(context.Context, run.Place) (*cluster.Cluster, error) { return w.c, nil }}
		at := run.Place{Database: "sqlserver://db?database=app"}
		for _, want := range []bool{false, true} {
			armed, err := d.Armed(t.Context(), at)
			require.NoError(t, err)
			require.Equal(t, want, armed)
			require.NoError(t, d.Arm(t.Context(), at))
		}
		require.NoError(t, d.Login(t.Context(), at))
		require.NoError(t, d.Login(t.Context(), at))
		require.Equal(t, 2, w.creations(), "armed once, logged in once")
	})
}
