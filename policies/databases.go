package policies

import "strings"

const (
	sqlServer   = "azure-native:sql:Server"
	sqlDatabase = "azure-native:sql:Database"
	sqlShort    = "azure-native:sql:BackupShortTermRetentionPolicy"
	sqlLong     = "azure-native:sql:LongTermRetentionPolicy"
	sqlAudit    = "azure-native:sql:ExtendedServerBlobAuditingPolicy"
)

var running = []Role{Primary, Failover}

func databaseRules() []Rule {
	return []Rule{
		{
			ID: "database-present", Title: "The region that serves has its database declared",
			Why:      "What is not declared as code cannot be rebuilt by one command.",
			Fix:      "Declare the server and the database in infra/sql, or the container in infra/workloads.",
			Severity: Error, Clauses: []string{"policy 3", "policy 6"}, Roles: running,
			Pass: "a sql:Server and a sql:Database", Fail: "neither",
			Check: databasePresent,
		},
		{
			ID: "database-entra-only", Title: "The server takes Entra identities only",
			Why:      "SQL logins are shared passwords that survive the people who knew them.",
			Fix:      "Set administrators.azureADOnlyAuthentication to true.",
			Severity: Error, Clauses: []string{"SOC 2 A1.3", "NHS DSPT 7.3"}, Roles: running,
			Pass: "azureADOnlyAuthentication: true", Fail: "azureADOnlyAuthentication: false",
			Check: every(sqlServer, "administrators.azureADOnlyAuthentication", isTrue),
		},
		{
			ID: "database-tls", Title: "The server speaks TLS 1.2 or newer",
			Why:      "Health data must not travel under a broken protocol.",
			Fix:      "Set minimalTlsVersion to 1.2.",
			Severity: Error, Clauses: []string{"NHS DSPT 7.3"}, Roles: running,
			Pass: `minimalTlsVersion: "1.2"`, Fail: `minimalTlsVersion: "1.0"`,
			Check: every(sqlServer, "minimalTlsVersion", is("1.2", "1.3")),
		},
		{
			ID: "database-private", Title: "The server has no public network",
			Why:      "A database that the internet can reach is found within hours.",
			Fix:      "Set publicNetworkAccess to Disabled and use the private endpoint.",
			Severity: Error, Clauses: []string{"policy 5"}, Roles: running,
			Pass: `publicNetworkAccess: "Disabled"`, Fail: `publicNetworkAccess: "Enabled"`,
			Check: every(sqlServer, "publicNetworkAccess", is("Disabled")),
		},
		{
			ID: "database-undelete", Title: "A deleted server can be brought back for 7 days",
			Why:      "Deleting a logical server deletes its databases with it, and soft delete is off by default.",
			Fix:      "Keep the patch that sets retentionDays to 7 or more on the server.",
			Severity: Error, Clauses: []string{"policy 1"}, Roles: running,
			Pass: "retentionDays: 7", Fail: "retentionDays: 0",
			Check: serverUndelete,
		},
		{
			ID: "database-pitr", Title: "Azure's own point-in-time restore reaches back 7 days or more",
			Why:      "It is the second way back when a mistake, not a disaster, took the data.",
			Fix:      "Set retentionDays of the short-term policy to 7 to 35.",
			Severity: Error, Clauses: []string{"policy 3"}, Roles: running,
			Pass: "retentionDays: 35", Fail: "retentionDays: 1",
			Check: ifDatabase(each(sqlShort, "retentionDays", atLeast(7))),
		},
		{
			ID: "database-long-term", Title: "Full backups are kept by the week, the month and the year",
			Why:      "Records must be readable long after the window of the log has passed.",
			Fix:      "Set weeklyRetention, monthlyRetention and yearlyRetention.",
			Severity: Error, Clauses: []string{"policy 3", "HIPAA 164.308(a)(7)(ii)(A)"}, Roles: running,
			Pass: `yearlyRetention: "P7Y"`, Fail: `no yearlyRetention`,
			Check: ifDatabase(both(each(sqlLong, "weeklyRetention", isPeriod), each(sqlLong, "monthlyRetention", isPeriod), each(sqlLong, "yearlyRetention", isPeriod))),
		},
		{
			ID: "database-zones", Title: "The database is spread over zones where the region has them",
			Why:      "The loss of one building should not be a disaster.",
			Fix:      "Set zoneRedundant to true.",
			Severity: Error, Clauses: []string{"policy 2"}, Roles: []Role{Primary},
			Pass: "zoneRedundant: true", Fail: "zoneRedundant: false",
			Check: zoned(sqlDatabase, "zoneRedundant", isTrue),
		},
		{
			ID: "database-audit", Title: "Access to the database is audited",
			Why:      "The data-protection officer must be able to say who read what.",
			Fix:      "Enable the server's auditing policy.",
			Severity: Error, Clauses: []string{"policy 11", "NHS DSPT 7.3"}, Roles: running,
			Pass: `state: "Enabled"`, Fail: `state: "Disabled"`,
			Check: ifDatabase(each(sqlAudit, "state", is("Enabled"))),
		},
	}
}

func isPeriod(v Value) (bool, string) {
	return strings.HasPrefix(v.Text(), "P") && len(v.Text()) > 2 && !strings.HasPrefix(v.Text(), "P0"), "a period such as P4W"
}

// ifDatabase asks only where the database is Azure's; a database in a container has none
// of these settings.
func ifDatabase(check func(*Stack) []Finding) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		if len(s.OfType(sqlServer)) == 0 {
			return nil
		}
		return check(s)
	}
}

func databasePresent(s *Stack) []Finding {
	if len(s.OfType(sqlServer)) > 0 && len(s.OfType(sqlDatabase)) > 0 {
		return nil
	}
	if containerDatabase(s) != nil {
		return nil
	}
	return fail(nil, "the stack declares no database")
}

func serverUndelete(s *Stack) []Finding {
	if len(s.OfType(sqlServer)) == 0 {
		return nil
	}
	for _, r := range s.OfType(deployment) {
		for _, target := range r.At("properties.template.resources").Items() {
			if target.At("type").Text() != "Microsoft.Sql/servers" {
				continue
			}
			days := target.At("properties.retentionDays")
			if days.Unknown() {
				return unknown(r, "retentionDays")
			}
			if n, ok := days.Number(); ok && n >= 7 {
				return nil
			}
			return fail(r, "retentionDays is %s, want at least 7", days.show())
		}
	}
	return fail(nil, "nothing sets how long a deleted server can be brought back")
}
