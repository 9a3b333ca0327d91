package incident_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/failover/incident"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

func find(t *testing.T, clocks []incident.Clock, what string) incident.Clock {
	t.Helper()
	for _, c := range clocks {
		if c.What == what {
			return c
		}
	}
	t.Fatalf("no clock %q in %v", what, clocks)
	return incident.Clock{}
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestOutageClockAtItsEdges(t *testing.T) {
	t.Parallel()
	const s = time.Second
	tests := []struct {
		name  string
		ended time.Duration // 0 = lasts
		again time.Duration // 0 = no second outage; else when it begins
		now   time.Duration
		used  time.Duration
		want  incident.Status
	}{
		{"at once", 0, 0, 0, 0, incident.Running},
		{"a second left", 0, 0, 8*hour - s, 8*hour - s, incident.Running},
		{"exactly 8 h is at most 8 h", 0, 0, 8 * hour, 8 * hour, incident.Running},
		{"a second over", 0, 0, 8*hour + s, 8*hour + s, incident.Overdue},
		{"back with a second left", 8*hour - s, 0, 20 * hour, 8*hour - s, incident.Kept},
		{"back at 8 h", 8 * hour, 0, 20 * hour, 8 * hour, incident.Kept},
		{"back a second late", 8*hour + s, 0, 20 * hour, 8*hour + s, incident.Broken},
		{"two outages of one incident add up", hour, 3 * hour, 10 * hour, 8 * hour, incident.Running},
		{"two outages, a second over", hour, 3 * hour, 10*hour + s, 8*hour + s, incident.Overdue},
		{"clocks of two machines differ", 0, 0, -hour, 0, incident.Running},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(t).add("cto", 0, incident.Reported, reported(0))
			if tt.ended > 0 {
				c.add("cto", tt.ended, incident.Recovered, follows(""))
			}
			if tt.again > 0 {
				c.add("cto", tt.again, incident.OutageBegan, nil)
			}
			got, ok := incident.OutageClock(c.state, t0.Add(tt.now))
			require.True(t, ok)
			require.Equal(t, tt.want, got.Status)
			require.Equal(t, tt.used, got.Used)
			require.Equal(t, 8*hour-tt.used, got.Left())
			if got.Status == incident.Running && tt.now >= 0 {
				require.Equal(t, t0.Add(tt.now).Add(got.Left()), got.Due)
			}
		})
	}
	c := newChain(t).add("cto", 0, incident.Reported, noOutage)
	_, ok := incident.OutageClock(c.state, t0)
	require.False(t, ok)
}

func TestCommitteeInformedClock(t *testing.T) {
	t.Parallel()
	set := incident.DefaultSettings(time.UTC)
	tests := []struct {
		name string
		told time.Duration // when the last member is told; 0 = never
		now  time.Duration
		want incident.Status
	}{
		{"in time so far", 0, 30 * time.Minute, incident.Running},
		{"a second late", 0, 30*time.Minute + time.Second, incident.Overdue},
		{"told at the last instant", 30 * time.Minute, hour, incident.Kept},
		{"told a second late", 30*time.Minute + time.Second, hour, incident.Broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(t).add("cto", 0, incident.Reported, reported(0)) // bob writes it down
			c.add("cto", time.Minute, incident.Notified, func(e *incident.Entry) {
				e.Delivered = &incident.Delivered{Message: "opened", Deliveries: []incident.Delivery{
					{Channel: "mail", To: "ada", OK: true, At: e.At}, {Channel: "mail", To: "pam", OK: true, At: e.At},
					{Channel: "mail", To: "lin", At: e.At, Error: "refused"}}}
			})
			require.Equal(t, []string{"lin"}, c.policy.Uninformed(c.state))
			require.Len(t, c.state.Undelivered, 1)
			if tt.told > 0 {
				c.add("cto", tt.told, incident.Informed, told("lin"))
			}
			got := find(t, c.policy.Clocks(c.state, set, t0.Add(tt.now)), "committee informed")
			require.Equal(t, tt.want, got.Status)
		})
	}
}

func TestInvestigationWithinSevenDays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, zone, opened, due string
	}{
		{"plain week", "Europe/London", "2026-03-02T09:00:00Z", "2026-03-09T09:00:00Z"},
		{"clocks go forward: an hour less", "Europe/London", "2026-03-25T09:00:00Z", "2026-04-01T08:00:00Z"},
		{"clocks go back: an hour more", "Europe/London", "2026-10-20T08:00:00Z", "2026-10-27T09:00:00Z"},
		{"UTC knows no summer", "UTC", "2026-03-25T09:00:00Z", "2026-04-01T09:00:00Z"},
		{"over a leap day", "Europe/London", "2028-02-25T09:00:00Z", "2028-03-03T09:00:00Z"},
		{"over New Year, half-hour zone", "Asia/Kolkata", "2026-12-28T20:00:00Z", "2027-01-04T20:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set := incident.DefaultSettings(zone(t, tt.zone))
			opened, due := at(tt.opened), at(tt.due)
			c := newChain(t).add("cto", opened.Sub(t0), incident.Reported, noOutage)
			clock := func(now time.Time) incident.Clock {
				return find(t, c.policy.Clocks(c.state, set, now), "investigation and remedial actions")
			}
			require.Equal(t, due, clock(opened).Due)
			require.Equal(t, incident.Running, clock(due).Status)
			require.Equal(t, incident.Overdue, clock(due.Add(time.Second)).Status)
			early := *c
			early.add("dpo", due.Sub(t0), incident.Investigated, investigated)
			require.Equal(t, incident.Kept, find(t, early.policy.Clocks(early.state, set, due.Add(hour)), "investigation and remedial actions").Status)
			c.add("dpo", due.Sub(t0)+time.Second, incident.Investigated, investigated)
			require.Equal(t, incident.Broken, clock(due.Add(hour)).Status)
		})
	}
}

func TestActionIsDueUntilTheDayEndsWhereTheCompanyIs(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, zone, day, end string }{
		{"London in winter", "Europe/London", "2026-03-10", "2026-03-11T00:00:00Z"},
		{"London in summer", "Europe/London", "2026-06-10", "2026-06-10T23:00:00Z"},
		{"the day the clocks change", "Europe/London", "2026-03-29", "2026-03-29T23:00:00Z"},
		{"Auckland", "Pacific/Auckland", "2026-06-10", "2026-06-10T12:00:00Z"},
		{"leap day", "UTC", "2028-02-29", "2028-03-01T00:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set := incident.DefaultSettings(zone(t, tt.zone))
			c := newChain(t).add("cto", 0, incident.Reported, noOutage).add("dpo", 0, incident.ActionAdded, action("A1", tt.day))
			end := at(tt.end)
			status := func(now time.Time) incident.Status {
				return find(t, c.policy.Clocks(c.state, set, now), "action A1").Status
			}
			require.Equal(t, incident.Running, status(end.Add(-time.Second)))
			require.Equal(t, incident.Running, status(end.Add(-1)))
			require.Equal(t, incident.Overdue, status(end))
			c.add("cto", end.Sub(t0)-time.Second, incident.ActionDone, over("A1"))
			require.Equal(t, incident.Kept, status(end.AddDate(1, 0, 0)))
		})
	}
}

func TestMonthlyMeetingAndYearlyDrill(t *testing.T) {
	t.Parallel()
	london := incident.DefaultSettings(zone(t, "Europe/London"))
	utc := incident.DefaultSettings(time.UTC)
	since := at("2026-01-15T00:00:00Z")
	tests := []struct {
		name     string
		set      incident.Settings
		meetings []string
		drills   []string
		what     string
		due      string // the first instant at which it is overdue
	}{
		{"never met", utc, nil, nil, "monthly meeting of the committee", "2026-02-01T00:00:00Z"},
		{"met in January", utc, []string{"2026-01-31T23:59:59Z"}, nil, "monthly meeting of the committee", "2026-03-01T00:00:00Z"},
		{"met on the first", utc, []string{"2026-02-01T00:00:00Z"}, nil, "monthly meeting of the committee", "2026-04-01T00:00:00Z"},
		{"met in December", utc, []string{"2026-12-03T10:00:00Z"}, nil, "monthly meeting of the committee", "2027-02-01T00:00:00Z"},
		{"23:30 UTC is the next month in London's summer", london, []string{"2026-06-30T23:30:00Z"}, nil, "monthly meeting of the committee", "2026-08-31T23:00:00Z"},
		{"the latest counts", utc, []string{"2026-05-03T10:00:00Z", "2026-03-03T10:00:00Z"}, nil, "monthly meeting of the committee", "2026-07-01T00:00:00Z"},
		{"drilled", utc, nil, []string{"2026-05-01T10:00:00Z"}, "yearly drill", "2027-05-01T10:00:00.000000001Z"},
		{"drilled on a leap day", utc, nil, []string{"2028-02-29T10:00:00Z"}, "yearly drill", "2029-03-01T10:00:00.000000001Z"},
		{"drilled at 00:30 of winter, due at 00:30 of summer", london, nil, []string{"2026-03-29T00:30:00Z"}, "yearly drill", "2027-03-28T23:30:00.000000001Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var r incident.Register
			for _, m := range tt.meetings {
				r.Meetings = append(r.Meetings, at(m))
			}
			for _, d := range tt.drills {
				r.Drills = append(r.Drills, incident.DrillHeld{At: at(d), Drill: incident.Drill{Passed: true}})
			}
			due := at(tt.due)
			require.Equal(t, incident.Running, find(t, r.Clocks(since, tt.set, due.Add(-1)), tt.what).Status)
			require.Equal(t, incident.Overdue, find(t, r.Clocks(since, tt.set, due), tt.what).Status)
		})
	}
	failed := incident.Register{Drills: []incident.DrillHeld{{At: since, Drill: incident.Drill{Passed: false}}}}
	require.Equal(t, incident.Overdue, find(t, failed.Clocks(since, utc, since.Add(1)), "yearly drill").Status)
}

func outage(id int, from, to string) incident.State {
	i := incident.Interval{From: at(from)}
	if to != "" {
		i.To = at(to)
	}
	return incident.State{ID: incident.NewID(2026, id), Outages: []incident.Interval{i}}
}

func TestYearLedger(t *testing.T) {
	t.Parallel()
	const allowance, leap = 4*hour + 22*time.Minute + 48*time.Second, 4*hour + 23*time.Minute + 31200*time.Millisecond
	tests := []struct {
		name   string
		zone   string
		year   int
		now    string
		states []incident.State
		limit  time.Duration
		used   time.Duration
		lines  int
	}{
		{"nothing", "UTC", 2026, "2026-06-01T00:00:00Z", nil, allowance, 0, 0},
		{"leap year", "UTC", 2028, "2028-06-01T00:00:00Z", nil, leap, 0, 0},
		{"a century is none", "UTC", 2100, "2100-06-01T00:00:00Z", nil, allowance, 0, 0},
		{"used up to the second", "UTC", 2026, "2026-06-01T00:00:00Z",
			[]incident.State{outage(1, "2026-05-01T00:00:00Z", "2026-05-01T04:22:48Z")}, allowance, allowance, 1},
		{"two incidents add up", "UTC", 2026, "2026-06-01T00:00:00Z",
			[]incident.State{outage(1, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"), outage(2, "2026-02-01T00:00:00Z", "2026-02-01T02:00:00Z")}, allowance, 3 * hour, 2},
		{"two at once count once", "UTC", 2026, "2026-06-01T00:00:00Z",
			[]incident.State{outage(1, "2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z"), outage(2, "2026-01-01T01:00:00Z", "2026-01-01T03:00:00Z")}, allowance, 3 * hour, 2},
		{"one inside the other", "UTC", 2026, "2026-06-01T00:00:00Z",
			[]incident.State{outage(1, "2026-01-01T00:00:00Z", "2026-01-01T04:00:00Z"), outage(2, "2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z")}, allowance, 4 * hour, 2},
		{"over New Year: the old year's part", "UTC", 2026, "2027-06-01T00:00:00Z",
			[]incident.State{outage(1, "2026-12-31T23:00:00Z", "2027-01-01T02:00:00Z")}, allowance, hour, 1},
		{"over New Year: the new year's part", "UTC", 2027, "2027-06-01T00:00:00Z",
			[]incident.State{outage(1, "2026-12-31T23:00:00Z", "2027-01-01T02:00:00Z")}, allowance, 2 * hour, 1},
		{"New Year is earlier in Auckland", "Pacific/Auckland", 2027, "2027-06-01T00:00:00Z",
			[]incident.State{outage(1, "2026-12-31T10:00:00Z", "2026-12-31T12:00:00Z")}, allowance, hour, 1},
		{"lasts", "UTC", 2026, "2026-05-01T01:30:00Z", []incident.State{outage(1, "2026-05-01T00:00:00Z", "")}, allowance, 90 * time.Minute, 1},
		{"lasts into the next year", "UTC", 2026, "2027-01-01T05:00:00Z", []incident.State{outage(1, "2026-12-31T23:00:00Z", "")}, allowance, hour, 1},
		{"last year's", "UTC", 2026, "2026-05-01T00:00:00Z", []incident.State{outage(1, "2025-05-01T00:00:00Z", "2025-05-01T08:00:00Z")}, allowance, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := incident.YearLedger(tt.year, tt.states, incident.DefaultSettings(zone(t, tt.zone)), at(tt.now))
			require.Equal(t, tt.limit, got.Allowance)
			require.Equal(t, tt.used, got.Used)
			require.Equal(t, tt.limit-tt.used, got.Left())
			require.Len(t, got.Lines, tt.lines)
			require.True(t, got.Exceeds, "8 h is more than any year allows")
		})
	}
	one := incident.YearLedger(2026, []incident.State{outage(1, "2026-05-01T00:00:00Z", "2026-05-01T08:00:00Z")},
		incident.DefaultSettings(time.UTC), at("2026-06-01T00:00:00Z"))
	require.InDelta(t, 0.99909, one.Availability(), 0.000005)
}

// TestLedgerNeverCountsMoreThanTime checks the union against counting minutes.
func TestLedgerNeverCountsMoreThanTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var states []incident.State
		minutes := map[int]bool{}
		for i := range rapid.IntRange(0, 6).Draw(t, "outages") {
			from, n := rapid.IntRange(0, 300).Draw(t, "from"), rapid.IntRange(1, 100).Draw(t, "length")
			start := t0.Add(time.Duration(from) * time.Minute)
			states = append(states, incident.State{ID: incident.NewID(2026, i+1),
				Outages: []incident.Interval{{From: start, To: start.Add(time.Duration(n) * time.Minute)}}})
			for m := from; m < from+n; m++ {
				minutes[m] = true
			}
		}
		got := incident.YearLedger(2026, states, incident.DefaultSettings(time.UTC), t0.AddDate(0, 1, 0))
		if want := time.Duration(len(minutes)) * time.Minute; got.Used != want {
			t.Fatalf("used %s, want %s", got.Used, want)
		}
	})
}

func TestDueListsTheMostUrgentFirst(t *testing.T) {
	t.Parallel()
	c := newChain(t).add("cto", 0, incident.Reported, reported(0))
	c.add("cto", time.Minute, incident.Notified, func(e *incident.Entry) {
		e.Delivered = &incident.Delivered{Message: "opened", Deliveries: []incident.Delivery{{Channel: "teams", At: e.At, Error: "502"}}}
	})
	c.add("dpo", time.Minute, incident.ActionAdded, action("A1", "2026-09-01")) // far beyond the horizon
	set := incident.DefaultSettings(time.UTC)
	r := incident.Record{Incidents: []incident.State{c.state}, Since: t0,
		Register: incident.Register{Drills: []incident.DrillHeld{{At: t0, Drill: incident.Drill{Passed: true}}}}}
	names := func(now time.Time, more ...incident.Clock) (got []string) {
		for _, c := range c.policy.Due(r, set, now, more...) {
			got = append(got, string(c.Status)+" "+c.What)
		}
		return got
	}
	require.Equal(t, []string{"running committee informed", "running message not delivered: teams", "running outage",
		"running investigation and remedial actions"}, names(t0))
	require.False(t, incident.AnyOverdue(c.policy.Due(r, set, t0)))
	require.Equal(t, []string{"overdue committee informed", "overdue message not delivered: teams", "running outage",
		"running investigation and remedial actions"}, names(t0.Add(2*hour)))
	require.True(t, incident.AnyOverdue(c.policy.Due(r, set, t0.Add(2*hour))))
	audit := incident.Clock{What: "audit", Due: t0.Add(-hour), Status: incident.Overdue}
	require.Equal(t, "overdue audit", names(t0, audit)[0])
	c.add("cto", 3*hour, incident.Notified, func(e *incident.Entry) {
		e.Delivered = &incident.Delivered{Message: "opened", Deliveries: []incident.Delivery{{Channel: "teams", OK: true, At: e.At}}}
	})
	require.Empty(t, c.state.Undelivered)
}

func TestRegister(t *testing.T) {
	t.Parallel()
	var entries []incident.Signed
	add := func(role string, after time.Duration, k incident.Kind, fill func(*incident.Entry)) error {
		e := entry(role, after, k, fill)
		e.Entry.N = len(entries) + 1
		require.NoError(t, e.Entry.Validate())
		r, _ := incident.FoldRegister(entries)
		if err := incident.PermitRegister(r, e); err != nil {
			return err
		}
		entries = append(entries, e)
		return nil
	}
	met := func(e *incident.Entry) { e.Gathering = &incident.Gathering{Present: []string{"ada"}, Held: true} }
	drilled := func(e *incident.Entry) { e.Drill = &incident.Drill{Report: planA, Passed: true} }
	require.NoError(t, add("ceo", 0, incident.MeetingHeld, met))
	require.NoError(t, add("cto", hour, incident.Drilled, drilled))
	require.ErrorIs(t, add("dpo", hour, incident.Drilled, drilled), incident.ErrOrder)
	require.ErrorIs(t, add("staff", hour, incident.MeetingHeld, met), incident.ErrOrder)
	require.ErrorIs(t, add("cto", hour, incident.Assessed, assessed), incident.ErrOrder)
	require.NoError(t, add("ceo", hour, incident.ActionAdded, action("A1", "2026-04-01")))
	require.ErrorIs(t, add("ceo", hour, incident.ActionAdded, action("A1", "2026-04-01")), incident.ErrOrder)
	require.NoError(t, add("ld", 2*hour, incident.ActionDone, over("A1")))
	require.ErrorIs(t, add("ld", 2*hour, incident.ActionDone, over("A1")), incident.ErrOrder)
	r, broken := incident.FoldRegister(entries)
	require.Empty(t, broken)
	require.Equal(t, "A2", r.NextAction())
	require.Equal(t, t0, r.Meetings[0])
	require.False(t, r.Todos[0].Open())
}
