package program

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra/alerts"
	"lifeboat/infra/edge"
	"lifeboat/infra/registry"
	"lifeboat/infra/storage"
)

// standing declares the mirror: storage and keys only, and in the hub what a failover
// needs before anything else exists, the images and the name that users type.
func (r *region) standing() error {
	s := r.settings
	if _, _, err := r.store(); err != nil {
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

// primary declares the region that serves, with its own store and vault.
func (r *region) primary() error {
	st, v, err := r.store()
	if err != nil {
		return err
	}
	r.out["mirrorLogUrl"] = pulumi.String(r.mirror.StoreURL(storage.Log))
	return r.serving(&place{
		local: r.scope.Names, localStore: st.ID, localVault: v.ID, own: []pulumi.Resource{st, v},
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
		cidr: s.Network.FailoverCIDR, priority: edge.PriorityFailover,
	}
	if run.Mirror.Region != "" {
		n := s.NamesOf(run.Mirror)
		p.mirror = &n
	}
	return r.serving(p)
}

// rules are what must never go unnoticed in a region that captures.
func (r *region) rules() []alerts.Rule {
	a := r.settings.Alerts
	return []alerts.Rule{
		{Name: "exposure", Metric: "lifeboat_exposure_seconds", Over: float64(a.ExposureSeconds), Severity: 0,
			Says: "Committed transactions are not in both regions. `lifeboat status` shows how many; losing this region now would lose them."},
		{Name: "mirror-lag", Metric: "lifeboat_mirror_lag_seconds", Over: float64(a.LagSeconds), Severity: 1,
			Says: "The mirror is behind. `lifeboat mirror status` names the cause."},
		{Name: "snapshot-age", Metric: "lifeboat_snapshot_age_seconds", Over: float64(a.SnapshotHours) * 3600, Severity: 1,
			Says: "The newest snapshot is older than the policy allows: a restore would take longer than planned."},
		{Name: "failed-audit", Metric: "lifeboat_audit_age_seconds", Over: proofAge, Severity: 0,
			Says: "No audit has passed for 26 h: it is not proven that snapshot and log are the database."},
		{Name: "failed-restore-proof", Metric: "lifeboat_restore_proof_age_seconds", Over: proofAge, Severity: 0,
			Says: "No restore from the mirror has passed for 26 h: it is not proven that the mirror restores."},
		{Name: "failed-mirror-verify", Metric: "lifeboat_mirror_verify_age_seconds", Over: proofAge, Severity: 1,
			Says: "No verification of the mirror has passed for 26 h."},
		{Name: "failed-preflight", Metric: "lifeboat_preflight_age_seconds", Over: proofAge, Severity: 1,
			Says: "No preflight has passed for 26 h: a failover tonight may lack quota, an image, a key or a role."},
	}
}

// proofAge: nightly proofs, with two hours for the run, seconds.
const proofAge = 26 * 3600
