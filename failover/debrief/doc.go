// Package debrief makes the report of a run: forecast against actual for every step, what
// was lost, how long it took, the proof of every table, the signatures, and what went
// otherwise than planned. It reads times from the run's journal and findings from its
// evidence, and measures nothing itself.
//
// The report is kept in the DR store as reports/<id>.json, .md and .html, and what the
// steps took becomes an observation of package budget, so that the next forecast is
// better. It implements the port Reporter of package run.
package debrief
