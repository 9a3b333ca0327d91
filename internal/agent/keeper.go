package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// keeper takes snapshots when they are due, and audits. It works on what the stores say,
// so that it goes on after a restart where it stopped.
type keeper struct {
	a   *Agent
	cfg snapshot.Config

	mu      sync.Mutex
	newest  restore.Snapshot // in both stores
	taken   time.Time        // when it was; zero: there is none
	chain   snapshot.Chain   // that it ends
	audited time.Time        // when an audit last found everything equal
	failing string           // what the last attempt ran into
	failed  int              // attempts in a row
	unequal string           // what the last audit found
	count   int              // snapshots taken by this agent
	once    sync.Once

	turn      sync.Mutex        // held by who tends; guards what follows
	read      eventlog.Position // up to here grown is counted
	grown     int64             // bytes of log after the newest snapshot
	nextAudit time.Time
}

func newKeeper(a *Agent) *keeper {
	k := &keeper{a: a, cfg: snapshot.Config{
		Stores: []blob.Store{a.cfg.Primary, a.cfg.Mirror}, Memory: a.cfg.Memory, TempDir: a.cfg.TempDir,
		Log: a.cfg.Log, Clock: a.cfg.Clock,
	}}
	k.nextAudit = a.cfg.Clock().Add(min(firstAudit, a.cfg.AuditInterval))
	return k
}

func (k *keeper) lastSnapshot() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.taken
}

func (k *keeper) lastAudit() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.audited
}

// problems is what is wrong with snapshots and audits.
func (k *keeper) problems() (list []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failing != "" {
		list = append(list, k.failing)
	}
	if k.unequal != "" {
		list = append(list, k.unequal)
	}
	return list
}

// base makes a base of the view durable in both stores; the drainer asks for it.
func (k *keeper) base(ctx context.Context, view database.View, at eventlog.Position) error {
	return k.make(ctx, restore.Base, func() (*snapshot.Report, error) { return snapshot.Take(ctx, k.cfg, view, at) })
}

// newestOf returns the newest snapshot, when it was taken, the chain that it ends, and how
// many attempts at the next have failed.
func (k *keeper) newestOf() (restore.Snapshot, time.Time, snapshot.Chain, int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.newest, k.taken, k.chain, k.failed
}

func (k *keeper) hasTaken() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count > 0
}

// make runs one attempt at a snapshot and keeps what came of it.
func (k *keeper) make(ctx context.Context, kind restore.SnapshotKind, attempt func() (*snapshot.Report, error)) error {
	began := k.a.cfg.Clock()
	r, err := attempt()
	took := k.a.cfg.Clock().Sub(began)
	known, err := k.made(kind, r, err, took)
	if err == nil && r.Audit != nil && (r.Audit.Match || !known) { // what an audit has just found is known
		k.judge(ctx, r.Audit, took)
	}
	return err
}

// made keeps what came of an attempt, and tells whether an audit has found a difference
// already.
func (k *keeper) made(kind restore.SnapshotKind, r *snapshot.Report, err error, took time.Duration) (known bool, _ error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.a.metrics.snapshotFailed.Inc()
		k.failed++
		k.failing = fmt.Sprintf("the last attempt at a %s snapshot failed: %v", kind, err)
		return false, err
	}
	k.a.metrics.snapshots.WithLabelValues(string(kind)).Inc()
	k.a.metrics.snapshotSecs.WithLabelValues(string(kind)).Observe(took.Seconds())
	k.failing, k.failed = "", 0
	k.count++
	k.adopt(r.Snapshot)
	return k.unequal != "", nil
}

// adopt takes s for the newest snapshot. The caller holds mu.
func (k *keeper) adopt(s restore.Snapshot) {
	k.chain.Add(s)
	k.newest, k.taken = s, s.Created
	k.once.Do(func() { close(k.a.ready) })
}

// hasBase tells whether both stores hold a usable snapshot at or after a Seq.
func (k *keeper) hasBase(ctx context.Context, since eventlog.Seq) (bool, error) {
	var common []restore.Snapshot
	for i, store := range k.cfg.Stores {
		inv, err := restore.Survey(ctx, store, restore.Latest())
		if err != nil {
			return false, err
		}
		plan, err := restore.NewPlan(inv, restore.Latest())
		if errors.Is(err, restore.ErrNoSnapshot) || errors.Is(err, restore.ErrOutsideWindow) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		tip := plan.Tip()
		if tip.Position.Seq < since || i > 0 && tip.Digest != common[len(common)-1].Digest {
			return false, nil
		}
		common = plan.Snapshots
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range common {
		k.adopt(s)
	}
	return true, nil
}
