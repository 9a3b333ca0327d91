package incident

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lifeboat/internal/signers"
)

// ErrOrder: the entry is not allowed yet, or not to this person. The error is an *OrderError.
var ErrOrder = errors.New("not in the order of work")

// OrderError says why an entry may not be added, and what to do first.
type OrderError struct {
	Kind Kind
	N    int // of the entry
	Why  string
	Do   string
}

func (e *OrderError) Error() string {
	return fmt.Sprintf("%s: %s; %s", e.Kind, e.Why, e.Do)
}

// Is makes every OrderError an ErrOrder.
func (e *OrderError) Is(target error) bool { return target == ErrOrder }

// Policy is who decides and who has to know.
type Policy struct {
	PlanQuorum    signers.Quorum
	MessageQuorum signers.Quorum
	BreakGlass    signers.Quorum // empty: there is no way around the quorum
	Members       []string       // of the committee: who has to be informed
	// PublicContacts may stand in a message to customers although they look like personal
	// data: the company's own support address and telephone.
	PublicContacts []string
}

// DefaultPolicy is the company's: CEO or deputy with CTO or LD approve plans; CEO or deputy
// with the DPO approve what customers are told; two of the committee may break the glass.
func DefaultPolicy(members ...string) Policy {
	anyone := signers.Seat(committee())
	return Policy{
		PlanQuorum:    signers.Quorum{{CEO, Deputy}, {CTO, LD}},
		MessageQuorum: signers.Quorum{{CEO, Deputy}, {DPO}},
		BreakGlass:    signers.Quorum{anyone, anyone},
		Members:       members,
	}
}

func committee() []string { return []string{CEO, Deputy, DPO, CTO, LD} }

// Validate refuses a policy that nobody could meet, with all its problems.
func (p Policy) Validate() error {
	problems := []error{named("plan quorum", p.PlanQuorum.Validate()), named("message quorum", p.MessageQuorum.Validate())}
	if len(p.BreakGlass) == 1 {
		problems = append(problems, errors.New("breaking the glass needs two people at least"))
	}
	if len(p.BreakGlass) > 0 {
		problems = append(problems, named("break glass", p.BreakGlass.Validate()))
	}
	if len(p.Members) == 0 {
		problems = append(problems, errors.New("the committee has no members: nobody would be informed"))
	}
	return errors.Join(problems...)
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// May lists the roles that may write an entry of a kind; none = everybody with a key. Facts
// are for everybody to tell; what the policy gives to an office is for that office.
func May(k Kind) []string {
	switch k {
	case Assessed, Planned, RecoveryStarted, Drilled:
		return []string{CTO, LD}
	case Voted, MessageDrafted, MessageSent, Meeting, MeetingHeld:
		return committee()
	case Investigated, ActionAdded:
		return []string{DPO}
	case ActionDone:
		return []string{DPO, CTO, LD}
	case ActionDropped, Closed, Reopened:
		return []string{CEO, Deputy, DPO}
	}
	return nil
}

// Permit says whether the entry may be added to the incident; an *OrderError says why not
// and what to do first.
func (p Policy) Permit(s State, e Signed) error {
	k := e.Entry.Kind
	no := func(why, do string) error { return &OrderError{Kind: k, N: e.Entry.N, Why: why, Do: do} }
	if !e.Who.Has(e.Entry.Role) && e.Entry.Role != Staff {
		return no(fmt.Sprintf("%s does not hold the role %s", e.Who.Person, e.Entry.Role), "act in a role that allowed_signers gives the key")
	}
	switch {
	case k == MeetingHeld || k == Drilled:
		return no("it belongs in the committee's register", "use lifeboat committee")
	case s.N == 0 && k != Reported:
		return no("nothing was reported yet", "open the incident first")
	case s.N > 0 && k == Reported:
		return no("the incident is open already", "add what is new with lifeboat incident note")
	case !s.Closed.IsZero() && k != Reopened && k != Updated && k != Notified:
		return no("the incident is closed", "reopen it first (lifeboat incident reopen), or add a note")
	}
	if k == Voted && e.Entry.Vote.Decision == BreakGlass {
		return p.permitGlass(s, e, no)
	}
	if roles := p.roles(s, k); len(roles) > 0 && !slices.Contains(roles, e.Entry.Role) {
		return no(fmt.Sprintf("role %s may not", e.Entry.Role), "it is for "+strings.Join(roles, ", "))
	}
	return p.permitNow(s, e, no)
}

// roles are those of May, but whoever broke the glass may recover, too.
func (p Policy) roles(s State, k Kind) []string {
	if k == RecoveryStarted && !s.GlassBroken.IsZero() {
		return committee()
	}
	return May(k)
}

func (p Policy) permitGlass(s State, e Signed, no func(why, do string) error) error {
	switch {
	case len(p.BreakGlass) == 0:
		return no("this company's policy has no way around the quorum", "get the missing approvals")
	case !slices.Contains(committee(), e.Entry.Role):
		return no(fmt.Sprintf("role %s may not", e.Entry.Role), "it is for "+strings.Join(committee(), ", "))
	case e.Entry.Vote.Digest != s.Plan.Digest:
		return no("it is about another plan than the current one", "break the glass for plan "+short(s.Plan.Digest))
	}
	return nil
}

// permitNow holds the order of work.
func (p Policy) permitNow(s State, e Signed, no func(why, do string) error) error {
	switch e.Entry.Kind {
	case Planned:
		if s.Assessed.IsZero() {
			return no("nothing was assessed yet", "say extent and cause first (lifeboat incident assess)")
		}
	case Voted:
		return p.permitVote(s, e.Entry.Vote, no)
	case RecoveryStarted:
		return p.permitRecovery(s, e, no)
	case OutageBegan:
		if s.InOutage() {
			return no("an outage lasts already", "correct its beginning with lifeboat incident assess --outage-began")
		}
		if n := len(s.Outages); n > 0 && e.Entry.At.Before(s.Outages[n-1].To) {
			return no("it would overlap the outage that ended at "+stamp(s.Outages[n-1].To), "give the time at which the service failed again")
		}
	case Recovered:
		if !s.InOutage() {
			return no("no outage lasts", "say when it began first (lifeboat incident assess --outage-began, or outage)")
		}
		if e.Entry.At.Before(s.Outages[len(s.Outages)-1].From) {
			return no("it would end before it began", "give the time at which the service was back")
		}
	case MessageDrafted:
		if found := PersonalData(e.Entry.Message.Text, p.PublicContacts...); len(found) > 0 {
			return no("the message holds what looks like personal data: "+found[0].What, "write it without; nothing was recorded")
		}
	case MessageSent:
		return permitLetter(s, e.Entry.Delivered.Message, no)
	case ActionAdded:
		if slices.ContainsFunc(s.Todos, func(t Todo) bool { return t.ID == e.Entry.Action.ID }) {
			return no("there is an action "+e.Entry.Action.ID+" already", "the next one is "+s.NextAction())
		}
	case ActionDone, ActionDropped:
		return permitAction(s.Todos, e.Entry.Action.ID, no)
	case Closed:
		return permitClose(s, no)
	case Reopened:
		if s.Closed.IsZero() {
			return no("the incident is not closed", "nothing is to be done")
		}
	}
	return nil
}

func (p Policy) permitVote(s State, v *Vote, no func(why, do string) error) error {
	if v.On == OnMessage {
		if !slices.ContainsFunc(s.Letters, func(l Letter) bool { return l.Message.Digest == v.Digest }) {
			return no("no draft has the digest "+short(v.Digest), "look at the drafts with lifeboat incident show")
		}
		return nil
	}
	switch {
	case len(s.Plans) == 0:
		return no("there is no plan to vote on", "make one first (lifeboat incident plan)")
	case v.Digest != s.Plan.Digest:
		return no("the vote is on plan "+short(v.Digest)+", but the current one is "+short(s.Plan.Digest), "read the current plan and vote on that")
	}
	return nil
}

func (p Policy) permitRecovery(s State, e Signed, no func(why, do string) error) error {
	switch {
	case !s.GlassBroken.IsZero():
		return nil
	case len(s.Plans) == 0:
		return no("there is no plan", "make one and have it approved, or break the glass (two keys and a reason)")
	case e.Entry.Recovery.Plan != s.Plan.Digest:
		return no("plan "+short(e.Entry.Recovery.Plan)+" is not the current one, "+short(s.Plan.Digest), "follow the current plan")
	case !s.MayRecover():
		var seats []string
		for _, seat := range s.Plans[len(s.Plans)-1].Missing {
			seats = append(seats, seat.String())
		}
		return no("plan "+short(s.Plan.Digest)+" is not approved: still needed: "+strings.Join(seats, ", and "),
			"have it approved (lifeboat incident approve), or break the glass (two keys and a reason)")
	}
	return nil
}

func permitLetter(s State, digest string, no func(why, do string) error) error {
	for _, l := range s.Letters {
		if l.Message.Digest != digest {
			continue
		}
		if l.Ballot.Approved {
			return nil
		}
		return no("the message "+short(digest)+" is not approved", "have it approved (lifeboat incident approve --message)")
	}
	return no("no draft has the digest "+short(digest), "draft it first (lifeboat incident announce)")
}

func permitAction(todos []Todo, id string, no func(why, do string) error) error {
	for _, t := range todos {
		if t.ID == id {
			if t.Open() {
				return nil
			}
			return no("action "+id+" is over already", "nothing is to be done")
		}
	}
	return no("there is no action "+id, "look at the actions with lifeboat incident show")
}

func permitClose(s State, no func(why, do string) error) error {
	var open []string
	for _, t := range s.OpenTodos() {
		open = append(open, t.ID)
	}
	switch {
	case s.InOutage():
		return no("the outage lasts", "record the recovery first (lifeboat incident recover --done)")
	case s.Investigated.IsZero():
		return no("the DPO has not investigated", "record it first (lifeboat incident investigate)")
	case slices.ContainsFunc(s.Cases, func(c Case) bool { return c.Reviewed.IsZero() }):
		return no("a glass was broken after the investigation", "have the DPO look into it (lifeboat incident investigate)")
	case len(open) > 0:
		return no("actions are open: "+strings.Join(open, ", "), "do them, or drop them with a reason")
	}
	return nil
}

func short(digest string) string {
	if digest == "" {
		return "(none)"
	}
	return digest[:min(12, len(digest))]
}

func actionID(n int) string { return fmt.Sprintf("A%d", n) }
