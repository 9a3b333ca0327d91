// Package approval keeps the decisions that people sign about a plan, and says whether they
// suffice.
//
// A [Statement] is one person's decision (approve, withdraw, break glass) about one subject,
// named by the SHA-256 of its canonical bytes, with an end to its validity. It is signed
// with that person's SSH key and kept as an immutable object under approvals/<subject>/.
// [Judge] reads the statements about a subject against a policy and an allowed_signers ring:
// the last decision of each person counts, and everything that was refused is named with
// its reason.
//
// It refuses to judge by anything but the digest: whoever changes one byte of a plan has a
// new subject that nobody has approved. It knows neither plans nor incidents; a caller
// brings the digest.
//
//	doc, _ := approval.Sign(key, statement)
//	_ = approval.Keep(ctx, store, doc)                         // durable when it returns
//	docs, _ := approval.Kept(ctx, store, subject)
//	verdict := approval.Judge(ring, policy, approval.Question{Subject: subject, At: now}, docs)
//	if err := verdict.Err(); err != nil { … }
package approval
