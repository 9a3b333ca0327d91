package incident

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// OutageLimit is the policy's: no outage after an incident lasts longer.
const OutageLimit = 8 * time.Hour

// InvestigationDays is how long the policy gives the DPO for remedial actions, in days.
const InvestigationDays = 7

// Availability is the policy's yearly share of time in service, in parts per 10,000.
const Availability = 9995

// Settings are the terms that the company may choose. Get them from DefaultSettings.
type Settings struct {
	// Location is where the company's days, months and years are counted.
	Location *time.Location
	// InformWithin is the target for 'as soon as possible': how long until every member of
	// the committee has been informed.
	InformWithin time.Duration
	// Horizon is how far ahead Due looks.
	Horizon time.Duration
}

// DefaultSettings: half an hour to inform everybody, a look two weeks ahead.
func DefaultSettings(loc *time.Location) Settings {
	return Settings{Location: loc, InformWithin: 30 * time.Minute, Horizon: 14 * 24 * time.Hour}
}

// Validate refuses settings that cannot be measured with.
func (s Settings) Validate() error {
	var problems []error
	if s.Location == nil {
		problems = append(problems, errors.New("no time zone"))
	}
	if s.InformWithin <= 0 || s.Horizon < 0 {
		problems = append(problems, fmt.Errorf("inform within %s, horizon %s: want positive times", s.InformWithin, s.Horizon))
	}
	return errors.Join(problems...)
}

// Status is how a term stands.
type Status string

// The statuses.
const (
	Running Status = "running" // in time so far
	Overdue Status = "overdue" // late, and still not done
	Kept    Status = "kept"    // done in time
	Broken  Status = "broken"  // done, too late
)

// Clock is one term and how it stands at a time.
type Clock struct {
	What   string        `json:"what"`
	Of     string        `json:"of"`  // the incident, or committee
	Who    string        `json:"who"` // whose turn it is
	Do     string        `json:"do"`  // the command that settles it
	Start  time.Time     `json:"start"`
	Due    time.Time     `json:"due"`            // inclusive: done at this instant is in time
	Ended  time.Time     `json:"ended,omitzero"` // zero while it runs
	Used   time.Duration `json:"used_ns"`
	Limit  time.Duration `json:"limit_ns"` // of Used
	Status Status        `json:"status"`
}

// Left is what remains of the limit; negative when it is exceeded.
func (c Clock) Left() time.Duration { return c.Limit - c.Used }

// term is a clock that runs from start to due unless it ended.
func term(c Clock, now time.Time) Clock {
	end := c.Ended
	if end.IsZero() {
		end = now
	}
	c.Used, c.Limit = max(0, end.Sub(c.Start)), c.Due.Sub(c.Start)
	late := end.After(c.Due)
	switch {
	case c.Ended.IsZero() && late:
		c.Status = Overdue
	case c.Ended.IsZero():
		c.Status = Running
	case late:
		c.Status = Broken
	default:
		c.Status = Kept
	}
	return c
}

// Clocks are all terms of one incident at a time: outage, information, investigation,
// broken glasses, actions.
func (p Policy) Clocks(s State, set Settings, now time.Time) []Clock {
	var all []Clock
	if c, ok := OutageClock(s, now); ok {
		all = append(all, c)
	}
	id := string(s.ID)
	all = append(all, term(Clock{What: "committee informed", Of: id, Who: "whoever received the report",
		Do: "call who is missing, then: lifeboat incident informed " + id, Start: s.Opened,
		Due: s.Opened.Add(set.InformWithin), Ended: p.allInformed(s)}, now))
	all = append(all, term(Clock{What: "investigation and remedial actions", Of: id, Who: DPO,
		Do: "lifeboat incident investigate " + id, Start: s.Opened,
		Due: set.daysAfter(s.Opened, InvestigationDays), Ended: s.Investigated}, now))
	for _, c := range s.Cases {
		all = append(all, term(Clock{What: "review of the broken glass", Of: id, Who: DPO,
			Do: "lifeboat incident investigate " + id, Start: c.Opened,
			Due: set.daysAfter(c.Opened, InvestigationDays), Ended: c.Reviewed}, now))
	}
	return append(all, todoClocks(s.Todos, id, set, now)...)
}

func todoClocks(todos []Todo, of string, set Settings, now time.Time) []Clock {
	var all []Clock
	for _, t := range todos {
		if !t.Dropped.IsZero() {
			continue
		}
		do := "lifeboat incident action done " + of + " " + t.ID
		if of == Committee {
			do = "lifeboat committee action done " + t.ID
		}
		all = append(all, term(Clock{What: "action " + t.ID, Of: of, Who: t.Owner, Do: do, Start: t.Added,
			Due: t.Due.End(set.Location).UTC(), Ended: t.Done}, now))
	}
	return all
}

// OutageClock is the incident's outage against OutageLimit: all its intervals together.
// There is none when no outage was reported.
func OutageClock(s State, now time.Time) (Clock, bool) {
	if len(s.Outages) == 0 {
		return Clock{}, false
	}
	c := Clock{What: "outage", Of: string(s.ID), Who: "cto, ld", Do: "lifeboat incident recover " + string(s.ID),
		Start: s.Outages[0].From, Limit: OutageLimit}
	for _, i := range s.Outages {
		c.Used += i.Until(now)
	}
	last := s.Outages[len(s.Outages)-1]
	c.Due = last.From.Add(OutageLimit - (c.Used - last.Until(now))) // when the limit is or was reached
	c.Ended = last.To
	switch late := c.Used > OutageLimit; {
	case last.Open() && late:
		c.Status = Overdue
	case last.Open():
		c.Status = Running
	case late:
		c.Status = Broken
	default:
		c.Status = Kept
	}
	return c, true
}

// allInformed is when the last member was informed; zero while one is missing.
func (p Policy) allInformed(s State) time.Time {
	var last time.Time
	for _, member := range p.Members {
		at, ok := s.Informed[member]
		if !ok {
			return time.Time{}
		}
		if at.After(last) {
			last = at
		}
	}
	return last
}

// Uninformed lists the members of the committee who were not informed yet.
func (p Policy) Uninformed(s State) []string {
	return slices.DeleteFunc(slices.Clone(p.Members), func(m string) bool {
		_, ok := s.Informed[m]
		return ok
	})
}

// daysAfter is the same time of day, days later on the company's calendar: a day on which
// the clocks change still counts as one.
func (s Settings) daysAfter(t time.Time, days int) time.Time {
	return t.In(s.Location).AddDate(0, 0, days).UTC()
}

// Clocks are the register's terms: the monthly meeting, the yearly drill, its own actions.
// since is when the duty began, for a register that is still empty.
func (r Register) Clocks(since time.Time, set Settings, now time.Time) []Clock {
	if !r.Since.IsZero() && r.Since.Before(since) {
		since = r.Since
	}
	start, due := since, endOfMonth(since, 0, set.Location)
	if n := len(r.Meetings); n > 0 {
		start = latest(r.Meetings)
		due = endOfMonth(start, 1, set.Location)
	}
	meeting := term(Clock{What: "monthly meeting of the committee", Of: Committee, Who: CEO,
		Do: "lifeboat committee meeting", Start: start, Due: due.UTC()}, now)
	start, due = since, since
	var held []time.Time
	for _, d := range r.Drills {
		if d.Passed {
			held = append(held, d.At)
		}
	}
	if len(held) > 0 {
		start = latest(held)
		due = start.In(set.Location).AddDate(1, 0, 0).UTC()
	}
	drill := term(Clock{What: "yearly drill", Of: Committee, Who: "cto, ld", Do: "lifeboat drill", Start: start, Due: due}, now)
	return append([]Clock{meeting, drill}, todoClocks(r.Todos, Committee, set, now)...)
}

func latest(times []time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// endOfMonth is the last instant of the month that t falls in, or of one months later.
func endOfMonth(t time.Time, months int, loc *time.Location) time.Time {
	y, m, _ := t.In(loc).Date()
	return time.Date(y, m+time.Month(months)+1, 1, 0, 0, 0, 0, loc).Add(-1)
}
