package workloads_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/infratest"
	"lifeboat/infra/record"
	"lifeboat/infra/workloads"
)

func args() *workloads.Args {
	clients := map[string]pulumi.StringInput{}
	for _, account := range []string{workloads.AgentAccount, workloads.ProofAccount, workloads.CodeAccount, "app"} {
		clients[account] = pulumi.String("client-" + account)
	}
	schedules := map[string]string{}
	for _, job := range workloads.Jobs() {
		schedules[job] = "0 3 * * *"
	}
	return &workloads.Args{
		Scope: infratest.Scope("uksouth"), ClientIDs: clients, Registry: "acme.azurecr.io",
		Agent: workloads.Agent{Image: "lifeboat@sha256:aa", Run: true, Jobs: true, Config: pulumi.String("primary: x\n"), Schedules: schedules, CodeStore: "azblob://mirror/code"},
		App: workloads.App{Name: "app", Image: "app@sha256:bb", Run: true, Port: 8081, Replicas: 2, HealthPath: "/healthz",
			Env: map[string]string{"B": "2", "A": "1"}, Label: "acme", Database: pulumi.String("sqlserver://db"), Vault: "https://vault"},
		Database: workloads.Container{Image: "mssql@sha256:cc", SizeGiB: 32, Password: pulumi.ToSecret(pulumi.String("hush")).(pulumi.StringOutput)},
	}
}

func made(t *testing.T, a *workloads.Args) []record.Resource {
	t.Helper()
	return infratest.Record(t, func(ctx *pulumi.Context) error {
		_, err := workloads.New(ctx, "workloads", a)
		return err
	})
}

// pods are the pod templates of everything that has pods, by name.
func pods(all []record.Resource) map[string]map[string]any {
	found := make(map[string]map[string]any)
	for _, r := range all {
		path := []any{"spec", "template", "spec"}
		if strings.HasSuffix(r.Type, ":CronJob") {
			path = append([]any{"spec", "jobTemplate"}, path...)
		}
		if spec, ok := infratest.Get(&r, path...).(map[string]any); ok {
			found[r.Name] = spec
		}
	}
	return found
}

func TestEveryPodIsNobodyAndBounded(t *testing.T) {
	t.Parallel()
	all := pods(made(t, args()))
	require.Len(t, all, 3+len(workloads.Jobs()))
	for name, spec := range all {
		r := &record.Resource{Inputs: spec}
		require.Equal(t, true, infratest.Get(r, "securityContext", "runAsNonRoot"), name)
		require.Equal(t, "RuntimeDefault", infratest.Get(r, "securityContext", "seccompProfile", "type"), name)
		require.Equal(t, false, spec["automountServiceAccountToken"], name)
		require.Equal(t, false, infratest.Get(r, "containers", 0, "securityContext", "allowPrivilegeEscalation"), name)
		require.Equal(t, []any{"ALL"}, infratest.Get(r, "containers", 0, "securityContext", "capabilities", "drop"), name)
		require.NotEmpty(t, infratest.Get(r, "containers", 0, "resources", "limits", "memory"), name)
		require.NotEmpty(t, infratest.Get(r, "containers", 0, "resources", "requests", "cpu"), name)
		require.Contains(t, infratest.Get(r, "containers", 0, "image"), "@sha256:", name)
		if name != "mssql" {
			require.Equal(t, true, infratest.Get(r, "containers", 0, "securityContext", "readOnlyRootFilesystem"), name)
		}
	}
}

func TestNothingTalksUnlessAPolicySaysSo(t *testing.T) {
	t.Parallel()
	all := made(t, args())
	for _, name := range []string{"deny-lifeboat", "deny-app"} {
		deny := infratest.One(t, all, "NetworkPolicy", name)
		require.Empty(t, infratest.Get(deny, "spec", "podSelector", "matchLabels"))
		require.Equal(t, []any{"Ingress", "Egress"}, infratest.Get(deny, "spec", "policyTypes"))
		require.Nil(t, infratest.Get(deny, "spec", "egress"))
	}
	for _, space := range []string{"lifeboat", "app"} {
		require.Equal(t, "restricted", infratest.Get(infratest.One(t, all, "Namespace", space), "metadata", "labels", "pod-security.kubernetes.io/enforce"))
	}
	for _, r := range all {
		if strings.HasSuffix(r.Type, ":Deployment") || strings.HasSuffix(r.Type, ":CronJob") {
			require.Contains(t, r.DependsOn, "kubernetes:networking.k8s.io/v1:NetworkPolicy deny-lifeboat", "%s would for a moment be open to all", r.Name)
		}
	}
}

func TestAgentHasAStandby(t *testing.T) {
	t.Parallel()
	all := made(t, args())
	require.InEpsilon(t, 2.0, infratest.Get(infratest.One(t, all, "Deployment", "agent"), "spec", "replicas"), 0)
	container := infratest.Get(infratest.One(t, all, "Deployment", "agent"), "spec", "template", "spec", "containers", 0)
	agent := &record.Resource{Inputs: container.(map[string]any)}
	require.Subset(t, agent.Inputs["args"], []any{"--standby", "--advertise", "$(POD_IP):8080"}, "two agents that do not wait for each other fence each other")
	require.Equal(t, "status.podIP", infratest.Get(agent, "env", 0, "valueFrom", "fieldRef", "fieldPath"))
	require.Equal(t, "/livez", infratest.Get(agent, "livenessProbe", "httpGet", "path"), "an agent that cannot reach the mirror must not be restarted for saying so")
	require.InEpsilon(t, 1.0, infratest.Get(infratest.One(t, all, "PodDisruptionBudget", "agent"), "spec", "minAvailable"), 0)
}

func TestProofsRunEveryNightAndAreNotSuspended(t *testing.T) {
	t.Parallel()
	all := made(t, args())
	require.Equal(t, []string{"audit", "code-backup", "mirror-verify", "preflight", "restore-proof"}, workloads.Jobs())
	for _, name := range workloads.Jobs() {
		job := infratest.One(t, all, "CronJob", name)
		require.Equal(t, "0 3 * * *", infratest.Get(job, "spec", "schedule"))
		require.Equal(t, false, infratest.Get(job, "spec", "suspend"))
		require.Equal(t, "Forbid", infratest.Get(job, "spec", "concurrencyPolicy"))
	}
	proof := infratest.One(t, all, "CronJob", "restore-proof")
	require.Equal(t, workloads.ProofAccount, infratest.Get(proof, "spec", "jobTemplate", "spec", "template", "spec", "serviceAccountName"), "the proof must not be able to write what it proves")
}

func TestIdentitiesAndSecrets(t *testing.T) {
	t.Parallel()
	all := made(t, args())
	account := infratest.One(t, all, "ServiceAccount", "account-proof")
	require.Equal(t, "client-proof", infratest.Get(account, "metadata", "annotations", "azure.workload.identity/client-id"))
	require.Equal(t, record.Masked, infratest.One(t, all, "Secret", "mssql").Inputs["stringData"])
	for _, r := range all {
		require.NotContains(t, fmt.Sprint(r.Inputs), "hush", r.Key())
	}
}

func TestRestoredBeforeRun(t *testing.T) {
	t.Parallel()
	a := args()
	a.App.Run, a.Agent.Run, a.Agent.Jobs, a.Database = false, false, false, workloads.Container{}
	all := made(t, a)
	require.Empty(t, pods(all), "nothing may write to the database while it is restored")
	require.Equal(t, 4, infratest.Count(all, "ServiceAccount"), "the restore itself needs its identity")
}

func TestADrillsApplicationIsNotPublic(t *testing.T) {
	t.Parallel()
	a := args()
	a.App.Label = ""
	service := infratest.One(t, made(t, a), "Service", "app")
	require.Equal(t, map[string]any{"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}, infratest.Get(service, "metadata", "annotations"))
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := workloads.New(ctx, "workloads", &workloads.Args{
			Scope: infratest.Scope("uksouth"), App: workloads.App{Name: "lifeboat", Run: true, Replicas: 1}, Database: workloads.Container{Image: "x"},
		})
		return err
	})
	for _, want := range []string{"images: ", `app.name: "lifeboat"`, "app.replicas: 1", "clientIds.agent: is missing", "agent.schedules.audit: is missing", "database.password: is missing", "config: "} {
		require.Contains(t, why, want)
	}
}
