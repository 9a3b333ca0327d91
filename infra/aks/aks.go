// Package aks is the cluster that a serving region runs everything in: private, under
// Entra ID, spread over zones where there are zones, growing and shrinking by itself,
// patched in a weekly window, watched by Defender and the workspace.
package aks

import (
	kubernetes "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
	"lifeboat/infra/native"
)

// Pool is a set of equal nodes.
type Pool struct {
	Size     string
	Min, Max int
}

// Args describe a cluster.
type Args struct {
	Scope         infra.Scope
	Version       string // e.g. "1.33"
	System, User  Pool
	SubnetID      pulumi.StringInput
	WorkspaceID   pulumi.StringInput
	Tenant        string
	AdminObjectID string
	ControlPlane  *native.UserAssignedIdentity
	Kubelet       *native.UserAssignedIdentity
	Day, Start    string // maintenance, e.g. "Sunday", "02:00" UTC
	Hours         int
	After         []pulumi.Resource // roles that the control plane must have before
	// Disposable clusters are forgotten with what runs in them; the objects of others
	// are deleted one by one, so that a cluster that cannot be reached is noticed.
	Disposable bool
}

// Cluster is the component.
type Cluster struct {
	pulumi.ResourceState

	ID     pulumi.StringOutput
	Name   pulumi.StringOutput
	Issuer pulumi.StringOutput // of service account tokens
	Server pulumi.StringOutput // URL of the API server
	// Authority signs for the API server, PEM in base64; "" if every system trusts who does.
	Authority pulumi.StringOutput
	Resource  *native.ManagedCluster
	Provider  *kubernetes.Provider // reaches the cluster's API
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	for path, pool := range map[string]Pool{"system": a.System, "user": a.User} {
		_, err := azure.ParseNodeSKU(pool.Size)
		p.Check(path+".size", err)
		if pool.Min < 1 || pool.Max < pool.Min {
			p.Addf(path, "%d to %d nodes is not a range from 1", pool.Min, pool.Max)
		}
	}
	if a.SubnetID == nil || a.WorkspaceID == nil || a.ControlPlane == nil || a.Kubelet == nil {
		p.Addf("args", "subnet, workspace, control plane and kubelet identities are all needed")
	}
	if a.Hours < 4 {
		p.Addf("hours", "%d is under the 4 that an upgrade needs", a.Hours)
	}
	return p.Err()
}

// New makes the cluster, its second pool and its maintenance window.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	c := &Cluster{}
	if err := infra.Begin(ctx, c, "Cluster", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	cluster, err := native.NewManagedCluster(ctx, name, clusterArgs(args),
		append(infra.Child(c), pulumi.DependsOn(args.After))...)
	if err != nil {
		return nil, err
	}
	pool, err := native.NewAgentPool(ctx, name+"-user", userPool(args, cluster), infra.Child(c)...)
	if err != nil {
		return nil, err
	}
	if err := c.windows(ctx, name, args, cluster); err != nil {
		return nil, err
	}
	plain := native.Kubeconfig(ctx, args.Scope.Group, cluster)
	config := pulumi.ToSecret(plain).(pulumi.StringOutput)
	c.Provider, err = kubernetes.NewProvider(ctx, name, &kubernetes.ProviderArgs{
		Kubeconfig:        config,
		DeleteUnreachable: pulumi.Bool(args.Disposable),
	}, pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{pool}))
	if err != nil {
		return nil, err
	}
	line := func(key string) pulumi.StringOutput {
		return plain.ApplyT(func(config string) string { return native.KubeconfigLine(config, key) }).(pulumi.StringOutput)
	}
	c.Server, c.Authority = line("server"), line("certificate-authority-data")
	c.ID, c.Name, c.Issuer, c.Resource = cluster.ID().ToStringOutput(), cluster.Name, cluster.IssuerURL(), cluster
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"id": c.ID, "name": c.Name, "issuer": c.Issuer})
}

func zones(r azure.Region) pulumi.StringArrayInput {
	if !r.Zones() {
		return nil
	}
	return pulumi.ToStringArray([]string{"1", "2", "3"})
}

func clusterArgs(a *Args) *native.ManagedClusterArgs {
	on := &native.Enabled{Enabled: pulumi.Bool(true)}
	return &native.ManagedClusterArgs{
		ResourceGroupName:    a.Scope.Group,
		ResourceName:         pulumi.String(a.Scope.Names.Cluster()),
		Location:             a.Scope.Location(),
		DNSPrefix:            pulumi.String(a.Scope.Names.Cluster()),
		KubernetesVersion:    pulumi.String(a.Version),
		NodeResourceGroup:    pulumi.String(a.Scope.Names.NodeGroup()),
		DisableLocalAccounts: pulumi.Bool(true),
		EnableRBAC:           pulumi.Bool(true),
		Sku:                  &native.ClusterSKU{Name: pulumi.String("Base"), Tier: pulumi.String("Standard")},
		Identity: &native.ClusterIdentity{
			Type: pulumi.String("UserAssigned"), UserAssignedIdentities: pulumi.StringArray{a.ControlPlane.ID()},
		},
		IdentityProfile: native.KubeletIdentityMap{"kubeletidentity": {
			ResourceID: a.Kubelet.ID().ToStringOutput(), ClientID: a.Kubelet.ClientID, ObjectID: a.Kubelet.PrincipalID,
		}},
		AADProfile: &native.AADProfile{
			Managed: pulumi.Bool(true), EnableAzureRBAC: pulumi.Bool(true),
			AdminGroupObjectIDs: pulumi.ToStringArray([]string{a.AdminObjectID}), TenantID: pulumi.String(a.Tenant),
		},
		APIServerAccess: &native.APIServerAccess{
			EnablePrivateCluster: pulumi.Bool(true), PrivateDNSZone: pulumi.String("system"), RunCommandDisabled: pulumi.Bool(true),
		},
		AgentPoolProfiles: native.AgentPoolProfileArray{systemPool(a)},
		NetworkProfile: &native.ClusterNetwork{
			NetworkPlugin: pulumi.String("azure"), NetworkPluginMode: pulumi.String("overlay"),
			NetworkPolicy: pulumi.String("cilium"), NetworkDataplane: pulumi.String("cilium"),
			PodCIDR: pulumi.String("192.168.0.0/16"), ServiceCIDR: pulumi.String("172.16.0.0/16"), DNSServiceIP: pulumi.String("172.16.0.10"),
			LoadBalancerSKU: pulumi.String("standard"), OutboundType: pulumi.String("loadBalancer"),
		},
		OIDCIssuerProfile: on,
		SecurityProfile: &native.ClusterSecurity{
			WorkloadIdentity: on,
			Defender:         &native.Defender{LogAnalyticsWorkspaceResourceID: a.WorkspaceID, SecurityMonitoring: on},
			ImageCleaner:     &native.ImageCleaner{Enabled: pulumi.Bool(true), IntervalHours: pulumi.Int(168)},
		},
		AddonProfiles: addons(a),
		// Nodes weekly, Kubernetes only within its minor version: a new minor version is a
		// change that is reviewed, so that both regions run the same.
		AutoUpgradeProfile: &native.AutoUpgrade{UpgradeChannel: pulumi.String("patch"), NodeOSUpgradeChannel: pulumi.String("NodeImage")},
		AutoScalerProfile: &native.AutoScaler{
			Expander: pulumi.String("least-waste"), BalanceSimilarGroups: pulumi.String("true"), ScaleDownUnneededTime: pulumi.String("10m"),
		},
		Tags: a.Scope.TagMap(),
	}
}

func addons(a *Args) native.AddonMap {
	return native.AddonMap{
		"omsagent": {Enabled: pulumi.Bool(true), Config: pulumi.StringMap{
			"logAnalyticsWorkspaceResourceID": a.WorkspaceID, "useAADAuth": pulumi.String("true"),
		}},
		"azurepolicy": {Enabled: pulumi.Bool(true)},
		"azureKeyvaultSecretsProvider": {Enabled: pulumi.Bool(true), Config: pulumi.StringMap{
			"enableSecretRotation": pulumi.String("true"), "rotationPollInterval": pulumi.String("2m"),
		}},
	}
}

func systemPool(a *Args) native.AgentPoolProfile {
	return native.AgentPoolProfile{
		Name: pulumi.String("system"), Mode: pulumi.String("System"), Type: pulumi.String("VirtualMachineScaleSets"),
		VMSize: pulumi.String(a.System.Size), OSType: pulumi.String("Linux"), OSSKU: pulumi.String("AzureLinux"),
		Count: pulumi.Int(a.System.Min), MinCount: pulumi.Int(a.System.Min), MaxCount: pulumi.Int(a.System.Max), EnableAutoScaling: pulumi.Bool(true),
		AvailabilityZones: zones(a.Scope.Region), VnetSubnetID: a.SubnetID,
		NodeTaints: pulumi.ToStringArray([]string{"CriticalAddonsOnly=true:NoSchedule"}),
	}
}

func userPool(a *Args, cluster *native.ManagedCluster) *native.AgentPoolArgs {
	return &native.AgentPoolArgs{
		ResourceGroupName: a.Scope.Group, ClusterName: cluster.Name, AgentPoolName: pulumi.String("user"),
		Mode: pulumi.String("User"), Type: pulumi.String("VirtualMachineScaleSets"),
		VMSize: pulumi.String(a.User.Size), OSType: pulumi.String("Linux"), OSSKU: pulumi.String("AzureLinux"),
		Count: pulumi.Int(a.User.Min), MinCount: pulumi.Int(a.User.Min), MaxCount: pulumi.Int(a.User.Max), EnableAutoScaling: pulumi.Bool(true),
		AvailabilityZones: zones(a.Scope.Region), VnetSubnetID: a.SubnetID, Tags: a.Scope.TagMap(),
	}
}

// windows makes the two windows that Azure keeps apart: of Kubernetes and of the nodes.
func (c *Cluster) windows(ctx *pulumi.Context, name string, a *Args, cluster *native.ManagedCluster) error {
	for _, config := range []string{"aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"} {
		_, err := native.NewMaintenanceConfiguration(ctx, name+"-"+config, &native.MaintenanceConfigurationArgs{
			ResourceGroupName: a.Scope.Group, ClusterName: cluster.Name, ConfigName: pulumi.String(config),
			MaintenanceWindow: &native.MaintenanceWindow{
				DurationHours: pulumi.Int(a.Hours), StartTime: pulumi.String(a.Start), UTCOffset: pulumi.String("+00:00"),
				Schedule: &native.Schedule{Weekly: &native.Weekly{DayOfWeek: pulumi.String(a.Day), IntervalWeeks: pulumi.Int(1)}},
			},
		}, infra.Child(c)...)
		if err != nil {
			return err
		}
	}
	return nil
}
