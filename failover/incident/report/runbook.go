package report

import (
	"fmt"
	"strings"
	"time"

	"lifeboat/failover/incident"
)

// Runbook is a plan on paper: what to do, in what order, with what, and how long it takes.
type Runbook struct {
	Company string             `json:"company"`
	Plan    string             `json:"plan"` // its id
	Hash    string             `json:"plan_sha256"`
	Kind    string             `json:"plan_kind"`
	Made    time.Time          `json:"plan_made"`
	Expires time.Time          `json:"plan_expires"`
	Fits    bool               `json:"fits"` // both limits
	Verdict string             `json:"verdict"`
	Facts   []Fact             `json:"facts"`
	Do      []Task             `json:"do"`
	Steps   []TimedStep        `json:"steps"`
	Trouble []Trouble          `json:"trouble"`
	People  incident.Directory `json:"people"`
	Quorum  string             `json:"quorum"`
	Glass   string             `json:"break_glass"`
	Signers string             `json:"allowed_signers_sha256"`
}

// Fact is one thing that the plan says.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Task is something people do, with the exact commands.
type Task struct {
	Title    string   `json:"title"`
	Text     string   `json:"text"`
	Commands []string `json:"commands"`
}

// TimedStep is a step of the run with its forecast, in seconds.
type TimedStep struct {
	Name    string  `json:"name"`
	Start   float64 `json:"start_seconds"`
	Seconds float64 `json:"seconds"`
	Basis   string  `json:"basis"`
}

// Trouble is an exit code and what to do about it.
type Trouble struct {
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
}

func (Runbook) kind() Kind { return KindRunbook }

func (r Runbook) document() document {
	d := document{
		Title:    fmt.Sprintf("%s: runbook of %s %s", r.Company, r.Kind, r.Plan),
		Subtitle: fmt.Sprintf("Plan of %s, to be run until %s. Its SHA-256, which people sign: %s", utc(r.Made), utc(r.Expires), r.Hash),
		Verdict:  &verdict{Good: r.Fits, Text: r.Verdict},
	}
	facts := &table{Head: []string{"What", "As planned"}}
	for _, f := range r.Facts {
		facts.add(f.Name, f.Text)
	}
	d.Sections = append(d.Sections, section{Heading: "The plan", Table: facts})
	for i, t := range r.Do {
		d.Sections = append(d.Sections, section{Heading: fmt.Sprintf("%d. %s", i+1, t.Title), Text: []string{t.Text}, Code: t.Commands})
	}
	steps := &table{Head: []string{"Step of the run", "Begins after", "Takes", "Known how"}}
	var end float64
	for _, s := range r.Steps {
		steps.add(s.Name, seconds(int64(s.Start+.5)), seconds(int64(s.Seconds+.5)), s.Basis)
		end = max(end, s.Start+s.Seconds)
	}
	steps.add("all", seconds(0), seconds(int64(end+.5)), "")
	trouble := &table{Head: []string{"Exit code", "Name", "What it means"}}
	for _, t := range r.Trouble {
		trouble.add(fmt.Sprint(t.Code), t.Name, t.Meaning)
	}
	people := &table{Head: []string{"Name", "Roles", "Telephone", "Email"}}
	for _, p := range r.People {
		people.add(p.Name, strings.ToUpper(strings.Join(p.Roles, ", ")), dash(p.Phone), dash(p.Email))
	}
	d.Sections = append(d.Sections,
		section{Heading: "Predicted times", Table: steps},
		section{Heading: "People", Table: people, List: []string{
			"The plan needs: " + r.Quorum, "To go around that (break the glass): " + dash(r.Glass) + ", with a reason",
			"Keys: allowed_signers with SHA-256 " + r.Signers}},
		section{Heading: "When a command ends with another code than 0", Table: trouble})
	return d
}
