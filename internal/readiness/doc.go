// Package readiness says how ready the DR region is, at a time and over time.
//
// It owns the [Sample] and its history: create-only objects readiness/<Unix milliseconds>
// in the DR store, one for each time somebody looked. A sample is figures only: nothing in
// it is secret, and nothing tells of a person.
//
// It measures nothing itself: whoever can see the log, the snapshots and the proofs fills a
// Sample in. An unknown figure is absent (nil, or a zero time), never a zero that looks good.
package readiness
