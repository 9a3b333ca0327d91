package main

import (
	"context"
	"sync"
	"time"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/report"
)

// recordKeeper enters a run in an incident's record, beside the run: whatever becomes of
// an entry or of the messages about it, the recovery does not wait and does not fail.
type recordKeeper struct {
	e    *expedition
	turn sync.Mutex // one entry after the other
	all  sync.WaitGroup
}

// recordWait bounds one entry with its messages.
const recordWait = 2 * time.Minute

func newRecordKeeper(e *expedition) *recordKeeper { return &recordKeeper{e: e} }

// wait returns when every entry was made or given up.
func (r *recordKeeper) wait() { r.all.Wait() }

func (r *recordKeeper) started(ctx context.Context) {
	r.enter(ctx, incident.Entry{Kind: incident.RecoveryStarted, Recovery: &incident.Recovery{}}, nil)
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
	}}, []incident.File{{Name: x.ID + ".json", Body: body}})
}

func (r *recordKeeper) enter(ctx context.Context, entry incident.Entry, files []incident.File) {
	if r.e.options.incident == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWait)
	r.all.Go(func() {
		defer cancel()
		r.turn.Lock()
		defer r.turn.Unlock()
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
	entry.Recovery.Plan = state.Plan.Digest
	key, done, err := r.e.flags.signer(r.e.bridge.ring)
	if err != nil {
		return err
	}
	defer done()
	_, err = r.e.bridge.desk.Do(ctx, id, incident.Draft{Key: key, Role: r.e.flags.role, Entry: entry, Files: files})
	return err
}
