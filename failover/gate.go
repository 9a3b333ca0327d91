package failover

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lifeboat/failover/approval"
	"lifeboat/internal/signers"
)

// Reasons to refuse a plan for what it is, to test for with errors.Is. Those of its
// approvals are package approval's, those of what has changed since are ErrStale and so on.
var (
	// ErrUnsigned: nobody has signed it at all.
	ErrUnsigned = errors.New("plan is not signed by anybody")
	// ErrExpired: the plan is past its end.
	ErrExpired = errors.New("plan has expired")
	// ErrTampered: the plan is not the one that was made and kept under its id.
	ErrTampered = errors.New("plan is not the one that was made")
)

// Gate is what decides whether a plan may run.
type Gate struct {
	Now  time.Time
	Kept *Plan         // as the DR store keeps it under its id; nil = it keeps none
	Ring *signers.Ring // of the allowed_signers file
	Docs [][]byte      // the approvals kept for the plan's hash
	// Facts as they are now, with Restore to the plan's target.
	Facts Facts
}

// Decision is what the gate found, whether or not the plan may run.
type Decision struct {
	Hash    string           `json:"hash"`
	Verdict approval.Verdict `json:"approvals"`
	// BrokenGlass: it may run without the quorum. The DPO has to get a case.
	BrokenGlass bool     `json:"broken_glass"`
	Changes     []Change `json:"changes"` // since the plan was made, whether or not they refuse
	MayRun      bool     `json:"may_run"`
}

// Refusal is the error of a plan that may not run. It wraps every reason.
type Refusal struct {
	ID      string
	Reasons []error
}

func (r *Refusal) Error() string {
	texts := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		texts[i] = reason.Error()
	}
	return fmt.Sprintf("plan %s may not run: %s", r.ID, strings.Join(texts, "; "))
}

// Unwrap lets errors.Is find each reason.
func (r *Refusal) Unwrap() []error { return r.Reasons }

// Check says whether the plan may run now. Its error is a *Refusal with every reason there
// is, or that of facts that make no plan. It changes nothing.
//
// A drill touches nothing that serves, so it needs no signatures; everything else is asked
// of it too. Broken glass goes around the quorum and around nothing else: who breaks it
// signs the same hash, of a plan that has to be true.
func Check(g Gate, p *Plan) (Decision, error) {
	hash, err := p.Hash()
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Hash: hash, Changes: []Change{}}
	var reasons []error
	reasons = append(reasons, g.genuine(p, hash), g.fresh(p), g.signed(p, &d))
	changes, err := Diff(p, g.Facts, g.Now)
	if err != nil {
		reasons = append(reasons, fmt.Errorf("%w: %w", ErrMoved, err))
	}
	d.Changes = append(d.Changes, changes...)
	reasons = append(reasons, changed(changes)...)
	var given []error
	for _, reason := range reasons {
		if reason != nil {
			given = append(given, reason)
		}
	}
	if len(given) > 0 {
		return d, &Refusal{ID: p.ID, Reasons: given}
	}
	d.MayRun = true
	return d, nil
}

// genuine compares the plan with the one kept under its id.
func (g Gate) genuine(p *Plan, hash string) error {
	if g.Kept == nil {
		return fmt.Errorf("%w: the DR store keeps no plan %s: plan again", ErrTampered, p.ID)
	}
	kept, err := g.Kept.Hash()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if kept == hash {
		return nil
	}
	changes, err := Compare(g.Kept, p)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	texts := make([]string, len(changes))
	for i, c := range changes {
		texts[i] = c.String()
	}
	return fmt.Errorf("%w: its hash is %.12s, that of the plan kept is %.12s: %s", ErrTampered, hash, kept, strings.Join(texts, "; "))
}

func (g Gate) fresh(p *Plan) error {
	if g.Now.Before(p.Created) {
		return fmt.Errorf("%w: it was made at %s, it is %s: check the clocks", ErrExpired, stamp(p.Created), stamp(g.Now))
	}
	if !g.Now.Before(p.Expires) {
		return fmt.Errorf("%w at %s, it is %s: plan again", ErrExpired, stamp(p.Expires), stamp(g.Now))
	}
	return nil
}

// signed judges the approvals by the quorum that the plan states. That it is still the
// company's is for Diff to say.
func (g Gate) signed(p *Plan, d *Decision) error {
	policy := approval.Policy{Quorum: p.Quorum.Seats, BreakGlass: p.Quorum.BreakGlass, MaxAge: time.Duration(p.Quorum.MaxAgeSeconds) * time.Second}
	d.Verdict = approval.Judge(g.Ring, policy, approval.Question{Kind: SubjectKind, Subject: d.Hash, At: g.Now}, g.Docs)
	d.BrokenGlass = d.Verdict.BrokenGlass
	switch err := d.Verdict.Err(); {
	case p.Kind == Drill, err == nil:
		return nil
	case len(g.Docs) == 0:
		return fmt.Errorf("%w: it needs %s: lifeboat failover approve %s", ErrUnsigned, p.Quorum.Seats, p.ID)
	default:
		return err
	}
}

// changed joins the changes that refuse by their reason, in the order in which they occur.
func changed(changes []Change) []error {
	var order []error
	texts := map[error][]string{}
	for _, c := range changes {
		if !c.Refuses {
			continue
		}
		if _, seen := texts[c.reason]; !seen {
			order = append(order, c.reason)
		}
		texts[c.reason] = append(texts[c.reason], c.String())
	}
	reasons := make([]error, len(order))
	for i, reason := range order {
		reasons[i] = fmt.Errorf("%w: %s", reason, strings.Join(texts[reason], ", "))
	}
	return reasons
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
