package drill

import (
	"fmt"
	"html"
	"html/template"
	"strings"
	"time"

	"lifeboat/internal/workload"
)

// bucketCount is how many bars the timeline has while the writers write.
const bucketCount = 120

// buckets counts what the writers saw, in equal slices of [from, to).
func buckets(txs []workload.Transaction, from, to time.Time) []Bucket {
	if !to.After(from) {
		return nil
	}
	list := make([]Bucket, bucketCount)
	width := to.Sub(from) / bucketCount
	for i := range list {
		list[i].Begin = from.Add(time.Duration(i) * width)
	}
	at := func(t time.Time) *Bucket {
		i := int(t.Sub(from) / max(width, 1))
		return &list[min(max(i, 0), bucketCount-1)]
	}
	for _, tx := range txs {
		if tx.Outcome >= workload.Committed {
			at(tx.Committed).Committed++
		}
		if tx.Outcome == workload.Acknowledged {
			at(tx.Acked).Acked++
		}
	}
	return list
}

// geometry of the drawings, in their own units.
const (
	svgWidth  = 960.0
	plotTop   = 24.0
	plotFloor = 150.0
	laneFirst = 164.0
	laneStep  = 20.0
	axisRoom  = 22.0
	nameRoom  = 150.0 // for the names of the recovery's steps
)

// drawing is an SVG under construction, with a time axis from x0 to the right edge.
type drawing struct {
	strings.Builder
	x0   float64
	from time.Time
	span time.Duration
}

func (d *drawing) x(t time.Time) float64 {
	return d.x0 + float64(t.Sub(d.from))/float64(d.span)*(svgWidth-d.x0)
}

func (d *drawing) begin(height float64, label string) {
	fmt.Fprintf(d, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, svgWidth, height, html.EscapeString(label))
}

func (d *drawing) text(x, y float64, anchor, style, text string) {
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" text-anchor="%s" style="%s">%s</text>`, x, y, anchor, style, html.EscapeString(text))
}

func (d *drawing) bar(left, right, y, height float64, color string) {
	fmt.Fprintf(d, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="var(--%s)"/>`, left, y, max(right-left, 1), height, color)
}

// axis labels the time at y.
func (d *drawing) axis(y float64, decimals int) {
	for i := range 5 {
		at := time.Duration(float64(d.span) * float64(i) / 4)
		anchor := []string{"start", "middle", "middle", "middle", "end"}[i]
		d.text(d.x0+(svgWidth-d.x0)*float64(i)/4, y, anchor, "", fmt.Sprintf("%.*f s", decimals, at.Seconds()))
	}
}

func (d *drawing) end() template.HTML {
	d.WriteString(`</svg>`)
	return template.HTML(d.String()) //nolint:gosec // every text in it was escaped when it was put there
}

// timeline draws what the writers saw over time, and below it the steps of the drill on
// the same axis, the recovery as one.
func timeline(r *Result) template.HTML {
	if len(r.Steps) == 0 {
		return ""
	}
	before, recovery := r.split()
	end := recovery.Began.Add(recovery.Took)
	d := &drawing{from: r.Steps[0].Began, span: max(end.Sub(r.Steps[0].Began), time.Millisecond)}
	lanes := append(before, recovery)
	floor := laneFirst + laneStep*float64(len(lanes))
	d.begin(floor+axisRoom, "Commits and acknowledgements over time, and the steps of the drill")
	for i := 0; i+1 < len(r.Marks); i += 2 { // a cut and its healing
		left, right := d.x(r.Marks[i].At), d.x(r.Marks[i+1].At)
		fmt.Fprintf(d, `<rect x="%.2f" y="%g" width="%.2f" height="%g" fill="var(--bad)" opacity=".12"/>`, left, plotTop-8, right-left, plotFloor-plotTop+8)
		d.text((left+right)/2, plotTop+4, "middle", "fill:var(--bad)", r.Marks[i].Name)
	}
	d.buckets(r.Buckets)
	for i, s := range lanes {
		y, color := laneFirst+laneStep*float64(i), "soft"
		if s.Recovery {
			color = "good"
		}
		left, right := d.x(s.Began), d.x(s.Began.Add(s.Took))
		d.bar(left, right, y, 6, color)
		if right > svgWidth*.75 {
			d.text(min(left, svgWidth)-6, y+8, "end", "", s.Name)
		} else {
			d.text(right+6, y+8, "start", "", s.Name)
		}
	}
	at := d.x(recovery.Began)
	fmt.Fprintf(d, `<line x1="%.2f" x2="%.2f" y1="%g" y2="%g" stroke="var(--bad)" stroke-width="2"/>`, at, at, plotTop-8, floor)
	d.text(at-6, plotTop, "end", "fill:var(--bad)", r.lossName())
	d.axis(floor+axisRoom-6, 1)
	return d.end()
}

// lossName says what was gone at the moment of the loss.
func (r *Result) lossName() string {
	if r.Lose == AgentKill {
		return "agent killed"
	}
	return "primary lost"
}

// split returns the steps before the loss, and the recovery as one step from the loss on.
func (r *Result) split() (before []Step, recovery Step) {
	for _, s := range r.Steps {
		if !s.Recovery {
			before = append(before, s)
		}
	}
	return before, Step{"recover", r.LostAt, r.RTO, true}
}

func (d *drawing) buckets(list []Bucket) {
	if len(list) < 2 {
		return
	}
	highest := 1
	for _, k := range list {
		highest = max(highest, k.Committed, k.Acked)
	}
	width := d.x(list[1].Begin) - d.x(list[0].Begin)
	column := func(k Bucket, n int, color string, part float64) {
		if h := float64(n) / float64(highest) * (plotFloor - plotTop - 6); h > 0 {
			d.bar(d.x(k.Begin), d.x(k.Begin)+width*part, plotFloor-h, h, color)
		}
	}
	for _, k := range list {
		column(k, k.Committed, "com", .92)
		column(k, k.Acked, "ack", .5)
	}
	d.bar(0, 10, 0, 10, "com")
	d.text(15, 9, "start", "", "committed")
	d.bar(95, 105, 0, 10, "ack")
	d.text(110, 9, "start", "", "acknowledged")
	d.bar(0, svgWidth, plotFloor, 1, "line")
}

// recoveryChart draws the recovery alone, a row a step.
func recoveryChart(r *Result) template.HTML {
	var steps []Step
	for _, s := range r.Steps {
		if s.Recovery {
			steps = append(steps, s)
		}
	}
	if len(steps) == 0 {
		return ""
	}
	d := &drawing{x0: nameRoom, from: r.LostAt, span: max(r.RTO, time.Millisecond)}
	height := laneStep * float64(len(steps))
	d.begin(height+axisRoom, "The steps of the recovery")
	for i, s := range steps {
		y := laneStep * float64(i)
		d.text(0, y+14, "start", "", s.Name)
		d.bar(d.x(s.Began), d.x(s.Began.Add(s.Took)), y+6, 9, "good")
	}
	d.bar(nameRoom, svgWidth, height+2, 1, "line")
	d.axis(height+axisRoom-4, 3)
	return d.end()
}
