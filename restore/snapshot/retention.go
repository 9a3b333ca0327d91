package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"lifeboat/eventlog"
	"lifeboat/restore"
)

// Policy says what retention keeps. Days are 24 hours, months and years are those of the
// calendar in UTC.
type Policy struct {
	// KeepDays keeps every restore point of the last so many days; at least 1.
	KeepDays int
	// Monthly and Yearly keep the newest snapshot of each of the last so many months and
	// years, the current one included: restore points of their own, without the log.
	Monthly, Yearly int
}

// Validate reports every problem at once.
func (p Policy) Validate() error {
	var problems []error
	if p.KeepDays < 1 {
		problems = append(problems, fmt.Errorf("keep_days is %d, at least 1 day must be kept", p.KeepDays))
	}
	if p.Monthly < 0 || p.Yearly < 0 {
		problems = append(problems, fmt.Errorf("monthly is %d and yearly %d, neither may be negative", p.Monthly, p.Yearly))
	}
	return errors.Join(problems...)
}

// RetentionPlan says what stays and what goes.
type RetentionPlan struct {
	Keep   []Kept
	Remove []restore.Snapshot
	// LogFrom is where the log must begin: its segment and everything after it is needed.
	// Zero: all of it.
	LogFrom eventlog.Position
	// Blocked says why no chunk may be removed for now; empty: they may.
	Blocked []string
}

// Kept is a snapshot that stays, and why.
type Kept struct {
	restore.Snapshot
	Reasons []string
}

// PlanRetention is pure. The inventory must be that of restore.SurveyAll, after
// restore.MarkMissing. Whatever the policy, it keeps the newest usable snapshot, all that
// a kept snapshot is built on, what is pinned, and what would be kept if it were repaired.
func PlanRetention(inv *restore.Inventory, pins []restore.Pin, policy Policy, now time.Time) (*RetentionPlan, error) {
	if err := policy.Validate(); err != nil {
		return nil, err
	}
	r := &retention{inv: inv, reasons: make(map[eventlog.Digest][]string), plan: &RetentionPlan{}}
	cutoff := now.AddDate(0, 0, -policy.KeepDays)
	usable := slices.DeleteFunc(slices.Clone(inv.Snapshots), func(s restore.Snapshot) bool { return !inv.OnLog(s) })
	// Once as things are, and once as if everything were whole: what can be repaired must
	// still be there to be repaired, and must not make anything else superfluous before.
	for _, snapshots := range [][]restore.Snapshot{inv.Snapshots, usable} {
		r.window(snapshots, cutoff)
		r.newestOf(snapshots, "month", "2006-01", policy.Monthly, now)
		r.newestOf(snapshots, "year", "2006", policy.Yearly, now)
	}
	if len(usable) == 0 {
		for _, s := range inv.Snapshots {
			r.keep(s, "nothing here can be used: repair first")
		}
	}
	r.pinned(pins)
	for _, d := range inv.Damage {
		if _, _, err := restore.ParseManifestName(d.Object); err == nil {
			r.plan.Blocked = append(r.plan.Blocked, fmt.Sprintf("%s cannot be read, so nobody knows which chunks it needs: repair or remove it", d.Object))
		}
	}
	for _, s := range inv.Snapshots {
		if reasons := r.reasons[s.Digest]; len(reasons) > 0 {
			r.plan.Keep = append(r.plan.Keep, Kept{s, reasons})
		} else {
			r.plan.Remove = append(r.plan.Remove, s)
		}
	}
	return r.plan, nil
}

type retention struct {
	inv     *restore.Inventory
	reasons map[eventlog.Digest][]string
	plan    *RetentionPlan
}

// keep keeps a snapshot and all that it is built on.
func (r *retention) keep(s restore.Snapshot, reason string) {
	if slices.Contains(r.reasons[s.Digest], reason) {
		return
	}
	r.reasons[s.Digest] = append(r.reasons[s.Digest], reason)
	if s.Kind.Whole() {
		return
	}
	for _, p := range r.inv.Snapshots {
		if p.Digest == s.Parent.Digest {
			r.keep(p, "parent of the one at seq "+fmt.Sprint(uint64(s.Position.Seq)))
		}
	}
}

// window keeps every point from the cutoff on: the newest snapshot at or before it, from
// which the log leads on, and everything after that.
func (r *retention) window(usable []restore.Snapshot, cutoff time.Time) {
	first := 0
	for i, s := range usable {
		if !restore.StartTime(s).After(cutoff) {
			first = i
		}
	}
	for i, s := range usable[min(first, len(usable)):] {
		if i == 0 {
			r.plan.LogFrom = s.Position
		}
		r.keep(s, "restore points since "+cutoff.UTC().Format(time.RFC3339))
	}
}

// newestOf keeps the newest snapshot of each of the last n periods.
func (r *retention) newestOf(usable []restore.Snapshot, period, format string, n int, now time.Time) {
	periods := make(map[string]bool)
	for at := now.UTC(); len(periods) < n; at = at.AddDate(0, 0, -1) {
		periods[at.Format(format)] = true
	}
	for _, s := range slices.Backward(usable) {
		if p := restore.StartTime(s).UTC().Format(format); periods[p] {
			delete(periods, p)
			r.keep(s, "newest of "+period+" "+p)
		}
	}
}

// pinned keeps what somebody reads, and the log behind it.
func (r *retention) pinned(pins []restore.Pin) {
	for _, p := range pins {
		for _, d := range p.Snapshots {
			at := slices.IndexFunc(r.inv.Snapshots, func(s restore.Snapshot) bool { return s.Digest == d })
			if at < 0 {
				r.plan.Blocked = append(r.plan.Blocked, fmt.Sprintf("a snapshot that is pinned until %s is gone: %s", p.Expires.Format(time.RFC3339), p.Reason))
				continue
			}
			s := r.inv.Snapshots[at]
			r.keep(s, "pinned: "+p.Reason)
			if s.Position.Seq < r.plan.LogFrom.Seq || s.Position.IsZero() {
				r.plan.LogFrom = s.Position
			}
		}
	}
}
