package report

import (
	"fmt"

	"lifeboat/failover/incident"
)

// clauses says, for each rule that asks for such an exercise, where this report answers it.
// The right-hand column says what the data show, not what anybody claims.
func (e Exercise) clauses() section {
	t := &table{Head: []string{"Rule", "What it asks for", "Answer in this report", "Shown"}}
	dated := !e.Began.IsZero() && !e.Ended.IsZero()
	approved := len(e.Approvals) > 0
	t.add("ISO 22301:2019, 8.5", "Exercises that test the continuity procedures against their objectives, with a report of outcomes and of what is to improve",
		"Measured against target; Timeline; Follow-up", mark(dated && len(e.Steps) > 0))
	t.add("SOC 2, A1.3", "Recovery procedures are tested, so that the objectives for availability can be met",
		fmt.Sprintf("RTO %s against %s; %d of %d tables proven", measured(e.RTO), stopwatch(incident.OutageLimit), e.matching(), len(e.Tables)),
		mark(e.Succeeded && e.proven()))
	t.add("HIPAA, 45 CFR 164.308(a)(7)", "A disaster recovery plan that restores any loss of data, and periodic testing and revision of it",
		"Proof of the restore; plan by its hash; Deviations", mark(e.Plan != "" && e.proven()))
	t.add("NHS DSPT, 7.3", "Tested recovery with a dated record of who took part, what was found, and contacts that are up to date",
		"Approvals; participants; contact list report", mark(dated && (approved || len(e.Present) > 0)))
	return section{Heading: "Clauses", Table: t}
}
