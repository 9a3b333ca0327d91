package kinds

import (
	"fmt"
	"strings"

	"lifeboat/infra/azure"
	"lifeboat/infra/native"
	sim "lifeboat/internal/azuresim"
)

func clusterKinds() []sim.Kind {
	return []sim.Kind{
		{Token: "containerservice:ManagedCluster", Schema: sim.SchemaOf(native.ManagedClusterArgs{}),
			Name: name(`[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?`), NameRule: "1 to 63 letters, digits, '_' or '-'",
			Required: []string{"agentPoolProfiles"}, Check: clusterCheck, Demand: clusterDemand, Apply: clusterApply, Compute: clusterOutputs,
			Replaces: []string{"dnsPrefix", "nodeResourceGroup", "networkProfile", "apiServerAccessProfile", "identity.userAssignedIdentities"}},
		{Token: "containerservice:AgentPool", Schema: sim.SchemaOf(native.AgentPoolArgs{}),
			Name: name(`[a-z][a-z0-9]{0,11}`), NameRule: "1 to 12 lower-case letters or digits, starting with a letter",
			Check: func(p sim.Props) []sim.Failure { return poolCheck("", p) }, Demand: poolDemand, Replaces: []string{"vmSize", "osType", "vnetSubnetID", "availabilityZones"}},
		{Token: "containerservice:MaintenanceConfiguration", Schema: sim.SchemaOf(native.MaintenanceConfigurationArgs{}),
			Name: name(`default|aksManagedAutoUpgradeSchedule|aksManagedNodeOSUpgradeSchedule`), NameRule: "one of Azure's three",
			Check: func(p sim.Props) []sim.Failure {
				if h := num(get(p, "maintenanceWindow", "durationHours")); h < 4 || h > 24 {
					return []sim.Failure{{Path: "maintenanceWindow.durationHours", Reason: "must be 4 to 24"}}
				}
				return oneOf(p, "maintenanceWindow.schedule.weekly.dayOfWeek", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
			}},
	}
}

func clusterCheck(p sim.Props) []sim.Failure {
	f := located(p)
	pools, _ := p["agentPoolProfiles"].([]any)
	system := false
	for i, item := range pools {
		pool, _ := item.(sim.Props)
		system = system || str(pool, "mode") == "System"
		f = append(f, poolCheck(fmt.Sprintf("agentPoolProfiles[%d].", i), pool)...)
	}
	if !system {
		f = append(f, sim.Failure{Path: "agentPoolProfiles", Reason: "a cluster needs a pool of mode System"})
	}
	if get(p, "securityProfile", "workloadIdentity", "enabled") == true && get(p, "oidcIssuerProfile", "enabled") != true {
		f = append(f, sim.Failure{Path: "oidcIssuerProfile", Reason: "workload identity needs the OIDC issuer"})
	}
	if get(p, "disableLocalAccounts") == true && get(p, "aadProfile", "managed") != true {
		f = append(f, sim.Failure{Path: "disableLocalAccounts", Reason: "needs aadProfile.managed"})
	}
	return f
}

func poolCheck(path string, p sim.Props) []sim.Failure {
	var f []sim.Failure
	if _, err := azure.ParseNodeSKU(str(p, "vmSize")); err != nil {
		f = append(f, sim.Failure{Path: path + "vmSize", Reason: err.Error()})
	}
	low, high, count := num(p["minCount"]), num(p["maxCount"]), num(p["count"])
	if get(p, "enableAutoScaling") == true && (low < 1 || high < low || count < low || count > high) {
		f = append(f, sim.Failure{Path: path + "minCount", Reason: fmt.Sprintf("count %d is not in %d to %d, or these are no range", count, low, high)})
	}
	return f
}

func poolDemand(p sim.Props) sim.Demand {
	d := sim.Demand{Zones: p["availabilityZones"] != nil, Reason: "availabilityZones", Sizes: []string{str(p, "vmSize")}, VCPUs: map[string]int{}}
	if sku, err := azure.ParseNodeSKU(str(p, "vmSize")); err == nil {
		d.VCPUs[sku.Family] = sku.VCPUs * num(p["count"])
	}
	return d
}

func clusterDemand(p sim.Props) sim.Demand {
	all := sim.Demand{Reason: "availabilityZones", VCPUs: map[string]int{}}
	pools, _ := p["agentPoolProfiles"].([]any)
	for _, item := range pools {
		pool, _ := item.(sim.Props)
		d := poolDemand(pool)
		all.Zones, all.Sizes = all.Zones || d.Zones, append(all.Sizes, d.Sizes...)
		for family, n := range d.VCPUs {
			all.VCPUs[family] += n
		}
	}
	return all
}

// clusterApply asks that the control plane may use the kubelet's identity, as Azure does,
// and makes the node group that comes with a cluster and goes with it.
func clusterApply(v *sim.View, r *sim.Resource) error {
	planes, _ := get(r.Inputs, "identity", "userAssignedIdentities").([]any)
	kubelet := str(r.Inputs, "identityProfile", "kubeletidentity", "resourceId")
	if kubelet != "" && len(planes) == 1 {
		plane, _ := planes[0].(string)
		if !granted(v, v.Get(plane), kubelet, managedIdentityOperator) {
			return refuse(400, "CustomKubeletIdentityMissingPermissionError", "%s: the control plane's identity is not Managed Identity Operator on %s", r.ID, kubelet)
		}
	}
	if v.Get(r.ID) == nil || v.Get(r.ID) == r {
		nodes := str(r.Inputs, "nodeResourceGroup")
		id := r.ID + "/nodes/" + nodes // below the cluster, so that it goes with it
		v.Put(&sim.Resource{ID: id, Type: "implicit:NodeGroup", Region: r.Region, Inputs: sim.Props{"name": nodes}, Outputs: sim.Props{}})
	}
	return nil
}

// managedIdentityOperator is the built-in role's id.
const managedIdentityOperator = "f1a07417-d97a-45cb-824c-7a7467783830"

// granted reports whether an identity has a role on a scope.
func granted(v *sim.View, identity *sim.Resource, scope, role string) bool {
	if identity == nil {
		return false
	}
	for _, a := range v.Find("authorization:RoleAssignment") {
		if a.Inputs["principalId"] == identity.Outputs["principalId"] && strings.EqualFold(str(a.Inputs, "scope"), scope) &&
			strings.HasSuffix(str(a.Inputs, "roleDefinitionId"), role) {
			return true
		}
	}
	return false
}

func clusterOutputs(_ *sim.View, r *sim.Resource) sim.Props {
	prefix := str(r.Inputs, "dnsPrefix") + "-" + guidOf(r.ID)[:8]
	return sim.Props{
		"privateFQDN":       prefix + "." + guidOf(r.ID+"#zone") + ".privatelink." + string(r.Region) + ".azmk8s.io",
		"oidcIssuerProfile": sim.Props{"enabled": true, "issuerURL": "https://" + string(r.Region) + ".oic.prod-aks.azure.com/" + guidOf(r.ID+"#issuer") + "/"},
	}
}
