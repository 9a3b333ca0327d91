// Package numbered keeps a series of things in a store, each of them a numbered manifest and
// the parts that it names by their SHA-256.
//
// Both are create-only objects. The manifest is written last: without it the thing does not
// exist, and what a crash leaves are parts that the next one uses or that nothing names. Two
// writers at once take two numbers: of a number that both want the store gives one of them
// blob.ErrExists. Whatever is read back is checked against its name; what is missing, cut or
// changed is an error that names the object and wraps the series' own word for damage.
//
//	var kits = numbered.Series{What: "kit", Manifests: "kits/manifests/", Part: partName, Most: 4 << 20, None: ErrNone, Kind: kind}
//
//	last, err := kits.Latest(ctx, store)
//	m, err := numbered.Read[Manifest](ctx, store, kits, last)
//	body, err := kits.ReadPart(ctx, store, m.Parts[0])
//
// The package holds no state and is safe for concurrent use.
package numbered
