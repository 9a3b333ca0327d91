// Package agent is the process that protects one database: it drains captured changes into
// the log, answers barriers, takes snapshots as often as the load asks for, audits the
// database against its log, and says over HTTP how all that stands.
//
// It owns the loops and the HTTP interface; the work itself is done by eventlog,
// eventlog/capture and restore/snapshot. It refuses to answer a barrier with anything but
// the truth: 200 means that both regions hold everything that was committed before the
// request, and nothing else does.
//
// HTTP, on loopback unless told otherwise, without authentication:
//
//	POST /v1/barrier?timeout=2s   200 {"seq":…,"durable_at":…}; 504 not durable yet; 503
//	                              degraded: one region only; 410 fenced, for good
//	GET  /v1/frontier             how far committed, local and durable have got
//	POST /v1/audit                compares the database with its log now, however long it takes
//	GET  /healthz                 200, or 503 with what is wrong
//	GET  /livez                   200, or 503 when only a restart could help
//	GET  /metrics                 for Prometheus; every metric is declared in metrics.go
//
// A second agent may stand by (Standby): it begins when the one at work has given its lease
// back or is silent, and hands questions on to it until then. Two that are both at work do
// no harm, for only one's log is acknowledged; the lease (package lease) keeps it from
// happening for nothing.
//
// In short:
//
//	a, err := agent.Start(ctx, agent.Config{Source: db, Primary: here, Mirror: there, Listen: "127.0.0.1:7117"})
//	err = a.Run(ctx) // until ctx ends: then it makes durable what is committed, and stops
package agent
