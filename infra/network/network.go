package network

import (
	"net/netip"

	vnet "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20190801"
	dns "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20240601"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
)

// Args describe a region's network.
type Args struct {
	Scope    infra.Scope
	CIDR     netip.Prefix // a /16
	Services []Service    // what will be reached privately
}

// Service is an Azure service that a private endpoint can stand for.
type Service string

// The services.
const (
	Blob     Service = "blob"
	Vault    Service = "vault"
	SQL      Service = "sqlServer"
	Registry Service = "registry"
)

// zones are Microsoft's fixed names of the private zones (docs, "private endpoint DNS",
// 2025-06).
var zones = map[Service]string{
	Blob:     "privatelink.blob.core.windows.net",
	Vault:    "privatelink.vaultcore.azure.net",
	SQL:      "privatelink.database.windows.net",
	Registry: "privatelink.azurecr.io",
}

// Network is the component.
type Network struct {
	pulumi.ResourceState

	VNetID      pulumi.StringOutput
	NodesID     pulumi.StringOutput // subnet of the cluster's nodes
	EndpointsID pulumi.StringOutput // subnet of the private endpoints

	scope infra.Scope
	zones map[Service]*dns.PrivateZone
	links []pulumi.Resource
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	if !a.CIDR.IsValid() || a.CIDR.Bits() != 16 || !a.CIDR.Addr().Is4() {
		p.Addf("cidr", "%v is not an IPv4 /16", a.CIDR)
	}
	for _, s := range a.Services {
		if zones[s] == "" {
			p.Addf("services", "%q has no private zone", s)
		}
	}
	return p.Err()
}

// New makes the network.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Network, error) {
	n := &Network{scope: args.Scope, zones: make(map[Service]*dns.PrivateZone)}
	if err := infra.Begin(ctx, n, "Network", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	v, err := vnet.NewVirtualNetwork(ctx, name, &vnet.VirtualNetworkArgs{
		ResourceGroupName:  args.Scope.Group,
		VirtualNetworkName: pulumi.String(args.Scope.Names.Network()),
		Location:           args.Scope.Location(),
		AddressSpace:       vnet.AddressSpaceArgs{AddressPrefixes: pulumi.StringArray{pulumi.String(args.CIDR.String())}},
		Tags:               args.Scope.TagMap(),
		// Subnets are resources of their own; without this a refresh would see them as drift.
	}, append(infra.Child(n), pulumi.IgnoreChanges([]string{"subnets"}))...)
	if err != nil {
		return nil, err
	}
	n.VNetID = v.ID().ToStringOutput()
	nodes, err := n.subnet(ctx, name+"-nodes", v, subnetArgs{"nodes", subnetOf(args.CIDR, 0, 20), nodeRules(), "Enabled"}, nil)
	if err != nil {
		return nil, err
	}
	endpoints, err := n.subnet(ctx, name+"-endpoints", v, subnetArgs{"endpoints", subnetOf(args.CIDR, 16, 24), endpointRules(args.CIDR), "Disabled"}, []pulumi.Resource{nodes})
	if err != nil {
		return nil, err
	}
	n.NodesID, n.EndpointsID = nodes.ID().ToStringOutput(), endpoints.ID().ToStringOutput()
	for _, s := range args.Services {
		if err := n.zone(ctx, name, s); err != nil {
			return nil, err
		}
	}
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{"vnetId": n.VNetID, "nodesId": n.NodesID, "endpointsId": n.EndpointsID})
}

// subnetOf cuts the range that starts at the third byte out of a /16.
func subnetOf(network netip.Prefix, third byte, bits int) netip.Prefix {
	a := network.Addr().As4()
	a[2] = third
	return netip.PrefixFrom(netip.AddrFrom4(a), bits)
}

type subnetArgs struct {
	name     string
	prefix   netip.Prefix
	rules    vnet.SecurityRuleArray
	policies string // of private endpoints: "Disabled" where they live, as Azure requires
}

// subnet makes one subnet behind its security group. Azure changes one subnet of a
// network at a time and refuses the second (409), so each waits for the one before it.
func (n *Network) subnet(ctx *pulumi.Context, name string, v *vnet.VirtualNetwork, a subnetArgs, after []pulumi.Resource) (*vnet.Subnet, error) {
	group, err := vnet.NewNetworkSecurityGroup(ctx, name, &vnet.NetworkSecurityGroupArgs{
		ResourceGroupName:        n.scope.Group,
		NetworkSecurityGroupName: pulumi.String(n.scope.Names.Of("nsg") + "-" + a.name),
		Location:                 n.scope.Location(),
		SecurityRules:            a.rules,
		Tags:                     n.scope.TagMap(),
	}, infra.Child(n)...)
	if err != nil {
		return nil, err
	}
	return vnet.NewSubnet(ctx, name, &vnet.SubnetArgs{
		ResourceGroupName:              n.scope.Group,
		VirtualNetworkName:             v.Name,
		SubnetName:                     pulumi.String(a.name),
		AddressPrefix:                  pulumi.String(a.prefix.String()),
		PrivateEndpointNetworkPolicies: pulumi.String(a.policies),
		NetworkSecurityGroup:           vnet.NetworkSecurityGroupTypeArgs{Id: group.ID()},
	}, append(infra.Child(n), pulumi.DependsOn(after))...)
}

// zone makes a service's private zone and joins it to the network.
func (n *Network) zone(ctx *pulumi.Context, name string, s Service) error {
	z, err := dns.NewPrivateZone(ctx, name+"-"+string(s), &dns.PrivateZoneArgs{
		ResourceGroupName: n.scope.Group,
		PrivateZoneName:   pulumi.String(zones[s]),
		Location:          pulumi.String("global"),
		Tags:              n.scope.TagMap(),
	}, infra.Child(n)...)
	if err != nil {
		return err
	}
	link, err := dns.NewVirtualNetworkLink(ctx, name+"-"+string(s), &dns.VirtualNetworkLinkArgs{
		ResourceGroupName:      n.scope.Group,
		PrivateZoneName:        z.Name,
		VirtualNetworkLinkName: pulumi.String(n.scope.Names.Network()),
		Location:               pulumi.String("global"),
		RegistrationEnabled:    pulumi.Bool(false),
		VirtualNetwork:         dns.SubResourceArgs{Id: n.VNetID},
		Tags:                   n.scope.TagMap(),
	}, infra.Child(n)...)
	if err != nil {
		return err
	}
	n.zones[s], n.links = z, append(n.links, link)
	return nil
}
