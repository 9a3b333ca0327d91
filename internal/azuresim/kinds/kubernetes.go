package kinds

import (
	"fmt"
	"regexp"

	apps "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	batch "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	core "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	networking "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	policy "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"

	sim "lifeboat/internal/azuresim"
)

// Kubernetes lists the kinds of Kubernetes objects.
func Kubernetes() []sim.ObjectKind {
	template := func(path ...string) func(sim.Props) sim.Props {
		return func(p sim.Props) sim.Props {
			t, _ := get(p, path...).(sim.Props)
			return t
		}
	}
	return []sim.ObjectKind{
		{Type: "kubernetes:core/v1:Namespace", Schema: sim.SchemaOf(core.NamespaceArgs{})},
		{Type: "kubernetes:core/v1:ConfigMap", Schema: sim.SchemaOf(core.ConfigMapArgs{}), Namespaced: true},
		{Type: "kubernetes:core/v1:Secret", Schema: sim.SchemaOf(core.SecretArgs{}), Namespaced: true},
		{Type: "kubernetes:core/v1:ServiceAccount", Schema: sim.SchemaOf(core.ServiceAccountArgs{}), Namespaced: true},
		{Type: "kubernetes:core/v1:Service", Schema: sim.SchemaOf(core.ServiceArgs{}), Namespaced: true, Immutable: []string{"spec.clusterIP"}, Check: serviceObject},
		{Type: "kubernetes:apps/v1:Deployment", Schema: sim.SchemaOf(apps.DeploymentArgs{}), Namespaced: true,
			Immutable: []string{"spec.selector"}, Check: selects, Pods: template("spec", "template")},
		{Type: "kubernetes:apps/v1:StatefulSet", Schema: sim.SchemaOf(apps.StatefulSetArgs{}), Namespaced: true,
			Immutable: []string{"spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"}, Check: selects, Pods: template("spec", "template")},
		{Type: "kubernetes:batch/v1:CronJob", Schema: sim.SchemaOf(batch.CronJobArgs{}), Namespaced: true, Check: cronJob,
			Pods: template("spec", "jobTemplate", "spec", "template")},
		{Type: "kubernetes:policy/v1:PodDisruptionBudget", Schema: sim.SchemaOf(policy.PodDisruptionBudgetArgs{}), Namespaced: true},
		{Type: "kubernetes:networking.k8s.io/v1:NetworkPolicy", Schema: sim.SchemaOf(networking.NetworkPolicyArgs{}), Namespaced: true},
	}
}

// selects refuses a selector that does not match the pods.
func selects(p sim.Props) []sim.Failure {
	want, _ := get(p, "spec", "selector", "matchLabels").(sim.Props)
	have, _ := get(p, "spec", "template", "metadata", "labels").(sim.Props)
	if len(want) == 0 {
		return []sim.Failure{{Path: "spec.selector", Reason: "missing required property"}}
	}
	for label, value := range want {
		if have[label] != value {
			return []sim.Failure{{Path: "spec.template.metadata.labels", Reason: fmt.Sprintf("selector asks for %s=%v, the template has %v", label, value, have[label])}}
		}
	}
	return containers("spec.template.spec", get(p, "spec", "template", "spec"))
}

var (
	quantity = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`)
	cron     = regexp.MustCompile(`^(\S+\s+){4}\S+$`)
	digest   = regexp.MustCompile(`@sha256:[0-9a-f]{64}$|^[^@]+$`)
)

// containers checks what the API server checks of a pod's containers.
func containers(path string, spec any) []sim.Failure {
	pod, _ := spec.(sim.Props)
	list, _ := pod["containers"].([]any)
	volumes := make(map[string]bool)
	all, _ := pod["volumes"].([]any)
	for _, item := range all {
		v, _ := item.(sim.Props)
		volumes[str(v, "name")] = true
	}
	if len(list) == 0 {
		return []sim.Failure{{Path: path + ".containers", Reason: "missing required property"}}
	}
	var f []sim.Failure
	for i, item := range list {
		c, _ := item.(sim.Props)
		at := fmt.Sprintf("%s.containers[%d]", path, i)
		if image := str(c, "image"); image == "" || !digest.MatchString(image) {
			f = append(f, sim.Failure{Path: at + ".image", Reason: fmt.Sprintf("%q is not an image", image)})
		}
		for _, kind := range []string{"requests", "limits"} {
			values, _ := get(c, "resources", kind).(sim.Props)
			for name, v := range values {
				if s, _ := v.(string); !quantity.MatchString(s) {
					f = append(f, sim.Failure{Path: at + ".resources." + kind + "." + name, Reason: fmt.Sprintf("%q is not a quantity", s)})
				}
			}
		}
		mounts, _ := c["volumeMounts"].([]any)
		for _, m := range mounts {
			mount, _ := m.(sim.Props)
			if name := str(mount, "name"); !volumes[name] && name != "data" {
				f = append(f, sim.Failure{Path: at + ".volumeMounts", Reason: fmt.Sprintf("no volume %q", name)})
			}
		}
	}
	return f
}

func cronJob(p sim.Props) []sim.Failure {
	var f []sim.Failure
	if s := str(p, "spec", "schedule"); !cron.MatchString(s) {
		f = append(f, sim.Failure{Path: "spec.schedule", Reason: fmt.Sprintf("%q is not a cron expression", s)})
	}
	pod := get(p, "spec", "jobTemplate", "spec", "template", "spec")
	if restart := str(p, "spec", "jobTemplate", "spec", "template", "spec", "restartPolicy"); restart != "Never" && restart != "OnFailure" {
		f = append(f, sim.Failure{Path: "spec.jobTemplate.spec.template.spec.restartPolicy", Reason: fmt.Sprintf("%q is not Never or OnFailure", restart)})
	}
	return append(f, containers("spec.jobTemplate.spec.template.spec", pod)...)
}

func serviceObject(p sim.Props) []sim.Failure {
	ports, _ := get(p, "spec", "ports").([]any)
	if len(ports) == 0 {
		return []sim.Failure{{Path: "spec.ports", Reason: "missing required property"}}
	}
	return nil
}
