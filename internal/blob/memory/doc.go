// Package memory is the store of tests: objects in memory, faults on demand, and an
// eye on what its caller does.
//
// Without a Plan it is a correct blob.Store. A Plan decides for each call what goes
// wrong: the request is lost, or carried out but reported as failed, or arrives late
// or twice; the answer is delayed, hangs, or breaks off in the middle.
//
//	s := memory.New()
//	s.Use(&memory.Rule{Op: memory.Create, Prefix: "log/", Times: 1, Fault: memory.DoneButFailed()})
//	s.Use(memory.Random(seed, memory.Rates{Failed: 0.1, DoneButFailed: 0.1, Late: 0.05}))
//	s.Use(memory.Down)      // a partition, or a lost region
//	s.Use(nil)              // healed
//
// Delays go through the context and package time alone, so they cost nothing within
// testing/synctest. Without delays a call makes no goroutine and no timer; a fault plan
// is a few random numbers, cheap enough for tens of thousands of seeded runs.
//
// What a caller did that no caller should do is told by Violations: other bytes under
// a taken name, a name created again after its deletion, empty bodies, bad names,
// readers left open. Damage of stored bytes is made by Tamper, Remove, Swap and Put.
package memory
