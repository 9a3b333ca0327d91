package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPolicyCheckReadsAnExport(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "export.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"version":3,"deployment":{"resources":[
		{"urn":"urn:pulumi:dr::lifeboat::pulumi:pulumi:Stack::lifeboat-dr","type":"pulumi:pulumi:Stack","inputs":{}}]}}`), 0o600))
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"an empty mirror fails", []string{"policy", "check", "--project", "../..", "--preview", file}, 10, "store-containers"},
		{"as JSON", []string{"policy", "check", "--project", "../..", "--preview", file, "--json"}, 10, `"rule": "store-containers"`},
		{"as SARIF", []string{"policy", "check", "--project", "../..", "--preview", file, "--format", "sarif"}, 10, `"version": "2.1.0"`},
		{"unknown format", []string{"policy", "check", "--project", "../..", "--preview", file, "--format", "xml"}, 2, ""},
		{"neither file nor stack", []string{"policy", "check"}, 2, ""},
		{"no such file", []string{"policy", "check", "--preview", file + "x"}, 2, ""},
		{"explain", []string{"policy", "explain", "dns-ttl"}, 0, "60 seconds"},
		{"explain what is no rule", []string{"policy", "explain", "nope"}, 2, ""},
		{"list", []string{"policy", "list"}, 0, "dns-ttl"},
		{"effect of nothing", []string{"policy", "effect", "--base", "../..", "--project", "../.."}, 0, "Nothing here weakens recovery"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, logs strings.Builder
			code := run(t.Context(), tt.args, strings.NewReader(""), &out, &logs)
			require.Equal(t, tt.code, code, logs.String())
			require.Contains(t, out.String(), tt.want)
		})
	}
}
