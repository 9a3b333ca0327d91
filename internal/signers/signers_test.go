package signers_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"lifeboat/internal/signers"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB) (*signers.Key, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signers.NewKey(signer), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

func ring(t testing.TB, lines ...string) *signers.Ring {
	t.Helper()
	r, err := signers.ParseRing([]byte(strings.Join(lines, "\n")))
	require.NoError(t, err)
	return r
}

func TestRingReadsPeopleAndRoles(t *testing.T) {
	t.Parallel()
	_, ada := newKey(t)
	_, bob := newKey(t)
	r := ring(t, "# staff", "", "ada@example.org,role:cto,role:ceo "+ada+" Ada Lovelace",
		`bob@example.org namespaces="lifeboat-*",valid-before="20270101Z" `+bob)
	people := r.People()
	require.Len(t, people, 2)
	require.Equal(t, "ada@example.org", people[0].Person)
	require.Equal(t, "Ada Lovelace", people[0].Name)
	require.Equal(t, []string{"ceo", "cto"}, people[0].Roles)
	require.True(t, people[0].HasAny("dpo", "cto"))
	require.False(t, people[1].Has("ceo"))
	require.Len(t, r.Digest(), 64)
}

func TestRingRefusesWholeWithEveryProblem(t *testing.T) {
	t.Parallel()
	_, ada := newKey(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	weakKey, err := ssh.NewPublicKey(&weak.PublicKey)
	require.NoError(t, err)
	tests := []struct{ name, file, want string }{
		{"nobody", "# nothing\n", "names nobody"},
		{"no key", "ada@example.org", "want: principals"},
		{"half a key", "ada@example.org ssh-ed25519 AAAA", "no key is to be read"},
		{"pattern", "*@example.org " + ada, "is a pattern"},
		{"negation", "ada@example.org,!bob " + ada, "is a pattern"},
		{"two people", "ada@example.org,bob@example.org " + ada, "two people"},
		{"roles only", "role:ceo " + ada, "no person"},
		{"empty role", "ada@example.org,role: " + ada, "empty principal"},
		{"role twice", "ada@example.org,role:x,role:x " + ada, "twice"},
		{"key twice", "ada@example.org " + ada + "\nbob@example.org " + ada, "line 2: key SHA256"},
		{"certificate authority", "ada@example.org cert-authority " + ada, "not known here"},
		{"local time", `ada@example.org valid-after="20260101" ` + ada, "no zone"},
		{"bad time", `ada@example.org valid-after="2026Z" ` + ada, "want YYYYMMDDZ"},
		{"namespace class", `ada@example.org namespaces="[a]" ` + ada, "namespace pattern"},
		{"weak", "ada@example.org " + string(ssh.MarshalAuthorizedKey(weakKey)), "under 2048 bits"},
		{"both problems", "x\ny", "line 2"},
		{"too large", strings.Repeat("#", 1<<20+1), "over the limit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := signers.ParseRing([]byte(tt.file))
			require.ErrorIs(t, err, signers.ErrFile)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	key, public := newKey(t)
	stranger, _ := newKey(t)
	r := ring(t, `ada@example.org,role:cto valid-after="20260101Z",valid-before="20270101Z",namespaces="lifeboat-*,x" `+public)
	message := []byte("the plan\n")
	sign := func(k *signers.Key, ns string) []byte {
		sig, err := k.Sign(ns, message)
		require.NoError(t, err)
		return sig
	}
	good := sign(key, "lifeboat-approval")
	jan1 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name      string
		namespace string
		message   string
		sig       []byte
		at        time.Time
		want      error
	}{
		{"good", "lifeboat-approval", "the plan\n", good, noon, nil},
		{"first second", "lifeboat-approval", "the plan\n", good, jan1, nil},
		{"a second early", "lifeboat-approval", "the plan\n", good, jan1.Add(-time.Second), signers.ErrKeyTime},
		{"last second", "lifeboat-approval", "the plan\n", good, jan1.AddDate(1, 0, 0).Add(-time.Second), nil},
		{"at the end", "lifeboat-approval", "the plan\n", good, jan1.AddDate(1, 0, 0), signers.ErrKeyTime},
		{"other text", "lifeboat-approval", "the plan!\n", good, noon, signers.ErrSignature},
		{"other purpose", "lifeboat-incident", "the plan\n", good, noon, signers.ErrNamespace},
		{"purpose not allowed to the key", "git", "the plan\n", sign(key, "git"), noon, signers.ErrNamespace},
		{"stranger", "lifeboat-approval", "the plan\n", sign(stranger, "lifeboat-approval"), noon, signers.ErrUnknownKey},
		{"garbage", "lifeboat-approval", "the plan\n", []byte("hello"), noon, signers.ErrSignature},
		{"two signatures", "lifeboat-approval", "the plan\n", append(bytes.Clone(good), good...), noon, signers.ErrSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			who, err := r.Verify(tt.namespace, []byte(tt.message), tt.sig, tt.at)
			require.ErrorIs(t, err, tt.want)
			if tt.want == nil {
				require.Equal(t, "ada@example.org", who.Person)
			}
		})
	}
}

func TestSealedDocumentRefusesEveryFlippedByte(t *testing.T) {
	t.Parallel()
	key, public := newKey(t)
	r := ring(t, "ada@example.org "+public)
	doc, err := signers.Seal(key, "lifeboat-incident", []byte("one\ntwo\n"))
	require.NoError(t, err)
	text, who, err := r.Open("lifeboat-incident", doc, noon)
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", string(text))
	require.Equal(t, "ada@example.org", who.Person)
	for i := range doc {
		for _, bit := range []byte{1, 4, 0x20} {
			bad := bytes.Clone(doc)
			bad[i] ^= bit
			_, _, err := r.Open("lifeboat-incident", bad, noon)
			require.Error(t, err, "byte %d bit %x", i, bit)
		}
	}
	for n := range doc {
		_, _, err := r.Open("lifeboat-incident", doc[:n], noon)
		require.Error(t, err, "cut to %d bytes", n)
	}
	_, _, err = r.Open("lifeboat-incident", append(bytes.Clone(doc), '\n'), noon)
	require.ErrorIs(t, err, signers.ErrSignature)
}

func TestSealRefusesTextThatWouldHideItsEnd(t *testing.T) {
	t.Parallel()
	key, _ := newKey(t)
	for _, text := range []string{"", "no newline", "a\n-----BEGIN SSH SIGNATURE-----\n", "-----BEGIN SSH SIGNATURE-----\n"} {
		_, err := signers.Seal(key, "n", []byte(text))
		require.Error(t, err, "%q", text)
		_, err = signers.Join([]byte(text), nil)
		require.Error(t, err, "%q", text)
	}
}

// TestOpenSSH proves both directions against the real ssh-keygen, for each kind of key.
func TestOpenSSH(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("needs ssh-keygen (package openssh-client)")
	}
	for _, kind := range [][]string{{"ed25519"}, {"ecdsa", "-b", "384"}, {"rsa", "-b", "2048"}} {
		t.Run(kind[0], func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			private := filepath.Join(dir, "id")
			keygen(t, nil, append([]string{"-q", "-N", "", "-f", private, "-t"}, kind...)...)
			public, err := os.ReadFile(private + ".pub")
			require.NoError(t, err)
			file := "ada@example.org,role:cto namespaces=\"lifeboat-*\",valid-after=\"20200101Z\" " + string(public)
			allowed := filepath.Join(dir, "allowed_signers")
			require.NoError(t, os.WriteFile(allowed, []byte(file), 0o600))
			r := ring(t, file)
			text := []byte("ours\n")

			key, err := signers.KeyFile(private, nil)
			require.NoError(t, err)
			sig, err := key.Sign("lifeboat-incident", text)
			require.NoError(t, err)
			sigFile := filepath.Join(dir, "ours.sig")
			require.NoError(t, os.WriteFile(sigFile, sig, 0o600))
			for _, principal := range []string{"ada@example.org", "role:cto"} {
				out := keygen(t, text, "-Y", "verify", "-f", allowed, "-I", principal, "-n", "lifeboat-incident", "-s", sigFile)
				require.Contains(t, string(out), "Good")
			}

			theirs := keygen(t, text, "-Y", "sign", "-f", private, "-n", "lifeboat-incident")
			who, err := r.Verify("lifeboat-incident", text, theirs, noon)
			require.NoError(t, err)
			require.Equal(t, []string{"cto"}, who.Roles)
			doc, err := signers.Join(text, theirs)
			require.NoError(t, err)
			_, _, err = r.Open("lifeboat-incident", doc, noon)
			require.NoError(t, err)
		})
	}
}

func keygen(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ssh-keygen", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "ssh-keygen %v: %s", args, stderr.String())
	return out
}

func TestKeyFileAsksForPassphraseOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("correct"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))

	_, err = signers.KeyFile(path, nil)
	require.ErrorIs(t, err, signers.ErrNoKey)
	require.ErrorContains(t, err, "ssh-add")
	_, err = signers.KeyFile(path, func() ([]byte, error) { return []byte("wrong"), nil })
	require.ErrorIs(t, err, signers.ErrNoKey)
	failed := errors.New("no terminal")
	_, err = signers.KeyFile(path, func() ([]byte, error) { return nil, failed })
	require.ErrorIs(t, err, failed)
	_, err = signers.KeyFile(path, func() ([]byte, error) { return []byte("correct"), nil })
	require.NoError(t, err)
	_, err = signers.KeyFile(path+"x", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAgentPicksTheOneKeyThatFits(t *testing.T) {
	t.Parallel()
	keyring := agent.NewKeyring()
	var publics []ssh.PublicKey
	for range 2 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		require.NoError(t, keyring.Add(agent.AddedKey{PrivateKey: private}))
		p, err := ssh.NewPublicKey(public)
		require.NoError(t, err)
		publics = append(publics, p)
	}
	socket := serveAgent(t, keyring)
	key, closer, err := signers.AgentKey(socket, func(k ssh.PublicKey) bool { return signers.Same(k, publics[1]) })
	require.NoError(t, err)
	defer func() { require.NoError(t, closer.Close()) }()
	sig, err := key.Sign("lifeboat-approval", []byte("x"))
	require.NoError(t, err)
	r := ring(t, "ada@example.org "+string(ssh.MarshalAuthorizedKey(publics[1])))
	_, err = r.Verify("lifeboat-approval", []byte("x"), sig, noon)
	require.NoError(t, err)

	_, _, err = signers.AgentKey(socket, func(ssh.PublicKey) bool { return true })
	require.ErrorContains(t, err, "2 keys in ssh-agent fit")
	_, _, err = signers.AgentKey(socket, func(ssh.PublicKey) bool { return false })
	require.ErrorContains(t, err, "none of the 2 keys")
	_, _, err = signers.AgentKey("", nil)
	require.ErrorIs(t, err, signers.ErrNoKey)
	_, _, err = signers.AgentKey(socket+"x", nil)
	require.ErrorIs(t, err, signers.ErrNoKey)
}

func serveAgent(t *testing.T, a agent.Agent) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // t.TempDir can pass the 108 bytes of a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(a, conn) }()
		}
	}()
	return socket
}

// TestRealAgent signs through OpenSSH's own agent.
func TestRealAgent(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"ssh-agent", "ssh-add", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s (package openssh-client)", tool)
		}
	}
	dir, err := os.MkdirTemp("", "agent")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, private := filepath.Join(dir, "s"), filepath.Join(dir, "id")
	keygen(t, nil, "-q", "-N", "", "-t", "ed25519", "-f", private)
	daemon := exec.Command("ssh-agent", "-D", "-a", socket)
	stdout, err := daemon.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, daemon.Start())
	t.Cleanup(func() { _ = daemon.Process.Kill(); _ = daemon.Wait() })
	_, err = stdout.Read(make([]byte, 1)) // it prints its variables once it listens
	require.NoError(t, err)
	add := exec.Command("ssh-add", private)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	out, err := add.CombinedOutput()
	require.NoError(t, err, string(out))

	public, err := signers.PublicFile(private + ".pub")
	require.NoError(t, err)
	key, closer, err := signers.AgentKey(socket, func(k ssh.PublicKey) bool { return signers.Same(k, public) })
	require.NoError(t, err)
	defer func() { require.NoError(t, closer.Close()) }()
	doc, err := signers.Seal(key, "lifeboat-incident", []byte("text\n"))
	require.NoError(t, err)
	r := ring(t, fmt.Sprintf("ada@example.org %s", ssh.MarshalAuthorizedKey(public)))
	_, _, err = r.Open("lifeboat-incident", doc, noon)
	require.NoError(t, err)
}

func FuzzOpen(f *testing.F) {
	key, public := newKey(f)
	r := ring(f, "ada@example.org "+public)
	doc, err := signers.Seal(key, "n", []byte("text\n"))
	require.NoError(f, err)
	f.Add(doc)
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, _, err := r.Open("n", b, noon)
		if err == nil && string(text) != "text\n" {
			t.Fatalf("accepted %q", b)
		}
	})
}

func FuzzParseRing(f *testing.F) {
	_, public := newKey(f)
	f.Add("ada@example.org,role:ceo valid-after=\"20260101Z\" " + public)
	f.Fuzz(func(t *testing.T, file string) {
		r, err := signers.ParseRing([]byte(file))
		if err != nil {
			return
		}
		for _, id := range r.People() {
			if id.Person == "" || id.Key == "" {
				t.Fatalf("accepted a line without a person or key: %q", file)
			}
		}
	})
}
