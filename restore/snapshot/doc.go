// Package snapshot takes, merges, checks and removes the snapshots that package restore
// reads.
//
// Take scans a view of the database into a base; Delta makes the net changes since a
// snapshot from the log alone; RollForward merges a base and deltas into a new base
// without the database; Audit proves that a view of the database is what snapshot and
// log say; Verify reads every object back; Retain removes what no rule keeps.
//
// Invariants: a snapshot exists when its manifest does, and the manifest is written last,
// to every store. Nothing is overwritten. What several snapshots share is stored once.
// Retention removes manifests before chunks and never a chunk that a remaining manifest
// or a pin refers to. Memory is bounded whatever the size of the database.
//
//	view, at, err := drainer.View(ctx)
//	report, err := snapshot.Take(ctx, snapshot.Config{Stores: stores}, view, at)
package snapshot
