// Package notify delivers the incident's messages: email by SMTP, Microsoft Teams, Slack and
// generic webhooks.
//
// It owns the templates and the channels. A message is made of an [incident.Notice] alone,
// which holds figures and states and nothing that anybody typed, and the finished text is
// searched for personal data before it goes out, because templates can be changed.
//
// It refuses to send in the clear: SMTP needs TLS with a certificate that verifies, webhooks
// need https; only loopback may do without. A webhook's address is a secret (who has it can
// post), so it is in no error and no log.
//
// Invariants: [Post.Notify] returns within Post.Limit whatever the channels do, with one
// delivery for each message that was due; every failure that may pass (no connection, 4xx of
// SMTP, 429 and 5xx of HTTP) is tried again until then.
package notify
