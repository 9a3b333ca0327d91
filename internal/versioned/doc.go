// Package versioned reads JSON objects that say which version of their format they have.
//
// What Lifeboat keeps in a store outlives the release that wrote it, so a reader meets three
// kinds of bytes and has to tell them apart: an object that it knows, one that a later
// release wrote (nothing is wrong with it, use that release), and bytes that are no such
// object. Decode asks for the version first, because only the version says whether an
// unknown field is news or damage, and is strict about everything after it.
//
//	var kind = versioned.Kind{Field: "format", Known: Format, Damaged: ErrDamaged, Newer: ErrNewer}
//
//	m, err := versioned.Decode[Manifest](kind, body)
//
// Whoever has one spelling of an object compares the bytes with it afterwards; what the
// fields may say is for the caller to check. The package holds no state and is safe for
// concurrent use.
package versioned
