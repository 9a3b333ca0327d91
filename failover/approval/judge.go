package approval

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat/internal/signers"
)

// Reasons why a subject is not approved, to test Verdict.Err for with errors.Is.
var (
	// ErrTooFew: the quorum is not met; it always holds when a verdict is no.
	ErrTooFew = errors.New("too few approvals")
	// ErrExpired: a statement that would have counted is past its end.
	ErrExpired = errors.New("approval expired")
	// ErrNotYet: a statement claims a time after the question's.
	ErrNotYet = errors.New("approval is from the future: check the clocks")
	// ErrSigner: a statement's key is unknown, retired, or not its author's.
	ErrSigner = errors.New("signer not accepted")
	// ErrTampered: a statement's bytes or signature do not hold.
	ErrTampered = errors.New("approval does not verify")
	// ErrSubject: a statement is about something else, such as an earlier plan.
	ErrSubject = errors.New("approval is of something else")
)

// Policy is who has to agree.
type Policy struct {
	Quorum     signers.Quorum // the ordinary way
	BreakGlass signers.Quorum // the way out; empty = there is none
	// MaxAge ends an approval earlier than it says itself; 0 = no limit of its own.
	MaxAge time.Duration
}

// DefaultPolicy is the written policy of the company: CEO or deputy, and CTO or LD. Two of
// the committee may break the glass.
func DefaultPolicy() Policy {
	anyone := signers.Seat{"ceo", "deputy", "dpo", "cto", "ld"}
	return Policy{
		Quorum:     signers.Quorum{{"ceo", "deputy"}, {"cto", "ld"}},
		BreakGlass: signers.Quorum{anyone, anyone},
		MaxAge:     24 * time.Hour,
	}
}

// Validate refuses a policy that nobody could meet or anybody would.
func (p Policy) Validate() error {
	problems := []error{p.Quorum.Validate()}
	if len(p.BreakGlass) > 0 {
		problems = append(problems, p.BreakGlass.Validate())
	}
	if len(p.BreakGlass) == 1 {
		problems = append(problems, errors.New("breaking the glass needs two people at least"))
	}
	if p.MaxAge < 0 {
		problems = append(problems, fmt.Errorf("max age %s is negative", p.MaxAge))
	}
	return errors.Join(problems...)
}

// Question is what is judged: may this subject go ahead at this time?
type Question struct {
	Kind    string // as in the statements
	Subject string // as in the statements
	At      time.Time
}

// Vote is one accepted statement.
type Vote struct {
	Statement Statement        `json:"statement"`
	Who       signers.Identity `json:"who"`
}

// Refusal is one statement that did not count, and why.
type Refusal struct {
	By     string `json:"by"` // as it claims
	Reason string `json:"reason"`
	err    error
}

// Verdict is the answer. Approved or BrokenGlass (or both) mean that it may go ahead.
type Verdict struct {
	Approved    bool           `json:"approved"`
	BrokenGlass bool           `json:"broken_glass"` // only the way out is met: the DPO gets a case
	Votes       []Vote         `json:"votes"`        // the last accepted statement of each person
	Refused     []Refusal      `json:"refused,omitempty"`
	Missing     []signers.Seat `json:"missing,omitempty"`
}

// Judge reads the sealed documents against the policy. It never fails: what cannot be
// accepted is in Refused. Of one person's statements the latest counts.
func Judge(ring *signers.Ring, policy Policy, q Question, docs [][]byte) Verdict {
	var v Verdict
	for _, doc := range docs {
		vote, err := accept(ring, policy, q, doc)
		if err != nil {
			claimed, _ := Peek(doc)
			v.Refused = append(v.Refused, Refusal{By: claimed.By, Reason: err.Error(), err: err})
			continue
		}
		v.add(vote)
	}
	slices.SortFunc(v.Votes, func(a, b Vote) int {
		return strings.Compare(a.Who.Person, b.Who.Person)
	})
	var yes, glass []signers.Identity
	for _, vote := range v.Votes {
		switch vote.Statement.Decision {
		case Approve:
			yes = append(yes, vote.Who)
			glass = append(glass, vote.Who) // whoever approves outright agrees to less, too
		case BreakGlass:
			glass = append(glass, vote.Who)
		}
	}
	outcome := policy.Quorum.Check(yes)
	v.Approved, v.Missing = outcome.Met, outcome.Missing
	broke := slices.ContainsFunc(v.Votes, func(vote Vote) bool { return vote.Statement.Decision == BreakGlass })
	v.BrokenGlass = !v.Approved && broke && policy.BreakGlass.Check(glass).Met
	return v
}

// add keeps the later of two statements by one person; at the same instant the one that
// permits less wins.
func (v *Verdict) add(vote Vote) {
	i := slices.IndexFunc(v.Votes, func(o Vote) bool { return o.Who.Person == vote.Who.Person })
	if i < 0 {
		v.Votes = append(v.Votes, vote)
		return
	}
	was := &v.Votes[i]
	if vote.Statement.At.After(was.Statement.At) ||
		vote.Statement.At.Equal(was.Statement.At) && vote.Statement.Decision == Withdraw {
		*was = vote
	}
}

// accept checks one document: signature by a key of its author, valid when it was made and
// now, about this subject, not expired.
func accept(ring *signers.Ring, policy Policy, q Question, doc []byte) (Vote, error) {
	s, err := Peek(doc)
	if err != nil {
		return Vote{}, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	_, who, err := ring.Open(Namespace, doc, s.At)
	switch {
	case errors.Is(err, signers.ErrUnknownKey), errors.Is(err, signers.ErrKeyTime):
		return Vote{}, fmt.Errorf("%w: %w", ErrSigner, err)
	case err != nil:
		return Vote{}, fmt.Errorf("%w: %w", ErrTampered, err)
	case who.Person != s.By:
		return Vote{}, fmt.Errorf("%w: %s signed a statement in the name of %s", ErrSigner, who.Person, s.By)
	case s.Subject != q.Subject || s.Kind != q.Kind:
		return Vote{}, fmt.Errorf("%w: %s %.12s, wanted %s %.12s", ErrSubject, s.Kind, s.Subject, q.Kind, q.Subject)
	case s.At.After(q.At):
		return Vote{}, fmt.Errorf("%w: made at %s, it is %s", ErrNotYet, stamp(s.At), stamp(q.At))
	}
	expires := s.Expires
	if policy.MaxAge > 0 && s.At.Add(policy.MaxAge).Before(expires) {
		expires = s.At.Add(policy.MaxAge)
	}
	if s.Decision != Withdraw && !q.At.Before(expires) { // a withdrawal does not wear off
		return Vote{}, fmt.Errorf("%w: of %s, at %s", ErrExpired, s.By, stamp(expires))
	}
	return Vote{Statement: s, Who: who}, nil
}

// Err is nil when the subject may go ahead. Otherwise it wraps ErrTooFew and, for each
// refused statement, its reason, and says whose signature is still needed.
func (v Verdict) Err() error {
	if v.Approved || v.BrokenGlass {
		return nil
	}
	return &NotApproved{Verdict: v}
}

// NotApproved is the error of a verdict that is no.
type NotApproved struct{ Verdict Verdict }

func (e *NotApproved) Error() string {
	missing := make([]string, len(e.Verdict.Missing))
	for i, seat := range e.Verdict.Missing {
		missing[i] = seat.String()
	}
	text := fmt.Sprintf("%s: still needed: %s", ErrTooFew, strings.Join(missing, ", and "))
	for _, r := range e.Verdict.Refused {
		text += "; not counted: " + r.Reason
	}
	return text
}

// Unwrap lets errors.Is find each reason.
func (e *NotApproved) Unwrap() []error {
	all := []error{ErrTooFew}
	for _, r := range e.Verdict.Refused {
		all = append(all, r.err)
	}
	return all
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
