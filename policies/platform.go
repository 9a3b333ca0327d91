package policies

import (
	"slices"
	"strings"
)

const (
	managedCluster  = "azure-native:containerservice:ManagedCluster"
	agentPool       = "azure-native:containerservice:AgentPool"
	vault           = "azure-native:keyvault:Vault"
	vaultKey        = "azure-native:keyvault:Key"
	registry        = "azure-native:containerregistry:Registry"
	replication     = "azure-native:containerregistry:Replication"
	privateEndpoint = "azure-native:network:PrivateEndpoint"
	trafficProfile  = "azure-native:network:Profile"
	recordSet       = "azure-native:network:RecordSet"
	actionGroup     = "azure-native:insights:ActionGroup"
	queryRule       = "azure-native:insights:ScheduledQueryRule"
	metricAlert     = "azure-native:insights:MetricAlert"
)

func clusterRules() []Rule {
	return []Rule{
		{
			ID: "cluster-private", Title: "The cluster's API is private",
			Why:      "Whoever reaches the API reaches every workload, the agent's identity included.",
			Fix:      "Set apiServerAccessProfile.enablePrivateCluster.",
			Severity: Error, Clauses: []string{"policy 6", "NHS DSPT 7.3"}, Roles: running,
			Pass: "enablePrivateCluster: true", Fail: "enablePrivateCluster: false",
			Check: each(managedCluster, "apiServerAccessProfile.enablePrivateCluster", isTrue),
		},
		{
			ID: "cluster-workload-identity", Title: "Pods use workload identity, and local accounts are off",
			Why:      "A secret in a pod is copied, logged and never rotated; an identity is none of these.",
			Fix:      "Enable securityProfile.workloadIdentity and the OIDC issuer; disable local accounts.",
			Severity: Error, Clauses: []string{"SOC 2 A1.3"}, Roles: running,
			Pass: "workloadIdentity: {enabled: true}", Fail: "workloadIdentity: {enabled: false}",
			Check: both(
				each(managedCluster, "securityProfile.workloadIdentity.enabled", isTrue),
				each(managedCluster, "oidcIssuerProfile.enabled", isTrue),
				each(managedCluster, "disableLocalAccounts", isTrue),
			),
		},
		{
			ID: "cluster-zones", Title: "Nodes are spread over zones where the region has them",
			Why:      "One building's power must not stop the application.",
			Fix:      "Set availabilityZones on every node pool.",
			Severity: Error, Clauses: []string{"policy 2"}, Roles: []Role{Primary},
			Pass: `availabilityZones: ["1", "2", "3"]`, Fail: "no availabilityZones",
			Check: clusterZones,
		},
		{
			ID: "cluster-autoscaling", Title: "Node pools grow with the load",
			Why:      "After a failover all users come at once; a fixed pool would turn them away.",
			Fix:      "Set enableAutoScaling with maxCount above minCount.",
			Severity: Warning, Clauses: []string{"policy 2"}, Roles: running,
			Pass: "enableAutoScaling: true", Fail: "enableAutoScaling: false",
			Check: both(each(agentPool, "enableAutoScaling", isTrue), each(managedCluster, "agentPoolProfiles.0.enableAutoScaling", isTrue)),
		},
		{
			ID: "cluster-defender", Title: "The cluster is watched for intrusions",
			Why:      "An incident that nobody notices is not recovered from.",
			Fix:      "Enable securityProfile.defender.securityMonitoring.",
			Severity: Error, Clauses: []string{"policy 9", "NHS DSPT 7.3"}, Roles: running,
			Pass: "securityMonitoring: {enabled: true}", Fail: "no defender",
			Check: each(managedCluster, "securityProfile.defender.securityMonitoring.enabled", isTrue),
		},
	}
}

func clusterZones(s *Stack) []Finding {
	return both(
		each(managedCluster, "location", isSet),
		zoned(managedCluster, "agentPoolProfiles.0.availabilityZones", severalZones),
		func(s *Stack) []Finding {
			if len(zoned(managedCluster, "resourceName", never)(s)) == 0 {
				return nil // the region has no zones
			}
			return every(agentPool, "availabilityZones", severalZones)(s)
		},
	)(s)
}

func never(Value) (bool, string) { return false, "" }

func severalZones(v Value) (bool, string) { return len(v.Items()) >= 2, "two zones or more" }

func keyRules() []Rule {
	return []Rule{
		{
			ID: "vault-purge-protection", Title: "Keys cannot be destroyed at once",
			Why:      "Without its key an encrypted mirror is noise; purge protection gives 90 days to notice.",
			Fix:      "Set enablePurgeProtection and enableSoftDelete with 90 days.",
			Severity: Error, Clauses: []string{"policy 1", "policy 5"}, Roles: standing,
			Pass: "enablePurgeProtection: true", Fail: "enablePurgeProtection not set",
			Check: both(
				each(vault, "properties.enablePurgeProtection", isTrue),
				each(vault, "properties.enableSoftDelete", isTrue),
				each(vault, "properties.softDeleteRetentionInDays", atLeast(90)),
			),
		},
		{
			ID: "vault-access", Title: "The vault is governed by roles and denies unnamed networks",
			Why:      "Access policies cannot be reviewed with the rest; an open vault hands out the keys to the mirror.",
			Fix:      "Set enableRbacAuthorization and networkAcls.defaultAction Deny.",
			Severity: Error, Clauses: []string{"SOC 2 A1.3"}, Roles: standing,
			Pass: `networkAcls: {defaultAction: "Deny"}`, Fail: `networkAcls: {defaultAction: "Allow"}`,
			Check: both(each(vault, "properties.enableRbacAuthorization", isTrue), each(vault, "properties.networkAcls.defaultAction", is("Deny"))),
		},
		{
			ID: "wrapping-key", Title: "Each region has a key that wraps and unwraps",
			Why:      "A key in the lost region alone opens nothing.",
			Fix:      "Declare the wrapping key of infra/keyvault with keyOps wrapKey and unwrapKey.",
			Severity: Error, Clauses: []string{"policy 5"}, Roles: standing,
			Pass: `keyOps: ["wrapKey", "unwrapKey"]`, Fail: `keyOps: ["wrapKey"]`,
			Check: each(vaultKey, "properties.keyOps", wraps),
		},
	}
}

func wraps(v Value) (bool, string) {
	var ops []string
	for _, o := range v.Items() {
		ops = append(ops, o.Text())
	}
	return slices.Contains(ops, "wrapKey") && slices.Contains(ops, "unwrapKey"), "wrapKey and unwrapKey"
}

func networkRules() []Rule {
	return []Rule{
		{
			ID: "private-endpoints", Title: "Store, vault and database are reached by private endpoints",
			Why:      "With public networks off, a missing endpoint means that the application cannot connect after a failover.",
			Fix:      "Declare a private endpoint for each service.",
			Severity: Error, Clauses: []string{"policy 5", "policy 6"}, Roles: running,
			Pass: `groupIds: ["sqlServer"]`, Fail: "no endpoint for sqlServer",
			Check: privateEndpoints,
		},
		{
			ID: "registry-replicated", Title: "Images are kept in the DR region too",
			Why:      "A cluster that cannot pull its images does not start.",
			Fix:      "Replicate the Premium registry into the DR region.",
			Severity: Error, Clauses: []string{"policy 6", "policy 7"}, Roles: []Role{DR},
			Pass: "Premium registry with a Replication", Fail: "Basic registry",
			Check: both(each(registry, "sku.name", is("Premium")), each(replication, "regionEndpointEnabled", isTrue)),
		},
		{
			ID: "registry-no-admin", Title: "The registry has no admin password",
			Why:      "Whoever can push an image owns the recovered application.",
			Fix:      "Set adminUserEnabled to false.",
			Severity: Error, Clauses: []string{"SOC 2 A1.3"}, Roles: []Role{DR},
			Pass: "adminUserEnabled: false", Fail: "adminUserEnabled: true",
			Check: each(registry, "adminUserEnabled", isFalse),
		},
	}
}

func privateEndpoints(s *Stack) []Finding {
	want := []string{"blob", "vault"}
	if len(s.OfType(sqlServer)) > 0 {
		want = append(want, "sqlServer")
	}
	var have []string
	for _, r := range s.OfType(privateEndpoint) {
		v := r.At("privateLinkServiceConnections.0.groupIds.0")
		if v.Unknown() {
			return unknown(r, "groupIds")
		}
		have = append(have, v.Text())
	}
	var found []Finding
	for _, service := range want {
		if !slices.Contains(have, service) {
			found = append(found, fail(nil, "no private endpoint for %s", service)...)
		}
	}
	return found
}

func edgeRules() []Rule {
	return []Rule{
		{
			ID: "dns-ttl", Title: "Names are forgotten within 60 seconds",
			Why:      "Until the old address expires, users are sent to a dead region.",
			Fix:      "Set edge.ttl to 60 or less.",
			Severity: Error, Clauses: []string{"policy 2"}, Roles: []Role{DR},
			Pass: "ttl: 30", Fail: "ttl: 3600",
			Check: both(each(trafficProfile, "dnsConfig.ttl", atMost(60)), each(recordSet, "ttl", atMost(60))),
		},
		{
			ID: "health-probe", Title: "Traffic follows a health probe over HTTPS",
			Why:      "Without a probe, traffic goes where nothing answers.",
			Fix:      "Set monitorConfig to HTTPS with a path of the application.",
			Severity: Error, Clauses: []string{"policy 2"}, Roles: []Role{DR},
			Pass: `monitorConfig: {protocol: "HTTPS", path: "/healthz"}`, Fail: `protocol: "TCP"`,
			Check: both(each(trafficProfile, "monitorConfig.protocol", is("HTTPS")), each(trafficProfile, "monitorConfig.path", isSet)),
		},
	}
}

// watched are the alerts that must exist, by a part of their names.
var watched = []string{"exposure", "lag", "snapshot", "failed-audit", "failed-mirror-verify", "failed-preflight", "failed-restore-proof"}

func alertRules() []Rule {
	return []Rule{
		{
			ID: "alerts-present", Title: "Exposure, lag, failed proofs and old snapshots raise alerts",
			Why:      "A mirror that silently fell behind is found out on the day it is needed.",
			Fix:      "Declare the missing alert in infra/alerts.",
			Severity: Error, Clauses: []string{"policy 9", "SOC 2 A1.3"}, Roles: []Role{Primary},
			Pass: "enabled rules exposure, lag, snapshot, failed-restore-proof, …", Fail: "no rule for lag",
			Check: alertsPresent,
		},
		{
			ID: "alerts-wired", Title: "Every alert reaches an action group",
			Why:      "An alert without an action is a row in a table.",
			Fix:      "Give the alert its action group.",
			Severity: Error, Clauses: []string{"policy 9"}, Roles: standing,
			Pass: "actions: {actionGroups: [id]}", Fail: "actions: {}",
			Check: alertsWired,
		},
		{
			ID: "alerts-people", Title: "The action group reaches at least two people",
			Why:      "One person sleeps, travels or leaves.",
			Fix:      "Name two or more people in alerts.emails.",
			Severity: Error, Clauses: []string{"policy 9"}, Roles: standing,
			Pass: "two emailReceivers", Fail: "one emailReceiver",
			Check: both(each(actionGroup, "enabled", isTrue), each(actionGroup, "emailReceivers", twoPeople)),
		},
	}
}

func twoPeople(v Value) (bool, string) { return len(v.Items()) >= 2, "two receivers or more" }

func alertsPresent(s *Stack) []Finding {
	var found []Finding
	for _, topic := range watched {
		ok := slices.ContainsFunc(s.OfType(queryRule), func(r *Resource) bool {
			return strings.Contains(strings.ToLower(r.Name), topic) && r.At("enabled").True()
		})
		if !ok {
			found = append(found, fail(nil, "no enabled alert on %s", topic)...)
		}
	}
	return found
}

// alertsWired: the group's id is often unknown in a preview; that something is there is
// known all the same.
func alertsWired(s *Stack) []Finding {
	var found []Finding
	for _, r := range s.OfType(queryRule) {
		if v := r.At("actions.actionGroups"); len(v.Items()) == 0 && !v.Unknown() {
			found = append(found, fail(r, "has no action group")...)
		}
	}
	for _, r := range s.OfType(metricAlert) {
		if v := r.At("actions"); len(v.Items()) == 0 && !v.Unknown() {
			found = append(found, fail(r, "has no action")...)
		}
	}
	return found
}
