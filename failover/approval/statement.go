package approval

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"lifeboat/internal/signers"
	"lifeboat/internal/versioned"
)

// Namespace is the SSHSIG namespace of statements: ssh-keygen -Y … -n lifeboat-approval.
const Namespace = "lifeboat-approval"

// format is the version of the statement's text; a reader refuses any other.
const format = 1

// maxStatement caps a statement with its signature, in bytes; real ones are about 1 KiB.
const maxStatement = 64 << 10

// Errors a caller may test for with errors.Is.
var (
	// ErrStatement: the statement is incomplete or malformed.
	ErrStatement = errors.New("statement not accepted")
	// ErrNewerFormat: written by a newer lifeboat; upgrade to read it.
	ErrNewerFormat = errors.New("statement has a newer format than this lifeboat knows")
)

var statementKind = versioned.Kind{Field: "format", Known: format, Damaged: ErrStatement, Newer: ErrNewerFormat}

// Decision is what a person says about the subject.
type Decision string

// The decisions.
const (
	Approve    Decision = "approve"
	Withdraw   Decision = "withdraw"    // takes back an earlier approve or break-glass
	BreakGlass Decision = "break-glass" // go on without the quorum; needs a reason
)

// Statement is one person's decision. Its canonical text is JSON on one line.
type Statement struct {
	Format   int       `json:"format"`
	Kind     string    `json:"kind"`    // what the subject is: "failover-plan", "customer-message", …
	Subject  string    `json:"subject"` // SHA-256 of the subject's canonical bytes, hex
	Decision Decision  `json:"decision"`
	By       string    `json:"by"`               // the signer's principal
	Reason   string    `json:"reason,omitempty"` // required to break glass and to withdraw
	At       time.Time `json:"at"`               // UTC
	Expires  time.Time `json:"expires"`          // UTC, exclusive
}

// Validate refuses a statement that could be read in two ways, with all its problems.
func (s Statement) Validate() error {
	var problems []error
	bad := func(text string, args ...any) { problems = append(problems, fmt.Errorf(text, args...)) }
	if digest, err := hex.DecodeString(s.Subject); err != nil || len(digest) != 32 || strings.ToLower(s.Subject) != s.Subject {
		bad("subject %q is no SHA-256 in lower-case hex", s.Subject)
	}
	if s.Kind == "" || s.By == "" {
		bad("kind and by have to be given")
	}
	switch s.Decision {
	case Approve:
	case Withdraw, BreakGlass:
		if strings.TrimSpace(s.Reason) == "" {
			bad("to %s needs a reason", s.Decision)
		}
	default:
		bad("decision %q is not one of approve, withdraw, break-glass", s.Decision)
	}
	if s.At.IsZero() || !s.Expires.After(s.At) {
		bad("it has to expire after it is made")
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %w", ErrStatement, errors.Join(problems...))
	}
	return nil
}

// Text is the exact text that is signed, for a signature made elsewhere with ssh-keygen
// -Y sign; see Import.
func (s Statement) Text() ([]byte, error) {
	s.Format = format
	s.At, s.Expires = s.At.UTC(), s.Expires.UTC()
	if err := s.Validate(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode statement: %w", err)
	}
	return append(text, '\n'), nil
}

// Sign makes the sealed document of a statement.
func Sign(key *signers.Key, s Statement) ([]byte, error) {
	text, err := s.Text()
	if err != nil {
		return nil, err
	}
	return signers.Seal(key, Namespace, text)
}

// Import makes the sealed document of a statement that was signed elsewhere. The signature
// is checked when the document is judged.
func Import(text, armored []byte) ([]byte, error) {
	if _, err := parse(text); err != nil {
		return nil, err
	}
	return signers.Join(text, armored)
}

// Peek returns the statement in a document without checking its signature: to print it, or
// to find its subject, never to act on.
func Peek(doc []byte) (Statement, error) {
	text, _, err := signers.Split(doc)
	if err != nil {
		return Statement{}, err
	}
	return parse(text)
}

// parse accepts a statement's canonical text only: what people sign has one spelling.
func parse(text []byte) (Statement, error) {
	if len(text) > maxStatement {
		return Statement{}, fmt.Errorf("%w: %d bytes is over the limit of %d", ErrStatement, len(text), maxStatement)
	}
	s, err := versioned.Decode[Statement](statementKind, text)
	if err != nil {
		return Statement{}, err
	}
	canonical, err := s.Text()
	if err != nil {
		return Statement{}, err
	}
	if !bytes.Equal(canonical, text) {
		return Statement{}, fmt.Errorf("%w: it is not in its canonical form", ErrStatement)
	}
	return s, nil
}
