package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Fate is what happens to a pod beyond its own doing.
type Fate int

// The fates.
const (
	Lives   Fate = iota
	Killed       // its process, when its log has Kubelet.At in it
	Evicted      // the same, and the cluster says that it did it
)

// Kubelet runs the pods of a namespace. It is also their scheduler.
type Kubelet struct {
	// Namespace is its own: Plane.Serve makes it.
	Namespace string
	// Command makes the process of a pod from the arguments of its container.
	Command func(args []string) *exec.Cmd
	// Fate decides about each pod as it begins; nil: all live. It is asked one at a time.
	Fate func(pod *core.Pod) Fate
	// At is what the log has in it when a fate comes true; empty: as soon as the process runs.
	At string

	t      testing.TB
	plane  *Plane
	dir    string
	node   string
	mu     sync.Mutex
	logs   map[string]*logFile
	pods   map[string]context.CancelFunc // by name, of those that it knows
	began  []string
	ending sync.WaitGroup
}

// Serve begins to run pods, until the test ends.
func (p *Plane) Serve(t testing.TB, k *Kubelet) {
	t.Helper()
	p.furnish(t, k.Namespace)
	k.t, k.plane, k.dir, k.node = t, p, t.TempDir(), "node-of-"+k.Namespace
	k.logs, k.pods = map[string]*logFile{}, map[string]context.CancelFunc{}
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewTLSServer(k.handler())
	k.register(ctx, server.Listener.Addr().(*net.TCPAddr).Port)
	pods, err := p.Client.CoreV1().Pods(k.Namespace).Watch(ctx, meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.ending.Go(func() { k.watch(ctx, pods.ResultChan()) })
	t.Cleanup(func() {
		cancel()
		pods.Stop()
		k.ending.Wait()
		server.Close()
	})
}

// Began lists the pods that began, in order.
func (k *Kubelet) Began() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.began...)
}

// register makes the node that pods are bound to: the API server asks it for their logs.
func (k *Kubelet) register(ctx context.Context, port int) {
	nodes := k.plane.Client.CoreV1().Nodes()
	node, err := nodes.Create(ctx, &core.Node{ObjectMeta: meta.ObjectMeta{Name: k.node}}, meta.CreateOptions{})
	if err != nil {
		k.t.Fatal(err)
	}
	node.Status.Addresses = []core.NodeAddress{{Type: core.NodeInternalIP, Address: "127.0.0.1"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
	if _, err := nodes.UpdateStatus(ctx, node, meta.UpdateOptions{}); err != nil {
		k.t.Fatal(err)
	}
}

func (k *Kubelet) watch(ctx context.Context, events <-chan watch.Event) {
	for e := range events {
		p, ok := e.Object.(*core.Pod)
		if !ok {
			continue
		}
		k.mu.Lock()
		stop, known := k.pods[p.Name]
		k.mu.Unlock()
		switch {
		case known && (p.DeletionTimestamp != nil || e.Type == watch.Deleted):
			stop()
		case !known && e.Type == watch.Added && p.Status.Phase == core.PodPending:
			k.begin(ctx, p)
		}
	}
}

func (k *Kubelet) begin(ctx context.Context, p *core.Pod) {
	ctx, stop := context.WithCancel(ctx)
	fate := Lives
	if k.Fate != nil {
		fate = k.Fate(p)
	}
	k.mu.Lock()
	k.pods[p.Name], k.logs[p.Name] = stop, newLog()
	k.began = append(k.began, p.Name)
	k.mu.Unlock()
	k.ending.Go(func() {
		defer stop()
		if err := k.run(ctx, p, fate); err != nil && ctx.Err() == nil {
			k.t.Errorf("kubelet: pod %s: %v", p.Name, err)
		}
	})
}

// run is a pod's life.
func (k *Kubelet) run(ctx context.Context, p *core.Pod, fate Fate) error {
	binding := &core.Binding{ObjectMeta: meta.ObjectMeta{Name: p.Name, Namespace: k.Namespace}, Target: core.ObjectReference{Kind: "Node", Name: k.node}}
	if err := k.plane.Client.CoreV1().Pods(k.Namespace).Bind(ctx, binding, meta.CreateOptions{}); err != nil {
		return err
	}
	paths, err := k.mount(ctx, p)
	if err != nil {
		return err
	}
	c := p.Spec.Containers[0]
	proof := filepath.Join(k.dir, p.Name, "termination-log")
	paths = append(paths, c.TerminationMessagePath, proof)
	if err := os.WriteFile(proof, nil, 0o600); err != nil {
		return err
	}
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = strings.NewReplacer(paths...).Replace(expand(a, p, c.Env))
	}
	running := core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: meta.Now()}}
	if err := k.status(ctx, p, core.PodRunning, running); err != nil {
		return err
	}
	code := k.process(ctx, p.Name, args, fate)
	end := core.ContainerStateTerminated{ExitCode: int32(code), FinishedAt: meta.Now(), Reason: "Completed"}
	text, err := os.ReadFile(proof)
	if err != nil {
		return err
	}
	phase := core.PodSucceeded
	if code != 0 {
		phase, end.Reason = core.PodFailed, "Error"
		if len(text) == 0 && c.TerminationMessagePolicy == core.TerminationMessageFallbackToLogsOnError {
			text = k.log(p.Name).last(2048)
		}
	}
	end.Message = string(text[:min(len(text), 4096)])
	var conditions []core.PodCondition
	if fate == Evicted && code != 0 {
		conditions = append(conditions, core.PodCondition{Type: core.DisruptionTarget, Status: core.ConditionTrue, Reason: "EvictionByEvictionAPI", Message: "the node is drained"})
	}
	return k.status(context.WithoutCancel(ctx), p, phase, core.ContainerState{Terminated: &end}, conditions...)
}

// status writes how a pod is. It may have been deleted meanwhile.
func (k *Kubelet) status(ctx context.Context, p *core.Pod, phase core.PodPhase, state core.ContainerState, conditions ...core.PodCondition) error {
	pods := k.plane.Client.CoreV1().Pods(k.Namespace)
	for {
		now, err := pods.Get(ctx, p.Name, meta.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		now.Status.Phase = phase
		now.Status.Conditions = append(now.Status.Conditions, conditions...)
		now.Status.ContainerStatuses = []core.ContainerStatus{{Name: p.Spec.Containers[0].Name, Image: p.Spec.Containers[0].Image, State: state}}
		if _, err = pods.UpdateStatus(ctx, now, meta.UpdateOptions{}); !apierrors.IsConflict(err) {
			return err
		}
	}
}

// mount makes a pod's volumes and returns which of its paths are where.
func (k *Kubelet) mount(ctx context.Context, p *core.Pod) (paths []string, err error) {
	for _, m := range p.Spec.Containers[0].VolumeMounts {
		at := filepath.Join(k.dir, p.Name, m.Name)
		if err := os.MkdirAll(at, 0o700); err != nil {
			return nil, err
		}
		paths = append(paths, m.MountPath, at)
		for _, v := range p.Spec.Volumes {
			if v.Name != m.Name || v.ConfigMap == nil {
				continue
			}
			from, err := k.plane.Client.CoreV1().ConfigMaps(k.Namespace).Get(ctx, v.ConfigMap.Name, meta.GetOptions{})
			if err != nil {
				return nil, err
			}
			for name, text := range from.Data {
				if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o600); err != nil {
					return nil, err
				}
			}
		}
	}
	return paths, nil
}

// expand puts variables into an argument, as a kubelet does.
func expand(arg string, p *core.Pod, env []core.EnvVar) string {
	for _, e := range env {
		value := e.Value
		if from := e.ValueFrom; from != nil && from.FieldRef != nil {
			kind, key, _ := strings.Cut(from.FieldRef.FieldPath, "['")
			key = strings.TrimSuffix(key, "']")
			value = map[string]map[string]string{"metadata.annotations": p.Annotations, "metadata.labels": p.Labels}[kind][key]
		}
		arg = strings.ReplaceAll(arg, "$("+e.Name+")", value)
	}
	return arg
}

// process runs a pod's command to its end and returns its exit code, 128 and the signal if
// it was killed.
func (k *Kubelet) process(ctx context.Context, name string, args []string, fate Fate) int {
	cmd := k.Command(args)
	log := k.log(name)
	defer log.end()
	cmd.Stdout = log
	fatal := &fatal{log: log, at: k.At, armed: fate != Lives}
	cmd.Stderr = fatal
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(log, err)
		return 127
	}
	fatal.set(cmd.Process)
	over := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			_ = cmd.Process.Kill() // it may have ended by itself
		case <-over:
		}
	}()
	err := cmd.Wait()
	close(over)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	return 128 + 9
}

func (k *Kubelet) log(pod string) *logFile {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.logs[pod]
}

// Shard is a pod's number among the shards; "" if it has none.
func Shard(p *core.Pod) string { return p.Annotations["batch.kubernetes.io/job-completion-index"] }
