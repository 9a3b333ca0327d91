package provision_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"lifeboat/failover/provision"
)

const (
	subscription = "00000000-0000-0000-0000-000000000001"
	server       = `{"urn":"urn:server","type":"azure-native:sql/v20230801:Server","custom":true,"id":"/s","outputs":{"name":"s"},"inputs":{},"later":{"x":12345678901234567890}}`
	database     = `{"urn":"urn:database","type":"azure-native:sql/v20230801:Database","custom":true,"parent":"urn:server",` +
		`"inputs":{"resourceGroupName":"rg","serverName":"s","databaseName":"app","secret":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"abc"}}}`
	databaseID = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.Sql/servers/s/databases/app"
)

func state(resources, pending string) []byte {
	return fmt.Appendf(nil, `{"version":3,"deployment":{"manifest":{"time":"t"},"resources":[%s],"pending_operations":[%s],"metadata":{"new":1}}}`, resources, pending)
}

func creating(resource string) string {
	return `{"type":"creating","resource":` + resource + `}`
}

func TestSettle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name               string
		resources, pending string
		entered            string // id of the last resource; "": none was entered
		unsure             []string
		settled            bool
	}{
		{"nothing open", server, "", "", nil, false},
		{"a creation", server, creating(database), databaseID, []string{"urn:database"}, true},
		{"a replacement", server, creating(`{"urn":"urn:server","type":"azure-native:sql:Server","custom":true,"inputs":{"resourceGroupName":"rg","serverName":"s"}}`), "", nil, true},
		{"an update", server, `{"type":"updating","resource":` + server + `}`, "", nil, true},
		{"a provider", server, creating(`{"urn":"urn:p","type":"pulumi:providers:kubernetes","custom":true,"inputs":{}}`), "", nil, true},
		{"a component", server, creating(`{"urn":"urn:c","type":"lifeboat:sql:SQL","custom":false,"inputs":{}}`), "", nil, true},
		{"of no known type", server, creating(`{"urn":"urn:u","type":"azure-native:unheard:Of","custom":true,"inputs":{}}`), "", nil, true},
		{"without what its id is made of", server, creating(`{"urn":"urn:d","type":"azure-native:sql:Server","custom":true,"inputs":{"serverName":"s"}}`), "", nil, true},
		{"an object", server, creating(`{"urn":"urn:o","type":"kubernetes:apps/v1:Deployment","custom":true,"inputs":{"metadata":{"namespace":"lifeboat","name":"agent"}}}`), "lifeboat/agent", []string{"urn:o"}, true},
		{"an object of the cluster", server, creating(`{"urn":"urn:n","type":"kubernetes:core/v1:Namespace","custom":true,"inputs":{"metadata":{"name":"lifeboat"}}}`), "lifeboat", []string{"urn:n"}, true},
		{"killed before it was looked up", server + `,{"urn":"urn:x","type":"azure-native:sql:Database","custom":true,"id":"/x","inputs":{}}`, "", "", []string{"urn:x"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			settled, unsure, err := provision.Settle(state(tt.resources, tt.pending), subscription, nil)
			require.NoError(t, err)
			require.Equal(t, tt.unsure, unsure)
			require.Equal(t, tt.settled, settled != nil)
			if !tt.settled {
				return
			}
			var s struct {
				Version    int
				Deployment struct {
					Manifest, Metadata map[string]any
					Resources          []json.RawMessage
					Pending            []json.RawMessage `json:"pending_operations"`
				}
			}
			require.NoError(t, json.Unmarshal(settled, &s))
			require.Equal(t, 3, s.Version)
			require.Empty(t, s.Deployment.Pending)
			require.NotEmpty(t, s.Deployment.Manifest)
			require.NotEmpty(t, s.Deployment.Metadata, "what a newer engine keeps stays")
			require.JSONEq(t, server, string(s.Deployment.Resources[0]))
			require.Contains(t, string(s.Deployment.Resources[0]), "12345678901234567890", "to the last digit")
			if tt.entered == "" {
				require.Len(t, s.Deployment.Resources, 1)
				return
			}
			require.Len(t, s.Deployment.Resources, 2)
			require.Contains(t, string(s.Deployment.Resources[1]), fmt.Sprintf(`"id":%q`, tt.entered))
		})
	}
	_, _, err := provision.Settle([]byte(`{"version":3,"deployment":{"resources":[7]}}`), subscription, nil)
	require.Error(t, err)
	settled, unsure, err := provision.Settle([]byte(`{"version":3}`), subscription, nil)
	require.NoError(t, err, "a stack that nothing was ever made of")
	require.Nil(t, settled)
	require.Empty(t, unsure)
}

// TestFailedCreationsAreLookedUp: the answer may have been lost. One that the state has open
// as well is entered once.
func TestFailedCreationsAreLookedUp(t *testing.T) {
	t.Parallel()
	failed := []apitype.StepEventStateMetadata{
		{URN: "urn:database", Type: "azure-native:sql/v20230801:Database", Custom: true, Parent: "urn:server", Provider: "urn:provider::1",
			Inputs: map[string]any{"resourceGroupName": "rg", "serverName": "s", "databaseName": "app"}},
		{URN: "urn:server", Type: "azure-native:sql/v20230801:Server", Custom: true, Inputs: map[string]any{"resourceGroupName": "rg", "serverName": "s"}},
		{URN: "urn:other", Type: "azure-native:unheard:Of", Custom: true},
	}
	for _, pending := range []string{"", creating(database)} {
		settled, unsure, err := provision.Settle(state(server, pending), subscription, failed)
		require.NoError(t, err)
		require.Equal(t, []string{"urn:database"}, unsure, "the server is in the state: something else failed about it")
		require.Equal(t, 1, strings.Count(string(settled), databaseID))
	}
}

// TestSecretsStayEncrypted: what the state holds encrypted goes back as it came.
func TestSecretsStayEncrypted(t *testing.T) {
	t.Parallel()
	settled, _, err := provision.Settle(state(server, creating(database)), subscription, nil)
	require.NoError(t, err)
	require.Contains(t, string(settled), `"ciphertext":"abc"`)
}
