package network_test

import (
	"net/netip"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/infratest"
	"lifeboat/infra/network"
)

func TestNetwork(t *testing.T) {
	t.Parallel()
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		n, err := network.New(ctx, "net", &network.Args{
			Scope: infratest.Scope("uksouth"), CIDR: netip.MustParsePrefix("10.7.0.0/16"), Services: []network.Service{network.Blob, network.SQL},
		})
		if err != nil {
			return err
		}
		if err := n.Endpoint(ctx, "vault", network.Vault, pulumi.String("x")); err == nil {
			t.Error("an endpoint without a zone would be an address that nobody asks")
		}
		return n.Endpoint(ctx, "store", network.Blob, pulumi.String("/subscriptions/s/store"))
	})
	require.Equal(t, "10.7.0.0/20", infratest.One(t, all, "Subnet", "net-nodes").Inputs["addressPrefix"])
	require.Equal(t, "10.7.16.0/24", infratest.One(t, all, "Subnet", "net-endpoints").Inputs["addressPrefix"])
	require.Equal(t, "privatelink.database.windows.net", infratest.One(t, all, "PrivateZone", "net-sqlServer").Inputs["privateZoneName"])
	require.Equal(t, 2, infratest.Count(all, "VirtualNetworkLink"))
	endpoint := infratest.One(t, all, "PrivateEndpoint", "store")
	require.Equal(t, "blob", infratest.Get(endpoint, "privateLinkServiceConnections", 0, "groupIds", 0))
	require.Equal(t, "/subscriptions/s/store", infratest.Get(endpoint, "privateLinkServiceConnections", 0, "privateLinkServiceId"))
	require.Equal(t, "<net-endpoints>", infratest.Get(endpoint, "subnet", "id"))
	require.Equal(t, "<net-blob>", infratest.Get(infratest.One(t, all, "PrivateDnsZoneGroup", "store"), "privateDnsZoneConfigs", 0, "privateDnsZoneId"))
}

// TestOnlyHTTPSComesFromOutside: no rule lets the internet reach anything else.
func TestOnlyHTTPSComesFromOutside(t *testing.T) {
	t.Parallel()
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		_, err := network.New(ctx, "net", &network.Args{Scope: infratest.Scope("uksouth"), CIDR: netip.MustParsePrefix("10.7.0.0/16")})
		return err
	})
	for _, group := range []string{"net-nodes", "net-endpoints"} {
		rules, _ := infratest.One(t, all, "NetworkSecurityGroup", group).Inputs["securityRules"].([]any)
		require.NotEmpty(t, rules)
		for _, item := range rules {
			rule := item.(map[string]any)
			if rule["access"] == "Allow" && (rule["sourceAddressPrefix"] == "Internet" || rule["sourceAddressPrefix"] == "*") {
				require.Equal(t, "443", rule["destinationPortRange"], group)
				require.Equal(t, "net-nodes", group)
			}
		}
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := network.New(ctx, "net", &network.Args{CIDR: netip.MustParsePrefix("10.7.0.0/24"), Services: []network.Service{"ftp"}})
		return err
	})
	for _, want := range []string{"cidr: 10.7.0.0/24", `services: "ftp" has no private zone`, "region: "} {
		require.Contains(t, why, want)
	}
}
