// Package storage is a region's store: an account whose objects are created once and
// can be neither changed nor deleted while their retention runs, and a second account
// for the one thing that must change, Pulumi's state.
//
// Only Entra identities get in: shared keys and public access are off, TLS is 1.2 or
// later, and the network is private but for operators' addresses that are named.
package storage

import (
	"slices"

	storage "github.com/pulumi/pulumi-azure-native-sdk/storage/v2/v20230501"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
)

// The containers of the immutable account.
const (
	Log       = "log"       // segments, fences, epochs
	Snapshots = "snapshots" // manifests and chunks
	Records   = "records"   // failover journals, incidents, reports
	Code      = "code"      // git bundles
	State     = "state"     // Pulumi's state, in the account that can change
)

// Containers are those of the immutable account, in order.
func Containers() []string { return []string{Code, Log, Records, Snapshots} }

// Args describe a region's store.
type Args struct {
	Scope             infra.Scope
	ImmutableDays     int  // 1 to 146,000
	Lock              bool // make ImmutableDays irrevocable
	SoftDeleteDays    int  // 1 to 365
	StateContainer    bool // also make the account for Pulumi's state
	OperatorAddresses []string
}

// Store is the component.
type Store struct {
	pulumi.ResourceState

	ID      pulumi.StringOutput // of the immutable account
	Name    pulumi.StringOutput
	BlobURL pulumi.StringOutput
	StateID pulumi.StringOutput // of the state account, when there is one
	// Made are the containers, for what must wait for one: a dependency on the component
	// would wait for whichever of its children happened to be registered by then.
	Made map[string]pulumi.Resource

	scope infra.Scope
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	if a.ImmutableDays < 1 || a.ImmutableDays > 146000 {
		p.Addf("immutableDays", "%d is not in 1 to 146000", a.ImmutableDays)
	}
	if a.SoftDeleteDays < 1 || a.SoftDeleteDays > 365 {
		p.Addf("softDeleteDays", "%d is not in 1 to 365", a.SoftDeleteDays)
	}
	return p.Err()
}

// New makes the store.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Store, error) {
	s := &Store{scope: args.Scope, Made: make(map[string]pulumi.Resource)}
	if err := infra.Begin(ctx, s, "Store", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	account, err := s.account(ctx, name, args.Scope.Names.LogAccount(), args, true)
	if err != nil {
		return nil, err
	}
	s.ID, s.Name, s.BlobURL = account.ID().ToStringOutput(), account.Name, account.PrimaryEndpoints.Blob()
	if err := s.containers(ctx, name, account, args); err != nil {
		return nil, err
	}
	if err := s.immutable(ctx, name, account, args); err != nil {
		return nil, err
	}
	outputs := pulumi.Map{"id": s.ID, "name": s.Name, "blobUrl": s.BlobURL}
	if args.StateContainer {
		if err := s.state(ctx, name, args); err != nil {
			return nil, err
		}
		outputs["stateId"] = s.StateID
	}
	return s, ctx.RegisterResourceOutputs(s, outputs)
}

// redundancy is zone-redundant where there are zones. Never geo-redundant: the copy in
// the other region is ours, written synchronously, not Azure's, 15 minutes behind.
func redundancy(r azure.Region) pulumi.String {
	if r.Zones() {
		return "Standard_ZRS"
	}
	return "Standard_LRS"
}

func (s *Store) account(ctx *pulumi.Context, name, physical string, args *Args, immutable bool) (*storage.StorageAccount, error) {
	a := &storage.StorageAccountArgs{
		ResourceGroupName:            s.scope.Group,
		AccountName:                  pulumi.String(physical),
		Location:                     s.scope.Location(),
		Kind:                         pulumi.String("StorageV2"),
		Sku:                          storage.SkuArgs{Name: redundancy(s.scope.Region)},
		AccessTier:                   storage.AccessTierHot,
		AllowBlobPublicAccess:        pulumi.Bool(false),
		AllowSharedKeyAccess:         pulumi.Bool(false),
		AllowCrossTenantReplication:  pulumi.Bool(false),
		DefaultToOAuthAuthentication: pulumi.Bool(true),
		EnableHttpsTrafficOnly:       pulumi.Bool(true),
		MinimumTlsVersion:            pulumi.String("TLS1_2"),
		PublicNetworkAccess:          pulumi.String(publicAccess(args)),
		NetworkRuleSet:               networkRules(args),
		Encryption: &storage.EncryptionArgs{
			KeySource:                       pulumi.String("Microsoft.Storage"),
			RequireInfrastructureEncryption: pulumi.Bool(true),
		},
		Tags: s.scope.TagMap(),
	}
	if immutable {
		// Only settable when the account is made; the period itself is set by immutable.
		a.ImmutableStorageWithVersioning = &storage.ImmutableStorageAccountArgs{Enabled: pulumi.Bool(true)}
	}
	return storage.NewStorageAccount(ctx, name, a, append(s.scope.Data(s), pulumi.IgnoreChanges([]string{"immutableStorageWithVersioning.immutabilityPolicy"}))...)
}

func publicAccess(args *Args) string {
	if len(args.OperatorAddresses) == 0 {
		return "Disabled"
	}
	return "Enabled" // for the addresses of networkRules alone
}

func networkRules(args *Args) *storage.NetworkRuleSetArgs {
	rules := storage.IPRuleArray{}
	for _, a := range args.OperatorAddresses {
		rules = append(rules, storage.IPRuleArgs{Action: storage.ActionAllow, IPAddressOrRange: pulumi.String(a)})
	}
	return &storage.NetworkRuleSetArgs{
		Bypass: pulumi.String("AzureServices"), DefaultAction: storage.DefaultActionDeny, IpRules: rules,
	}
}

// service sets what all containers of an account share.
func (s *Store) service(ctx *pulumi.Context, name string, account *storage.StorageAccount, days int) (*storage.BlobServiceProperties, error) {
	kept := storage.DeleteRetentionPolicyArgs{Enabled: pulumi.Bool(true), Days: pulumi.Int(days)}
	return storage.NewBlobServiceProperties(ctx, name, &storage.BlobServicePropertiesArgs{
		ResourceGroupName:              s.scope.Group,
		AccountName:                    account.Name,
		BlobServicesName:               pulumi.String("default"),
		IsVersioningEnabled:            pulumi.Bool(true),
		DeleteRetentionPolicy:          kept,
		ContainerDeleteRetentionPolicy: kept,
	}, infra.Child(s)...)
}

func (s *Store) containers(ctx *pulumi.Context, name string, account *storage.StorageAccount, args *Args) error {
	service, err := s.service(ctx, name, account, args.SoftDeleteDays)
	if err != nil {
		return err
	}
	for _, c := range slices.Sorted(slices.Values(Containers())) {
		if err := s.container(ctx, name+"-"+c, c, account, service); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) container(ctx *pulumi.Context, name, container string, account *storage.StorageAccount, service pulumi.Resource) error {
	made, err := storage.NewBlobContainer(ctx, name, &storage.BlobContainerArgs{
		ResourceGroupName: s.scope.Group,
		AccountName:       account.Name,
		ContainerName:     pulumi.String(container),
		PublicAccess:      storage.PublicAccessNone,
	}, append(s.scope.Data(s), pulumi.DependsOn([]pulumi.Resource{service}))...)
	s.Made[container] = made
	return err
}

// state makes the account for Pulumi's state: versioned and soft-deleted like the
// other, but writable.
func (s *Store) state(ctx *pulumi.Context, name string, args *Args) error {
	account, err := s.account(ctx, name+"-state", s.scope.Names.StateAccount(), args, false)
	if err != nil {
		return err
	}
	service, err := s.service(ctx, name+"-state", account, args.SoftDeleteDays)
	if err != nil {
		return err
	}
	s.StateID = account.ID().ToStringOutput()
	return s.container(ctx, name+"-"+State, State, account, service)
}
