// Package eventlog is the event log: every committed transaction, in order, in immutable
// objects kept in two stores, the log's home (local) and its mirror. FORMAT.md beside it
// has the bytes and the argument why nothing acknowledged is ever lost.
//
// Words. A transaction has a Seq, from 1, without gaps. A segment is an object that holds
// consecutive transactions; segments are chained by SHA-256. An epoch is the reign of
// one writer: every start of a writer begins a new one. A fence is the object that ends
// an epoch. A Position is the end of a segment; its digest ties it to one history.
// Durable means: both stores have it, and everything before it.
//
// A Writer gathers transactions while segments are under way (group commit) and sends
// each segment to both stores at once. WaitDurable answers nil only for what is durable.
// Takeover ends the epoch of a writer that may be dead or cut off, using the mirror
// alone if need be; that writer can never be acknowledged again. A Log reads one store.
//
//	w, err := eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: here, Mirror: there})
//	seq, err := w.Append(ctx, eventlog.Batch{Schema: schema})
//	seq, err = w.Append(ctx, eventlog.Batch{Transactions: txs, ChangeIDs: ids})
//	err = w.WaitDurable(ctx, seq) // nil: it can no longer be lost
//
//	for segment, err := range eventlog.OpenLog(there).Segments(ctx, after) { … }
//
// Invariants: Seqs are contiguous and a transaction is never split. At most one writer
// has a slot acknowledged. Times never go backwards. Any flipped, missing, exchanged or
// extra byte is detected and named; newer version, corrupt and truncated are three
// different errors. The package refuses what it does not know. It knows no SQL and no
// cloud: rows are canonical bytes, and a store can create, read, list and delete.
package eventlog
