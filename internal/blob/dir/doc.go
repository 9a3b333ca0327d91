// Package dir keeps objects as files in a folder: the store of one region on one
// machine, or on a mounted disk.
//
// An object named a/b/c is the file a/b/c. It is written under a temporary name in
// .tmp, fsynced, renamed to its own name unless that is taken, and the folder is fsynced
// before Create answers. So an object is whole or absent after any crash, and of several
// creators one wins. Where a file system has no rename that never replaces, link(2)
// does the same, also between processes and over NFS.
//
// It refuses what it could not keep: names outside blob.CheckName, an object "a" beside
// "a/b", links and devices found in the folder, and paths that leave it. It never makes
// the store's own folder unasked: a disk that is not mounted must not become a new,
// empty store. Folders once made are never removed, for a folder removed and made again
// by another process would make a remembered fsync a lie.
//
// Names that differ only in case are two objects; use a case-sensitive file system.
package dir
