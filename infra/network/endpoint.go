package network

import (
	"fmt"

	vnet "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20190801"
	pe "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20210201"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
)

// Endpoint gives the service behind the id an address in this network, and its public
// name that address for everything inside. The service may live in another region: so
// the agent reaches the mirror without ever leaving private addresses.
func (n *Network) Endpoint(ctx *pulumi.Context, name string, service Service, target pulumi.StringInput) error {
	zone, ok := n.zones[service]
	if !ok {
		return fmt.Errorf("private endpoint %s: the network has no zone for %s", name, service)
	}
	endpoint, err := pe.NewPrivateEndpoint(ctx, name, &pe.PrivateEndpointArgs{
		ResourceGroupName:   n.scope.Group,
		PrivateEndpointName: pulumi.String(n.scope.Names.Of("pe") + "-" + name),
		Location:            n.scope.Location(),
		Subnet:              pe.SubnetArgs{Id: n.EndpointsID},
		PrivateLinkServiceConnections: pe.PrivateLinkServiceConnectionArray{pe.PrivateLinkServiceConnectionArgs{
			Name:                 pulumi.String(name),
			PrivateLinkServiceId: target,
			GroupIds:             pulumi.StringArray{pulumi.String(service)},
		}},
		Tags: n.scope.TagMap(),
	}, append(infra.Child(n), pulumi.DependsOn(n.links))...)
	if err != nil {
		return err
	}
	_, err = pe.NewPrivateDnsZoneGroup(ctx, name, &pe.PrivateDnsZoneGroupArgs{
		ResourceGroupName:       n.scope.Group,
		PrivateEndpointName:     endpoint.Name,
		PrivateDnsZoneGroupName: pulumi.String("default"),
		PrivateDnsZoneConfigs: pe.PrivateDnsZoneConfigArray{pe.PrivateDnsZoneConfigArgs{
			Name:             pulumi.String(service),
			PrivateDnsZoneId: zone.ID(),
		}},
	}, infra.Child(n)...)
	return err
}

// nodeRules let the world's HTTPS in to the load balancer; Azure's default rules let the
// network itself and the health probe in and refuse everything else.
func nodeRules() vnet.SecurityRuleArray {
	return vnet.SecurityRuleArray{vnet.SecurityRuleArgs{
		Name: pulumi.String("https-in"), Priority: pulumi.Int(100),
		Direction: pulumi.String("Inbound"), Access: pulumi.String("Allow"), Protocol: pulumi.String("Tcp"),
		SourceAddressPrefix: pulumi.String("Internet"), SourcePortRange: pulumi.String("*"),
		DestinationAddressPrefix: pulumi.String("*"), DestinationPortRange: pulumi.String("443"),
	}}
}

// endpointRules let only the network itself reach the private endpoints.
func endpointRules(network fmt.Stringer) vnet.SecurityRuleArray {
	rule := func(name string, priority int, access, from, ports string) vnet.SecurityRuleArgs {
		return vnet.SecurityRuleArgs{
			Name: pulumi.String(name), Priority: pulumi.Int(priority),
			Direction: pulumi.String("Inbound"), Access: pulumi.String(access), Protocol: pulumi.String("*"),
			SourceAddressPrefix: pulumi.String(from), SourcePortRange: pulumi.String("*"),
			DestinationAddressPrefix: pulumi.String("*"), DestinationPortRange: pulumi.String(ports),
		}
	}
	return vnet.SecurityRuleArray{
		rule("network-https", 100, "Allow", network.String(), "443"),
		rule("network-sql", 110, "Allow", network.String(), "1433"),
		rule("nothing-else", 4096, "Deny", "*", "*"),
	}
}
