// Package affected lists which rows, and with them which people, a part of the event log
// changed: for the DPO, after transactions were lost or rolled back.
//
// It reads the log and nothing else, names rows by their keys, and never by what is in them.
// It refuses to count what it cannot read: a gap or a damaged segment in the window is an
// error, not a smaller number.
package affected
