package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/policies"
	"lifeboat/policies/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// results has a pass, a failure with an awkward message, an unknown and a waived finding.
func results() []policies.Result {
	rule := func(id string, s policies.Severity) policies.Rule {
		return policies.Rule{ID: id, Title: "Title of " + id, Why: "Why.", Fix: "Fix it.", Severity: s}
	}
	urn := "urn:pulumi:dr::lifeboat::azure-native:storage:StorageAccount::store"
	return []policies.Result{
		{Rule: rule("first", policies.Error), Stack: "dr"},
		{Rule: rule("second", policies.Error), Stack: "dr", Findings: []policies.Finding{{Outcome: policies.Fail, Resource: urn, Message: "is <100%>, want\n\"so\""}}},
		{Rule: rule("third", policies.Error), Stack: "dr", Findings: []policies.Finding{{Outcome: policies.Unknown, Message: "not known"}}},
		{Rule: rule("fourth", policies.Warning), Stack: "primary", Waived: []policies.Waived{{
			Finding: policies.Finding{Outcome: policies.Fail, Resource: urn, Message: "is off"},
			Waiver:  policies.Waiver{Rule: "fourth", Resource: "store", Reason: "migration", Who: "Ada", Expires: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)},
		}}},
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, f := range []report.Format{report.Table, report.JSON, report.SARIF, report.JUnit, report.GitHub} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			require.NoError(t, report.Write(&got, f, results()))
			path := filepath.Join("testdata", string(f)+".golden")
			if *update {
				require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
}

func TestDocumentationIsMadeFromTheRules(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	require.NoError(t, report.Markdown(&got, policies.All()))
	path := filepath.Join("..", "..", "docs", "policies.md")
	if *update {
		require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String(), "run: go test ./policies/report -update")
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, report.Write(&bytes.Buffer{}, "yaml", nil), "use table, json")
}
