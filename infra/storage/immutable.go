package storage

import (
	storage "github.com/pulumi/pulumi-azure-native-sdk/storage/v2/v20230501"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/native"
)

// apiVersion of the storage provider whose body the patches below send.
const apiVersion = "2023-05-01"

// immutable sets the account's retention, and locks it when asked. There is no
// management lock on the account beside it: one would also forbid deleting the role
// assignments that other stacks make here, and a drill could not be cleaned up.
//
// Azure refuses to create a policy as Locked: it must first exist Unlocked, and once
// Locked it may only grow. One declaration cannot say both, so there are two patches.
// The first is sent once and never again, for sending it later would be an attempt to
// unlock; the second follows ImmutableDays upwards.
func (s *Store) immutable(ctx *pulumi.Context, name string, account *storage.StorageAccount, args *Args) error {
	once, err := native.NewPatch(ctx, name+"-retention", s.patch("retention", "Unlocked", account, args.ImmutableDays),
		append(infra.Child(s), s.once(args.Lock))...)
	if err != nil {
		return err
	}
	if args.Lock {
		_, err := native.NewPatch(ctx, name+"-retention-lock", s.patch("retention-lock", "Locked", account, args.ImmutableDays),
			append(s.scope.Data(s), pulumi.DependsOn([]pulumi.Resource{once}))...)
		if err != nil {
			return err
		}
	}
	return nil
}

// once keeps the first patch from being sent again after the period was locked. While it
// is not, the period may still be changed freely, and the patch follows.
func (s *Store) once(locked bool) pulumi.ResourceOption {
	if !locked {
		return pulumi.IgnoreChanges(nil)
	}
	return pulumi.IgnoreChanges([]string{"properties"})
}

func (s *Store) patch(deployment, state string, account *storage.StorageAccount, days int) native.PatchArgs {
	return native.PatchArgs{
		Group:      s.scope.Group,
		Deployment: s.scope.Names.LogAccount() + "-" + deployment,
		Type:       "Microsoft.Storage/storageAccounts",
		APIVersion: apiVersion,
		Name:       account.Name,
		Location:   string(s.scope.Region),
		Body: pulumi.Map{
			"kind": pulumi.String("StorageV2"),
			"sku":  pulumi.Map{"name": redundancy(s.scope.Region)},
			"properties": pulumi.Map{"immutableStorageWithVersioning": pulumi.Map{
				"enabled": pulumi.Bool(true),
				"immutabilityPolicy": pulumi.Map{
					"immutabilityPeriodSinceCreationInDays": pulumi.Int(days),
					"allowProtectedAppendWrites":            pulumi.Bool(false),
					"state":                                 pulumi.String(state),
				},
			}},
		},
	}
}
