package alerts_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/alerts"
	"lifeboat/infra/infratest"
)

func TestEveryAlertReachesSomeone(t *testing.T) {
	t.Parallel()
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		a, err := alerts.New(ctx, "alerts", &alerts.Args{Scope: infratest.Scope("uksouth"), Emails: map[string]string{"dpo": "d@x.example", "cto": "c@x.example"}, RetentionDays: 90})
		if err != nil {
			return err
		}
		if err := a.StoreAvailability(ctx, "store", pulumi.String("/store")); err != nil {
			return err
		}
		return a.Watch(ctx, []alerts.Rule{{Name: "exposure", Query: alerts.Over("exposure_seconds", 60), Every: "PT5M", Window: "PT15M", Says: "what it means"}})
	})
	group := infratest.One(t, all, "ActionGroup", "alerts")
	require.Equal(t, "cto", infratest.Get(group, "emailReceivers", 0, "name"))
	require.Equal(t, "dpo", infratest.Get(group, "emailReceivers", 1, "name"))
	require.Equal(t, "global", group.Inputs["location"], "people are told when the region is down")
	require.Equal(t, "<alerts>", infratest.Get(infratest.One(t, all, "MetricAlert", "store"), "actions", 0, "actionGroupId"))
	rule := infratest.One(t, all, "ScheduledQueryRule", "exposure")
	require.Equal(t, "<alerts>", infratest.Get(rule, "actions", "actionGroups", 0))
	query, _ := infratest.Get(rule, "criteria", "allOf", 0, "query").(string)
	require.Contains(t, query, `"exposure_seconds"`)
	require.Contains(t, query, "isnull(Worst) or Worst > 60", "a silent agent must raise the alarm too")
	require.Contains(t, alerts.NotDone("lifeboat", "preflight"), `startswith "preflight-"`)
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := alerts.New(ctx, "alerts", &alerts.Args{Scope: infratest.Scope("uksouth"), RetentionDays: 7})
		return err
	})
	require.Contains(t, why, "emails: nobody would be told")
	require.Contains(t, why, "retentionDays: 7")
}
