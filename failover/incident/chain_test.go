package incident_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/internal/signers"
)

var (
	t0    = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	planA = strings.Repeat("aa", 32)
	planB = strings.Repeat("bb", 32)
)

var people = map[string]signers.Identity{
	"ceo": {Person: "ada", Roles: []string{"ceo"}}, "deputy": {Person: "dee", Roles: []string{"deputy"}},
	"dpo": {Person: "pam", Roles: []string{"dpo"}}, "cto": {Person: "bob", Roles: []string{"cto"}},
	"ld": {Person: "lin", Roles: []string{"ld"}}, "staff": {Person: "sam", Roles: []string{"staff"}},
}

func members() []string { return []string{"ada", "pam", "bob", "lin"} }

// chain builds an incident, entry by entry, by role and time after t0.
type chain struct {
	t      *testing.T
	policy incident.Policy
	state  incident.State
	n      int
}

func newChain(t *testing.T) *chain {
	return &chain{t: t, policy: incident.DefaultPolicy(members()...), state: incident.State{ID: incident.NewID(2026, 1)}}
}

func entry(role string, after time.Duration, k incident.Kind, fill func(*incident.Entry)) incident.Signed {
	e := incident.Entry{Format: 1, Stream: "incidents/SI-2026-0001", Kind: k, At: t0.Add(after), Recorded: t0.Add(after),
		By: people[role].Person, Role: role}
	if fill != nil {
		fill(&e)
	}
	return incident.Signed{Entry: e, Who: people[role]}
}

// try adds the entry if it is permitted.
func (c *chain) try(e incident.Signed) error {
	c.t.Helper()
	e.Entry.N = c.n + 1
	require.NoError(c.t, e.Entry.Validate())
	if err := c.policy.Permit(c.state, e); err != nil {
		return err
	}
	c.n++
	c.state = c.policy.Apply(c.state, e)
	return nil
}

func (c *chain) add(role string, after time.Duration, k incident.Kind, fill func(*incident.Entry)) *chain {
	c.t.Helper()
	require.NoError(c.t, c.try(entry(role, after, k, fill)))
	return c
}

func reported(began time.Duration) func(*incident.Entry) {
	return func(e *incident.Entry) {
		at := t0.Add(began)
		e.Report = &incident.Report{Title: "database unreachable", From: "sam", Verbal: true, OutageBegan: &at}
	}
}

func noOutage(e *incident.Entry) {
	e.Report = &incident.Report{Title: "laptop lost", From: "sam", Verbal: true}
}

func assessed(e *incident.Entry) {
	e.Assessment = &incident.Assessment{Extent: "whole region", Cause: "unknown", Breach: incident.BreachUnknown}
}

func plan(digest string) func(*incident.Entry) {
	return func(e *incident.Entry) { e.Plan = &incident.Plan{Digest: digest, RTOSeconds: 3600} }
}

func vote(digest string) func(*incident.Entry) { return decides(digest, incident.Approve) }

func decides(digest string, d incident.Decision) func(*incident.Entry) {
	return func(e *incident.Entry) {
		e.Vote = &incident.Vote{On: incident.OnPlan, Digest: digest, Decision: d}
		if d != incident.Approve {
			e.Text = "because"
		}
	}
}

func follows(digest string) func(*incident.Entry) {
	return func(e *incident.Entry) { e.Recovery = &incident.Recovery{Plan: digest} }
}

func investigated(e *incident.Entry) {
	e.Investigation = &incident.Investigation{Cause: "power", Breach: incident.BreachNo, Affected: "none"}
}

func action(id, due string) func(*incident.Entry) {
	return func(e *incident.Entry) {
		day, err := incident.ParseDate(due)
		if err != nil {
			panic(err)
		}
		e.Action = &incident.Action{ID: id, What: "second power feed", Owner: "cto", Due: day}
	}
}

func over(id string) func(*incident.Entry) {
	return func(e *incident.Entry) { e.Action, e.Text = &incident.Action{ID: id}, "done" }
}

func said(text string) func(*incident.Entry) { return func(e *incident.Entry) { e.Text = text } }

func told(who ...string) func(*incident.Entry) {
	return func(e *incident.Entry) { e.Told = &incident.Told{People: who, How: "phone"} }
}

// approved brings a chain to an approved plan A.
func (c *chain) approved() *chain {
	c.t.Helper()
	return c.add("cto", 0, incident.Reported, reported(-10*time.Minute)).add("cto", time.Minute, incident.Assessed, assessed).
		add("ld", 2*time.Minute, incident.Planned, plan(planA)).
		add("ceo", 3*time.Minute, incident.Voted, vote(planA)).add("cto", 4*time.Minute, incident.Voted, vote(planA))
}
