package arm_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"lifeboat/failover/preflight/arm"
)

type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t0ken", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func client(t *testing.T, handler http.HandlerFunc) (*arm.Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	c, err := arm.New(arm.Config{Subscription: "sub", Endpoint: server.URL, Credential: token{}, Transport: server.Client()})
	require.NoError(t, err)
	return c, server
}

func TestFree(t *testing.T) {
	t.Parallel()
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/subscriptions/sub/providers/Microsoft.Compute/locations/ukwest/usages":
			fmt.Fprint(w, `{"value":[{"limit":100,"currentValue":88,"name":{"value":"standardDDSv5Family","localizedValue":"x"}}]}`)
		case "/subscriptions/sub/providers/Microsoft.Sql/locations/ukwest/usages":
			fmt.Fprint(w, `{"value":[{"name":"ServerQuota","properties":{"limit":20,"currentValue":1}},{"name":"RegionalVCoreQuotaForSQLDBAndDW","properties":{"limit":200,"currentValue":4}}]}`)
		default:
			http.NotFound(w, r)
		}
	})
	free, err := c.Free(t.Context(), "ukwest")
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"standardDDSv5Family": 12, arm.SQLCores: 196}, free)
	_, err = c.Free(t.Context(), "nowhere")
	require.ErrorContains(t, err, "list Microsoft.Compute/locations/nowhere/usages")
}

func TestSizesAreReadPageByPage(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	c, server := client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") == "2" {
			fmt.Fprint(w, `{"value":[{"resourceType":"virtualMachines","name":"D2","restrictions":[{"type":"Zone"}]},{"resourceType":"disks","name":"P1"}]}`)
			return
		}
		fmt.Fprintf(w, `{"value":[{"resourceType":"virtualMachines","name":"D4"},{"resourceType":"virtualMachines","name":"D8","restrictions":[{"type":"Location"}]}],"nextLink":"%s/more?page=2"}`, server.URL)
	})
	sizes, err := c.Sizes(t.Context(), "ukwest")
	require.NoError(t, err)
	require.Equal(t, []string{"D2", "D4"}, sizes)
}

func TestTheTokenStaysHere(t *testing.T) {
	t.Parallel()
	c, _ := client(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"value":[],"nextLink":"https://elsewhere.example/more"}`)
	})
	_, err := c.Sizes(t.Context(), "ukwest")
	require.ErrorContains(t, err, "another host")
	require.NotContains(t, err.Error(), "t0ken")
}

// TestInGroups answers as the resource manager's reference shows it.
func TestInGroups(t *testing.T) {
	t.Parallel()
	const group = "/subscriptions/sub/resourceGroups/rg-careful-d1"
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("api-version") == "" {
			http.Error(w, `{"error":{"code":"MissingApiVersionParameter"}}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case group:
			fmt.Fprintf(w, `{"id":%q,"name":"rg-careful-d1","location":"ukwest","properties":{"provisioningState":"Deleting"}}`, group)
		case group + "/resources":
			fmt.Fprintf(w, `{"value":[{"id":"%[1]s/providers/Microsoft.Sql/servers/s","type":"Microsoft.Sql/servers"},{"id":"%[1]s/providers/Microsoft.KeyVault/vaults/v"}]}`, group)
		case "/subscriptions/sub/resourceGroups/forbidden":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"code":"AuthorizationFailed","message":"no"}}`)
		case "/subscriptions/sub/resourceGroups/lost":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":{"code":"SubscriptionNotFound","message":"no"}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":{"code":"ResourceGroupNotFound","message":"could not be found"}}`)
		}
	})
	ids, err := c.InGroups(t.Context(), "rg-careful-d1", "rg-careful-d1-nodes")
	require.NoError(t, err)
	require.Equal(t, []string{group, group + "/providers/Microsoft.KeyVault/vaults/v", group + "/providers/Microsoft.Sql/servers/s"}, ids)
	ids, err = c.InGroups(t.Context(), "rg-careful-d1-nodes")
	require.NoError(t, err)
	require.Empty(t, ids, "gone")
	for _, name := range []string{"forbidden", "lost"} { // no answer is no proof
		_, err = c.InGroups(t.Context(), name)
		require.ErrorContains(t, err, "resource group "+name)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		code := map[string]string{"/gone": "ResourceNotFound", "/hidden": "AuthorizationFailed"}
		const path = "/subscriptions/sub/resourceGroups/rg-dr/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
		switch name := strings.TrimPrefix(r.URL.Path, path); name {
		case "/id-agent":
			fmt.Fprint(w, `{"name":"id-agent","properties":{"clientId":"c","principalId":"p"}}`)
		case "/gone", "/hidden":
			w.Header().Set("x-ms-error-code", code[name])
			w.WriteHeader(map[string]int{"/gone": http.StatusNotFound, "/hidden": http.StatusForbidden}[name])
		default:
			fmt.Fprint(w, `{}`)
		}
	})
	for name, want := range map[string][2]string{"id-agent": {"p", "c"}, "gone": {}} {
		principal, client, err := c.Identity(t.Context(), "rg-dr", name)
		require.NoError(t, err, name)
		require.Equal(t, want, [2]string{principal, client}, name)
	}
	_, _, err := c.Identity(t.Context(), "rg-dr", "hidden")
	require.ErrorContains(t, err, "look for identity hidden in rg-dr")
	_, _, err = c.Identity(t.Context(), "rg-dr", "odd")
	require.ErrorContains(t, err, "does not tell its principal")
}
