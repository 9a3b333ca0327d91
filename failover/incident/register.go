package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Register is the committee's own record: meetings, drills and standing actions.
type Register struct {
	Since    time.Time   `json:"since"` // of the first entry
	Meetings []time.Time `json:"meetings"`
	Drills   []DrillHeld `json:"drills"`
	Todos    []Todo      `json:"todos"`
	N        int         `json:"n"`
	Head     string      `json:"head"`
	Last     time.Time   `json:"last"`
}

// DrillHeld is a drill and when it was held.
type DrillHeld struct {
	Drill
	At time.Time `json:"at"`
}

// PermitRegister says whether the entry may be added to the register.
func PermitRegister(r Register, e Signed) error {
	k := e.Entry.Kind
	no := func(why, do string) error { return &OrderError{Kind: k, N: e.Entry.N, Why: why, Do: do} }
	if !e.Who.Has(e.Entry.Role) && e.Entry.Role != Staff {
		return no(fmt.Sprintf("%s does not hold the role %s", e.Who.Person, e.Entry.Role), "act in a role that allowed_signers gives the key")
	}
	roles := May(k)
	switch k {
	case MeetingHeld, Updated, Drilled, ActionDone:
	case ActionAdded, ActionDropped:
		roles = committee()
	default:
		return no("it belongs to an incident", "use lifeboat incident")
	}
	if len(roles) > 0 && !slices.Contains(roles, e.Entry.Role) {
		return no(fmt.Sprintf("role %s may not", e.Entry.Role), "it is for "+strings.Join(roles, ", "))
	}
	switch k {
	case ActionAdded:
		if slices.ContainsFunc(r.Todos, func(t Todo) bool { return t.ID == e.Entry.Action.ID }) {
			return no("there is an action "+e.Entry.Action.ID+" already", "the next one is "+r.NextAction())
		}
	case ActionDone, ActionDropped:
		return permitAction(r.Todos, e.Entry.Action.ID, no)
	}
	return nil
}

// NextAction is the id that the register's next action gets.
func (r Register) NextAction() string { return actionID(len(r.Todos) + 1) }

// FoldRegister reads the register's whole chain; what broke the order is returned beside it.
func FoldRegister(entries []Signed) (Register, []error) {
	var r Register
	var broken []error
	for _, e := range entries {
		if err := PermitRegister(r, e); err != nil {
			broken = append(broken, err)
		}
		r = r.apply(e)
	}
	return r, broken
}

func (r Register) apply(e Signed) Register {
	r.N, r.Head, r.Last = e.Entry.N, e.Digest, e.Entry.Recorded
	if r.Since.IsZero() {
		r.Since = e.Entry.Recorded
	}
	switch e.Entry.Kind {
	case MeetingHeld:
		if e.Entry.Gathering.Held {
			r.Meetings = append(slices.Clip(r.Meetings), e.Entry.At)
		}
	case Drilled:
		r.Drills = append(slices.Clip(r.Drills), DrillHeld{Drill: *e.Entry.Drill, At: e.Entry.At})
	case ActionAdded, ActionDone, ActionDropped:
		r.Todos = applyAction(r.Todos, e)
	}
	return r
}
