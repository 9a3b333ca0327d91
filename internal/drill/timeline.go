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

// geometry of the drawing, in its own units.
const (
	svgWidth  = 960.0
	svgHeight = 250.0
	plotTop   = 24.0
	plotFloor = 150.0
	laneFirst = 168.0
)

// timeline draws what the writers saw over time, and the steps below it on the same axis.
func timeline(r *Result) template.HTML {
	if len(r.Steps) == 0 {
		return ""
	}
	from, to := r.Steps[0].Began, r.Started
	for _, s := range r.Steps {
		if end := s.Began.Add(s.Took); end.After(to) {
			to = end
		}
	}
	span := max(to.Sub(from), time.Millisecond)
	x := func(t time.Time) float64 { return float64(t.Sub(from)) / float64(span) * svgWidth }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="Commits and acknowledgements over time, and the steps of the drill">`, svgWidth, svgHeight)
	drawBuckets(&b, r, x)
	drawSteps(&b, r, x)
	drawAxis(&b, span)
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // every text in it was escaped when it was put there
}

func drawBuckets(b *strings.Builder, r *Result, x func(time.Time) float64) {
	highest := 1
	for _, k := range r.Buckets {
		highest = max(highest, k.Committed, k.Acked)
	}
	if len(r.Buckets) < 2 {
		return
	}
	width := x(r.Buckets[1].Begin) - x(r.Buckets[0].Begin)
	bar := func(k Bucket, n int, color string, w float64) {
		h := float64(n) / float64(highest) * (plotFloor - plotTop)
		fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="var(--%s)"/>`, x(k.Begin), plotFloor-h, max(w, .5), h, color)
	}
	for _, k := range r.Buckets {
		bar(k, k.Committed, "com", width*.92)
		bar(k, k.Acked, "ack", width*.5)
	}
	fmt.Fprintf(b, `<rect x="0" y="4" width="10" height="10" fill="var(--com)"/><text x="15" y="13">committed</text>`+
		`<rect x="95" y="4" width="10" height="10" fill="var(--ack)"/><text x="110" y="13">acknowledged</text>`)
}

// drawSteps draws each step as a bar, in one of three lanes so that names have room, and
// the beginning of the recovery as a line: the loss.
func drawSteps(b *strings.Builder, r *Result, x func(time.Time) float64) {
	lost := false
	for i, s := range r.Steps {
		y := laneFirst + float64(i%3)*20
		left, right := x(s.Began), x(s.Began.Add(s.Took))
		color := "soft"
		if s.Recovery {
			color = "good"
		}
		fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="5" rx="2" fill="var(--%s)"/>`, left, y, max(right-left, 1.5), color)
		anchor, tx := "start", left
		if left > svgWidth*.8 {
			anchor, tx = "end", min(right, svgWidth)
		}
		fmt.Fprintf(b, `<text x="%.2f" y="%.2f" text-anchor="%s">%s</text>`, tx, y+16, anchor, html.EscapeString(s.Name))
		if s.Recovery && !lost {
			lost = true
			fmt.Fprintf(b, `<line x1="%.2f" x2="%.2f" y1="%g" y2="%g" stroke="var(--bad)" stroke-width="2"/>`+
				`<text x="%.2f" y="%g" text-anchor="end" style="fill:var(--bad)">%s lost</text>`,
				left, left, plotTop-8, laneFirst, left-5, plotTop, html.EscapeString(string(r.Lose)))
		}
	}
}

func drawAxis(b *strings.Builder, span time.Duration) {
	fmt.Fprintf(b, `<line x1="0" x2="%g" y1="%g" y2="%g" stroke="var(--line)"/>`, svgWidth, plotFloor, plotFloor)
	for i := range 5 {
		at := time.Duration(float64(span) * float64(i) / 4)
		anchor := []string{"start", "middle", "middle", "middle", "end"}[i]
		fmt.Fprintf(b, `<text x="%.1f" y="%g" text-anchor="%s">%.1f s</text>`, svgWidth*float64(i)/4, svgHeight-6, anchor, at.Seconds())
	}
}
