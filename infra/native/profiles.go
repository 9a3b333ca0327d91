package native

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Enabled is a switch.
type Enabled struct {
	Enabled pulumi.BoolInput `pulumi:"enabled"`
}

// ElementType tells the engine the resolved form.
func (Enabled) ElementType() reflect.Type { return plain(reflect.TypeFor[Enabled]()) }

// ClusterSKU is the price tier of the control plane; Standard has an SLA.
type ClusterSKU struct {
	Name pulumi.StringInput `pulumi:"name"`
	Tier pulumi.StringInput `pulumi:"tier"`
}

// ElementType tells the engine the resolved form.
func (ClusterSKU) ElementType() reflect.Type { return plain(reflect.TypeFor[ClusterSKU]()) }

// ClusterIdentity is the control plane's own identity.
type ClusterIdentity struct {
	Type                   pulumi.StringInput      `pulumi:"type" need:"yes"`
	UserAssignedIdentities pulumi.StringArrayInput `pulumi:"userAssignedIdentities"`
}

// ElementType tells the engine the resolved form.
func (ClusterIdentity) ElementType() reflect.Type { return plain(reflect.TypeFor[ClusterIdentity]()) }

// KubeletIdentity is the identity that nodes pull images with.
type KubeletIdentity struct {
	ResourceID pulumi.StringInput `pulumi:"resourceId"`
	ClientID   pulumi.StringInput `pulumi:"clientId"`
	ObjectID   pulumi.StringInput `pulumi:"objectId"`
}

// ElementType tells the engine the resolved form.
func (KubeletIdentity) ElementType() reflect.Type { return plain(reflect.TypeFor[KubeletIdentity]()) }

// AADProfile puts the cluster's users under Entra ID.
type AADProfile struct {
	Managed             pulumi.BoolInput        `pulumi:"managed"`
	EnableAzureRBAC     pulumi.BoolInput        `pulumi:"enableAzureRBAC"`
	AdminGroupObjectIDs pulumi.StringArrayInput `pulumi:"adminGroupObjectIDs"`
	TenantID            pulumi.StringInput      `pulumi:"tenantID"`
}

// ElementType tells the engine the resolved form.
func (AADProfile) ElementType() reflect.Type { return plain(reflect.TypeFor[AADProfile]()) }

// APIServerAccess says from where the API server is reached.
type APIServerAccess struct {
	EnablePrivateCluster pulumi.BoolInput   `pulumi:"enablePrivateCluster"`
	PrivateDNSZone       pulumi.StringInput `pulumi:"privateDNSZone"`
	RunCommandDisabled   pulumi.BoolInput   `pulumi:"disableRunCommand"`
}

// ElementType tells the engine the resolved form.
func (APIServerAccess) ElementType() reflect.Type { return plain(reflect.TypeFor[APIServerAccess]()) }

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

// ElementType tells the engine the resolved form.
func (AgentPoolProfile) ElementType() reflect.Type { return plain(reflect.TypeFor[AgentPoolProfile]()) }

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

// ElementType tells the engine the resolved form.
func (ClusterNetwork) ElementType() reflect.Type { return plain(reflect.TypeFor[ClusterNetwork]()) }

// ClusterSecurity turns workload identity, Defender and the image cleaner on.
type ClusterSecurity struct {
	WorkloadIdentity *Enabled      `pulumi:"workloadIdentity"`
	Defender         *Defender     `pulumi:"defender"`
	ImageCleaner     *ImageCleaner `pulumi:"imageCleaner"`
}

// ElementType tells the engine the resolved form.
func (ClusterSecurity) ElementType() reflect.Type { return plain(reflect.TypeFor[ClusterSecurity]()) }

// Defender watches the cluster at run time and reports to a workspace.
type Defender struct {
	LogAnalyticsWorkspaceResourceID pulumi.StringInput `pulumi:"logAnalyticsWorkspaceResourceId"`
	SecurityMonitoring              *Enabled           `pulumi:"securityMonitoring"`
}

// ElementType tells the engine the resolved form.
func (Defender) ElementType() reflect.Type { return plain(reflect.TypeFor[Defender]()) }

// ImageCleaner removes unused vulnerable images from nodes.
type ImageCleaner struct {
	Enabled       pulumi.BoolInput `pulumi:"enabled"`
	IntervalHours pulumi.IntInput  `pulumi:"intervalHours"`
}

// ElementType tells the engine the resolved form.
func (ImageCleaner) ElementType() reflect.Type { return plain(reflect.TypeFor[ImageCleaner]()) }

// Addon is one add-on of the cluster.
type Addon struct {
	Enabled pulumi.BoolInput      `pulumi:"enabled" need:"yes"`
	Config  pulumi.StringMapInput `pulumi:"config"`
}

// ElementType tells the engine the resolved form.
func (Addon) ElementType() reflect.Type { return plain(reflect.TypeFor[Addon]()) }

// AutoUpgrade keeps the cluster and its nodes patched, inside the maintenance window.
type AutoUpgrade struct {
	UpgradeChannel       pulumi.StringInput `pulumi:"upgradeChannel"`
	NodeOSUpgradeChannel pulumi.StringInput `pulumi:"nodeOSUpgradeChannel"`
}

// ElementType tells the engine the resolved form.
func (AutoUpgrade) ElementType() reflect.Type { return plain(reflect.TypeFor[AutoUpgrade]()) }

// AutoScaler tunes how pools grow and shrink.
type AutoScaler struct {
	Expander              pulumi.StringInput `pulumi:"expander"`
	BalanceSimilarGroups  pulumi.StringInput `pulumi:"balanceSimilarNodeGroups"`
	ScaleDownUnneededTime pulumi.StringInput `pulumi:"scaleDownUnneededTime"`
}

// ElementType tells the engine the resolved form.
func (AutoScaler) ElementType() reflect.Type { return plain(reflect.TypeFor[AutoScaler]()) }

// KubeletIdentityMap is keyed by what the identity is for: "kubeletidentity".
type KubeletIdentityMap map[string]KubeletIdentity

// ElementType tells the engine the resolved form.
func (KubeletIdentityMap) ElementType() reflect.Type {
	return plain(reflect.TypeFor[KubeletIdentityMap]())
}

// AgentPoolProfileArray is the first pools of a cluster.
type AgentPoolProfileArray []AgentPoolProfile

// ElementType tells the engine the resolved form.
func (AgentPoolProfileArray) ElementType() reflect.Type {
	return plain(reflect.TypeFor[AgentPoolProfileArray]())
}

// AddonMap is keyed by the add-on's name.
type AddonMap map[string]Addon

// ElementType tells the engine the resolved form.
func (AddonMap) ElementType() reflect.Type { return plain(reflect.TypeFor[AddonMap]()) }
