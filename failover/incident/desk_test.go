package incident_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/record"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/signers"
)

// postbox notes what it is given, and fails for whom it is told to.
type postbox struct {
	mu        sync.Mutex
	notices   []incident.Notice
	people    [][]string
	published []string
	fails     map[string]bool
	before    func() // runs before anything is delivered
}

func (p *postbox) Notify(_ context.Context, n incident.Notice, people []incident.Person) []incident.Delivery {
	if p.before != nil {
		p.before()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notices, p.people = append(p.notices, n), append(p.people, incident.IDs(people))
	var all []incident.Delivery
	for _, person := range people {
		all = append(all, incident.Delivery{Channel: "mail", To: person.ID, OK: !p.fails[person.ID], At: n.At, Attempts: 1})
	}
	return all
}

func (p *postbox) Publish(_ context.Context, text string) []incident.Delivery {
	p.published = append(p.published, text)
	return []incident.Delivery{{Channel: "customers", OK: true, At: t0, Attempts: 1}}
}

// reception is a desk over a real record in memory.
type reception struct {
	*incident.Desk
	post  *postbox
	dr    *memory.Store
	keys  map[string]*signers.Key
	clock time.Time
}

func newReception(t *testing.T) *reception {
	t.Helper()
	r := &reception{post: &postbox{fails: map[string]bool{}}, dr: memory.New(), keys: map[string]*signers.Key{}, clock: t0}
	var file strings.Builder
	for who, role := range map[string]string{"ada": "ceo", "pam": "dpo", "bob": "cto", "lin": "ld"} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		signer, err := ssh.NewSignerFromKey(private)
		require.NoError(t, err)
		r.keys[who] = signers.NewKey(signer)
		file.WriteString(who + ",role:" + role + " " + string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	}
	ring, err := signers.ParseRing([]byte(file.String()))
	require.NoError(t, err)
	now := func() time.Time { r.clock = r.clock.Add(time.Second); return r.clock }
	policy := incident.DefaultPolicy(members()...)
	book, err := record.New(record.Config{DR: r.dr, Ring: ring, Policy: policy, Clock: now})
	require.NoError(t, err)
	people := incident.Directory{}
	for _, who := range members() {
		people = append(people, incident.Person{ID: who, Name: who, Email: who + "@example.org", Member: true})
	}
	people = append(people, incident.Person{ID: "sam", Name: "sam", Email: "sam@example.org"})
	r.Desk = &incident.Desk{Book: book, Post: r.post, Policy: policy, Settings: incident.DefaultSettings(time.UTC), People: people, Clock: now}
	return r
}

func (r *reception) says(who string, k incident.Kind, fill func(*incident.Entry)) incident.Draft {
	e := incident.Entry{Kind: k, At: t0}
	if fill != nil {
		fill(&e)
	}
	return incident.Draft{Key: r.keys[who], Entry: e}
}

func (r *reception) open(t *testing.T) incident.ID {
	t.Helper()
	out, err := r.Open(t.Context(), r.says("bob", incident.Reported, reported(-10*time.Minute)))
	require.NoError(t, err)
	return out.State.ID
}

func TestTheEntryIsSafeBeforeAnybodyIsInformed(t *testing.T) {
	t.Parallel()
	r := newReception(t)
	var order []string
	r.Recorded = func(s incident.Signed) { order = append(order, "recorded "+string(s.Entry.Kind)) }
	r.post.before = func() {
		order = append(order, "informing")
		require.Equal(t, []string{"incidents/SI-2026-0001/000001"}, r.dr.Names())
	}
	out, err := r.Open(t.Context(), r.says("bob", incident.Reported, reported(-10*time.Minute)))
	require.NoError(t, err)
	require.Equal(t, []string{"recorded reported", "informing"}, order)
	require.Equal(t, incident.EventReported, out.Event)
	require.Len(t, out.Deliveries, 4, "sam is no member")
	require.Empty(t, r.Policy.Uninformed(out.State))
	require.Equal(t, 2, out.State.N, "the deliveries are recorded")
	n := r.post.notices[0]
	require.Equal(t, n.At.Sub(t0.Add(-10*time.Minute)), n.Used)
	require.Equal(t, 8*time.Hour, n.Used+n.Left)
	require.Equal(t, 15768*time.Second, n.Allowance())
}

func TestWhoeverWasNotReachedIsRemembered(t *testing.T) {
	t.Parallel()
	r := newReception(t)
	r.post.fails["lin"] = true
	id := r.open(t)
	out, err := r.Remind(t.Context(), id, r.says("bob", "", nil), false)
	require.NoError(t, err)
	require.Equal(t, []string{"lin"}, r.post.people[1])
	require.Len(t, out.Failed(), 1)
	r.post.fails["lin"] = false
	out, err = r.Remind(t.Context(), id, r.says("bob", "", nil), false)
	require.NoError(t, err)
	require.Empty(t, out.State.Undelivered)
	require.Empty(t, r.Policy.Uninformed(out.State))
	_, err = r.Remind(t.Context(), id, r.says("bob", "", nil), false)
	require.NoError(t, err)
	require.Len(t, r.post.people[3], 4, "with nobody left, everybody")
	_, err = r.Remind(t.Context(), "SI-2026-0009", r.says("bob", "", nil), true)
	require.ErrorIs(t, err, incident.ErrNoIncident)
}

// TestADeadStoreAfterTheEntryIsNoFailureOfTheEntry: what was recorded stays recorded.
func TestADeadStoreAfterTheEntryIsNoFailureOfTheEntry(t *testing.T) {
	t.Parallel()
	r := newReception(t)
	r.post.before = func() { r.dr.Use(memory.Always(memory.Failed())) }
	out, err := r.Open(t.Context(), r.says("bob", incident.Reported, reported(0)))
	require.NoError(t, err)
	require.ErrorContains(t, out.Unrecorded, "messages went out, but this could not be recorded")
	require.Len(t, out.Deliveries, 4)

	r = newReception(t)
	r.Recorded = func(incident.Signed) { r.dr.Use(memory.Always(memory.Failed())) }
	out, err = r.Open(t.Context(), r.says("bob", incident.Reported, reported(0)))
	require.NoError(t, err)
	require.ErrorContains(t, out.Unrecorded, "the committee was not informed")
	require.Empty(t, r.post.notices)
}

func TestEventsThatTheCommitteeHearsOf(t *testing.T) {
	t.Parallel()
	r := newReception(t)
	id := r.open(t)
	steps := []struct {
		who  string
		kind incident.Kind
		fill func(*incident.Entry)
		want incident.Event
	}{
		{"bob", incident.Updated, said("x"), ""},
		{"bob", incident.Informed, told("lin"), ""},
		{"lin", incident.Assessed, assessed, incident.EventAssessed},
		{"lin", incident.Planned, plan(planA), incident.EventPlanned},
		{"ada", incident.Voted, vote(planA), ""},
		{"ada", incident.Voted, decides(planA, incident.BreakGlass), ""},
		{"pam", incident.Voted, decides(planA, incident.BreakGlass), incident.EventGlassBroken},
		{"lin", incident.Planned, plan(planB), incident.EventPlanChanged},
		{"ada", incident.Voted, vote(planB), ""},
		{"lin", incident.Voted, vote(planB), incident.EventApproved},
		{"lin", incident.Voted, vote(planB), ""},
		{"bob", incident.RecoveryStarted, follows(planB), incident.EventRecovering},
		{"bob", incident.Recovered, follows(planB), incident.EventRecovered},
		{"bob", incident.OutageBegan, nil, incident.EventOutage},
		{"bob", incident.Recovered, follows(planB), incident.EventRecovered},
		{"pam", incident.Investigated, investigated, incident.EventInvestigated},
		{"pam", incident.ActionAdded, action("A1", "2026-04-01"), ""},
		{"bob", incident.ActionDone, over("A1"), ""},
		{"ada", incident.Closed, nil, incident.EventClosed},
		{"ada", incident.Reopened, said("x"), incident.EventReopened},
	}
	for _, s := range steps {
		sent := len(r.post.notices)
		out, err := r.Do(t.Context(), id, r.says(s.who, s.kind, s.fill))
		require.NoError(t, err, s.kind)
		require.Equal(t, s.want, out.Event, s.kind)
		if s.want == "" {
			require.Len(t, r.post.notices, sent)
			continue
		}
		require.Equal(t, s.want, r.post.notices[len(r.post.notices)-1].Event)
	}
	_, err := r.Do(t.Context(), id, r.says("bob", incident.Reported, reported(0)))
	require.ErrorIs(t, err, incident.ErrOrder)
	_, err = r.Do(t.Context(), "SI-2026-0009", r.says("bob", incident.Updated, said("x")))
	require.ErrorIs(t, err, incident.ErrNoIncident)
}

func TestNothingIsPublishedUnapproved(t *testing.T) {
	t.Parallel()
	r := newReception(t)
	id := r.open(t)
	letter := incident.NewMessage("We are restoring the service.")
	_, err := r.Release(t.Context(), id, letter.Digest, r.says("pam", "", nil))
	require.ErrorContains(t, err, "no draft has the digest")
	_, err = r.Do(t.Context(), id, r.says("pam", incident.MessageDrafted, func(e *incident.Entry) { e.Message = letter }))
	require.NoError(t, err)
	approve := func(e *incident.Entry) {
		e.Vote = &incident.Vote{On: incident.OnMessage, Digest: letter.Digest, Decision: incident.Approve}
	}
	for _, who := range []string{"pam", "ada"} {
		_, err = r.Release(t.Context(), id, letter.Digest, r.says("pam", "", nil))
		require.ErrorIs(t, err, incident.ErrOrder)
		_, err = r.Do(t.Context(), id, r.says(who, incident.Voted, approve))
		require.NoError(t, err)
	}
	require.Empty(t, r.post.published)
	out, err := r.Release(t.Context(), id, letter.Digest, r.says("pam", "", nil))
	require.NoError(t, err)
	require.Equal(t, []string{letter.Text}, r.post.published)
	require.Equal(t, incident.EventSent, out.Event)
	require.Equal(t, t0, out.State.Letters[0].Sent)
	_, err = r.Release(t.Context(), id, letter.Digest, r.says("pam", "", nil))
	require.ErrorContains(t, err, "the message went out")
	require.Len(t, r.post.published, 1)
}

func TestDirectoryValidate(t *testing.T) {
	t.Parallel()
	good := incident.Directory{{ID: "a", Name: "A", Phone: "1", Roles: []string{"ceo", "dpo"}, Member: true}, {ID: "b", Name: "B", Email: "b@x", Roles: []string{"cto", "ld"}, Member: true}}
	require.NoError(t, good.Validate())
	bad := incident.Directory{{ID: "a", Name: "A", Roles: []string{"pope"}}, {ID: "a", Name: "A", Phone: "1"}, {Name: "?"}, {ID: "c", Name: "C", Email: "c"}}
	err := bad.Validate()
	for _, want := range []string{"neither email nor telephone", "twice", "no id", "no email address", `role "pope"`, "no member of the committee is CEO"} {
		require.ErrorContains(t, err, want)
	}
}
