package policies_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"lifeboat/policies"
	"lifeboat/policies/preview"
)

// declared is the stack as the project declares it: the recorded inputs of every
// resource, with what only Azure knows taken as unknown, and the stack's own settings.
func declared(t *testing.T, role policies.Role) *policies.Stack {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "stacks", "inventory", "testdata", "v1", string(role)+".json"))
	require.NoError(t, err)
	var recorded []struct {
		Type, Name string
		Protect    bool
		Inputs     map[string]any
	}
	require.NoError(t, json.Unmarshal(b, &recorded))
	s := &policies.Stack{Name: string(role), Role: role, Now: now, Settings: settings(t, role), Peer: settings(t, other(role)), Facts: facts(), Backend: backend}
	if role == policies.Failover {
		s.Name += "-f1"
	}
	for _, r := range recorded {
		s.Resources = append(s.Resources, policies.Resource{
			URN: "urn:pulumi:" + s.Name + "::lifeboat::" + r.Type + "::" + r.Name, Type: preview.PlainType(r.Type), Name: r.Name,
			Inputs: asPreviewed(r.Inputs).(map[string]any), Protect: r.Protect,
		})
	}
	return s
}

// asPreviewed turns the recorder's <stand-ins> into unknown values.
func asPreviewed(v any) any {
	switch t := v.(type) {
	case string:
		if strings.HasPrefix(t, "<") {
			return policies.UnknownValue{}
		}
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = asPreviewed(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = asPreviewed(e)
		}
		return out
	}
	return v
}

func settings(t *testing.T, role policies.Role) policies.Value {
	t.Helper()
	if role == policies.Failover {
		role = policies.DR // made from it by the failover command
	}
	b, err := os.ReadFile(filepath.Join("..", "Pulumi."+string(role)+".yaml"))
	require.NoError(t, err)
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal(b, &file))
	text, err := json.Marshal(file.Config["lifeboat:settings"])
	require.NoError(t, err)
	v, err := policies.SettingsOf(string(text))
	require.NoError(t, err)
	return v
}

func other(role policies.Role) policies.Role {
	if role == policies.Primary {
		return policies.DR
	}
	return policies.Primary
}

func facts() *policies.Facts {
	return &policies.Facts{
		Version: 1,
		People: []policies.Person{
			{Name: "Ada", Roles: []string{"CEO"}}, {Name: "Dan", Roles: []string{"DPO", "deputy"}},
			{Name: "Cat", Roles: []string{"CTO"}}, {Name: "Lin", Roles: []string{"LD"}},
		},
		Quorum:    []policies.Need{{AnyOf: []string{"CEO", "deputy"}}, {AnyOf: []string{"CTO", "LD"}}},
		LastDrill: now.AddDate(0, 0, -90), LastMeeting: now.AddDate(0, 0, -12),
		Quota:      &policies.Quota{Region: "ukwest", SQLVCores: 8, NodeVCores: map[string]int{"standardDDSv5Family": 40}},
		Recipients: []string{"azkv://kv-careful-uks/wrap", "azkv://kv-careful-ukw/wrap", "age1offline"},
	}
}

func verdicts(s *policies.Stack) map[string]policies.Outcome {
	got := make(map[string]policies.Outcome)
	for _, r := range policies.Evaluate(policies.All(), s, nil) {
		got[r.Rule.ID] = r.Outcome()
	}
	return got
}

func TestTheProjectsOwnStacksPass(t *testing.T) {
	t.Parallel()
	for _, role := range []policies.Role{policies.Primary, policies.DR, policies.Failover} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			for _, r := range policies.Evaluate(policies.All(), declared(t, role), nil) {
				for _, f := range r.Findings {
					t.Errorf("%s: %s: %s: %s", r.Rule.ID, f.Outcome, f.Resource, f.Message)
				}
			}
		})
	}
}

// set writes one input of the resources of a type whose name starts with name.
func set(typ, name, path string, value any) func(*testing.T, *policies.Stack) {
	return func(t *testing.T, s *policies.Stack) {
		t.Helper()
		hit := false
		for i := range s.Resources {
			if r := &s.Resources[i]; r.Type == typ && strings.HasPrefix(r.Name, name) {
				assign(t, r.Inputs, strings.Split(path, "."), value)
				hit = true
			}
		}
		require.True(t, hit, "no %s named %s…", typ, name)
	}
}

func assign(t *testing.T, in any, path []string, value any) {
	t.Helper()
	switch at := in.(type) {
	case map[string]any:
		if len(path) > 1 {
			assign(t, at[path[0]], path[1:], value)
			return
		}
		require.NotEqual(t, value, at[path[0]], "the mutation changes nothing")
		if value == nil {
			delete(at, path[0])
			return
		}
		at[path[0]] = value
	case []any:
		require.Equal(t, "0", path[0])
		assign(t, at[0], path[1:], value)
	default:
		t.Fatalf("nothing to mutate at %v", path)
	}
}

// without removes the resources of a type whose name starts with name.
func without(typ, name string) func(*testing.T, *policies.Stack) {
	return func(t *testing.T, s *policies.Stack) {
		t.Helper()
		before := len(s.Resources)
		s.Resources = slices.DeleteFunc(s.Resources, func(r policies.Resource) bool { return r.Type == typ && strings.HasPrefix(r.Name, name) })
		require.Less(t, len(s.Resources), before)
	}
}

// with adds a resource.
func with(typ string, inputs map[string]any) func(*testing.T, *policies.Stack) {
	return func(_ *testing.T, s *policies.Stack) {
		s.Resources = append(s.Resources, policies.Resource{URN: "urn:pulumi:dr::lifeboat::" + typ + "::new", Type: typ, Name: "new", Inputs: inputs, Protect: true})
	}
}

// configured writes one setting; peer writes one of the other stack's.
func configured(path string, value any) func(*testing.T, *policies.Stack) {
	return func(t *testing.T, s *policies.Stack) { t.Helper(); s.Settings = changed(t, s.Settings, path, value) }
}

func peer(path string, value any) func(*testing.T, *policies.Stack) {
	return func(t *testing.T, s *policies.Stack) { t.Helper(); s.Peer = changed(t, s.Peer, path, value) }
}

func both(first, second func(*testing.T, *policies.Stack)) func(*testing.T, *policies.Stack) {
	return func(t *testing.T, s *policies.Stack) { t.Helper(); first(t, s); second(t, s) }
}

func changed(t *testing.T, v policies.Value, path string, value any) policies.Value {
	t.Helper()
	assign(t, v.Any(), strings.Split(path, "."), value) // declared made it for this test alone
	return v
}

func people(change func(*policies.Facts)) func(*testing.T, *policies.Stack) {
	return func(_ *testing.T, s *policies.Stack) { change(s.Facts) }
}

const (
	tAccount    = "azure-native:storage:StorageAccount"
	tContainer  = "azure-native:storage:BlobContainer"
	tBlobs      = "azure-native:storage:BlobServiceProperties"
	tServer     = "azure-native:sql:Server"
	tDatabase   = "azure-native:sql:Database"
	tCluster    = "azure-native:containerservice:ManagedCluster"
	tPool       = "azure-native:containerservice:AgentPool"
	tVault      = "azure-native:keyvault:Vault"
	tDeployment = "azure-native:resources:Deployment"
	tWork       = "kubernetes:apps/v1:Deployment"
	tJob        = "kubernetes:batch/v1:CronJob"
	tProfile    = "azure-native:network:Profile"
)

type mutation struct {
	role policies.Role
	make func(*testing.T, *policies.Stack)
}

const patched = "properties.template.resources.0.properties."

// mutations has one for every rule: a line of the program or of the configuration.
var mutations = map[string]mutation{
	"region-pair":      {policies.DR, both(configured("regions.primary.region", "ukwest"), peer("regions.primary.region", "ukwest"))},
	"region-residency": {policies.DR, set("azure-native:containerregistry:Replication", "registry", "location", "eastus2")},
	"region-of-role":   {policies.DR, set("azure-native:resources:ResourceGroup", "group", "location", "uksouth")},

	"mirror-passive":    {policies.DR, with(tCluster, map[string]any{})},
	"snapshot-interval": {policies.Primary, both(configured("agent.snapshotInterval", "24h1s"), peer("agent.snapshotInterval", "24h1s"))},
	"mirror-blocks":     {policies.Primary, both(configured("agent.mirror", "degrade"), peer("agent.mirror", "degrade"))},

	"settings-parity": {policies.Primary, configured("database.sku", "GP_Gen5_8")},
	"dr-capacity":     {policies.DR, people(func(f *policies.Facts) { f.Quota.SQLVCores = 3 })},
	"sku-known":       {policies.DR, both(configured("database.sku", "GP_Gen4_4"), peer("database.sku", "GP_Gen4_4"))},

	"store-containers":      {policies.Primary, without(tContainer, "store-snapshots")},
	"store-immutable":       {policies.DR, set(tDeployment, "store-retention-lock", patched+"immutableStorageWithVersioning.immutabilityPolicy.state", "Unlocked")},
	"store-versioned":       {policies.DR, set(tBlobs, "store", "isVersioningEnabled", false)},
	"store-soft-delete":     {policies.DR, set(tBlobs, "store", "deleteRetentionPolicy.days", 6.0)},
	"store-no-lifecycle":    {policies.DR, with("azure-native:storage:ManagementPolicy", map[string]any{})},
	"store-no-public-blobs": {policies.DR, set(tContainer, "store-log", "publicAccess", "Blob")},
	"store-no-shared-key":   {policies.DR, set(tAccount, "store", "allowSharedKeyAccess", nil)},
	"store-tls":             {policies.DR, set(tAccount, "store", "minimumTlsVersion", "TLS1_1")},
	"store-firewall":        {policies.DR, set(tAccount, "store", "networkRuleSet.defaultAction", "Allow")},

	"database-present":    {policies.Primary, without(tDatabase, "sql")},
	"database-entra-only": {policies.Primary, set(tServer, "sql", "administrators.azureADOnlyAuthentication", false)},
	"database-tls":        {policies.Primary, set(tServer, "sql", "minimalTlsVersion", "1.1")},
	"database-private":    {policies.Primary, set(tServer, "sql", "publicNetworkAccess", "Enabled")},
	"database-undelete":   {policies.Primary, set(tDeployment, "sql-undelete", patched+"retentionDays", 0.0)},
	"database-pitr":       {policies.Primary, set("azure-native:sql:BackupShortTermRetentionPolicy", "sql", "retentionDays", 6.0)},
	"database-long-term":  {policies.Primary, set("azure-native:sql:LongTermRetentionPolicy", "sql", "yearlyRetention", "P0Y")},
	"database-zones":      {policies.Primary, set(tDatabase, "sql", "zoneRedundant", false)},
	"database-audit":      {policies.Primary, set("azure-native:sql:ExtendedServerBlobAuditingPolicy", "sql", "state", "Disabled")},

	"cluster-private":           {policies.Primary, set(tCluster, "cluster", "apiServerAccessProfile.enablePrivateCluster", false)},
	"cluster-workload-identity": {policies.Primary, set(tCluster, "cluster", "securityProfile.workloadIdentity.enabled", false)},
	"cluster-zones":             {policies.Primary, set(tPool, "cluster-user", "availabilityZones", []any{"1"})},
	"cluster-autoscaling":       {policies.Primary, set(tPool, "cluster-user", "enableAutoScaling", false)},
	"cluster-defender":          {policies.Primary, set(tCluster, "cluster", "securityProfile.defender", nil)},

	"agent-present":      {policies.Primary, set(tWork, "agent", "spec.replicas", 1.0)},
	"agent-standby":      {policies.Primary, set(tWork, "agent", "spec.template.spec.containers.0.args", []any{"agent"})},
	"disruption-budgets": {policies.Primary, without("kubernetes:policy/v1:PodDisruptionBudget", "agent")},
	"images-by-digest":   {policies.Primary, set(tWork, "careful", "spec.template.spec.containers.0.image", "crcarefulcf4c.azurecr.io/careful/app:latest")},
	"pods-restricted":    {policies.Primary, set(tWork, "careful", "spec.template.spec.containers.0.securityContext.privileged", true)},
	"namespaces-guarded": {policies.Primary, without("kubernetes:networking.k8s.io/v1:NetworkPolicy", "deny-careful")},
	"no-plain-secrets":   {policies.Primary, set(tWork, "careful", "spec.template.spec.containers.0.env.0.name", "DB_PASSWORD")},
	"job-audit":          {policies.Primary, set(tJob, "audit", "spec.suspend", true)},
	"job-mirror-verify":  {policies.Primary, without(tJob, "mirror-verify")},
	"job-restore-proof":  {policies.Primary, set(tJob, "restore-proof", "spec.suspend", true)},
	"job-preflight":      {policies.Primary, set(tJob, "preflight", "spec.schedule", "")},
	"job-code-backup":    {policies.Primary, without(tJob, "code-backup")},

	"vault-purge-protection": {policies.DR, set(tVault, "vault", "properties.enablePurgeProtection", nil)},
	"vault-access":           {policies.DR, set(tVault, "vault", "properties.networkAcls.defaultAction", "Allow")},
	"wrapping-key":           {policies.DR, set("azure-native:keyvault:Key", "vault", "properties.keyOps", []any{"wrapKey"})},

	"private-endpoints":   {policies.Primary, without("azure-native:network:PrivateEndpoint", "sql")},
	"registry-replicated": {policies.DR, without("azure-native:containerregistry:Replication", "registry")},
	"registry-no-admin":   {policies.DR, set("azure-native:containerregistry:Registry", "registry", "adminUserEnabled", true)},

	"dns-ttl":      {policies.DR, set("azure-native:network:RecordSet", "edge", "ttl", 61.0)},
	"health-probe": {policies.DR, set(tProfile, "edge", "monitorConfig.protocol", "TCP")},

	"alerts-present": {policies.Primary, set("azure-native:insights:ScheduledQueryRule", "mirror-lag", "enabled", false)},
	"alerts-wired":   {policies.Primary, set("azure-native:insights:ScheduledQueryRule", "exposure", "actions.actionGroups", []any{})},
	"alerts-people":  {policies.DR, set("azure-native:insights:ActionGroup", "alerts", "emailReceivers", []any{map[string]any{"name": "cto"}})},

	"state-backend":   {policies.DR, func(_ *testing.T, s *policies.Stack) { s.Backend = "file://~" }},
	"state-container": {policies.DR, without(tContainer, "store-state")},
	"tags":            {policies.DR, set(tVault, "vault", "tags.owner", nil)},
	"protected":       {policies.DR, unprotect},
	"database-locked": {policies.Primary, without("azure-native:authorization:ManagementLockByScope", "sql")},

	"roles-filled": {policies.DR, people(func(f *policies.Facts) { f.People[1].Roles = []string{"deputy"} })},
	"quorum-satisfiable": {policies.DR, people(func(f *policies.Facts) {
		f.Quorum = append(f.Quorum, policies.Need{AnyOf: []string{"LD", "CTO"}}, policies.Need{AnyOf: []string{"LD"}})
	})},
	"drill-recent":      {policies.DR, people(func(f *policies.Facts) { f.LastDrill = now.AddDate(0, 0, -366) })},
	"meeting-recent":    {policies.DR, people(func(f *policies.Facts) { f.LastMeeting = now.AddDate(0, 0, -32) })},
	"actions-on-time":   {policies.DR, people(func(f *policies.Facts) { f.OverdueActions = []string{"A-1"} })},
	"offline-recipient": {policies.DR, people(func(f *policies.Facts) { f.Recipients = f.Recipients[:2] })},

	"no-destruction": {policies.DR, func(_ *testing.T, s *policies.Stack) {
		i := slices.IndexFunc(s.Resources, func(r policies.Resource) bool { return r.Type == tVault })
		s.Resources[i].Change = policies.Replace
	}},
}

func unprotect(_ *testing.T, s *policies.Stack) {
	i := slices.IndexFunc(s.Resources, func(r policies.Resource) bool { return r.Type == tAccount })
	s.Resources[i].Protect = false
}

// TestEveryRuleCanFail: a rule that no mutation trips is a rule that cannot fail, and one
// that trips others along with it does not say what is wrong.
func TestEveryRuleCanFail(t *testing.T) {
	t.Parallel()
	for _, rule := range policies.All() {
		t.Run(rule.ID, func(t *testing.T) {
			t.Parallel()
			m, ok := mutations[rule.ID]
			require.True(t, ok, "no mutation for this rule")
			s := declared(t, m.role)
			m.make(t, s)
			var failed []string
			for id, outcome := range verdicts(s) {
				if outcome != policies.Pass {
					failed = append(failed, id)
				}
			}
			require.Equal(t, []string{rule.ID}, failed)
		})
	}
	for _, id := range slices.Sorted(maps.Keys(mutations)) {
		_, ok := policies.Find(id)
		require.True(t, ok, "mutation for %s, which is no rule", id)
	}
}

func TestWithoutSettingsOrFactsNothingPassesByAccident(t *testing.T) {
	t.Parallel()
	s := declared(t, policies.DR)
	s.Settings, s.Peer, s.Facts, s.Backend = policies.Value{}, policies.Value{}, nil, ""
	got := verdicts(s)
	for _, id := range []string{"region-pair", "region-residency", "region-of-role", "state-backend", "roles-filled", "quorum-satisfiable", "drill-recent", "meeting-recent", "actions-on-time", "offline-recipient", "settings-parity", "dr-capacity", "sku-known"} {
		require.Equal(t, policies.Unknown, got[id], id)
	}
}

func BenchmarkThousandResources(b *testing.B) {
	s := stackOf(false)
	for len(s.Resources) < 1000 {
		s.Resources = append(s.Resources, s.Resources[0])
	}
	for b.Loop() {
		policies.Evaluate(policies.All(), s, nil)
	}
}
