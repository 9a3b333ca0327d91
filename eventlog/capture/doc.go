// Package capture drains a database's captured changes into the event log.
//
// A drain opens one view of the database, appends every captured change in it that is
// not in the log yet, and remembers which ones those were; when they are durable in both
// stores, the database may forget them. There is no cursor: a change that is visible is
// committed, and a crash anywhere is harmless, since each segment of the log says which
// change ids it has taken.
//
// A barrier is answered when a drain that began after it is durable; barriers share
// drains. A View is a view of the database whose first read was a drain: it is exactly
// the transactions up to its position. A change of schema is found at every drain; then
// capture is installed again, the new schema put into the log, and barriers wait until a
// base of it is durable.
//
//	d, err := capture.New(capture.Config{Source: db, Writer: w, OnSchemaChange: takeBase})
//	go d.Run(ctx, 200*time.Millisecond)
//	answer, err := d.Barrier(ctx) // what was committed before can no longer be lost
package capture
