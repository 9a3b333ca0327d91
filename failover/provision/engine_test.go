package provision_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/provision"
	"lifeboat/internal/azuresim"
	"lifeboat/internal/azuresim/simtest"
	"lifeboat/internal/repotest"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

// TestWhatAnInterruptedUpdateMadeIsFound: the real engine. First the cloud makes the
// database's server and the answer is lost: the next update goes on with it. Then the state
// is as a runner leaves it that dies while two resources are made, of which one came to be.
// The next update keeps that one and makes the other; a teardown removes what it can only
// find by looking.
func TestWhatAnInterruptedUpdateMadeIsFound(t *testing.T) {
	t.Parallel()
	cloud := simtest.NewCloud()
	engine := simtest.NewEngine(t, cloud)
	base, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	_, err = engine.Stack(t, base, nil).Up(t.Context())
	require.NoError(t, err)
	before := cloud.IDs()

	s, err := provision.New(provision.Config{Settings: base, Run: settings.FailoverRun{ID: "d1", Drill: true},
		Backend: engine.Backend, Root: simtest.Home(t), Home: engine.Home, Env: engine.Env})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	cloud.Inject(azuresim.Fault{Type: "sql:Server", Verb: azuresim.Create, Effect: azuresim.Lost, Times: 1})
	_, err = s.Up(t.Context(), provision.Phase{}, nil)
	require.ErrorContains(t, err, "ConnectionReset")
	_, err = s.Up(t.Context(), provision.Phase{}, nil)
	require.NoError(t, err, "it was made, and the answer was lost")
	want := cloud.IDs()

	interrupt(t, engine.State, s.Name(), ":RoleAssignment")
	cloud.Remove(interrupt(t, engine.State, s.Name(), ":LongTermRetentionPolicy"))
	created := cloud.Calls(azuresim.Create)
	var said []string
	_, err = s.Up(t.Context(), provision.Phase{}, func(line string) { said = append(said, line) })
	require.NoError(t, err)
	require.Equal(t, want, cloud.IDs())
	require.Equal(t, created+1, cloud.Calls(azuresim.Create), "what is there must not be made again")
	require.Contains(t, strings.Join(said, "\n"), "looks for 2 resources")

	interrupt(t, engine.State, s.Name(), ":RoleAssignment")
	_, err = s.Destroy(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, before, cloud.IDs())
}

// interrupt turns the last resource of a type that no other needs into one that is being
// made, in the state that the backend keeps, and returns the id that it had.
func interrupt(t *testing.T, state, stack, kind string) string {
	t.Helper()
	file := filepath.Join(state, ".pulumi", "stacks", "lifeboat", stack+".json")
	body, err := os.ReadFile(file)
	require.NoError(t, err)
	var kept map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	require.NoError(t, d.Decode(&kept))
	latest := kept["checkpoint"].(map[string]any)["latest"].(map[string]any)
	resources := latest["resources"].([]any)
	for i, r := range slices.Backward(resources) {
		resource := r.(map[string]any)
		text, err := json.Marshal(slices.Delete(slices.Clone(resources), i, i+1))
		require.NoError(t, err)
		urn, err := json.Marshal(resource["urn"])
		require.NoError(t, err)
		if !strings.HasSuffix(resource["type"].(string), kind) || bytes.Contains(text, urn) {
			continue
		}
		id := resource["id"].(string)
		delete(resource, "id")
		delete(resource, "outputs")
		pending, _ := latest["pending_operations"].([]any)
		latest["pending_operations"] = append(pending, map[string]any{"type": "creating", "resource": resource})
		latest["resources"] = slices.Delete(resources, i, i+1)
		body, err = json.Marshal(kept)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, body, 0o600))
		return id
	}
	require.Fail(t, "no resource of type "+kind+" that no other needs")
	return ""
}
