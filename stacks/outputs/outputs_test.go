package outputs_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/stacks/outputs"
)

// full is what a stack of the role exports, as the engine hands it over.
func full(t *testing.T, role string) map[string]any {
	t.Helper()
	values := map[string]any{}
	for _, name := range outputs.Names() {
		if outputs.Has(role, name) {
			values[name] = "v-" + name
		}
	}
	values["version"], values["role"] = 1, role
	text, err := json.Marshal(values)
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(text, &back))
	return back
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"primary", "dr", "failover"} {
		o, err := outputs.Decode(full(t, role))
		require.NoError(t, err)
		require.Equal(t, role, o.Role)
		require.Equal(t, "v-logUrl", o.LogURL)
		if role != "dr" {
			require.Equal(t, "v-databaseUrl", o.DatabaseURL)
		}
	}
	hub := full(t, "dr")
	hub["nameServers"] = []any{"a", "b"}
	o, err := outputs.Decode(hub)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, o.NameServers)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(map[string]any)
		wants  []string
	}{
		"a newer version": {func(m map[string]any) { m["version"] = 2.0 }, []string{"version 2; this program reads 1"}},
		"no version":      {func(m map[string]any) { delete(m, "version") }, []string{"version <nil>"}},
		"two missing": {func(m map[string]any) {
			maps.DeleteFunc(m, func(k string, _ any) bool { return k == "vaultUrl" || k == "clusterId" })
		},
			[]string{"clusterId: missing", "vaultUrl: missing"}},
		"unknown":    {func(m map[string]any) { m["extra"] = "x" }, []string{"extra: unknown output"}},
		"wrong type": {func(m map[string]any) { m["region"] = 7.0 }, []string{"region: is float64, not text"}},
		"wrong list": {func(m map[string]any) { m["nameServers"] = []any{1.0} }, []string{"nameServers: holds float64, not text"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := full(t, "primary")
			c.change(m)
			_, err := outputs.Decode(m)
			require.ErrorIs(t, err, outputs.ErrOutputs)
			for _, want := range c.wants {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
