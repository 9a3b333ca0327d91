package workloads

import (
	apps "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	batch "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	core "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	meta "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policy "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// agentPort serves barrier, frontier, health and metrics.
const agentPort = 8080

// agent runs two, both as standbys: one finds nobody at work and begins, the other waits
// until it is silent and meanwhile hands questions on to it, so that both are ready. Two
// writers cannot both be acknowledged whatever happens: the log's slots see to that.
func (w *Workloads) agent(ctx *pulumi.Context, space *core.Namespace) error {
	p := pod{
		component: "agent", account: AgentAccount, image: w.image(w.args.Agent.Image),
		args: []string{"agent", "--config", "/etc/lifeboat/lifeboat.yaml", "--listen", ":8080", "--standby", "--advertise", "$(POD_IP):8080"},
		env: core.EnvVarArray{core.EnvVarArgs{Name: pulumi.String("POD_IP"), ValueFrom: core.EnvVarSourceArgs{
			FieldRef: core.ObjectFieldSelectorArgs{FieldPath: pulumi.String("status.podIP")},
		}}},
		// Not /healthz: an agent that cannot reach the mirror must go on saying so. Whether
		// it is well is the alerts' to judge, from its metrics.
		ports: map[string]int{"http": agentPort}, probes: &probes{scheme: "HTTP", port: "http", path: "/livez"},
		cpu: "500m", mem: "1Gi", scratch: "2Gi", config: true,
	}
	template := p.template()
	template.Metadata = meta.ObjectMetaArgs{
		Labels: template.Metadata.(meta.ObjectMetaArgs).Labels,
		// The cluster's monitoring collects what these say; the alert rules read it.
		Annotations: pulumi.StringMap{
			"prometheus.io/scrape": pulumi.String("true"), "prometheus.io/port": pulumi.String("8080"), "prometheus.io/path": pulumi.String("/metrics"),
		},
	}
	_, err := apps.NewDeployment(ctx, "agent", &apps.DeploymentArgs{
		Metadata: in(space, "agent", labels("agent")),
		Spec: apps.DeploymentSpecArgs{
			Replicas: pulumi.Int(2),
			Selector: meta.LabelSelectorArgs{MatchLabels: labels("agent")},
			// One at a time, so that a standby is always there.
			Strategy: apps.DeploymentStrategyArgs{Type: pulumi.String("RollingUpdate"), RollingUpdate: apps.RollingUpdateDeploymentArgs{MaxUnavailable: pulumi.Int(1), MaxSurge: pulumi.Int(1)}},
			Template: template,
		},
	}, w.running()...)
	if err != nil {
		return err
	}
	if err := w.budget(ctx, space, "agent"); err != nil {
		return err
	}
	_, err = core.NewService(ctx, "agent", &core.ServiceArgs{
		Metadata: in(space, "agent", labels("agent")),
		Spec: core.ServiceSpecArgs{
			Selector: labels("agent"),
			Ports:    core.ServicePortArray{core.ServicePortArgs{Name: pulumi.String("http"), Port: pulumi.Int(agentPort), TargetPort: pulumi.String("http")}},
		},
	}, w.options...)
	return err
}

// budget keeps an upgrade of nodes from taking the last replica.
func (w *Workloads) budget(ctx *pulumi.Context, space *core.Namespace, component string) error {
	_, err := policy.NewPodDisruptionBudget(ctx, component, &policy.PodDisruptionBudgetArgs{
		Metadata: in(space, component, labels(component)),
		Spec:     policy.PodDisruptionBudgetSpecArgs{MinAvailable: pulumi.Int(1), Selector: meta.LabelSelectorArgs{MatchLabels: labels(component)}},
	}, w.options...)
	return err
}

// job is one nightly proof.
type job struct {
	name    string // also the key of its schedule
	account string
	args    []string
	scratch string
	mem     string
	hours   int // it is killed, and so reported, after this long
}

// jobs are the proofs, in order.
func (w *Workloads) jobs() []job {
	return []job{
		// The agent audits; this asks for it, so that a night without one is a job that failed.
		{"audit", ProofAccount, []string{"audit", "--agent", "http://agent:8080"}, "64Mi", "128Mi", 6},
		// GitHub's workflow makes the backups and proves them by a clone; this notices what has
		// happened to them since.
		{"code-backup", CodeAccount, []string{"code", "verify", "--no-clone", "--mirror", w.args.Agent.CodeStore}, "64Mi", "512Mi", 1},
		{"mirror-verify", ProofAccount, []string{"mirror", "verify"}, "2Gi", "1Gi", 12},
		{"preflight", ProofAccount, []string{"preflight"}, "2Gi", "512Mi", 1},
		// The newest snapshot and log, from the mirror alone, into a file: the proof that
		// the mirror restores, every night, without a SQL Server.
		{"restore-proof", ProofAccount, []string{"restore", "--latest", "--into", "sqlite:/work/proof.sqlite", "--scratch", "/work", "--mark"}, "64Gi", "2Gi", 6},
	}
}

// Jobs are the names of the nightly proofs, which are also the keys of their schedules.
func Jobs() []string {
	var names []string
	for _, j := range (&Workloads{args: &Args{}}).jobs() {
		names = append(names, j.name)
	}
	return names
}

func (w *Workloads) cronJobs(ctx *pulumi.Context, space *core.Namespace) error {
	for _, j := range w.jobs() {
		p := pod{
			component: j.name, account: j.account, image: w.image(w.args.Agent.Image),
			args: append(j.args, "--config", "/etc/lifeboat/lifeboat.yaml", "--json"),
			cpu:  "250m", mem: j.mem, scratch: j.scratch, config: true, restart: "Never",
		}
		_, err := batch.NewCronJob(ctx, j.name, &batch.CronJobArgs{
			Metadata: in(space, j.name, labels(j.name)),
			Spec: batch.CronJobSpecArgs{
				Schedule: pulumi.String(w.args.Agent.Schedules[j.name]), TimeZone: pulumi.String("Etc/UTC"),
				Suspend: pulumi.Bool(false), ConcurrencyPolicy: pulumi.String("Forbid"),
				// A proof that could not start for an hour is reported as missed.
				StartingDeadlineSeconds:    pulumi.Int(3600),
				SuccessfulJobsHistoryLimit: pulumi.Int(7), FailedJobsHistoryLimit: pulumi.Int(14),
				JobTemplate: batch.JobTemplateSpecArgs{Spec: batch.JobSpecArgs{
					BackoffLimit: pulumi.Int(2), ActiveDeadlineSeconds: pulumi.Int(j.hours * 3600), Template: p.template(),
				}},
			},
		}, w.running()...)
		if err != nil {
			return err
		}
	}
	return nil
}
