package policies_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/policies"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestEveryRuleIsDescribed(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	id := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	for _, r := range policies.All() {
		require.Regexp(t, id, r.ID)
		require.False(t, seen[r.ID], "%s is there twice", r.ID)
		seen[r.ID] = true
		for what, text := range map[string]string{"title": r.Title, "why": r.Why, "fix": r.Fix, "pass": r.Pass, "fail": r.Fail} {
			require.NotEmpty(t, text, "%s has no %s", r.ID, what)
		}
		require.NotEmpty(t, r.Clauses, r.ID)
		require.NotEmpty(t, r.Roles, r.ID)
		require.NotNil(t, r.Check, r.ID)
		require.Contains(t, []policies.Severity{policies.Warning, policies.Error}, r.Severity, r.ID)
	}
	require.GreaterOrEqual(t, len(seen), 40)
}

// stackOf has one resource that the rule looks at.
func stackOf(value any) *policies.Stack {
	return &policies.Stack{Name: "dr", Role: policies.DR, Now: now, Resources: []policies.Resource{{
		URN: "urn:pulumi:dr::lifeboat::azure-native:storage:StorageAccount::store", Type: "azure-native:storage:StorageAccount",
		Name: "store", Inputs: map[string]any{"allowSharedKeyAccess": value},
	}}}
}

func noSharedKey(t *testing.T) []policies.Rule {
	r, ok := policies.Find("store-no-shared-key")
	require.True(t, ok)
	return []policies.Rule{r}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		stack *policies.Stack
		want  policies.Outcome
	}{
		{"as it should be", stackOf(false), policies.Pass},
		{"wrong", stackOf(true), policies.Fail},
		{"not set", stackOf(nil), policies.Fail},
		{"not known yet", stackOf(policies.UnknownValue{}), policies.Unknown},
		{"nothing to look at", &policies.Stack{Name: "dr", Role: policies.DR, Now: now}, policies.Fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			results := policies.Evaluate(noSharedKey(t), tt.stack, nil)
			require.Len(t, results, 1)
			require.Equal(t, tt.want, results[0].Outcome())
		})
	}
}

func TestWaivers(t *testing.T) {
	t.Parallel()
	good := policies.Waiver{Rule: "store-no-shared-key", Resource: "store", Reason: "migration", Who: "Ada", Expires: now.Add(time.Nanosecond)}
	with := func(change func(*policies.Waiver)) policies.Waiver {
		w := good
		change(&w)
		return w
	}
	for _, tt := range []struct {
		name   string
		waiver policies.Waiver
		waived bool
	}{
		{"covers by name", good, true},
		{"covers by URN", with(func(w *policies.Waiver) { w.Resource = stackOf(true).Resources[0].URN }), true},
		{"covers this stack", with(func(w *policies.Waiver) { w.Stack = "dr" }), true},
		{"expires at that instant", with(func(w *policies.Waiver) { w.Expires = now }), false},
		{"another rule", with(func(w *policies.Waiver) { w.Rule = "store-tls" }), false},
		{"another stack", with(func(w *policies.Waiver) { w.Stack = "primary" }), false},
		{"another resource", with(func(w *policies.Waiver) { w.Resource = "tore" }), false},
		{"no resource is not any resource", with(func(w *policies.Waiver) { w.Resource = "" }), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := policies.Evaluate(noSharedKey(t), stackOf(true), []policies.Waiver{tt.waiver})[0]
			require.Equal(t, tt.waived, r.Outcome() == policies.Pass)
			require.Equal(t, tt.waived, len(r.Waived) == 1, "a waived finding is still shown")
		})
	}
}

func TestReadWaiversReportsEverything(t *testing.T) {
	t.Parallel()
	_, err := policies.ReadWaivers([]byte(`{"version":1,"waivers":[{"rule":"nope"},{"rule":"tags","reason":"r","who":"w","expires":"2027-01-01T00:00:00Z"}]}`), policies.All())
	require.ErrorIs(t, err, policies.ErrFile)
	for _, want := range []string{`rule "nope" does not exist`, "no reason", "nobody answers", "no day of expiry"} {
		require.ErrorContains(t, err, want)
	}
	for name, text := range map[string]string{
		"unknown key": `{"version":1,"waiver":[]}`, "newer": `{"version":2}`, "no version": `{}`, "garbage": `waivers`, "two values": `{"version":1}{}`,
	} {
		_, err := policies.ReadWaivers([]byte(text), policies.All())
		require.ErrorIs(t, err, policies.ErrFile, name)
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	rules := noSharedKey(t)
	severity, outcome := policies.Worst(policies.Evaluate(rules, stackOf(true), nil))
	require.Equal(t, policies.Error, severity)
	require.Equal(t, policies.Fail, outcome)
	severity, outcome = policies.Worst(policies.Evaluate(rules, stackOf(false), nil))
	require.Zero(t, severity)
	require.Equal(t, policies.Pass, outcome)
}
