// Package codebackup keeps the code and the deployment automation in the stores of both
// regions, so that a failover needs neither GitHub nor the region that was lost.
//
// A backup is a git bundle of everything that is new since the one before, and a manifest
// that names every ref. Both are create-only objects: the manifest is written last, and a
// backup without its manifest does not exist. Two backups at once take two numbers. A
// backup is proven by a real clone: every bundle of the chain is read back, every object
// checked by git, every ref compared. FORMAT.md has the bytes.
//
// The package runs the git command and refuses a shallow repository: what is not in it
// cannot be backed up. Uncommitted changes are not part of a repository's refs and are
// not backed up.
package codebackup
