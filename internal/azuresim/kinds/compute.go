package kinds

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	sim "lifeboat/internal/azuresim"
)

// guidOf makes the GUID that Azure would have drawn, out of the resource's id: the same
// cloud gives the same answers every time.
func guidOf(id string) string {
	h := sha256.Sum256([]byte(id))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func lower(v any) string {
	s, _ := v.(string)
	return strings.ToLower(s)
}

// get returns the value at a path of names, or nil.
func get(p sim.Props, path ...string) any {
	var at any = p
	for _, name := range path {
		m, ok := at.(sim.Props)
		if !ok {
			return nil
		}
		at = m[name]
	}
	return at
}

func str(p sim.Props, path ...string) string {
	s, _ := get(p, path...).(string)
	return s
}

func num(v any) int {
	f, _ := v.(float64)
	return int(f)
}

// located refuses a resource without a location, which Azure does not default.
func located(p sim.Props) []sim.Failure {
	if str(p, "location") == "" {
		return []sim.Failure{{Path: "location", Reason: "missing required property"}}
	}
	return nil
}

func oneOf(p sim.Props, path string, allowed ...string) []sim.Failure {
	if v := str(p, strings.Split(path, ".")...); !slices.Contains(allowed, v) {
		return []sim.Failure{{Path: path, Reason: fmt.Sprintf("%q is not one of %s", v, strings.Join(allowed, ", "))}}
	}
	return nil
}

func refuse(status int, code, format string, args ...any) error {
	return &sim.CloudError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func identityOutputs(_ *sim.View, r *sim.Resource) sim.Props {
	return sim.Props{
		"clientId": guidOf(r.ID + "#client"), "principalId": guidOf(r.ID + "#principal"), "tenantId": guidOf("tenant"),
		"type": "Microsoft.ManagedIdentity/userAssignedIdentities",
	}
}

// roleAssigned refuses a role for a principal that the directory does not have, and one that
// the principal has there already, by another name.
func roleAssigned(v *sim.View, r *sim.Resource) error {
	for _, other := range v.Find(r.Type) {
		if other.ID != r.ID && str(other.Inputs, "principalId") == str(r.Inputs, "principalId") && str(other.Inputs, "condition") == str(r.Inputs, "condition") &&
			str(other.Inputs, "roleDefinitionId") == str(r.Inputs, "roleDefinitionId") && strings.EqualFold(str(other.Inputs, "scope"), str(r.Inputs, "scope")) {
			return refuse(409, "RoleAssignmentExists", "the role assignment already exists: %s", other.ID)
		}
	}
	if str(r.Inputs, "principalType") != "ServicePrincipal" {
		return nil
	}
	want := str(r.Inputs, "principalId")
	for _, id := range v.Find("managedidentity:UserAssignedIdentity") {
		if id.Outputs["principalId"] == want {
			return nil
		}
	}
	return refuse(400, "PrincipalNotFound", "principal %s does not exist in the directory", want)
}

// federationUnique refuses a second credential with the same issuer and subject, and
// more than 20 (Microsoft, "federated identity credentials, limits", 2025-05).
func federationUnique(v *sim.View, r *sim.Resource) error {
	above := r.ID[:strings.LastIndex(r.ID, "/federatedIdentityCredentials/")]
	count := 0
	for _, other := range v.Find(r.Type) {
		if other.ID == r.ID || !strings.HasPrefix(other.ID, above+"/") {
			continue
		}
		count++
		if other.Inputs["issuer"] == r.Inputs["issuer"] && other.Inputs["subject"] == r.Inputs["subject"] {
			return refuse(409, "Conflict", "issuer and subject of %s are those of %s", r.ID, other.ID)
		}
	}
	if count >= 20 {
		return refuse(400, "TooManyFederatedIdentityCredentials", "%s has 20 credentials, the most it may have", above)
	}
	return nil
}

func vaultCheck(p sim.Props) []sim.Failure {
	var f []sim.Failure
	f = append(f, located(p)...)
	if d := get(p, "properties", "softDeleteRetentionInDays"); d != nil && (num(d) < 7 || num(d) > 90) {
		f = append(f, sim.Failure{Path: "properties.softDeleteRetentionInDays", Reason: "must be 7 to 90"})
	}
	if get(p, "properties", "enablePurgeProtection") == false {
		f = append(f, sim.Failure{Path: "properties.enablePurgeProtection", Reason: "cannot be set to false; leave it out or set it to true"})
	}
	return append(f, publicIPs(p, "properties.networkAcls.ipRules", "value")...)
}

// vaultApply: purge protection, once on, stays.
func vaultApply(v *sim.View, r *sim.Resource) error {
	old := v.Get(r.ID)
	if old != nil && get(old.Inputs, "properties", "enablePurgeProtection") == true && get(r.Inputs, "properties", "enablePurgeProtection") != true {
		return refuse(400, "BadRequest", "purge protection of %s cannot be turned off", r.ID)
	}
	return nil
}

func vaultOutputs(_ *sim.View, r *sim.Resource) sim.Props {
	return sim.Props{"type": "Microsoft.KeyVault/vaults"}
}

func keyOutputs(_ *sim.View, r *sim.Resource) sim.Props {
	uri := "https://" + lower(r.Inputs["vaultName"]) + ".vault.azure.net/keys/" + str(r.Inputs, "keyName")
	return sim.Props{"keyUri": uri, "keyUriWithVersion": uri + "/" + strings.ReplaceAll(guidOf(r.ID), "-", "")}
}

func registryCheck(p sim.Props) []sim.Failure {
	f := append(located(p), oneOf(p, "sku.name", "Basic", "Standard", "Premium")...)
	if str(p, "sku", "name") != "Premium" {
		for _, only := range []string{"networkRuleSet", "zoneRedundancy", "dataEndpointEnabled"} {
			if p[only] != nil {
				f = append(f, sim.Failure{Path: only, Reason: "needs sku Premium"})
			}
		}
	}
	return append(f, publicIPs(p, "networkRuleSet.ipRules", "iPAddressOrRange")...)
}

func registryDemand(p sim.Props) sim.Demand {
	return sim.Demand{Zones: str(p, "zoneRedundancy") == "Enabled", Reason: "zoneRedundancy"}
}

// replicationApply: only a Premium registry replicates, and not to where it is.
func replicationApply(v *sim.View, r *sim.Resource) error {
	above := v.Get(r.ID[:strings.LastIndex(r.ID, "/replications/")])
	if above == nil {
		return nil // admitted by its parent's existence already
	}
	if str(above.Inputs, "sku", "name") != "Premium" {
		return refuse(400, "FeatureNotSupported", "%s: only a Premium registry replicates", r.ID)
	}
	if above.Region == r.Region {
		return refuse(400, "ReplicationConflict", "%s: the registry's home is %s", r.ID, r.Region)
	}
	return nil
}

// publicIPs refuses private addresses in a firewall's rules, as Azure does.
func publicIPs(p sim.Props, path, field string) []sim.Failure {
	rules, _ := get(p, strings.Split(path, ".")...).([]any)
	var f []sim.Failure
	for i, item := range rules {
		rule, _ := item.(sim.Props)
		v, _ := rule[field].(string)
		if strings.HasPrefix(v, "10.") || strings.HasPrefix(v, "192.168.") || strings.HasPrefix(v, "172.16.") || v == "" || strings.HasSuffix(v, "/31") || strings.HasSuffix(v, "/32") {
			f = append(f, sim.Failure{Path: fmt.Sprintf("%s[%d]", path, i), Reason: fmt.Sprintf("%q is not a public address or range up to /30", v)})
		}
	}
	return f
}

var frequencies = []string{"PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D", "PT10M", "PT45M", "PT2H", "PT3H", "PT4H", "PT5H", "P2D"}

func metricCheck(p sim.Props) []sim.Failure {
	f := append(oneOf(p, "evaluationFrequency", frequencies...), oneOf(p, "windowSize", frequencies...)...)
	if str(p, "location") != "global" {
		f = append(f, sim.Failure{Path: "location", Reason: "a metric alert's location is global"})
	}
	if s := num(p["severity"]); s < 0 || s > 4 {
		f = append(f, sim.Failure{Path: "severity", Reason: "must be 0 to 4"})
	}
	return f
}

func queryCheck(p sim.Props) []sim.Failure {
	f := append(located(p), append(oneOf(p, "evaluationFrequency", frequencies...), oneOf(p, "windowSize", frequencies...)...)...)
	if s := num(p["severity"]); s < 0 || s > 4 {
		f = append(f, sim.Failure{Path: "severity", Reason: "must be 0 to 4"})
	}
	return f
}

func diagnosticCheck(p sim.Props) []sim.Failure {
	if p["workspaceId"] == nil && p["storageAccountId"] == nil && p["eventHubAuthorizationRuleId"] == nil {
		return []sim.Failure{{Path: "workspaceId", Reason: "a diagnostic setting needs somewhere to send to"}}
	}
	return nil
}
