package report

import (
	"fmt"
	"time"

	"lifeboat/failover/incident"
	"lifeboat/internal/chart"
	"lifeboat/internal/readiness"
)

// Pack is the evidence that the committee gets every month.
type Pack struct {
	Company   string               `json:"company"`
	From      time.Time            `json:"from"`
	To        time.Time            `json:"to"` // exclusive
	Now       *readiness.Sample    `json:"now,omitempty"`
	History   []readiness.Sample   `json:"history"`
	Clocks    []incident.Clock     `json:"clocks"` // all that run
	Ledger    incident.Ledger      `json:"ledger"`
	Incidents []incident.State     `json:"incidents"` // open, or touched in the month
	Drills    []incident.DrillHeld `json:"drills"`
	Policies  []PolicyFinding      `json:"policy_findings"`
	Costs     []Cost               `json:"costs"`
	Findings  []incident.Finding   `json:"findings"`
	Heads     []incident.Head      `json:"heads"` // of every stream: quoting them guards the record
}

// PolicyFinding is something that a rule over the resources objects to.
type PolicyFinding struct {
	Rule     string `json:"rule"`
	Resource string `json:"resource"`
	Level    string `json:"level"`
	Text     string `json:"text"`
}

// Cost is what something costs a month.
type Cost struct {
	What     string  `json:"what"`
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency"`
	Source   string  `json:"source"` // where the price is from, and its date
}

func (Pack) kind() Kind { return KindPack }

func (p Pack) document() document {
	d := document{
		Title:    fmt.Sprintf("%s: disaster recovery, %s to %s", p.Company, p.From.Format("2006-01-02"), p.To.Add(-1).Format("2006-01-02")),
		Subtitle: "For the Risk Committee.",
	}
	late := 0
	for _, c := range p.Clocks {
		if c.Status == incident.Overdue {
			late++
		}
	}
	damaged := ""
	if len(p.Findings) > 0 {
		damaged = fmt.Sprintf(" The record does not verify: %d findings.", len(p.Findings))
	}
	d.Verdict = &verdict{late == 0 && p.Ledger.Left() >= 0 && damaged == "",
		fmt.Sprintf("Overdue: %d. The year %d: %s used of %s (99.95 %%); one incident may last 8 h 00 m 00 s.%s",
			late, p.Ledger.Year, stopwatch(p.Ledger.Used), stopwatch(p.Ledger.Allowance), damaged)}
	d.Sections = append(d.Sections, section{Heading: "Due and overdue", Table: clockTable(p.Clocks)}, ledgerSection(p.Ledger),
		ready(p.Now), p.history(), p.incidents(), p.drills(), p.policies(), p.costs())
	d.Sections = append(d.Sections, p.integrity())
	return d
}

func (p Pack) integrity() section {
	t := &table{Head: []string{"Record", "Entries", "SHA-256 of the last"}}
	for _, h := range p.Heads {
		t.add(h.Stream, fmt.Sprint(h.N), h.Digest)
	}
	sec := section{Heading: "Integrity of the record", Table: t,
		Text: []string{"Keep this page: lifeboat incident verify --report finds with it what is removed from the record later."}}
	for _, f := range p.Findings {
		sec.List = append(sec.List, f.String())
	}
	return sec
}

// ready shows a sample; unknown figures say so.
func ready(s *readiness.Sample) section {
	t := &table{Head: []string{"Figure", "Value"}}
	sec := section{Heading: "Readiness", Table: t}
	if s == nil {
		sec.Text = []string{"Nobody has measured it yet."}
		sec.Table = nil
		return sec
	}
	sec.Text = []string{"As of " + utc(s.At) + "."}
	t.add("Exposure", exposure(s))
	t.add("Mirror lag", secondsOf(s.Lag))
	t.add("Newest snapshot", fmt.Sprintf("Seq %d, %s", s.Snapshot.Seq, utc(s.Snapshot.At)))
	t.add("Provable window", fmt.Sprintf("Seq %d (%s) to %d (%s), %d holes", s.From.Seq, utc(s.From.At), s.To.Seq, utc(s.To.At), s.Holes))
	t.add("Last audit", event(s.Audit))
	t.add("Last restore proof", event(s.Proof))
	t.add("Last drill", event(s.Drill))
	t.add("Forecast RTO against 8 h", secondsOf(s.Forecast))
	return sec
}

func exposure(s *readiness.Sample) string {
	text := "unknown"
	if s.Exposed != nil {
		text = fmt.Sprintf("%d transactions, %s", *s.Exposed, secondsOf(s.Seconds))
	}
	if s.Degraded {
		text = "✗ degraded: " + text
	}
	return text
}

func secondsOf(v *float64) string {
	if v == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.1f s", *v)
}

func event(e readiness.Event) string {
	if e.At.IsZero() {
		return "✗ never"
	}
	sign := "✓ "
	if !e.OK {
		sign = "✗ failed "
	}
	text := sign + utc(e.At)
	if e.Detail != "" {
		text += ", " + e.Detail
	}
	return text
}

func (p Pack) history() section {
	t := &table{Head: []string{"At", "Exposed transactions", "Exposed seconds", "Window from Seq", "to Seq", "Degraded"}}
	var points []chart.Point
	for _, s := range p.History {
		exposed := "unknown"
		if s.Exposed != nil {
			exposed = fmt.Sprint(*s.Exposed)
		}
		if s.Seconds != nil {
			points = append(points, chart.Point{At: s.At, Value: *s.Seconds})
		}
		t.add(utc(s.At), exposed, secondsOf(s.Seconds), fmt.Sprint(s.From.Seq), fmt.Sprint(s.To.Seq), fmt.Sprint(s.Degraded))
	}
	if len(t.Rows) == 0 {
		return section{Heading: "Exposure and window over the month", Text: []string{"Nothing was measured."}}
	}
	return section{Heading: "Exposure and window over the month", Table: t,
		Chart: chart.Line(chart.Lines{Title: "Exposure", Unit: "s", Points: points})}
}

func (p Pack) incidents() section {
	t := &table{Head: []string{"Incident", "Title", "Opened", "Phase", "Open actions"}}
	for _, s := range p.Incidents {
		t.add(string(s.ID), s.Title, utc(s.Opened), s.Phase(), fmt.Sprint(len(s.OpenTodos())))
	}
	if len(t.Rows) == 0 {
		t.add("none", "–", "–", "–", "–")
	}
	return section{Heading: "Incidents", Table: t}
}

func (p Pack) drills() section {
	t := &table{Head: []string{"Held", "Passed", "Commits lost", "RTO", "Report"}}
	for _, d := range p.Drills {
		t.add(utc(d.At), mark(d.Passed), fmt.Sprint(d.LostCommits), seconds(d.RTOSeconds), short(d.Report))
	}
	if len(t.Rows) == 0 {
		t.add("none on record", "–", "–", "–", "–")
	}
	return section{Heading: "Drills", Table: t}
}

func (p Pack) policies() section {
	t := &table{Head: []string{"Rule", "Level", "Resource", "Finding"}}
	for _, f := range p.Policies {
		t.add(f.Rule, f.Level, f.Resource, f.Text)
	}
	if len(t.Rows) == 0 {
		return section{Heading: "Policy findings", Text: []string{"None were given for this report."}}
	}
	return section{Heading: "Policy findings", Table: t}
}

func (p Pack) costs() section {
	if len(p.Costs) == 0 {
		return section{Heading: "Costs", Text: []string{"None were given for this report."}}
	}
	t := &table{Head: []string{"What", "A month", "Source"}}
	sums := map[string]float64{}
	var order []string
	for _, c := range p.Costs {
		t.add(c.What, fmt.Sprintf("%.2f %s", c.Amount, c.Currency), c.Source)
		if _, ok := sums[c.Currency]; !ok {
			order = append(order, c.Currency)
		}
		sums[c.Currency] += c.Amount
	}
	for _, currency := range order {
		t.add("Sum", fmt.Sprintf("%.2f %s", sums[currency], currency), "–")
	}
	return section{Heading: "Costs", Table: t}
}
