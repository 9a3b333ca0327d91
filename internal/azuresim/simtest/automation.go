package simtest

import (
	"testing"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"lifeboat/stacks/program"
	"lifeboat/stacks/settings"
)

// Stack is the stack of the settings by the Automation API: the same program as a plain
// `pulumi up` runs, in this process. Its workspace is a folder of its own. secrets are
// further keys of the project's namespace, kept encrypted.
func (e *Engine) Stack(t testing.TB, s *settings.Settings, secrets map[string]string) *auto.Stack {
	t.Helper()
	text, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	command, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: e.root, Version: semver.MustParse("3.0.0")})
	if err != nil {
		t.Fatal(err)
	}
	stack, err := auto.UpsertStackInlineSource(t.Context(), s.StackName(), program.Namespace, program.Run,
		auto.Pulumi(command), auto.PulumiHome(e.Home), auto.EnvVars(e.Env), auto.WorkDir(t.TempDir()),
		auto.Project(workspace.Project{
			Name: tokens.PackageName(program.Namespace), Runtime: workspace.NewProjectRuntimeInfo("go", nil),
			Backend: &workspace.ProjectBackend{URL: e.Backend},
		}))
	if err != nil {
		t.Fatal(err)
	}
	config := auto.ConfigMap{
		program.Namespace + ":" + program.SettingsKey: {Value: text},
		"azure-native:subscriptionId":                 {Value: s.Subscription},
		"azure-native:tenantId":                       {Value: s.Tenant},
	}
	for key, value := range secrets {
		config[program.Namespace+":"+key] = auto.ConfigValue{Value: value, Secret: true}
	}
	if err := stack.SetAllConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return &stack
}
