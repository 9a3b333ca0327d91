package kinds

import (
	"fmt"
	"strings"

	storage "github.com/pulumi/pulumi-azure-native-sdk/storage/v2/v20230501"

	sim "lifeboat/internal/azuresim"
)

func storageKinds() []sim.Kind {
	return []sim.Kind{
		{Token: "storage:StorageAccount", Schema: sim.SchemaOf(storage.StorageAccountArgs{}),
			Name: name(`[a-z0-9]{3,24}`), NameRule: "3 to 24 lower-case letters or digits",
			Unique: true, Check: accountCheck, Demand: accountDemand, Apply: accountApply, Compute: accountOutputs,
			Replaces: []string{"kind", "immutableStorageWithVersioning.enabled", "isHnsEnabled", "encryption.requireInfrastructureEncryption"}},
		{Token: "storage:BlobServiceProperties", Schema: sim.SchemaOf(storage.BlobServicePropertiesArgs{}),
			Name: name(`default`), NameRule: "default", Singleton: true, Check: serviceCheck},
		{Token: "storage:BlobContainer", Schema: sim.SchemaOf(storage.BlobContainerArgs{}),
			Name: name(`[a-z0-9](-?[a-z0-9]){2,62}|\$root|\$web|\$logs`), NameRule: "3 to 63 lower-case letters, digits or single hyphens",
			Apply: containerApply},
	}
}

func accountCheck(p sim.Props) []sim.Failure {
	f := append(located(p), oneOf(p, "kind", "Storage", "StorageV2", "BlobStorage", "FileStorage", "BlockBlobStorage")...)
	f = append(f, oneOf(p, "sku.name", "Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_RAGRS", "Standard_GZRS", "Standard_RAGZRS", "Premium_LRS", "Premium_ZRS")...)
	if p["minimumTlsVersion"] != nil {
		f = append(f, oneOf(p, "minimumTlsVersion", "TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3")...)
	}
	if d := get(p, "immutableStorageWithVersioning", "immutabilityPolicy", "immutabilityPeriodSinceCreationInDays"); d != nil && (num(d) < 1 || num(d) > 146000) {
		f = append(f, sim.Failure{Path: "immutableStorageWithVersioning", Reason: "the period must be 1 to 146000 days"})
	}
	return append(f, publicIPs(p, "networkRuleSet.ipRules", "iPAddressOrRange")...)
}

func accountDemand(p sim.Props) sim.Demand {
	sku := str(p, "sku", "name")
	return sim.Demand{Zones: strings.Contains(sku, "ZRS"), Reason: "sku " + sku}
}

func accountOutputs(v *sim.View, r *sim.Resource) sim.Props {
	n := lower(r.Inputs["accountName"])
	out := sim.Props{"type": "Microsoft.Storage/storageAccounts", "provisioningState": "Succeeded", "primaryLocation": string(r.Region)}
	endpoints := sim.Props{}
	for _, service := range []string{"blob", "dfs", "file", "queue", "table", "web"} {
		endpoints[service] = fmt.Sprintf("https://%s.%s.core.windows.net/", n, service)
	}
	out["primaryEndpoints"] = endpoints
	if old := v.Get(r.ID); old != nil && old.Outputs["immutableStorageWithVersioning"] != nil {
		out["immutableStorageWithVersioning"] = old.Outputs["immutableStorageWithVersioning"]
	}
	return out
}

// accountApply refuses what the retention of an account forbids: to begin locked, to
// shorten a locked period, to unlock it.
func accountApply(v *sim.View, r *sim.Resource) error {
	policy, ok := get(r.Inputs, "immutableStorageWithVersioning", "immutabilityPolicy").(sim.Props)
	if !ok {
		return nil
	}
	var before sim.Props
	if old := v.Get(r.ID); old != nil && old != r {
		before, _ = get(old.Outputs, "immutableStorageWithVersioning", "immutabilityPolicy").(sim.Props)
	}
	if err := retention(r.ID, before, policy); err != nil {
		return err
	}
	r.Outputs["immutableStorageWithVersioning"] = sim.Props{"enabled": true, "immutabilityPolicy": policy}
	return nil
}

// retention judges a step of an account's immutability policy (Azure REST API,
// AccountImmutabilityPolicyState, 2023-05-01).
func retention(id string, before, after sim.Props) error {
	state, days := str(after, "state"), num(after["immutabilityPeriodSinceCreationInDays"])
	if days < 1 || days > 146000 {
		return refuse(400, "InvalidImmutabilityPeriod", "%s: %d is not 1 to 146000 days", id, days)
	}
	switch {
	case state != "Disabled" && state != "Unlocked" && state != "Locked":
		return refuse(400, "InvalidPolicyState", "%s: %q is not a state", id, state)
	case state == "Locked" && before == nil:
		return refuse(409, "InvalidPolicyState", "%s: a policy can only be created Disabled or Unlocked", id)
	case str(before, "state") == "Locked" && state != "Locked":
		return refuse(409, "ImmutabilityPolicyLocked", "%s: a locked policy cannot become %s", id, state)
	case str(before, "state") == "Locked" && days < num(before["immutabilityPeriodSinceCreationInDays"]):
		return refuse(409, "ImmutabilityPolicyLocked", "%s: a locked period of %d days cannot become %d", id, num(before["immutabilityPeriodSinceCreationInDays"]), days)
	}
	return nil
}

func serviceCheck(p sim.Props) []sim.Failure {
	var f []sim.Failure
	for _, policy := range []string{"deleteRetentionPolicy", "containerDeleteRetentionPolicy"} {
		if get(p, policy, "enabled") == true {
			if d := num(get(p, policy, "days")); d < 1 || d > 365 {
				f = append(f, sim.Failure{Path: policy + ".days", Reason: "must be 1 to 365"})
			}
		}
	}
	return f
}

// containerApply refuses public containers in an account that has none.
func containerApply(v *sim.View, r *sim.Resource) error {
	account := v.Get(r.ID[:strings.Index(r.ID, "/blobServices/")])
	if access := str(r.Inputs, "publicAccess"); account != nil && access != "" && access != "None" && get(account.Inputs, "allowBlobPublicAccess") != true {
		return refuse(409, "PublicAccessNotPermitted", "%s: public access is not permitted on this storage account", r.ID)
	}
	return nil
}

// deploy carries out the templates that the project sends: each sets properties of a
// resource that is there.
func deploy(v *sim.View, r *sim.Resource) error {
	items, _ := get(r.Inputs, "properties", "template", "resources").([]any)
	if len(items) == 0 {
		return refuse(400, "InvalidTemplate", "%s: the template has no resources", r.ID)
	}
	at := r.ID[:strings.Index(r.ID, "/providers/")]
	for _, item := range items {
		t, _ := item.(sim.Props)
		for _, need := range []string{"type", "apiVersion", "name", "location"} {
			if str(t, need) == "" {
				return refuse(400, "InvalidTemplate", "%s: a resource of the template has no %s", r.ID, need)
			}
		}
		id := at + "/providers/" + str(t, "type") + "/" + str(t, "name")
		target := v.Get(id)
		if target == nil {
			return refuse(404, "ResourceNotFound", "%s: %s does not exist, and the stand-in makes none by template", r.ID, id)
		}
		if err := patch(target, t); err != nil {
			return err
		}
	}
	return nil
}

// patch is what one resource of a template does.
func patch(target *sim.Resource, t sim.Props) error {
	if lower(t["location"]) != string(target.Region) {
		return refuse(409, "InvalidResourceLocation", "%s is in %s, not in %s", target.ID, target.Region, t["location"])
	}
	switch str(t, "type") {
	case "Microsoft.Storage/storageAccounts":
		after, ok := get(t, "properties", "immutableStorageWithVersioning", "immutabilityPolicy").(sim.Props)
		if !ok {
			return refuse(400, "InvalidTemplate", "%s: the stand-in knows only patches of the retention", target.ID)
		}
		if get(target.Inputs, "immutableStorageWithVersioning", "enabled") != true {
			return refuse(409, "FeatureNotEnabled", "%s was made without version-level immutability", target.ID)
		}
		before, _ := get(target.Outputs, "immutableStorageWithVersioning", "immutabilityPolicy").(sim.Props)
		if err := retention(target.ID, before, after); err != nil {
			return err
		}
		target.Outputs["immutableStorageWithVersioning"] = sim.Props{"enabled": true, "immutabilityPolicy": after}
	case "Microsoft.Sql/servers":
		days := num(get(t, "properties", "retentionDays"))
		if days < 0 || days > 7 {
			return refuse(400, "InvalidParameter", "%s: retentionDays %d is not 0 to 7", target.ID, days)
		}
		target.Outputs["retentionDays"] = float64(days)
	default:
		return refuse(400, "InvalidTemplate", "the stand-in knows no patch of %s", str(t, "type"))
	}
	return nil
}
