package workloads

import (
	core "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	meta "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// nobody is the user and group of the images, which the Dockerfile sets.
const nobody = 65532

// pod is what a pod of this package is made of; the rest is the same for all.
type pod struct {
	component string
	account   string
	image     pulumi.StringInput
	args      []string
	env       core.EnvVarArray
	ports     map[string]int
	probes    *probes
	cpu, mem  string // requests, and the memory limit
	scratch   string // size of the writable volume at /work; empty for none
	config    bool   // mount the configuration at /etc/lifeboat
	restart   string // "" for Always
}

// probes are paths on one of the pod's ports.
type probes struct {
	scheme string // "HTTP" or "HTTPS"
	port   string
	path   string
}

// template is a pod under the restricted standard.
func (p *pod) template() core.PodTemplateSpecArgs {
	l := labels(p.component)
	l["azure.workload.identity/use"] = pulumi.String("true")
	spec := &core.PodSpecArgs{
		ServiceAccountName:           pulumi.String(p.account),
		AutomountServiceAccountToken: pulumi.Bool(false),
		EnableServiceLinks:           pulumi.Bool(false),
		SecurityContext: &core.PodSecurityContextArgs{
			RunAsNonRoot: pulumi.Bool(true), RunAsUser: pulumi.Int(nobody), RunAsGroup: pulumi.Int(nobody), FsGroup: pulumi.Int(nobody),
			SeccompProfile: core.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
		},
		// Two replicas in one zone would fall together.
		TopologySpreadConstraints: core.TopologySpreadConstraintArray{core.TopologySpreadConstraintArgs{
			MaxSkew: pulumi.Int(1), TopologyKey: pulumi.String("topology.kubernetes.io/zone"), WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
			LabelSelector: meta.LabelSelectorArgs{MatchLabels: labels(p.component)},
		}},
		Containers: core.ContainerArray{p.container()},
		Volumes:    p.volumes(),
	}
	if p.restart != "" {
		spec.RestartPolicy = pulumi.String(p.restart)
	}
	return core.PodTemplateSpecArgs{Metadata: meta.ObjectMetaArgs{Labels: l}, Spec: spec}
}

func (p *pod) container() core.ContainerArgs {
	c := core.ContainerArgs{
		Name: pulumi.String(p.component), Image: p.image, Env: p.env,
		SecurityContext: &core.SecurityContextArgs{
			AllowPrivilegeEscalation: pulumi.Bool(false), ReadOnlyRootFilesystem: pulumi.Bool(true),
			Capabilities: core.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
		},
		// No CPU limit: throttling an agent lengthens the time in which a commit is not yet safe.
		Resources: core.ResourceRequirementsArgs{
			Requests: pulumi.StringMap{"cpu": pulumi.String(p.cpu), "memory": pulumi.String(p.mem)},
			Limits:   pulumi.StringMap{"memory": pulumi.String(p.mem)},
		},
		VolumeMounts: p.mounts(),
	}
	if len(p.args) > 0 {
		c.Args = pulumi.ToStringArray(p.args)
	}
	open := core.ContainerPortArray{}
	for name, number := range p.ports {
		open = append(open, core.ContainerPortArgs{Name: pulumi.String(name), ContainerPort: pulumi.Int(number)})
	}
	if len(open) > 0 {
		c.Ports = open
	}
	if p.probes != nil {
		probe := core.ProbeArgs{
			HttpGet:       core.HTTPGetActionArgs{Scheme: pulumi.String(p.probes.scheme), Path: pulumi.String(p.probes.path), Port: pulumi.String(p.probes.port)},
			PeriodSeconds: pulumi.Int(10), TimeoutSeconds: pulumi.Int(5),
		}
		c.ReadinessProbe, c.LivenessProbe = probe, probe
	}
	return c
}

func (p *pod) volumes() core.VolumeArray {
	v := core.VolumeArray{}
	if p.config {
		v = append(v, core.VolumeArgs{Name: pulumi.String("config"), ConfigMap: core.ConfigMapVolumeSourceArgs{Name: pulumi.String(ConfigName)}})
	}
	if p.scratch != "" {
		v = append(v, core.VolumeArgs{Name: pulumi.String("work"), EmptyDir: core.EmptyDirVolumeSourceArgs{SizeLimit: pulumi.String(p.scratch)}})
	}
	return v
}

func (p *pod) mounts() core.VolumeMountArray {
	m := core.VolumeMountArray{}
	if p.config {
		m = append(m, core.VolumeMountArgs{Name: pulumi.String("config"), MountPath: pulumi.String("/etc/lifeboat"), ReadOnly: pulumi.Bool(true)})
	}
	if p.scratch != "" {
		m = append(m, core.VolumeMountArgs{Name: pulumi.String("work"), MountPath: pulumi.String("/work")})
	}
	return m
}
