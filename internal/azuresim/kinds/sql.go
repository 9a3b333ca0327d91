package kinds

import (
	"fmt"

	sql "github.com/pulumi/pulumi-azure-native-sdk/sql/v2/v20230801"

	"lifeboat/infra/azure"
	sim "lifeboat/internal/azuresim"
)

func sqlKinds() []sim.Kind {
	return []sim.Kind{
		{Token: "sql:Server", Schema: sim.SchemaOf(sql.ServerArgs{}),
			Name: name(`[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`), NameRule: "1 to 63 lower-case letters, digits or hyphens", Unique: true,
			Check: serverCheck, Replaces: []string{"administratorLogin"},
			Compute: func(_ *sim.View, r *sim.Resource) sim.Props {
				return sim.Props{"fullyQualifiedDomainName": lower(r.Inputs["serverName"]) + ".database.windows.net", "state": "Ready"}
			}},
		{Token: "sql:Database", Schema: sim.SchemaOf(sql.DatabaseArgs{}),
			Name: name(`[^<>*%&:\\/?]{0,127}[^<>*%&:\\/?. ]`), NameRule: "1 to 128 characters, none of <>*%&:\\/?, not ending in a dot or blank",
			Check: databaseCheck, Demand: databaseDemand, Replaces: []string{"collation", "createMode"}},
		{Token: "sql:BackupShortTermRetentionPolicy", Schema: sim.SchemaOf(sql.BackupShortTermRetentionPolicyArgs{}),
			Name: name(`default`), NameRule: "default", Singleton: true, Check: func(p sim.Props) []sim.Failure {
				var f []sim.Failure
				if d := num(p["retentionDays"]); d < 1 || d > 35 {
					f = append(f, sim.Failure{Path: "retentionDays", Reason: "must be 1 to 35"})
				}
				if h := num(p["diffBackupIntervalInHours"]); h != 12 && h != 24 {
					f = append(f, sim.Failure{Path: "diffBackupIntervalInHours", Reason: "must be 12 or 24"})
				}
				return f
			}},
		{Token: "sql:LongTermRetentionPolicy", Schema: sim.SchemaOf(sql.LongTermRetentionPolicyArgs{}),
			Name: name(`default`), NameRule: "default", Singleton: true, Check: func(p sim.Props) []sim.Failure {
				if w := num(p["weekOfYear"]); str(p, "yearlyRetention") != "" && (w < 1 || w > 52) {
					return []sim.Failure{{Path: "weekOfYear", Reason: "must be 1 to 52"}}
				}
				return nil
			}},
		{Token: "sql:ExtendedServerBlobAuditingPolicy", Schema: sim.SchemaOf(sql.ExtendedServerBlobAuditingPolicyArgs{}),
			Name: name(`default`), NameRule: "default", Singleton: true},
	}
}

func serverCheck(p sim.Props) []sim.Failure {
	f := located(p)
	if v := str(p, "minimalTlsVersion"); v != "" {
		f = append(f, oneOf(p, "minimalTlsVersion", "None", "1.0", "1.1", "1.2", "1.3")...)
	}
	entra := get(p, "administrators", "azureADOnlyAuthentication") == true
	if !entra && (str(p, "administratorLogin") == "" || str(p, "administratorLoginPassword") == "") {
		f = append(f, sim.Failure{Path: "administratorLogin", Reason: "login and password are needed unless administrators says Entra only"})
	}
	if entra && str(p, "administrators", "sid") == "" {
		f = append(f, sim.Failure{Path: "administrators.sid", Reason: "missing required property"})
	}
	return f
}

func databaseCheck(p sim.Props) []sim.Failure {
	f := located(p)
	size := str(p, "sku", "name")
	sku, err := azure.ParseDatabaseSKU(size)
	if err != nil {
		return append(f, sim.Failure{Path: "sku.name", Reason: err.Error()})
	}
	if tier := str(p, "sku", "tier"); tier != "" && tier != sku.Tier {
		f = append(f, sim.Failure{Path: "sku.tier", Reason: fmt.Sprintf("%q is not the tier of %s", tier, size)})
	}
	if bytes, ok := p["maxSizeBytes"].(float64); ok && bytes > float64(sku.MaxSizeG)*(1<<30) {
		f = append(f, sim.Failure{Path: "maxSizeBytes", Reason: fmt.Sprintf("is over the %d GiB of %s", sku.MaxSizeG, size)})
	}
	if p["requestedBackupStorageRedundancy"] != nil {
		f = append(f, oneOf(p, "requestedBackupStorageRedundancy", "Geo", "Local", "Zone", "GeoZone")...)
	}
	return f
}

func databaseDemand(p sim.Props) sim.Demand {
	sku, err := azure.ParseDatabaseSKU(str(p, "sku", "name"))
	if err != nil {
		return sim.Demand{}
	}
	zones := get(p, "zoneRedundant") == true || str(p, "requestedBackupStorageRedundancy") == "Zone"
	return sim.Demand{Zones: zones, Reason: "zone redundancy", Sizes: []string{sku.Name}, DTUs: sku.VCores}
}
