// Package alerts is where a region's logs go and who is woken: a workspace, an action
// group of people, and rules on what would mean that committed data is not safe.
//
// A rule that sees no data fires too: a silent agent is the worst of them.
package alerts

import (
	"fmt"
	"maps"
	"slices"

	metrics "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20180301"
	groups "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20230101"
	queries "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20231201"
	operational "github.com/pulumi/pulumi-azure-native-sdk/operationalinsights/v2/v20230901"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
)

// Args describe the alerting of a region.
type Args struct {
	Scope         infra.Scope
	Emails        map[string]string // person to address
	RetentionDays int
}

// Alerts is the component.
type Alerts struct {
	pulumi.ResourceState

	WorkspaceID pulumi.StringOutput
	GroupID     pulumi.StringOutput

	scope infra.Scope
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	if len(a.Emails) == 0 {
		p.Addf("emails", "nobody would be told")
	}
	if a.RetentionDays < 30 || a.RetentionDays > 730 {
		p.Addf("retentionDays", "%d is not in 30 to 730", a.RetentionDays)
	}
	return p.Err()
}

// New makes the workspace and the action group; the rules are added by what they watch.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Alerts, error) {
	a := &Alerts{scope: args.Scope}
	if err := infra.Begin(ctx, a, "Alerts", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	workspace, err := operational.NewWorkspace(ctx, name, &operational.WorkspaceArgs{
		ResourceGroupName: args.Scope.Group,
		WorkspaceName:     pulumi.String(args.Scope.Names.Of("log")),
		Location:          args.Scope.Location(),
		RetentionInDays:   pulumi.Int(args.RetentionDays),
		Sku:               operational.WorkspaceSkuArgs{Name: pulumi.String("PerGB2018")},
		Features:          operational.WorkspaceFeaturesArgs{DisableLocalAuth: pulumi.Bool(true)},
		Tags:              args.Scope.TagMap(),
	}, infra.Child(a)...)
	if err != nil {
		return nil, err
	}
	receivers := groups.EmailReceiverArray{}
	for _, person := range slices.Sorted(maps.Keys(args.Emails)) {
		receivers = append(receivers, groups.EmailReceiverArgs{
			Name: pulumi.String(person), EmailAddress: pulumi.String(args.Emails[person]), UseCommonAlertSchema: pulumi.Bool(true),
		})
	}
	group, err := groups.NewActionGroup(ctx, name, &groups.ActionGroupArgs{
		ResourceGroupName: args.Scope.Group,
		ActionGroupName:   pulumi.String(args.Scope.Names.Of("ag")),
		GroupShortName:    pulumi.String("lifeboat"), // 12 at most; it heads every message
		Location:          pulumi.String("global"),   // serves when its own region is down
		Enabled:           pulumi.Bool(true),
		EmailReceivers:    receivers,
		Tags:              args.Scope.TagMap(),
	}, infra.Child(a)...)
	if err != nil {
		return nil, err
	}
	a.WorkspaceID, a.GroupID = workspace.ID().ToStringOutput(), group.ID().ToStringOutput()
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{"workspaceId": a.WorkspaceID, "groupId": a.GroupID})
}

// StoreAvailability wakes people when a store's own availability falls below 99.9 %
// over a quarter of an hour.
func (a *Alerts) StoreAvailability(ctx *pulumi.Context, name string, account pulumi.StringInput) error {
	_, err := metrics.NewMetricAlert(ctx, name, &metrics.MetricAlertArgs{
		ResourceGroupName: a.scope.Group,
		RuleName:          pulumi.String(a.scope.Names.Of(name)),
		Location:          pulumi.String("global"),
		Description:       pulumi.String("The store of this region fails requests. Check `lifeboat status`; the agent blocks or degrades as configured."),
		Enabled:           pulumi.Bool(true),
		Severity:          pulumi.Int(1),
		Scopes:            pulumi.StringArray{account},
		// The narrowest pair that account metrics, one a minute, make sense with.
		EvaluationFrequency: pulumi.String("PT5M"),
		WindowSize:          pulumi.String("PT15M"),
		Criteria: metrics.MetricAlertSingleResourceMultipleMetricCriteriaArgs{
			OdataType: pulumi.String("Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"),
			AllOf: metrics.MetricCriteriaArray{metrics.MetricCriteriaArgs{
				CriterionType: pulumi.String("StaticThresholdCriterion"), Name: pulumi.String("availability"),
				MetricNamespace: pulumi.String("Microsoft.Storage/storageAccounts"), MetricName: pulumi.String("Availability"),
				Operator: pulumi.String("LessThan"), Threshold: pulumi.Float64(99.9), TimeAggregation: pulumi.String("Average"),
			}},
		},
		Actions: metrics.MetricAlertActionArray{metrics.MetricAlertActionArgs{ActionGroupId: a.GroupID}},
		Tags:    a.scope.TagMap(),
	}, infra.Child(a)...)
	return err
}

// Rule is one thing that must not go unnoticed. Its query gives one row with the column
// Breach: 1 to raise the alarm.
type Rule struct {
	Name     string
	Says     string // what it means and what to do
	Query    string
	Every    string // how often it is asked, e.g. "PT5M"
	Window   string // over how long it looks back
	Severity int    // 0 wakes people, 4 is a note
}

// Over is the query for a number that the agent reports: in breach when the largest value
// is over the limit, or negative (the agent's word for "never"), or when there was none.
func Over(metric string, limit int) string {
	return fmt.Sprintf(`let seen = InsightsMetrics | where Namespace == "prometheus" and Name == "%s" | summarize Worst = max(Val), Least = min(Val);
seen | extend Breach = iff(isnull(Worst) or Worst > %d or Least < 0, 1, 0) | project Breach`, metric, limit)
}

// NotDone is the query for a nightly proof: in breach when no run of it succeeded.
func NotDone(namespace, job string) string {
	return fmt.Sprintf(`KubePodInventory | where Namespace == "%s" and ControllerKind == "Job" and ControllerName startswith "%s-" and PodStatus == "Succeeded"
| summarize Done = dcount(ControllerName) | extend Breach = iff(Done == 0, 1, 0) | project Breach`, namespace, job)
}

// Watch adds rules over what the cluster's monitoring collects in the workspace.
func (a *Alerts) Watch(ctx *pulumi.Context, rules []Rule, after ...pulumi.Resource) error {
	for _, r := range rules {
		_, err := queries.NewScheduledQueryRule(ctx, r.Name, &queries.ScheduledQueryRuleArgs{
			ResourceGroupName:   a.scope.Group,
			RuleName:            pulumi.String(a.scope.Names.Of(r.Name)),
			Location:            a.scope.Location(),
			Description:         pulumi.String(r.Says),
			DisplayName:         pulumi.String(r.Name),
			Enabled:             pulumi.Bool(true),
			Severity:            pulumi.Float64(float64(r.Severity)),
			Scopes:              pulumi.StringArray{a.WorkspaceID},
			EvaluationFrequency: pulumi.String(r.Every),
			WindowSize:          pulumi.String(r.Window),
			AutoMitigate:        pulumi.Bool(true),
			// The tables do not exist before the first row arrives; Azure would refuse the rule.
			SkipQueryValidation: pulumi.Bool(true),
			Criteria: queries.ScheduledQueryRuleCriteriaArgs{AllOf: queries.ConditionArray{queries.ConditionArgs{
				Query: pulumi.String(r.Query), MetricMeasureColumn: pulumi.String("Breach"), TimeAggregation: pulumi.String("Maximum"),
				Operator: pulumi.String("GreaterThan"), Threshold: pulumi.Float64(0),
				FailingPeriods: queries.ConditionFailingPeriodsArgs{MinFailingPeriodsToAlert: pulumi.Float64(1), NumberOfEvaluationPeriods: pulumi.Float64(1)},
			}}},
			Actions: queries.ActionsArgs{ActionGroups: pulumi.StringArray{a.GroupID}},
			Tags:    a.scope.TagMap(),
		}, append(infra.Child(a), pulumi.DependsOn(after))...)
		if err != nil {
			return err
		}
	}
	return nil
}
