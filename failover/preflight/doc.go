// Package preflight asks, every night and before a run, whether a failover would work now.
//
// A [Probe] is one question with the fix for a bad answer. Run asks all of them, each within
// its own time, and makes a [Report]. An answer is pass, fail or unknown: what could not be
// asked ([ErrUnasked], or no answer in time) is unknown and never a pass, and a report with
// an unknown is not ready.
//
// The questions to the cloud go through ports ([Cloud], [Registry], [Resolver]); the
// children arm, registry and resolve are the real ones. Probes change nothing.
//
//	report := preflight.Run(ctx, preflight.Config{Clock: time.Now}, probes)
//	err := report.Err() // nil: ready; ErrNotReady or ErrUnknown
package preflight
