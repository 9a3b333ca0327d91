package azure

import (
	"fmt"
	"regexp"
	"strings"
)

// group is where most resources lie.
const group = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/"

const (
	identities = group + "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
	vaults     = group + "Microsoft.KeyVault/vaults/{vaultName}"
	registries = group + "Microsoft.ContainerRegistry/registries/{registryName}"
	insights   = group + "Microsoft.Insights/"
	clusters   = group + "Microsoft.ContainerService/managedClusters/{resourceName}"
	networks   = group + "Microsoft.Network/"
	servers    = group + "Microsoft.Sql/servers/{serverName}"
	databases  = servers + "/databases/{databaseName}"
	accounts   = group + "Microsoft.Storage/storageAccounts/{accountName}"
)

// idTemplates are the resource manager's paths of the types that stacks are made of, as its
// REST reference (2025-11) has them; {name} is the property of the inputs that stands there.
var idTemplates = map[string]string{
	"resources:ResourceGroup":                     "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}",
	"resources:Deployment":                        group + "Microsoft.Resources/deployments/{deploymentName}",
	"authorization:RoleAssignment":                "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
	"authorization:ManagementLockByScope":         "{scope}/providers/Microsoft.Authorization/locks/{lockName}",
	"managedidentity:UserAssignedIdentity":        identities,
	"managedidentity:FederatedIdentityCredential": identities + "/federatedIdentityCredentials/{federatedIdentityCredentialResourceName}",
	"keyvault:Vault":                              vaults,
	"keyvault:Key":                                vaults + "/keys/{keyName}",
	"containerregistry:Registry":                  registries,
	"containerregistry:Replication":               registries + "/replications/{replicationName}",
	"operationalinsights:Workspace":               group + "Microsoft.OperationalInsights/workspaces/{workspaceName}",
	"insights:ActionGroup":                        insights + "actionGroups/{actionGroupName}",
	"insights:MetricAlert":                        insights + "metricAlerts/{ruleName}",
	"insights:ScheduledQueryRule":                 insights + "scheduledQueryRules/{ruleName}",
	"insights:DiagnosticSetting":                  "{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
	"containerservice:ManagedCluster":             clusters,
	"containerservice:AgentPool":                  clusters + "/agentPools/{agentPoolName}",
	"containerservice:MaintenanceConfiguration":   clusters + "/maintenanceConfigurations/{configName}",
	"network:VirtualNetwork":                      networks + "virtualNetworks/{virtualNetworkName}",
	"network:Subnet":                              networks + "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}",
	"network:NetworkSecurityGroup":                networks + "networkSecurityGroups/{networkSecurityGroupName}",
	"network:PrivateZone":                         networks + "privateDnsZones/{privateZoneName}",
	"network:VirtualNetworkLink":                  networks + "privateDnsZones/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}",
	"network:PrivateEndpoint":                     networks + "privateEndpoints/{privateEndpointName}",
	"network:PrivateDnsZoneGroup":                 networks + "privateEndpoints/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}",
	"network:Zone":                                networks + "dnsZones/{zoneName}",
	"network:RecordSet":                           networks + "dnsZones/{zoneName}/{recordType}/{relativeRecordSetName}",
	"network:Profile":                             networks + "trafficManagerProfiles/{profileName}",
	"network:Endpoint":                            networks + "trafficManagerProfiles/{profileName}/{endpointType}/{endpointName}",
	"sql:Server":                                  servers,
	"sql:Database":                                databases,
	"sql:BackupShortTermRetentionPolicy":          databases + "/backupShortTermRetentionPolicies/{policyName}",
	"sql:LongTermRetentionPolicy":                 databases + "/backupLongTermRetentionPolicies/{policyName}",
	"sql:ExtendedServerBlobAuditingPolicy":        servers + "/extendedAuditingSettings/{blobAuditingPolicyName}",
	"storage:StorageAccount":                      accounts,
	"storage:BlobServiceProperties":               accounts + "/blobServices/{blobServicesName}",
	"storage:BlobContainer":                       accounts + "/blobServices/default/containers/{containerName}",
}

// IDTemplate is where the resource manager has resources of a type, such as "sql:Database"
// or "azure-native:sql/v20230801:Database"; "" for types that no stack is made of. A word in
// braces stands for the input of that name, {subscription} for the subscription.
func IDTemplate(token string) string {
	token = strings.TrimPrefix(token, "azure-native:")
	module, kind, _ := strings.Cut(token, ":")
	module, _, _ = strings.Cut(module, "/")
	return idTemplates[module+":"+kind]
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// ResourceID is the id that a resource has, or would have, by its type and inputs.
func ResourceID(token, subscription string, inputs map[string]any) (string, error) {
	template := IDTemplate(token)
	if template == "" {
		return "", fmt.Errorf("no id is known for resources of type %s", token)
	}
	var err error
	id := placeholder.ReplaceAllStringFunc(template, func(m string) string {
		name := m[1 : len(m)-1]
		if name == "subscription" {
			return subscription
		}
		v, _ := inputs[name].(string)
		if v == "" {
			err = fmt.Errorf("the inputs of a %s have no %s, which its id is made of", token, name)
		}
		return strings.TrimSuffix(v, "/")
	})
	if err != nil {
		return "", err
	}
	return id, nil
}
