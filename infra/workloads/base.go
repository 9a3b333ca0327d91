package workloads

import (
	core "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	meta "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networking "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// labels select what belongs to a component.
func labels(component string) pulumi.StringMap {
	return pulumi.StringMap{"app.kubernetes.io/name": pulumi.String(component), "app.kubernetes.io/part-of": pulumi.String("lifeboat")}
}

func (w *Workloads) namespace(ctx *pulumi.Context, name string) (*core.Namespace, error) {
	return core.NewNamespace(ctx, name, &core.NamespaceArgs{
		Metadata: meta.ObjectMetaArgs{Name: pulumi.String(name), Labels: pulumi.StringMap{
			"pod-security.kubernetes.io/enforce": pulumi.String("restricted"),
			"pod-security.kubernetes.io/audit":   pulumi.String("restricted"),
			"pod-security.kubernetes.io/warn":    pulumi.String("restricted"),
		}},
	}, w.options...)
}

// in is the metadata of an object of a namespace.
func in(space *core.Namespace, name string, l pulumi.StringMap) meta.ObjectMetaArgs {
	return meta.ObjectMetaArgs{Name: pulumi.String(name), Namespace: space.Metadata.Name(), Labels: l}
}

func (w *Workloads) account(ctx *pulumi.Context, space *core.Namespace, resource, name, identity string) error {
	m := in(space, name, labels(name))
	m.Annotations = pulumi.StringMap{"azure.workload.identity/client-id": w.args.ClientIDs[identity]}
	return w.add(core.NewServiceAccount(ctx, resource, &core.ServiceAccountArgs{
		Metadata: m, AutomountServiceAccountToken: pulumi.Bool(false),
	}, w.options...))
}

func (w *Workloads) accounts(ctx *pulumi.Context, space *core.Namespace) error {
	for _, name := range []string{AgentAccount, ProofAccount, CodeAccount} {
		if err := w.account(ctx, space, "account-"+name, name, name); err != nil {
			return err
		}
	}
	return nil
}

// ConfigName is the ConfigMap that every pod of Lifeboat mounts.
const ConfigName = "lifeboat"

func (w *Workloads) config(ctx *pulumi.Context, space *core.Namespace) error {
	return w.add(core.NewConfigMap(ctx, "config", &core.ConfigMapArgs{
		Metadata: in(space, ConfigName, labels("lifeboat")),
		Data:     pulumi.StringMap{"lifeboat.yaml": w.args.Agent.Config},
	}, w.options...))
}

// policies deny everything in and out of a namespace but what its pods need.
func (w *Workloads) policies(ctx *pulumi.Context, space *core.Namespace) error {
	out := networking.NetworkPolicyEgressRuleArray{dnsOut(), portsOut(443, databasePort), w.toAgent()}
	if w.args.Database.Image != "" {
		if err := w.policy(ctx, space, "database-in", labels("mssql"), &networking.NetworkPolicySpecArgs{
			PolicyTypes: pulumi.ToStringArray([]string{"Ingress"}),
			Ingress:     networking.NetworkPolicyIngressRuleArray{portsIn(databasePort)},
		}); err != nil {
			return err
		}
	}
	if err := w.denyAll(ctx, space, "deny-lifeboat"); err != nil {
		return err
	}
	if err := w.policy(ctx, space, "lifeboat-out", pulumi.StringMap{}, &networking.NetworkPolicySpecArgs{
		PolicyTypes: pulumi.ToStringArray([]string{"Egress"}), Egress: out,
	}); err != nil {
		return err
	}
	return w.policy(ctx, space, "agent-in", labels("agent"), &networking.NetworkPolicySpecArgs{
		PolicyTypes: pulumi.ToStringArray([]string{"Ingress"}),
		Ingress:     networking.NetworkPolicyIngressRuleArray{w.agentIn()},
	})
}

// toAgent lets the standby and the nightly audit reach the agent.
func (w *Workloads) toAgent() networking.NetworkPolicyEgressRuleArgs {
	rule := portsOut(agentPort)
	rule.To = networking.NetworkPolicyPeerArray{networking.NetworkPolicyPeerArgs{PodSelector: meta.LabelSelectorArgs{MatchLabels: labels("agent")}}}
	return rule
}

// agentIn lets only the application, which asks for barriers, the standby, the nightly
// audit and the cluster's monitoring reach the agent: its interface has no authentication
// of its own.
func (w *Workloads) agentIn() networking.NetworkPolicyIngressRuleArgs {
	rule := portsIn(agentPort)
	from := networking.NetworkPolicyPeerArray{}
	for _, space := range []string{w.args.App.Name, Namespace, "kube-system"} {
		from = append(from, networking.NetworkPolicyPeerArgs{NamespaceSelector: meta.LabelSelectorArgs{
			MatchLabels: pulumi.StringMap{"kubernetes.io/metadata.name": pulumi.String(space)},
		}})
	}
	rule.From = from
	return rule
}

// databasePort is SQL Server's.
const databasePort = 1433

func (w *Workloads) denyAll(ctx *pulumi.Context, space *core.Namespace, name string) error {
	return w.policy(ctx, space, name, pulumi.StringMap{}, &networking.NetworkPolicySpecArgs{
		PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
	})
}

func (w *Workloads) policy(ctx *pulumi.Context, space *core.Namespace, name string, pods pulumi.StringMap, spec *networking.NetworkPolicySpecArgs) error {
	spec.PodSelector = meta.LabelSelectorArgs{MatchLabels: pods}
	return w.add(networking.NewNetworkPolicy(ctx, name, &networking.NetworkPolicyArgs{
		Metadata: in(space, name, labels(name)), Spec: spec,
	}, w.options...))
}

func ports(numbers []int) networking.NetworkPolicyPortArray {
	all := networking.NetworkPolicyPortArray{}
	for _, n := range numbers {
		all = append(all, networking.NetworkPolicyPortArgs{Port: pulumi.Int(n), Protocol: pulumi.String("TCP")})
	}
	return all
}

func portsIn(numbers ...int) networking.NetworkPolicyIngressRuleArgs {
	return networking.NetworkPolicyIngressRuleArgs{Ports: ports(numbers)}
}

func portsOut(numbers ...int) networking.NetworkPolicyEgressRuleArgs {
	return networking.NetworkPolicyEgressRuleArgs{Ports: ports(numbers)}
}

func dnsOut() networking.NetworkPolicyEgressRuleArgs {
	return networking.NetworkPolicyEgressRuleArgs{Ports: networking.NetworkPolicyPortArray{
		networking.NetworkPolicyPortArgs{Port: pulumi.Int(53), Protocol: pulumi.String("UDP")},
		networking.NetworkPolicyPortArgs{Port: pulumi.Int(53), Protocol: pulumi.String("TCP")},
	}}
}
