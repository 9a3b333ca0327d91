// Package sealed encrypts objects before they leave this machine: a blob.Store around
// a blob.Store, for health data in storage that others operate.
//
// Each object is sealed with AES-256-GCM under a key of its own, derived from the data
// key of its scope (a log epoch, a snapshot, the chunks), its name and its content. So
// an object cannot be moved to another name, no nonce is ever used twice, and the same
// bytes under the same name make the same sealed bytes: Create stays idempotent, and
// chunks that did not change are not sent again. Long objects are sealed in frames, so
// ranges can be read without the rest. FORMAT.md has the bytes.
//
// Data keys are wrapped for every Recipient (an Azure Key Vault key, an offline age
// key) and kept beside the data as create-only objects under keys/, which the decorated
// store neither shows nor gives out. A root key, wrapped likewise, authenticates them,
// so that nobody who can write to the store can plant a key of their own; pin its id in
// the configuration. Content addresses under chunks/ are encrypted with a keyed MAC, for
// the hash of a plaintext tells whether a guess of it is right.
//
// Not hidden are the number of objects, their sizes and times, and their other names
// (epochs, sequence numbers).
//
// It refuses to read what is not sealed (ErrNotSealed), to write into a store that
// holds anything unsealed, and to go on when a key is missing. Damage is named as such:
// its errors are blob.ErrDamaged, and tell a newer format (ErrNewerVersion), a cut
// object (ErrTruncated) and changed bytes (ErrCorrupt) apart.
package sealed
