package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"lifeboat/failover/cluster/clustertest"
	"lifeboat/internal/azuresim/simtest"
)

// shore is a company whose failovers restore in a cluster.
type shore struct {
	*company
	args    func(...string) []string
	plane   *clustertest.Plane
	kubelet *clustertest.Kubelet
	plan    string
}

// newShore has an approved plan of a failover whose database only pods may touch.
func newShore(t *testing.T, plane *clustertest.Plane, shards int, fate func(*core.Pod) clustertest.Fate) *shore {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	s := &shore{plane: plane}
	s.company, s.args = newBridge(t)
	s.kubelet = &clustertest.Kubelet{
		Namespace: strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())),
		Command:   func(args []string) *exec.Cmd { return exec.Command(self, args...) },
		Fate:      fate,
	}
	plane.Serve(t, s.kubelet)
	s.configure(s.rescueSection(fmt.Sprintf("  restore: {where: cluster, shards: %d, kubeconfig: '%s', namespace: '%s', image: 'registry.example/lifeboat@sha256:%s'}\n",
		shards, plane.Kubeconfig, s.kubelet.Namespace, strings.Repeat("0123456789abcdef", 4))))
	p := s.plans(s.args, "--accept-stale", "a test")
	for _, step := range p.Plan.Forecast.Steps {
		if step.Name == "restore" {
			require.Contains(t, step.Basis, "in the new cluster")
		}
	}
	s.plan = p.Plan.ID
	s.approves(s.args, s.plan, "ada", "bob")
	return s
}

// jobs are the names of the Jobs there are, in order, without the run's id.
func (s *shore) jobs() (names []string) {
	s.t.Helper()
	list, err := s.plane.Client.BatchV1().Jobs(s.kubelet.Namespace).List(s.t.Context(), meta.ListOptions{})
	require.NoError(s.t, err)
	for _, j := range list.Items {
		task, attempt, ok := strings.Cut(j.Name, "-"+s.plan+"-")
		require.True(s.t, ok, j.Name)
		names = append(names, strings.Split(task, "-")[0]+" "+attempt)
	}
	slices.Sort(names)
	return names
}

func (s *shore) saved() {
	s.t.Helper()
	require.Equal(s.t, rowsOf(s.t, filepath.Join(s.root, "app.sqlite")), rowsOf(s.t, filepath.Join(s.root, "there.sqlite")))
	require.Error(s.t, write(s.t, filepath.Join(s.root, "app.sqlite")))
	require.NoError(s.t, write(s.t, filepath.Join(s.root, "there.sqlite")))
}

// TestFailoverThroughACluster: the steps that touch the database run as pods of a real API
// server's Jobs, which the real job controller makes.
func TestFailoverThroughACluster(t *testing.T) {
	t.Parallel()
	plane := clustertest.Start(t)

	t.Run("shards", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		met := map[string]bool{}
		// Shard 0 is killed and shard 1 taken away, once each, as soon as they run: where in
		// the middle makes no difference, which restore/snapshot tests at every call.
		s := newShore(t, plane, 3, func(p *core.Pod) clustertest.Fate {
			mu.Lock()
			defer mu.Unlock()
			shard := clustertest.Shard(p)
			again := met[shard]
			met[shard] = true
			return map[string]clustertest.Fate{"0": clustertest.Killed, "1": clustertest.Evicted}[map[bool]string{false: shard}[again]]
		})
		got := s.run(s.args("failover", "run", s.plan)...)
		require.Zero(t, got.code, got.errout)
		require.Contains(t, got.out, "as 3 shards")
		require.Contains(t, got.out, "every state hash equal")
		require.Contains(t, got.errout, "(shard 1) failed: taken away by the cluster")
		require.Contains(t, got.errout, "verify: ", "progress comes through the pods' logs")
		require.Equal(t, []string{"arm 1", "load 1", "login 1", "restore 1"}, s.jobs())
		require.Len(t, s.kubelet.Began(), 5+3, "three shards and two in their stead; restore, arm and login")
		s.saved()
	})

	t.Run("operator", func(t *testing.T) {
		t.Parallel()
		s := newShore(t, plane, 0, nil)
		got := s.child(&simtest.Engine{}, s.args("failover", "run", s.plan), `"step":"restore"`, "job restore-")
		require.Equal(t, -1, got.code)
		got = s.run(s.args("failover", "resume", s.plan)...)
		require.Equal(t, 34, got.code, got.errout)
		got = s.run(s.args("failover", "resume", s.plan, "--take-over")...)
		require.Zero(t, got.code, got.errout)
		require.Equal(t, []string{"arm 1", "login 1", "restore 1"}, s.jobs(), "the job that was at work was followed")
		s.saved()
	})

	t.Run("damage", func(t *testing.T) {
		t.Parallel()
		s := newShore(t, plane, 0, nil)
		mend := s.damage()
		got := s.run(s.args("failover", "run", s.plan)...)
		require.Equal(t, 7, got.code, got.errout)
		require.Contains(t, got.errout, "PodFailurePolicy")
		require.Contains(t, got.errout, "exit code 7")
		require.Len(t, s.kubelet.Began(), 1, "what no repetition changes is not repeated")
		mend()
		got = s.run(s.args("failover", "resume", s.plan)...)
		require.Zero(t, got.code, got.errout)
		require.Equal(t, []string{"arm 1", "login 1", "restore 1", "restore 2"}, s.jobs())
		s.saved()
	})
}

// damage flips a byte of a chunk that only the restore itself reads, and returns how it is
// mended.
func (s *shore) damage() (mend func()) {
	s.t.Helper()
	var chunks []string
	require.NoError(s.t, filepath.WalkDir(filepath.Join(s.root, "mirror", "chunks"), func(p string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			chunks = append(chunks, p)
		}
		return err
	}))
	for _, path := range chunks {
		whole, err := os.ReadFile(path)
		require.NoError(s.t, err)
		set := func(b []byte) {
			require.NoError(s.t, os.Chmod(path, 0o600))
			require.NoError(s.t, os.WriteFile(path, b, 0o600))
		}
		bad := slices.Clone(whole)
		bad[len(bad)/2] ^= 1
		set(bad)
		if s.run(s.args("failover", "show", s.plan, "--check")...).code == 0 {
			return func() { set(whole) }
		}
		set(whole)
	}
	require.Fail(s.t, "whatever is damaged is noticed before the restore")
	return nil
}
