// Package probe asks, as a user would, whether a region serves: the name, the service's
// health, a login to its database, a write, and a read of what was written.
//
// It implements the port Service of package run. Traffic takes a while to arrive (a name's
// time to live, the health probes of whoever directs it), so it asks again until its
// patience is over. It knows no application: what to call is configuration, and what is
// not configured is reported as not tried, never as fine.
package probe
