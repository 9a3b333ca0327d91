// Package failover decides how a lost region is replaced, and says whether that may begin.
//
// It owns the [Plan]: everything that a failover, a drill or a failback will do, as data,
// made from [Facts] that the DR side holds and a [Request] that a person makes. NewPlan is
// pure: the same facts and request give the same plan, byte for byte. A plan has one
// spelling ([Plan.Encode]); its SHA-256 ([Plan.Hash]) is what people sign, so nobody can
// change a part of it and keep the approvals.
//
// [Diff] compares a plan with the facts of a later time and names every field that is no
// longer so. [Check] is the gate: it refuses, each with an error of its own, a plan that was
// tampered with, has expired, is not signed by enough of the right people, or is not true
// any more (mirror stale or moved, other code, other configuration).
//
// It refuses to guess: what is not known when the plan is made (how many commits the lost
// region held alone, a quota that cannot be asked) is absent in the plan and shown as
// unknown, never as zero.
//
//	plan, err := failover.NewPlan(facts, request)
//	err = failover.Keep(ctx, dr, plan)                       // durable, under its id
//	… people sign plan.Hash() …
//	verdict, err := failover.Check(failover.Gate{…}, plan)   // nil: it may run
package failover
