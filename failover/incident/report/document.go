package report

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"lifeboat/failover/incident"
)

// document is what all forms of a report have in common.
type document struct {
	Title    string
	Subtitle string
	Verdict  *verdict
	Sections []section
}

// verdict is the answer that a reader looks for first.
type verdict struct {
	Good bool
	Text string
}

// section is a heading with what stands under it. Absent parts are left out.
type section struct {
	Heading string
	Text    []string // paragraphs
	List    []string
	Code    []string // commands, to be copied as they are
	Table   *table
	Chart   template.HTML // in HTML only; the table says the same
}

// table is rows under a head. A cell that starts with a mark (✓ or ✗) is shown in its colour.
type table struct {
	Head []string
	Rows [][]string
}

func (t *table) add(cells ...string) { t.Rows = append(t.Rows, cells) }

// yes and no are the marks of cells: a word beside the sign, for those who do not see colour.
func mark(ok bool) string {
	if ok {
		return "✓ yes"
	}
	return "✗ no"
}

func utc(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// stopwatch prints whole seconds the way the policy does: 4 h 22 m 48 s.
func stopwatch(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "minus ", -d
	}
	s := int64(d / time.Second)
	return fmt.Sprintf("%s%d h %02d m %02d s", sign, s/3600, s/60%60, s%60)
}

// longer is for terms of days, where seconds only distract: 9 d 04 h.
func longer(d time.Duration) string {
	switch {
	case d < 0:
		return "minus " + longer(-d)
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d %02d h", d/(24*time.Hour), d/time.Hour%24)
	}
	return stopwatch(d)
}

func seconds(s int64) string { return stopwatch(time.Duration(s) * time.Second) }

func dash(s string) string {
	if strings.TrimSpace(s) == "" {
		return "–"
	}
	return s
}

func clockTable(clocks []incident.Clock) *table {
	t := &table{Head: []string{"Term", "Of", "Whose turn", "Due", "Used", "Left", "Status"}}
	for _, c := range clocks {
		ok := c.Status == incident.Kept || c.Status == incident.Running
		sign := "✓ "
		if !ok {
			sign = "✗ "
		}
		t.add(c.What, c.Of, c.Who, utc(c.Due), longer(c.Used), longer(c.Left()), sign+string(c.Status))
	}
	return t
}

// ledgerSection always shows both figures: 8 h an incident, and the year's allowance.
func ledgerSection(l incident.Ledger) section {
	s := section{Heading: fmt.Sprintf("The year %d against 99.95 %%", l.Year)}
	s.Text = []string{
		fmt.Sprintf("99.95 %% of %d days allows %s of outage in the whole year; one incident may last 8 h 00 m 00 s at most. "+
			"Both hold: a single outage of 8 h would keep the one and break the other.", l.Days, stopwatch(l.Allowance)),
		fmt.Sprintf("Used: %s. Left: %s. Availability if nothing more happens: %.3f %%.", stopwatch(l.Used), stopwatch(l.Left()), l.Availability()*100),
	}
	t := &table{Head: []string{"Incident", "Title", "Outage in the year", "Lasts"}}
	for _, line := range l.Lines {
		lasts := "no"
		if line.Open {
			lasts = "yes"
		}
		t.add(string(line.ID), line.Title, stopwatch(line.Used), lasts)
	}
	if len(t.Rows) == 0 {
		t.add("none", "–", stopwatch(0), "no")
	}
	s.Table = t
	return s
}
