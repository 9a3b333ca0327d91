package program

import (
	"fmt"
	"net/netip"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra/aks"
	"lifeboat/infra/azure"
	"lifeboat/infra/codebackup"
	"lifeboat/infra/edge"
	"lifeboat/infra/identity"
	"lifeboat/infra/network"
	"lifeboat/infra/sql"
	"lifeboat/infra/storage"
	"lifeboat/infra/workloads"
	"lifeboat/stacks/settings"
)

// place is how a serving region differs between a primary and a failover.
type place struct {
	local      azure.Names // whose store and vault the region uses as its own
	localStore pulumi.StringOutput
	localVault pulumi.StringOutput
	own        []pulumi.Resource // the code container of the store, when this stack makes it
	mirror     *azure.Names      // where the agent mirrors to; nil for nowhere yet
	deploy     bool              // the application and the jobs run
	capture    bool              // the agent runs
	public     bool              // the application has a public name
	live       bool              // and traffic may come
	disposable bool              // a drill: forgotten whole
	borrowed   bool              // the identities that can be lent are the standing mirror's
	cidr       string
	priority   int // of the endpoint; 0: before all that are there
}

// The identities of a serving region.
const (
	controlPlane = "cluster"
	kubelet      = "kubelet"
)

// serving declares network, identities, database, cluster, workloads and endpoint.
func (r *region) serving(p *place) error {
	net, err := r.network(p)
	if err != nil {
		return err
	}
	ids, roles, err := r.identities(p, net)
	if err != nil {
		return err
	}
	url, err := r.database(net)
	if err != nil {
		return err
	}
	cluster, err := r.cluster(p, net, ids, roles)
	if err != nil {
		return err
	}
	if err := r.trust(p, ids, cluster); err != nil {
		return err
	}
	if err := r.workloads(p, ids, cluster, url); err != nil {
		return err
	}
	if p.capture {
		if err := r.alerts.Watch(r.ctx, r.rules(), cluster.Resource); err != nil {
			return err
		}
	}
	return r.endpoint(p)
}

func (r *region) network(p *place) (*network.Network, error) {
	services := []network.Service{network.Blob, network.Vault, network.Registry}
	if r.settings.Database.Kind == settings.AzureSQL {
		services = append(services, network.SQL)
	}
	cidr, err := netip.ParsePrefix(p.cidr)
	if err != nil {
		return nil, err
	}
	net, err := network.New(r.ctx, "network", &network.Args{Scope: r.scope, CIDR: cidr, Services: services})
	if err != nil {
		return nil, err
	}
	endpoints := []struct {
		name    string
		service network.Service
		target  pulumi.StringInput
	}{
		{"store", network.Blob, p.localStore},
		{"vault", network.Vault, p.localVault},
		{"registry", network.Registry, pulumi.String(r.hub.RegistryID())},
	}
	for _, e := range endpoints {
		if err := net.Endpoint(r.ctx, e.name, e.service, e.target); err != nil {
			return nil, err
		}
	}
	if p.mirror != nil {
		if err := net.Endpoint(r.ctx, "mirror", network.Blob, pulumi.String(p.mirror.LogAccountID())); err != nil {
			return nil, err
		}
	}
	return net, nil
}

// identities makes one identity for each kind of work and grants it what it needs. The
// returned resources are what the cluster must wait for.
func (r *region) identities(p *place, net *network.Network) (*identity.Identities, []pulumi.Resource, error) {
	names := []string{workloads.ProofAccount, codebackup.Identity, controlPlane, kubelet}
	var borrow []string
	if p.borrowed {
		borrow = r.lendable()
	} else {
		names = append(names, r.lendable()...)
	}
	ids, err := identity.New(r.ctx, "identity", &identity.Args{Scope: r.scope, Names: names})
	if err != nil {
		return nil, nil, err
	}
	for _, name := range borrow {
		if err := ids.Borrow(r.ctx, name, r.mirror); err != nil {
			return nil, nil, fmt.Errorf("%w: agent.standingIdentity is set, and the standing mirror makes it: run 'pulumi up' on its stack", err)
		}
	}
	operator, err := ids.Get(kubelet)
	if err != nil {
		return nil, nil, err
	}
	before := []identity.Grant{
		{Identity: controlPlane, Role: identity.NetworkUser, On: "nodes", Scope: net.NodesID},
		{Identity: controlPlane, Role: identity.IdentityOperator, On: "kubelet", Scope: operator.ID().ToStringOutput()},
		{Identity: kubelet, Role: identity.ImagePuller, On: "registry", Scope: pulumi.String(r.hub.RegistryID())},
	}
	var roles []pulumi.Resource
	for _, g := range before {
		role, err := ids.Grant(r.ctx, &g)
		if err != nil {
			return nil, nil, err
		}
		roles = append(roles, role)
	}
	for _, g := range r.grants(p) {
		if _, err := ids.Grant(r.ctx, &g); err != nil {
			return nil, nil, err
		}
	}
	return ids, roles, nil
}

// grants are what the pods' identities need of stores and vaults.
func (r *region) grants(p *place) []identity.Grant {
	var grants []identity.Grant
	if !p.borrowed { // else they have them from the stack that made them
		grants = r.lendableGrants(p.localStore, p.localVault)
	}
	grants = append(grants,
		identity.Grant{Identity: workloads.ProofAccount, Role: identity.BlobReader, On: "store", Scope: p.localStore},
		identity.Grant{Identity: workloads.ProofAccount, Role: identity.KeyUser, On: "vault", Scope: p.localVault},
	)
	if p.mirror == nil {
		return grants
	}
	return append(grants,
		identity.Grant{Identity: workloads.AgentAccount, Role: identity.BlobContributor, On: "mirror", Scope: pulumi.String(p.mirror.LogAccountID())},
		identity.Grant{Identity: workloads.AgentAccount, Role: identity.KeyUser, On: "mirror-vault", Scope: pulumi.String(p.mirror.VaultID())},
		identity.Grant{Identity: workloads.ProofAccount, Role: identity.BlobReader, On: "mirror", Scope: pulumi.String(p.mirror.LogAccountID())},
		identity.Grant{Identity: workloads.ProofAccount, Role: identity.KeyUser, On: "mirror-vault", Scope: pulumi.String(p.mirror.VaultID())},
		// How a nightly proof went is marked there, and nothing else can be written.
		identity.Grant{Identity: workloads.ProofAccount, Role: identity.BlobContributor, On: "marks", Scope: pulumi.String(p.mirror.LogAccountID()), Under: "readiness/marks/"},
		// The preflight reads quotas and resources of the region that would take over.
		identity.Grant{Identity: workloads.ProofAccount, Role: identity.Reader, On: "mirror-group", Scope: pulumi.String(p.mirror.GroupID())},
	)
}

// lendable are the identities that a database knows, so that it is worth having them before
// there is a failover: what it knows of them can be arranged on a quiet day.
func (r *region) lendable() []string {
	return []string{workloads.AgentAccount, r.settings.Application.Name}
}

// lendableGrants are what those need of the store and the vault that a region has as its own.
func (r *region) lendableGrants(store, vault pulumi.StringInput) []identity.Grant {
	return []identity.Grant{
		{Identity: r.settings.Application.Name, Role: identity.SecretUser, On: "vault", Scope: vault},
		{Identity: workloads.AgentAccount, Role: identity.BlobContributor, On: "store", Scope: store},
		{Identity: workloads.AgentAccount, Role: identity.KeyUser, On: "vault", Scope: vault},
	}
}

// database declares Azure SQL, or says where the container will be.
func (r *region) database(net *network.Network) (pulumi.StringOutput, error) {
	s := r.settings
	d := s.Database
	if d.Kind == settings.Container {
		url := pulumi.String(sql.ContainerURL(workloads.Namespace, d.Name)).ToStringOutput()
		r.out["databaseHost"] = pulumi.String("mssql." + workloads.Namespace + ".svc.cluster.local")
		r.out["databaseName"], r.out["databaseUrl"], r.out["databaseSku"] = pulumi.String(d.Name), url, pulumi.String("")
		return url, nil
	}
	made, err := sql.New(r.ctx, "sql", &sql.Args{
		Scope: r.scope, Database: d.Name, SKU: s.DatabaseSKU(), MaxSizeGiB: d.MaxSizeGiB, ZoneRedundant: d.ZoneRedundant,
		PITRDays: d.PITRDays, SoftDeleteDays: d.SoftDelete,
		Weekly: d.LongTerm.Weekly, Monthly: d.LongTerm.Monthly, Yearly: d.LongTerm.Yearly, WeekOfYear: d.LongTerm.WeekOfYear,
		Tenant: s.Tenant, AdminName: d.Admin.Name, AdminObjectID: d.Admin.ObjectID, WorkspaceID: r.alerts.WorkspaceID,
	})
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	url := sql.URL(made.Host, made.Database)
	r.out["databaseHost"], r.out["databaseName"], r.out["databaseUrl"] = made.Host, made.Database, url
	r.out["databaseSku"] = made.SKU
	return url, net.Endpoint(r.ctx, "sql", network.SQL, made.ServerID)
}

func (r *region) cluster(p *place, net *network.Network, ids *identity.Identities, roles []pulumi.Resource) (*aks.Cluster, error) {
	s := r.settings
	plane, err := ids.Get(controlPlane)
	if err != nil {
		return nil, err
	}
	puller, err := ids.Get(kubelet)
	if err != nil {
		return nil, err
	}
	c, err := aks.New(r.ctx, "cluster", &aks.Args{
		Scope: r.scope, Version: s.Cluster.Version,
		System: aks.Pool(s.Cluster.System), User: aks.Pool(s.Cluster.User),
		SubnetID: net.NodesID, WorkspaceID: r.alerts.WorkspaceID, Tenant: s.Tenant, AdminObjectID: s.Cluster.AdminGroup.ObjectID,
		ControlPlane: plane, Kubelet: puller, After: roles, Disposable: p.disposable,
		Day: s.Cluster.Maintenance.Day, Start: s.Cluster.Maintenance.Start, Hours: s.Cluster.Maintenance.Hours,
	})
	if err != nil {
		return nil, err
	}
	r.out["clusterName"], r.out["clusterId"] = c.Name, c.ID
	r.out["clusterServer"], r.out["clusterAuthority"] = c.Server, c.Authority
	return c, nil
}

// trust ties the cluster's service accounts to the identities, and GitHub to the code's.
func (r *region) trust(p *place, ids *identity.Identities, cluster *aks.Cluster) error {
	app := r.settings.Application.Name
	for account, space := range map[string]string{
		workloads.AgentAccount: workloads.Namespace, workloads.ProofAccount: workloads.Namespace, app: app,
	} {
		if _, err := ids.Federate(r.ctx, federation(account, space, cluster)); err != nil {
			return err
		}
	}
	if p.mirror == nil {
		_, err := ids.Federate(r.ctx, federation(codebackup.Identity, workloads.Namespace, cluster))
		return err
	}
	c, err := codebackup.New(r.ctx, "code", &codebackup.Args{
		Scope: r.scope, Identities: ids, Repository: r.settings.Code.Repository, Branch: r.settings.Code.Branch,
		Containers: map[string]string{"local": p.local.ContainerID("code"), "mirror": p.mirror.ContainerID("code")},
		After:      p.own,
	})
	if err != nil {
		return err
	}
	_, err = ids.Federate(r.ctx, federation(codebackup.Identity, workloads.Namespace, cluster), c.Trust)
	return err
}

func federation(account, space string, cluster *aks.Cluster) *identity.Federation {
	return &identity.Federation{
		Identity: account, Name: "cluster", Issuer: cluster.Issuer, Subject: "system:serviceaccount:" + space + ":" + account,
	}
}

func (r *region) workloads(p *place, ids *identity.Identities, cluster *aks.Cluster, url pulumi.StringOutput) error {
	s := r.settings
	clients := make(map[string]pulumi.StringInput)
	for _, account := range []string{workloads.AgentAccount, workloads.ProofAccount, workloads.CodeAccount, s.Application.Name} {
		id, err := ids.Get(account)
		if err != nil {
			return err
		}
		clients[account] = id.ClientID
	}
	code := p.local
	if p.mirror != nil {
		code = *p.mirror
	}
	args := &workloads.Args{
		Scope: r.scope, ClientIDs: clients, Registry: r.hub.RegistryHost(),
		Agent: workloads.Agent{
			Image: s.Agent.Image, Run: p.capture, Jobs: p.deploy && !p.disposable, Config: r.agentConfig(p, url), CodeStore: code.StoreURL(storage.Code),
			Schedules: map[string]string{
				"audit": s.Agent.Schedules.Audit, "mirror-verify": s.Agent.Schedules.MirrorVerify, "restore-proof": s.Agent.Schedules.RestoreProof,
				"preflight": s.Agent.Schedules.Preflight, "code-backup": s.Agent.Schedules.CodeBackup,
			},
		},
		App: workloads.App{
			Name: s.Application.Name, Image: s.Application.Image, Run: p.deploy, Port: s.Application.Port, Replicas: s.Application.Replicas,
			HealthPath: s.Application.HealthPath, Env: s.Application.Env, Database: url, Vault: p.local.VaultURL(),
		},
	}
	if p.public {
		args.App.Label = r.scope.Names.AppLabel()
	}
	if s.Database.Kind == settings.Container {
		secret, err := password(r.ctx)
		if err != nil {
			return err
		}
		args.Database = workloads.Container{Image: s.Database.ContainerImage, SizeGiB: s.Database.MaxSizeGiB, Password: secret}
	}
	if p.disposable {
		args.Cluster = cluster.Resource
	}
	_, err := workloads.New(r.ctx, "workloads", args, pulumi.Provider(cluster.Provider))
	r.out["namespace"], r.out["appNamespace"] = pulumi.String(workloads.Namespace), pulumi.String(s.Application.Name)
	r.out["agentClientId"], r.out["proofClientId"] = clients[workloads.AgentAccount], clients[workloads.ProofAccount]
	return err
}

// endpoint adds this region to the edge, if users may ever reach it.
func (r *region) endpoint(p *place) error {
	name := string(r.settings.Role) + "-" + r.scope.Names.Part
	r.out["endpointName"], r.out["appHost"] = pulumi.String(name), pulumi.String("")
	if !p.public {
		return nil
	}
	host := r.scope.Names.AppHost(r.scope.Region)
	r.out["appHost"] = pulumi.String(host)
	priority := p.priority
	if priority == 0 {
		var err error
		if priority, err = edge.First(r.ctx, r.hub, name); err != nil {
			return err
		}
	}
	return edge.Endpoint(r.ctx, "endpoint", &edge.EndpointArgs{
		Hub: r.hub, Name: name, Host: host, Priority: priority, Enabled: p.live,
	}, pulumi.DependsOn([]pulumi.Resource{r.group}))
}
