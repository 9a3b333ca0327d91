package arm_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
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
