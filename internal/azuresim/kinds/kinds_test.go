package kinds_test

import (
	"context"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"lifeboat/internal/azuresim"
	"lifeboat/internal/azuresim/kinds"
)

type props = azuresim.Props

// azure is a client of the stand-in with all the project's kinds.
type azure struct {
	t      testing.TB
	cloud  *azuresim.Cloud
	client pulumirpc.ResourceProviderClient
	k8s    pulumirpc.ResourceProviderClient
}

func connect(t testing.TB) *azure {
	t.Helper()
	a := &azure{t: t, cloud: azuresim.New(azuresim.Options{Kinds: kinds.Azure(), Objects: kinds.Kubernetes()})}
	server, err := azuresim.Serve(a.cloud)
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	dial := func(provider string) pulumirpc.ResourceProviderClient {
		port := regexp.MustCompile(provider + `:(\d+)`).FindStringSubmatch(server.Env())[1]
		conn, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conn.Close()) })
		return pulumirpc.NewResourceProviderClient(conn)
	}
	a.client, a.k8s = dial("azure-native"), dial("kubernetes")
	//lint:ignore SA1019 the engine still sends it, and the pinned providers read it
	_, err = a.client.Configure(t.Context(), &pulumirpc.ConfigureRequest{Variables: map[string]string{"azure-native:config:subscriptionId": "s"}})
	require.NoError(t, err)
	a.make("resources:ResourceGroup", props{"resourceGroupName": "g", "location": "uksouth"})
	return a
}

func (a *azure) props(p props) *structpb.Struct {
	a.t.Helper()
	s, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(p), plugin.MarshalOptions{})
	require.NoError(a.t, err)
	return s
}

// try checks and creates, as the engine does; it returns the id, the state and the first
// thing that was wrong.
func (a *azure) try(kind string, p props) (string, map[string]*structpb.Value, string) {
	a.t.Helper()
	client, urn := a.client, "urn:pulumi:s::p::azure-native:"+kind+"::n"
	if strings.HasPrefix(kind, "kubernetes:") {
		client, urn = a.k8s, "urn:pulumi:s::p::"+kind+"::n"
	} else if _, ok := p["resourceGroupName"]; !ok && p["scope"] == nil && p["resourceUri"] == nil {
		p["resourceGroupName"] = "g"
	}
	c, err := client.Check(context.Background(), &pulumirpc.CheckRequest{Urn: urn, News: a.props(p)})
	require.NoError(a.t, err)
	if len(c.GetFailures()) > 0 {
		var all []string
		for _, f := range c.GetFailures() {
			all = append(all, f.GetReason())
		}
		return "", nil, strings.Join(all, "; ")
	}
	r, err := client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn, Properties: c.GetInputs()})
	if err != nil {
		return "", nil, err.Error()
	}
	return r.GetId(), r.GetProperties().GetFields(), ""
}

func (a *azure) make(kind string, p props) (string, map[string]*structpb.Value) {
	a.t.Helper()
	id, state, why := a.try(kind, p)
	require.Empty(a.t, why, kind)
	return id, state
}

func (a *azure) refused(want, kind string, p props) {
	a.t.Helper()
	_, _, why := a.try(kind, p)
	require.Contains(a.t, why, want, kind)
}

func account(name string, more props) props {
	p := props{"accountName": name, "location": "uksouth", "kind": "StorageV2", "sku": props{"name": "Standard_ZRS"}}
	for k, v := range more {
		p[k] = v
	}
	return p
}

func TestStorageAccounts(t *testing.T) {
	t.Parallel()
	a := connect(t)
	for want, p := range map[string]props{
		"3 to 24 lower-case letters":                   account("Under_Score", nil),
		"is not one of Standard_LRS":                   account("abc", props{"sku": props{"name": "Standard_XRS"}}),
		"AvailabilityZoneNotSupported":                 account("abc", props{"location": "ukwest"}),
		"a policy can only be created Disabled or Un":  account("abc", props{"immutableStorageWithVersioning": props{"enabled": true, "immutabilityPolicy": props{"state": "Locked", "immutabilityPeriodSinceCreationInDays": 3}}}),
		"is not a public address":                      account("abc", props{"networkRuleSet": props{"defaultAction": "Deny", "ipRules": []any{props{"iPAddressOrRange": "10.0.0.1"}}}}),
		"unknown property; known: accessTier":          account("abc", props{"alowBlobPublicAccess": false}),
		"kind: missing required property":              {"accountName": "abc", "location": "uksouth", "sku": props{"name": "Standard_LRS"}},
		"networkRuleSet.defaultAction: missing requir": account("abc", props{"networkRuleSet": props{}}),
	} {
		a.refused(want, "storage/v20230501:StorageAccount", p)
	}
	_, state := a.make("storage/v20230501:StorageAccount", account("abc", nil))
	require.Equal(t, "https://abc.blob.core.windows.net/", state["primaryEndpoints"].GetStructValue().GetFields()["blob"].GetStringValue())
	a.refused("PublicAccessNotPermitted", "storage:BlobContainer", props{"accountName": "abc", "containerName": "log", "publicAccess": "Blob"})
	a.refused("ParentResourceNotFound", "storage:BlobContainer", props{"accountName": "none", "containerName": "log"})
	a.refused("lower-case letters", "storage:BlobContainer", props{"accountName": "abc", "containerName": "a--b"})
	a.make("storage:BlobContainer", props{"accountName": "abc", "containerName": "log"})
}

// retention is a template that sets an account's retention.
func retention(deployment, state string, days int) props {
	return props{"deploymentName": deployment, "properties": props{"mode": "Incremental", "template": props{"resources": []any{props{
		"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-05-01", "name": "abc", "location": "uksouth",
		"properties": props{"immutableStorageWithVersioning": props{"enabled": true, "immutabilityPolicy": props{"state": state, "immutabilityPeriodSinceCreationInDays": days}}},
	}}}}}
}

func TestRetentionOnlyGrowsOnceLocked(t *testing.T) {
	t.Parallel()
	a := connect(t)
	a.make("storage:StorageAccount", account("abc", props{"immutableStorageWithVersioning": props{"enabled": true}}))
	a.refused("can only be created Disabled or Unlocked", "resources:Deployment", retention("d1", "Locked", 30))
	a.make("resources:Deployment", retention("d2", "Unlocked", 30))
	a.make("resources:Deployment", retention("d3", "Unlocked", 7))
	a.make("resources:Deployment", retention("d4", "Locked", 30))
	a.refused("cannot become 29", "resources:Deployment", retention("d5", "Locked", 29))
	a.refused("cannot become Unlocked", "resources:Deployment", retention("d6", "Unlocked", 30))
	a.make("resources:Deployment", retention("d7", "Locked", 31))
	a.make("storage:StorageAccount", account("xyz", nil))
	plain := retention("d8", "Unlocked", 30)
	plain["properties"].(props)["template"].(props)["resources"].([]any)[0].(props)["name"] = "xyz"
	a.refused("made without version-level immutability", "resources:Deployment", plain)
}

func TestIdentitiesAndRoles(t *testing.T) {
	t.Parallel()
	a := connect(t)
	id, state := a.make("managedidentity:UserAssignedIdentity", props{"resourceName": "agent", "location": "uksouth"})
	role := func(principal, name string) props {
		return props{"scope": id, "roleAssignmentName": name, "principalId": principal, "principalType": "ServicePrincipal",
			"roleDefinitionId": "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"}
	}
	const guid = "11111111-2222-4333-8444-555555555555"
	a.refused("PrincipalNotFound", "authorization/v20220401:RoleAssignment", role(guid, guid))
	a.refused("a GUID", "authorization:RoleAssignment", role(guid, "agent-reader"))
	a.make("authorization:RoleAssignment", role(state["principalId"].GetStringValue(), guid))
	a.refused("RoleAssignmentExists", "authorization:RoleAssignment", role(state["principalId"].GetStringValue(), "21111111-2222-4333-8444-555555555555"))
	trust := func(name, subject string) props {
		return props{"resourceName": "agent", "federatedIdentityCredentialResourceName": name, "issuer": "https://i", "subject": subject, "audiences": []any{"a"}}
	}
	a.make("managedidentity:FederatedIdentityCredential", trust("one", "x"))
	a.refused("issuer and subject", "managedidentity:FederatedIdentityCredential", trust("two", "x"))
}

func TestSQL(t *testing.T) {
	t.Parallel()
	a := connect(t)
	entra := props{"azureADOnlyAuthentication": true, "sid": "x", "login": "admins"}
	a.refused("login and password are needed", "sql:Server", props{"serverName": "srv", "location": "uksouth"})
	a.refused("1 to 63 lower-case letters", "sql:Server", props{"serverName": "-srv", "location": "uksouth", "administrators": entra})
	_, state := a.make("sql:Server", props{"serverName": "srv", "location": "uksouth", "administrators": entra})
	require.Equal(t, "srv.database.windows.net", state["fullyQualifiedDomainName"].GetStringValue())
	db := func(sku props, more props) props {
		p := props{"serverName": "srv", "databaseName": "app", "location": "uksouth", "sku": sku}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
	a.refused("is not a database size", "sql:Database", db(props{"name": "GP_Gen5_5"}, nil))
	a.refused("is not the tier", "sql:Database", db(props{"name": "GP_Gen5_4", "tier": "Hyperscale"}, nil))
	a.refused("is over the 4096 GiB", "sql:Database", db(props{"name": "GP_Gen5_4"}, props{"maxSizeBytes": 1e15}))
	a.make("sql:Database", db(props{"name": "GP_Gen5_4", "tier": "GeneralPurpose"}, props{"zoneRedundant": true}))
	a.refused("must be 1 to 35", "sql:BackupShortTermRetentionPolicy", props{"serverName": "srv", "databaseName": "app", "policyName": "default", "retentionDays": 36, "diffBackupIntervalInHours": 12})
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	a := connect(t)
	a.make("network:VirtualNetwork", props{"virtualNetworkName": "net", "location": "uksouth", "addressSpace": props{"addressPrefixes": []any{"10.0.0.0/16"}}})
	subnet := func(name, prefix string) props {
		return props{"virtualNetworkName": "net", "subnetName": name, "addressPrefix": prefix}
	}
	a.refused("NetcfgInvalidSubnet", "network:Subnet", subnet("out", "10.1.0.0/24"))
	id, _ := a.make("network:Subnet", subnet("one", "10.0.0.0/24"))
	a.refused("NetcfgSubnetRangesOverlap", "network:Subnet", subnet("two", "10.0.0.128/25"))
	account, _ := a.make("storage:StorageAccount", account("abc", nil))
	endpoint := func(group string) props {
		return props{"privateEndpointName": "pe", "location": "uksouth", "subnet": props{"id": id},
			"privateLinkServiceConnections": []any{props{"name": "c", "privateLinkServiceId": account, "groupIds": []any{group}}}}
	}
	a.refused("is not what microsoft.storage/storageaccounts offers: blob", "network/v20210201:PrivateEndpoint", endpoint("sqlServer"))
	a.make("network:PrivateEndpoint", endpoint("blob"))
	a.make("network:Profile", props{"profileName": "tm", "location": "global", "trafficRoutingMethod": "Priority", "monitorConfig": props{"intervalInSeconds": 10, "timeoutInSeconds": 9}})
	target := func(name, host string, priority int) props {
		return props{"profileName": "tm", "endpointType": "ExternalEndpoints", "endpointName": name, "target": host, "priority": priority}
	}
	a.make("network:Endpoint", target("a", "a.example", 10))
	a.refused("priority 10 is that of", "network:Endpoint", target("b", "b.example", 10))
	a.refused("target a.example is that of", "network:Endpoint", target("b", "a.example", 20))
	a.refused("at most 9 with an interval of 10", "network:Profile", props{"profileName": "tm2", "location": "global", "trafficRoutingMethod": "Priority", "monitorConfig": props{"intervalInSeconds": 10, "timeoutInSeconds": 10}})
}

// cluster makes a cluster and points the Kubernetes client at it.
func (a *azure) cluster() string {
	a.t.Helper()
	id, _ := a.make("containerservice:ManagedCluster", props{"resourceName": "aks", "location": "uksouth", "dnsPrefix": "aks", "nodeResourceGroup": "nodes",
		"agentPoolProfiles": []any{props{"name": "system", "mode": "System", "vmSize": "Standard_D2ds_v5", "count": 2}}})
	answer, err := a.client.Invoke(a.t.Context(), &pulumirpc.InvokeRequest{Tok: "azure-native:containerservice:listManagedClusterUserCredentials",
		Args: a.props(props{"resourceGroupName": "g", "resourceName": "aks"})})
	require.NoError(a.t, err)
	config := answer.GetReturn().GetFields()["kubeconfigs"].GetListValue().GetValues()[0].GetStructValue().GetFields()["value"].GetStringValue()
	//lint:ignore SA1019 the engine still sends it, and the pinned providers read it
	_, err = a.k8s.Configure(a.t.Context(), &pulumirpc.ConfigureRequest{Variables: map[string]string{"kubernetes:config:kubeconfig": decode(a.t, config)}})
	require.NoError(a.t, err)
	return id
}

func TestClusters(t *testing.T) {
	t.Parallel()
	a := connect(t)
	pool := props{"name": "system", "mode": "System", "vmSize": "Standard_D2ds_v5", "count": 2}
	for want, p := range map[string]props{
		"needs a pool of mode System":  {"resourceName": "aks", "location": "uksouth", "agentPoolProfiles": []any{props{"name": "u", "mode": "User", "vmSize": "Standard_D2ds_v5"}}},
		"is not a known node size":     {"resourceName": "aks", "location": "uksouth", "agentPoolProfiles": []any{props{"name": "s", "mode": "System", "vmSize": "huge"}}},
		"workload identity needs":      {"resourceName": "aks", "location": "uksouth", "agentPoolProfiles": []any{pool}, "securityProfile": props{"workloadIdentity": props{"enabled": true}}},
		"needs aadProfile.managed":     {"resourceName": "aks", "location": "uksouth", "agentPoolProfiles": []any{pool}, "disableLocalAccounts": true},
		"AvailabilityZoneNotSupported": {"resourceName": "aks", "location": "ukwest", "agentPoolProfiles": []any{props{"name": "s", "mode": "System", "vmSize": "Standard_D2ds_v5", "availabilityZones": []any{"1"}}}},
	} {
		a.refused(want, "containerservice:ManagedCluster", p)
	}
	plane, state := a.make("managedidentity:UserAssignedIdentity", props{"resourceName": "plane", "location": "uksouth"})
	kubelet, _ := a.make("managedidentity:UserAssignedIdentity", props{"resourceName": "kubelet", "location": "uksouth"})
	p := props{"resourceName": "aks", "location": "uksouth", "nodeResourceGroup": "nodes", "agentPoolProfiles": []any{pool},
		"identity": props{"type": "UserAssigned", "userAssignedIdentities": []any{plane}}, "identityProfile": props{"kubeletidentity": props{"resourceId": kubelet}}}
	a.refused("CustomKubeletIdentityMissingPermissionError", "containerservice:ManagedCluster", p)
	a.make("authorization:RoleAssignment", props{"scope": kubelet, "roleAssignmentName": "11111111-2222-4333-8444-555555555555", "principalId": state["principalId"].GetStringValue(),
		"principalType": "ServicePrincipal", "roleDefinitionId": "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/f1a07417-d97a-45cb-824c-7a7467783830"})
	id, _ := a.make("containerservice:ManagedCluster", p)
	require.Contains(t, a.cloud.IDs(), id+"/nodes/nodes", "a cluster brings its node group")
	a.cloud.Remove(id)
	require.NotContains(t, strings.Join(a.cloud.IDs(), " "), "/nodes/", "and takes it along")
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	a := connect(t)
	space := props{"metadata": props{"name": "app", "labels": props{"pod-security.kubernetes.io/enforce": "restricted"}}}
	a.refused("unreachable", "kubernetes:core/v1:Namespace", space)
	id := a.cluster()
	pod := func(security props) props {
		return props{"metadata": props{"labels": props{"a": "b"}}, "spec": props{"serviceAccountName": "app", "securityContext": props{"runAsNonRoot": true, "seccompProfile": props{"type": "RuntimeDefault"}},
			"containers": []any{props{"name": "c", "image": "r/i@sha256:" + strings.Repeat("a", 64), "securityContext": security}}}}
	}
	deployment := func(template props) props {
		return props{"metadata": props{"name": "app", "namespace": "app"}, "spec": props{"selector": props{"matchLabels": props{"a": "b"}}, "template": template}}
	}
	good := pod(props{"allowPrivilegeEscalation": false, "capabilities": props{"drop": []any{"ALL"}}})
	a.refused(`namespaces "app" not found`, "kubernetes:apps/v1:Deployment", deployment(good))
	a.make("kubernetes:core/v1:Namespace", space)
	a.refused("service account app: not found", "kubernetes:apps/v1:Deployment", deployment(good))
	a.make("kubernetes:core/v1:ServiceAccount", props{"metadata": props{"name": "app", "namespace": "app"}})
	a.refused("violates PodSecurity", "kubernetes:apps/v1:Deployment", deployment(pod(props{"allowPrivilegeEscalation": true})))
	a.refused("selector asks for a=b", "kubernetes:apps/v1:Deployment", deployment(props{"spec": good["spec"]}))
	a.refused("unknown property", "kubernetes:apps/v1:Deployment", props{"metadata": props{"name": "app", "namespace": "app"}, "spek": props{}})
	a.refused("would land in the default namespace", "kubernetes:core/v1:ConfigMap", props{"metadata": props{"name": "c"}})
	a.refused("is not a DNS name", "kubernetes:core/v1:Namespace", props{"metadata": props{"name": "App"}})
	a.refused("is not a cron expression", "kubernetes:batch/v1:CronJob", props{"metadata": props{"name": "j", "namespace": "app"}, "spec": props{"schedule": "daily",
		"jobTemplate": props{"spec": props{"template": good}}}})
	a.make("kubernetes:apps/v1:Deployment", deployment(good))
	a.cloud.Inject(azuresim.Fault{Region: "uksouth", Effect: azuresim.RegionDown})
	a.refused("region uksouth does not answer", "kubernetes:core/v1:Namespace", props{"metadata": props{"name": "other"}})
	a.cloud.Heal()
	a.cloud.Remove(id)
	for _, left := range a.cloud.IDs() {
		require.NotContains(t, left, "/objects/", "what ran in a cluster goes with it")
	}
}

func TestVaultsAndRegistries(t *testing.T) {
	t.Parallel()
	a := connect(t)
	vault := func(name string, more props) props {
		p := props{"tenantId": "t", "sku": props{"family": "A", "name": "premium"}}
		for k, v := range more {
			p[k] = v
		}
		return props{"vaultName": name, "location": "uksouth", "properties": p}
	}
	a.refused("3 to 24 letters", "keyvault:Vault", vault("a--b", nil))
	a.refused("must be 7 to 90", "keyvault:Vault", vault("abc", props{"softDeleteRetentionInDays": 5}))
	a.refused("cannot be set to false", "keyvault:Vault", vault("abc", props{"enablePurgeProtection": false}))
	a.make("keyvault:Vault", vault("abc", props{"enablePurgeProtection": true}))
	_, state := a.make("keyvault:Key", props{"vaultName": "abc", "keyName": "wrap", "properties": props{"kty": "RSA"}})
	require.Equal(t, "https://abc.vault.azure.net/keys/wrap", state["keyUri"].GetStringValue())
	a.refused("needs sku Premium", "containerregistry:Registry", props{"registryName": "images", "location": "uksouth", "sku": props{"name": "Basic"}, "zoneRedundancy": "Enabled"})
	a.make("containerregistry:Registry", props{"registryName": "images", "location": "uksouth", "sku": props{"name": "Premium"}})
	a.refused("the registry's home is uksouth", "containerregistry:Replication", props{"registryName": "images", "replicationName": "uksouth", "location": "uksouth"})
}

func decode(t testing.TB, text string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return string(b)
}
