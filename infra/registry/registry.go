// Package registry holds the images, at home in the DR region and replicated to the
// primary. At home there because what is lost with a region includes the control plane
// of everything whose home it was, and the recovery needs these images first.
package registry

import (
	registry "github.com/pulumi/pulumi-azure-native-sdk/containerregistry/v2/v20230701"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
)

// Args describe the registry.
type Args struct {
	Scope             infra.Scope
	Replica           azure.Region // also served from here
	OperatorAddresses []string
}

// Registry is the component.
type Registry struct {
	pulumi.ResourceState

	ID   pulumi.StringOutput
	Host pulumi.StringOutput
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	p.Check("replica", azure.CheckRegion(a.Replica))
	if a.Replica == a.Scope.Region {
		p.Addf("replica", "is the registry's own region %s", a.Replica)
	}
	return p.Err()
}

// New makes the registry and its replica.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Registry, error) {
	r := &Registry{}
	if err := infra.Begin(ctx, r, "Registry", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	access, rules := "Disabled", registry.IPRuleArray{}
	for _, a := range args.OperatorAddresses {
		access = "Enabled"
		rules = append(rules, registry.IPRuleArgs{Action: pulumi.String("Allow"), IPAddressOrRange: pulumi.String(a)})
	}
	made, err := registry.NewRegistry(ctx, name, &registry.RegistryArgs{
		ResourceGroupName: args.Scope.Group,
		RegistryName:      pulumi.String(args.Scope.Names.Registry()),
		Location:          args.Scope.Location(),
		// Premium alone has replication and private endpoints.
		Sku:                      registry.SkuArgs{Name: pulumi.String("Premium")},
		AdminUserEnabled:         pulumi.Bool(false),
		DataEndpointEnabled:      pulumi.Bool(true),
		PublicNetworkAccess:      pulumi.String(access),
		NetworkRuleBypassOptions: pulumi.String("AzureServices"),
		NetworkRuleSet:           registry.NetworkRuleSetArgs{DefaultAction: pulumi.String("Deny"), IpRules: rules},
		// Untagged images are never collected: everything is deployed by digest.
		Policies:       registry.PoliciesArgs{RetentionPolicy: registry.RetentionPolicyArgs{Status: pulumi.String("disabled")}},
		ZoneRedundancy: zoneRedundancy(args.Scope.Region),
		Tags:           args.Scope.TagMap(),
	}, args.Scope.Data(r)...)
	if err != nil {
		return nil, err
	}
	_, err = registry.NewReplication(ctx, name, &registry.ReplicationArgs{
		ResourceGroupName:     args.Scope.Group,
		RegistryName:          made.Name,
		ReplicationName:       pulumi.String(args.Replica),
		Location:              pulumi.String(args.Replica),
		RegionEndpointEnabled: pulumi.Bool(true),
		ZoneRedundancy:        zoneRedundancy(args.Replica),
		Tags:                  args.Scope.TagMap(),
	}, infra.Child(r)...)
	if err != nil {
		return nil, err
	}
	r.ID, r.Host = made.ID().ToStringOutput(), made.LoginServer
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{"id": r.ID, "host": r.Host})
}

func zoneRedundancy(r azure.Region) pulumi.String {
	if r.Zones() {
		return "Enabled"
	}
	return "Disabled"
}
