// Package sql is the database of a region that serves: a logical server that only Entra
// identities can sign in to and that has no public address, and one database with its
// own backups beside Lifeboat's: point in time, long term, and an undelete for servers.
package sql

import (
	"fmt"
	"strconv"

	locks "github.com/pulumi/pulumi-azure-native-sdk/authorization/v2/v20200501"
	insights "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20210501preview"
	sql "github.com/pulumi/pulumi-azure-native-sdk/sql/v2/v20230801"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
	"lifeboat/infra/native"
)

// Args describe a server and its database.
type Args struct {
	Scope          infra.Scope
	Database       string
	SKU            string // e.g. "GP_Gen5_4"
	MaxSizeGiB     int
	ZoneRedundant  bool // ignored where the region has no zones
	PITRDays       int
	SoftDeleteDays int // a deleted server can be brought back for so long
	Weekly         string
	Monthly        string
	Yearly         string
	WeekOfYear     int
	Tenant         string
	AdminName      string
	AdminObjectID  string
	WorkspaceID    pulumi.StringInput // receives the audit
}

// SQL is the component.
type SQL struct {
	pulumi.ResourceState

	ServerID pulumi.StringOutput
	Host     pulumi.StringOutput
	Database pulumi.StringOutput
	SKU      pulumi.StringOutput // as the database has it

	scope  infra.Scope
	inside []pulumi.Resource // what lies in the server
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	sku, err := azure.ParseDatabaseSKU(a.SKU)
	p.Check("sku", err)
	if err == nil && (a.MaxSizeGiB < 1 || a.MaxSizeGiB > sku.MaxSizeG) {
		p.Addf("maxSizeGiB", "%d is not in 1 to %d", a.MaxSizeGiB, sku.MaxSizeG)
	}
	if a.PITRDays < 1 || a.PITRDays > 35 {
		p.Addf("pitrDays", "%d is not in 1 to 35", a.PITRDays)
	}
	for path, v := range map[string]string{"database": a.Database, "tenant": a.Tenant, "adminName": a.AdminName, "adminObjectId": a.AdminObjectID} {
		if v == "" {
			p.Addf(path, "is empty")
		}
	}
	if a.WorkspaceID == nil {
		p.Addf("workspaceId", "is missing: the audit must go somewhere")
	}
	return p.Err()
}

// New makes the server and the database.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*SQL, error) {
	s := &SQL{scope: args.Scope}
	if err := infra.Begin(ctx, s, "SQL", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	server, err := s.server(ctx, name, args)
	if err != nil {
		return nil, err
	}
	database, err := s.database(ctx, name, server, args)
	if err != nil {
		return nil, err
	}
	if err := s.backups(ctx, name, server, database, args); err != nil {
		return nil, err
	}
	if err := s.audit(ctx, name, server, args); err != nil {
		return nil, err
	}
	if err := s.keep(ctx, name, server); err != nil {
		return nil, err
	}
	s.ServerID, s.Host, s.Database = server.ID().ToStringOutput(), server.FullyQualifiedDomainName, database.Name
	s.SKU = database.Sku.Name().Elem()
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"serverId": s.ServerID, "host": s.Host, "database": s.Database})
}

func (s *SQL) server(ctx *pulumi.Context, name string, args *Args) (*sql.Server, error) {
	server, err := sql.NewServer(ctx, name, &sql.ServerArgs{
		ResourceGroupName: s.scope.Group,
		ServerName:        pulumi.String(s.scope.Names.Server()),
		Location:          s.scope.Location(),
		Version:           pulumi.String("12.0"),
		MinimalTlsVersion: pulumi.String("1.2"),
		Administrators: &sql.ServerExternalAdministratorArgs{
			AdministratorType:         pulumi.String("ActiveDirectory"),
			AzureADOnlyAuthentication: pulumi.Bool(true),
			Login:                     pulumi.String(args.AdminName),
			PrincipalType:             pulumi.String("Group"),
			Sid:                       pulumi.String(args.AdminObjectID),
			TenantId:                  pulumi.String(args.Tenant),
		},
		Identity:                      &sql.ResourceIdentityArgs{Type: pulumi.String("SystemAssigned")},
		PublicNetworkAccess:           pulumi.String("Disabled"),
		RestrictOutboundNetworkAccess: pulumi.String("Enabled"),
		Tags:                          s.scope.TagMap(),
	}, s.scope.Data(s)...)
	if err != nil {
		return nil, err
	}
	// The property that lets a deleted server be brought back is newer than the SDK's API.
	_, err = native.NewPatch(ctx, name+"-undelete", native.PatchArgs{
		Group:      s.scope.Group,
		Deployment: s.scope.Names.Server() + "-undelete",
		Type:       "Microsoft.Sql/servers",
		APIVersion: "2024-11-01-preview",
		Name:       server.Name,
		Location:   string(s.scope.Region),
		Body:       pulumi.Map{"properties": pulumi.Map{"retentionDays": pulumi.Int(args.SoftDeleteDays)}},
	}, infra.Child(s)...)
	return server, err
}

func (s *SQL) database(ctx *pulumi.Context, name string, server *sql.Server, args *Args) (*sql.Database, error) {
	sku, err := azure.ParseDatabaseSKU(args.SKU)
	if err != nil {
		return nil, err
	}
	return sql.NewDatabase(ctx, name, &sql.DatabaseArgs{
		ResourceGroupName: s.scope.Group,
		ServerName:        server.Name,
		DatabaseName:      pulumi.String(args.Database),
		Location:          s.scope.Location(),
		Sku:               &sql.SkuArgs{Name: pulumi.String(sku.Name), Tier: pulumi.String(sku.Tier), Capacity: pulumi.Int(sku.VCores)},
		MaxSizeBytes:      pulumi.Float64(float64(args.MaxSizeGiB) * (1 << 30)),
		ZoneRedundant:     pulumi.Bool(args.ZoneRedundant && s.scope.Region.Zones()),
		// Backups stay in the region: the copy elsewhere is the mirror, whose age is known.
		RequestedBackupStorageRedundancy: pulumi.String(backupRedundancy(s.scope.Region)),
		Tags:                             s.scope.TagMap(),
	}, s.scope.Data(s)...)
}

func backupRedundancy(r azure.Region) string {
	if r.Zones() {
		return "Zone"
	}
	return "Local"
}

func (s *SQL) backups(ctx *pulumi.Context, name string, server *sql.Server, database *sql.Database, args *Args) error {
	short, err := sql.NewBackupShortTermRetentionPolicy(ctx, name, &sql.BackupShortTermRetentionPolicyArgs{
		ResourceGroupName:         s.scope.Group,
		ServerName:                server.Name,
		DatabaseName:              database.Name,
		PolicyName:                pulumi.String("default"),
		RetentionDays:             pulumi.Int(args.PITRDays),
		DiffBackupIntervalInHours: pulumi.Int(12),
	}, infra.Child(s)...)
	if err != nil {
		return err
	}
	long, err := sql.NewLongTermRetentionPolicy(ctx, name, &sql.LongTermRetentionPolicyArgs{
		ResourceGroupName: s.scope.Group,
		ServerName:        server.Name,
		DatabaseName:      database.Name,
		PolicyName:        pulumi.String("default"),
		WeeklyRetention:   pulumi.String(args.Weekly),
		MonthlyRetention:  pulumi.String(args.Monthly),
		YearlyRetention:   pulumi.String(args.Yearly),
		WeekOfYear:        pulumi.Int(args.WeekOfYear),
	}, append(infra.Child(s), pulumi.DependsOn([]pulumi.Resource{short}))...)
	s.inside = append(s.inside, database, short, long)
	return err
}

// audit sends who did what to the workspace, by the server's own diagnostics: nothing
// is written with an account key.
func (s *SQL) audit(ctx *pulumi.Context, name string, server *sql.Server, args *Args) error {
	policy, err := sql.NewExtendedServerBlobAuditingPolicy(ctx, name, &sql.ExtendedServerBlobAuditingPolicyArgs{
		ResourceGroupName:           s.scope.Group,
		ServerName:                  server.Name,
		BlobAuditingPolicyName:      pulumi.String("default"),
		State:                       sql.BlobAuditingPolicyStateEnabled,
		IsAzureMonitorTargetEnabled: pulumi.Bool(true),
		AuditActionsAndGroups: pulumi.ToStringArray([]string{
			"SUCCESSFUL_DATABASE_AUTHENTICATION_GROUP", "FAILED_DATABASE_AUTHENTICATION_GROUP", "BATCH_COMPLETED_GROUP",
		}),
	}, infra.Child(s)...)
	if err != nil {
		return err
	}
	setting, err := insights.NewDiagnosticSetting(ctx, name+"-audit", &insights.DiagnosticSettingArgs{
		Name:        pulumi.String("audit"),
		ResourceUri: pulumi.Sprintf("%s/databases/master", server.ID()),
		WorkspaceId: args.WorkspaceID,
		Logs: insights.LogSettingsArray{insights.LogSettingsArgs{
			Category: pulumi.String("SQLSecurityAuditEvents"), Enabled: pulumi.Bool(true),
		}},
	}, append(infra.Child(s), pulumi.DependsOn([]pulumi.Resource{policy}))...)
	s.inside = append(s.inside, policy, setting)
	return err
}

// keep forbids everyone to delete the server, with which its databases would go. It
// depends on all that lies in the server: a lock forbids the deletion of those too, so
// it must be the last to come and the first to go.
func (s *SQL) keep(ctx *pulumi.Context, name string, server *sql.Server) error {
	if !s.scope.Protect {
		return nil
	}
	_, err := locks.NewManagementLockByScope(ctx, name+"-keep", &locks.ManagementLockByScopeArgs{
		LockName: pulumi.String("keep"),
		Level:    pulumi.String("CanNotDelete"),
		Notes:    pulumi.String("Deleting a server deletes its databases with it. See docs/infrastructure.md."),
		Scope:    server.ID(),
	}, append(infra.Child(s), pulumi.DependsOn(s.inside))...)
	return err
}

// URL is the database as the command line writes it: no user, no password, the pod's
// identity signs in.
func URL(host, database pulumi.StringOutput) pulumi.StringOutput {
	return pulumi.Sprintf("sqlserver://%s:%s?database=%s&fedauth=ActiveDirectoryDefault&encrypt=strict", host, strconv.Itoa(Port), database)
}

// Port is SQL Server's.
const Port = 1433

// ContainerURL is the database of a StatefulSet in the cluster, in kind container.
func ContainerURL(namespace, database string) string {
	return fmt.Sprintf("sqlserver://sa@mssql.%s.svc.cluster.local:%d?database=%s&encrypt=true&trustservercertificate=true", namespace, Port, database)
}
