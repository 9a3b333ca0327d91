package report

import (
	"context"
	"fmt"
	"strings"

	"lifeboat/failover/incident"
)

// Case is the evidence about one incident, for the committee and the DPO.
type Case struct {
	Company  string             `json:"company"`
	State    incident.State     `json:"state"`
	Entries  []incident.Signed  `json:"entries"`
	Clocks   []incident.Clock   `json:"clocks"`
	Ledger   incident.Ledger    `json:"ledger"`
	Findings []incident.Finding `json:"findings"` // what of the record does not verify
	Affected []Affected         `json:"affected"`
}

// Changes tells which rows changed in a part of the log; whoever can read the log
// implements it.
type Changes interface {
	// Affected lists what the transactions in (after, last] changed, at most `most` keys a
	// table; the counts are always whole.
	Affected(ctx context.Context, after, last uint64, most int) (Affected, error)
}

// Affected is what changed in a window that was lost or rolled back. Keys identify rows, and
// with them people, without naming anybody.
type Affected struct {
	Why          string          `json:"why"` // lost, rolled back, orphaned
	After        uint64          `json:"after"`
	Last         uint64          `json:"last"`
	Transactions uint64          `json:"transactions"`
	Tables       []AffectedTable `json:"tables"`
	// People counts the distinct keys of the table that stands for people; "" = not known
	// which one does.
	PeopleTable string   `json:"people_table"`
	People      int      `json:"people"`
	PeopleKeys  []string `json:"people_keys"`
}

// AffectedTable is one table's share.
type AffectedTable struct {
	Table string   `json:"table"`
	Rows  int      `json:"rows"` // distinct keys
	Keys  []string `json:"keys"` // the first of them
}

func (Case) kind() Kind { return KindCase }

func (c Case) document() document {
	s := c.State
	d := document{
		Title:    fmt.Sprintf("%s: incident %s", c.Company, s.ID),
		Subtitle: fmt.Sprintf("%s. Reported %s; now %s.", s.Title, utc(s.Opened), s.Phase()),
	}
	if clock, ok := outageOf(c.Clocks); ok {
		good := clock.Status == incident.Kept || clock.Status == incident.Running
		d.Verdict = &verdict{good, fmt.Sprintf("Outage %s of 8 h 00 m 00 s. The year %d: %s used of %s (99.95 %%).",
			stopwatch(clock.Used), c.Ledger.Year, stopwatch(c.Ledger.Used), stopwatch(c.Ledger.Allowance))}
	} else {
		d.Verdict = &verdict{true, fmt.Sprintf("No outage. The year %d: %s used of %s (99.95 %%); one incident may last 8 h 00 m 00 s.",
			c.Ledger.Year, stopwatch(c.Ledger.Used), stopwatch(c.Ledger.Allowance))}
	}
	d.Sections = append(d.Sections, c.cause(), section{Heading: "Terms", Table: clockTable(c.Clocks)}, ledgerSection(c.Ledger))
	d.Sections = append(d.Sections, c.affected()...)
	d.Sections = append(d.Sections, c.plans(), c.letters(), c.actions(), c.timeline(), c.integrity())
	return d
}

func outageOf(clocks []incident.Clock) (incident.Clock, bool) {
	for _, c := range clocks {
		if c.What == "outage" {
			return c, true
		}
	}
	return incident.Clock{}, false
}

func (c Case) cause() section {
	s := c.State
	t := &table{Head: []string{"Question", "Assessment (CTO, LD)", "Investigation (DPO)"}}
	t.add("When", utc(s.Assessed), utc(s.Investigated))
	t.add("Cause", dash(s.Assessment.Cause), dash(s.Investigation.Cause))
	t.add("Extent, affected", dash(s.Assessment.Extent), dash(s.Investigation.Affected))
	t.add("Breach of personal data", dash(string(s.Assessment.Breach)), dash(string(s.Investigation.Breach)))
	sec := section{Heading: "Cause and extent", Table: t}
	if s.Recovery.LostCommits > 0 || s.Recovery.LostSeconds > 0 {
		sec.Text = append(sec.Text, fmt.Sprintf("Lost by the recovery: %d commits in %d s.", s.Recovery.LostCommits, s.Recovery.LostSeconds))
	}
	for _, g := range s.Cases {
		sec.Text = append(sec.Text, fmt.Sprintf("The glass was broken at %s: %s. Reviewed: %s.", utc(g.Opened), g.Reason, utc(g.Reviewed)))
	}
	return sec
}

func (c Case) affected() (all []section) {
	if len(c.Affected) == 0 {
		return []section{{Heading: "Affected rows and people", Text: []string{"No window of transactions is known to be lost or rolled back."}}}
	}
	for _, a := range c.Affected {
		t := &table{Head: []string{"Table", "Rows", "Keys (the first ones)"}}
		for _, row := range a.Tables {
			t.add(row.Table, fmt.Sprint(row.Rows), dash(strings.Join(row.Keys, ", ")))
		}
		sec := section{Heading: fmt.Sprintf("Affected rows and people: %s, transactions %d to %d", a.Why, a.After+1, a.Last), Table: t,
			Text: []string{fmt.Sprintf("%d transactions changed these rows.", a.Transactions)}}
		if a.PeopleTable != "" {
			sec.Text = append(sec.Text, fmt.Sprintf("People affected (keys of %s): %d. %s", a.PeopleTable, a.People, strings.Join(a.PeopleKeys, ", ")))
		} else {
			sec.Text = append(sec.Text, "Which table stands for people is not configured, so people were not counted.")
		}
		all = append(all, sec)
	}
	return all
}

func (c Case) plans() section {
	t := &table{Head: []string{"Plan", "Proposed", "Votes", "Approved", "Since"}}
	for _, p := range c.State.Plans {
		t.add(short(p.Digest), utc(p.Proposed), votes(p), mark(p.Approved), utc(p.When))
	}
	if len(t.Rows) == 0 {
		t.add("none", "–", "–", "–", "–")
	}
	sec := section{Heading: "Recovery plans and approvals", Table: t}
	if !c.State.GlassBroken.IsZero() {
		sec.Text = append(sec.Text, "Recovered under broken glass since "+utc(c.State.GlassBroken)+".")
	}
	return sec
}

func votes(b incident.Ballot) string {
	var all []string
	for _, v := range b.Votes {
		all = append(all, fmt.Sprintf("%s (%s): %s", v.Who.Person, strings.Join(v.Who.Roles, ", "), v.Decision))
	}
	return dash(strings.Join(all, "; "))
}

func (c Case) letters() section {
	t := &table{Head: []string{"Message to customers", "Votes", "Approved", "Sent"}}
	for _, l := range c.State.Letters {
		t.add(l.Message.Text, votes(l.Ballot), mark(l.Ballot.Approved), utc(l.Sent))
	}
	if len(t.Rows) == 0 {
		t.add("none", "–", "–", "–")
	}
	return section{Heading: "What customers were told", Table: t}
}

func (c Case) actions() section {
	t := &table{Head: []string{"Action", "What", "Owner", "Due", "Outcome"}}
	for _, a := range c.State.Todos {
		outcome := "open"
		switch {
		case !a.Done.IsZero():
			outcome = "✓ done " + utc(a.Done) + ": " + a.Outcome
		case !a.Dropped.IsZero():
			outcome = "dropped " + utc(a.Dropped) + ": " + a.Outcome
		}
		t.add(a.ID, a.What, a.Owner, a.Due.String(), outcome)
	}
	if len(t.Rows) == 0 {
		t.add("none", "–", "–", "–", "–")
	}
	return section{Heading: "Remedial actions", Table: t}
}

func (c Case) timeline() section {
	t := &table{Head: []string{"No.", "Happened", "What", "Who", "Said", "Entry SHA-256"}}
	for _, e := range c.Entries {
		t.add(fmt.Sprint(e.Entry.N), utc(e.Entry.At), string(e.Entry.Kind), e.Who.Person+" ("+e.Entry.Role+")", Said(e.Entry), short(e.Digest))
	}
	return section{Heading: "Timeline", Table: t}
}

func (c Case) integrity() section {
	sec := section{Heading: "Integrity of the record"}
	if len(c.Findings) == 0 {
		sec.Text = []string{fmt.Sprintf("All %d entries verify: each is signed by the person it names and follows the one before. The last one has SHA-256 %s.",
			c.State.N, c.State.Head)}
		return sec
	}
	for _, f := range c.Findings {
		sec.List = append(sec.List, f.String())
	}
	return sec
}

// Said is an entry's content in a sentence.
func Said(e incident.Entry) string {
	var parts []string
	add := func(when bool, text string, args ...any) {
		if when {
			parts = append(parts, fmt.Sprintf(text, args...))
		}
	}
	switch {
	case e.Report != nil:
		add(true, "%s; noticed by %s", e.Report.Title, e.Report.From)
		add(e.Report.Verbal, "told verbally")
		add(e.Report.OutageBegan != nil, "outage since %s", outageStart(e.Report))
	case e.Told != nil:
		add(true, "%s informed by %s", strings.Join(e.Told.People, ", "), e.Told.How)
	case e.Delivered != nil:
		ok := 0
		for _, d := range e.Delivered.Deliveries {
			if d.OK {
				ok++
			}
		}
		add(true, "%s: %d of %d deliveries succeeded", short(e.Delivered.Message), ok, len(e.Delivered.Deliveries))
	case e.Gathering != nil:
		add(true, "%s: %s", map[bool]string{true: "held", false: "called"}[e.Gathering.Held], strings.Join(e.Gathering.Present, ", "))
	case e.Assessment != nil:
		add(true, "extent: %s; cause: %s; breach: %s", e.Assessment.Extent, e.Assessment.Cause, e.Assessment.Breach)
	case e.Plan != nil:
		add(true, "plan %s; predicted: %d commits lost, back in %s", short(e.Plan.Digest), e.Plan.LostCommits, seconds(e.Plan.RTOSeconds))
	case e.Vote != nil:
		add(true, "%s %s %s", e.Vote.Decision, e.Vote.On, short(e.Vote.Digest))
	case e.Recovery != nil:
		add(true, "plan %s", short(e.Recovery.Plan))
		add(e.Kind == incident.Recovered, "lost %d commits", e.Recovery.LostCommits)
	case e.Message != nil:
		add(true, "draft %s", short(e.Message.Digest))
	case e.Investigation != nil:
		add(true, "cause: %s; breach: %s; affected: %s", e.Investigation.Cause, e.Investigation.Breach, dash(e.Investigation.Affected))
	case e.Action != nil:
		add(true, "%s %s", e.Action.ID, e.Action.What)
	case e.Drill != nil:
		add(true, "report %s, passed: %t", short(e.Drill.Report), e.Drill.Passed)
	}
	add(e.Text != "", "%s", e.Text)
	for _, a := range e.Attachments {
		add(true, "attached %s (%s)", a.Name, short(a.SHA256))
	}
	add(len(e.Damage) > 0, "the record did not verify: %s", strings.Join(e.Damage, "; "))
	return strings.Join(parts, ". ")
}

func outageStart(r *incident.Report) string {
	if r.OutageBegan == nil {
		return ""
	}
	return utc(*r.OutageBegan)
}

func short(digest string) string {
	if len(digest) != 64 {
		return dash(digest)
	}
	return digest[:12]
}
