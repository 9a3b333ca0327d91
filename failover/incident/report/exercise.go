package report

import (
	"fmt"
	"strings"
	"time"

	"lifeboat/failover/incident"
	"lifeboat/internal/chart"
)

// Exercise is the evidence of a drill, a failover or a failback.
type Exercise struct {
	Company     string        `json:"company"`
	What        string        `json:"what"` // drill, failover or failback
	ID          string        `json:"id"`
	Incident    string        `json:"incident,omitempty"`
	Plan        string        `json:"plan"` // digest
	Began       time.Time     `json:"began"`
	Ended       time.Time     `json:"ended"`
	Succeeded   bool          `json:"succeeded"`
	LostCommits int64         `json:"lost_commits"` // measured RPO
	LostSeconds float64       `json:"lost_seconds"`
	AckedLost   int64         `json:"acknowledged_lost"` // of those that were acknowledged as durable
	RTO         time.Duration `json:"rto_ns"`            // measured, from loss to service
	Forecast    time.Duration `json:"forecast_rto_ns"`
	YearLeft    time.Duration `json:"year_left_ns"` // of the year's allowance, before
	Steps       []Step        `json:"steps"`
	Tables      []TableProof  `json:"tables"`
	Hashes      []Hash        `json:"hashes"`
	Approvals   []Approval    `json:"approvals"`
	BrokenGlass bool          `json:"broken_glass"`
	Deviations  []string      `json:"deviations"`
	Actions     []FollowUp    `json:"actions"`
	// Planned and Sizes are those of the database, for the restore and to serve.
	Planned Sizes `json:"planned_sizes,omitzero"`
	Sizes   Sizes `json:"sizes,omitzero"`
	// Leftover is what the teardown left behind; a drill has to leave nothing.
	Leftover []string `json:"leftover"`
	Present  []string `json:"present"` // who took part
}

// Sizes are those of the database in turn; "" = the region makes no sized one.
type Sizes struct {
	Restore string `json:"restore"`
	Serve   string `json:"serve"`
}

func (s Sizes) String() string { return s.Restore + ", then " + s.Serve }

// Step is one step, as planned and as it was.
type Step struct {
	Name     string        `json:"name"`
	Began    time.Time     `json:"began"`
	Took     time.Duration `json:"took_ns"`
	Forecast time.Duration `json:"forecast_ns"`
	Failed   string        `json:"failed,omitempty"`
}

// TableProof is one restored table against what snapshot and log say it has to be.
type TableProof struct {
	Name     string `json:"name"`
	Rows     int64  `json:"rows"`
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
}

// Match reports whether the table is what it has to be.
func (t TableProof) Match() bool { return t.Expected == t.Actual && t.Expected != "" }

// Hash names a piece of evidence.
type Hash struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Approval is one signature under the plan.
type Approval struct {
	Person   string    `json:"person"`
	Role     string    `json:"role"`
	Decision string    `json:"decision"`
	At       time.Time `json:"at"`
	Key      string    `json:"key"`
}

// FollowUp is something to be done about what was learned.
type FollowUp struct {
	What  string        `json:"what"`
	Owner string        `json:"owner"`
	Due   incident.Date `json:"due,omitzero"`
}

func (Exercise) kind() Kind { return KindExercise }

// proven reports whether every restored table matched.
func (e Exercise) proven() bool {
	for _, t := range e.Tables {
		if !t.Match() {
			return false
		}
	}
	return len(e.Tables) > 0
}

// passed reports whether everything was reached that the policy asks for.
func (e Exercise) passed() bool {
	return e.Succeeded && e.AckedLost == 0 && e.RTO <= incident.OutageLimit && e.proven()
}

func (e Exercise) document() document {
	d := document{
		Title:    fmt.Sprintf("%s: report of %s %s", e.Company, e.What, e.ID),
		Subtitle: fmt.Sprintf("From %s to %s.", utc(e.Began), utc(e.Ended)),
		Verdict: &verdict{e.passed(), fmt.Sprintf("Acknowledged commits lost: %d. Commits lost: %d (%s). Back in service after %s of 8 h 00 m 00 s.",
			e.AckedLost, e.LostCommits, e.lost(), measured(e.RTO))},
	}
	d.Sections = append(d.Sections, e.figures(), e.timeline(), e.tables())
	d.Sections = append(d.Sections, e.approvals(), section{Heading: "Deviations from the plan", List: orNone(e.Deviations)}, e.followUps())
	if e.What == "drill" {
		d.Sections = append(d.Sections, section{Heading: "Left behind by the teardown", List: orNone(e.Leftover)})
	}
	hashes := &table{Head: []string{"Evidence", "SHA-256"}}
	for _, h := range e.Hashes {
		hashes.add(h.Name, h.SHA256)
	}
	d.Sections = append(d.Sections, section{Heading: "Evidence", Table: hashes}, e.clauses())
	return d
}

// lost is the time of which commits were lost.
func (e Exercise) lost() string {
	return chart.Span(time.Duration(e.LostSeconds * float64(time.Second)))
}

// measured prints what was measured: nothing that took time becomes zero.
func measured(d time.Duration) string {
	if d < time.Minute {
		return chart.Span(d)
	}
	return stopwatch(d)
}

func orNone(list []string) []string {
	if len(list) == 0 {
		return []string{"none"}
	}
	return list
}

func (e Exercise) figures() section {
	t := &table{Head: []string{"Measure", "Target", "Measured", "Met"}}
	t.add("RPO: acknowledged commits lost", "0", fmt.Sprint(e.AckedLost), mark(e.AckedLost == 0))
	t.add("RPO: commits lost (in transit, never acknowledged)", "–", fmt.Sprintf("%d in %s", e.LostCommits, e.lost()), "–")
	t.add("RTO: one incident", stopwatch(incident.OutageLimit), measured(e.RTO), mark(e.RTO <= incident.OutageLimit))
	t.add("RTO: what was left of the year's 99.95 %", stopwatch(e.YearLeft), measured(e.RTO), mark(e.RTO <= e.YearLeft))
	t.add("Forecast of the RTO", measured(e.Forecast), measured(e.RTO), deviation(e.Forecast, e.RTO))
	if e.Planned != (Sizes{}) || e.Sizes != (Sizes{}) {
		t.add("Size of the database for the restore, then to serve", e.Planned.String(), e.Sizes.String(), mark(e.Planned == e.Sizes))
	}
	t.add("Restored tables that match their hash", fmt.Sprint(len(e.Tables)), fmt.Sprint(e.matching()), mark(e.proven()))
	return section{Heading: "Measured against target", Table: t}
}

func (e Exercise) matching() (n int) {
	for _, t := range e.Tables {
		if t.Match() {
			n++
		}
	}
	return n
}

// deviation of the actual from the forecast, signed, in percent.
func deviation(forecast, actual time.Duration) string {
	if forecast <= 0 {
		return "no forecast"
	}
	return fmt.Sprintf("%+.0f %%", 100*(float64(actual)/float64(forecast)-1))
}

func (e Exercise) timeline() section {
	t := &table{Head: []string{"Step", "Began", "Took", "Forecast", "Off by", "Succeeded"}}
	var steps []chart.Step
	for _, s := range e.Steps {
		steps = append(steps, chart.Step{Name: s.Name, Began: s.Began, Took: s.Took, Forecast: s.Forecast, Failed: s.Failed != ""})
		ok := mark(s.Failed == "")
		if s.Failed != "" {
			ok += ": " + s.Failed
		}
		t.add(s.Name, utc(s.Began), chart.Span(s.Took), forecast(s.Forecast), deviation(s.Forecast, s.Took), ok)
	}
	return section{Heading: "Timeline", Chart: chart.Steps("Steps over time; the dashed outline is the forecast", steps), Table: t}
}

func forecast(d time.Duration) string {
	if d <= 0 {
		return "–"
	}
	return chart.Span(d)
}

func (e Exercise) tables() section {
	t := &table{Head: []string{"Table", "Rows", "Expected hash", "Restored hash", "Equal"}}
	for _, p := range e.Tables {
		t.add(p.Name, fmt.Sprint(p.Rows), p.Expected, p.Actual, mark(p.Match()))
	}
	return section{Heading: "Proof of the restore", Table: t,
		Text: []string{"Each table was read back after the restore; its hash does not depend on the order of its rows."}}
}

func (e Exercise) approvals() section {
	t := &table{Head: []string{"Person", "Role", "Decision", "At", "Key"}}
	for _, a := range e.Approvals {
		t.add(a.Person, a.Role, a.Decision, utc(a.At), a.Key)
	}
	if len(e.Approvals) == 0 {
		return section{Heading: "Approvals", Text: []string{"No approval is on record."},
			List: append([]string{"took part: " + dash(strings.Join(e.Present, ", "))}, e.unapproved()...)}
	}
	s := section{Heading: "Approvals", Table: t, Text: []string{"Signed was the plan with SHA-256 " + dash(e.Plan) + ". Took part: " + dash(strings.Join(e.Present, ", ")) + "."}}
	if e.BrokenGlass {
		s.Text = append(s.Text, "The glass was broken: the quorum was not complete. The DPO has a case to look into.")
	}
	return s
}

// unapproved names a plan that should have been signed.
func (e Exercise) unapproved() []string {
	if e.What == "drill" || e.Plan == "" {
		return nil
	}
	return []string{"the plan with SHA-256 " + e.Plan + " carries no signature"}
}

func (e Exercise) followUps() section {
	t := &table{Head: []string{"Action", "Owner", "Due"}}
	for _, a := range e.Actions {
		due := "–"
		if !a.Due.IsZero() {
			due = a.Due.String()
		}
		t.add(a.What, a.Owner, due)
	}
	if len(t.Rows) == 0 {
		t.add("none", "–", "–")
	}
	return section{Heading: "Follow-up", Table: t}
}
