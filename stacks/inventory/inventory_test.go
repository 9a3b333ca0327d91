package inventory_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/config"
	"lifeboat/stacks/inventory"
	"lifeboat/stacks/program"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing")

// primary is the committed configuration of the primary.
func primary(t *testing.T) *settings.Settings {
	t.Helper()
	s, err := stackfile.Read(filepath.Join("..", "..", "Pulumi.primary.yaml"))
	require.NoError(t, err)
	return s
}

// cases are the stacks that the golden files record.
func cases(t *testing.T) map[string]*settings.Settings {
	t.Helper()
	p := primary(t)
	dr, err := p.ForRole(settings.DR)
	require.NoError(t, err)
	derive := func(run settings.FailoverRun, kind settings.DatabaseKind) *settings.Settings {
		base := *p
		base.Role, base.Database.Kind = settings.DR, kind
		s, err := base.ForFailover(run)
		require.NoError(t, err)
		return s
	}
	return map[string]*settings.Settings{
		"primary":         p,
		"dr":              dr,
		"failover":        derive(settings.FailoverRun{ID: "f1", Deploy: true, Live: true}, settings.AzureSQL),
		"drill":           derive(settings.FailoverRun{ID: "d1", Drill: true, Deploy: true}, settings.AzureSQL),
		"drill-container": derive(settings.FailoverRun{ID: "d2", Drill: true, Deploy: true}, settings.Container),
	}
}

const password = "Correct-Horse-9"

func TestGoldenInputs(t *testing.T) {
	t.Parallel()
	for name, s := range cases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets := map[string]string{}
			if s.Database.Kind == settings.Container {
				secrets[program.PasswordKey] = password
			}
			made, err := inventory.Of(s, secrets)
			require.NoError(t, err)
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			e.SetIndent("", " ")
			require.NoError(t, e.Encode(made))
			require.NotContains(t, b.String(), password, "a secret reached the inventory unmasked")
			path := filepath.Join("testdata", "v1", name+".json")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), b.String(), "run go test ./stacks/inventory -update and review the difference")
		})
	}
}

func TestStandingMirrorRunsNothing(t *testing.T) {
	t.Parallel()
	made, err := inventory.Of(cases(t)["dr"], nil)
	require.NoError(t, err)
	for _, r := range made {
		for _, banned := range []string{":sql", "containerservice", "kubernetes:", ":compute"} {
			require.NotContains(t, r.Type, banned, "the standing mirror must not run a database or a cluster: %s", r.Key())
		}
	}
}

func TestDrillIsIsolated(t *testing.T) {
	t.Parallel()
	made, err := inventory.Of(cases(t)["drill"], nil)
	require.NoError(t, err)
	for _, r := range made {
		require.False(t, r.Protect, "a drill must be destroyable: %s", r.Key())
		require.NotContains(t, r.Type, "Endpoint:Endpoint")
		require.False(t, strings.HasSuffix(r.Type, "v20220401:Endpoint"), "a drill must never take traffic: %s", r.Key())
		if strings.Contains(r.Type, "RoleAssignment") && strings.Contains(r.Name, "agent") {
			require.NotContains(t, r.Name, "mirror", "a drill's agent must not write the mirror's mirror")
		}
	}
}

func TestSameProgramSameInventory(t *testing.T) {
	t.Parallel()
	s := cases(t)["primary"]
	first, err := inventory.Of(s, nil)
	require.NoError(t, err)
	for range 3 {
		again, err := inventory.Of(s, nil)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

// TestAgentsFileIsOneThatTheAgentReads: what the pods mount is parsed as they parse it.
func TestAgentsFileIsOneThatTheAgentReads(t *testing.T) {
	t.Parallel()
	for name, s := range cases(t) {
		secrets := map[string]string{}
		if s.Database.Kind == settings.Container {
			secrets[program.PasswordKey] = password
		}
		made, err := inventory.Of(s, secrets)
		require.NoError(t, err)
		for _, r := range made {
			if !strings.HasSuffix(r.Type, ":ConfigMap") {
				continue
			}
			data, _ := r.Inputs["data"].(map[string]any)
			text, _ := data["lifeboat.yaml"].(string)
			file, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
			require.NoError(t, err, name)
			require.Equal(t, "azblob", file.Primary.Store.Scheme())
			require.Equal(t, "sqlserver", file.Database.Scheme())
			if name == "primary" {
				require.Equal(t, "azblob://stcarefulukwlogcf4c/log", file.Mirror.Store.Reveal())
			}
		}
	}
}

// TestDiagramsAreCurrent keeps the diagrams of docs/infrastructure.md those that the
// program gives; -update draws them anew.
func TestDiagramsAreCurrent(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "infrastructure.md")
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(body)
	for _, name := range []string{"primary", "dr"} {
		s := cases(t)[name]
		made, err := inventory.Of(s, nil)
		require.NoError(t, err)
		begin := "<!-- graph " + name + " -->\n"
		from := strings.Index(text, begin)
		require.GreaterOrEqual(t, from, 0, begin)
		from += len(begin)
		to := from + strings.Index(text[from:], "<!-- /graph -->")
		want := "```mermaid\n" + inventory.Mermaid(s.StackName(), made) + "```\n"
		if *update {
			text = text[:from] + want + text[to:]
			continue
		}
		require.Equal(t, want, text[from:to], "run go test ./stacks/inventory -update")
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}
