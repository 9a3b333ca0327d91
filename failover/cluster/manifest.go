package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What marks our objects.
const (
	jobLabel     = "lifeboat.dev/job"      // on a Job and its pods: the Job's name
	runLabel     = "lifeboat.dev/run"      // the failover's id
	madeFor      = "lifeboat.dev/made-for" // annotation: digest of everything that was asked for
	container    = "lifeboat"              // the only one
	configKey    = "lifeboat.yaml"
	configFolder = "/etc/lifeboat"
	// Work is the folder that a task's pods may write to.
	Work = "/work"
	// Proof is the file that a task's proof goes to.
	Proof = "/dev/termination-log"
	// ShardOf, in a task's arguments, is a pod's number among the shards, from 0.
	ShardOf = "$(JOB_COMPLETION_INDEX)"
)

const (
	nobody   = 65532         // the user of the images, which the Dockerfile sets
	keptFor  = 7 * 24 * 3600 // seconds that a Job that has ended stays, as evidence
	attempts = 6             // tries of a pod by the cluster itself, beyond the first: ten minutes of pauses
)

// Task is one verb to run.
type Task struct {
	// Name begins the names of the task's objects: at most 30 of a-z, 0-9 and '-'. Two
	// tasks of a run that are not the same have different names.
	Name string
	// Args are the command line, without the program. What is to be read from the
	// configuration is at Config.
	Args []string
	// Shards is over how many pods at once the work is divided; 0 and 1: one.
	Shards int
	// Fresh does not take an earlier success for an answer.
	Fresh bool
}

// ConfigFile is where a task's pods find their configuration.
const ConfigFile = configFolder + "/" + configKey

// configMap is the configuration that pods see. Its name says what is in it.
func (c *Cluster) configMap() *core.ConfigMap {
	sum := sha256.Sum256([]byte(c.cfg.File))
	immutable := true
	return &core.ConfigMap{
		ObjectMeta: meta.ObjectMeta{
			Name: fmt.Sprintf("lifeboat-%s-%s", c.cfg.Run, hex.EncodeToString(sum[:4])), Namespace: c.cfg.Namespace, Labels: c.labels("config"),
		},
		Immutable: &immutable,
		Data:      map[string]string{configKey: c.cfg.File},
	}
}

func (c *Cluster) labels(component string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": component, "app.kubernetes.io/part-of": "lifeboat", runLabel: c.cfg.Run}
}

// jobName is the name of an attempt, counted from 1.
func (c *Cluster) jobName(t Task, attempt int) string {
	return fmt.Sprintf("%s-%s-%d", t.Name, c.cfg.Run, attempt)
}

// job is the manifest of an attempt: the same task makes the same one wherever it is asked.
func (c *Cluster) job(t Task, attempt int) (*batch.Job, error) {
	name := c.jobName(t, attempt)
	l := c.labels(t.Name)
	l[jobLabel] = name
	one, ttl, limit := int32(max(1, t.Shards)), int32(keptFor), int32(attempts*max(1, t.Shards))
	failed := batch.Failed
	j := &batch.Job{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: c.cfg.Namespace, Labels: l},
		Spec: batch.JobSpec{
			Parallelism: &one, Completions: &one, BackoffLimit: &limit, TTLSecondsAfterFinished: &ttl,
			// A pod that is on its way out may still be loading: its successor waits for its end.
			PodReplacementPolicy: &failed,
			PodFailurePolicy:     c.failurePolicy(),
			Template:             c.template(t, l),
		},
	}
	if t.Shards > 1 {
		indexed := batch.IndexedCompletion
		j.Spec.CompletionMode = &indexed
	}
	digest, err := digestOf(j.Spec, c.cfg.File)
	j.Annotations = map[string]string{madeFor: digest}
	return j, err
}

func digestOf(spec batch.JobSpec, file string) (string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("encode a job: %w", err)
	}
	sum := sha256.Sum256(append(text, file...))
	return hex.EncodeToString(sum[:]), nil
}

// failurePolicy: what the cluster did to a pod does not count, and what no repetition
// changes ends the Job.
func (c *Cluster) failurePolicy() *batch.PodFailurePolicy {
	p := &batch.PodFailurePolicy{Rules: []batch.PodFailurePolicyRule{{
		Action:          batch.PodFailurePolicyActionIgnore,
		OnPodConditions: []batch.PodFailurePolicyOnPodConditionsPattern{{Type: core.DisruptionTarget, Status: core.ConditionTrue}},
	}}}
	if len(c.cfg.Permanent) > 0 {
		name := container
		p.Rules = append(p.Rules, batch.PodFailurePolicyRule{
			Action: batch.PodFailurePolicyActionFailJob,
			OnExitCodes: &batch.PodFailurePolicyOnExitCodesRequirement{
				ContainerName: &name, Operator: batch.PodFailurePolicyOnExitCodesOpIn, Values: c.cfg.Permanent,
			},
		})
	}
	return p
}

// template is a pod under the restricted standard, as the stack's own are.
func (c *Cluster) template(t Task, labels map[string]string) core.PodTemplateSpec {
	l := map[string]string{"azure.workload.identity/use": "true"}
	for name, value := range labels {
		l[name] = value
	}
	yes, no, user := true, false, int64(nobody)
	scratch := bytesOf(c.cfg.Scratch)
	return core.PodTemplateSpec{
		ObjectMeta: meta.ObjectMeta{Labels: l, Annotations: map[string]string{"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}},
		Spec: core.PodSpec{
			RestartPolicy: core.RestartPolicyNever, ServiceAccountName: c.cfg.Account, AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
			SecurityContext: &core.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
				SeccompProfile: &core.SeccompProfile{Type: core.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []core.Container{c.container(t)},
			Volumes: []core.Volume{
				{Name: "config", VolumeSource: core.VolumeSource{ConfigMap: &core.ConfigMapVolumeSource{LocalObjectReference: core.LocalObjectReference{Name: c.configMap().Name}}}},
				{Name: "work", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{SizeLimit: &scratch}}},
			},
		},
	}
}

func (c *Cluster) container(t Task) core.Container {
	yes, no := true, false
	memory := bytesOf(c.cfg.Memory)
	return core.Container{
		Name: container, Image: c.cfg.Image, Args: t.Args,
		SecurityContext: &core.SecurityContext{
			AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
			Capabilities: &core.Capabilities{Drop: []core.Capability{"ALL"}},
		},
		Resources: core.ResourceRequirements{
			Requests: core.ResourceList{core.ResourceCPU: *cpu(), core.ResourceMemory: memory},
			Limits:   core.ResourceList{core.ResourceMemory: memory},
		},
		VolumeMounts: []core.VolumeMount{
			{Name: "config", MountPath: configFolder, ReadOnly: true},
			{Name: "work", MountPath: Work},
		},
		TerminationMessagePath: Proof,
		// A pod that fails leaves no proof: its last lines say why.
		TerminationMessagePolicy: core.TerminationMessageFallbackToLogsOnError,
	}
}

// checkName keeps names within what Kubernetes takes for a Job whose pods get more.
func checkName(t Task) error {
	if t.Name == "" || len(t.Name) > 30 || strings.Trim(t.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("task %q: want 1 to 30 of a-z, 0-9 and '-'", t.Name)
	}
	return nil
}
