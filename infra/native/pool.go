package native

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// AgentPool is a further pool of nodes.
type AgentPool struct {
	pulumi.CustomResourceState

	Name pulumi.StringOutput `pulumi:"name"`
}

// AgentPoolArgs are its inputs (API 2024-09-01).
type AgentPoolArgs struct {
	ResourceGroupName pulumi.StringInput      `pulumi:"resourceGroupName" need:"yes"`
	ClusterName       pulumi.StringInput      `pulumi:"resourceName" need:"yes"`
	AgentPoolName     pulumi.StringInput      `pulumi:"agentPoolName"`
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
	Tags              pulumi.StringMapInput   `pulumi:"tags"`
}

// ElementType tells the engine the resolved form.
func (AgentPoolArgs) ElementType() reflect.Type { return plain(reflect.TypeFor[AgentPoolArgs]()) }

// NewAgentPool registers a pool.
func NewAgentPool(ctx *pulumi.Context, name string, args *AgentPoolArgs, opts ...pulumi.ResourceOption) (*AgentPool, error) {
	var r AgentPool
	return &r, register(ctx, "containerservice:AgentPool", name, args, &r, opts)
}

// MaintenanceConfiguration says when a cluster may be upgraded.
type MaintenanceConfiguration struct {
	pulumi.CustomResourceState

	Name pulumi.StringOutput `pulumi:"name"`
}

// MaintenanceConfigurationArgs are its inputs (API 2024-09-01). ConfigName is one of
// Azure's three fixed names, e.g. "aksManagedAutoUpgradeSchedule".
type MaintenanceConfigurationArgs struct {
	ResourceGroupName pulumi.StringInput `pulumi:"resourceGroupName" need:"yes"`
	ClusterName       pulumi.StringInput `pulumi:"resourceName" need:"yes"`
	ConfigName        pulumi.StringInput `pulumi:"configName"`
	MaintenanceWindow *MaintenanceWindow `pulumi:"maintenanceWindow"`
}

// MaintenanceWindow is a repeating time.
type MaintenanceWindow struct {
	DurationHours pulumi.IntInput    `pulumi:"durationHours" need:"yes"`
	StartTime     pulumi.StringInput `pulumi:"startTime" need:"yes"` // "HH:MM"
	UTCOffset     pulumi.StringInput `pulumi:"utcOffset"`
	Schedule      *Schedule          `pulumi:"schedule" need:"yes"`
}

// ElementType tells the engine the resolved form.
func (MaintenanceWindow) ElementType() reflect.Type {
	return plain(reflect.TypeFor[MaintenanceWindow]())
}

// Schedule is how it repeats.
type Schedule struct {
	Weekly *Weekly `pulumi:"weekly"`
}

// ElementType tells the engine the resolved form.
func (Schedule) ElementType() reflect.Type { return plain(reflect.TypeFor[Schedule]()) }

// Weekly is every so many weeks on a day.
type Weekly struct {
	DayOfWeek     pulumi.StringInput `pulumi:"dayOfWeek" need:"yes"`
	IntervalWeeks pulumi.IntInput    `pulumi:"intervalWeeks" need:"yes"`
}

// ElementType tells the engine the resolved form.
func (Weekly) ElementType() reflect.Type { return plain(reflect.TypeFor[Weekly]()) }

// ElementType tells the engine the resolved form.
func (MaintenanceConfigurationArgs) ElementType() reflect.Type {
	return plain(reflect.TypeFor[MaintenanceConfigurationArgs]())
}

// NewMaintenanceConfiguration registers a window.
func NewMaintenanceConfiguration(ctx *pulumi.Context, name string, args *MaintenanceConfigurationArgs, opts ...pulumi.ResourceOption) (*MaintenanceConfiguration, error) {
	var r MaintenanceConfiguration
	return &r, register(ctx, "containerservice:MaintenanceConfiguration", name, args, &r, opts)
}

// credentials is the answer of the provider's listManagedClusterUserCredentials.
type credentials struct {
	Kubeconfigs []struct {
		Name  string `pulumi:"name"`
		Value string `pulumi:"value"` // base64
	} `pulumi:"kubeconfigs"`
}

var kubeconfigLine = map[string]*regexp.Regexp{
	"server":                     regexp.MustCompile(`(?m)^\s*server: *"?([^"\s]+)"?\s*$`),
	"certificate-authority-data": regexp.MustCompile(`(?m)^\s*certificate-authority-data: *"?([^"\s]+)"?\s*$`),
}

// KubeconfigLine is what stands behind a key of a kubeconfig of one cluster, "server" or
// "certificate-authority-data"; "" if it is not there. Neither is a secret.
func KubeconfigLine(config, key string) string {
	if m := kubeconfigLine[key].FindStringSubmatch(config); m != nil {
		return m[1]
	}
	return ""
}

// Kubeconfig asks Azure for a user's configuration of a cluster that exists. Local
// accounts are off, so it holds no secret by itself: it signs in through Entra ID.
func Kubeconfig(ctx *pulumi.Context, group pulumi.StringInput, cluster *ManagedCluster) pulumi.StringOutput {
	return pulumi.All(group, cluster.Name, cluster.ID()).ApplyT(func(known []any) (string, error) {
		var answer credentials
		args := &struct {
			Group string `pulumi:"resourceGroupName"`
			Name  string `pulumi:"resourceName"`
		}{known[0].(string), known[1].(string)}
		err := ctx.Invoke("azure-native:containerservice:listManagedClusterUserCredentials", args, &answer, pulumi.Parent(cluster), pulumi.Version(Version))
		if err != nil {
			return "", fmt.Errorf("credentials of cluster %s: %w", args.Name, err)
		}
		if len(answer.Kubeconfigs) == 0 {
			return "", errors.New("cluster " + args.Name + " gave no credentials: is the deployer in its administrators' group?")
		}
		text, err := base64.StdEncoding.DecodeString(answer.Kubeconfigs[0].Value)
		if err != nil {
			return "", fmt.Errorf("credentials of cluster %s: %w", args.Name, err)
		}
		return string(text), nil
	}).(pulumi.StringOutput)
}
