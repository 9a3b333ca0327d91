package agent

import (
	"context"
	"time"
)

// Tend does what is due now.
func (a *Agent) Tend(ctx context.Context) error { return a.keeper.tend(ctx) }

// Audit audits now.
func (a *Agent) Audit(ctx context.Context) error {
	a.keeper.turn.Lock()
	defer a.keeper.turn.Unlock()
	_, err := a.keeper.audit(ctx)
	return err
}

// AuditAt sets when the next audit is due.
func (a *Agent) AuditAt(t time.Time) {
	a.keeper.turn.Lock()
	defer a.keeper.turn.Unlock()
	a.keeper.nextAudit = t
}

// LastAudit is when an audit last found everything equal.
func (a *Agent) LastAudit() time.Time { return a.keeper.lastAudit() }

// Problems is what /healthz says.
func (a *Agent) Problems() []string { return a.problems() }

// SetReplayBudget changes the schedule.
func (a *Agent) SetReplayBudget(bytes int64) {
	a.keeper.turn.Lock()
	defer a.keeper.turn.Unlock()
	a.cfg.Snapshots.ReplayBudget = bytes
}

// KeepHouse tidies both stores now.
func (a *Agent) KeepHouse(ctx context.Context) error { return a.tidy(ctx, true) }
