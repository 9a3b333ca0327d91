package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"lifeboat/restore"
)

// shardOf is a pod's number among the shards; "" where there are none.
func shardOf(p *core.Pod) string { return p.Annotations[batch.JobCompletionIndexAnnotation] }

// called is a pod's name, for people.
func called(p *core.Pod) string {
	if s := shardOf(p); s != "" {
		return fmt.Sprintf("pod %s (shard %s)", p.Name, s)
	}
	return "pod " + p.Name
}

func endedContainer(p *core.Pod) *core.ContainerStateTerminated {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container && s.State.Terminated != nil {
			return s.State.Terminated
		}
	}
	return nil
}

// stateOf says what is worth telling of a pod; "" for nothing.
func stateOf(p *core.Pod) string {
	switch p.Status.Phase {
	case core.PodRunning:
		return called(p) + " runs on node " + p.Spec.NodeName
	case core.PodFailed:
		return called(p) + " failed: " + causeOf(p)
	case core.PodPending:
		for _, s := range p.Status.ContainerStatuses {
			if w := s.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return fmt.Sprintf("%s cannot begin: %s: %s", called(p), w.Reason, w.Message)
			}
		}
		for _, c := range p.Status.Conditions {
			if c.Type == core.PodScheduled && c.Status == core.ConditionFalse {
				return fmt.Sprintf("%s finds no node: %s", called(p), c.Message)
			}
		}
	}
	return ""
}

// causeOf says in a few words why a pod failed.
func causeOf(p *core.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == core.DisruptionTarget && c.Status == core.ConditionTrue {
			return fmt.Sprintf("taken away by the cluster (%s: %s)", c.Reason, c.Message)
		}
	}
	end := endedContainer(p)
	switch {
	case end == nil:
		return strings.TrimSuffix(p.Status.Reason+": "+p.Status.Message, ": ")
	case end.Reason == "OOMKilled":
		return "out of memory: give restores more with restore.memory"
	case end.Signal != 0:
		return fmt.Sprintf("killed by signal %d", end.Signal)
	}
	return fmt.Sprintf("exit code %d", end.ExitCode)
}

// Failure is how a task's last pod ended; errors.As finds it in what Do returns.
type Failure struct {
	Job, Pod string
	Code     int // of its process; -1 if there was none
	Cause    string
	Tail     string // the last lines that it wrote
}

// Error implements error.
func (f *Failure) Error() string {
	text := fmt.Sprintf("pod %s: %s", f.Pod, f.Cause)
	if f.Tail != "" {
		text += "; its last lines:\n" + f.Tail
	}
	return text
}

// failure explains a Job that was given up, by the pod that failed last.
func (f *follower) failure(ctx context.Context, j *batch.Job, pods []core.Pod) error {
	why := condition(j, batch.JobFailed)
	err := fmt.Errorf("%w: %s in namespace %s (%s: %s)", ErrFailed, j.Name, j.Namespace, why.Reason, why.Message)
	var last *core.Pod
	for i := range pods {
		if p := &pods[i]; p.Status.Phase == core.PodFailed && (last == nil || f.blames(p, last)) {
			last = p
		}
	}
	if last == nil {
		return fmt.Errorf("%w; none of its pods is there any more to be asked why", err)
	}
	cause := &Failure{Job: j.Name, Pod: last.Name, Code: -1, Cause: causeOf(last)}
	if end := endedContainer(last); end != nil {
		cause.Code, cause.Tail = int(end.ExitCode), lastLines(end.Message)
	}
	if cause.Tail == "" {
		cause.Tail = f.tail(ctx, last.Name)
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// blames tells whether p says more about the failure than q: a permanent exit code does,
// then the later one.
func (f *follower) blames(p, q *core.Pod) bool {
	permanent := func(p *core.Pod) bool {
		end := endedContainer(p)
		return end != nil && slices.Contains(f.c.cfg.Permanent, end.ExitCode)
	}
	if permanent(p) != permanent(q) {
		return permanent(p)
	}
	at := func(p *core.Pod) time.Time {
		if end := endedContainer(p); end != nil {
			return end.FinishedAt.Time
		}
		return p.CreationTimestamp.Time
	}
	return at(p).After(at(q))
}

// tailLines and tailBytes bound what a failure quotes.
const (
	tailLines = 20
	tailBytes = 4 << 10
)

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	text = strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
	return text[max(0, len(text)-tailBytes):]
}

// tail reads the end of a pod's log; "" if it cannot be had.
func (f *follower) tail(ctx context.Context, pod string) string {
	lines, limit := int64(tailLines), int64(tailBytes)
	log, err := f.c.cfg.Client.CoreV1().Pods(f.c.cfg.Namespace).GetLogs(pod, &core.PodLogOptions{Container: container, TailLines: &lines, LimitBytes: &limit}).Stream(ctx)
	if err != nil {
		return ""
	}
	defer log.Close()
	text, _ := io.ReadAll(io.LimitReader(log, tailBytes)) // what could be read is worth having
	return lastLines(string(text))
}

// hear follows a pod's log until the pod has ended, and tells its progress and its
// complaints. That a log cannot be read says nothing about the pod.
func (f *follower) hear(ctx context.Context, pod, shard string) {
	since := meta.Time{}
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, time.Minute) {
		o := &core.PodLogOptions{Container: container, Follow: true}
		if !since.IsZero() {
			o.SinceTime = &since
		}
		log, err := f.c.cfg.Client.CoreV1().Pods(f.c.cfg.Namespace).GetLogs(pod, o).Stream(ctx)
		if err == nil {
			err = f.listenTo(log, shard, &since)
			log.Close()
		}
		if err == nil || apierrors.IsNotFound(err) {
			return
		}
		f.c.cfg.Log.Debug("log of a pod cannot be read", "pod", pod, "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// maxLine bounds a line of a log, bytes.
const maxLine = 1 << 20

// listenTo reads a log to its end and notes when the last line came.
func (f *follower) listenTo(log io.Reader, shard string, since *meta.Time) error {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		*since = meta.Now()
		if text := spoken(lines.Bytes()); text != "" {
			if shard != "" {
				text = "shard " + shard + ": " + text
			}
			f.tell(text)
		}
	}
	return lines.Err()
}

// spoken is what a line of a pod's log is worth telling; "" for nothing. The pods log as
// this command does with --json.
func spoken(line []byte) string {
	var l struct {
		Level string `json:"level"`
		Msg   string `json:"msg"`
		Err   string `json:"err"`
		Step  string `json:"step"`
		Done  int64  `json:"done"`
		Total int64  `json:"total"`
	}
	if json.Unmarshal(line, &l) != nil {
		return ""
	}
	switch {
	case l.Msg == "progress" && l.Step != "":
		return restore.Progress{Step: l.Step, Done: l.Done, Total: l.Total}.String()
	case l.Level == "WARN" || l.Level == "ERROR":
		return strings.TrimSuffix(l.Msg+": "+l.Err, ": ")
	}
	return ""
}

// watchEnded tells the end of a watch that is in the order of things from one that is not:
// servers end every watch after a while.
func watchEnded(err error) bool {
	return errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}
