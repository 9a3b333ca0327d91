package snapshot

import (
	"time"

	"lifeboat/restore"
)

// Schedule says when a snapshot is due.
type Schedule struct {
	// Longest is the interval without load; 24 h, which the policy allows at most, if 0.
	Longest time.Duration
	// Budget is how many bytes of log, as stored, a restore may have to go through;
	// DefaultBudget if 0.
	Budget int64
}

// DefaultBudget, in bytes: a second of reading and netting on two cores, and few enough
// changes to be held in memory (see BenchmarkRestoreUpdatesKept).
const DefaultBudget = 32 << 20

// DefaultMaxDeltas is how many deltas may stand on one base.
const DefaultMaxDeltas = 48

// shortest keeps a burst from taking snapshots without a pause.
const shortest = time.Minute

// Interval is the time between snapshots when the log grew by `grown` bytes in `over`:
// the shorter of Longest and the time in which the log grows to the replay budget, and
// never under a minute.
func (s Schedule) Interval(grown int64, over time.Duration) time.Duration {
	longest, budget := s.Longest, s.Budget
	if longest <= 0 || longest > 24*time.Hour {
		longest = 24 * time.Hour
	}
	if budget <= 0 {
		budget = DefaultBudget
	}
	if grown <= 0 || over <= 0 {
		return longest
	}
	seconds := over.Seconds() * float64(budget) / float64(grown)
	if seconds >= longest.Seconds() {
		return longest
	}
	return max(time.Duration(seconds*float64(time.Second)), min(shortest, longest))
}

// Chain measures a whole snapshot and the deltas on it.
type Chain struct {
	Deltas  int   // how many
	Changes int64 // their payload, in bytes
	Base    int64 // the whole snapshot's
}

// Add counts the next snapshot: a delta on the chain, or a whole one that begins another.
func (c *Chain) Add(s restore.Snapshot) {
	if s.Kind.Whole() {
		*c = Chain{Base: s.Raw()}
		return
	}
	c.Deltas, c.Changes = c.Deltas+1, c.Changes+s.Raw()
}

// Long tells whether the chain should be rolled forward into a new whole snapshot: there
// are `most` deltas on it, or a restore would go through half as much again for them as
// for their base, and through a megabyte at least. So a small database that changes often
// is about as fast to restore as one that never does; rolling forward then writes at most
// two bytes for each byte of delta.
func (c *Chain) Long(most int) bool {
	return c.Deltas > 0 && (c.Deltas >= most || c.Changes >= max(c.Base/2, 1<<20))
}
