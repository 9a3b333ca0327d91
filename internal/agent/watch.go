package agent

import (
	"context"
	"fmt"
	"time"

	"lifeboat/eventlog"
)

const (
	watchEvery = time.Second
	// alertEvery repeats an alert while its cause lasts: often enough for whoever watches
	// the log of one process, rarely enough not to bury everything else.
	alertEvery = time.Minute
	// tooLong is how long a commit may be exposed before that is a problem: far above any
	// healthy round trip, far below what a policy would allow.
	tooLong = 30 * time.Second
)

// watch says loudly what a person must know: exposure, degradation, healing.
func (a *Agent) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var degraded bool
	var last time.Time // alert
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		f, now := a.writer.Frontier(), a.cfg.Clock()
		problem := a.exposure(f, now)
		switch {
		case problem != "" && (f.Degraded != degraded || now.Sub(last) >= alertEvery):
			a.cfg.Log.Error("ALERT: "+problem, "exposed_transactions", f.Exposed, "exposed_since", f.ExposedSince, "seq", f.Committed)
			last = now
		case problem == "" && !last.IsZero():
			a.cfg.Log.Warn("alert over: both regions hold everything that was drained", "seq", f.Durable)
			last = time.Time{}
		}
		degraded = f.Degraded
	}
}

// exposure is what is wrong with the frontier, "" for nothing.
func (a *Agent) exposure(f eventlog.Frontier, now time.Time) string {
	switch {
	case f.Degraded:
		return "the mirror cannot be reached; commits are held by one region only"
	case !f.ExposedSince.IsZero() && now.Sub(f.ExposedSince) > tooLong:
		return fmt.Sprintf("commits have not become durable for over %s; nothing is acknowledged", tooLong)
	}
	return ""
}

// problems is everything that makes the agent unhealthy.
func (a *Agent) problems() (list []string) {
	if err := a.writer.Err(); err != nil {
		list = append(list, "the log's writer has stopped: "+err.Error())
	}
	if err := a.drainer.Err(); err != nil {
		list = append(list, "the last drain of the database failed: "+err.Error())
	}
	if p := a.exposure(a.writer.Frontier(), a.cfg.Clock()); p != "" {
		list = append(list, p)
	}
	select {
	case <-a.ready:
	default:
		list = append(list, "there is no snapshot in both regions yet")
	}
	return append(list, a.keeper.problems()...)
}
