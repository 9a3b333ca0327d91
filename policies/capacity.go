package policies

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"lifeboat/infra/azure"
)

func capacityRules() []Rule {
	return []Rule{
		{
			ID: "settings-parity", Title: "Both stacks are declared with the same settings",
			Why:      "What was changed in the primary alone is found missing on the day of the failover.",
			Fix:      "Make the change in Pulumi.primary.yaml and in Pulumi.dr.yaml.",
			Severity: Error, Clauses: []string{"policy 6", "ISO 22301 8.5"}, Roles: standing,
			Pass: "database.sku GP_Gen5_4 in both", Fail: "database.sku GP_Gen5_8 in the primary alone",
			Check: parity,
		},
		{
			ID: "sku-known", Title: "Database and nodes have sizes that can be bought",
			Why:      "A size that was retired fails in the middle of the failover.",
			Fix:      "Choose a current size; infra/azure lists them.",
			Severity: Error, Clauses: []string{"policy 2"}, Roles: standing,
			Pass: "GP_Gen5_4", Fail: "GP_Gen4_4",
			Check: skusKnown,
		},
		{
			ID: "dr-capacity", Title: "The DR region grants enough for the whole primary",
			Why:      "Quota in the other region is not assured, least of all when everybody fails over.",
			Fix:      "Ask for more quota, or choose smaller sizes.",
			Severity: Error, Clauses: []string{"policy 2", "SOC 2 A1.3"}, Roles: standing,
			Pass: "quota 8 vCores, need 4", Fail: "quota 3 vCores, need 4",
			Check: withFacts(capacity),
		},
	}
}

// ownKeys are what must differ between the stacks.
var ownKeys = []string{"role", "failover"}

func parity(s *Stack) []Finding {
	if !s.Settings.Found() || !s.Peer.Found() {
		return unknown(nil, "the settings of both stacks")
	}
	mine, theirs := s.Settings.Fields(), s.Peer.Fields()
	keys := maps.Clone(mine)
	maps.Copy(keys, theirs)
	var found []Finding
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(ownKeys, key) && canonical(mine[key]) != canonical(theirs[key]) {
			found = append(found, fail(nil, "setting %s differs from the other stack's", key)...)
		}
	}
	return found
}

// canonical is the value's JSON, whose keys are sorted.
func canonical(v Value) string {
	b, err := json.Marshal(v.value)
	if err != nil {
		return fmt.Sprint(v.value) // only values that JSON cannot hold, which it did not
	}
	return string(b)
}

func skusKnown(s *Stack) []Finding {
	if !s.Settings.Found() {
		return unknown(nil, "the sizes (lifeboat:settings)")
	}
	var found []Finding
	if _, err := azure.ParseDatabaseSKU(s.Settings.At("database.sku").Text()); err != nil {
		found = append(found, fail(nil, "database.sku: %v", err)...)
	}
	for _, pool := range []string{"system", "user"} {
		if _, err := azure.ParseNodeSKU(s.Settings.At("cluster." + pool + ".size").Text()); err != nil {
			found = append(found, fail(nil, "cluster.%s.size: %v", pool, err)...)
		}
	}
	return found
}

// capacity compares the quota with the largest the settings let the region grow to.
func capacity(s *Stack) []Finding {
	if s.Facts.Quota == nil || !s.Settings.Found() {
		return unknown(nil, "the DR region's quota and the sizes")
	}
	quota, dr := s.Facts.Quota, s.Settings.At("regions.dr.region").Text()
	if quota.Region != dr {
		return fail(nil, "the quota on record is for %q, the DR region is %q", quota.Region, dr)
	}
	var found []Finding
	if sku, err := azure.ParseDatabaseSKU(s.Settings.At("database.sku").Text()); err == nil && sku.VCores > quota.SQLVCores {
		found = append(found, fail(nil, "the database needs %d vCores, %s grants %d", sku.VCores, dr, quota.SQLVCores)...)
	}
	need := make(map[string]int)
	for _, pool := range []string{"system", "user"} {
		size, err := azure.ParseNodeSKU(s.Settings.At("cluster." + pool + ".size").Text())
		most, _ := s.Settings.At("cluster." + pool + ".max").Number()
		if err == nil {
			need[size.Family] += size.VCPUs * int(most)
		}
	}
	for _, family := range slices.Sorted(maps.Keys(need)) {
		if need[family] > quota.NodeVCores[family] {
			found = append(found, fail(nil, "the cluster may need %d vCPUs of %s, %s grants %d", need[family], family, dr, quota.NodeVCores[family])...)
		}
	}
	return found
}
