package webui

import (
	"fmt"
	"html/template"
	"time"

	"lifeboat/failover/incident"
	"lifeboat/internal/chart"
	"lifeboat/internal/readiness"
)

// Ages beyond which a figure is bad. A snapshot, an audit and a restore proof every 24 h
// (an hour of grace for the run itself), a drill every year.
const (
	snapshotAge = 25 * time.Hour
	auditAge    = 25 * time.Hour
	proofAge    = 25 * time.Hour
	drillAge    = 366 * 24 * time.Hour
	stale       = 26 * time.Hour // of the sample itself: it is taken every night at least
)

// Card is one figure.
type Card struct {
	Name  string
	Value string
	Note  string
	Grade string // good, bad or unknown; always said in a word, too
}

func functions() template.FuncMap {
	return template.FuncMap{
		"utc": utc, "stopwatch": stopwatch, "cards": cards, "span": chart.Span, "ago": ago,
		"exposure": exposureChart, "window": windowChart, "restore": forecastChart,
		"percent": func(share float64) string { return fmt.Sprintf("%.3f %%", share*100) },
		"good":    func(s incident.Status) bool { return s == incident.Running || s == incident.Kept },
		"figure": func(v *float64) string {
			if v == nil {
				return "unknown"
			}
			return fmt.Sprintf("%.1f", *v)
		},
		"count": func(v *uint64) string {
			if v == nil {
				return "unknown"
			}
			return fmt.Sprint(*v)
		},
		"left": left, "limit": func() time.Duration { return incident.OutageLimit },
		"outage": func(v shown, id incident.ID) *incident.Clock {
			for _, c := range v.Clocks[id] {
				if c.What == "outage" {
					return &c
				}
			}
			return nil
		},
		"newest": func(s []incident.State) []incident.State {
			out := make([]incident.State, len(s))
			for i := range s {
				out[len(s)-1-i] = s[i]
			}
			return out
		},
	}
}

func utc(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// stopwatch prints as the policy does: 4 h 22 m 48 s.
func stopwatch(d time.Duration) string {
	if d < 0 {
		return "minus " + stopwatch(-d)
	}
	s := int64(d / time.Second)
	return fmt.Sprintf("%d h %02d m %02d s", s/3600, s/60%60, s%60)
}

// left says how a term stands in words.
func left(c incident.Clock, at time.Time) string {
	d := c.Due.Sub(at)
	if d < 0 {
		return rough(-d) + " late"
	}
	return rough(d) + " left"
}

func ago(t, at time.Time) string {
	if t.IsZero() {
		return ""
	}
	return rough(max(0, at.Sub(t))) + " ago"
}

// rough is for reading, not for measuring.
func rough(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}

func grade(ok bool) string {
	if ok {
		return "good"
	}
	return "bad"
}

// cards are the figures of the readiness page. What nobody measured is unknown, never good.
func cards(v View) []Card {
	s := v.Now
	if s == nil {
		return nil
	}
	return []Card{
		exposureCard(s),
		secondsCard("Mirror lag", s.Lag, 60),
		{"Newest snapshot", fmt.Sprintf("Seq %d", s.Snapshot.Seq), utc(s.Snapshot.At) + ", " + ago(s.Snapshot.At, v.At),
			grade(!s.Snapshot.At.IsZero() && v.At.Sub(s.Snapshot.At) <= snapshotAge)},
		{"Provable window", fmt.Sprintf("Seq %d to %d", s.From.Seq, s.To.Seq),
			fmt.Sprintf("%s to %s, %d holes", utc(s.From.At), utc(s.To.At), s.Holes), grade(s.Holes == 0 && !s.To.At.IsZero())},
		eventCard("Last audit", s.Audit, v.At, auditAge),
		eventCard("Last restore proof", s.Proof, v.At, proofAge),
		forecastCard(s),
		eventCard("Last drill", s.Drill, v.At, drillAge),
	}
}

func exposureCard(s *readiness.Sample) Card {
	c := Card{Name: "Exposure", Value: "unknown", Grade: "unknown"}
	if s.Exposed != nil {
		c.Value = fmt.Sprintf("%d transactions", *s.Exposed)
		c.Grade = grade(!s.Degraded && *s.Exposed == 0 || !s.Degraded && s.Seconds != nil && *s.Seconds <= 60)
	}
	if s.Seconds != nil {
		c.Note = fmt.Sprintf("for %.1f seconds", *s.Seconds)
	}
	if s.Degraded {
		c.Note, c.Grade = "degraded: going on without the mirror", "bad"
	}
	return c
}

func secondsCard(name string, v *float64, most float64) Card {
	if v == nil {
		return Card{Name: name, Value: "unknown", Grade: "unknown"}
	}
	return Card{Name: name, Value: fmt.Sprintf("%.1f seconds", *v), Note: fmt.Sprintf("at most %.0f", most), Grade: grade(*v <= most)}
}

func eventCard(name string, e readiness.Event, at time.Time, age time.Duration) Card {
	c := Card{Name: name, Value: "never", Grade: "bad"}
	if e.At.IsZero() {
		return c
	}
	c.Value, c.Grade = "passed", grade(e.OK && at.Sub(e.At) <= age)
	if !e.OK {
		c.Value = "failed"
	}
	c.Note = utc(e.At) + ", " + ago(e.At, at)
	if e.Detail != "" {
		c.Note += ", " + e.Detail
	}
	return c
}

func forecastCard(s *readiness.Sample) Card {
	c := Card{Name: "Forecast RTO", Value: "unknown", Note: "of 8 h 00 m 00 s", Grade: "unknown"}
	if s.Forecast != nil {
		d := time.Duration(*s.Forecast * float64(time.Second))
		c.Value, c.Grade = stopwatch(d), grade(d <= incident.OutageLimit)
	}
	return c
}

// Stale reports whether the newest sample is too old to be called "now".
func (v View) Stale() bool { return v.Now != nil && v.At.Sub(v.Now.At) > stale }

// AnyOverdue reports whether something is late.
func (v View) AnyOverdue() bool { return incident.AnyOverdue(v.Due) }

func exposureChart(history []readiness.Sample) template.HTML {
	return line("Exposure in seconds", "s", 0, history, func(s readiness.Sample) *float64 { return s.Seconds })
}

func windowChart(history []readiness.Sample) template.HTML {
	return line("Transactions in the provable window", "", 0, history, func(s readiness.Sample) *float64 {
		if s.To.Seq == 0 {
			return nil
		}
		n := float64(s.To.Seq - s.From.Seq + 1)
		return &n
	})
}

func forecastChart(history []readiness.Sample) template.HTML {
	return line("Forecast RTO in minutes", "min", incident.OutageLimit.Minutes(), history, func(s readiness.Sample) *float64 {
		if s.Forecast == nil {
			return nil
		}
		minutes := *s.Forecast / 60
		return &minutes
	})
}

func line(title, unit string, limit float64, history []readiness.Sample, value func(readiness.Sample) *float64) template.HTML {
	var points []chart.Point
	for _, s := range history {
		if v := value(s); v != nil {
			points = append(points, chart.Point{At: s.At, Value: *v})
		}
	}
	return chart.Line(chart.Lines{Title: title, Unit: unit, Points: points, Limit: limit})
}
