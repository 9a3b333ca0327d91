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
	return c.OIDCIssuerProfile.ApplyT(func(v any) (string, error) {
		profile, _ := v.(map[string]any)
		url, _ := profile["issuerURL"].(string)
		if url == "" {
			return "", errors.New("the cluster has no OIDC issuer: workload identity cannot work")
		}
		return url, nil
	}).(pulumi.StringOutput)
}

// ManagedClusterArgs are the inputs of an AKS cluster that Lifeboat sets (API 2024-09-01).
type ManagedClusterArgs struct {
	ResourceGroupName    pulumi.StringInput         `pulumi:"resourceGroupName" need:"yes"`
	ResourceName         pulumi.StringInput         `pulumi:"resourceName"`
	Location             pulumi.StringInput         `pulumi:"location"`
	DNSPrefix            pulumi.StringInput         `pulumi:"dnsPrefix"`
	KubernetesVersion    pulumi.StringInput         `pulumi:"kubernetesVersion"`
	NodeResourceGroup    pulumi.StringInput         `pulumi:"nodeResourceGroup"`
	DisableLocalAccounts pulumi.BoolInput           `pulumi:"disableLocalAccounts"`
	EnableRBAC           pulumi.BoolInput           `pulumi:"enableRBAC"`
	Sku                  *ClusterSKU                `pulumi:"sku"`
	Identity             *ClusterIdentity           `pulumi:"identity"`
	IdentityProfile      map[string]KubeletIdentity `pulumi:"identityProfile"`
	AADProfile           *AADProfile                `pulumi:"aadProfile"`
	APIServerAccess      *APIServerAccess           `pulumi:"apiServerAccessProfile"`
	AgentPoolProfiles    []AgentPoolProfile         `pulumi:"agentPoolProfiles"`
	NetworkProfile       *ClusterNetwork            `pulumi:"networkProfile"`
	OIDCIssuerProfile    *Enabled                   `pulumi:"oidcIssuerProfile"`
	SecurityProfile      *ClusterSecurity           `pulumi:"securityProfile"`
	AddonProfiles        map[string]Addon           `pulumi:"addonProfiles"`
	AutoUpgradeProfile   *AutoUpgrade               `pulumi:"autoUpgradeProfile"`
	AutoScalerProfile    *AutoScaler                `pulumi:"autoScalerProfile"`
	Tags                 pulumi.StringMapInput      `pulumi:"tags"`
}

// ElementType tells the engine the resolved form.
func (ManagedClusterArgs) ElementType() reflect.Type {
	return plain(reflect.TypeFor[ManagedClusterArgs]())
}

// Enabled is a switch.
type Enabled struct {
	Enabled pulumi.BoolInput `pulumi:"enabled"`
}

// ClusterSKU is the price tier of the control plane; Standard has an SLA.
type ClusterSKU struct {
	Name pulumi.StringInput `pulumi:"name"`
	Tier pulumi.StringInput `pulumi:"tier"`
}

// ClusterIdentity is the control plane's own identity.
type ClusterIdentity struct {
	Type                   pulumi.StringInput      `pulumi:"type" need:"yes"`
	UserAssignedIdentities pulumi.StringArrayInput `pulumi:"userAssignedIdentities"`
}

// KubeletIdentity is the identity that nodes pull images with.
type KubeletIdentity struct {
	ResourceID pulumi.StringInput `pulumi:"resourceId"`
	ClientID   pulumi.StringInput `pulumi:"clientId"`
	ObjectID   pulumi.StringInput `pulumi:"objectId"`
}

// AADProfile puts the cluster's users under Entra ID.
type AADProfile struct {
	Managed             pulumi.BoolInput        `pulumi:"managed"`
	EnableAzureRBAC     pulumi.BoolInput        `pulumi:"enableAzureRBAC"`
	AdminGroupObjectIDs pulumi.StringArrayInput `pulumi:"adminGroupObjectIDs"`
	TenantID            pulumi.StringInput      `pulumi:"tenantID"`
}

// APIServerAccess says from where the API server is reached.
type APIServerAccess struct {
	EnablePrivateCluster pulumi.BoolInput   `pulumi:"enablePrivateCluster"`
	PrivateDNSZone       pulumi.StringInput `pulumi:"privateDNSZone"`
	RunCommandDisabled   pulumi.BoolInput   `pulumi:"disableRunCommand"`
}

// AgentPoolProfile is the first pool, without which there is no cluster.
type AgentPoolProfile struct {
	Name              pulumi.StringInput      `pulumi:"name" need:"yes"`
	Mode              pulumi.StringInput      `pulumi:"mode"`
	Type              pulumi.StringInput      `pulumi:"type"`
	VMSize            pulumi.StringInput      `pulumi:"vmSize"`
	OSType            pulumi.StringInput      `pulumi:"osType"`
	OSSKU             pulumi.StringInput      `pulumi:"osSKU"`
	Count             pulumi.IntInput         `pulumi:"count"`
	MinCount          pulumi.IntInput         `pulumi:"minCount"`
	MaxCount          pulumi.IntInput         `pulumi:"maxCount"`
	EnableAutoScaling pulumi.BoolInput        `pulumi:"enableAutoScaling"`
	AvailabilityZones pulumi.StringArrayInput `pulumi:"availabilityZones"`
	VnetSubnetID      pulumi.StringInput      `pulumi:"vnetSubnetID"`
	NodeTaints        pulumi.StringArrayInput `pulumi:"nodeTaints"`
}

// ClusterNetwork is how pods and services are addressed and kept apart.
type ClusterNetwork struct {
	NetworkPlugin     pulumi.StringInput `pulumi:"networkPlugin"`
	NetworkPluginMode pulumi.StringInput `pulumi:"networkPluginMode"`
	NetworkPolicy     pulumi.StringInput `pulumi:"networkPolicy"`
	NetworkDataplane  pulumi.StringInput `pulumi:"networkDataplane"`
	PodCIDR           pulumi.StringInput `pulumi:"podCidr"`
	ServiceCIDR       pulumi.StringInput `pulumi:"serviceCidr"`
	DNSServiceIP      pulumi.StringInput `pulumi:"dnsServiceIP"`
	LoadBalancerSKU   pulumi.StringInput `pulumi:"loadBalancerSku"`
	OutboundType      pulumi.StringInput `pulumi:"outboundType"`
}

// ClusterSecurity turns workload identity, Defender and the image cleaner on.
type ClusterSecurity struct {
	WorkloadIdentity *Enabled      `pulumi:"workloadIdentity"`
	Defender         *Defender     `pulumi:"defender"`
	ImageCleaner     *ImageCleaner `pulumi:"imageCleaner"`
}

// Defender watches the cluster at run time and reports to a workspace.
type Defender struct {
	LogAnalyticsWorkspaceResourceID pulumi.StringInput `pulumi:"logAnalyticsWorkspaceResourceId"`
	SecurityMonitoring              *Enabled           `pulumi:"securityMonitoring"`
}

// ImageCleaner removes unused vulnerable images from nodes.
type ImageCleaner struct {
	Enabled       pulumi.BoolInput `pulumi:"enabled"`
	IntervalHours pulumi.IntInput  `pulumi:"intervalHours"`
}

// Addon is one add-on of the cluster.
type Addon struct {
	Enabled pulumi.BoolInput      `pulumi:"enabled" need:"yes"`
	Config  pulumi.StringMapInput `pulumi:"config"`
}

// AutoUpgrade keeps the cluster and its nodes patched, inside the maintenance window.
type AutoUpgrade struct {
	UpgradeChannel       pulumi.StringInput `pulumi:"upgradeChannel"`
	NodeOSUpgradeChannel pulumi.StringInput `pulumi:"nodeOSUpgradeChannel"`
}

// AutoScaler tunes how pools grow and shrink.
type AutoScaler struct {
	Expander              pulumi.StringInput `pulumi:"expander"`
	BalanceSimilarGroups  pulumi.StringInput `pulumi:"balanceSimilarNodeGroups"`
	ScaleDownUnneededTime pulumi.StringInput `pulumi:"scaleDownUnneededTime"`
}

// NewManagedCluster registers a cluster.
func NewManagedCluster(ctx *pulumi.Context, name string, args *ManagedClusterArgs, opts ...pulumi.ResourceOption) (*ManagedCluster, error) {
	var r ManagedCluster
	return &r, register(ctx, "containerservice:ManagedCluster", name, args, &r, opts)
}
