// Package policies holds the rules that a change to the stacks must keep, so that no
// pull request weakens disaster recovery without anybody noticing.
//
// A Rule is a plain function over the resources of one stack, as a preview, an export or
// the engine shows them. The package uses the standard library alone: adapters bring the
// resources (child preview reads the command line's JSON, child pack serves the engine)
// and print the verdict (child report).
//
// A value that a preview does not know yet is a third outcome, Unknown: it is never
// taken for a pass. A rule that finds nothing to look at where there must be something
// fails. Waivers are explicit, signed with a name and a reason, and expire.
package policies
