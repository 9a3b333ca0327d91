package signers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// ErrNoKey: no private key to sign with is to be had; the message says what to do.
var ErrNoKey = errors.New("no key to sign with")

// Key signs. It is safe for concurrent use when the ssh.Signer in it is, as those of files
// and of ssh-agent are.
type Key struct{ signer ssh.Signer }

// NewKey wraps a signer that the caller holds.
func NewKey(s ssh.Signer) *Key { return &Key{signer: s} }

// Public is the key's public half.
func (k *Key) Public() ssh.PublicKey { return k.signer.PublicKey() }

// Sign returns an armored SSHSIG of message, as ssh-keygen -Y sign -n namespace makes it.
// With a key in ssh-agent this may wait for a person to confirm or to touch a token.
func (k *Key) Sign(namespace string, message []byte) ([]byte, error) {
	sig, err := sshsig.Sign(bytes.NewReader(message), k.signer, sshsig.HashSHA512, namespace)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", ssh.FingerprintSHA256(k.Public()), err)
	}
	return sshsig.Armor(sig), nil
}

// KeyFile reads a private key file. passphrase is asked only when the key is encrypted; nil
// means that nobody can be asked.
func KeyFile(path string, passphrase func() ([]byte, error)) (*Key, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if locked := (*ssh.PassphraseMissingError)(nil); errors.As(err, &locked) {
		if passphrase == nil {
			return nil, fmt.Errorf("%w: %s is encrypted: load it with ssh-add, and sign through the agent", ErrNoKey, path)
		}
		secret, perr := passphrase()
		if perr != nil {
			return nil, fmt.Errorf("%w: passphrase of %s: %w", ErrNoKey, path, perr)
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, secret)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNoKey, path, err)
	}
	return NewKey(signer), nil
}

// AgentKey connects to the ssh-agent at socket and picks the key whose public half `want`
// accepts. No such key, or more than one, is ErrNoKey. Close the closer when done signing.
func AgentKey(socket string, want func(ssh.PublicKey) bool) (*Key, io.Closer, error) {
	if socket == "" {
		return nil, nil, fmt.Errorf("%w: no ssh-agent is running here (SSH_AUTH_SOCK is empty): name a key file", ErrNoKey)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: ssh-agent: %w", ErrNoKey, err)
	}
	key, err := pick(agent.NewClient(conn), want)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return key, conn, nil
}

func pick(a agent.Agent, want func(ssh.PublicKey) bool) (*Key, error) {
	held, err := a.Signers()
	if err != nil {
		return nil, fmt.Errorf("%w: ssh-agent: %w", ErrNoKey, err)
	}
	var found []ssh.Signer
	for _, s := range held {
		if want(s.PublicKey()) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return NewKey(found[0]), nil
	case 0:
		return nil, fmt.Errorf("%w: none of the %d keys in ssh-agent fits: ssh-add yours", ErrNoKey, len(held))
	}
	return nil, fmt.Errorf("%w: %d keys in ssh-agent fit: name the one to use", ErrNoKey, len(found))
}

// PublicFile reads a public key file (id_ed25519.pub), to pick its private half from the
// agent by.
func PublicFile(path string) (ssh.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no public key: %w", ErrNoKey, path, err)
	}
	return key, nil
}

// Same reports whether two public keys are one.
func Same(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }
