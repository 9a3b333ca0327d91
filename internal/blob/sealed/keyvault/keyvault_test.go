package keyvault_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys/fake"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/blob/sealed"
	"lifeboat/internal/blob/sealed/keyvault"
)

const keyURL = "https://careful-south.vault.azure.net/keys/lifeboat"

// vault plays Azure Key Vault by the SDK's own fake server, with real RSA keys: one for
// each version. It proves our side of the protocol, not Azure's.
type vault struct {
	versions map[string]*rsa.PrivateKey
	current  string
	refuse   atomic.Pointer[string] // an error code, answered with the status below
	status   int
	calls    atomic.Int64
}

func newVault(t *testing.T) *vault {
	v := &vault{versions: map[string]*rsa.PrivateKey{}}
	v.rotate(t, strings.Repeat("1", 32))
	return v
}

func (v *vault) rotate(t *testing.T, version string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	v.versions[version] = key
	v.current = version
}

func (v *vault) fail(errResp *azfake.ErrorResponder) bool {
	v.calls.Add(1)
	code := v.refuse.Load()
	if code != nil {
		errResp.SetResponseError(v.status, *code)
	}
	return code != nil
}

func (v *vault) server() *fake.Server {
	return &fake.Server{
		WrapKey: func(_ context.Context, name, version string, p azkeys.KeyOperationParameters, _ *azkeys.WrapKeyOptions) (resp azfake.Responder[azkeys.WrapKeyResponse], errResp azfake.ErrorResponder) {
			if v.fail(&errResp) {
				return
			}
			if version == "" {
				version = v.current
			}
			out, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &v.versions[version].PublicKey, p.Value, nil)
			if err != nil || *p.Algorithm != azkeys.EncryptionAlgorithmRSAOAEP256 || strings.Trim(name, "/") != "lifeboat" {
				errResp.SetResponseError(http.StatusBadRequest, "BadParameter")
				return
			}
			kid := azkeys.ID(keyURL + "/" + version)
			resp.SetResponse(http.StatusOK, azkeys.WrapKeyResponse{KeyOperationResult: azkeys.KeyOperationResult{KID: &kid, Result: out}}, nil)
			return
		},
		UnwrapKey: func(_ context.Context, name, version string, p azkeys.KeyOperationParameters, _ *azkeys.UnwrapKeyOptions) (resp azfake.Responder[azkeys.UnwrapKeyResponse], errResp azfake.ErrorResponder) {
			if v.fail(&errResp) {
				return
			}
			_, version, _ = strings.Cut(name+"/"+version, "/") // the fake's pattern leaves both in the name
			key := v.versions[strings.TrimSuffix(version, "/")]
			if key == nil {
				errResp.SetResponseError(http.StatusNotFound, "KeyNotFound")
				return
			}
			out, err := rsa.DecryptOAEP(sha256.New(), rand.Reader, key, p.Value, nil)
			if err != nil {
				errResp.SetResponseError(http.StatusBadRequest, "BadParameter")
				return
			}
			resp.SetResponse(http.StatusOK, azkeys.UnwrapKeyResponse{KeyOperationResult: azkeys.KeyOperationResult{Result: out}}, nil)
			return
		},
	}
}

func (v *vault) open(t *testing.T, url string) *keyvault.Key {
	k, err := keyvault.Open(keyvault.Config{
		KeyURL: url,
		Token:  &azfake.TokenCredential{},
		Options: &azkeys.ClientOptions{ClientOptions: azcore.ClientOptions{
			Transport: fake.NewServerTransport(v.server()),
			Retry:     policy.RetryOptions{MaxRetries: -1},
		}},
	})
	require.NoError(t, err)
	return k
}

func TestSealedWithAVault(t *testing.T) {
	t.Parallel()
	ctx, v, inner := t.Context(), newVault(t), memory.New()
	config := func() sealed.Config {
		k := v.open(t, keyURL)
		return sealed.Config{Recipients: []sealed.Recipient{k}, Openers: []sealed.Opener{k}}
	}
	store := func() *sealed.Store {
		s, err := sealed.New(inner, config())
		require.NoError(t, err)
		return s
	}
	require.NoError(t, store().Create(ctx, "log/00000001/1", []byte("before the rotation")))
	v.rotate(t, strings.Repeat("2", 32))
	require.NoError(t, store().Create(ctx, "log/00000002/1", []byte("after it")))
	s := store()
	for name, want := range map[string]string{"log/00000001/1": "before the rotation", "log/00000002/1": "after it"} {
		got, err := blob.ReadAll(ctx, s, name, 100)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	calls := v.calls.Load()
	_, err := blob.ReadAll(ctx, s, "log/00000001/1", 100)
	require.NoError(t, err)
	require.Equal(t, calls, v.calls.Load(), "the vault is asked once for each key")
	report, err := store().Check(ctx)
	require.NoError(t, err)
	require.NoError(t, report.Err())

	delete(v.versions, strings.Repeat("1", 32)) // purged
	report, err = store().Check(ctx)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "scope log/00000001")
	require.ErrorContains(t, report.Err(), "soft delete")
	require.ErrorIs(t, report.Err(), blob.ErrPermanent)
}

func TestWrapsOfOthers(t *testing.T) {
	t.Parallel()
	ctx, v := t.Context(), newVault(t)
	k := v.open(t, keyURL)
	w, err := k.Wrap(ctx, make([]byte, 32))
	require.NoError(t, err)
	require.Equal(t, keyURL+"/"+strings.Repeat("1", 32), w.ID)
	require.True(t, k.Covers(w))
	key, err := k.Unwrap(ctx, w)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 32), key)

	calls := v.calls.Load()
	for _, id := range []string{
		"", "https://evil.example.org/keys/lifeboat/" + strings.Repeat("1", 32),
		"https://careful-south.vault.azure.net/keys/other/" + strings.Repeat("1", 32),
		keyURL, keyURL + "/../../secrets/x", keyURL + "/" + strings.Repeat("1", 32) + "?x=1",
	} {
		other := w
		other.ID = id
		require.False(t, k.Covers(other), id)
		_, err := k.Unwrap(ctx, other)
		require.ErrorIs(t, err, sealed.ErrNotMine, id)
	}
	other := w
	other.Kind = "age"
	_, err = k.Unwrap(ctx, other)
	require.ErrorIs(t, err, sealed.ErrNotMine)
	require.Equal(t, calls, v.calls.Load(), "no vault is asked because a store says so")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status    int
		code      string
		says      string
		permanent bool
	}{
		{403, "Forbidden", "Key Vault Crypto User", true},
		{404, "KeyNotFound", "soft delete", true},
		{400, "BadParameter", "another key", true},
		{429, "Throttled", "HTTP 429 Throttled", false},
		{503, "ServiceUnavailable", "HTTP 503", false},
	}
	for _, tt := range tests {
		v := newVault(t)
		k := v.open(t, keyURL)
		w, err := k.Wrap(t.Context(), make([]byte, 32))
		require.NoError(t, err)
		v.status = tt.status
		v.refuse.Store(&tt.code)
		_, wrapErr := k.Wrap(t.Context(), make([]byte, 32))
		_, unwrapErr := k.Unwrap(t.Context(), w)
		for _, err := range []error{wrapErr, unwrapErr} {
			require.ErrorContains(t, err, tt.says)
			require.ErrorContains(t, err, keyURL)
			require.NotContains(t, err.Error(), "\n")
			if tt.permanent {
				require.ErrorIs(t, err, blob.ErrPermanent)
			} else {
				require.NotErrorIs(t, err, blob.ErrPermanent)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "lifeboat", "http://v.vault.azure.net/keys/lifeboat", "https://v.vault.azure.net/secrets/lifeboat",
		"https://v.vault.azure.net/keys/lifeboat/" + strings.Repeat("1", 32), "https://v.vault.azure.net/keys/", "https:///keys/a",
		"https://v.vault.azure.net/keys/a?sig=x", "https://u:p@v.vault.azure.net/keys/a", "\x7f",
	} {
		_, err := keyvault.Open(keyvault.Config{KeyURL: url, Token: &azfake.TokenCredential{}})
		require.ErrorContains(t, err, "want https://VAULT", "%q", url)
	}
	_, err := keyvault.Open(keyvault.Config{KeyURL: keyURL}) // Entra ID, no request yet
	require.NoError(t, err)
}
