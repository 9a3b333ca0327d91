package webui_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/internal/readiness"
	"lifeboat/internal/signers"
	"lifeboat/internal/webui"
)

var now = time.Date(2026, 3, 30, 9, 0, 0, 0, time.UTC)

// secret stands in every free text of the sample: no page may show it.
const secret = "patient 943 476 5919 of ward 7"

// source is a company with a past, an open incident and figures of a month.
type source struct {
	mu      sync.Mutex
	view    webui.View
	entries map[incident.ID][]incident.Signed
	err     error
	looks   int
}

func (s *source) Look(context.Context) (webui.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	return s.view, s.err
}

func (s *source) Entries(_ context.Context, id incident.ID) ([]incident.Signed, error) {
	return s.entries[id], s.err
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

type telling struct {
	role string
	at   time.Time
	e    incident.Entry
}

func tell(t testing.TB, p incident.Policy, id incident.ID, told []telling) (incident.State, []incident.Signed) {
	t.Helper()
	s := incident.State{ID: id}
	var entries []incident.Signed
	for i, x := range told {
		e := x.e
		e.Format, e.N, e.Stream, e.By, e.Role, e.At, e.Recorded = 1, i+1, id.Stream(), x.role+"@careful.example", x.role, x.at, x.at
		require.NoError(t, e.Validate())
		signed := incident.Signed{Entry: e, Who: signers.Identity{Person: e.By, Roles: []string{x.role}}}
		require.NoError(t, p.Permit(s, signed))
		s = p.Apply(s, signed)
		entries = append(entries, signed)
	}
	return s, entries
}

func newSource(t testing.TB) *source {
	t.Helper()
	p := incident.DefaultPolicy("ceo@careful.example", "dpo@careful.example", "cto@careful.example")
	set := incident.DefaultSettings(time.UTC)
	past := now.AddDate(0, 0, -20)
	began, began2 := past.Add(-10*time.Minute), now.Add(-100*time.Minute)
	due, err := incident.ParseDate("2026-03-25")
	require.NoError(t, err)
	first, said := tell(t, p, "SI-2026-0001", []telling{
		{"cto", past, incident.Entry{Kind: incident.Reported, Text: secret, Report: &incident.Report{Title: "Database unreachable", From: secret, OutageBegan: &began}}},
		{"cto", past.Add(time.Hour), incident.Entry{Kind: incident.Recovered, Text: secret, Recovery: &incident.Recovery{}}},
		{"dpo", past.Add(2 * time.Hour), incident.Entry{Kind: incident.Investigated, Investigation: &incident.Investigation{Cause: secret, Breach: incident.BreachNo}}},
		{"dpo", past.Add(2 * time.Hour), incident.Entry{Kind: incident.ActionAdded, Action: &incident.Action{ID: "A1", What: secret, Owner: "cto", Due: due}}},
	})
	second, said2 := tell(t, p, "SI-2026-0002", []telling{
		{"cto", now.Add(-90 * time.Minute), incident.Entry{Kind: incident.Reported, Report: &incident.Report{Title: "UK South is down <again>", From: secret, OutageBegan: &began2}}},
		{"cto", now.Add(-80 * time.Minute), incident.Entry{Kind: incident.Assessed, Assessment: &incident.Assessment{Extent: secret, Cause: secret, Breach: incident.BreachUnknown}}},
	})
	r := incident.Record{Incidents: []incident.State{first, second}, Since: now.AddDate(-1, 0, 0),
		Register: incident.Register{Meetings: []time.Time{now.AddDate(0, 0, -25)}, Drills: []incident.DrillHeld{{At: now.AddDate(0, -11, -20), Drill: incident.Drill{Passed: true}}}}}
	v := webui.View{At: now, Company: "CAREFUL", History: history(), Record: r, Due: p.Due(r, set, now),
		Ledger: incident.YearLedger(2026, r.Incidents, set, now), Clocks: map[incident.ID][]incident.Clock{}}
	v.Now = &v.History[len(v.History)-1]
	for _, s := range r.Incidents {
		v.Clocks[s.ID] = p.Clocks(s, set, now)
	}
	return &source{view: v, entries: map[incident.ID][]incident.Signed{first.ID: said, second.ID: said2}}
}

func history() []readiness.Sample {
	var all []readiness.Sample
	for i := range 30 {
		at := now.AddDate(0, 0, i-29).Add(-time.Hour)
		n, sec, lag, rto := uint64(i%5), float64(i%5)*0.7, float64(i%4)*0.4, 5000+float64(i)*20
		all = append(all, readiness.Sample{Format: 1, At: at, Exposed: &n, Seconds: &sec, Lag: &lag, Forecast: &rto,
			Snapshot: readiness.Point{Seq: uint64(1000 * i), At: at.Add(-5 * time.Hour)}, From: readiness.Point{Seq: 1, At: now.AddDate(0, -3, 0)},
			To: readiness.Point{Seq: uint64(1000*i + 400), At: at}, Audit: readiness.Event{At: at.Add(-6 * time.Hour), OK: true, Detail: "12 tables"},
			Proof: readiness.Event{At: at.Add(-5 * time.Hour), OK: true}, Drill: readiness.Event{At: now.AddDate(0, -11, -20), OK: true}})
	}
	return all
}

var errStore = errors.New("store at https://secret.example/?sig=SECRET does not answer")
