// Package record keeps the entries of incidents and of the committee's register: numbered,
// signed, chained, create-only objects in two stores.
//
// It owns the objects <stream>/<n %06d> and <stream>/attachments/<sha256>. An entry's object
// is its JSON on one line, then the signer's armored SSH signature, so that it can be checked
// with ssh-keygen alone; see package signers. It refuses to write an entry that the policy
// does not permit, that was signed by a key it does not know, or in a role the key does not
// give.
//
// The DR store decides: an entry exists once it is there, and two people writing at once get
// consecutive numbers, because only one can create a name. The copy in the primary store
// follows, and is brought up to date by any later write or by Sync; while the primary cannot
// be reached nothing waits for it longer than Config.Patience.
//
// Invariants. An entry names the SHA-256 of the object before it, so in one store:
//
//   - an altered object fails its own signature, and the next entry's link;
//   - a removed one leaves a gap in the numbers;
//   - a moved one does not have the number of its name.
//
// Entries removed from the end of the chain leave no gap. They are found by the other store,
// by the next incident (whose first entry names the heads of all the others), and by
// whatever quotes a head: a report, a message, a note on paper. See Book.Verify.
package record
