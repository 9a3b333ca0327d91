// Package keyvault wraps data keys with an RSA key of Azure Key Vault or Managed HSM.
// The key never leaves the vault; each wrap names the version that made it, so keys can
// be rotated in the vault without touching the objects.
//
// The identity needs the role Key Vault Crypto User. Old versions of the key must not
// be disabled or purged while objects need them: `keys check` tells in time.
package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/sealed"
)

// Kind is that of the wraps which this package makes; it names the algorithm.
const Kind = "azkeys RSA-OAEP-256"

// Config says which key to use.
type Config struct {
	// KeyURL is https://VAULT.vault.azure.net/keys/NAME. New keys are wrapped with the
	// key's current version.
	KeyURL string
	// Token is who we are; nil = azidentity's default chain.
	Token azcore.TokenCredential
	// Options are for other clouds and for tests; nil = the defaults.
	Options *azkeys.ClientOptions
}

// Key wraps and unwraps with one key of one vault.
type Key struct {
	vault, name string
	client      *azkeys.Client
}

var (
	_ sealed.Recipient = (*Key)(nil)
	_ sealed.Opener    = (*Key)(nil)
)

var (
	keyPath = regexp.MustCompile(`^/keys/([0-9A-Za-z-]{1,127})$`)
	wrapID  = regexp.MustCompile(`^(https://[^/]+)/keys/([0-9A-Za-z-]{1,127})/([0-9a-f]{32})$`)
)

// Open prepares the key. It makes no request.
func Open(c Config) (*Key, error) {
	u, err := url.Parse(c.KeyURL)
	if err != nil {
		return nil, errors.New("key vault key: not a URL; want https://VAULT.vault.azure.net/keys/NAME")
	}
	m := keyPath.FindStringSubmatch(u.Path)
	if m == nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("key vault key %s://%s%s: want https://VAULT.vault.azure.net/keys/NAME, without a version", u.Scheme, u.Host, u.Path)
	}
	token := c.Token
	if token == nil {
		if token, err = azidentity.NewDefaultAzureCredential(nil); err != nil {
			return nil, fmt.Errorf("key vault key: entra id: %w", err)
		}
	}
	vault := "https://" + u.Host
	client, err := azkeys.NewClient(vault, token, c.Options)
	if err != nil {
		return nil, fmt.Errorf("key vault key: %w", err)
	}
	return &Key{vault: vault, name: m[1], client: client}, nil
}

// String is the key's URL.
func (k *Key) String() string { return k.vault + "/keys/" + k.name }

// Wrap implements sealed.Recipient.
func (k *Key) Wrap(ctx context.Context, key []byte) (sealed.Wrap, error) {
	r, err := k.client.WrapKey(ctx, k.name, "", parameters(key), nil)
	if err != nil {
		return sealed.Wrap{}, k.explain("wrap a key with", err)
	}
	if r.KID == nil || !wrapID.MatchString(string(*r.KID)) || len(r.Result) == 0 {
		return sealed.Wrap{}, fmt.Errorf("wrap a key with %s: the vault named no version of it", k)
	}
	return sealed.Wrap{Kind: Kind, ID: string(*r.KID), Data: r.Result}, nil
}

// Covers implements sealed.Recipient.
func (k *Key) Covers(w sealed.Wrap) bool {
	_, ok := k.version(w)
	return ok
}

// version tells which version of this key made w. The id comes from a store, so only
// the version is taken from it, never the vault that is asked.
func (k *Key) version(w sealed.Wrap) (string, bool) {
	m := wrapID.FindStringSubmatch(w.ID)
	if w.Kind != Kind || m == nil || m[1] != k.vault || m[2] != k.name {
		return "", false
	}
	return m[3], true
}

// Unwrap implements sealed.Opener.
func (k *Key) Unwrap(ctx context.Context, w sealed.Wrap) ([]byte, error) {
	version, ok := k.version(w)
	if !ok {
		return nil, sealed.ErrNotMine
	}
	r, err := k.client.UnwrapKey(ctx, k.name, version, parameters(w.Data), nil)
	if err != nil {
		return nil, k.explain("unwrap a key with version "+version+" of", err)
	}
	return r.Result, nil
}

func parameters(value []byte) azkeys.KeyOperationParameters {
	algorithm := azkeys.EncryptionAlgorithmRSAOAEP256
	return azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: value}
}

// explain says in one line what the vault answered and what to do.
func (k *Key) explain(verb string, err error) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%s %s: %w", verb, k, err)
	}
	short := &answerError{text: fmt.Sprintf("%s %s: HTTP %d %s", verb, k, answer.StatusCode, answer.ErrorCode), answer: answer}
	switch answer.StatusCode {
	case http.StatusBadRequest:
		return blob.Permanent(short, "the vault cannot open it: it was made with another key, or was changed")
	case http.StatusUnauthorized, http.StatusForbidden:
		return blob.Permanent(short, "give this identity the role Key Vault Crypto User on the key; if it has it, the key may be disabled or the vault's firewall closed to this address")
	case http.StatusNotFound:
		return blob.Permanent(short, "the key or this version of it is gone: recover it in the vault if soft delete still has it, or open with the offline key")
	}
	return short
}

// answerError is a vault's refusal in one line; the SDK's own text has dozens.
type answerError struct {
	text   string
	answer *azcore.ResponseError
}

func (e *answerError) Error() string { return e.text }
func (e *answerError) Unwrap() error { return e.answer }
