package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/report"
	"lifeboat/internal/readiness"
	"lifeboat/internal/signers"
)

var t0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func digest(c string) string { return strings.Repeat(c, 32) }

func date(t testing.TB, text string) incident.Date {
	t.Helper()
	d, err := incident.ParseDate(text)
	require.NoError(t, err)
	return d
}

func exercise(t testing.TB) report.Exercise {
	return report.Exercise{
		Company: "CAREFUL", What: "drill", ID: "drill-2026-03-02", Plan: digest("aa"), Began: t0, Ended: t0.Add(2 * time.Hour),
		Succeeded: true, LostCommits: 3, LostSeconds: 0.4, RTO: 95 * time.Minute, Forecast: 90 * time.Minute,
		YearLeft: 4*time.Hour + 22*time.Minute + 48*time.Second,
		Steps: []report.Step{
			{Name: "preflight", Began: t0, Took: 40 * time.Second, Forecast: time.Minute},
			{Name: "provision", Began: t0.Add(time.Minute), Took: 20 * time.Minute, Forecast: 18 * time.Minute},
			{Name: "restore", Began: t0.Add(21 * time.Minute), Took: 60 * time.Minute, Forecast: 62 * time.Minute},
			{Name: "verify", Began: t0.Add(81 * time.Minute), Took: 14 * time.Minute},
		},
		Tables:     []report.TableProof{{Name: "dbo.Patient", Rows: 120000, Expected: "120000:ab12", Actual: "120000:ab12"}},
		Hashes:     []report.Hash{{Name: "plan", SHA256: digest("aa")}, {Name: "snapshot manifest", SHA256: digest("bb")}},
		Approvals:  []report.Approval{{Person: "ada@careful.example", Role: "ceo", Decision: "approve", At: t0.Add(-time.Hour), Key: "SHA256:x"}},
		Deviations: []string{"provision took 2 min longer: a quota had to be raised"},
		Actions:    []report.FollowUp{{What: "raise the quota in UK West", Owner: "cto", Due: date(t, "2026-03-20")}},
		Present:    []string{"ada@careful.example"},
	}
}

// story is an incident from report to a finished action.
func story(t testing.TB) (incident.Policy, incident.State, []incident.Signed) {
	t.Helper()
	p := incident.DefaultPolicy("ada", "pam", "bob", "lin")
	who := map[string]signers.Identity{"ada": {Person: "ada", Roles: []string{"ceo"}, Key: "SHA256:a"}, "pam": {Person: "pam", Roles: []string{"dpo"}, Key: "SHA256:p"},
		"bob": {Person: "bob", Roles: []string{"cto"}, Key: "SHA256:b"}, "lin": {Person: "lin", Roles: []string{"ld"}, Key: "SHA256:l"}}
	began := t0.Add(-10 * time.Minute)
	letter := incident.NewMessage("We are restoring the service. No data is lost.")
	steps := []struct {
		by    string
		after time.Duration
		e     incident.Entry
	}{
		{"bob", 0, incident.Entry{Kind: incident.Reported, Report: &incident.Report{Title: "database <unreachable>", From: "sam", Verbal: true, OutageBegan: &began}}},
		{"bob", time.Minute, incident.Entry{Kind: incident.Notified, Delivered: &incident.Delivered{Message: "reported", Deliveries: []incident.Delivery{
			{Channel: "email", To: "ada", OK: true, Attempts: 2, At: t0.Add(time.Minute)}, {Channel: "email", To: "pam", OK: true, Attempts: 1, At: t0.Add(time.Minute)},
			{Channel: "teams", Attempts: 7, At: t0.Add(time.Minute), Error: "the receiver answered 502"}}}}},
		{"bob", 2 * time.Minute, incident.Entry{Kind: incident.Informed, Told: &incident.Told{People: []string{"lin"}, How: "phone"}}},
		{"lin", 20 * time.Minute, incident.Entry{Kind: incident.Assessed, Assessment: &incident.Assessment{Extent: "UK South | all of it", Cause: "power", Breach: incident.BreachNo}}},
		{"bob", 30 * time.Minute, incident.Entry{Kind: incident.Planned, Plan: &incident.Plan{Digest: digest("aa"), LostCommits: 3, RTOSeconds: 5400}}},
		{"ada", 35 * time.Minute, incident.Entry{Kind: incident.Voted, Vote: &incident.Vote{On: incident.OnPlan, Digest: digest("aa"), Decision: incident.Approve}}},
		{"lin", 36 * time.Minute, incident.Entry{Kind: incident.Voted, Vote: &incident.Vote{On: incident.OnPlan, Digest: digest("aa"), Decision: incident.Approve}}},
		{"pam", 37 * time.Minute, incident.Entry{Kind: incident.MessageDrafted, Message: letter}},
		{"bob", 40 * time.Minute, incident.Entry{Kind: incident.RecoveryStarted, Recovery: &incident.Recovery{Plan: digest("aa")}}},
		{"bob", 140 * time.Minute, incident.Entry{Kind: incident.Recovered, Recovery: &incident.Recovery{Plan: digest("aa"), LostCommits: 3, Report: digest("cc")},
			Attachments: []incident.Attachment{{Name: "report.json", SHA256: digest("cc"), Size: 9}}}},
		{"pam", 24 * time.Hour, incident.Entry{Kind: incident.Investigated, Investigation: &incident.Investigation{Cause: "power", Breach: incident.BreachNo, Affected: "3 commits of 2 people"}}},
		{"pam", 24 * time.Hour, incident.Entry{Kind: incident.ActionAdded, Action: &incident.Action{ID: "A1", What: "second power feed", Owner: "cto", Due: date(t, "2026-03-31")}}},
		{"pam", 25 * time.Hour, incident.Entry{Kind: incident.ActionAdded, Action: &incident.Action{ID: "A2", What: "call the three people", Owner: "dpo", Due: date(t, "2026-03-05")}}},
		{"pam", 26 * time.Hour, incident.Entry{Kind: incident.ActionDone, Text: "called", Action: &incident.Action{ID: "A2"}}},
	}
	s := incident.State{ID: incident.NewID(2026, 1)}
	var entries []incident.Signed
	for i, step := range steps {
		e := step.e
		e.Format, e.N, e.Stream, e.By, e.Role = 1, i+1, s.ID.Stream(), step.by, who[step.by].Roles[0]
		e.At, e.Recorded = t0.Add(step.after), t0.Add(step.after)
		require.NoError(t, e.Validate())
		signed := incident.Signed{Entry: e, Who: who[step.by], Digest: fmt.Sprintf("%064x", i+1)}
		require.NoError(t, p.Permit(s, signed))
		s = p.Apply(s, signed)
		entries = append(entries, signed)
	}
	return p, s, entries
}

func caseReport(t testing.TB) report.Case {
	t.Helper()
	p, s, entries := story(t)
	set := incident.DefaultSettings(time.UTC)
	now := t0.AddDate(0, 0, 10)
	return report.Case{Company: "CAREFUL", State: s, Entries: entries, Clocks: p.Clocks(s, set, now),
		Ledger: incident.YearLedger(2026, []incident.State{s}, set, now), Findings: nil,
		Affected: []report.Affected{{Why: "lost", After: 41, Last: 44, Transactions: 3, PeopleTable: "dbo.Patient", People: 2, PeopleKeys: []string{"17", "23"},
			Tables: []report.AffectedTable{{Table: "dbo.Visit", Rows: 3, Keys: []string{"901", "902", "903"}}}}}}
}

func pack(t testing.TB) report.Pack {
	t.Helper()
	p, s, _ := story(t)
	set := incident.DefaultSettings(time.UTC)
	now := t0.AddDate(0, 0, 28)
	held := incident.DrillHeld{At: t0.AddDate(0, -2, 0), Drill: incident.Drill{Report: digest("dd"), Passed: true, RTOSeconds: 5700}}
	r := incident.Record{Incidents: []incident.State{s}, Since: t0.AddDate(0, -3, 0),
		Register: incident.Register{Meetings: []time.Time{t0.AddDate(0, -1, 0)}, Drills: []incident.DrillHeld{held}}}
	var history []readiness.Sample
	for i := range 6 {
		n, sec := uint64(i%4), float64(i%4)*1.5
		history = append(history, readiness.Sample{Format: 1, At: t0.AddDate(0, 0, 5*i), Exposed: &n, Seconds: &sec, Lag: &sec, Degraded: i == 3,
			From: readiness.Point{Seq: 1, At: t0.AddDate(0, -3, 0)}, To: readiness.Point{Seq: uint64(1000 + 400*i), At: t0.AddDate(0, 0, 5*i)},
			Audit: readiness.Event{At: t0.AddDate(0, 0, 5*i), OK: true, Detail: "12 tables"}})
	}
	return report.Pack{Company: "CAREFUL", From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
		Now: &history[5], History: history, Clocks: p.RecordClocks(r, set, now), Ledger: incident.YearLedger(2026, r.Incidents, set, now),
		Incidents: r.Incidents, Drills: r.Register.Drills, Heads: []incident.Head{{Stream: s.ID.Stream(), N: s.N, Digest: s.Head}},
		Policies: []report.PolicyFinding{{Rule: "mirror-immutable", Resource: "mirror storage", Level: "mandatory", Text: "retention is not locked"}},
		Costs: []report.Cost{{What: "mirror storage", Amount: 41.5, Currency: "GBP", Source: "price list of 2026-02"},
			{What: "image registry", Amount: 15, Currency: "GBP", Source: "price list of 2026-02"}}}
}

func contacts() report.Contacts {
	return report.Contacts{Company: "CAREFUL", Printed: t0, Quorum: "(ceo or deputy) + (cto or ld)", Glass: "two of the committee", Signers: digest("ee"),
		People: incident.Directory{{ID: "ada", Name: "Ada L.", Email: "ada@careful.example", Phone: "+44 20 7946 0001", Roles: []string{"ceo"}, Member: true},
			{ID: "sam", Name: "Sam S.", Phone: "+44 20 7946 0002", Roles: []string{"staff"}}},
		Notes: []string{"Azure support: severity A, contract in the safe"}}
}

func samples(t testing.TB) map[string]report.Data {
	t.Helper()
	return map[string]report.Data{"exercise": exercise(t), "incident": caseReport(t), "committee": pack(t), "contacts": contacts(), "runbook": runbook()}
}

func runbook() report.Runbook {
	return report.Runbook{Company: "CAREFUL", Plan: "f2603020900", Hash: digest("cc"), Kind: "failover", Made: t0, Expires: t0.Add(4 * time.Hour), Fits: true,
		Verdict: "Predicted: 1 h 25 m 03 s, within the 8 h 00 m 00 s of one outage and within the 3 h 22 m 48 s left of the year's 4 h 22 m 48 s. Lost: about 150 transactions, 60.0 s.",
		Facts:   []report.Fact{{Name: "restore point", Text: "seq 4711 of 2026-03-02T08:50:00Z"}, {Name: "database", Text: "sqlserver; restore on GP_Gen5_16, then scale down to GP_Gen5_4"}},
		Do: []report.Task{{Title: "Approve", Text: "Each of those who are needed.", Commands: []string{"lifeboat failover approve f2603020900",
			`lifeboat failover approve f2603020900 --break-glass "WHY"`}}, {Title: "Run", Text: "One types, one reads along.", Commands: []string{"lifeboat failover run f2603020900"}}},
		Steps:   []report.TimedStep{{Name: "provision", Seconds: 1500, Basis: "median of 3"}, {Name: "restore", Start: 1500, Seconds: 3600.1, Basis: "fitted to 3 of sqlserver"}},
		Trouble: []report.Trouble{{Code: 26, Name: "stale", Meaning: "the mirror is behind the loss by more than the limit"}},
		People:  contacts().People, Quorum: "(ceo or deputy) + (cto or ld)", Glass: "two of the committee", Signers: digest("ee")}
}
