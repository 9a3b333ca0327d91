// Package run brings a failover, a drill or a failback to its end, whatever happens to the
// machine that runs it.
//
// A [Run] is a list of [Step]s. Before a step has any effect its beginning stands in the
// [Journal], after it its end with the evidence; both are create-only objects in the region
// that takes over, so the run survives the lost region and every machine can go on with it.
// A step's Done is asked of the world, never of the journal: what was done and not written
// down, or done and reported as failed, is found and not done twice.
//
// The journal is also the fence between runners. Every entry has the next number; whoever
// creates it first has the run, and the other finds its number taken ([ErrSuperseded])
// before it begins another step. No clock and no heartbeat decides. What the loser has
// begun and not ended is harmless because every step may be called again beside itself.
// A run whose last runner did not say that it stopped is resumed only on request
// ([ErrAlive]): a person knows whether that machine is dead, a time-out does not.
//
// Only one run at a time may move the log: see [TakeTurn].
//
// [Steps] are those of a failover, over the ports that this package declares; adapters
// live elsewhere and the command line joins them. FORMAT.md has the bytes of the journal.
//
//	j, err := run.Open(ctx, cfg, run.Opening{Kind: plan.Kind, Plan: text})
//	steps, evidence := run.Steps(recipe, parts)
//	err = (&run.Run{Journal: j, Steps: steps, Watch: show}).Do(ctx)
//	// later, elsewhere:
//	j, history, err := run.Claim(ctx, cfg, takeOver)
//	err = (&run.Run{Journal: j, History: history, Steps: steps, Watch: show}).Do(ctx)
package run
