package approval_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"lifeboat/failover/approval"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/signers"
)

var (
	now     = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	subject = strings.Repeat("ab", 32)
)

const kind = "failover-plan"

type cast struct {
	ring *signers.Ring
	keys map[string]*signers.Key
}

// newCast makes a committee with a key each; zoe's key is in no file, rex's has been retired.
func newCast(t testing.TB) cast {
	t.Helper()
	c := cast{keys: map[string]*signers.Key{}}
	var file strings.Builder
	for person, options := range map[string]string{
		"ada,role:ceo": "", "dee,role:deputy": "", "bob,role:cto": "", "lin,role:ld": "",
		"pam,role:dpo": "", "rex,role:cto": `valid-before="20260101Z" `,
		"gil,role:cto": `namespaces="git" `, "zoe": "skip",
	} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		signer, err := ssh.NewSignerFromKey(private)
		require.NoError(t, err)
		c.keys[strings.Split(person, ",")[0]] = signers.NewKey(signer)
		if options != "skip" {
			file.WriteString(person + " " + options + string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
		}
	}
	ring, err := signers.ParseRing([]byte(file.String()))
	require.NoError(t, err)
	c.ring = ring
	return c
}

// says returns a sealed statement; change may alter it first.
func (c cast) says(t testing.TB, who string, change func(*approval.Statement)) []byte {
	t.Helper()
	s := approval.Statement{Kind: kind, Subject: subject, Decision: approval.Approve, By: who,
		At: now.Add(-time.Hour), Expires: now.Add(time.Hour)}
	if change != nil {
		change(&s)
	}
	doc, err := approval.Sign(c.keys[who], s)
	require.NoError(t, err)
	return doc
}

func breaks(s *approval.Statement) { s.Decision, s.Reason = approval.BreakGlass, "nobody answers" }

func withdraws(s *approval.Statement) {
	s.Decision, s.Reason, s.At = approval.Withdraw, "wrong target", s.At.Add(time.Minute)
}

func TestJudge(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	ada, bob := c.says(t, "ada", nil), c.says(t, "bob", nil)
	expired := func(s *approval.Statement) { s.Expires = now }
	lastSecond := func(s *approval.Statement) { s.Expires = now.Add(time.Nanosecond) }
	tooOld := func(s *approval.Statement) { s.At, s.Expires = now.Add(-24*time.Hour), now.Add(time.Hour) }
	notQuite := func(s *approval.Statement) { s.At, s.Expires = now.Add(-24*time.Hour+1), now.Add(time.Hour) }
	future := func(s *approval.Statement) { s.At = now.Add(time.Second) }
	otherPlan := func(s *approval.Statement) { s.Subject = strings.Repeat("cd", 32) }
	forAda := func(s *approval.Statement) { s.By = "ada" }
	tests := []struct {
		name  string
		docs  [][]byte
		yes   bool
		glass bool
		errs  []error
		says  string
	}{
		{"nobody", nil, false, false, []error{approval.ErrTooFew}, "ceo or deputy, and cto or ld"},
		{"ceo and cto", [][]byte{ada, bob}, true, false, nil, ""},
		{"deputy and ld", [][]byte{c.says(t, "dee", nil), c.says(t, "lin", nil)}, true, false, nil, ""},
		{"ceo alone, twice", [][]byte{ada, ada}, false, false, []error{approval.ErrTooFew}, "still needed: cto or ld"},
		{"cto and ld", [][]byte{bob, c.says(t, "lin", nil)}, false, false, []error{approval.ErrTooFew}, "ceo or deputy"},
		{"expired", [][]byte{ada, c.says(t, "bob", expired)}, false, false, []error{approval.ErrTooFew, approval.ErrExpired}, "of bob"},
		{"in its last instant", [][]byte{ada, c.says(t, "bob", lastSecond)}, true, false, nil, ""},
		{"older than policy allows", [][]byte{ada, c.says(t, "bob", tooOld)}, false, false, []error{approval.ErrExpired}, "expired"},
		{"just young enough", [][]byte{ada, c.says(t, "bob", notQuite)}, true, false, nil, ""},
		{"from the future", [][]byte{ada, c.says(t, "bob", future)}, false, false, []error{approval.ErrNotYet}, "clocks"},
		{"another plan", [][]byte{ada, c.says(t, "bob", otherPlan)}, false, false, []error{approval.ErrSubject}, "something else"},
		{"unknown key", [][]byte{ada, c.says(t, "zoe", nil)}, false, false, []error{approval.ErrSigner}, "not in allowed_signers"},
		{"retired key", [][]byte{ada, c.says(t, "rex", nil)}, false, false, []error{approval.ErrSigner}, "was valid before"},
		{"key for other purposes", [][]byte{ada, c.says(t, "gil", nil)}, false, false, []error{approval.ErrTampered}, "lets gil sign for git only"},
		{"in another's name", [][]byte{bob, c.says(t, "lin", forAda)}, false, false, []error{approval.ErrSigner}, "lin signed a statement in the name of ada"},
		{"tampered", [][]byte{bob, bytes.Replace(ada, []byte(`"ada"`), []byte(`"dee"`), 1)}, false, false, []error{approval.ErrTampered}, "does not verify"},
		{"garbage", [][]byte{bob, []byte("hello\n")}, false, false, []error{approval.ErrTampered}, "does not verify"},
		{"withdrawn", [][]byte{ada, bob, c.says(t, "ada", withdraws)}, false, false, []error{approval.ErrTooFew}, "ceo or deputy"},
		{"withdrawn, order does not matter", [][]byte{c.says(t, "ada", withdraws), ada, bob}, false, false, []error{approval.ErrTooFew}, ""},
		{"glass: two people", [][]byte{c.says(t, "bob", breaks), c.says(t, "pam", breaks)}, false, true, nil, ""},
		{"glass: one approves, one breaks", [][]byte{ada, c.says(t, "pam", breaks)}, false, true, nil, ""},
		{"glass: one person", [][]byte{c.says(t, "bob", breaks)}, false, false, []error{approval.ErrTooFew}, ""},
		{"two approvals are no broken glass", [][]byte{bob, c.says(t, "pam", nil)}, false, false, []error{approval.ErrTooFew}, ""},
		{"quorum met: no glass broken", [][]byte{ada, bob, c.says(t, "pam", breaks)}, true, false, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := approval.Judge(c.ring, approval.DefaultPolicy(), approval.Question{Kind: kind, Subject: subject, At: now}, tt.docs)
			require.Equal(t, tt.yes, v.Approved)
			require.Equal(t, tt.glass, v.BrokenGlass)
			err := v.Err()
			if tt.yes || tt.glass {
				require.NoError(t, err)
				return
			}
			for _, want := range tt.errs {
				require.ErrorIs(t, err, want)
			}
			require.ErrorContains(t, err, tt.says)
		})
	}
}

func TestStatementIsRefusedWhenItCouldBeReadInTwoWays(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	good := approval.Statement{Kind: kind, Subject: subject, Decision: approval.Approve, By: "ada", At: now, Expires: now.Add(1)}
	tests := []struct {
		name   string
		change func(*approval.Statement)
		want   string
	}{
		{"short digest", func(s *approval.Statement) { s.Subject = "ab" }, "no SHA-256"},
		{"upper-case digest", func(s *approval.Statement) { s.Subject = strings.ToUpper(s.Subject) }, "no SHA-256"},
		{"no kind", func(s *approval.Statement) { s.Kind = "" }, "kind and by"},
		{"unknown decision", func(s *approval.Statement) { s.Decision = "maybe" }, "not one of"},
		{"glass without reason", func(s *approval.Statement) { s.Decision = approval.BreakGlass }, "needs a reason"},
		{"withdrawn without reason", func(s *approval.Statement) { s.Decision, s.Reason = approval.Withdraw, " " }, "needs a reason"},
		{"ends when it begins", func(s *approval.Statement) { s.Expires = s.At }, "expire after"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := good
			tt.change(&s)
			_, err := approval.Sign(c.keys["ada"], s)
			require.ErrorIs(t, err, approval.ErrStatement)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestPeekAcceptsOneSpellingOnly(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	doc := c.says(t, "ada", nil)
	_, err := approval.Peek(doc)
	require.NoError(t, err)
	for _, change := range [][2]string{
		{`{"format":1`, `{"format":1,"extra":1`}, {`{"format":1`, `{ "format":1`}, {`{"format":1`, `{"format":0`},
		{"}\n", "}{}\n"}, {`"by"`, `"BY"`},
	} {
		bad := bytes.Replace(doc, []byte(change[0]), []byte(change[1]), 1)
		require.NotEqual(t, doc, bad)
		_, err := approval.Peek(bad)
		require.ErrorIs(t, err, approval.ErrStatement, change[1])
	}
	newer := bytes.Replace(doc, []byte(`{"format":1`), []byte(`{"format":2,"new":true`), 1)
	_, err = approval.Peek(newer)
	require.ErrorIs(t, err, approval.ErrNewerFormat)
}

func TestGoldenStatement(t *testing.T) {
	t.Parallel()
	text, err := approval.Statement{Kind: kind, Subject: subject, Decision: approval.BreakGlass, By: "ada@example.org",
		Reason: "nobody answers", At: now, Expires: now.Add(time.Hour)}.Text()
	require.NoError(t, err)
	want, err := os.ReadFile("testdata/v1/statement.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(text))
}

func TestShelf(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	store := memory.New()
	ctx := t.Context()
	ada, bob := c.says(t, "ada", nil), c.says(t, "bob", nil)
	for _, doc := range [][]byte{ada, bob, ada} {
		require.NoError(t, approval.Keep(ctx, store, doc))
	}
	other := c.says(t, "pam", func(s *approval.Statement) { s.Subject = strings.Repeat("cd", 32) })
	require.NoError(t, approval.Keep(ctx, store, other))
	docs, err := approval.Kept(ctx, store, subject)
	require.NoError(t, err)
	require.ElementsMatch(t, [][]byte{ada, bob}, docs)
	require.ErrorIs(t, approval.Keep(ctx, store, []byte("hello")), signers.ErrSignature)
	_, err = approval.Kept(ctx, store, "../x")
	require.Error(t, err)
}

// TestSignedByHandWithOpenSSH covers the colleague who has ssh-keygen and nothing else.
func TestSignedByHandWithOpenSSH(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("needs ssh-keygen (package openssh-client)")
	}
	private := filepath.Join(t.TempDir(), "id")
	out, err := exec.Command("ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", private).CombinedOutput()
	require.NoError(t, err, string(out))
	public, err := os.ReadFile(private + ".pub")
	require.NoError(t, err)
	ring, err := signers.ParseRing([]byte("ada,role:ceo " + string(public)))
	require.NoError(t, err)
	text, err := approval.Statement{Kind: kind, Subject: subject, Decision: approval.Approve, By: "ada", At: now, Expires: now.Add(time.Hour)}.Text()
	require.NoError(t, err)
	sign := exec.Command("ssh-keygen", "-Y", "sign", "-f", private, "-n", approval.Namespace)
	sign.Stdin = bytes.NewReader(text)
	sig, err := sign.Output()
	require.NoError(t, err)
	doc, err := approval.Import(text, sig)
	require.NoError(t, err)
	policy := approval.Policy{Quorum: signers.Quorum{{"ceo"}}}
	require.NoError(t, policy.Validate())
	v := approval.Judge(ring, policy, approval.Question{Kind: kind, Subject: subject, At: now}, [][]byte{doc})
	require.NoError(t, v.Err())
	require.Equal(t, "ada", v.Votes[0].Who.Person)
}

func TestPolicyValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, approval.DefaultPolicy().Validate())
	p := approval.DefaultPolicy()
	p.BreakGlass = p.BreakGlass[:1]
	p.MaxAge = -1
	require.ErrorContains(t, p.Validate(), "two people")
	require.ErrorContains(t, p.Validate(), "negative")
}

func FuzzPeek(f *testing.F) {
	c := newCast(f)
	f.Add(c.says(f, "ada", nil))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := approval.Peek(doc)
		if err == nil && s.Validate() != nil {
			t.Fatalf("accepted an invalid statement %+v", s)
		}
	})
}
