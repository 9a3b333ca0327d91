// Package capture drains a database's captured changes into the event log.
package capture
