// Package edge is how users find the region that serves: a DNS name that follows a
// Traffic Manager profile, and in it one endpoint for each region that may serve.
//
// The profile lives in the hub (the DR region): a resource group whose region is lost
// cannot be changed, and changing this is what a failover must do. Endpoints are the
// business of the stacks they point at. The lower the priority the sooner it is used; that
// of a failover or a failback is below all that are there, so what served before and comes
// back takes no traffic.
package edge

import (
	"fmt"
	"strings"

	dns "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20180501"
	traffic "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20220401"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
)

// PriorityPrimary is that of a primary's endpoint. Azure allows 1 to 1000, each once in a
// profile.
const PriorityPrimary = 100

// Args describe the edge.
type Args struct {
	Scope      infra.Scope
	Zone       string // DNS zone, e.g. "careful.example"
	Record     string // the name in it
	TTL        int    // seconds, at most 60
	Interval   int    // of the health probe, seconds: 10 or 30
	HealthPath string
}

// Edge is the component.
type Edge struct {
	pulumi.ResourceState

	ProfileID   pulumi.StringOutput
	Host        pulumi.StringOutput // what users type
	NameServers pulumi.StringArrayOutput
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	if a.Zone == "" || a.Record == "" {
		p.Addf("zone", "zone and record are needed")
	}
	if a.TTL < 1 || a.TTL > 60 {
		p.Addf("ttl", "%d is not in 1 to 60 seconds", a.TTL)
	}
	if a.Interval != 10 && a.Interval != 30 {
		p.Addf("interval", "%d is not 10 or 30 seconds", a.Interval)
	}
	return p.Err()
}

// New makes the zone, the profile and the name that follows it.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Edge, error) {
	e := &Edge{}
	if err := infra.Begin(ctx, e, "Edge", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	zone, err := dns.NewZone(ctx, name, &dns.ZoneArgs{
		ResourceGroupName: args.Scope.Group,
		ZoneName:          pulumi.String(args.Zone),
		Location:          pulumi.String("global"),
		ZoneType:          dns.ZoneTypePublic,
		Tags:              args.Scope.TagMap(),
	}, args.Scope.Data(e)...)
	if err != nil {
		return nil, err
	}
	profile, err := traffic.NewProfile(ctx, name, profileArgs(args), args.Scope.Data(e)...)
	if err != nil {
		return nil, err
	}
	_, err = dns.NewRecordSet(ctx, name, &dns.RecordSetArgs{
		ResourceGroupName:     args.Scope.Group,
		ZoneName:              zone.Name,
		RelativeRecordSetName: pulumi.String(args.Record),
		RecordType:            pulumi.String("CNAME"),
		Ttl:                   pulumi.Float64(float64(args.TTL)),
		TargetResource:        dns.SubResourceArgs{Id: profile.ID()},
	}, args.Scope.Data(e)...)
	if err != nil {
		return nil, err
	}
	e.ProfileID, e.NameServers = profile.ID().ToStringOutput(), zone.NameServers
	e.Host = pulumi.Sprintf("%s.%s", args.Record, zone.Name)
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{"profileId": e.ProfileID, "host": e.Host, "nameServers": e.NameServers})
}

func profileArgs(args *Args) *traffic.ProfileArgs {
	timeout := 9.0 // the longest that an interval of 10 s allows
	if args.Interval == 30 {
		timeout = 10
	}
	return &traffic.ProfileArgs{
		ResourceGroupName:    args.Scope.Group,
		ProfileName:          pulumi.String(args.Scope.Names.Profile()),
		Location:             pulumi.String("global"),
		ProfileStatus:        pulumi.String("Enabled"),
		TrafficRoutingMethod: pulumi.String("Priority"),
		DnsConfig:            traffic.DnsConfigArgs{RelativeName: pulumi.String(args.Scope.Names.Profile()), Ttl: pulumi.Float64(float64(args.TTL))},
		MonitorConfig: traffic.MonitorConfigArgs{
			Protocol: pulumi.String("HTTPS"), Port: pulumi.Float64(443), Path: pulumi.String(args.HealthPath),
			IntervalInSeconds: pulumi.Float64(float64(args.Interval)), TimeoutInSeconds: pulumi.Float64(timeout), ToleratedNumberOfFailures: pulumi.Float64(3),
		},
		Tags: args.Scope.TagMap(),
	}
}

// First is the priority that puts an endpoint before all others of the hub's profile. One
// that is there already keeps its own: those that came later are before it.
func First(ctx *pulumi.Context, hub azure.Names, endpoint string) (int, error) {
	profile, err := traffic.LookupProfile(ctx, &traffic.LookupProfileArgs{ResourceGroupName: hub.Group(), ProfileName: hub.Profile()})
	if err != nil {
		return 0, fmt.Errorf("which endpoints users are sent to now (profile %s in %s): %w", hub.Profile(), hub.Group(), err)
	}
	lowest := PriorityPrimary
	for _, e := range profile.Endpoints {
		if e.Name == nil || e.Priority == nil {
			continue
		}
		if strings.EqualFold(*e.Name, endpoint) {
			return int(*e.Priority), nil
		}
		lowest = min(lowest, int(*e.Priority))
	}
	if lowest <= 1 {
		return 0, fmt.Errorf("profile %s in %s has an endpoint of priority 1, and none goes before it: delete the endpoints of stacks that are gone", hub.Profile(), hub.Group())
	}
	return lowest - 1, nil
}

// EndpointArgs point traffic at one stack's application.
type EndpointArgs struct {
	Hub      azure.Names // where the profile is
	Name     string
	Host     string // public name of the stack's load balancer
	Priority int
	Enabled  bool
}

// Endpoint adds an endpoint to the profile in the hub.
func Endpoint(ctx *pulumi.Context, name string, a *EndpointArgs, opts ...pulumi.ResourceOption) error {
	status := "Disabled"
	if a.Enabled {
		status = "Enabled"
	}
	_, err := traffic.NewEndpoint(ctx, name, &traffic.EndpointArgs{
		ResourceGroupName: pulumi.String(a.Hub.Group()),
		ProfileName:       pulumi.String(a.Hub.Profile()),
		EndpointType:      pulumi.String("ExternalEndpoints"),
		EndpointName:      pulumi.String(a.Name),
		Target:            pulumi.String(a.Host),
		EndpointStatus:    pulumi.String(status),
		Priority:          pulumi.Float64(float64(a.Priority)),
	}, append(opts, pulumi.DeleteBeforeReplace(true))...)
	return err
}
