package signers

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/hiddeco/sshsig"
)

// begin is the line that ends the text of a sealed document and starts its signature.
const begin = "-----BEGIN SSH SIGNATURE-----\n"

// Seal returns the document: text, then its armored signature. The text has to end with a
// newline and must not hold the line that begins a signature.
func Seal(key *Key, namespace string, text []byte) ([]byte, error) {
	if !bytes.HasSuffix(text, []byte("\n")) || signatureAt(text) >= 0 {
		return nil, fmt.Errorf("seal for %s: text has to end with a newline and hold no signature", namespace)
	}
	sig, err := key.Sign(namespace, text)
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(text), sig...), nil
}

// Join makes a sealed document of a text and a signature made elsewhere, by ssh-keygen -Y
// sign on a machine of its own for instance. It checks nothing but the form.
func Join(text, armored []byte) ([]byte, error) {
	if !bytes.HasSuffix(text, []byte("\n")) || signatureAt(text) >= 0 {
		return nil, errors.New("join: text has to end with a newline and hold no signature")
	}
	sig, err := unarmor(armored)
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(text), sshsig.Armor(sig)...), nil
}

// Split parts a sealed document into its text and its armored signature, unchecked. The
// parts alias doc. ErrSignature when there is none.
func Split(doc []byte) (text, armored []byte, err error) {
	at := signatureAt(doc)
	if at < 0 {
		return nil, nil, fmt.Errorf("%w: the document holds none", ErrSignature)
	}
	return doc[:at], doc[at:], nil
}

// Open checks a sealed document, byte for byte, and returns its text, which aliases doc, and who sealed it.
// Errors are those of Ring.Verify.
func (r *Ring) Open(namespace string, doc []byte, at time.Time) ([]byte, Identity, error) {
	text, armored, err := Split(doc)
	if err != nil {
		return nil, Identity{}, err
	}
	sig, err := unarmor(armored)
	if err != nil {
		return nil, Identity{}, err
	}
	if !bytes.Equal(sshsig.Armor(sig), armored) {
		return nil, Identity{}, fmt.Errorf("%w: its armor was altered", ErrSignature)
	}
	who, err := r.check(namespace, text, sig, at)
	if err != nil {
		return nil, Identity{}, err
	}
	return text, who, nil
}

// unarmor refuses anything around the signature: pem would skip it in silence.
func unarmor(armored []byte) (*sshsig.Signature, error) {
	_, rest := pem.Decode(armored)
	if !bytes.HasPrefix(armored, []byte(begin)) || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: there is more than one signature", ErrSignature)
	}
	sig, err := sshsig.Unarmor(armored)
	if err != nil {
		return nil, fmt.Errorf("%w: unreadable: %s", ErrSignature, err.Error())
	}
	return sig, nil
}

func signatureAt(doc []byte) int {
	if bytes.HasPrefix(doc, []byte(begin)) {
		return 0
	}
	if at := bytes.Index(doc, []byte("\n"+begin)); at >= 0 {
		return at + 1
	}
	return -1
}
