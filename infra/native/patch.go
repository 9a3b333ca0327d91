package native

import (
	"fmt"

	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20241101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// PatchArgs name a resource that exists and the body to send for it.
type PatchArgs struct {
	Group      pulumi.StringInput // the resource group of resource and deployment
	Deployment string             // the deployment's own name, unique in the group
	Type       string             // e.g. "Microsoft.Storage/storageAccounts"
	APIVersion string             // the version whose body this is
	Name       pulumi.StringInput
	Location   string
	Body       pulumi.Map // what stands beside name and location: kind, sku, properties
}

// NewPatch registers an incremental ARM deployment whose template is that one resource.
// It serves what one declaration cannot say: a property that may only be set in a
// second step, or one that the SDK's API version does not have. Deleting the patch
// deletes the record of the deployment and leaves the resource alone.
func NewPatch(ctx *pulumi.Context, name string, args PatchArgs, opts ...pulumi.ResourceOption) (*resources.Deployment, error) {
	resource := pulumi.Map{
		"type":       pulumi.String(args.Type),
		"apiVersion": pulumi.String(args.APIVersion),
		"name":       args.Name,
		"location":   pulumi.String(args.Location),
	}
	for k, v := range args.Body {
		resource[k] = v
	}
	d, err := resources.NewDeployment(ctx, name, &resources.DeploymentArgs{
		ResourceGroupName: args.Group,
		DeploymentName:    pulumi.String(args.Deployment),
		Properties: &resources.DeploymentPropertiesArgs{
			Mode: resources.DeploymentModeIncremental,
			Template: pulumi.Map{
				"$schema":        pulumi.String("https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"),
				"contentVersion": pulumi.String("1.0.0.0"),
				"resources":      pulumi.Array{resource},
			},
		},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", name, err)
	}
	return d, nil
}
