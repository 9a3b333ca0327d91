package azure_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure"
)

// answers is a transport that gives prepared answers: for what Azurite cannot do. They
// follow the service's documented status codes and x-ms-error-code values:
// https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, code string, header ...string) *http.Response {
	h := http.Header{"X-Ms-Request-Id": {"r-1"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	if code != "" {
		h.Set("x-ms-error-code", code)
	}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader("")), Request: r}
}

func storeOf(t *testing.T, f answers) *azure.Store {
	return openStore(t, azure.Config{
		Location:  azure.Location{Account: "uksouth", Container: "log"},
		SAS:       "sv=1&sig=SECRETSIGNATURE",
		Tries:     1,
		Transport: f,
	})
}

func TestAnswersOfTheService(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status    int
		code      string
		is        error // tested for
		permanent bool
		says      string
	}{
		{404, "BlobNotFound", blob.ErrNotExist, false, ""},
		{404, "ContainerNotFound", nil, true, "infrastructure code"},
		{404, "", nil, false, "HTTP 404"}, // a proxy's page, not proof of absence
		{403, "AuthorizationPermissionMismatch", nil, true, "Storage Blob Data Contributor"},
		{403, "AuthorizationFailure", nil, true, "firewall"},
		{403, "AuthenticationFailed", nil, true, "wrong or expired"},
		{403, "KeyBasedAuthenticationNotPermitted", nil, true, "takes no keys"},
		{403, "AuthorizationSourceIPMismatch", nil, true, "issue another"},
		{403, "SomethingNew", nil, true, "SomethingNew"},
		{401, "NoAuthenticationInformation", nil, true, "wrong or expired"},
		{409, "BlobImmutableDueToPolicy", nil, true, "immutability policy"},
		{409, "BlobArchived", nil, true, "lifecycle rule"},
		{409, "ContainerBeingDeleted", nil, false, "being deleted"},
		{409, "AccountBeingCreated", nil, false, "AccountBeingCreated"},
		{400, "InvalidHeaderValue", nil, true, "too old"},
		{400, "Md5Mismatch", nil, false, "Md5Mismatch"},
		{429, "ServerBusy", nil, false, "throttles"},
		{500, "InternalError", nil, false, "HTTP 500"},
		{503, "ServerBusy", nil, false, "throttles"},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			s := storeOf(t, func(r *http.Request) (*http.Response, error) { return answer(r, tt.status, tt.code), nil })
			_, err := s.Stat(t.Context(), "log/1")
			require.Error(t, err)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			} else {
				require.NotErrorIs(t, err, blob.ErrNotExist)
				require.ErrorContains(t, err, "request r-1")
				require.ErrorContains(t, err, "azblob://uksouth/log")
				var raw *azcore.ResponseError
				require.ErrorAs(t, err, &raw)
			}
			require.Equal(t, tt.permanent, errors.Is(err, blob.ErrPermanent))
			require.ErrorContains(t, err, tt.says)
			require.ErrorContains(t, err, "stat log/1")
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "SECRET")
		})
	}
}

func TestClockSkewIsTold(t *testing.T) {
	t.Parallel()
	s := storeOf(t, func(r *http.Request) (*http.Response, error) {
		return answer(r, 403, "AuthenticationFailed", "Date", time.Now().Add(20*time.Minute+30*time.Second).UTC().Format(http.TimeFormat)), nil
	})
	_, err := s.Stat(t.Context(), "log/1")
	require.ErrorIs(t, err, blob.ErrPermanent)
	require.ErrorContains(t, err, "clock is -20m")
}

// TestImmutability: Azurite ignores immutability, so its answers are played here. A
// write of the same bytes onto a protected blob is a success, as without the policy.
func TestImmutability(t *testing.T) {
	t.Parallel()
	there := "protected"
	s := storeOf(t, func(r *http.Request) (*http.Response, error) {
		switch r.Method {
		case http.MethodHead:
			a := answer(r, 200, "", "x-ms-creation-time", time.Now().UTC().Format(http.TimeFormat))
			a.ContentLength = int64(len(there))
			a.Header.Set("Content-Length", "9")
			return a, nil
		case http.MethodGet:
			a := answer(r, 206, "", "Content-Length", "9")
			a.Body = io.NopCloser(strings.NewReader(there))
			a.ContentLength = int64(len(there))
			return a, nil
		}
		return answer(r, 409, "BlobImmutableDueToPolicy"), nil
	})
	require.NoError(t, s.Create(t.Context(), "log/1", []byte(there)))
	require.ErrorIs(t, s.Create(t.Context(), "log/1", []byte("otherwise")), blob.ErrExists)
	err := s.Delete(t.Context(), "log/1")
	require.ErrorIs(t, err, blob.ErrPermanent)
	require.ErrorContains(t, err, "when that has ended")
}

// TestSecretsStayOut: transport errors carry the request's URL, and that the SAS.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	s := storeOf(t, func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
	_, err := s.Stat(t.Context(), "log/1")
	require.ErrorContains(t, err, "connection refused")
	require.ErrorContains(t, err, "uksouth.blob.core.windows.net/log/log%2F1")
	require.NotContains(t, err.Error(), "SECRET")
	require.NotContains(t, err.Error(), "sig")
	require.NotErrorIs(t, err, blob.ErrPermanent)
}

// TestHostileLists: what a service lists is checked before anybody relies on it.
func TestHostileLists(t *testing.T) {
	t.Parallel()
	item := func(name string) string {
		return "<Blob><Name>" + name + "</Name><Properties><Creation-Time>Mon, 23 Nov 2026 12:00:00 GMT</Creation-Time>" +
			"<Content-Length>1</Content-Length></Properties></Blob>"
	}
	tests := []struct {
		name, blobs, says string
	}{
		{"out of order", item("log/2") + item("log/1"), "hierarchical namespace"},
		{"twice", item("log/1") + item("log/1"), "hierarchical namespace"},
		{"outside", item("other/1"), "outside"},
		{"climbing", item("log/../../etc"), "not an object"},
		{"no size", "<Blob><Name>log/1</Name><Properties></Properties></Blob>", "no size"},
		{"no name", "<Blob></Blob>", "no blob"},
		{"a directory", strings.Replace(item("log/1"), "<Content-Length>", "<ResourceType>directory</ResourceType><Content-Length>", 1), "hierarchical"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := storeOf(t, func(r *http.Request) (*http.Response, error) {
				a := answer(r, 200, "", "Content-Type", "application/xml")
				a.Body = io.NopCloser(strings.NewReader(`<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>` +
					tt.blobs + `</Blobs><NextMarker/></EnumerationResults>`))
				return a, nil
			})
			var last error
			for _, err := range s.List(t.Context(), "log/", "") {
				last = err
			}
			require.ErrorContains(t, last, tt.says)
		})
	}
}
