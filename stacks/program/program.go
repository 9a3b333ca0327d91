package program

import (
	"fmt"

	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20241101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/alerts"
	"lifeboat/infra/azure"
	"lifeboat/infra/keyvault"
	"lifeboat/infra/storage"
	"lifeboat/stacks/outputs"
	"lifeboat/stacks/settings"
)

// The configuration keys, all in the project's namespace "lifeboat".
const (
	Namespace   = "lifeboat"
	SettingsKey = "settings"    // the settings, one structured value
	PasswordKey = "sqlPassword" // secret; of the database container, when there is one
)

// region is what the parts of one stack share while it is being declared.
type region struct {
	ctx      *pulumi.Context
	settings *settings.Settings
	scope    infra.Scope
	mirror   azure.Names // of the standing DR stack
	hub      azure.Names // of the stack with the registry and the edge
	group    pulumi.Resource
	alerts   *alerts.Alerts
	out      pulumi.Map
}

// Run declares the stack that the configuration describes.
func Run(ctx *pulumi.Context) error {
	s, err := read(ctx)
	if err != nil {
		return err
	}
	r := &region{ctx: ctx, settings: s, mirror: s.NamesOf(s.Regions.DR), hub: s.NamesOf(s.Regions.Hub)}
	r.scope = infra.Scope{Names: s.Names(), Region: s.Region(), Tags: tags(s), Protect: s.Protect}
	if err := r.base(); err != nil {
		return err
	}
	switch s.Role {
	case settings.Primary:
		err = r.primary()
	case settings.DR:
		err = r.standing()
	default:
		err = r.failover()
	}
	if err != nil {
		return err
	}
	for _, name := range outputs.Names() {
		if value, ok := r.out[name]; ok {
			ctx.Export(name, value)
		}
	}
	return nil
}

// read takes the settings from the configuration and refuses a stack that is not the
// one they describe: the wrong file under the right name would rebuild a region.
func read(ctx *pulumi.Context) (*settings.Settings, error) {
	text, ok := ctx.GetConfig(Namespace + ":" + SettingsKey)
	if !ok {
		return nil, fmt.Errorf("configuration key %s:%s is missing: see docs/infrastructure.md", Namespace, SettingsKey)
	}
	s, err := settings.Parse(text)
	if err != nil {
		return nil, err
	}
	if s.Role != settings.DR && s.Database.Kind == settings.Container {
		if _, err := password(ctx); err != nil {
			return nil, err
		}
	}
	for key, want := range map[string]string{"azure-native:subscriptionId": s.Subscription, "azure-native:tenantId": s.Tenant} {
		if got, ok := ctx.GetConfig(key); ok && got != want {
			return nil, fmt.Errorf("%w: %s is %s, the settings say %s", settings.ErrSettings, key, got, want)
		}
	}
	if s.StackName() != ctx.Stack() {
		return nil, fmt.Errorf("%w: role: these settings describe the stack %q, not %q", settings.ErrSettings, s.StackName(), ctx.Stack())
	}
	return s, nil
}

// tags go on every resource that takes tags; cost reports and clean-ups go by them.
func tags(s *settings.Settings) map[string]string {
	return map[string]string{
		"system": "lifeboat", "stack": s.StackName(), "role": string(s.Role),
		"owner": s.Tags.Owner, "dataClass": s.Tags.DataClass, "rpo": s.Tags.RPO, "rto": s.Tags.RTO,
	}
}

// base makes what every role has: the resource group and the alerting.
func (r *region) base() error {
	s := r.settings
	group, err := resources.NewResourceGroup(r.ctx, "group", &resources.ResourceGroupArgs{
		ResourceGroupName: pulumi.String(r.scope.Names.Group()),
		Location:          pulumi.String(r.scope.Region),
		Tags:              pulumi.ToStringMap(r.scope.Tags),
	}, pulumi.Protect(s.Protect), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return err
	}
	r.group, r.scope.Group = group, group.Name
	r.alerts, err = alerts.New(r.ctx, "alerts", &alerts.Args{
		Scope: r.scope, Emails: s.Alerts.Emails, RetentionDays: s.Alerts.RetentionDays,
	})
	if err != nil {
		return err
	}
	r.out = pulumi.Map{
		"version": pulumi.Int(outputs.Version), "role": pulumi.String(s.Role), "region": pulumi.String(r.scope.Region),
		"resourceGroup": group.Name, "workspaceId": r.alerts.WorkspaceID,
		"registryHost": pulumi.String(r.hub.RegistryHost()),
		"publicHost":   pulumi.String(s.Edge.Record + "." + s.Edge.Zone),
		"profileId":    pulumi.String(r.hub.GroupID() + "/providers/Microsoft.Network/trafficManagerProfiles/" + r.hub.Profile()),
	}
	return nil
}

// store makes the region's own store and vault.
func (r *region) store() (*storage.Store, *keyvault.Vault, error) {
	s := r.settings
	st, err := storage.New(r.ctx, "store", &storage.Args{
		Scope: r.scope, ImmutableDays: s.Store.ImmutableDays, Lock: s.Store.Lock, SoftDeleteDays: s.Store.SoftDeleteDays,
		// State in the region it describes would be lost with it.
		StateContainer: s.Role == settings.DR, OperatorAddresses: s.Store.OperatorAddresses,
	})
	if err != nil {
		return nil, nil, err
	}
	v, err := keyvault.New(r.ctx, "vault", &keyvault.Args{
		Scope: r.scope, Tenant: s.Tenant, OperatorAddresses: s.Store.OperatorAddresses,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := r.alerts.StoreAvailability(r.ctx, "store-availability", st.ID); err != nil {
		return nil, nil, err
	}
	r.exportStore(r.scope.Names)
	r.out["storeAccount"], r.out["storeBlobUrl"] = st.Name, st.BlobURL
	r.out["vaultUrl"], r.out["keyUrl"] = v.URI, v.KeyURI
	return st, v, nil
}

// exportStore says where the objects of a store are.
func (r *region) exportStore(n azure.Names) {
	r.out["storeAccount"] = pulumi.String(n.LogAccount())
	r.out["storeBlobUrl"] = pulumi.String("https://" + n.LogAccount() + ".blob.core.windows.net/")
	r.out["vaultUrl"] = pulumi.String(n.VaultURL())
	r.out["keyUrl"] = pulumi.String(n.VaultURL() + "/keys/" + keyvault.KeyName)
	for output, container := range map[string]string{"logUrl": storage.Log, "snapshotsUrl": storage.Snapshots, "recordsUrl": storage.Records, "codeUrl": storage.Code} {
		r.out[output] = pulumi.String(n.StoreURL(container))
	}
}

// password is the database container's, or nil when there is none. One that is not
// encrypted in the stack's file is refused: it would stand there for all to read.
func password(ctx *pulumi.Context) (pulumi.StringInput, error) {
	key := Namespace + ":" + PasswordKey
	text, ok := ctx.GetConfig(key)
	if !ok {
		return nil, fmt.Errorf("%w: database.kind container needs a password: pulumi config set --secret %s", settings.ErrSettings, key)
	}
	if !ctx.IsConfigSecret(key) {
		return nil, fmt.Errorf("%w: %s is not encrypted: set it again with pulumi config set --secret %s", settings.ErrSettings, key, key)
	}
	return pulumi.ToSecret(pulumi.String(text)).(pulumi.StringOutput), nil
}
