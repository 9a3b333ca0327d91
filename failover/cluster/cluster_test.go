package cluster_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttest "k8s.io/client-go/testing"

	"lifeboat/failover/cluster"
)

var update = flag.Bool("update", false, "rewrite golden files")

const space = "lifeboat"

var digest = strings.Repeat("0123456789abcdef", 4)

// world is a cluster whose API is client-go's fake; the test is its controllers and kubelet.
type world struct {
	t      *testing.T
	client *fake.Clientset
	c      *cluster.Cluster
	mu     sync.Mutex
	said   []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, client: fake.NewClientset()}
	c, err := cluster.New(cluster.Config{
		Client: w.client, Namespace: space, Run: "f2603011030", Image: "registry.example/lifeboat@sha256:" + digest, Account: "agent",
		File: "version: 1\n", Memory: 896 << 20, Scratch: 64 << 30, Permanent: []int32{3, 5, 6, 7, 9},
	})
	require.NoError(t, err)
	w.c = c
	return w
}

func (w *world) say(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func (w *world) heard() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.said, "\n")
}

var task = cluster.Task{Name: "restore-01234567", Args: []string{"restore", "--json"}}

const first = "restore-01234567-f2603011030-1"

// do runs the task beside what happens to its Job.
func (w *world) do(t cluster.Task, happens func()) (out cluster.Outcome, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, err = w.c.Do(w.t.Context(), t, w.say)
	}()
	synctest.Wait()
	happens()
	<-done
	return out, err
}

// pod puts a pod of a Job into a state, and lets everybody see it.
func (w *world) pod(job, name string, status core.PodStatus) {
	w.t.Helper()
	w.setPod(job, name, status)
	settle()
}

func (w *world) setPod(job, name string, status core.PodStatus) {
	w.t.Helper()
	p := &core.Pod{ObjectMeta: meta.ObjectMeta{Name: name, Namespace: space, Labels: map[string]string{"lifeboat.dev/job": job}}, Status: status}
	p.Spec.NodeName = "node-1"
	pods := w.client.CoreV1().Pods(space)
	_, err := pods.Create(w.t.Context(), p, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = pods.Update(w.t.Context(), p, meta.UpdateOptions{})
	}
	require.NoError(w.t, err)
}

// settle lets everybody see what has happened: informers look for their first list every
// tenth of a second, of the bubble's clock.
func settle() {
	<-time.After(time.Second)
	synctest.Wait()
}

func running() core.PodStatus { return core.PodStatus{Phase: core.PodRunning} }

func exited(code int32, message string) core.PodStatus {
	phase := core.PodSucceeded
	if code != 0 {
		phase = core.PodFailed
	}
	return core.PodStatus{Phase: phase, ContainerStatuses: []core.ContainerStatus{{Name: "lifeboat", State: core.ContainerState{
		Terminated: &core.ContainerStateTerminated{ExitCode: code, Message: message, FinishedAt: meta.Now()},
	}}}}
}

// ends gives a Job its last condition, and lets everybody see it.
func (w *world) ends(job string, kind batch.JobConditionType, reason string) {
	w.t.Helper()
	w.setEnd(job, kind, reason)
	settle()
}

func (w *world) setEnd(job string, kind batch.JobConditionType, reason string) {
	w.t.Helper()
	jobs := w.client.BatchV1().Jobs(space)
	j, err := jobs.Get(w.t.Context(), job, meta.GetOptions{})
	require.NoError(w.t, err)
	j.Status.Conditions = append(j.Status.Conditions, batch.JobCondition{Type: kind, Status: core.ConditionTrue, Reason: reason, Message: "as it was"})
	_, err = jobs.UpdateStatus(w.t.Context(), j, meta.UpdateOptions{})
	require.NoError(w.t, err)
}

// creations counts the Jobs that were asked to be created.
func (w *world) creations() (n int) {
	for _, a := range w.client.Actions() {
		if a.Matches("create", "jobs") {
			n++
		}
	}
	return n
}

// TestTheManifests are looked at by people: a change of what runs on the worst day is seen.
func TestTheManifests(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]cluster.Task{
		"one": task, "shards": {Name: "load-01234567", Args: []string{"restore", "--shard", cluster.ShardOf + "/4"}, Shards: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				job := of.Name + "-f2603011030-1"
				_, err := w.do(of, func() { w.ends(job, batch.JobComplete, "") })
				require.NoError(t, err)
				j, err := w.client.BatchV1().Jobs(space).Get(t.Context(), job, meta.GetOptions{})
				require.NoError(t, err)
				j.Status, j.ManagedFields, j.TypeMeta = batch.JobStatus{}, nil, meta.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
				got, err := json.MarshalIndent(j, "", "  ")
				require.NoError(t, err)
				path := filepath.Join("testdata", "job-"+name+".json")
				if *update {
					require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o600))
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, string(want), string(got)+"\n")
				maps, err := w.client.CoreV1().ConfigMaps(space).List(t.Context(), meta.ListOptions{})
				require.NoError(t, err)
				require.Len(t, maps.Items, 1)
				require.True(t, *maps.Items[0].Immutable)
			})
		})
	}
}

// TestEndings has a row for every way that a Job ends or does not.
func TestEndings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		happens func(w *world)
		is      error // nil: it succeeds
		says    []string
		code    int
	}{
		"succeeds": {happens: func(w *world) {
			w.pod(first, "p1", running())
			w.pod(first, "p1", exited(0, "proof"))
			w.ends(first, batch.JobComplete, "")
		}, says: []string{"pod p1 runs on node node-1", "is complete"}},
		"an evicted pod does not count": {happens: func(w *world) {
			gone := core.PodStatus{Phase: core.PodFailed, Conditions: []core.PodCondition{{Type: core.DisruptionTarget, Status: core.ConditionTrue, Reason: "EvictionByEvictionAPI", Message: "drained"}}}
			w.pod(first, "p1", gone)
			w.pod(first, "p2", exited(0, "proof"))
			w.ends(first, batch.JobComplete, "")
		}, says: []string{"pod p1 failed: taken away by the cluster (EvictionByEvictionAPI: drained)"}},
		"a permanent exit code": {happens: func(w *world) {
			w.pod(first, "p1", exited(1, "first try"))
			w.pod(first, "p2", exited(7, "table Patient differs"))
			w.ends(first, batch.JobFailed, "PodFailurePolicy")
		}, is: cluster.ErrFailed, says: []string{"pod p2: exit code 7", "table Patient differs", "PodFailurePolicy"}, code: 7},
		"too many tries": {happens: func(w *world) {
			w.pod(first, "p1", exited(1, "no route"))
			<-time.After(time.Minute) // of the bubble's clock: the later pod counts
			w.pod(first, "p2", exited(1, "still no route"))
			w.ends(first, batch.JobFailed, "BackoffLimitExceeded")
		}, is: cluster.ErrFailed, says: []string{"still no route", "BackoffLimitExceeded"}, code: 1},
		"out of memory": {happens: func(w *world) {
			s := exited(137, "")
			s.ContainerStatuses[0].State.Terminated.Reason = "OOMKilled"
			w.pod(first, "p1", s)
			w.ends(first, batch.JobFailed, "BackoffLimitExceeded")
		}, is: cluster.ErrFailed, says: []string{"restore.memory"}, code: 137},
		"failed, and its pods are gone": {happens: func(w *world) { w.ends(first, batch.JobFailed, "DeadlineExceeded") },
			is: cluster.ErrFailed, says: []string{"none of its pods is there"}},
		"its image cannot be had": {happens: func(w *world) {
			w.pod(first, "p1", core.PodStatus{Phase: core.PodPending, ContainerStatuses: []core.ContainerStatus{{Name: "lifeboat", State: core.ContainerState{
				Waiting: &core.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "401 from the registry"},
			}}}})
		}, is: cluster.ErrStuck, says: []string{"ImagePullBackOff: 401 from the registry", "resume the run"}},
		"it finds no node": {happens: func(w *world) {
			w.pod(first, "p1", core.PodStatus{Phase: core.PodPending, Conditions: []core.PodCondition{{Type: core.PodScheduled, Status: core.ConditionFalse, Message: "0/2 nodes fit"}}})
		}, is: cluster.ErrStuck, says: []string{"finds no node: 0/2 nodes fit"}},
		"no pod is ever made": {happens: func(*world) {}, is: cluster.ErrStuck, says: []string{"kubectl describe job"}},
		"somebody deletes it": {happens: func(w *world) {
			require.NoError(w.t, w.client.BatchV1().Jobs(space).Delete(w.t.Context(), first, meta.DeleteOptions{}))
		}, is: cluster.ErrFailed, says: []string{"somebody has deleted it"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				out, err := w.do(task, func() { tt.happens(w) })
				text := w.heard()
				if tt.is == nil {
					require.NoError(t, err)
					require.Equal(t, cluster.Outcome{Job: first, Message: "proof"}, out)
				} else {
					require.ErrorIs(t, err, tt.is)
					text += "\n" + err.Error()
				}
				for _, want := range tt.says {
					require.Contains(t, text, want)
				}
				var f *cluster.Failure
				if errors.As(err, &f) {
					require.Equal(t, tt.code, f.Code)
				}
				require.Equal(t, 1, w.creations())
			})
		})
	}
}

// fails makes the next call of a kind fail, done or not.
func (w *world) fails(verb, kind string, err error, done bool) {
	var once sync.Once
	w.client.PrependReactor(verb, kind, func(a clienttest.Action) (handled bool, _ runtime.Object, _ error) {
		once.Do(func() {
			handled = true
			if create, ok := a.(clienttest.CreateAction); ok && done {
				require.NoError(w.t, w.client.Tracker().Create(a.GetResource(), create.GetObject(), a.GetNamespace()))
			}
		})
		if !handled {
			return false, nil, nil
		}
		return true, nil, err
	})
}

// TestEveryCallFailsOnce, not done or done and reported as failed: the task ends the same,
// and nothing is made twice.
func TestEveryCallFailsOnce(t *testing.T) {
	t.Parallel()
	gone := errors.New("connection reset by peer")
	busy := apierrors.NewServiceUnavailable("etcd has no leader")
	for _, call := range []struct{ verb, kind string }{
		{"create", "configmaps"}, {"create", "jobs"}, {"list", "jobs"}, {"list", "pods"},
	} {
		for name, err := range map[string]error{"lost": gone, "refused for now": busy} {
			for _, done := range []bool{false, true} {
				if done && call.verb != "create" {
					continue
				}
				t.Run(fmt.Sprintf("%s %s %s, done %v", call.verb, call.kind, name, done), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t)
						w.fails(call.verb, call.kind, err, done)
						out, err := w.do(task, func() {
							<-time.After(time.Minute) // of the bubble's clock: every repetition is over
							w.pod(first, "p1", exited(0, "proof"))
							w.ends(first, batch.JobComplete, "")
						})
						require.NoError(t, err)
						require.Equal(t, "proof", out.Message)
						jobs, err := w.client.BatchV1().Jobs(space).List(t.Context(), meta.ListOptions{})
						require.NoError(t, err)
						require.Len(t, jobs.Items, 1)
					})
				})
			}
		}
	}
}

// TestWhatTheServerHasDecidedIsFinal.
func TestWhatTheServerHasDecidedIsFinal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.client.PrependReactor("create", "jobs", func(clienttest.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "batch", Resource: "jobs"}, first, errors.New("no role"))
		})
		_, err := w.c.Do(t.Context(), task, w.say)
		require.True(t, apierrors.IsForbidden(err), err)
		require.ErrorContains(t, err, "create job "+first+" in namespace lifeboat")
		require.Equal(t, 1, w.creations())
	})
}

// TestBrokenWatches: what happened meanwhile is found by listing again.
func TestBrokenWatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, kind := range []string{"jobs", "pods"} {
			broken := 0
			w.client.PrependWatchReactor(kind, func(clienttest.Action) (bool, watch.Interface, error) {
				if broken++; broken > 3 {
					return false, nil, nil
				}
				if broken == 1 {
					return true, nil, errors.New("connection refused")
				}
				ended := watch.NewFake()
				ended.Stop()
				return true, ended, nil
			})
		}
		out, err := w.do(task, func() {
			w.pod(first, "p1", exited(0, "proof"))
			w.ends(first, batch.JobComplete, "")
		})
		require.NoError(t, err)
		require.Equal(t, "proof", out.Message)
	})
}

// TestAskedAgain after a crash, a failure or a success, the task goes on where it is.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	second := strings.TrimSuffix(first, "1") + "2"
	for name, tt := range map[string]struct {
		before func(w *world) // while nobody looked
		fresh  bool
		job    string // whose proof it is
		made   int    // Jobs in the end
	}{
		"at work":   {before: func(*world) {}, job: first, made: 1},
		"succeeded": {before: func(w *world) { w.pod(first, "p1", exited(0, "proof")); w.ends(first, batch.JobComplete, "") }, job: first, made: 1},
		"failed": {before: func(w *world) {
			w.pod(first, "p1", exited(7, "damage"))
			w.ends(first, batch.JobFailed, "PodFailurePolicy")
		}, job: second, made: 2},
		"succeeded, and asked to do it again": {before: func(w *world) { w.pod(first, "p1", exited(0, "proof")); w.ends(first, batch.JobComplete, "") }, fresh: true, job: second, made: 2},
		"deleted": {before: func(w *world) {
			require.NoError(w.t, w.client.BatchV1().Jobs(space).Delete(w.t.Context(), first, meta.DeleteOptions{}))
		}, job: first, made: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				_, err := w.do(task, func() { w.pod(first, "other", exited(1, "")); tt.before(w) })
				_ = err // an operator's machine that was switched off would not know it either
				again := task
				again.Fresh = tt.fresh
				out, err := w.do(again, func() {
					w.pod(tt.job, "p2", exited(0, "proof"))
					j, err := w.client.BatchV1().Jobs(space).Get(t.Context(), tt.job, meta.GetOptions{})
					require.NoError(t, err)
					if len(j.Status.Conditions) == 0 {
						w.ends(tt.job, batch.JobComplete, "")
					}
				})
				require.NoError(t, err)
				require.Equal(t, cluster.Outcome{Job: tt.job, Message: "proof"}, out)
				jobs, err := w.client.BatchV1().Jobs(space).List(t.Context(), meta.ListOptions{})
				require.NoError(t, err)
				require.Len(t, jobs.Items, tt.made)
			})
		})
	}
}

// TestTwoOperatorsAtOnce: one creates, both follow.
func TestTwoOperatorsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				out, err := w.c.Do(t.Context(), task, w.say)
				require.NoError(t, err)
				require.Equal(t, "proof", out.Message)
			})
		}
		synctest.Wait()
		w.pod(first, "p1", exited(0, "proof"))
		w.ends(first, batch.JobComplete, "")
		both.Wait()
		jobs, err := w.client.BatchV1().Jobs(space).List(t.Context(), meta.ListOptions{})
		require.NoError(t, err)
		require.Len(t, jobs.Items, 1)
	})
}

// TestAForeignJobIsLeftAlone while it is at work; once it has ended it is in nobody's way.
func TestAForeignJobIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, err := w.do(task, func() { w.pod(first, "p1", running()); w.ends(first, batch.JobComplete, "") })
		require.NoError(t, err)
		other := task
		other.Args = []string{"restore", "--memory", "1GiB"}
		second := strings.TrimSuffix(first, "1") + "2"
		_, err = w.do(other, func() { w.ends(second, batch.JobComplete, "") })
		require.NoError(t, err)
		third := other
		third.Fresh = true
		ctx := t.Context()
		done := make(chan error, 1)
		go func() {
			_, err := w.c.Do(ctx, third, w.say)
			done <- err
		}()
		synctest.Wait()
		_, err = w.c.Do(ctx, task, w.say)
		require.ErrorIs(t, err, cluster.ErrForeign)
		require.ErrorContains(t, err, "kubectl delete job --namespace lifeboat restore-01234567-f2603011030-3")
		w.ends(strings.TrimSuffix(first, "1")+"3", batch.JobComplete, "")
		require.NoError(t, <-done)
	})
}

// TestNewNamesEveryProblem.
func TestNewNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := cluster.New(cluster.Config{Run: "Not An Id", Image: "lifeboat:latest"})
	for _, want := range []string{"no client", "service account", `"Not An Id"`, `"lifeboat:latest" is not pinned`, "memory of 0 bytes"} {
		require.ErrorContains(t, err, want)
	}
}
