// Package embedded plays the drill's databases on the embedded engine: an application on
// SQLite, in a file that can be lost, and the file that a restore fills.
//
// It owns how the drill's writers speak SQLite. It refuses to open a database that it did
// not make itself: a source is copied first, with SQLite's own backup, and only read.
package embedded
