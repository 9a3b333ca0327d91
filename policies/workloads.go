package policies

import (
	"regexp"
	"slices"
	"strings"
)

const (
	kubeDeployment = "kubernetes:apps/v1:Deployment"
	statefulSet    = "kubernetes:apps/v1:StatefulSet"
	cronJob        = "kubernetes:batch/v1:CronJob"
	budget         = "kubernetes:policy/v1:PodDisruptionBudget"
	networkPolicy  = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
	namespace      = "kubernetes:core/v1:Namespace"
	configMap      = "kubernetes:core/v1:ConfigMap"
)

func workloadRules() []Rule {
	rules := []Rule{
		{
			ID: "agent-present", Title: "The agent runs, with a standby",
			Why:      "Without the agent no commit reaches the mirror; without a standby a node's loss stops it.",
			Fix:      "Declare the Deployment agent with two replicas.",
			Severity: Error, Clauses: []string{"policy 1", "policy 3"}, Roles: []Role{Primary},
			Pass: "Deployment agent, replicas: 2", Fail: "replicas: 0",
			Check: agentPresent,
		},
		{
			ID: "agent-standby", Title: "The agent's replicas wait for each other",
			Why:      "Each start of an agent begins a new epoch: two that do not wait end each other without end.",
			Fix:      "Start the agent with --standby.",
			Severity: Error, Clauses: []string{"policy 1", "policy 2"}, Roles: []Role{Primary},
			Pass: "args: [agent, --standby, …]", Fail: "args: [agent]",
			Check: agentStandsBy,
		},
		{
			ID: "disruption-budgets", Title: "The agent and the application survive maintenance",
			Why:      "A drained node would otherwise take every copy at once.",
			Fix:      "Declare a PodDisruptionBudget with minAvailable 1 for the agent and the application.",
			Severity: Error, Clauses: []string{"policy 2"}, Roles: []Role{Primary},
			Pass: "minAvailable: 1", Fail: "no budget for the agent",
			Check: func(s *Stack) []Finding {
				if n := len(s.OfType(budget)); n < 2 {
					return fail(nil, "%d disruption budgets, want one for the agent and one for the application", n)
				}
				return every(budget, "spec.minAvailable", atLeast(1))(s)
			},
		},
		{
			ID: "images-by-digest", Title: "Every image is named by digest and comes from the replicated registry",
			Why:      "A tag may mean another image after the disaster than before it, and a foreign registry may be gone.",
			Fix:      "Write repository@sha256:… and keep the image in the project's registry.",
			Severity: Error, Clauses: []string{"policy 6", "policy 7"}, Roles: running,
			Pass: "cr….azurecr.io/lifeboat@sha256:…", Fail: "lifeboat:latest",
			Check: imagesByDigest,
		},
		{
			ID: "pods-restricted", Title: "Pods run unprivileged, with limits and a read-only root",
			Why:      "A broken-into pod must not become a broken-into cluster.",
			Fix:      "Use infra/workloads' pod template.",
			Severity: Error, Clauses: []string{"SOC 2 A1.3", "NHS DSPT 7.3"}, Roles: running,
			Pass: "runAsNonRoot: true", Fail: "privileged: true",
			Check: podsRestricted,
		},
		{
			ID: "namespaces-guarded", Title: "Every namespace enforces a pod security standard and denies traffic by default",
			Why:      "What is not said must be forbidden, or the next workload is open.",
			Fix:      "Label the namespace, and declare a policy with an empty selector and both directions.",
			Severity: Error, Clauses: []string{"NHS DSPT 7.3"}, Roles: running,
			Pass: "pod-security.kubernetes.io/enforce: restricted", Fail: "no label",
			Check: namespacesGuarded,
		},
		{
			ID: "no-plain-secrets", Title: "No secret stands in the configuration",
			Why:      "Configuration is read by many, logged and committed.",
			Fix:      "Keep it in the key vault and name it there.",
			Severity: Error, Clauses: []string{"SOC 2 A1.3"}, Roles: running,
			Pass: "KEY_VAULT_URL", Fail: `DB_PASSWORD: "hunter2"`,
			Check: noPlainSecrets,
		},
	}
	for _, j := range []struct{ name, title, why, clause string }{
		{"audit", "The nightly audit compares the database with the log", "Changes that by-pass the triggers would stay unseen.", "policy 3"},
		{"mirror-verify", "The mirror is verified every night", "Damage must be found while the other side can still heal it.", "policy 5"},
		{"restore-proof", "A restore is proven every night", "A backup that was never restored is a hope.", "policy 12"},
		{"preflight", "The failover's needs are checked every night", "Quota, images and keys disappear quietly.", "policy 12"},
		{"code-backup", "The code is backed up into both regions", "Recovery must not need GitHub.", "policy 7"},
	} {
		rules = append(rules, Rule{
			ID: "job-" + j.name, Title: j.title, Why: j.why,
			Fix:      "Declare the CronJob " + j.name + ", not suspended.",
			Severity: Error, Clauses: []string{j.clause}, Roles: []Role{Primary},
			Pass: "CronJob " + j.name + ", suspend: false", Fail: "suspend: true",
			Check: jobRuns(j.name),
		})
	}
	return rules
}

func containerDatabase(s *Stack) *Resource {
	for _, r := range s.OfType(statefulSet) {
		if r.At("metadata.name").Text() == "mssql" {
			return r
		}
	}
	return nil
}

func named(s *Stack, typ, name string) *Resource {
	for _, r := range s.OfType(typ) {
		if r.At("metadata.name").Text() == name {
			return r
		}
	}
	return nil
}

func agentPresent(s *Stack) []Finding {
	r := named(s, kubeDeployment, "agent")
	if r == nil {
		return fail(nil, "no Deployment agent")
	}
	return askAll([]*Resource{r}, "spec.replicas", atLeast(2))
}

func agentStandsBy(s *Stack) []Finding {
	r := named(s, kubeDeployment, "agent")
	if r == nil {
		return nil // agent-present says so
	}
	const path = "spec.template.spec.containers.0.args"
	args := r.At(path)
	if args.Unknown() {
		return unknown(r, path)
	}
	for _, a := range args.Items() {
		if a.Text() == "--standby" {
			return nil
		}
	}
	return fail(r, "%s lacks --standby", path)
}

func jobRuns(name string) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		r := named(s, cronJob, name)
		if r == nil {
			return fail(nil, "no CronJob %s", name)
		}
		v := r.At("spec.suspend")
		switch {
		case v.Unknown():
			return unknown(r, "spec.suspend")
		case v.True():
			return fail(r, "is suspended")
		case r.At("spec.schedule").Text() == "" && !r.At("spec.schedule").Unknown():
			return fail(r, "has no schedule")
		}
		return nil
	}
}

// template is where each kind of workload keeps its pod.
var template = map[string]string{
	kubeDeployment: "spec.template.spec",
	statefulSet:    "spec.template.spec",
	cronJob:        "spec.jobTemplate.spec.template.spec",
}

// pods calls visit for each workload with its pod.
func pods(s *Stack, visit func(r *Resource, pod Value)) {
	for i := range s.Resources {
		r := &s.Resources[i]
		if path, ok := template[r.Type]; ok && r.Change != Delete {
			visit(r, r.At(path))
		}
	}
}

var digest = regexp.MustCompile(`^[a-z0-9.-]+\.azurecr\.io/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$`)

// microsoft publishes SQL Server's image, which a cheap drill runs in a container.
var microsoft = regexp.MustCompile(`^mcr\.microsoft\.com/mssql/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$`)

func imagesByDigest(s *Stack) []Finding {
	var found []Finding
	pods(s, func(r *Resource, pod Value) {
		for _, c := range pod.At("containers").Items() {
			image := c.At("image")
			switch {
			case image.Unknown():
				found = append(found, unknown(r, "image")...)
			case !digest.MatchString(image.Text()) && !microsoft.MatchString(image.Text()):
				found = append(found, fail(r, "image %s is not named by digest in the project's registry", image.show())...)
			}
		}
	})
	return found
}

func podsRestricted(s *Stack) []Finding {
	var found []Finding
	pods(s, func(r *Resource, pod Value) {
		if v := pod.At("securityContext.runAsNonRoot"); !v.True() && !v.Unknown() {
			found = append(found, fail(r, "may run as root")...)
		}
		for _, c := range pod.At("containers").Items() {
			if v := c.At("securityContext.allowPrivilegeEscalation"); !v.False() && !v.Unknown() {
				found = append(found, fail(r, "container %s may raise its privileges", c.At("name").Text())...)
			}
			if v := c.At("securityContext.privileged"); v.True() {
				found = append(found, fail(r, "container %s is privileged", c.At("name").Text())...)
			}
			if v := c.At("resources.limits.memory"); v.Text() == "" && !v.Unknown() {
				found = append(found, fail(r, "container %s has no memory limit", c.At("name").Text())...)
			}
		}
	})
	return found
}

const enforce = "pod-security.kubernetes.io/enforce"

func namespacesGuarded(s *Stack) []Finding {
	var found []Finding
	for _, r := range s.OfType(namespace) {
		level := r.At("metadata.labels").Fields()[enforce]
		if !slices.Contains([]string{"restricted", "baseline"}, level.Text()) && !level.Unknown() {
			found = append(found, fail(r, "enforces no pod security standard")...)
		}
		name := r.At("metadata.name").Text()
		if !slices.ContainsFunc(s.OfType(networkPolicy), func(p *Resource) bool { return deniesAll(p, name) }) {
			found = append(found, fail(r, "no network policy denies what is not allowed")...)
		}
	}
	return found
}

// deniesAll: every pod of the namespace, both directions, nothing let through. A
// namespace that is not known yet is matched by the policy's own name.
func deniesAll(p *Resource, space string) bool {
	in := p.At("metadata.namespace")
	if in.Unknown() {
		return strings.HasSuffix(p.Name, space)
	}
	return in.Text() == space && len(p.At("spec.podSelector.matchLabels").Fields()) == 0 &&
		len(p.At("spec.policyTypes").Items()) == 2 && !p.At("spec.ingress").Found() && !p.At("spec.egress").Found()
}

var secretWord = regexp.MustCompile(`(?i)(password|passwd|pwd|secret|token|api_?key|account_?key|connection_?string)$`)

func noPlainSecrets(s *Stack) []Finding {
	var found []Finding
	pods(s, func(r *Resource, pod Value) {
		for _, c := range pod.At("containers").Items() {
			for _, e := range c.At("env").Items() {
				if name := e.At("name").Text(); secretWord.MatchString(name) && e.At("value").Text() != "" {
					found = append(found, fail(r, "environment variable %s holds a secret in the clear", name)...)
				}
			}
		}
	})
	for _, r := range s.OfType(configMap) {
		for key, v := range r.At("data").Fields() {
			if secretWord.MatchString(key) || strings.Contains(strings.ToLower(v.Text()), "accountkey=") {
				found = append(found, fail(r, "entry %s looks like a secret", key)...)
			}
		}
	}
	return found
}
