package workloads

import (
	"maps"
	"slices"

	apps "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	core "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	meta "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networking "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ground is what the customer's namespace has before anything runs in it.
func (w *Workloads) ground(ctx *pulumi.Context, space *core.Namespace) error {
	a := w.args.App
	if err := w.denyAll(ctx, space, "deny-"+a.Name); err != nil {
		return err
	}
	if err := w.policy(ctx, space, a.Name+"-traffic", labels(a.Name), &networking.NetworkPolicySpecArgs{
		PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
		Ingress:     networking.NetworkPolicyIngressRuleArray{portsIn(a.Port)},
		Egress:      networking.NetworkPolicyEgressRuleArray{dnsOut(), portsOut(443, databasePort, agentPort)},
	}); err != nil {
		return err
	}
	return w.account(ctx, space, "account-"+a.Name, a.Name, a.Name)
}

// application runs the customer's application. It serves TLS itself, with a certificate
// from its vault: nothing between the user and it can read.
func (w *Workloads) application(ctx *pulumi.Context, space *core.Namespace) error {
	a := w.args.App
	p := pod{
		component: a.Name, account: a.Name, image: w.image(a.Image), env: w.environment(),
		ports: map[string]int{"https": a.Port}, probes: &probes{scheme: "HTTPS", port: "https", path: a.HealthPath},
		cpu: "500m", mem: "1Gi", scratch: "1Gi",
	}
	_, err := apps.NewDeployment(ctx, a.Name, &apps.DeploymentArgs{
		Metadata: in(space, a.Name, labels(a.Name)),
		Spec: apps.DeploymentSpecArgs{
			Replicas: pulumi.Int(a.Replicas), Selector: meta.LabelSelectorArgs{MatchLabels: labels(a.Name)}, Template: p.template(),
		},
	}, w.running()...)
	if err != nil {
		return err
	}
	if err := w.budget(ctx, space, a.Name); err != nil {
		return err
	}
	return w.front(ctx, space)
}

// environment tells the application where its database, its vault and the barrier are.
func (w *Workloads) environment() core.EnvVarArray {
	a := w.args.App
	env := core.EnvVarArray{
		core.EnvVarArgs{Name: pulumi.String("DATABASE_URL"), Value: w.args.App.Database.ToStringOutput()},
		core.EnvVarArgs{Name: pulumi.String("KEY_VAULT_URL"), Value: pulumi.String(a.Vault)},
		core.EnvVarArgs{Name: pulumi.String("LIFEBOAT_URL"), Value: pulumi.String("http://agent.lifeboat.svc.cluster.local:8080")},
	}
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		env = append(env, core.EnvVarArgs{Name: pulumi.String(name), Value: pulumi.String(a.Env[name])})
	}
	return env
}

// front is the application's load balancer: public with a name, or inside only.
func (w *Workloads) front(ctx *pulumi.Context, space *core.Namespace) error {
	a := w.args.App
	m := in(space, a.Name, labels(a.Name))
	if a.Label != "" {
		m.Annotations = pulumi.StringMap{"service.beta.kubernetes.io/azure-dns-label-name": pulumi.String(a.Label)}
	} else {
		m.Annotations = pulumi.StringMap{"service.beta.kubernetes.io/azure-load-balancer-internal": pulumi.String("true")}
	}
	_, err := core.NewService(ctx, a.Name, &core.ServiceArgs{
		Metadata: m,
		Spec: core.ServiceSpecArgs{
			Type: pulumi.String("LoadBalancer"), Selector: labels(a.Name), ExternalTrafficPolicy: pulumi.String("Local"),
			Ports: core.ServicePortArray{core.ServicePortArgs{Name: pulumi.String("https"), Port: pulumi.Int(443), TargetPort: pulumi.String("https")}},
		},
	}, w.options...)
	return err
}
