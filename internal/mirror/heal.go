package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
)

const (
	// maxObject bounds one object in memory, in bytes: four times the largest segment.
	maxObject = 1 << 30
	// healWidth is how many objects are on their way at once.
	healWidth = 16
	// healBytes bounds what they have in memory together; a larger one goes alone.
	healBytes = 64 << 20
)

// healer copies what one store lacks from another.
type healer struct {
	from, to blob.Store
	source   *Side // of from
	target   *Side // of to
	replace  bool
	done     *Repairs

	damaged map[string]bool // names of objects to be replaced, whatever else they heal
	tried   map[string]bool // names that have had a task
}

// task is one object to be there.
type task struct {
	name     string
	size     int64 // bytes, as far as known
	damaged  bool  // it is there, and has to go first
	other    bool  // it heals objects of other names, and may be there
	segments bool  // a pack to be made of segments
}

// outcome is what became of a task. Only what was read back counts as created.
type outcome struct {
	created bool
	bytes   int64
}

// heal works in stages: chunks are there before the manifests that make them a snapshot.
func (h *healer) heal(ctx context.Context, findings []Finding) error {
	*h.done = Repairs{Copied: []string{}, Replaced: []string{}, Left: []Finding{}}
	h.damaged, h.tried = map[string]bool{}, map[string]bool{}
	var stages [][]Finding
	last := ""
	for _, f := range findings { // in order of names
		if !f.Elsewhere || f.Problem == Damaged && !h.replace {
			h.done.Left = append(h.done.Left, f)
			continue
		}
		if prefix, _, _ := strings.Cut(f.Object, "/"); prefix != last || len(stages) == 0 {
			stages, last = append(stages, nil), prefix
		}
		stages[len(stages)-1] = append(stages[len(stages)-1], f)
		if f.Problem == Damaged && slices.Contains(f.From, f.Object) {
			h.damaged[f.Object] = true
		}
	}
	for _, stage := range stages {
		tasks, err := h.tasks(ctx, stage)
		if err == nil {
			err = h.run(ctx, tasks)
		}
		if err == nil {
			err = h.clear(ctx, stage)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tasks are the objects that heal the findings, each once, segments joined into packs
// where there are many.
func (h *healer) tasks(ctx context.Context, findings []Finding) (tasks []task, err error) {
	var lost []blob.Info
	for _, f := range findings {
		for _, name := range f.From {
			if h.tried[name] {
				continue
			}
			h.tried[name] = true
			t := task{name: name, size: h.source.names[name], damaged: h.damaged[name], other: !f.about(name) && !h.damaged[name]}
			tasks = append(tasks, t)
			if strings.HasPrefix(name, segments) && !t.other && !t.damaged {
				lost = append(lost, blob.Info{Name: name, Size: t.size})
			}
		}
	}
	if len(lost) == 0 {
		return tasks, nil
	}
	planned, err := eventlog.OpenLog(h.from).PlanPacks(ctx, lost)
	for _, name := range planned {
		if !h.target.has(name) { // one that is damaged keeps its name until all is there
			tasks = h.join(tasks, name)
		}
	}
	return tasks, err
}

// join puts a pack in the place of the tasks for its segments.
func (h *healer) join(tasks []task, name string) []task {
	e, first, last, _ := eventlog.Holds(name)
	low, high := eventlog.SegmentName(e, first), eventlog.SegmentName(e, last)
	at := slices.IndexFunc(tasks, func(t task) bool { return t.name == low })
	end := at + slices.IndexFunc(tasks[at:], func(t task) bool { return t.name == high }) + 1
	pack := task{name: name, segments: true}
	for _, t := range tasks[at:end] {
		pack.size += 2 * t.size // the segments, and the pack
	}
	return slices.Replace(tasks, at, end, pack)
}

// run does the tasks and notes what was done, also where one fails.
func (h *healer) run(ctx context.Context, tasks []task) error {
	outcomes := make([]outcome, len(tasks))
	memory := semaphore.NewWeighted(healBytes)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(healWidth)
	for i, t := range tasks {
		weight := min(max(t.size, 1), healBytes)
		if memory.Acquire(gctx, weight) != nil {
			break // the group's error says why, or ctx does
		}
		group.Go(func() (err error) {
			defer memory.Release(weight)
			if outcomes[i], err = h.do(gctx, t); err != nil {
				err = fmt.Errorf("%s: %w", t.name, err)
			}
			return err
		})
	}
	err := errors.Join(group.Wait(), ctx.Err())
	for i, o := range outcomes {
		if !o.created {
			continue
		}
		h.done.Bytes += o.bytes
		if tasks[i].damaged {
			h.done.Replaced = append(h.done.Replaced, tasks[i].name)
		} else {
			h.done.Copied = append(h.done.Copied, tasks[i].name)
		}
	}
	return err
}

// do brings one object where it is missing. A damaged one is deleted when its good bytes
// are in memory.
func (h *healer) do(ctx context.Context, t task) (outcome, error) {
	if t.other {
		if _, err := h.to.Stat(ctx, t.name); !errors.Is(err, blob.ErrNotExist) {
			return outcome{}, err // if it is damaged, it has a finding of its own
		}
	}
	body, err := h.read(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	if t.damaged {
		if err := h.to.Delete(ctx, t.name); err != nil {
			return outcome{}, err
		}
	}
	if err := h.to.Create(ctx, t.name, body); err != nil {
		return outcome{}, err
	}
	if err := h.same(ctx, t.name, body); err != nil {
		return outcome{}, err
	}
	return outcome{true, int64(len(body))}, nil
}

func (h *healer) read(ctx context.Context, t task) ([]byte, error) {
	if t.segments {
		return eventlog.OpenLog(h.from).Pack(ctx, t.name)
	}
	return blob.ReadAll(ctx, h.from, t.name, maxObject)
}

// same reads an object back and compares it with what was written.
func (h *healer) same(ctx context.Context, name string, body []byte) error {
	r, err := h.to.Get(ctx, name, 0, int64(len(body))+1)
	if err != nil {
		return err
	}
	defer r.Close()
	piece := make([]byte, 64<<10)
	for rest := body; ; {
		n, err := r.Read(piece)
		if !bytes.HasPrefix(rest, piece[:n]) {
			return ErrChanged
		}
		rest = rest[n:]
		switch {
		case errors.Is(err, io.EOF) && len(rest) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return ErrChanged
		case err != nil:
			return fmt.Errorf("read back: %w", err)
		}
	}
}

// clear deletes what is damaged and is held by objects with other names by now.
func (h *healer) clear(ctx context.Context, findings []Finding) error {
	for _, f := range findings {
		if f.Problem != Damaged || slices.Contains(f.From, f.Object) {
			continue
		}
		if err := h.to.Delete(ctx, f.Object); err != nil {
			return err
		}
		h.done.Replaced = append(h.done.Replaced, f.Object)
	}
	return nil
}
