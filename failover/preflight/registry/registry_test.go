package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/preflight/registry"
)

var digest = "sha256:" + strings.Repeat("ab", 32)

// serve is a registry that has one image and wants a token; exchange as Azure's does.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/oauth2/exchange" && r.FormValue("access_token") == "entra":
			fmt.Fprint(w, `{"refresh_token":"again"}`)
		case r.URL.Path == "/token" && r.Method == http.MethodPost && r.FormValue("refresh_token") == "again":
			fmt.Fprint(w, `{"access_token":"good"}`)
		case r.URL.Path == "/token" && r.Method == http.MethodGet && r.FormValue("scope") == "repository:open/app:pull":
			fmt.Fprint(w, `{"token":"good"}`)
		case strings.HasPrefix(r.URL.Path, "/v2/") && r.Header.Get("Authorization") != "Bearer good":
			repository, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="here",scope="repository:%s:pull"`, server.URL, repository))
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v2/open/app/manifests/"+digest || r.URL.Path == "/v2/careful/app/manifests/"+digest:
		case r.URL.Path == "/v2/broken/manifests/"+digest:
			w.WriteHeader(http.StatusBadGateway)
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			http.NotFound(w, r)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestHas(t *testing.T) {
	t.Parallel()
	server := serve(t)
	host := strings.TrimPrefix(server.URL, "https://")
	entra := func(context.Context) (string, error) { return "entra", nil }
	for _, tt := range []struct {
		name, ref string
		token     func(context.Context) (string, error)
		has       bool
		err       string
	}{
		{"anonymous", "open/app@" + digest, nil, true, ""},
		{"with Entra ID", "careful/app@" + digest, entra, true, ""},
		{"not there", "careful/other@" + digest, entra, false, ""},
		{"not for anonymous eyes", "careful/app@" + digest, nil, false, "answers 403"},
		{"registry broken", "broken@" + digest, entra, false, "answers 502"},
		{"by tag", "careful/app:latest", entra, false, "not repository@sha256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &registry.Registry{Host: host, Client: server.Client(), Token: tt.token}
			has, err := r.Has(t.Context(), tt.ref)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.NotContains(t, err.Error(), "entra\"")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.has, has)
		})
	}
	_, err := (&registry.Registry{}).Has(t.Context(), "app@"+digest)
	require.ErrorContains(t, err, "no registry")
}
