package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// follower waits for the end of one Job.
type follower struct {
	c    *Cluster
	task Task
	name string
	tell func(string) // one at a time
	// said is what was told of each pod last.
	said  map[string]string
	logs  sync.WaitGroup
	heard map[string]bool // pods whose log is being read
	idle  *time.Timer     // runs while no pod does
	armed bool
}

// follow waits until a Job has ended, however long that takes and however often the
// connection breaks.
func (c *Cluster) follow(ctx context.Context, t Task, name string, say func(string)) (Outcome, error) {
	var mu sync.Mutex
	f := &follower{c: c, task: t, name: name, said: map[string]string{}, heard: map[string]bool{}, idle: time.NewTimer(c.cfg.Patience), armed: true,
		tell: func(text string) {
			mu.Lock()
			defer mu.Unlock()
			say(text)
		}}
	ctx, cancel := context.WithCancel(ctx)
	defer f.logs.Wait()
	defer cancel()
	f.tell(fmt.Sprintf("job %s in namespace %s", name, c.cfg.Namespace))
	// client-go logs by the context's logger, not by ours.
	ctx = klog.NewContext(ctx, logr.FromSlogHandler(c.cfg.Log.Handler()))
	factory := informers.NewSharedInformerFactoryWithOptions(c.cfg.Client, 0, informers.WithNamespace(c.cfg.Namespace),
		informers.WithTweakListOptions(func(o *meta.ListOptions) { o.LabelSelector = jobLabel + "=" + name }))
	defer factory.Shutdown()
	defer cancel() // first: Shutdown waits for it
	jobs, pods := factory.Batch().V1().Jobs(), factory.Core().V1().Pods()
	changed := make(chan struct{}, 1)
	nudge := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	for _, informer := range []cache.SharedIndexInformer{jobs.Informer(), pods.Informer()} {
		if err := f.listen(informer, nudge); err != nil {
			return Outcome{}, err
		}
	}
	factory.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), jobs.Informer().HasSynced, pods.Informer().HasSynced) {
		return Outcome{}, f.interrupted(ctx)
	}
	for nudge(); ; {
		select {
		case <-ctx.Done():
			return Outcome{}, f.interrupted(ctx)
		case <-f.idle.C:
			return Outcome{}, f.stuck(ctx)
		case <-changed:
		}
		j, err := jobs.Lister().Jobs(c.cfg.Namespace).Get(name)
		if err != nil {
			return Outcome{}, fmt.Errorf("%w: job %s in namespace %s is not there any more: somebody has deleted it; what it has done is kept", ErrFailed, name, c.cfg.Namespace)
		}
		known, err := pods.Lister().List(labels.Everything())
		if err != nil {
			return Outcome{}, err
		}
		f.look(ctx, known)
		if ended(j) {
			return f.ending(ctx, j)
		}
	}
}

// listen makes every change call nudge, and tells when the cluster cannot be asked.
func (f *follower) listen(informer cache.SharedIndexInformer, nudge func()) error {
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { nudge() }, UpdateFunc: func(any, any) { nudge() }, DeleteFunc: func(any) { nudge() },
	})
	if err != nil {
		return fmt.Errorf("follow job %s: %w", f.name, err)
	}
	err = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		f.c.cfg.Log.Debug("watch of a job broke", "job", f.name, "err", err)
		if !watchEnded(err) {
			f.tell("the cluster does not answer: " + err.Error() + "; asking again")
		}
	})
	if err != nil {
		return fmt.Errorf("follow job %s: %w", f.name, err)
	}
	return nil
}

func (f *follower) interrupted(ctx context.Context) error {
	return fmt.Errorf("stopped waiting for job %s, which goes on: %w", f.name, context.Cause(ctx))
}

// look tells what is new of the pods, and reads the logs of those that run.
func (f *follower) look(ctx context.Context, pods []*core.Pod) {
	running := false
	for _, p := range pods {
		running = running || p.Status.Phase == core.PodRunning
		if text := stateOf(p); text != "" && f.said[p.Name] != text {
			f.said[p.Name] = text
			f.tell(text)
		}
		if (p.Status.Phase == core.PodRunning) && !f.heard[p.Name] {
			f.heard[p.Name] = true
			f.logs.Go(func() { f.hear(ctx, p.Name, shardOf(p)) })
		}
	}
	switch {
	case running && f.armed:
		f.idle.Stop()
		f.armed = false
	case !running && !f.armed:
		f.idle.Reset(f.c.cfg.Patience)
		f.armed = true
	}
}

// ending is how a Job that has ended did. Its pods are asked for anew: what the watch knows
// of them may be older than what it knows of the Job.
func (f *follower) ending(ctx context.Context, j *batch.Job) (Outcome, error) {
	pods, err := f.pods(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if !succeeded(j) {
		return Outcome{}, f.failure(ctx, j, pods)
	}
	out := Outcome{Job: j.Name, Gone: true}
	for i := range pods {
		end := endedContainer(&pods[i])
		if pods[i].Status.Phase == core.PodSucceeded && end != nil {
			out.Gone, out.Message = false, end.Message
		}
	}
	f.tell("job " + j.Name + " is complete")
	return out, nil
}

func (f *follower) pods(ctx context.Context) (pods []core.Pod, err error) {
	err = patiently(ctx, func() error {
		list, err := f.c.cfg.Client.CoreV1().Pods(f.c.cfg.Namespace).List(ctx, meta.ListOptions{LabelSelector: jobLabel + "=" + f.name})
		if err == nil {
			pods = list.Items
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pods of job %s in namespace %s: %w", f.name, f.c.cfg.Namespace, err)
	}
	return pods, nil
}

// stuck says why no pod runs.
func (f *follower) stuck(ctx context.Context) error {
	err := fmt.Errorf("%w: job %s in namespace %s has waited for %s", ErrStuck, f.name, f.c.cfg.Namespace, f.c.cfg.Patience)
	pods, perr := f.pods(ctx)
	for i := range pods {
		if text := stateOf(&pods[i]); text != "" {
			err = fmt.Errorf("%w; %s", err, text)
		}
	}
	if len(pods) == 0 {
		err = fmt.Errorf("%w; it has no pod at all: 'kubectl describe job --namespace %s %s' shows what the cluster refuses", err, f.c.cfg.Namespace, f.name)
	}
	return errors.Join(fmt.Errorf("%w; the job goes on waiting: when the cause is gone, resume the run", err), perr)
}
