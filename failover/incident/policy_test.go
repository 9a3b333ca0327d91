package incident_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/internal/signers"
)

const hour = time.Hour

func TestWholePathFromReportToClose(t *testing.T) {
	t.Parallel()
	c := newChain(t).approved()
	require.Equal(t, "approved", c.state.Phase())
	c.add("cto", 5*time.Minute, incident.RecoveryStarted, follows(planA))
	require.Equal(t, "recovering", c.state.Phase())
	c.add("cto", 2*hour, incident.Recovered, func(e *incident.Entry) {
		e.Recovery = &incident.Recovery{Plan: planA, LostCommits: 0, Report: planB}
	})
	require.Equal(t, "to be investigated", c.state.Phase())
	c.add("dpo", 3*hour, incident.Investigated, investigated).add("dpo", 3*hour, incident.ActionAdded, action("A1", "2026-03-30"))
	require.Equal(t, "remedies", c.state.Phase())
	c.add("ld", 4*hour, incident.ActionDone, over("A1")).add("ceo", 5*hour, incident.Closed, nil)
	require.Equal(t, "closed", c.state.Phase())
	require.Equal(t, []incident.Interval{{From: t0.Add(-10 * time.Minute), To: t0.Add(2 * hour)}}, c.state.Outages)
	require.NoError(t, c.try(entry("staff", 6*hour, incident.Updated, said("the minutes are filed"))))
	c.add("dpo", 7*hour, incident.Reopened, said("it was not power")).add("dpo", 8*hour, incident.Investigated, investigated)
}

func TestOrderOfWork(t *testing.T) {
	t.Parallel()
	opened := func(c *chain) { c.add("cto", 0, incident.Reported, reported(0)) }
	assess := func(c *chain) { opened(c); c.add("ld", 0, incident.Assessed, assessed) }
	planned := func(c *chain) { assess(c); c.add("ld", 0, incident.Planned, plan(planA)) }
	ok := func(c *chain) { c.approved() }
	recovered := func(c *chain) { ok(c); c.add("cto", hour, incident.Recovered, follows(planA)) }
	looked := func(c *chain) { recovered(c); c.add("dpo", hour, incident.Investigated, investigated) }
	closed := func(c *chain) { looked(c); c.add("ceo", hour, incident.Closed, nil) }
	draft := func(c *chain) {
		opened(c)
		c.add("dpo", 0, incident.MessageDrafted, func(e *incident.Entry) { e.Message = incident.NewMessage("We are working on it.") })
	}
	letter := incident.NewMessage("We are working on it.").Digest
	send := func(e *incident.Entry) { e.Delivered = &incident.Delivered{Message: letter} }
	voteLetter := func(e *incident.Entry) {
		e.Vote = &incident.Vote{On: incident.OnMessage, Digest: letter, Decision: incident.Approve}
	}
	none := func(*chain) {}
	tests := []struct {
		name string
		past func(*chain)
		role string
		kind incident.Kind
		fill func(*incident.Entry)
		want string // part of the refusal; "" = permitted
	}{
		{"anyone reports", none, "staff", incident.Reported, reported(0), ""},
		{"nothing before the report", none, "cto", incident.Assessed, assessed, "open the incident first"},
		{"one report only", opened, "cto", incident.Reported, reported(0), "open already"},
		{"anyone notes", opened, "staff", incident.Updated, said("x"), ""},
		{"staff assess nothing", opened, "staff", incident.Assessed, assessed, "it is for cto, ld"},
		{"dpo plans nothing", assess, "dpo", incident.Planned, plan(planA), "it is for cto, ld"},
		{"no plan unassessed", opened, "cto", incident.Planned, plan(planA), "nothing was assessed yet"},
		{"plan", assess, "ld", incident.Planned, plan(planA), ""},
		{"no vote without a plan", assess, "ceo", incident.Voted, vote(planA), "no plan to vote on"},
		{"no vote on another plan", planned, "ceo", incident.Voted, vote(planB), "current one is aaaaaaaaaaaa"},
		{"staff do not vote", planned, "staff", incident.Voted, vote(planA), "role staff may not"},
		{"no recovery without a plan", assess, "cto", incident.RecoveryStarted, follows(""), "there is no plan"},
		{"no recovery unapproved", planned, "cto", incident.RecoveryStarted, follows(planA), "still needed: ceo or deputy, and cto or ld"},
		{"no recovery half approved", func(c *chain) { planned(c); c.add("ceo", 0, incident.Voted, vote(planA)) },
			"cto", incident.RecoveryStarted, follows(planA), "still needed: cto or ld"},
		{"recovery", ok, "ld", incident.RecoveryStarted, follows(planA), ""},
		{"recovery by another plan", ok, "ld", incident.RecoveryStarted, follows(planB), "not the current one"},
		{"recovery by the ceo", ok, "ceo", incident.RecoveryStarted, follows(planA), "it is for cto, ld"},
		{"a change of plan needs approval again", func(c *chain) { ok(c); c.add("cto", hour, incident.Planned, plan(planB)) },
			"cto", incident.RecoveryStarted, follows(planB), "not approved"},
		{"a withdrawn approval", func(c *chain) { ok(c); c.add("ceo", hour, incident.Voted, decides(planA, incident.Withdraw)) },
			"cto", incident.RecoveryStarted, follows(planA), "still needed: ceo or deputy"},
		{"glass, one key", func(c *chain) { opened(c); c.add("cto", 0, incident.Voted, decides("", incident.BreakGlass)) },
			"cto", incident.RecoveryStarted, follows(""), "there is no plan"},
		{"glass, one key twice", func(c *chain) {
			opened(c)
			c.add("cto", 0, incident.Voted, decides("", incident.BreakGlass)).add("cto", 0, incident.Voted, decides("", incident.BreakGlass))
		}, "cto", incident.RecoveryStarted, follows(""), "there is no plan"},
		{"glass, two keys", func(c *chain) {
			opened(c)
			c.add("cto", 0, incident.Voted, decides("", incident.BreakGlass)).add("dpo", 0, incident.Voted, decides("", incident.BreakGlass))
		}, "dpo", incident.RecoveryStarted, follows(""), ""},
		{"glass, taken back", func(c *chain) {
			planned(c)
			c.add("cto", 0, incident.Voted, decides(planA, incident.BreakGlass)).add("dpo", 0, incident.Voted, vote(planA))
			c.add("cto", 0, incident.Voted, decides(planA, incident.Withdraw)).add("ld", 0, incident.Voted, vote(planA))
		}, "cto", incident.RecoveryStarted, follows(planA), "not approved"},
		{"glass, and a new plan", func(c *chain) {
			planned(c)
			c.add("cto", 0, incident.Voted, decides(planA, incident.BreakGlass)).add("dpo", 0, incident.Voted, vote(planA))
			c.add("ld", 0, incident.Planned, plan(planB))
		}, "cto", incident.RecoveryStarted, follows(planB), "not approved"},
		{"glass for another plan", planned, "cto", incident.Voted, decides(planB, incident.BreakGlass), "another plan"},
		{"glass by staff", planned, "staff", incident.Voted, decides(planA, incident.BreakGlass), "role staff may not"},
		{"back without a plan is a fact", opened, "staff", incident.Recovered, follows(""), ""},
		{"nothing to come back from", func(c *chain) { c.add("cto", 0, incident.Reported, noOutage) }, "cto", incident.Recovered, follows(""), "no outage lasts"},
		{"fails again", recovered, "staff", incident.OutageBegan, func(e *incident.Entry) { e.At = t0.Add(hour) }, ""},
		{"fails again before it was back", recovered, "staff", incident.OutageBegan, func(e *incident.Entry) { e.At = t0.Add(hour - 1) }, "overlap"},
		{"fails while failing", opened, "staff", incident.OutageBegan, nil, "lasts already"},
		{"dpo investigates", recovered, "dpo", incident.Investigated, investigated, ""},
		{"cto does not investigate", recovered, "cto", incident.Investigated, investigated, "it is for dpo"},
		{"dpo may investigate early", opened, "dpo", incident.Investigated, investigated, ""},
		{"action", looked, "dpo", incident.ActionAdded, action("A1", "2026-04-01"), ""},
		{"same action twice", func(c *chain) { looked(c); c.add("dpo", hour, incident.ActionAdded, action("A1", "2026-04-01")) },
			"dpo", incident.ActionAdded, action("A1", "2026-04-01"), "next one is A2"},
		{"unknown action", looked, "cto", incident.ActionDone, over("A9"), "no action A9"},
		{"unapproved message", draft, "dpo", incident.MessageSent, send, "is not approved"},
		{"half approved message", func(c *chain) { draft(c); c.add("ceo", 0, incident.Voted, voteLetter) }, "dpo", incident.MessageSent, send, "is not approved"},
		{"approved message", func(c *chain) {
			draft(c)
			c.add("ceo", 0, incident.Voted, voteLetter).add("dpo", 0, incident.Voted, voteLetter)
		}, "dpo", incident.MessageSent, send, ""},
		{"no draft", opened, "dpo", incident.MessageSent, send, "no draft has the digest"},
		{"vote on no draft", opened, "dpo", incident.Voted, voteLetter, "no draft has the digest"},
		{"close in an outage", opened, "ceo", incident.Closed, nil, "the outage lasts"},
		{"close uninvestigated", recovered, "ceo", incident.Closed, nil, "DPO has not investigated"},
		{"close with an action open", func(c *chain) { looked(c); c.add("dpo", hour, incident.ActionAdded, action("A1", "2026-04-01")) },
			"ceo", incident.Closed, nil, "actions are open: A1"},
		{"close with glass unreviewed", func(c *chain) {
			looked(c)
			c.add("cto", hour, incident.Voted, decides(planA, incident.BreakGlass))
		}, "ceo", incident.Closed, nil, "after the investigation"},
		{"close", looked, "dpo", incident.Closed, nil, ""},
		{"close by the ld", looked, "ld", incident.Closed, nil, "it is for ceo, deputy, dpo"},
		{"nothing after the end", closed, "cto", incident.Assessed, assessed, "reopen it first"},
		{"reopen what is open", opened, "ceo", incident.Reopened, said("x"), "not closed"},
		{"a drill is no part of it", opened, "cto", incident.Drilled, func(e *incident.Entry) { e.Drill = &incident.Drill{Report: planA} }, "register"},
		{"not one's own role", opened, "staff", incident.Updated, func(e *incident.Entry) { e.Role, e.Text = "ceo", "x" }, "does not hold the role ceo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(t)
			tt.past(c)
			err := c.try(entry(tt.role, 2*hour, tt.kind, tt.fill))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, incident.ErrOrder)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestBrokenGlassOpensACaseForTheDPO(t *testing.T) {
	t.Parallel()
	c := newChain(t).add("cto", 0, incident.Reported, reported(0))
	c.add("cto", hour, incident.Voted, decides("", incident.BreakGlass)).add("ld", hour, incident.Voted, decides("", incident.BreakGlass))
	require.Len(t, c.state.Cases, 2)
	require.True(t, c.state.MayRecover())
	c.add("dpo", 2*hour, incident.Investigated, investigated)
	require.Equal(t, t0.Add(2*hour), c.state.Cases[0].Reviewed)
}

func TestNoWayAroundWhenPolicyHasNone(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.policy.BreakGlass = nil
	require.NoError(t, c.policy.Validate())
	c.add("cto", 0, incident.Reported, reported(0))
	require.ErrorContains(t, c.try(entry("cto", 0, incident.Voted, decides("", incident.BreakGlass))), "no way around")
}

func TestPolicyValidateReportsEverything(t *testing.T) {
	t.Parallel()
	err := incident.Policy{BreakGlass: signers.Quorum{{"ceo"}}, MessageQuorum: signers.Quorum{{}}}.Validate()
	for _, want := range []string{"plan quorum", "message quorum", "two people", "no members"} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, incident.DefaultPolicy("ada").Validate())
}

func TestFoldReadsWhatShouldNotBeThere(t *testing.T) {
	t.Parallel()
	p := incident.DefaultPolicy(members()...)
	entries := []incident.Signed{entry("cto", 0, incident.Reported, reported(0)),
		entry("cto", hour, incident.RecoveryStarted, follows(planA)), entry("cto", 2*hour, incident.Recovered, follows(planA))}
	for i := range entries {
		entries[i].Entry.N = i + 1
	}
	s, broken := p.Fold(incident.NewID(2026, 1), entries)
	require.Equal(t, 3, s.N)
	require.False(t, s.InOutage())
	require.Len(t, broken, 1)
	var order *incident.OrderError
	require.ErrorAs(t, broken[0], &order)
	require.Equal(t, 2, order.N)
}

// TestApplyDoesNotReachBack proves that an older state stays as it was.
func TestApplyDoesNotReachBack(t *testing.T) {
	t.Parallel()
	c := newChain(t).approved()
	before := c.state
	votes, out, informed := len(before.Plans[0].Votes), before.Outages[0], len(before.Informed)
	c.add("ceo", hour, incident.Voted, decides(planA, incident.Withdraw)).add("cto", hour, incident.Recovered, follows(planA))
	c.add("cto", hour, incident.Informed, told("pam"))
	require.True(t, before.MayRecover())
	require.Len(t, before.Plans[0].Votes, votes)
	require.Equal(t, out, before.Outages[0])
	require.Len(t, before.Informed, informed)
	require.False(t, c.state.MayRecover())
}

func TestAssessmentCorrectsTheOutage(t *testing.T) {
	t.Parallel()
	began := func(d time.Duration) func(*incident.Entry) {
		return func(e *incident.Entry) { assessed(e); at := t0.Add(d); e.Assessment.OutageBegan = &at }
	}
	c := newChain(t).add("cto", 0, incident.Reported, reported(0)).add("cto", hour, incident.Assessed, began(-2*hour))
	require.Equal(t, t0.Add(-2*hour), c.state.Outages[0].From)
	c.add("cto", hour, incident.Assessed, func(e *incident.Entry) { assessed(e); e.Assessment.NoOutage = true })
	require.Empty(t, c.state.Outages)
	c.add("cto", hour, incident.Assessed, began(0))
	require.True(t, c.state.InOutage())
}

func TestEntryValidateNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		kind incident.Kind
		fill func(*incident.Entry)
		want string
	}{
		{"unknown kind", "party", nil, "not known"},
		{"part missing", incident.Assessed, nil, `part "assessment" is missing`},
		{"part too many", incident.Updated, func(e *incident.Entry) { assessed(e); e.Text = "x" }, `part "assessment" is not wanted`},
		{"future", incident.Updated, func(e *incident.Entry) { e.Text = "x"; e.At = e.Recorded.Add(1) }, "before it happens"},
		{"anonymous", incident.Updated, func(e *incident.Entry) { e.Text, e.By = "x", "" }, "by and role"},
		{"no text", incident.Updated, said("  "), "says nothing"},
		{"untitled", incident.Reported, func(e *incident.Entry) { noOutage(e); e.Report.Title = "" }, "needs a title"},
		{"patient in the title", incident.Reported, func(e *incident.Entry) { noOutage(e); e.Report.Title = "record of 943 476 5919 lost" }, "personal data"},
		{"outage from the future", incident.Reported, reported(time.Second), "begins after its report"},
		{"no cause", incident.Assessed, func(e *incident.Entry) { assessed(e); e.Assessment.Cause = "" }, "extent and cause"},
		{"breach maybe", incident.Assessed, func(e *incident.Entry) { assessed(e); e.Assessment.Breach = "maybe" }, "yes, no or unknown"},
		{"plan by name", incident.Planned, plan("plan-1"), "known by its SHA-256"},
		{"vote by name", incident.Voted, vote("plan-1"), "a vote is on a SHA-256"},
		{"glass without reason", incident.Voted, func(e *incident.Entry) { decides(planA, incident.BreakGlass)(e); e.Text = "" }, "needs a reason"},
		{"glass on a message", incident.Voted, func(e *incident.Entry) { decides(planA, incident.BreakGlass)(e); e.Vote.On = incident.OnMessage }, "only a plan"},
		{"swapped message", incident.MessageDrafted, func(e *incident.Entry) { e.Message = incident.NewMessage("a"); e.Message.Text = "b" }, "not what its digest says"},
		{"action without a day", incident.ActionAdded, func(e *incident.Entry) { e.Action = &incident.Action{ID: "A1", What: "x", Owner: "cto"} }, "a due date"},
		{"nobody told", incident.Informed, told(), "who was informed"},
		{"drill without proof", incident.Drilled, func(e *incident.Entry) { e.Drill = &incident.Drill{Report: "x"} }, "proved by"},
		{"attachment without a hash", incident.Updated, func(e *incident.Entry) { e.Text, e.Attachments = "x", []incident.Attachment{{Name: "a"}} }, "SHA-256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := entry("cto", 0, tt.kind, tt.fill)
			err := e.Entry.Validate()
			require.ErrorIs(t, err, incident.ErrEntry)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	id, err := incident.ParseID("si-2026-0007")
	require.NoError(t, err)
	require.Equal(t, incident.NewID(2026, 7), id)
	require.NoError(t, incident.CheckStream(id.Stream()))
	require.NoError(t, incident.CheckStream(incident.Committee))
	for _, bad := range []string{"", "SI-26-1", "SI-2026-0001/x", "../SI-2026-0001"} {
		_, err := incident.ParseID(bad)
		require.Error(t, err, bad)
	}
	require.Error(t, incident.CheckStream("log/1"))
}

func TestPersonalData(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"The service is restored. No data was lost.", ""},
		{"Outage of 2026-03-02, 09:00 to 11:30 UTC, 1,234,567 rows checked", ""},
		{"write to jo@example.org", "email address"},
		{"patient 943 476 5919 is affected", "NHS number"},
		{"reference 943 476 5918", ""}, // the check digit is wrong
		{"call 020 7946 0958", "telephone number"},
		{"call +44 20 7946 0958", "telephone number"},
		{"QQ is not a prefix: AB 12 34 56 C", "national insurance number"},
		{"born 12 March 1980", "date of birth"},
		{"DOB: 12/03/1980", "date of birth"},
		{"MRN 1234567", "patient identifier"},
	}
	for _, tt := range tests {
		got := ""
		if found := incident.PersonalData(tt.text); len(found) > 0 {
			got = found[0].What
		}
		require.Equal(t, tt.want, got, tt.text)
	}
	require.Empty(t, incident.PersonalData("write to help@careful.example", "help@careful.example"))
}
