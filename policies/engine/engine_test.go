package engine_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/azuresim/simtest"
	"lifeboat/internal/repotest"
	"lifeboat/policies"
	"lifeboat/policies/preview"
	"lifeboat/policies/project"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

const backend = "azblob://state?storage_account=stcarefulukwopscf4c"

// pack builds the policy pack as a user would.
func pack(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "lifeboat-policy")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./policies/pack")
	build.Dir = repotest.Root(t)
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return bin
}

// withFacts writes the record of people and habits that the project's own stacks pass with.
func withFacts(t *testing.T, e *simtest.Engine) {
	t.Helper()
	now := time.Now()
	body, err := json.Marshal(policies.Facts{
		Version: 1,
		People: []policies.Person{
			{Name: "Ada", Roles: []string{"CEO"}}, {Name: "Dan", Roles: []string{"DPO"}},
			{Name: "Cat", Roles: []string{"CTO"}}, {Name: "Lin", Roles: []string{"LD"}},
		},
		Quorum:    []policies.Need{{AnyOf: []string{"CEO"}}, {AnyOf: []string{"CTO", "LD"}}},
		LastDrill: now.Add(-time.Hour), LastMeeting: now.Add(-time.Hour),
		Quota:      &policies.Quota{Region: "ukwest", SQLVCores: 8, NodeVCores: map[string]int{"standardDDSv5Family": 40}},
		Recipients: []string{"vault one", "vault two", "age1offline"},
	})
	require.NoError(t, err)
	path := filepath.Join(e.Dir, project.FactsFile)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, body, 0o644))
	e.Env["LIFEBOAT_PROJECT"] = e.Dir
	e.Env["LIFEBOAT_STATE_BACKEND"] = backend
}

// edit changes both stacks' files as a person would.
func edit(t *testing.T, e *simtest.Engine, from, to string) {
	t.Helper()
	for _, stack := range []string{"primary", "dr"} {
		path := filepath.Join(e.Dir, "Pulumi."+stack+".yaml")
		body, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(body), from)
		require.NoError(t, os.WriteFile(path, bytes.Replace(body, []byte(from), []byte(to), 1), 0o644))
	}
}

// judged is the verdict of the command line: the rules that are not met.
func judged(t *testing.T, e *simtest.Engine, text string) []string {
	t.Helper()
	stack, err := preview.ReadBytes([]byte(text[strings.IndexByte(text, '{'):]))
	require.NoError(t, err)
	folder, err := project.Open(e.Dir, policies.All())
	require.NoError(t, err)
	require.NoError(t, folder.Complete(stack))
	stack.Backend, stack.Now = backend, time.Now()
	failed := make(map[string]bool)
	for _, r := range policies.Evaluate(policies.All(), stack, folder.Waivers) {
		if r.Outcome() != policies.Pass {
			failed[r.Rule.ID] = true
		}
		for _, f := range r.Findings {
			t.Logf("%s: %s: %s: %s", r.Rule.ID, f.Outcome, f.Resource, f.Message)
		}
	}
	return slices.Sorted(maps.Keys(failed))
}

// TestSameVerdictEverywhere: the preview's JSON, the pack in a plain preview, the pack by
// the Automation API and the pack on an export say the same of one stack, before and
// after a change that two rules stop.
func TestSameVerdictEverywhere(t *testing.T) {
	t.Parallel()
	bin := pack(t)
	cloud := simtest.NewCloud()
	e := simtest.NewEngine(t, cloud)
	withFacts(t, e)
	e.Run(true, "stack", "init", "primary")
	require.Empty(t, judged(t, e, e.Run(true, "preview", "-s", "primary", "--json", "--show-sames")))
	e.Run(true, "stack", "init", "dr")

	out := e.Run(true, "preview", "-s", "dr", "--policy-pack", bin)
	require.Empty(t, mandatory(out), out)
	require.Empty(t, judged(t, e, e.Run(true, "preview", "-s", "dr", "--json", "--show-sames")))
	e.Run(true, "up", "-s", "dr", "--yes", "--policy-pack", bin)

	edit(t, e, "emails: {cto: cto@careful.example, dpo: dpo@careful.example, lead: lead@careful.example}", "emails: {cto: cto@careful.example}")
	edit(t, e, "protect: true", "protect: false")
	want := []string{"alerts-people", "protected"}
	require.Equal(t, want, judged(t, e, e.Run(true, "preview", "-s", "dr", "--json", "--show-sames")))
	require.Equal(t, want, mandatory(e.Run(false, "preview", "-s", "dr", "--policy-pack", bin)))
	require.Equal(t, want, automated(t, e, bin))

	// What is already there is judged the same as what would be made.
	e.Run(true, "up", "-s", "dr", "--yes")
	export := e.Run(true, "stack", "export", "-s", "dr")
	require.Equal(t, want, judged(t, e, export))
	file := filepath.Join(t.TempDir(), "export.json")
	require.NoError(t, os.WriteFile(file, []byte(export), 0o600))
	require.Equal(t, want, analyzed(t, e, bin, file))
}

// TestFailoverIsJudgedInEveryPhase: the pack lets a failover's stack come up with a database
// that is larger for the restore, and judges that one and the one that stays.
func TestFailoverIsJudgedInEveryPhase(t *testing.T) {
	t.Parallel()
	bin := pack(t)
	e := simtest.NewEngine(t, simtest.NewCloud())
	withFacts(t, e)
	base, err := stackfile.Read(filepath.Join(e.Dir, "Pulumi.dr.yaml"))
	require.NoError(t, err)
	_, err = e.Stack(t, base, nil).Up(t.Context())
	require.NoError(t, err)
	for _, run := range []settings.FailoverRun{{}, {Deploy: true}, {Deploy: true, Live: true}} {
		run.ID, run.RestoreSKU = "f1", "GP_Gen5_16"
		set, err := base.ForFailover(run)
		require.NoError(t, err)
		_, err = e.Stack(t, set, nil).Up(t.Context(), optup.PolicyPacks(bin))
		require.NoError(t, err, "%+v", run)
	}
	set, err := base.ForFailover(settings.FailoverRun{ID: "f2", RestoreSKU: "GP_Gen5_16"})
	require.NoError(t, err)
	e.Env["LIFEBOAT_STATE_BACKEND"] = "azblob://state?storage_account=stcarefuluksopscf4c" // of the region that is lost
	_, err = e.Stack(t, set, nil).Preview(t.Context(), optpreview.PolicyPacks(bin))
	require.ErrorContains(t, err, "state-backend", "the pack did judge")
}

var violation = regexp.MustCompile(`\[mandatory\]\s+([a-z0-9-]+)\s`)

// mandatory are the rules that a plain command prints as stopping the update.
func mandatory(out string) []string {
	found := make(map[string]bool)
	for _, m := range violation.FindAllStringSubmatch(out, -1) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// automated previews by the Automation API and listens to its events.
func automated(t *testing.T, e *simtest.Engine, bin string) []string {
	t.Helper()
	set, err := stackfile.Read(filepath.Join(e.Dir, "Pulumi.dr.yaml"))
	require.NoError(t, err)
	stack := e.Stack(t, set, nil)
	stream := make(chan events.EngineEvent)
	found := make(map[string]bool)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range stream {
			if p := ev.PolicyEvent; p != nil && p.EnforcementLevel == "mandatory" {
				found[p.PolicyName] = true
			}
		}
	}()
	_, err = stack.Preview(t.Context(), optpreview.PolicyPacks(bin), optpreview.EventStreams(stream))
	require.Error(t, err, "a mandatory rule must stop the preview")
	<-done
	return slices.Sorted(maps.Keys(found))
}

// analyzed judges an export with the engine, without a preview.
func analyzed(t *testing.T, e *simtest.Engine, bin, file string) []string {
	t.Helper()
	delete(e.Env, "PULUMI_BACKEND_URL") // the verb wants no backend beside a file
	out, _ := e.Try(t.Context(), "policy", "analyze", "--policy-pack", bin, "--file", file, "--json")
	found := make(map[string]bool)
	for _, r := range policies.All() {
		if strings.Contains(out, `"`+r.ID+`"`) && regexp.MustCompile(`(?s)"`+r.ID+`".{0,400}"mandatory"`).MatchString(out) {
			found[r.ID] = true
		}
	}
	if len(found) == 0 {
		t.Log(out)
	}
	return slices.Sorted(maps.Keys(found))
}
