package program

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra/alerts"
	"lifeboat/infra/edge"
	"lifeboat/infra/identity"
	"lifeboat/infra/keyvault"
	"lifeboat/infra/registry"
	"lifeboat/infra/storage"
	"lifeboat/infra/workloads"
)

// standing declares the mirror: storage and keys only, and in the hub what a failover
// needs before anything else exists, the images and the name that users type.
func (r *region) standing() error {
	s := r.settings
	st, v, err := r.store()
	if err != nil {
		return err
	}
	if err := r.standingIdentities(st, v); err != nil {
		return err
	}
	r.out["stateUrl"] = pulumi.String("azblob://" + storage.State + "?storage_account=" + r.scope.Names.StateAccount())
	if !s.IsHub() {
		return nil
	}
	if _, err := registry.New(r.ctx, "registry", &registry.Args{
		Scope: r.scope, Replica: s.Regions.Primary.Region, OperatorAddresses: s.Store.OperatorAddresses,
	}); err != nil {
		return err
	}
	e, err := edge.New(r.ctx, "edge", &edge.Args{
		Scope: r.scope, Zone: s.Edge.Zone, Record: s.Edge.Record, TTL: s.Edge.TTL, Interval: s.Edge.Interval, HealthPath: s.Application.HealthPath,
	})
	if err != nil {
		return err
	}
	r.out["nameServers"], r.out["profileId"], r.out["publicHost"] = e.NameServers, e.ProfileID, e.Host
	return nil
}

// standingIdentities makes the identities of the agents and the applications that failovers
// beside this mirror will run. They can do nothing for anybody before: only a cluster that a
// failover makes is trusted with them.
func (r *region) standingIdentities(st *storage.Store, v *keyvault.Vault) error {
	if !r.settings.Agent.StandingIdentity {
		return nil
	}
	ids, err := identity.New(r.ctx, "identity", &identity.Args{Scope: r.scope, Names: r.lendable()})
	if err != nil {
		return err
	}
	for _, g := range r.lendableGrants(st.ID, v.ID) {
		if _, err := ids.Grant(r.ctx, &g); err != nil {
			return err
		}
	}
	return nil
}

// primary declares the region that serves, with its own store and vault.
func (r *region) primary() error {
	st, v, err := r.store()
	if err != nil {
		return err
	}
	r.out["mirrorLogUrl"] = pulumi.String(r.mirror.StoreURL(storage.Log))
	return r.serving(&place{
		local: r.scope.Names, localStore: st.ID, localVault: v.ID, own: []pulumi.Resource{st.Made[storage.Code]},
		mirror: &r.mirror, deploy: true, capture: true, public: true, live: true,
		cidr: r.settings.Network.PrimaryCIDR, priority: edge.PriorityPrimary,
	})
}

// failover declares a complete region that uses the mirror's store and vault as its own.
func (r *region) failover() error {
	s, run := r.settings, r.settings.Failover
	r.exportStore(r.mirror)
	p := &place{
		local: r.mirror, localStore: pulumi.String(r.mirror.LogAccountID()).ToStringOutput(), localVault: pulumi.String(r.mirror.VaultID()).ToStringOutput(),
		deploy: run.Deploy, capture: run.Live, public: !run.Drill, live: run.Live, disposable: run.Drill,
		borrowed: s.Agent.StandingIdentity, cidr: s.Network.FailoverCIDR,
	}
	if run.Mirror.Region != "" {
		n := s.NamesOf(run.Mirror)
		p.mirror = &n
	}
	return r.serving(p)
}

// rules are what must never go unnoticed in a region that captures. The numbers are the
// agent's own metrics (package internal/agent); the proofs are the nightly jobs.
func (r *region) rules() []alerts.Rule {
	a := r.settings.Alerts
	number := func(name, metric string, over, severity int, says string) alerts.Rule {
		return alerts.Rule{Name: name, Query: alerts.Over(metric, over), Every: "PT5M", Window: "PT15M", Severity: severity, Says: says}
	}
	proof := func(job string, severity int, says string) alerts.Rule {
		// Azure looks back two days at most, and asks hourly at most over so long.
		return alerts.Rule{Name: "failed-" + job, Query: alerts.NotDone(workloads.Namespace, job), Every: "PT1H", Window: "P1D", Severity: severity, Says: says}
	}
	return []alerts.Rule{
		number("exposure", "lifeboat_exposed_seconds", a.ExposureSeconds, 0,
			"Committed transactions are not in both regions. `lifeboat status` shows how many; losing this region now would lose them."),
		number("mirror-lag", "lifeboat_degraded", 0, 0,
			"The mirror cannot be reached and the agent goes on without it. `lifeboat status` names the cause."),
		number("drain-failing", "lifeboat_drain_failing", 0, 0,
			"The database cannot be drained: commits stay captured in it, and the mirror gets none of them. The agent's log names the cause."),
		number("snapshot-age", "lifeboat_snapshot_age_seconds", a.SnapshotHours*3600, 1,
			"The newest snapshot is older than the policy allows: a restore would take longer than planned."),
		number("audit-age", "lifeboat_audit_age_seconds", auditAge, 0,
			"No audit has found the database equal to its log for 26 h: it is not proven that snapshot and log are the database."),
		proof("audit", 0, "The nightly audit has not succeeded for a day."),
		proof("restore-proof", 0, "No restore from the mirror has succeeded for a day: it is not proven that the mirror restores."),
		proof("mirror-verify", 1, "No verification of the mirror has succeeded for a day."),
		proof("preflight", 1, "No preflight has succeeded for a day: a failover tonight may lack quota, an image, a key or a role."),
		proof("code-backup", 1, "The code has not been backed up for a day: a failover would run older code than production."),
	}
}

// auditAge is a day, with two hours for the run, seconds.
const auditAge = 26 * 3600
