package policies

import (
	"slices"
	"strings"
	"time"
)

// Limits of the company's policy, in days.
const (
	drillDays   = 365
	meetingDays = 31
)

func peopleRules() []Rule {
	return []Rule{
		{
			ID: "roles-filled", Title: "CEO, DPO, CTO and LD are filled, by different people",
			Why:      "A role that nobody holds decides nothing in an emergency; one person cannot check himself.",
			Fix:      "Name somebody for each role.",
			Severity: Error, Clauses: []string{"policy 8"}, Roles: standing,
			Pass: "CEO Ada, DPO Dan, CTO Cat, LD Lin", Fail: "no DPO",
			Check: withFacts(rolesFilled),
		},
		{
			ID: "quorum-satisfiable", Title: "The people there are can form the quorum",
			Why:      "A plan that nobody can approve stops the recovery.",
			Fix:      "Give the roles of the quorum to enough different people.",
			Severity: Error, Clauses: []string{"policy 10"}, Roles: standing,
			Pass: "CEO or deputy, and CTO or LD: two people", Fail: "both seats fall to one person",
			Check: withFacts(quorumSatisfiable),
		},
		{
			ID: "drill-recent", Title: "The last drill is not older than a year",
			Why:      "What has not been tried for a year does not work.",
			Fix:      "Run `lifeboat drill` and report it to the committee.",
			Severity: Error, Clauses: []string{"policy 12", "ISO 22301 8.5", "HIPAA 164.308(a)(7)(ii)(D)"}, Roles: standing,
			Pass: "last drill 90 days ago", Fail: "last drill 400 days ago",
			Check: withFacts(func(s *Stack) []Finding { return recent(s, "drill", s.Facts.LastDrill, drillDays) }),
		},
		{
			ID: "meeting-recent", Title: "The Risk Committee met within the last 31 days",
			Why:      "Risks that are not looked at grow.",
			Fix:      "Hold the monthly meeting and record it.",
			Severity: Warning, Clauses: []string{"policy 8"}, Roles: standing,
			Pass: "last meeting 12 days ago", Fail: "last meeting 45 days ago",
			Check: withFacts(func(s *Stack) []Finding { return recent(s, "meeting", s.Facts.LastMeeting, meetingDays) }),
		},
		{
			ID: "actions-on-time", Title: "No remedial action is overdue",
			Why:      "What caused the last incident is still there.",
			Fix:      "Do the action, or let the committee move its day.",
			Severity: Warning, Clauses: []string{"policy 11"}, Roles: standing,
			Pass: "no overdue action", Fail: "one action overdue",
			Check: withFacts(func(s *Stack) []Finding {
				if len(s.Facts.OverdueActions) == 0 {
					return nil
				}
				return fail(nil, "overdue: %s", strings.Join(s.Facts.OverdueActions, "; "))
			}),
		},
		{
			ID: "offline-recipient", Title: "The mirror's keys open offline and in both regions",
			Why:      "The vault may be in the region that was lost.",
			Fix:      "Configure an age recipient and a vault key in each region.",
			Severity: Error, Clauses: []string{"policy 5"}, Roles: standing,
			Pass: "two vault keys and one age recipient", Fail: "one vault key",
			Check: withFacts(recipients),
		},
	}
}

func withFacts(check func(*Stack) []Finding) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		if s.Facts == nil {
			return unknown(nil, "the record of people and habits (--facts)")
		}
		return check(s)
	}
}

func rolesFilled(s *Stack) []Finding {
	var found []Finding
	holders := make(map[string]string)
	for _, role := range []string{"CEO", "DPO", "CTO", "LD"} {
		i := slices.IndexFunc(s.Facts.People, func(p Person) bool { return slices.Contains(p.Roles, role) })
		if i < 0 {
			found = append(found, fail(nil, "nobody is %s", role)...)
			continue
		}
		name := s.Facts.People[i].Name
		if other, taken := holders[name]; taken {
			found = append(found, fail(nil, "%s is both %s and %s", name, other, role)...)
		}
		holders[name] = role
	}
	return found
}

// quorumSatisfiable looks for a seat for each need, each taken by a different person.
func quorumSatisfiable(s *Stack) []Finding {
	if len(s.Facts.Quorum) == 0 {
		return fail(nil, "no quorum is configured")
	}
	if !seat(s.Facts.People, s.Facts.Quorum, nil) {
		return fail(nil, "the %d seats of the quorum cannot be taken by different people", len(s.Facts.Quorum))
	}
	return nil
}

func seat(people []Person, needs []Need, taken []string) bool {
	if len(needs) == 0 {
		return true
	}
	for _, p := range people {
		fits := slices.ContainsFunc(p.Roles, func(r string) bool { return slices.Contains(needs[0].AnyOf, r) })
		if fits && !slices.Contains(taken, p.Name) && seat(people, needs[1:], append(taken, p.Name)) {
			return true
		}
	}
	return false
}

func recent(s *Stack, what string, last time.Time, days int) []Finding {
	if last.IsZero() {
		return fail(nil, "no %s is on record", what)
	}
	if age := s.Now.Sub(last); age > time.Duration(days)*24*time.Hour {
		return fail(nil, "the last %s was %d days ago, at most %d are allowed", what, int(age/(24*time.Hour)), days)
	}
	return nil
}

func recipients(s *Stack) []Finding {
	vaults, offline := 0, 0
	for _, r := range s.Facts.Recipients {
		if strings.HasPrefix(r, "age1") {
			offline++
		} else {
			vaults++
		}
	}
	var found []Finding
	if offline == 0 {
		found = append(found, fail(nil, "no offline recipient")...)
	}
	if vaults < 2 {
		found = append(found, fail(nil, "%d vault keys, want one in each region", vaults)...)
	}
	return found
}
