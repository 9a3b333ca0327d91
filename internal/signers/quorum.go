package signers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Seat is one place in a quorum: whoever holds one of these roles may take it.
type Seat []string

func (s Seat) String() string { return strings.Join(s, " or ") }

// Quorum is the seats that different people have to take, one each, for a decision to
// stand. In configuration it is a list of lists of roles: [[ceo, deputy], [cto, ld]].
type Quorum []Seat

func (q Quorum) String() string {
	parts := make([]string, len(q))
	for i, s := range q {
		parts[i] = s.String()
		if len(s) > 1 {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " + ")
}

// Validate refuses a quorum that nobody or anybody would meet, with all its problems.
func (q Quorum) Validate() error {
	if len(q) == 0 {
		return errors.New("quorum has no seats: anything would be approved by nobody")
	}
	var problems []error
	for i, s := range q {
		if len(s) == 0 || slices.Contains(s, "") {
			problems = append(problems, fmt.Errorf("seat %d of the quorum names no role", i+1))
		}
	}
	return errors.Join(problems...)
}

// Outcome is what a set of votes comes to.
type Outcome struct {
	Met     bool
	Taken   []Identity // by seat; a zero Identity where the seat is empty
	Missing []Seat     // the seats left empty in the best seating there is
}

// Check seats the voters so that as many seats as possible are taken. A person counts once,
// whatever the number of their keys and roles: two roles in one hand are still one head.
func (q Quorum) Check(voters []Identity) Outcome {
	people := distinct(voters)
	seating := make([]int, len(q)) // seat → index into people, -1 empty
	for i := range seating {
		seating[i] = -1
	}
	for p := range people {
		q.place(people, p, seating, make([]bool, len(q)))
	}
	out := Outcome{Met: len(q) > 0, Taken: make([]Identity, len(q))}
	for seat, p := range seating {
		if p < 0 {
			out.Met = false
			out.Missing = append(out.Missing, q[seat])
			continue
		}
		out.Taken[seat] = people[p]
	}
	return out
}

// place finds p a seat, moving others along if need be (an augmenting path: so the result
// does not depend on the order in which people voted).
func (q Quorum) place(people []Identity, p int, seating []int, tried []bool) bool {
	for seat, roles := range q {
		if tried[seat] || !people[p].HasAny(roles...) {
			continue
		}
		tried[seat] = true
		if seating[seat] < 0 || q.place(people, seating[seat], seating, tried) {
			seating[seat] = p
			return true
		}
	}
	return false
}

// distinct joins the identities of one person: their keys may carry different roles.
func distinct(voters []Identity) []Identity {
	var people []Identity
	for _, v := range voters {
		i := slices.IndexFunc(people, func(p Identity) bool { return p.Person == v.Person })
		if i < 0 {
			v.Roles = slices.Clone(v.Roles)
			people = append(people, v)
			continue
		}
		for _, role := range v.Roles {
			if !people[i].Has(role) {
				people[i].Roles = append(people[i].Roles, role)
			}
		}
	}
	return people
}
