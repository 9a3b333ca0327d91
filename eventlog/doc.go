// Package eventlog is the event log: every committed transaction, in order, in
// immutable segments kept in two stores.
package eventlog
