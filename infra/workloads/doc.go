// Package workloads is what runs in a region's cluster: the application, Lifeboat's
// agent with a hot standby, and the jobs that prove every night what is claimed by day.
//
// Every pod runs as nobody, on a read-only root, without privileges, under the
// "restricted" pod security standard, with requests and limits; nothing may talk to
// anything unless a policy says so; images are by digest; there is no secret in any
// manifest but, in a drill with a database container, its password from encrypted
// configuration.
package workloads
