package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/report"
)

// recordKeeper enters a run in an incident's record, beside the run: whatever becomes of
// an entry or of the messages about it, the recovery does not wait and does not fail.
type recordKeeper struct {
	e    *expedition
	mu   sync.Mutex
	last chan struct{} // closed when the last entry so far is in; one comes after the other
	all  sync.WaitGroup
}

// recordWait bounds one entry with its messages.
const recordWait = 2 * time.Minute

func newRecordKeeper(e *expedition) *recordKeeper { return &recordKeeper{e: e} }

// wait returns when every entry was made or given up.
func (r *recordKeeper) wait() { r.all.Wait() }

// started enters the beginning of the recovery, or that it goes on.
func (r *recordKeeper) started(ctx context.Context, again bool) {
	if again {
		r.note(ctx, "%s %s goes on", r.e.plan.Kind, r.e.plan.ID)
		return
	}
	r.enter(ctx, incident.Entry{Kind: incident.RecoveryStarted, Recovery: &incident.Recovery{},
		Text: fmt.Sprintf("%s %s began, by the plan with SHA-256 %s", r.e.plan.Kind, r.e.plan.ID, r.e.hash)}, nil)
}

// failed enters that the run stopped. Why is in its journal: an error may name what must
// not stand here.
func (r *recordKeeper) failed(ctx context.Context) {
	r.note(ctx, "%s %s stopped before its end. 'lifeboat failover status %s' says where and why, 'lifeboat failover resume %s' goes on.",
		r.e.plan.Kind, r.e.plan.ID, r.e.plan.ID, r.e.plan.ID)
}

func (r *recordKeeper) note(ctx context.Context, format string, args ...any) {
	r.enter(ctx, incident.Entry{Kind: incident.Updated, Text: fmt.Sprintf(format, args...)}, nil)
}

// finished enters the end of the recovery with its report.
func (r *recordKeeper) finished(ctx context.Context, x report.Exercise, src *report.Source) {
	body, err := src.Render(report.JSON)
	if err != nil {
		r.e.app.logger().Warn("the report is not in the incident's record", "err", err)
		return
	}
	r.enter(ctx, incident.Entry{Kind: incident.Recovered, Recovery: &incident.Recovery{
		LostCommits: x.LostCommits, LostSeconds: int64(x.LostSeconds), Report: incident.Digest(body),
	}, Text: fmt.Sprintf("%s %s has ended; its report has SHA-256 %s", x.What, x.ID, incident.Digest(body))}, []incident.File{{Name: x.ID + ".json", Body: body}})
}

func (r *recordKeeper) enter(ctx context.Context, entry incident.Entry, files []incident.File) {
	if r.e.options.incident == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWait)
	r.mu.Lock()
	before, done := r.last, make(chan struct{})
	r.last = done
	r.mu.Unlock()
	r.all.Go(func() {
		defer cancel()
		defer close(done)
		if before != nil {
			<-before // always comes: each is bounded
		}
		if err := r.add(ctx, entry, files); err != nil {
			r.e.app.logger().Warn("not in the incident's record: enter it with 'lifeboat incident recover'", "kind", entry.Kind, "err", err)
		}
	})
}

func (r *recordKeeper) add(ctx context.Context, entry incident.Entry, files []incident.File) error {
	id, err := incident.ParseID(r.e.options.incident)
	if err != nil {
		return err
	}
	state, _, err := r.e.bridge.book.Incident(ctx, id)
	if err != nil {
		return err
	}
	if entry.Recovery != nil {
		entry.Recovery.Plan = state.Plan.Digest
	}
	key, done, err := r.e.flags.signer(r.e.bridge.ring)
	if err != nil {
		return err
	}
	defer done()
	_, err = r.e.bridge.desk.Do(ctx, id, incident.Draft{Key: key, Role: r.e.flags.role, Entry: entry, Files: files})
	if !errors.Is(err, incident.ErrOrder) {
		return err
	}
	// The incident has no approved plan of its own, or nobody with that role has the key: a
	// note says the same.
	_, err = r.e.bridge.desk.Do(ctx, id, incident.Draft{Key: key, Entry: incident.Entry{Kind: incident.Updated, Text: entry.Text}, Files: files})
	return err
}
