// Package sqlite is the embedded engine: it protects a SQLite database (Open) and fills
// one from a restore (OpenTarget).
//
// Capture. Install puts one change table, lifeboat_changes, and a handful of triggers
// for every table into the database. A trigger stores each row removed or added in the
// transaction that does it, values as they are, so a change is captured if and only if
// it commits. One table serves all captured tables: its rowid is the shared sequence of
// change ids (SQLite has one writer at a time, so it is commit order exactly), and a
// change costs one append to one B-tree. Rows that REPLACE conflict handling removes
// without firing delete triggers are captured too: a BEFORE trigger notes rows that stand
// in the way, and whoever reads the changes finds out which of them have gone.
//
// SQLite cannot tell triggers which transaction they run in. An application that runs
// MarkTransaction first in each of its transactions gets them one by one in the log;
// without it, whatever committed between two polls is one transaction.
//
// What triggers cannot see, and the audit therefore must: connections that switched
// triggers off, incremental blob writes, PRAGMA writable_schema, and a BEFORE trigger
// of the application that changes the very row, or the very table, its statement is
// about to change (undefined in SQLite; Install warns), and rows replaced for a unique
// index on an expression that compares a column with a value of another type. ALTER TABLE works with capture
// installed except DROP COLUMN, which SQLite refuses for a column that triggers name:
// drain, Remove, alter, Install.
//
// Values keep their storage class and bytes: nothing is parsed because a column was
// declared DATETIME, texts may hold NUL and invalid UTF-8, an empty blob is not NULL.
//
// Refused, by name and all at once: tables without a primary key or a unique not-null
// key, virtual tables and their shadows, collations that SQLite does not have built in,
// names that begin with lifeboat_, and whatever does not parse on a bare connection
// (functions that only the application has).
//
//	db, err := sqlite.Open(ctx, "ward.sqlite", sqlite.Options{})
//	schema, err := db.Install(ctx)
//	view, err := db.View(ctx)
//	for change, err := range view.Changes(ctx) { … }
package sqlite
