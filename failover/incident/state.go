package incident

import (
	"slices"
	"time"

	"lifeboat/internal/signers"
)

// Interval is a stretch of time, [From, To). To is zero while it lasts.
type Interval struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"`
}

// Open reports whether it still lasts.
func (i Interval) Open() bool { return i.To.IsZero() }

// Until is its length at a time; never negative.
func (i Interval) Until(now time.Time) time.Duration {
	if !i.Open() {
		now = i.To
	}
	return max(0, now.Sub(i.From))
}

// Ballot is the voting on one plan or message. Of one person the latest vote counts.
type Ballot struct {
	Digest   string         `json:"digest"`
	Proposed time.Time      `json:"proposed"`
	Votes    []Cast         `json:"votes"`
	Approved bool           `json:"approved"`
	When     time.Time      `json:"when,omitzero"` // since when it has been approved without a break
	Missing  []signers.Seat `json:"missing,omitempty"`
}

// Cast is one vote in a ballot.
type Cast struct {
	Who      signers.Identity `json:"who"`
	Decision Decision         `json:"decision"`
	At       time.Time        `json:"at"`
}

// Todo is a remedial action and how far it is.
type Todo struct {
	Action
	Added   time.Time `json:"added"`
	Done    time.Time `json:"done,omitzero"`
	Dropped time.Time `json:"dropped,omitzero"`
	Outcome string    `json:"outcome,omitempty"` // what was done, or why it was dropped
}

// Open reports whether the action still has to be done.
func (t Todo) Open() bool { return t.Done.IsZero() && t.Dropped.IsZero() }

// Letter is a customer message and how far it is.
type Letter struct {
	Message Message   `json:"message"`
	Ballot  Ballot    `json:"ballot"`
	Sent    time.Time `json:"sent,omitzero"`
}

// Case is something the DPO has to look into.
type Case struct {
	Opened   time.Time `json:"opened"`
	Reason   string    `json:"reason"`
	Reviewed time.Time `json:"reviewed,omitzero"`
}

// State is an incident as its entries tell it. Treat it as a value: Apply copies what it
// changes.
type State struct {
	ID            ID                   `json:"id"`
	Title         string               `json:"title"`
	Opened        time.Time            `json:"opened"`   // when it was reported; the clocks start here
	Reporter      string               `json:"reporter"` // who noticed
	Outages       []Interval           `json:"outages"`
	Informed      map[string]time.Time `json:"informed"` // person → first time
	Meeting       time.Time            `json:"meeting,omitzero"`
	Assessed      time.Time            `json:"assessed,omitzero"`
	Assessment    Assessment           `json:"assessment"`
	Plan          Plan                 `json:"plan"` // the current one
	Plans         []Ballot             `json:"plans"`
	GlassBroken   time.Time            `json:"glass_broken,omitzero"`
	Glass         Ballot               `json:"glass"` // votes to go around the quorum
	Recovering    time.Time            `json:"recovering,omitzero"`
	Recovered     time.Time            `json:"recovered,omitzero"`
	Recovery      Recovery             `json:"recovery"`
	Letters       []Letter             `json:"letters"`
	Investigated  time.Time            `json:"investigated,omitzero"`
	Investigation Investigation        `json:"investigation"`
	Todos         []Todo               `json:"todos"`
	Cases         []Case               `json:"cases"`
	Undelivered   []Delivery           `json:"undelivered"` // per channel and person, while none later succeeded
	Closed        time.Time            `json:"closed,omitzero"`
	N             int                  `json:"n"`    // entries
	Head          string               `json:"head"` // digest of the last entry
	Last          time.Time            `json:"last"` // when it was recorded
}

// Phase says in a word how far the incident is.
func (s State) Phase() string {
	switch {
	case !s.Closed.IsZero():
		return "closed"
	case s.InOutage() && !s.Recovering.IsZero():
		return "recovering"
	case s.InOutage() && s.MayRecover():
		return "approved"
	case s.InOutage() && len(s.Plans) > 0:
		return "planned"
	case s.InOutage() && !s.Assessed.IsZero():
		return "assessed"
	case s.InOutage(), s.Assessed.IsZero() && s.Recovered.IsZero() && s.Investigated.IsZero():
		return "reported"
	case s.Investigated.IsZero():
		return "to be investigated"
	}
	return "remedies"
}

// InOutage reports whether an outage lasts.
func (s State) InOutage() bool {
	return slices.ContainsFunc(s.Outages, Interval.Open)
}

// MayRecover reports whether the current plan is approved, or the glass broken since.
func (s State) MayRecover() bool {
	return !s.GlassBroken.IsZero() || len(s.Plans) > 0 && s.Plans[len(s.Plans)-1].Approved
}

// OpenTodos are the actions still to be done.
func (s State) OpenTodos() []Todo {
	return slices.DeleteFunc(slices.Clone(s.Todos), func(t Todo) bool { return !t.Open() })
}

// NextAction is the id that the next action gets.
func (s State) NextAction() string { return actionID(len(s.Todos) + 1) }

// Fold reads a whole chain. It never fails; entries that broke the order of work are
// returned beside the state that they led to.
func (p Policy) Fold(id ID, entries []Signed) (State, []error) {
	s := State{ID: id}
	var broken []error
	for _, e := range entries {
		if err := p.Permit(s, e); err != nil {
			broken = append(broken, err)
		}
		s = p.Apply(s, e)
	}
	return s, broken
}

// Apply adds one entry to the state, whether or not it was permitted.
func (p Policy) Apply(s State, e Signed) State {
	s.N, s.Head, s.Last = e.Entry.N, e.Digest, e.Entry.Recorded
	at := e.Entry.At
	switch e.Entry.Kind {
	case Reported:
		s.applyReport(e)
	case Informed:
		s.inform(at, e.Entry.Told.People...)
	case Notified, MessageSent:
		s.applyDelivered(e)
	case Meeting:
		if s.Meeting.IsZero() {
			s.Meeting = at
		}
	case Assessed:
		s.applyAssessment(e)
	case Planned:
		s.applyPlan(p, e)
	case Voted:
		s.applyVote(p, e)
	case RecoveryStarted:
		s.Recovering = at
	case OutageBegan:
		s.Outages = append(slices.Clip(s.Outages), Interval{From: at})
		s.Recovering, s.Recovered = time.Time{}, time.Time{}
	case Recovered:
		s.applyRecovered(e)
	case MessageDrafted:
		s.Letters = append(slices.Clip(s.Letters), Letter{Message: *e.Entry.Message, Ballot: p.ballot(*e.Entry.Message, at)})
	case Investigated:
		s.applyInvestigation(e)
	case ActionAdded, ActionDone, ActionDropped:
		s.applyAction(e)
	case Closed:
		s.Closed = at
	case Reopened:
		s.Closed = time.Time{}
	}
	return s
}

func (s *State) applyReport(e Signed) {
	r := e.Entry.Report
	s.Title, s.Opened, s.Reporter = r.Title, e.Entry.At, r.From
	if r.OutageBegan != nil {
		s.Outages = []Interval{{From: *r.OutageBegan}}
	}
	s.inform(e.Entry.At, e.Entry.By) // who writes it down knows of it
}

func (s *State) inform(at time.Time, people ...string) {
	informed := make(map[string]time.Time, len(s.Informed)+len(people))
	for who, when := range s.Informed {
		informed[who] = when
	}
	for _, who := range people {
		if first, ok := informed[who]; !ok || at.Before(first) {
			informed[who] = at
		}
	}
	s.Informed = informed
}

func (s *State) applyDelivered(e Signed) {
	for _, d := range e.Entry.Delivered.Deliveries {
		same := func(o Delivery) bool { return o.Channel == d.Channel && o.To == d.To }
		s.Undelivered = slices.DeleteFunc(slices.Clone(s.Undelivered), same)
		if !d.OK {
			s.Undelivered = append(s.Undelivered, d)
			continue
		}
		if d.To != "" && e.Entry.Kind == Notified {
			s.inform(d.At, d.To)
		}
	}
	if e.Entry.Kind != MessageSent {
		return
	}
	s.Letters = slices.Clone(s.Letters)
	for i := range s.Letters {
		if s.Letters[i].Message.Digest == e.Entry.Delivered.Message {
			s.Letters[i].Sent = e.Entry.At
		}
	}
}

func (s *State) applyAssessment(e Signed) {
	a := *e.Entry.Assessment
	s.Assessed, s.Assessment = e.Entry.At, a
	if a.NoOutage {
		s.Outages = nil
	}
	if a.OutageBegan == nil {
		return
	}
	if len(s.Outages) == 0 {
		s.Outages = []Interval{{From: *a.OutageBegan}}
		return
	}
	s.Outages = slices.Clone(s.Outages)
	s.Outages[len(s.Outages)-1].From = *a.OutageBegan
}

func (s *State) applyPlan(p Policy, e Signed) {
	s.Plan = *e.Entry.Plan
	s.Plans = append(slices.Clip(s.Plans), Ballot{Digest: s.Plan.Digest, Proposed: e.Entry.At, Missing: p.PlanQuorum})
	s.GlassBroken, s.Glass = time.Time{}, Ballot{} // a glass is broken for one plan, not for all later ones
}

func (p Policy) ballot(m Message, at time.Time) Ballot {
	return Ballot{Digest: m.Digest, Proposed: at, Missing: p.MessageQuorum}
}

func (s *State) applyVote(p Policy, e Signed) {
	v := e.Entry.Vote
	cast := Cast{Who: e.Who, Decision: v.Decision, At: e.Entry.At}
	if v.On == OnMessage {
		s.Letters = slices.Clone(s.Letters)
		for i := range s.Letters {
			if s.Letters[i].Message.Digest == v.Digest {
				s.Letters[i].Ballot = s.Letters[i].Ballot.with(cast, p.MessageQuorum, Approve)
			}
		}
		return
	}
	current := ""
	if n := len(s.Plans); n > 0 {
		current = s.Plans[n-1].Digest
		if v.Digest == current {
			s.Plans = slices.Clone(s.Plans)
			s.Plans[n-1] = s.Plans[n-1].with(cast, p.PlanQuorum, Approve)
		}
	}
	if v.Digest == current {
		s.breakGlass(p, cast, e.Entry.Text)
	}
}

// breakGlass counts approvals, too: who agrees to the plan agrees to going on with it. But
// one person at least has to have broken the glass, with a reason.
func (s *State) breakGlass(p Policy, cast Cast, reason string) {
	s.Glass = s.Glass.with(cast, p.BreakGlass, Approve, BreakGlass)
	s.Glass.Digest = s.Plan.Digest
	if cast.Decision == BreakGlass {
		s.Cases = append(slices.Clip(s.Cases), Case{Opened: cast.At, Reason: reason})
	}
	broke := slices.ContainsFunc(s.Glass.Votes, func(c Cast) bool { return c.Decision == BreakGlass })
	s.GlassBroken = time.Time{}
	if broke && s.Glass.Approved {
		s.GlassBroken = s.Glass.When
	}
}

// with counts one more vote; a yes is any of the given decisions.
func (b Ballot) with(cast Cast, quorum signers.Quorum, yes ...Decision) Ballot {
	b.Votes = slices.DeleteFunc(slices.Clone(b.Votes), func(o Cast) bool { return o.Who.Person == cast.Who.Person })
	b.Votes = append(b.Votes, cast)
	var voters []signers.Identity
	for _, v := range b.Votes {
		if slices.Contains(yes, v.Decision) {
			voters = append(voters, v.Who)
		}
	}
	outcome := quorum.Check(voters)
	b.Missing = outcome.Missing
	if !outcome.Met {
		b.Approved, b.When = false, time.Time{}
	} else if !b.Approved {
		b.Approved, b.When = true, cast.At
	}
	return b
}

func (s *State) applyRecovered(e Signed) {
	s.Recovered, s.Recovery = e.Entry.At, *e.Entry.Recovery
	s.Outages = slices.Clone(s.Outages)
	for i := range s.Outages {
		if s.Outages[i].Open() {
			s.Outages[i].To = e.Entry.At
		}
	}
}

func (s *State) applyInvestigation(e Signed) {
	s.Investigated, s.Investigation = e.Entry.At, *e.Entry.Investigation
	s.Cases = slices.Clone(s.Cases)
	for i := range s.Cases {
		if s.Cases[i].Reviewed.IsZero() {
			s.Cases[i].Reviewed = e.Entry.At
		}
	}
}

func (s *State) applyAction(e Signed) {
	s.Todos = applyAction(s.Todos, e)
}

// applyAction is shared with the committee's register, which has actions of its own.
func applyAction(todos []Todo, e Signed) []Todo {
	todos = slices.Clone(todos)
	if e.Entry.Kind == ActionAdded {
		return append(todos, Todo{Action: *e.Entry.Action, Added: e.Entry.At})
	}
	for i := range todos {
		if todos[i].ID != e.Entry.Action.ID || !todos[i].Open() {
			continue
		}
		todos[i].Outcome = e.Entry.Text
		if e.Entry.Kind == ActionDone {
			todos[i].Done = e.Entry.At
		} else {
			todos[i].Dropped = e.Entry.At
		}
	}
	return todos
}
