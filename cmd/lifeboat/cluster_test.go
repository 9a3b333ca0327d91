package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/config"
	"lifeboat/internal/repotest"
)

// TestTheClusterRunsWhatExists: every pod of the primary stack that runs this command gives
// it a verb, flags and a configuration that it knows.
func TestTheClusterRunsWhatExists(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join(repotest.Root(t), "stacks/inventory/testdata/v1/primary.json"))
	require.NoError(t, err)
	var resources []struct {
		Type, Name string
		Inputs     struct {
			Metadata struct{ Namespace string }
			Spec     any
			Data     map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(body, &resources))
	checked := 0
	for _, r := range resources {
		if text := r.Inputs.Data["lifeboat.yaml"]; text != "" {
			_, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
			require.NoError(t, err, text)
			checked++
		}
		if r.Inputs.Metadata.Namespace != "lifeboat" || !strings.HasSuffix(r.Type, ":CronJob") && !strings.HasSuffix(r.Type, ":Deployment") {
			continue
		}
		for _, args := range argsOf(r.Inputs.Spec) {
			err := understood(args)
			require.NoError(t, err, "%s runs lifeboat %s", r.Name, strings.Join(args, " "))
			checked++
		}
	}
	require.GreaterOrEqual(t, checked, 6)
}

// argsOf finds the containers' arguments wherever they are.
func argsOf(v any) (all [][]string) {
	switch v := v.(type) {
	case map[string]any:
		for key, child := range v {
			if list, ok := child.([]any); ok && key == "args" {
				var args []string
				for _, a := range list {
					args = append(args, a.(string))
				}
				all = append(all, args)
				continue
			}
			all = append(all, argsOf(child)...)
		}
	case []any:
		for _, child := range v {
			all = append(all, argsOf(child)...)
		}
	}
	return all
}

// understood parses a command line as the command does, and runs nothing.
func understood(args []string) error {
	a := &app{stdout: io.Discard, stderr: io.Discard}
	cmd, rest, err := a.root().Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if cmd.HasSubCommands() {
		return errUsage
	}
	if cmd.Args != nil {
		if err := cmd.Args(cmd, cmd.Flags().Args()); err != nil {
			return err
		}
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return err
	}
	return cmd.ValidateFlagGroups()
}
