package policies_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/policies"
	"lifeboat/policies/preview"
	"lifeboat/stacks/inventory"
	stack "lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

const backend = "azblob://state?storage_account=stcarefulukwopscf4c"

// derived is the stack of a failover, as it is declared in a phase of its run.
func derived(t *testing.T, run stack.FailoverRun, change func(*stack.Settings)) *policies.Stack {
	t.Helper()
	base, err := stackfile.Read(filepath.Join("..", "Pulumi.dr.yaml"))
	require.NoError(t, err)
	change(base)
	set, err := base.ForFailover(run)
	require.NoError(t, err)
	made, err := inventory.Of(set, nil)
	require.NoError(t, err)
	text, err := set.JSON()
	require.NoError(t, err)
	own, err := policies.SettingsOf(text)
	require.NoError(t, err)
	s := &policies.Stack{Name: set.StackName(), Role: policies.Failover, Now: now, Settings: own, Peer: settings(t, policies.Primary), Facts: facts(), Backend: backend}
	for _, r := range made {
		var inputs map[string]any // as a preview's JSON has them
		body, err := json.Marshal(r.Inputs)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(body, &inputs))
		inputs, _ = asPreviewed(inputs).(map[string]any)
		s.Resources = append(s.Resources, policies.Resource{
			URN: "urn:pulumi:" + s.Name + "::lifeboat::" + r.Type + "::" + r.Name, Type: preview.PlainType(r.Type), Name: r.Name, Inputs: inputs, Protect: r.Protect,
		})
	}
	return s
}

// TestEveryPhaseOfAFailoverPasses with a database that is larger for the restore, and with an
// agent that borrows its identity.
func TestEveryPhaseOfAFailoverPasses(t *testing.T) {
	t.Parallel()
	lends := func(s *stack.Settings) { s.Agent.StandingIdentity = true }
	for name, run := range map[string]stack.FailoverRun{
		"standing": {ID: "f1"}, "deployed": {ID: "f1", Deploy: true}, "live": {ID: "f1", Deploy: true, Live: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run.RestoreSKU = "GP_Gen5_16"
			s := derived(t, run, func(*stack.Settings) {})
			want := "GP_Gen5_16"
			if run.Deploy {
				want = "GP_Gen5_4"
			}
			require.Equal(t, want, s.OfType("azure-native:sql:Database")[0].At("sku.name").Text())
			for _, s := range []*policies.Stack{s, derived(t, run, lends)} {
				for rule, outcome := range verdicts(s) {
					require.Equal(t, policies.Pass, outcome, rule)
				}
			}
		})
	}
}
