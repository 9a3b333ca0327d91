package signers

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Errors a caller may test for with errors.Is.
var (
	// ErrFile: the allowed_signers file is not one this package accepts.
	ErrFile = errors.New("allowed_signers file not accepted")
	// ErrUnknownKey: a signature by a key that nobody in the ring holds.
	ErrUnknownKey = errors.New("key is not in allowed_signers")
	// ErrKeyTime: the key was not valid, yet or any more, at the time in question.
	ErrKeyTime = errors.New("key not valid at that time")
	// ErrNamespace: signed for another purpose, or the key may not sign for this one.
	ErrNamespace = errors.New("signature is for another purpose")
	// ErrSignature: the signature is malformed or not of these bytes.
	ErrSignature = errors.New("signature does not match")
)

// maxFile caps an allowed_signers file, in bytes: a company's is a few KiB.
const maxFile = 1 << 20

// minRSABits is the smallest RSA key accepted (NIST SP 800-57: 112-bit strength).
const minRSABits = 2048

// rolePrefix marks the principals of a line that are roles.
const rolePrefix = "role:"

// Identity is a person as one key shows them.
type Identity struct {
	Person string   `json:"person"`         // the first principal, usually an email address
	Name   string   `json:"name,omitempty"` // the line's comment
	Roles  []string `json:"roles"`          // sorted, without the prefix
	Key    string   `json:"key"`            // "SHA256:…", as ssh-keygen -l prints it
}

// Has reports whether the identity holds the role.
func (i Identity) Has(role string) bool { return slices.Contains(i.Roles, role) }

// HasAny reports whether the identity holds one of the roles.
func (i Identity) HasAny(roles ...string) bool { return slices.ContainsFunc(roles, i.Has) }

// Ring is a parsed allowed_signers file. It is immutable and safe for concurrent use.
type Ring struct {
	lines  []line
	digest string
}

type line struct {
	number        int
	identity      Identity
	key           ssh.PublicKey
	namespaces    []string // patterns; empty = all
	after, before time.Time
}

// ParseRing reads an allowed_signers file whole, or refuses it with every problem found.
func ParseRing(file []byte) (*Ring, error) {
	if len(file) > maxFile {
		return nil, fmt.Errorf("%w: %d bytes is over the limit of %d", ErrFile, len(file), maxFile)
	}
	ring := &Ring{}
	sum := sha256.Sum256(file)
	ring.digest = hex.EncodeToString(sum[:])
	var problems []error
	for i, text := range strings.Split(string(file), "\n") {
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		l, err := parseLine(text)
		if err == nil {
			err = ring.clash(l)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", i+1, err))
			continue
		}
		l.number = i + 1
		ring.lines = append(ring.lines, l)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrFile, errors.Join(problems...))
	}
	if len(ring.lines) == 0 {
		return nil, fmt.Errorf("%w: it names nobody", ErrFile)
	}
	return ring, nil
}

// Digest is the SHA-256 of the file, in hex: it pins who could sign when a plan was made.
func (r *Ring) Digest() string { return r.digest }

// People lists the identities, one a key, in the order of the file.
func (r *Ring) People() []Identity {
	all := make([]Identity, 0, len(r.lines))
	for _, l := range r.lines {
		all = append(all, l.identity)
	}
	return all
}

// ValidAt lists the identities whose keys are valid at that time, one a key.
func (r *Ring) ValidAt(at time.Time) []Identity {
	var valid []Identity
	for _, l := range r.lines {
		if !at.Before(l.after) && (l.before.IsZero() || at.Before(l.before)) {
			valid = append(valid, l.identity)
		}
	}
	return valid
}

// Identify says who holds the key at that time, or ErrUnknownKey or ErrKeyTime.
func (r *Ring) Identify(key ssh.PublicKey, at time.Time) (Identity, error) {
	l, err := r.find(key, at)
	if err != nil {
		return Identity{}, err
	}
	return l.identity, nil
}

// Verify checks an armored signature of message made for namespace, and says who made it.
// The key has to have been valid at `at`. Errors: ErrSignature, ErrUnknownKey, ErrKeyTime,
// ErrNamespace.
func (r *Ring) Verify(namespace string, message, armored []byte, at time.Time) (Identity, error) {
	sig, err := unarmor(armored)
	if err != nil {
		return Identity{}, err
	}
	return r.check(namespace, message, sig, at)
}

func (r *Ring) check(namespace string, message []byte, sig *sshsig.Signature, at time.Time) (Identity, error) {
	l, err := r.find(sig.PublicKey, at)
	if err != nil {
		return Identity{}, err
	}
	if sig.Namespace != namespace {
		return Identity{}, fmt.Errorf("%w: %s signed for %q, wanted %q", ErrNamespace, l.identity.Person, sig.Namespace, namespace)
	}
	if !l.mayUse(namespace) {
		return Identity{}, fmt.Errorf("%w: line %d lets %s sign for %s only", ErrNamespace, l.number, l.identity.Person,
			strings.Join(l.namespaces, ","))
	}
	if err := sshsig.Verify(bytes.NewReader(message), sig, l.key, sig.HashAlgorithm, namespace); err != nil {
		return Identity{}, fmt.Errorf("%w: claimed by %s (%s)", ErrSignature, l.identity.Person, l.identity.Key)
	}
	return l.identity, nil
}

func (r *Ring) find(key ssh.PublicKey, at time.Time) (line, error) {
	print := ssh.FingerprintSHA256(key)
	for _, l := range r.lines {
		if l.identity.Key != print {
			continue
		}
		if !l.after.IsZero() && at.Before(l.after) {
			return line{}, fmt.Errorf("%w: %s of %s is valid from %s, not at %s", ErrKeyTime, print, l.identity.Person,
				stamp(l.after), stamp(at))
		}
		if !l.before.IsZero() && !at.Before(l.before) {
			return line{}, fmt.Errorf("%w: %s of %s was valid before %s, not at %s", ErrKeyTime, print, l.identity.Person,
				stamp(l.before), stamp(at))
		}
		return l, nil
	}
	return line{}, fmt.Errorf("%w: %s", ErrUnknownKey, print)
}

// clash refuses a key that is already there: one key is one person.
func (r *Ring) clash(l line) error {
	for _, other := range r.lines {
		if other.identity.Key == l.identity.Key {
			return fmt.Errorf("key %s is already on line %d, of %s", l.identity.Key, other.number, other.identity.Person)
		}
	}
	return nil
}

func (l line) mayUse(namespace string) bool {
	if len(l.namespaces) == 0 {
		return true
	}
	return slices.ContainsFunc(l.namespaces, func(pattern string) bool {
		ok, err := path.Match(pattern, namespace)
		return err == nil && ok
	})
}

func parseLine(text string) (line, error) {
	principals, rest, found := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	if !found {
		return line{}, errors.New("want: principals [options] keytype key [name]")
	}
	identity, err := parsePrincipals(principals)
	if err != nil {
		return line{}, err
	}
	key, comment, options, extra, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil || len(extra) > 0 {
		return line{}, fmt.Errorf("no key is to be read after %q", principals)
	}
	if err := checkKey(key); err != nil {
		return line{}, err
	}
	identity.Key, identity.Name = ssh.FingerprintSHA256(key), comment
	l := line{identity: identity, key: key}
	for _, option := range options {
		if err := l.option(option); err != nil {
			return line{}, err
		}
	}
	return l, nil
}

func parsePrincipals(field string) (Identity, error) {
	var id Identity
	for _, p := range strings.Split(field, ",") {
		role, isRole := strings.CutPrefix(p, rolePrefix)
		switch {
		case p == "" || role == "":
			return id, fmt.Errorf("empty principal in %q", field)
		case strings.ContainsAny(p, "*?!\""):
			return id, fmt.Errorf("principal %q is a pattern: one key has to be one person, written out", p)
		case isRole && slices.Contains(id.Roles, role):
			return id, fmt.Errorf("role %q twice", role)
		case isRole:
			id.Roles = append(id.Roles, role)
		case id.Person != "":
			return id, fmt.Errorf("two people, %q and %q: roles are written role:NAME", id.Person, p)
		default:
			id.Person = p
		}
	}
	if id.Person == "" {
		return id, fmt.Errorf("no person in %q: the first principal is one, such as an email address", field)
	}
	slices.Sort(id.Roles)
	return id, nil
}

func checkKey(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return nil
	case ssh.KeyAlgoRSA:
		if crypto, ok := key.(ssh.CryptoPublicKey); ok {
			if pub, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok && pub.N.BitLen() >= minRSABits {
				return nil
			}
		}
		return fmt.Errorf("RSA key under %d bits: make an ed25519 one (ssh-keygen -t ed25519)", minRSABits)
	}
	return fmt.Errorf("key type %s is not accepted: make an ed25519 one (ssh-keygen -t ed25519)", key.Type())
}

func (l *line) option(text string) error {
	name, value, _ := strings.Cut(text, "=")
	value = strings.Trim(value, `"`)
	var err error
	switch strings.ToLower(name) {
	case "namespaces":
		l.namespaces = strings.Split(value, ",")
		for _, pattern := range l.namespaces {
			if pattern == "" || strings.ContainsAny(pattern, `![]\/`) {
				return fmt.Errorf("namespace pattern %q: only names, * and ? are known", pattern)
			}
		}
	case "valid-after":
		l.after, err = parseStamp(value)
	case "valid-before":
		l.before, err = parseStamp(value)
	default:
		return fmt.Errorf("option %q is not known here", name)
	}
	return err
}

// parseStamp reads OpenSSH's times, in UTC only: without the Z they would mean something
// else on every machine.
func parseStamp(text string) (time.Time, error) {
	digits, utc := strings.CutSuffix(text, "Z")
	if !utc {
		return time.Time{}, fmt.Errorf("time %q has no zone: end it with Z for UTC", text)
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) == len(digits) {
			return time.Parse(layout, digits)
		}
	}
	return time.Time{}, fmt.Errorf("time %q: want YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ", text)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
