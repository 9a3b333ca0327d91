package settings

import (
	"fmt"
	"net/mail"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"lifeboat/infra/azure"
)

// MaxSnapshotInterval is the company's policy: local snapshots at least every 24 h.
const MaxSnapshotInterval = 24 * time.Hour

// MaxTTL bounds how long a resolver may keep the old region's address, seconds.
const MaxTTL = 60

var (
	orgShape    = regexp.MustCompile(`^[a-z][a-z0-9]{1,9}$`)
	idShape     = regexp.MustCompile(`^[a-z][a-z0-9]{1,11}$`)
	guidShape   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	imageShape  = regexp.MustCompile(`^[a-z0-9]+([._/-][a-z0-9]+)*@sha256:[0-9a-f]{64}$`)
	publicShape = regexp.MustCompile(`^[a-z0-9.-]+(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$`)
	keepShape   = regexp.MustCompile(`^P[1-9][0-9]*[DWMY]$`)
	labelShape  = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	zoneShape   = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$`)
	dbShape     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	repoShape   = regexp.MustCompile(`^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$`)
	k8sShape    = regexp.MustCompile(`^1\.[0-9]{2}(\.[0-9]+)?$`)
	clockShape  = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	cronField   = regexp.MustCompile(`^(\*|[0-9]+(-[0-9]+)?)(/[0-9]+)?(,[0-9]+(-[0-9]+)?)*$`)
	secretName  = regexp.MustCompile(`(?i)(password|passwd|secret|token|apikey|api_key|connectionstring|connection_string)$`)
)

// Validate returns nil or one error, wrapping ErrSettings, that lists every problem.
func (s *Settings) Validate() error {
	var p azure.Problems
	s.checkIdentity(&p)
	s.checkRegions(&p)
	s.checkNetwork(&p)
	s.checkStore(&p)
	s.checkDatabase(&p)
	s.checkCluster(&p)
	s.checkWorkloads(&p)
	s.checkSchedules(&p)
	s.checkEdge(&p)
	s.checkAlerts(&p)
	if err := p.Err(); err != nil {
		return fmt.Errorf("%w:\n%w", ErrSettings, err)
	}
	return nil
}

func (s *Settings) checkIdentity(p *azure.Problems) {
	if !slices.Contains([]Role{Primary, DR, Failover}, s.Role) {
		p.Addf("role", "%q is not a role; use primary, dr or failover", s.Role)
	}
	match(p, "organisation", s.Organisation, orgShape, "2 to 10 of a-z 0-9, starting with a letter")
	match(p, "tenant", s.Tenant, guidShape, "a GUID in lower case")
	match(p, "subscription", s.Subscription, guidShape, "a GUID in lower case")
	for path, v := range map[string]string{"tags.owner": s.Tags.Owner, "tags.dataClass": s.Tags.DataClass, "tags.rpo": s.Tags.RPO, "tags.rto": s.Tags.RTO} {
		if v == "" {
			p.Addf(path, "is empty; every resource carries it")
		}
	}
	if s.Role == Failover {
		match(p, "failover.id", s.Failover.ID, idShape, "2 to 12 of a-z 0-9, starting with a letter")
		if s.Failover.Drill && s.Failover.Live {
			p.Addf("failover.live", "a drill never takes traffic")
		}
		if s.Failover.Live && !s.Failover.Deploy {
			p.Addf("failover.live", "nothing is deployed that could take traffic")
		}
		for _, h := range []Half{s.Regions.Primary, s.Regions.DR, s.Regions.Hub} {
			if s.Failover.ID == h.part() {
				p.Addf("failover.id", "%q is what names of the stack in %s have", s.Failover.ID, h.Region)
			}
		}
		s.checkRestoreSKU(p)
	} else if s.Failover != (FailoverRun{}) {
		p.Addf("failover", "belongs to role failover, not to %s", s.Role)
	}
}

// checkRestoreSKU: a database is scaled within its tier; from one tier to another its data
// is copied, and from Hyperscale it may not come back.
func (s *Settings) checkRestoreSKU(p *azure.Problems) {
	const path = "failover.restoreSku"
	if s.Failover.RestoreSKU == "" {
		return
	}
	if s.Database.Kind != AzureSQL {
		p.Addf(path, "is of Azure SQL, the database is a %s", s.Database.Kind)
		return
	}
	own, _ := azure.ParseDatabaseSKU(s.Database.SKU) // whose problem is told elsewhere
	sku, err := azure.ParseDatabaseSKU(s.Failover.RestoreSKU)
	p.Check(path, err)
	if err == nil && own.Tier != "" && own.Tier != sku.Tier {
		p.Addf(path, "%s is of tier %s, database.sku %s of %s: use a size of the same tier", sku.Name, sku.Tier, own.Name, own.Tier)
	}
}

func (s *Settings) checkRegions(p *azure.Problems) {
	halves := map[string]Half{"regions.primary": s.Regions.Primary, "regions.dr": s.Regions.DR, "regions.hub": s.Regions.Hub}
	if s.Failover.Mirror != (Half{}) {
		halves["failover.mirror"] = s.Failover.Mirror
	}
	known := slices.Contains(azure.Geographies(), s.Geography)
	if !known {
		p.Addf("geography", "%q is not one of %v", s.Geography, azure.Geographies())
	}
	for path, h := range halves {
		p.Check(path+".region", azure.CheckRegion(h.Region))
		within(p, path+".generation", h.Generation, 1, maxGeneration)
		if known && h.Region.Known() && h.Region.Geography() != s.Geography {
			p.Addf(path+".region", "%s lies in %s; the data may not leave %s (%v)", h.Region, h.Region.Geography(), s.Geography, azure.RegionsIn(s.Geography))
		}
	}
	if s.Regions.Primary.Region == s.Regions.DR.Region {
		p.Addf("regions.dr.region", "is the primary region %s; one disaster would take both", s.Regions.DR.Region)
	}
	if s.Failover.Mirror.Region != "" && s.Failover.Mirror.Region == s.Region() {
		p.Addf("failover.mirror.region", "is %s, the region that would serve; one disaster would take both", s.Region())
	}
}

func (s *Settings) checkNetwork(p *azure.Problems) {
	prefix := func(path, text string) netip.Prefix {
		n, err := netip.ParsePrefix(text)
		if err != nil || !n.Addr().Is4() || n.Bits() != 16 || n != n.Masked() || !n.Addr().IsPrivate() {
			p.Addf(path, "%q is not a private IPv4 /16 such as 10.20.0.0/16", text)
			return netip.Prefix{}
		}
		return n
	}
	a, b := prefix("network.primaryCidr", s.Network.PrimaryCIDR), prefix("network.failoverCidr", s.Network.FailoverCIDR)
	if a.IsValid() && b.IsValid() && a.Overlaps(b) {
		p.Addf("network.failoverCidr", "%s overlaps network.primaryCidr %s", b, a)
	}
	for path, n := range map[string]netip.Prefix{"network.primaryCidr": a, "network.failoverCidr": b} {
		for _, taken := range []string{"192.168.0.0/16", "172.16.0.0/16"} {
			if n.IsValid() && n.Overlaps(netip.MustParsePrefix(taken)) {
				p.Addf(path, "%s overlaps %s, which the cluster's pods and services use", n, taken)
			}
		}
	}
}

func (s *Settings) checkStore(p *azure.Problems) {
	within(p, "store.immutableDays", s.Store.ImmutableDays, 1, 146000)
	within(p, "store.softDeleteDays", s.Store.SoftDeleteDays, 7, 365)
	for i, a := range s.Store.OperatorAddresses {
		path := fmt.Sprintf("store.operatorAddresses[%d]", i)
		addr, err := netip.ParseAddr(a)
		if n, perr := netip.ParsePrefix(a); err != nil && perr == nil {
			// Storage firewalls take no range smaller than /30 and nothing larger is an office.
			if n.Bits() < 24 || n.Bits() > 30 || n != n.Masked() {
				p.Addf(path, "%q is not a range from /24 to /30", a)
			}
			addr, err = n.Addr(), nil
		}
		if err != nil || !addr.Is4() || addr.IsPrivate() || addr.IsUnspecified() || addr.IsLoopback() {
			p.Addf(path, "%q is not a public IPv4 address or range", a)
		}
	}
}

func (s *Settings) checkDatabase(p *azure.Problems) {
	d := s.Database
	match(p, "database.name", d.Name, dbShape, "1 to 128 letters, digits, '_' or '-'")
	sku, err := azure.ParseDatabaseSKU(d.SKU)
	p.Check("database.sku", err)
	if err == nil {
		within(p, "database.maxSizeGiB", d.MaxSizeGiB, 1, sku.MaxSizeG)
	}
	within(p, "database.pitrDays", d.PITRDays, 7, 35)
	within(p, "database.softDeleteDays", d.SoftDelete, 1, 7)
	for path, keep := range map[string]string{"weekly": d.LongTerm.Weekly, "monthly": d.LongTerm.Monthly, "yearly": d.LongTerm.Yearly} {
		match(p, "database.longTerm."+path, keep, keepShape, "an ISO 8601 duration such as P4W")
	}
	within(p, "database.longTerm.weekOfYear", d.LongTerm.WeekOfYear, 1, 52)
	match(p, "database.admin.objectId", d.Admin.ObjectID, guidShape, "a GUID in lower case")
	if d.Admin.Name == "" {
		p.Addf("database.admin.name", "is empty; it names the Entra group that administers the server")
	}
	switch d.Kind {
	case AzureSQL:
	case Container:
		match(p, "database.containerImage", d.ContainerImage, publicShape, "registry/repository@sha256:<64 hex digits>")
		if s.Role == Primary {
			p.Addf("database.kind", "container is for drills and failovers; the primary runs Azure SQL")
		}
	default:
		p.Addf("database.kind", "%q is not azure or container", d.Kind)
	}
}

func (s *Settings) checkCluster(p *azure.Problems) {
	c := s.Cluster
	match(p, "cluster.version", c.Version, k8sShape, "a version such as 1.33")
	for path, pool := range map[string]Pool{"cluster.system": c.System, "cluster.user": c.User} {
		_, err := azure.ParseNodeSKU(pool.Size)
		p.Check(path+".size", err)
		within(p, path+".min", pool.Min, 1, 1000)
		within(p, path+".max", pool.Max, max(pool.Min, 1), 1000)
	}
	match(p, "cluster.adminGroup.objectId", c.AdminGroup.ObjectID, guidShape, "a GUID in lower case")
	if !slices.Contains([]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}, c.Maintenance.Day) {
		p.Addf("cluster.maintenance.day", "%q is not a day of the week", c.Maintenance.Day)
	}
	match(p, "cluster.maintenance.start", c.Maintenance.Start, clockShape, "HH:MM, UTC")
	within(p, "cluster.maintenance.hours", c.Maintenance.Hours, 4, 24)
}

func (s *Settings) checkWorkloads(p *azure.Problems) {
	a := s.Application
	match(p, "application.name", a.Name, labelShape, "a DNS label")
	if a.Name == "lifeboat" || strings.HasPrefix(a.Name, "kube-") {
		p.Addf("application.name", "%q is a namespace that is taken", a.Name)
	}
	match(p, "application.image", a.Image, imageShape, "repository@sha256:<64 hex digits>: a tag can change between the day of the drill and the day of the disaster")
	match(p, "agent.image", s.Agent.Image, imageShape, "repository@sha256:<64 hex digits>")
	within(p, "application.port", a.Port, 1024, 65535)
	within(p, "application.replicas", a.Replicas, 2, 100)
	if !strings.HasPrefix(a.HealthPath, "/") {
		p.Addf("application.healthPath", "%q does not start with '/'", a.HealthPath)
	}
	for name := range a.Env {
		if secretName.MatchString(name) {
			p.Addf("application.env."+name, "looks like a secret; keep it in the key vault")
		}
	}
	interval, err := time.ParseDuration(s.Agent.SnapshotInterval)
	switch {
	case err != nil || interval <= 0:
		p.Addf("agent.snapshotInterval", "%q is not a duration such as 24h", s.Agent.SnapshotInterval)
	case interval > MaxSnapshotInterval:
		p.Addf("agent.snapshotInterval", "%s is over the policy's %s", interval, MaxSnapshotInterval)
	}
	if s.Agent.Mirror != "block" && s.Agent.Mirror != "degrade" {
		p.Addf("agent.mirror", "%q is not block or degrade", s.Agent.Mirror)
	}
	match(p, "code.repository", s.Code.Repository, repoShape, "owner/name")
	if s.Code.Branch == "" {
		p.Addf("code.branch", "is empty")
	}
}

func (s *Settings) checkSchedules(p *azure.Problems) {
	c := s.Agent.Schedules
	for path, cron := range map[string]string{"audit": c.Audit, "mirrorVerify": c.MirrorVerify, "restoreProof": c.RestoreProof, "preflight": c.Preflight, "codeBackup": c.CodeBackup} {
		fields := strings.Fields(cron)
		if len(fields) != 5 || slices.ContainsFunc(fields, func(f string) bool { return !cronField.MatchString(f) }) {
			p.Addf("agent.schedules."+path, "%q is not a cron expression of five numeric fields", cron)
		}
	}
}

func (s *Settings) checkEdge(p *azure.Problems) {
	match(p, "edge.zone", s.Edge.Zone, zoneShape, "a DNS zone such as careful.example")
	match(p, "edge.record", s.Edge.Record, labelShape, "a DNS label")
	within(p, "edge.ttl", s.Edge.TTL, 1, MaxTTL)
	if s.Edge.Interval != 10 && s.Edge.Interval != 30 {
		p.Addf("edge.interval", "%d is not 10 or 30 seconds, which Traffic Manager takes", s.Edge.Interval)
	}
}

func (s *Settings) checkAlerts(p *azure.Problems) {
	if len(s.Alerts.Emails) == 0 {
		p.Addf("alerts.emails", "nobody would be told")
	}
	for name, address := range s.Alerts.Emails {
		if _, err := mail.ParseAddress(address); err != nil || name == "" {
			p.Addf("alerts.emails."+name, "%q is not an e-mail address", address)
		}
	}
	within(p, "alerts.exposureSeconds", s.Alerts.ExposureSeconds, 1, 3600)
	within(p, "alerts.lagSeconds", s.Alerts.LagSeconds, 1, 86400)
	within(p, "alerts.snapshotHours", s.Alerts.SnapshotHours, 1, 48)
	within(p, "alerts.retentionDays", s.Alerts.RetentionDays, 30, 730)
}

func match(p *azure.Problems, path, value string, shape *regexp.Regexp, want string) {
	if !shape.MatchString(value) {
		p.Addf(path, "%q is not %s", value, want)
	}
}

func within(p *azure.Problems, path string, value, low, high int) {
	if value < low || value > high {
		p.Addf(path, "%d is not in %d to %d", value, low, high)
	}
}
