package edge_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/edge"
	"lifeboat/infra/infratest"
)

func args() *edge.Args {
	return &edge.Args{Scope: infratest.Scope("ukwest"), Zone: "acme.example", Record: "app", TTL: 30, Interval: 10, HealthPath: "/healthz"}
}

func TestUsersFollowTheProfileWithinTheTTL(t *testing.T) {
	t.Parallel()
	scope := infratest.Scope("ukwest")
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		if _, err := edge.New(ctx, "edge", args()); err != nil {
			return err
		}
		priority, err := edge.First(ctx, scope.Names, "here")
		if err != nil {
			return err
		}
		return edge.Endpoint(ctx, "here", &edge.EndpointArgs{Hub: scope.Names, Name: "here", Host: "h.example", Priority: priority})
	})
	require.InEpsilon(t, 30.0, infratest.One(t, all, "RecordSet", "edge").Inputs["ttl"], 0)
	require.Equal(t, "<edge>", infratest.Get(infratest.One(t, all, "RecordSet", "edge"), "targetResource", "id"))
	profile := infratest.One(t, all, "Profile", "edge")
	require.InEpsilon(t, 30.0, infratest.Get(profile, "dnsConfig", "ttl"), 0)
	require.Equal(t, "Priority", profile.Inputs["trafficRoutingMethod"])
	require.Equal(t, "HTTPS", infratest.Get(profile, "monitorConfig", "protocol"))
	here := infratest.One(t, all, "Endpoint", "here")
	require.Equal(t, "Disabled", here.Inputs["endpointStatus"], "an endpoint takes no traffic unless told")
	require.Equal(t, profile.Inputs["profileName"], here.Inputs["profileName"])
	require.InEpsilon(t, edge.PriorityPrimary-1, here.Inputs["priority"], 0, "a primary that comes back takes no traffic")
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		a := args()
		a.TTL, a.Interval, a.Zone = 300, 20, ""
		_, err := edge.New(ctx, "edge", a)
		return err
	})
	for _, want := range []string{"ttl: 300", "interval: 20", "zone: "} {
		require.Contains(t, why, want)
	}
}
