package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/readiness"
	"lifeboat/internal/readiness/measure"
	"lifeboat/restore/snapshot"
)

// noDeadline lifts the server's time limit for one answer.
var noDeadline time.Time

// audit compares the database with its log. Where they differ, restore points after the
// change that capture missed are wrong, so a new base is taken at once from the same
// view: from it on they are right again. Both are in the result. The caller holds turn.
func (k *keeper) audit(ctx context.Context) (r *snapshot.AuditReport, err error) {
	view, at, err := k.a.drainer.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	began := k.a.cfg.Clock()
	r, err = snapshot.Audit(ctx, k.cfg, view, at)
	if err != nil {
		k.a.metrics.audits.WithLabelValues("error").Inc()
		return nil, err
	}
	k.judge(ctx, r, k.a.cfg.Clock().Sub(began))
	if r.Match {
		return r, nil
	}
	return r, k.base(ctx, view, at)
}

// judge keeps what an audit found, and marks it in the mirror's store, with a sample of the
// region's readiness, for those who look at that. Nothing is held up when it cannot.
func (k *keeper) judge(ctx context.Context, r *snapshot.AuditReport, took time.Duration) {
	found := k.note(r)
	event := readiness.Event{At: k.a.cfg.Clock(), OK: r.Match, Detail: found}
	err := readiness.Mark(ctx, k.a.cfg.Mirror, readiness.Audited, event, took.Seconds())
	if err == nil {
		err = k.keepSample(ctx)
	}
	if err != nil && ctx.Err() == nil { // an agent that is being stopped has said enough
		k.a.cfg.Log.WarnContext(ctx, "the audit could not be marked in the mirror's store", "err", err)
	}
}

// keepSample adds to the history of the region's readiness.
func (k *keeper) keepSample(ctx context.Context) error {
	s, err := measure.Stores(ctx, k.a.cfg.Primary, k.a.cfg.Mirror, k.a.cfg.Clock())
	if err != nil && !errors.Is(err, measure.ErrExposure) {
		return err
	}
	s.Degraded = k.a.writer.Frontier().Degraded
	return readiness.Keep(ctx, k.a.cfg.Mirror, s)
}

// note keeps what an audit found and returns it, "" for nothing.
func (k *keeper) note(r *snapshot.AuditReport) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.Match {
		k.a.metrics.audits.WithLabelValues("equal").Inc()
		k.audited, k.unequal = k.a.cfg.Clock(), ""
		k.a.cfg.Log.Info("audit: the database is what snapshot and log say", "seq", uint64(r.Position.Seq), "tables", len(r.Tables))
		return ""
	}
	k.a.metrics.audits.WithLabelValues("different").Inc()
	tables := strings.Join(r.Differing(), ", ")
	k.unequal = fmt.Sprintf("the database was changed without capture: tables %s differ from the log at seq %d", tables, uint64(r.Position.Seq))
	k.a.cfg.Log.Error("ALERT: "+k.unequal+"; points since the snapshot before may miss a change", "since_seq", uint64(r.Against), "tables", tables)
	return k.unequal
}

// AuditAnswer is the body of the answer to POST /v1/audit.
type AuditAnswer struct {
	Version int          `json:"version"`
	Seq     eventlog.Seq `json:"seq"` // compared at
	Match   bool         `json:"match"`
	Tables  int          `json:"tables"`
	Differ  []string     `json:"differ"` // tables that are not what snapshot and log say
	Error   string       `json:"error,omitempty"`
}

// serveAudit audits now, after any audit or snapshot that is being made.
func (a *Agent) serveAudit(w http.ResponseWriter, r *http.Request) {
	out := AuditAnswer{Version: 1, Differ: []string{}}
	// It takes as long as the database is large; whoever does not want to wait hangs up.
	err := http.NewResponseController(w).SetWriteDeadline(noDeadline)
	if err == nil {
		a.keeper.turn.Lock()
		defer a.keeper.turn.Unlock()
		var report *snapshot.AuditReport
		if report, err = a.keeper.audit(r.Context()); report != nil {
			out.Seq, out.Match, out.Tables, out.Differ = report.Position.Seq, report.Match, len(report.Tables), append(out.Differ, report.Differing()...)
		}
	}
	if err != nil {
		out.Error = err.Error()
		answer(w, max(statusOf(err), http.StatusInternalServerError), out)
		return
	}
	answer(w, http.StatusOK, out)
}
