package kinds

import (
	"fmt"
	"net/netip"
	"strings"

	dns "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20180501"
	vnet "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20190801"
	pe "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20210201"
	traffic "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20220401"
	private "github.com/pulumi/pulumi-azure-native-sdk/network/v2/v20240601"

	sim "lifeboat/internal/azuresim"
)

func network() []sim.Kind {
	return []sim.Kind{
		{Token: "network:VirtualNetwork", Schema: sim.SchemaOf(vnet.VirtualNetworkArgs{}),
			Name: name(`[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])`), NameRule: "2 to 64 letters, digits, '.', '_' or '-'", Check: located, InUse: true},
		{Token: "network:Subnet", Schema: sim.SchemaOf(vnet.SubnetArgs{}),
			Name: wordy, NameRule: wordyRule, Check: subnetCheck, Apply: subnetApply, InUse: true},
		{Token: "network:NetworkSecurityGroup", Schema: sim.SchemaOf(vnet.NetworkSecurityGroupArgs{}),
			Name: wordy, NameRule: wordyRule, Check: groupCheck, InUse: true},
		{Token: "network:PrivateZone", Schema: sim.SchemaOf(private.PrivateZoneArgs{}), Check: global, InUse: true},
		{Token: "network:VirtualNetworkLink", Schema: sim.SchemaOf(private.VirtualNetworkLinkArgs{}),
			Name: wordy, NameRule: wordyRule, Check: global},
		{Token: "network:PrivateEndpoint", Schema: sim.SchemaOf(pe.PrivateEndpointArgs{}),
			Name: wordy, NameRule: wordyRule, Check: endpointCheck, Replaces: []string{"subnet", "privateLinkServiceConnections"}},
		{Token: "network:PrivateDnsZoneGroup", Schema: sim.SchemaOf(pe.PrivateDnsZoneGroupArgs{})},
		{Token: "network:Zone", Schema: sim.SchemaOf(dns.ZoneArgs{}), Check: global, Compute: zoneOutputs},
		{Token: "network:RecordSet", Schema: sim.SchemaOf(dns.RecordSetArgs{}), Check: recordCheck},
		{Token: "network:Profile", Schema: sim.SchemaOf(traffic.ProfileArgs{}),
			Name: name(`[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`), NameRule: "1 to 63 letters, digits or hyphens", Unique: true,
			Check: profileCheck, Compute: func(_ *sim.View, r *sim.Resource) sim.Props { return sim.Props{} }},
		{Token: "network:Endpoint", Schema: sim.SchemaOf(traffic.EndpointArgs{}),
			Check: trafficCheck, Apply: priorityUnique},
	}
}

func global(p sim.Props) []sim.Failure {
	if strings.EqualFold(str(p, "location"), "global") {
		return nil
	}
	return []sim.Failure{{Path: "location", Reason: "must be global"}}
}

func subnetCheck(p sim.Props) []sim.Failure {
	if _, err := netip.ParsePrefix(str(p, "addressPrefix")); err != nil {
		return []sim.Failure{{Path: "addressPrefix", Reason: fmt.Sprintf("%q is not an address range", str(p, "addressPrefix"))}}
	}
	return nil
}

// subnetApply refuses a subnet outside its network, or across another.
func subnetApply(v *sim.View, r *sim.Resource) error {
	above := r.ID[:strings.LastIndex(r.ID, "/subnets/")]
	own := netip.MustParsePrefix(str(r.Inputs, "addressPrefix"))
	network := v.Get(above)
	inside := false
	spaces, _ := get(network.Inputs, "addressSpace", "addressPrefixes").([]any)
	for _, s := range spaces {
		text, _ := s.(string)
		space, err := netip.ParsePrefix(text)
		inside = inside || err == nil && space.Contains(own.Addr()) && space.Bits() <= own.Bits()
	}
	if !inside {
		return refuse(400, "NetcfgInvalidSubnet", "%s: %s lies outside its network", r.ID, own)
	}
	for _, other := range v.Find(r.Type) {
		taken, err := netip.ParsePrefix(str(other.Inputs, "addressPrefix"))
		if err == nil && other.ID != r.ID && strings.HasPrefix(other.ID, above+"/") && taken.Overlaps(own) {
			return refuse(400, "NetcfgSubnetRangesOverlap", "%s: %s overlaps %s of %s", r.ID, own, taken, other.ID)
		}
	}
	return nil
}

func groupCheck(p sim.Props) []sim.Failure {
	f := located(p)
	rules, _ := p["securityRules"].([]any)
	seen := make(map[string]bool)
	for i, item := range rules {
		rule, _ := item.(sim.Props)
		path := fmt.Sprintf("securityRules[%d]", i)
		priority := num(rule["priority"])
		if priority < 100 || priority > 4096 {
			f = append(f, sim.Failure{Path: path + ".priority", Reason: "must be 100 to 4096"})
		}
		key := fmt.Sprint(rule["direction"], priority)
		if seen[key] {
			f = append(f, sim.Failure{Path: path + ".priority", Reason: fmt.Sprintf("%d is there twice", priority)})
		}
		seen[key] = true
	}
	return f
}

func endpointCheck(p sim.Props) []sim.Failure {
	f := located(p)
	links, _ := p["privateLinkServiceConnections"].([]any)
	if len(links) != 1 {
		f = append(f, sim.Failure{Path: "privateLinkServiceConnections", Reason: "must be one"})
	}
	if str(p, "subnet", "id") == "" {
		f = append(f, sim.Failure{Path: "subnet.id", Reason: "missing required property"})
	}
	for _, item := range links {
		link, _ := item.(sim.Props)
		target := strings.ToLower(str(link, "privateLinkServiceId"))
		groups, _ := link["groupIds"].([]any)
		for kind, wants := range map[string]string{"microsoft.storage/storageaccounts": "blob", "microsoft.keyvault/vaults": "vault", "microsoft.sql/servers": "sqlServer", "microsoft.containerregistry/registries": "registry"} {
			if strings.Contains(target, kind) && (len(groups) != 1 || groups[0] != wants) {
				f = append(f, sim.Failure{Path: "privateLinkServiceConnections[0].groupIds", Reason: fmt.Sprintf("%v is not what %s offers: %s", groups, kind, wants)})
			}
		}
	}
	return f
}

func zoneOutputs(_ *sim.View, r *sim.Resource) sim.Props {
	var servers []any
	for i, tld := range []string{"com", "net", "org", "info"} {
		servers = append(servers, fmt.Sprintf("ns%d-01.azure-dns.%s.", i+1, tld))
	}
	return sim.Props{"nameServers": servers}
}

func recordCheck(p sim.Props) []sim.Failure {
	if ttl := num(p["ttl"]); ttl < 1 || ttl > 2147483647 {
		return []sim.Failure{{Path: "ttl", Reason: "must be 1 to 2147483647"}}
	}
	return nil
}

func profileCheck(p sim.Props) []sim.Failure {
	f := append(global(p), oneOf(p, "trafficRoutingMethod", "Performance", "Priority", "Weighted", "Geographic", "MultiValue", "Subnet")...)
	interval, timeout := num(get(p, "monitorConfig", "intervalInSeconds")), num(get(p, "monitorConfig", "timeoutInSeconds"))
	if interval != 10 && interval != 30 {
		f = append(f, sim.Failure{Path: "monitorConfig.intervalInSeconds", Reason: "must be 10 or 30"})
	}
	if timeout < 5 || timeout > 10 || interval == 10 && timeout > 9 {
		f = append(f, sim.Failure{Path: "monitorConfig.timeoutInSeconds", Reason: "must be 5 to 10, and at most 9 with an interval of 10"})
	}
	return f
}

func trafficCheck(p sim.Props) []sim.Failure {
	f := oneOf(p, "endpointType", "ExternalEndpoints", "AzureEndpoints", "NestedEndpoints")
	if str(p, "endpointType") == "ExternalEndpoints" && str(p, "target") == "" {
		f = append(f, sim.Failure{Path: "target", Reason: "missing required property of an external endpoint"})
	}
	if n := num(p["priority"]); n < 1 || n > 1000 {
		f = append(f, sim.Failure{Path: "priority", Reason: "must be 1 to 1000"})
	}
	return f
}

// priorityUnique: in a profile, priorities and targets are unique.
func priorityUnique(v *sim.View, r *sim.Resource) error {
	profile := r.ID[:strings.Index(r.ID, "/trafficManagerProfiles/")+len("/trafficManagerProfiles/")] + str(r.Inputs, "profileName")
	for _, other := range v.Find(r.Type) {
		if other.ID == r.ID || !strings.HasPrefix(other.ID, profile+"/") {
			continue
		}
		if other.Inputs["priority"] == r.Inputs["priority"] {
			return refuse(400, "BadRequest", "%s: priority %v is that of %s", r.ID, r.Inputs["priority"], other.ID)
		}
		if other.Inputs["target"] == r.Inputs["target"] {
			return refuse(400, "BadRequest", "%s: target %v is that of %s", r.ID, r.Inputs["target"], other.ID)
		}
	}
	return nil
}
