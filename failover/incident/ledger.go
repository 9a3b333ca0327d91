package incident

import (
	"slices"
	"time"
)

// Ledger is one calendar year's outages against the availability that the policy promises.
type Ledger struct {
	Year      int           `json:"year"`
	Days      int           `json:"days"`         // 365 or 366
	Allowance time.Duration `json:"allowance_ns"` // 0.05 % of the year: 4 h 22 m 48 s of 365 days
	Used      time.Duration `json:"used_ns"`      // union of all outages: two at once count once
	Lines     []Line        `json:"lines"`
	Longest   time.Duration `json:"longest_ns"` // one incident's outage within the year
	// Exceeds is whether one outage of the full OutageLimit would exceed the allowance: it
	// always does, which is why both figures are shown together.
	Exceeds bool `json:"limit_exceeds_allowance"`
}

// Line is one incident's share of a year.
type Line struct {
	ID    ID            `json:"id"`
	Title string        `json:"title"`
	Used  time.Duration `json:"used_ns"`
	Open  bool          `json:"open"`
}

// Left is what remains of the year's allowance; negative when it is used up.
func (l Ledger) Left() time.Duration { return l.Allowance - l.Used }

// Availability of the whole year if nothing more happens, as a share of 1.
func (l Ledger) Availability() float64 {
	return 1 - float64(l.Used)/float64(time.Duration(l.Days)*24*time.Hour)
}

// YearLedger adds up a calendar year in the company's place. An outage over New Year counts
// in each year for what falls into it.
func YearLedger(year int, states []State, set Settings, now time.Time) Ledger {
	from := time.Date(year, 1, 1, 0, 0, 0, 0, set.Location)
	to := time.Date(year+1, 1, 1, 0, 0, 0, 0, set.Location)
	days := time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
	l := Ledger{Year: year, Days: days, Allowance: time.Duration(days) * 24 * time.Hour / 10000 * (10000 - Availability), Lines: []Line{}}
	l.Exceeds = OutageLimit > l.Allowance
	var all []Interval
	for _, s := range states {
		line := Line{ID: s.ID, Title: s.Title, Open: s.InOutage()}
		parts := clip(s.Outages, from, to, now)
		line.Used = union(parts)
		if len(parts) == 0 {
			continue
		}
		all = append(all, parts...)
		l.Lines = append(l.Lines, line)
		l.Longest = max(l.Longest, line.Used)
	}
	l.Used = union(all)
	return l
}

// clip cuts the intervals to [from, to), with open ones ending now.
func clip(intervals []Interval, from, to, now time.Time) []Interval {
	var parts []Interval
	for _, i := range intervals {
		if i.Open() {
			i.To = now
		}
		if i.From.Before(from) {
			i.From = from
		}
		if i.To.After(to) {
			i.To = to
		}
		if i.From.Before(i.To) {
			parts = append(parts, i)
		}
	}
	return parts
}

// union is the time that at least one of the intervals covers.
func union(intervals []Interval) time.Duration {
	intervals = slices.Clone(intervals)
	slices.SortFunc(intervals, func(a, b Interval) int { return a.From.Compare(b.From) })
	var sum time.Duration
	var covered time.Time
	for _, i := range intervals {
		if i.From.Before(covered) {
			i.From = covered
		}
		if i.From.Before(i.To) {
			sum += i.To.Sub(i.From)
			covered = i.To
		}
	}
	return sum
}
