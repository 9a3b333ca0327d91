package failover_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/approval"
	"lifeboat/internal/signers"
	"lifeboat/restore"
)

// committee is a ring with a key for each; zoe's is in no file.
type committee struct {
	ring *signers.Ring
	keys map[string]*signers.Key
}

func newCommittee(t testing.TB) committee {
	t.Helper()
	c := committee{keys: map[string]*signers.Key{}}
	var file strings.Builder
	for _, person := range []string{"ada,role:ceo", "bob,role:cto", "lin,role:ld", "pam,role:dpo", "zoe"} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		signer, err := ssh.NewSignerFromKey(private)
		require.NoError(t, err)
		name, _, known := strings.Cut(person, ",")
		c.keys[name] = signers.NewKey(signer)
		if known {
			file.WriteString(person + " " + string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
		}
	}
	ring, err := signers.ParseRing([]byte(file.String()))
	require.NoError(t, err)
	c.ring = ring
	return c
}

func (c committee) signs(t testing.TB, p *failover.Plan, who string, change func(*approval.Statement)) []byte {
	t.Helper()
	hash, err := p.Hash()
	require.NoError(t, err)
	s := approval.Statement{Kind: failover.SubjectKind, Subject: hash, Decision: approval.Approve, By: who, At: now.Add(time.Minute), Expires: now.Add(3 * time.Hour)}
	if change != nil {
		change(&s)
	}
	doc, err := approval.Sign(c.keys[who], s)
	require.NoError(t, err)
	return doc
}

// scene is a plan before the gate, which a case of the table changes.
type scene struct {
	plan *failover.Plan
	gate failover.Gate
}

func TestCheck(t *testing.T) {
	t.Parallel()
	c := newCommittee(t)
	glass := func(s *approval.Statement) { s.Decision, s.Reason = approval.BreakGlass, "nobody answers" }
	moved := func(f *failover.Facts) {
		f.End.Seq, f.End.Slot, f.End.Digest[0] = f.End.Seq+42, f.End.Slot+1, 9
		f.End.Time = f.End.Time.Add(time.Minute)
		f.Restore = &restore.Plan{ID: "beef", Point: restore.Point{Seq: f.End.Seq, Time: f.End.Time}}
	}
	for _, tt := range []struct {
		name   string
		change func(*scene)
		want   []error
		says   string
	}{
		{"signed and true", func(*scene) {}, nil, ""},
		{"unsigned", func(s *scene) { s.gate.Docs = nil }, []error{failover.ErrUnsigned}, "(ceo or deputy) + (cto or ld)"},
		{"too few", func(s *scene) { s.gate.Docs = s.gate.Docs[:1] }, []error{approval.ErrTooFew}, "still needed: cto or ld"},
		{"wrong signer", func(s *scene) { s.gate.Docs[1] = c.signs(t, s.plan, "zoe", nil) }, []error{approval.ErrSigner}, "not in allowed_signers"},
		{"approval expired", func(s *scene) {
			s.gate.Docs[1] = c.signs(t, s.plan, "bob", func(st *approval.Statement) { st.Expires = now.Add(2 * time.Minute) })
		}, []error{approval.ErrExpired}, "of bob"},
		{"approval tampered", func(s *scene) {
			s.gate.Docs[1] = []byte(strings.Replace(string(s.gate.Docs[1]), `"bob"`, `"lin"`, 1))
		}, []error{approval.ErrTampered}, "does not verify"},
		{"plan expired", func(s *scene) { s.gate.Now = s.plan.Expires }, []error{failover.ErrExpired}, "at 2026-03-01T14:30:00Z"},
		{"plan tampered", func(s *scene) { p := *s.plan; p.Database.RestoreSKU = "GP_Gen5_80"; s.plan = &p },
			[]error{failover.ErrTampered}, "database.restore_sku was GP_Gen5_16, is GP_Gen5_80"},
		{"plan of nobody's", func(s *scene) { s.gate.Kept = nil }, []error{failover.ErrTampered}, "keeps no plan"},
		{"other commit", func(s *scene) { s.gate.Facts.Code.Commit = strings.Repeat("beef", 10) }, []error{failover.ErrCode}, "code.commit was c0dec0de"},
		{"other config", func(s *scene) { s.gate.Facts.Settings = digest(9) }, []error{failover.ErrConfig}, "stack.settings_sha256 was 4444"},
		{"other image", func(s *scene) { s.gate.Facts.Images[0].Ref = "careful/app@sha256:" + digest(8) }, []error{failover.ErrConfig}, "images.0.ref"},
		{"other root key", func(s *scene) { s.gate.Facts.Keys[0].Root = "dead" }, []error{failover.ErrKeys}, "keys.0.root was f00d, is dead"},
		{"other quorum", func(s *scene) { s.gate.Facts.Quorum.Signers = digest(7) }, []error{failover.ErrQuorum}, "quorum.allowed_signers_sha256"},
		{"no room", func(s *scene) { few := int64(20); s.gate.Facts.Quotas[0].Free = &few }, []error{failover.ErrQuota}, "at least 28 of standardDDSv5Family"},
		{"mirror moved on", func(s *scene) { moved(&s.gate.Facts) }, []error{failover.ErrMoved}, "mirror.end.seq was 0000000000004711, is 0000000000004753"},
		{"mirror taken over", func(s *scene) { s.gate.Facts.Epoch = 4 }, []error{failover.ErrMoved}, "mirror.epoch was 00000003, is 00000004"},
		{"mirror lost its end", func(s *scene) { s.gate.Facts.End.Digest = eventlog.Digest{5} }, []error{failover.ErrMoved}, "mirror.end.digest"},
		{"mirror stale", func(s *scene) { s.gate.Facts.Lost = now.Add(6 * time.Minute); s.gate.Now = now.Add(7 * time.Minute) },
			[]error{failover.ErrStale}, "mirror.stale_seconds was at most 900, is 960"},
		{"several at once", func(s *scene) { s.gate.Docs = nil; s.gate.Facts.Code.Number++; s.gate.Facts.Region = "uksouth" },
			[]error{failover.ErrUnsigned, failover.ErrCode, failover.ErrConfig}, "; "},
		{"forecast alone", func(s *scene) { s.gate.Facts.Steps[1].Seconds = 1600; s.gate.Facts.Year.UsedSeconds = 3700 }, nil, ""},
		{"glass broken", func(s *scene) {
			s.gate.Docs = [][]byte{c.signs(t, s.plan, "lin", glass), c.signs(t, s.plan, "pam", glass)}
		}, nil, "glass"},
		{"glass of one", func(s *scene) { s.gate.Docs = [][]byte{c.signs(t, s.plan, "lin", glass)} }, []error{approval.ErrTooFew}, "still needed"},
		{"glass is not a way around the truth", func(s *scene) {
			s.gate.Docs = [][]byte{c.signs(t, s.plan, "lin", glass), c.signs(t, s.plan, "pam", glass)}
			s.gate.Facts.Epoch = 4
		}, []error{failover.ErrMoved}, "epoch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := scene{plan: plan(t)}
			s.gate = failover.Gate{Now: now.Add(5 * time.Minute), Kept: plan(t), Ring: c.ring, Facts: facts(),
				Docs: [][]byte{c.signs(t, s.plan, "ada", nil), c.signs(t, s.plan, "bob", nil)}}
			tt.change(&s)
			d, err := failover.Check(s.gate, s.plan)
			require.Equal(t, tt.want == nil, d.MayRun)
			require.Equal(t, tt.says == "glass", d.BrokenGlass && tt.want == nil)
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			for _, want := range tt.want {
				require.ErrorIs(t, err, want)
			}
			require.ErrorContains(t, err, tt.says)
		})
	}
}

func TestWhatMayMove(t *testing.T) {
	t.Parallel()
	later := func() failover.Facts {
		f := facts()
		f.End.Seq, f.End.Slot, f.End.Digest[0], f.End.Time = f.End.Seq+42, f.End.Slot+1, 9, now
		f.Lost = time.Time{}
		return f
	}
	for _, tt := range []struct {
		name   string
		kind   failover.Kind
		target restore.Target
		facts  failover.Facts
		refuse bool
	}{
		{"drill, mirror goes on", failover.Drill, restore.Latest(), later(), false},
		{"fixed point, mirror goes on", failover.Failover, restore.AtSeq(4711), later(), false},
		{"latest, mirror goes on", failover.Failover, restore.Latest(), later(), true},
		{"failback too", failover.Failback, restore.Latest(), later(), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request()
			r.Kind, r.Target = tt.kind, tt.target
			f := facts()
			f.Lost = time.Time{}
			p, err := failover.NewPlan(f, r)
			require.NoError(t, err)
			changes, err := failover.Diff(p, tt.facts, now)
			require.NoError(t, err)
			refuses := false
			for _, c := range changes {
				refuses = refuses || c.Refuses
			}
			require.Equal(t, tt.refuse, refuses, changes)
			require.NotEmpty(t, changes, "what moved is told in any case")
		})
	}
}
