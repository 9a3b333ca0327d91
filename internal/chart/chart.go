package chart

import (
	"fmt"
	"html"
	"html/template"
	"strings"
	"time"
)

// Step is one bar of a timeline.
type Step struct {
	Name     string
	Began    time.Time
	Took     time.Duration
	Forecast time.Duration // 0 = none
	Failed   bool
}

// Point is one value of a line.
type Point struct {
	At    time.Time
	Value float64
}

// Lines describes a chart of one line.
type Lines struct {
	Title  string
	Unit   string // after figures: "s", "transactions"
	Points []Point
	Limit  float64 // drawn across; 0 = none
}

// Geometry in the drawing's own units, which are CSS pixels at full width.
const (
	width    = 720.0
	nameRoom = 170.0 // for the names of steps, at 13 units a line
	rowRoom  = 26.0
	lineRoom = 180.0 // height of a line chart
	labels   = 22.0  // below it
)

// Steps draws bars over time, with the forecast as an outline behind each.
func Steps(title string, steps []Step) template.HTML {
	if len(steps) == 0 {
		return ""
	}
	from, to := steps[0].Began, steps[0].Began
	for _, s := range steps {
		if s.Began.Before(from) {
			from = s.Began
		}
		for _, end := range []time.Time{s.Began.Add(s.Took), s.Began.Add(s.Forecast)} {
			if end.After(to) {
				to = end
			}
		}
	}
	span := max(to.Sub(from), time.Second)
	scale := func(d time.Duration) float64 { return float64(d) / float64(span) * (width - nameRoom - 10) }
	height := float64(len(steps))*rowRoom + labels
	var b strings.Builder
	head(&b, heading{title, fmt.Sprintf("%d steps in %s", len(steps), Span(span)), height})
	for i, s := range steps {
		y := float64(i) * rowRoom
		x := nameRoom + scale(s.Began.Sub(from))
		fmt.Fprintf(&b, `<text x="0" y="%.1f" fill="var(--ink)">%s</text>`, y+17, html.EscapeString(s.Name))
		if s.Forecast > 0 {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="18" fill="none" stroke="var(--soft)" stroke-dasharray="3 2"/>`,
				x, y+4, max(1, scale(s.Forecast)))
		}
		colour := "--good"
		if s.Failed {
			colour = "--bad"
		}
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="12" rx="2" fill="var(%s)"/>`, x, y+7, max(1.5, scale(s.Took)), colour)
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="var(--soft)">0</text>`, nameRoom, height-5)
	fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="var(--soft)" text-anchor="end">%s</text></svg>`, width-10, height-5, Span(span))
	return template.HTML(b.String()) //nolint:gosec // every text in it was escaped when it was put there
}

// Line draws one line over time, from zero up.
func Line(l Lines) template.HTML {
	if len(l.Points) == 0 {
		return ""
	}
	first, last := l.Points[0].At, l.Points[len(l.Points)-1].At
	span := max(last.Sub(first), time.Second)
	top, highest := l.Limit, 0.0
	for _, p := range l.Points {
		top, highest = max(top, p.Value), max(highest, p.Value)
	}
	if top == 0 {
		top = 1
	}
	x := func(t time.Time) float64 { return float64(t.Sub(first)) / float64(span) * width }
	y := func(v float64) float64 { return 20 + (1-v/top)*(lineRoom-20) }
	var b strings.Builder
	head(&b, heading{l.Title, fmt.Sprintf("from %s to %s; highest %s, last %s", day(first), day(last),
		figure(highest, l.Unit), figure(l.Points[len(l.Points)-1].Value, l.Unit)), lineRoom + labels})
	fmt.Fprintf(&b, `<line x1="0" x2="%g" y1="%g" y2="%g" stroke="var(--line)"/>`, width, lineRoom, lineRoom)
	if l.Limit > 0 {
		fmt.Fprintf(&b, `<line x1="0" x2="%g" y1="%.1f" y2="%.1f" stroke="var(--bad)" stroke-dasharray="6 4"/>`, width, y(l.Limit), y(l.Limit))
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" fill="var(--bad)" text-anchor="end">limit %s</text>`, width, y(l.Limit)-5, figure(l.Limit, l.Unit))
	}
	var path []string
	for _, p := range l.Points {
		path = append(path, fmt.Sprintf("%.1f,%.1f", x(p.At), y(p.Value)))
	}
	if len(l.Points) == 1 {
		fmt.Fprintf(&b, `<circle cx="4" cy="%.1f" r="4" fill="var(--good)"/>`, y(l.Points[0].Value))
	}
	fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="var(--good)" stroke-width="2"/>`, strings.Join(path, " "))
	fmt.Fprintf(&b, `<text x="0" y="13" fill="var(--soft)">highest %s</text>`, figure(highest, l.Unit))
	fmt.Fprintf(&b, `<text x="0" y="%.1f" fill="var(--soft)">%s</text>`, lineRoom+17, day(first))
	fmt.Fprintf(&b, `<text x="%g" y="%.1f" fill="var(--soft)" text-anchor="end">%s</text></svg>`, width, lineRoom+17, day(last))
	return template.HTML(b.String()) //nolint:gosec // every text in it was escaped when it was put there
}

type heading struct {
	title, description string
	height             float64
}

func head(b *strings.Builder, h heading) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s: %s" font-size="13">`, width, h.height,
		html.EscapeString(h.title), html.EscapeString(h.description))
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func figure(v float64, unit string) string {
	text := fmt.Sprintf("%.1f", v)
	text = strings.TrimSuffix(text, ".0")
	return strings.TrimSpace(text + " " + html.EscapeString(unit))
}

// Span prints a duration in the two largest units that matter: 3 h 05 min, 2 min 10 s, 4.2 s,
// 350 ms, 67 µs.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "minus " + Span(-d)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d/time.Minute%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d/time.Second%60)
	case d < time.Millisecond && d > 0:
		return fmt.Sprintf("%d µs", d/time.Microsecond)
	case d < time.Second && d > 0:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
