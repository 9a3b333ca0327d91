// Package database holds what every part says about a database without knowing which
// engine it is: the schema model, the canonical form of rows and keys, row and state
// hashes, and the ports that engines implement.
//
// A row travels through Lifeboat as one []byte, its canonical encoding (see value.go),
// from the engine's reader to the log, into snapshots, through the merge and into the
// target. Engines (children mssql and sqlite) are the only code that turns it into
// anything else. The encoding is the same whatever the engine, so hashes are too.
//
// Invariants: two rows are equal if and only if their bytes are; two keys are equal if
// and only if their key bytes are; nothing is normalised, trimmed, rounded or ordered
// by a collation here.
package database
