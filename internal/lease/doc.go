// Package lease says which of several agents is at work on a database, so that a standby
// knows when to begin.
//
// It owns the rules of the lease: the holder gives a sign of life (a beat) five times in
// every time to live; who waits takes over when the holder gave the lease back, or when
// it has watched the lease stand still for a whole time to live, by its own monotonic
// clock. No clocks are compared, and time in which the database could not be read does
// not count as silence.
//
// A lease is for liveness alone. It is never asked whether something may be written: that
// only one agent is ever acknowledged is the doing of the log's fence. So the worst that a
// wrong lease does is one needless change of epoch.
//
// In short:
//
//	held, err := lease.Wait(ctx, lease.Config{Table: db, Address: "10.0.0.7:8080"}, nil)
//	err = held.Keep(ctx)    // until ctx ends; ErrLost if another agent took it
//	err = held.Release(ctx) // a standby begins at once
package lease
