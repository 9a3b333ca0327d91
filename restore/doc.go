// Package restore owns the snapshots' formats (FORMAT.md), the plan of a restore and its
// execution.
//
// A snapshot is the database after exactly the transactions 1 to P: a base (every row)
// and deltas (net changes). A restore to N takes the newest snapshot at or before N and
// adds the log's transactions (P, N]. It does so as a merge, not a replay: a table is a
// multiset of rows, a change adds a row (+) or takes one away (-), and the sum of all
// changes of a key over (P, N] is a small list of rows to take away and rows to add (see
// Net). Every surviving row is written once, however often it changed.
//
// Invariants:
//   - NewPlan is pure and proves what it plans: a gap, damage, a hole left by a change of
//     schema or a target outside the window is a *WindowError, never a shorter restore.
//   - Every row that the sum takes away must be in the base; if not, snapshot and log
//     contradict each other (ErrInconsistent) and nothing is called restored.
//   - A restore ends with a scan of the target, whose state hashes must equal those that
//     the manifest and the log's ledger say, or it fails (ErrMismatch).
//   - Memory is bounded by Config.Memory, whatever the size of database or log.
//   - Crashing anywhere and running the same plan again gives the same database.
//
// The package knows no engine and no cloud: it reads through blob.Store and writes
// through database.Target. Taking snapshots is the child package snapshot.
package restore
