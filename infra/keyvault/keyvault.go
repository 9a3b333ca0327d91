// Package keyvault is a region's vault: the key that wraps the data keys of snapshots
// and log, and a place for the application's own secrets.
//
// It cannot be emptied in anger: soft delete and purge protection are on and cannot be
// turned off. The regions do not share a vault or a key, since a key does not leave its
// geography and a vault may be in the lost region; every data key is wrapped for both.
package keyvault

import (
	keyvault "github.com/pulumi/pulumi-azure-native-sdk/keyvault/v2/v20230701"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
)

// KeyName is the name of the wrapping key in every vault.
const KeyName = "wrap"

// softDeleteDays is the longest that Azure takes.
const softDeleteDays = 90

// Args describe a vault.
type Args struct {
	Scope             infra.Scope
	Tenant            string
	OperatorAddresses []string // may reach it over the internet; none is private only
}

// Vault is the component.
type Vault struct {
	pulumi.ResourceState

	ID     pulumi.StringOutput
	URI    pulumi.StringOutput
	KeyURI pulumi.StringOutput // without a version: the newest is used to wrap
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	if a.Tenant == "" {
		p.Addf("tenant", "is empty")
	}
	return p.Err()
}

// New makes the vault and its wrapping key.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Vault, error) {
	v := &Vault{}
	if err := infra.Begin(ctx, v, "KeyVault", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	made, err := keyvault.NewVault(ctx, name, &keyvault.VaultArgs{
		ResourceGroupName: args.Scope.Group,
		VaultName:         pulumi.String(args.Scope.Names.Vault()),
		Location:          args.Scope.Location(),
		Properties:        properties(args),
		Tags:              args.Scope.TagMap(),
	}, args.Scope.Data(v)...)
	if err != nil {
		return nil, err
	}
	key, err := keyvault.NewKey(ctx, name+"-wrap", &keyvault.KeyArgs{
		ResourceGroupName: args.Scope.Group,
		VaultName:         made.Name,
		KeyName:           pulumi.String(KeyName),
		Properties: &keyvault.KeyPropertiesArgs{
			Kty:     pulumi.String("RSA"),
			KeySize: pulumi.Int(3072),
			KeyOps:  pulumi.ToStringArray([]string{"wrapKey", "unwrapKey"}),
			// A year between rotations; old versions stay, or old snapshots would not open.
			RotationPolicy: &keyvault.RotationPolicyArgs{LifetimeActions: keyvault.LifetimeActionArray{keyvault.LifetimeActionArgs{
				Action:  keyvault.ActionArgs{Type: keyvault.KeyRotationPolicyActionTypeRotate},
				Trigger: keyvault.TriggerArgs{TimeAfterCreate: pulumi.String("P1Y")},
			}}},
		},
		Tags: args.Scope.TagMap(),
	}, args.Scope.Data(v)...)
	if err != nil {
		return nil, err
	}
	v.ID, v.URI = made.ID().ToStringOutput(), pulumi.String(args.Scope.Names.VaultURL()).ToStringOutput()
	v.KeyURI = key.KeyUri
	return v, ctx.RegisterResourceOutputs(v, pulumi.Map{"id": v.ID, "uri": v.URI, "keyUri": v.KeyURI})
}

func properties(args *Args) *keyvault.VaultPropertiesArgs {
	access, rules := "Disabled", keyvault.IPRuleArray{}
	for _, a := range args.OperatorAddresses {
		access = "Enabled"
		rules = append(rules, keyvault.IPRuleArgs{Value: pulumi.String(a)})
	}
	return &keyvault.VaultPropertiesArgs{
		TenantId:                  pulumi.String(args.Tenant),
		Sku:                       keyvault.SkuArgs{Family: pulumi.String("A"), Name: keyvault.SkuNamePremium},
		EnableRbacAuthorization:   pulumi.Bool(true),
		EnableSoftDelete:          pulumi.Bool(true),
		SoftDeleteRetentionInDays: pulumi.Int(softDeleteDays),
		EnablePurgeProtection:     pulumi.Bool(true),
		PublicNetworkAccess:       pulumi.String(access),
		NetworkAcls: &keyvault.NetworkRuleSetArgs{
			Bypass: pulumi.String("AzureServices"), DefaultAction: pulumi.String("Deny"), IpRules: rules,
		},
	}
}
