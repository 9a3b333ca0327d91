package incident

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Person is somebody on the contact list.
type Person struct {
	ID     string   `json:"id"` // the principal in allowed_signers
	Name   string   `json:"name"`
	Email  string   `json:"email,omitempty"`
	Phone  string   `json:"phone,omitempty"`
	Roles  []string `json:"roles"`
	Member bool     `json:"member"` // of the Risk Committee
}

// Directory is the contact list.
type Directory []Person

// Members are the people of the committee.
func (d Directory) Members() []Person {
	return slices.DeleteFunc(slices.Clone(d), func(p Person) bool { return !p.Member })
}

// IDs of people, in their order.
func IDs(people []Person) []string {
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	return ids
}

// Validate reports every problem of the list: nobody can be reached by a list that is wrong.
func (d Directory) Validate() error {
	var problems []error
	bad := func(text string, args ...any) { problems = append(problems, fmt.Errorf(text, args...)) }
	seen := map[string]bool{}
	held := map[string]bool{}
	for i, p := range d {
		switch {
		case p.ID == "" || p.Name == "":
			bad("person %d on the contact list has no id or no name", i+1)
		case seen[p.ID]:
			bad("%s is on the contact list twice", p.ID)
		case p.Email == "" && p.Phone == "":
			bad("%s has neither email nor telephone", p.ID)
		case p.Email != "" && !strings.Contains(p.Email, "@"):
			bad("%s: %q is no email address", p.ID, p.Email)
		}
		seen[p.ID] = true
		for _, role := range p.Roles {
			held[role] = held[role] || p.Member
			if !slices.Contains(Roles(), role) {
				bad("%s: role %q is not one of %s", p.ID, role, strings.Join(Roles(), ", "))
			}
		}
	}
	for _, role := range []string{CEO, DPO, CTO, LD} {
		if !held[role] {
			bad("no member of the committee is %s", strings.ToUpper(role))
		}
	}
	return errors.Join(problems...)
}
