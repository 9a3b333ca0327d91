package incident

import (
	"slices"
	"strings"
	"time"
)

// Record is everything there is: each incident and the register.
type Record struct {
	Incidents []State   `json:"incidents"`
	Register  Register  `json:"register"`
	Since     time.Time `json:"since"` // when the duties began, for a register that is empty
}

// Open lists the incidents that are not closed.
func (r Record) Open() []State {
	return slices.DeleteFunc(slices.Clone(r.Incidents), func(s State) bool { return !s.Closed.IsZero() })
}

// Clocks are all terms of the record at a time.
func (p Policy) RecordClocks(r Record, set Settings, now time.Time) []Clock {
	all := r.Register.Clocks(r.Since, set, now)
	for _, s := range r.Incidents {
		all = append(all, p.Clocks(s, set, now)...)
	}
	return all
}

// Due lists what is overdue and what falls due within the horizon, the most urgent first.
// more are terms from elsewhere: an audit, a restore proof.
func (p Policy) Due(r Record, set Settings, now time.Time, more ...Clock) []Clock {
	all := append(p.RecordClocks(r, set, now), more...)
	for _, s := range r.Incidents {
		all = append(all, undelivered(s, set, now)...)
	}
	all = slices.DeleteFunc(all, func(c Clock) bool {
		return c.Status != Overdue && (c.Status != Running || c.Due.After(now.Add(set.Horizon)))
	})
	slices.SortStableFunc(all, func(a, b Clock) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return strings.Compare(a.Of+a.What, b.Of+b.What)
	})
	return all
}

// undelivered asks for what could not be delivered, while the incident is open.
func undelivered(s State, set Settings, now time.Time) []Clock {
	if !s.Closed.IsZero() {
		return nil
	}
	var all []Clock
	for _, d := range s.Undelivered {
		what := "message not delivered: " + d.Channel
		if d.To != "" {
			what += " to " + d.To
		}
		all = append(all, term(Clock{What: what, Of: string(s.ID), Who: "whoever received the report",
			Do: "lifeboat incident notify " + string(s.ID), Start: d.At, Due: d.At.Add(set.InformWithin)}, now))
	}
	return all
}

// AnyOverdue reports whether something is late.
func AnyOverdue(clocks []Clock) bool {
	return slices.ContainsFunc(clocks, func(c Clock) bool { return c.Status == Overdue })
}
