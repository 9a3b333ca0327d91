package sql_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/azure"
	"lifeboat/infra/infratest"
	"lifeboat/infra/record"
	"lifeboat/infra/sql"
)

func args(region azure.Region) *sql.Args {
	return &sql.Args{
		Scope: infratest.Scope(region), Database: "app", SKU: "BC_Gen5_8", MaxSizeGiB: 100, ZoneRedundant: true, PITRDays: 35, SoftDeleteDays: 7,
		Weekly: "P8W", Monthly: "P12M", Yearly: "P7Y", WeekOfYear: 1, Tenant: "t", AdminName: "admins", AdminObjectID: "o", WorkspaceID: pulumi.String("w"),
	}
}

func made(t *testing.T, a *sql.Args) []record.Resource {
	t.Helper()
	return infratest.Record(t, func(ctx *pulumi.Context) error {
		_, err := sql.New(ctx, "sql", a)
		return err
	})
}

func TestOnlyEntraAndOnlyPrivate(t *testing.T) {
	t.Parallel()
	server := infratest.One(t, made(t, args("uksouth")), "Server", "sql")
	require.Equal(t, true, infratest.Get(server, "administrators", "azureADOnlyAuthentication"))
	require.Equal(t, "Disabled", server.Inputs["publicNetworkAccess"])
	require.Equal(t, "1.2", server.Inputs["minimalTlsVersion"])
	require.NotContains(t, server.Inputs, "administratorLogin")
	require.NotContains(t, server.Inputs, "administratorLoginPassword")
}

func TestDataCannotBeDeletedByMistake(t *testing.T) {
	t.Parallel()
	all := made(t, args("uksouth"))
	require.True(t, infratest.One(t, all, "Server", "sql").Protect)
	require.True(t, infratest.One(t, all, "Database", "sql").Protect)
	lock := infratest.One(t, all, "ManagementLockByScope", "sql-keep")
	require.Equal(t, "CanNotDelete", lock.Inputs["level"])
	for _, inside := range []string{"Database sql", "LongTermRetentionPolicy sql", "BackupShortTermRetentionPolicy sql", "DiagnosticSetting sql-audit"} {
		found := false
		for _, d := range lock.DependsOn {
			found = found || len(d) > len(inside) && d[len(d)-len(inside):] == inside
		}
		require.True(t, found, "the lock must go before %s can be deleted", inside)
	}
	a := args("uksouth")
	a.Scope.Protect = false
	require.Zero(t, infratest.Count(made(t, a), "ManagementLockByScope"), "a drill's server must be destroyable")
}

func TestZonesOnlyWhereThereAre(t *testing.T) {
	t.Parallel()
	for region, want := range map[azure.Region]bool{"uksouth": true, "ukwest": false} {
		db := infratest.One(t, made(t, args(region)), "Database", "sql")
		require.Equal(t, want, db.Inputs["zoneRedundant"])
		require.Equal(t, map[string]any{"name": "BC_Gen5_8", "tier": "BusinessCritical", "capacity": 8.0}, db.Inputs["sku"])
	}
}

func TestBackupsAndAudit(t *testing.T) {
	t.Parallel()
	all := made(t, args("uksouth"))
	require.InEpsilon(t, 35.0, infratest.One(t, all, "BackupShortTermRetentionPolicy", "sql").Inputs["retentionDays"], 0)
	require.Equal(t, "P7Y", infratest.One(t, all, "LongTermRetentionPolicy", "sql").Inputs["yearlyRetention"])
	require.Equal(t, true, infratest.One(t, all, "ExtendedServerBlobAuditingPolicy", "sql").Inputs["isAzureMonitorTargetEnabled"])
	patch := infratest.One(t, all, "Deployment", "sql-undelete")
	require.InEpsilon(t, 7.0, infratest.Get(patch, "properties", "template", "resources", 0, "properties", "retentionDays"), 0)
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := sql.New(ctx, "sql", &sql.Args{Scope: infratest.Scope("uksouth"), SKU: "S3", PITRDays: 40})
		return err
	})
	for _, want := range []string{`sku: "S3" is not a database size`, "pitrDays: 40", "database: is empty", "adminObjectId: is empty", "workspaceId: is missing"} {
		require.Contains(t, why, want)
	}
}
