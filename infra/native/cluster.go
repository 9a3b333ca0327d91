package native

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Version is the provider plugin's version that the registrations below ask for: the
// one of the SDK modules in go.mod.
const Version = "2.90.0"

// register registers a resource of the provider under its own type token.
func register(ctx *pulumi.Context, kind, name string, args pulumi.Input, r pulumi.CustomResource, opts []pulumi.ResourceOption) error {
	opts = append(opts, pulumi.Version(Version))
	if err := ctx.RegisterResource("azure-native:"+kind, name, args, r, opts...); err != nil {
		return fmt.Errorf("register %s %s: %w", kind, name, err)
	}
	return nil
}

// ManagedCluster is an AKS cluster.
type ManagedCluster struct {
	pulumi.CustomResourceState

	Name              pulumi.StringOutput `pulumi:"name"`
	PrivateFQDN       pulumi.StringOutput `pulumi:"privateFQDN"`
	OIDCIssuerProfile pulumi.AnyOutput    `pulumi:"oidcIssuerProfile"`
}

// IssuerURL is where the cluster's service account tokens come from.
func (c *ManagedCluster) IssuerURL() pulumi.StringOutput {
	return pulumi.All(c.OIDCIssuerProfile, c.ID()).ApplyT(func(known []any) (string, error) {
		profile, _ := known[0].(map[string]any)
		url, _ := profile["issuerURL"].(string)
		if url == "" {
			return "", errors.New("the cluster has no OIDC issuer: workload identity cannot work")
		}
		return url, nil
	}).(pulumi.StringOutput)
}

// ManagedClusterArgs are the inputs of an AKS cluster that Lifeboat sets (API 2024-09-01).
type ManagedClusterArgs struct {
	ResourceGroupName    pulumi.StringInput    `pulumi:"resourceGroupName" need:"yes"`
	ResourceName         pulumi.StringInput    `pulumi:"resourceName"`
	Location             pulumi.StringInput    `pulumi:"location"`
	DNSPrefix            pulumi.StringInput    `pulumi:"dnsPrefix"`
	KubernetesVersion    pulumi.StringInput    `pulumi:"kubernetesVersion"`
	NodeResourceGroup    pulumi.StringInput    `pulumi:"nodeResourceGroup"`
	DisableLocalAccounts pulumi.BoolInput      `pulumi:"disableLocalAccounts"`
	EnableRBAC           pulumi.BoolInput      `pulumi:"enableRBAC"`
	Sku                  *ClusterSKU           `pulumi:"sku"`
	Identity             *ClusterIdentity      `pulumi:"identity"`
	IdentityProfile      KubeletIdentityMap    `pulumi:"identityProfile"`
	AADProfile           *AADProfile           `pulumi:"aadProfile"`
	APIServerAccess      *APIServerAccess      `pulumi:"apiServerAccessProfile"`
	AgentPoolProfiles    AgentPoolProfileArray `pulumi:"agentPoolProfiles"`
	NetworkProfile       *ClusterNetwork       `pulumi:"networkProfile"`
	OIDCIssuerProfile    *Enabled              `pulumi:"oidcIssuerProfile"`
	SecurityProfile      *ClusterSecurity      `pulumi:"securityProfile"`
	AddonProfiles        AddonMap              `pulumi:"addonProfiles"`
	AutoUpgradeProfile   *AutoUpgrade          `pulumi:"autoUpgradeProfile"`
	AutoScalerProfile    *AutoScaler           `pulumi:"autoScalerProfile"`
	Tags                 pulumi.StringMapInput `pulumi:"tags"`
}

// ElementType tells the engine the resolved form.
func (ManagedClusterArgs) ElementType() reflect.Type {
	return plain(reflect.TypeFor[ManagedClusterArgs]())
}

// NewManagedCluster registers a cluster.
func NewManagedCluster(ctx *pulumi.Context, name string, args *ManagedClusterArgs, opts ...pulumi.ResourceOption) (*ManagedCluster, error) {
	var r ManagedCluster
	return &r, register(ctx, "containerservice:ManagedCluster", name, args, &r, opts)
}
