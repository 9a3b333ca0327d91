package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Outcome is what a task that succeeded left.
type Outcome struct {
	Job string // its name
	// Message is what its pod wrote to Proof; of several pods, that of one of them.
	Message string
	// Gone: the Job is complete and none of its pods is there any more to be read.
	Gone bool
}

// maxAttempts bounds how often a task is begun again; every one is asked for by a person.
const maxAttempts = 1000

// Do brings a task to its end, whoever began it, and tells how it goes. ErrFailed: the
// cluster gave it up; asked again, it is begun again. Cancelling ctx stops the waiting and
// not the task.
func (c *Cluster) Do(ctx context.Context, t Task, say func(string)) (Outcome, error) {
	if err := checkName(t); err != nil {
		return Outcome{}, err
	}
	if err := c.configure(ctx); err != nil {
		return Outcome{}, err
	}
	last, n, err := c.newest(ctx, t)
	if err != nil {
		return Outcome{}, err
	}
	if n >= maxAttempts {
		return Outcome{}, fmt.Errorf("task %s: %d attempts", t.Name, n)
	}
	if last != nil {
		same, err := c.made(t, n, last)
		switch {
		case err != nil && !ended(last):
			return Outcome{}, err
		case !ended(last), same && succeeded(last) && !t.Fresh:
			return c.follow(ctx, t, last.Name, say)
		}
		say(fmt.Sprintf("job %s ended %s; this is another attempt", last.Name, endOf(last)))
	}
	want, err := c.job(t, n+1)
	if err != nil {
		return Outcome{}, err
	}
	last, err = c.create(ctx, want)
	if err != nil {
		return Outcome{}, err
	}
	if _, err := c.made(t, n+1, last); err != nil {
		return Outcome{}, err
	}
	return c.follow(ctx, t, last.Name, say)
}

// made tells whether a Job is the nth attempt at exactly this task. ErrForeign says what to
// do about one that is not.
func (c *Cluster) made(t Task, n int, j *batch.Job) (bool, error) {
	want, err := c.job(t, n)
	if err != nil {
		return false, err
	}
	if j.Annotations[madeFor] == want.Annotations[madeFor] {
		return true, nil
	}
	return false, fmt.Errorf("job %s in namespace %s: %w: if the configuration or lifeboat's release has changed since, "+
		"'kubectl delete job --namespace %s %s' stops it (what it has done is kept); then resume the run", j.Name, j.Namespace, ErrForeign, j.Namespace, j.Name)
}

// Done reports whether a task has succeeded already, as far as the cluster remembers.
func (c *Cluster) Done(ctx context.Context, t Task) (bool, error) {
	last, _, err := c.newest(ctx, t)
	return err == nil && last != nil && succeeded(last), err
}

// newest is the last attempt at a task and its number; nil and 0 if there is none.
func (c *Cluster) newest(ctx context.Context, t Task) (last *batch.Job, n int, err error) {
	selector := fmt.Sprintf("%s=%s,app.kubernetes.io/name=%s", runLabel, c.cfg.Run, t.Name)
	err = patiently(ctx, func() error {
		list, err := c.cfg.Client.BatchV1().Jobs(c.cfg.Namespace).List(ctx, meta.ListOptions{LabelSelector: selector})
		if err != nil {
			return err
		}
		last, n = nil, 0
		for i := range list.Items {
			j := &list.Items[i]
			number, ok := strings.CutPrefix(j.Name, strings.TrimSuffix(c.jobName(t, 0), "0"))
			at, err := strconv.Atoi(number)
			if ok && err == nil && at > n {
				last, n = j, at
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("look for the jobs of task %s in namespace %s: %w", t.Name, c.cfg.Namespace, err)
	}
	return last, n, nil
}

// create makes a Job, unless it is there.
func (c *Cluster) create(ctx context.Context, want *batch.Job) (*batch.Job, error) {
	made, err := createOrGet(ctx, c.cfg.Client.BatchV1().Jobs(want.Namespace), want.Name, want)
	if err != nil {
		return nil, fmt.Errorf("create job %s in namespace %s: %w", want.Name, want.Namespace, err)
	}
	return made, nil
}

// configure makes the ConfigMap that pods read, unless it is there.
func (c *Cluster) configure(ctx context.Context) error {
	want := c.configMap()
	there, err := createOrGet(ctx, c.cfg.Client.CoreV1().ConfigMaps(want.Namespace), want.Name, want)
	if err != nil {
		return fmt.Errorf("create config map %s in namespace %s: %w", want.Name, want.Namespace, err)
	}
	if there.Data[configKey] != c.cfg.File {
		return fmt.Errorf("config map %s in namespace %s: %w: delete it, then try again", want.Name, want.Namespace, ErrForeign)
	}
	return nil
}

// objects are those of one kind in one namespace, as client-go has them.
type objects[T any] interface {
	Create(ctx context.Context, object T, o meta.CreateOptions) (T, error)
	Get(ctx context.Context, name string, o meta.GetOptions) (T, error)
}

// createOrGet makes an object, or finds that somebody has: this process, whose answer was
// lost, or another operator's, who asked at the same moment.
func createOrGet[T any](ctx context.Context, all objects[T], name string, want T) (made T, err error) {
	err = patiently(ctx, func() error {
		var err, gerr error
		if made, err = all.Create(ctx, want, meta.CreateOptions{FieldManager: "lifeboat"}); err == nil {
			return nil
		}
		if made, gerr = all.Get(ctx, name, meta.GetOptions{}); gerr == nil {
			return nil
		}
		return err
	})
	return made, err
}

func condition(j *batch.Job, kind batch.JobConditionType) *batch.JobCondition {
	for i := range j.Status.Conditions {
		if c := &j.Status.Conditions[i]; c.Type == kind && c.Status == core.ConditionTrue {
			return c
		}
	}
	return nil
}

func succeeded(j *batch.Job) bool { return condition(j, batch.JobComplete) != nil }
func ended(j *batch.Job) bool     { return succeeded(j) || condition(j, batch.JobFailed) != nil }

// endOf says how a Job that has ended did.
func endOf(j *batch.Job) string {
	if c := condition(j, batch.JobFailed); c != nil {
		return strings.TrimSpace("as failed, " + c.Reason + ": " + c.Message)
	}
	return "well"
}

// The pauses between tries of a call that may succeed later.
const (
	firstPause = 500 * time.Millisecond
	tries      = 6 // about 16 s in all
)

// patiently repeats a call while its error may be gone the next time.
func patiently(ctx context.Context, call func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := call()
		if err == nil || try == tries || !transient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// transient tells what may be gone the next time from what the server has decided. What it
// did not answer at all has no reason.
func transient(err error) bool {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsTooManyRequests(err), apierrors.IsInternalError(err), apierrors.IsServiceUnavailable(err):
		return true
	}
	return apierrors.ReasonForError(err) == meta.StatusReasonUnknown
}
