package kinds

import (
	"regexp"

	locks "github.com/pulumi/pulumi-azure-native-sdk/authorization/v2/v20200501"
	roles "github.com/pulumi/pulumi-azure-native-sdk/authorization/v2/v20220401"
	registry "github.com/pulumi/pulumi-azure-native-sdk/containerregistry/v2/v20230701"
	metrics "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20180301"
	diagnostics "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20210501preview"
	actions "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20230101"
	queries "github.com/pulumi/pulumi-azure-native-sdk/insights/v2/v20231201"
	keyvault "github.com/pulumi/pulumi-azure-native-sdk/keyvault/v2/v20230701"
	operational "github.com/pulumi/pulumi-azure-native-sdk/operationalinsights/v2/v20230901"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20241101"

	"lifeboat/infra/azure"
	"lifeboat/infra/native"
	sim "lifeboat/internal/azuresim"
)

// name makes a rule of names out of a pattern.
func name(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)$`) }

var (
	guid      = name(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	wordy     = name(`[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?`)
	wordyRule = "1 to 80 letters, digits, '.', '_' or '-', starting with a letter or digit"
)

// Azure lists the kinds of Azure resources.
func Azure() []sim.Kind {
	var all []sim.Kind
	for _, part := range [][]sim.Kind{base(), watching(), network(), storageKinds(), sqlKinds(), clusterKinds()} {
		all = append(all, part...)
	}
	for i := range all {
		all[i].ID = azure.IDTemplate(all[i].Token)
	}
	return all
}

func base() []sim.Kind {
	return []sim.Kind{
		{Token: "resources:ResourceGroup", Schema: sim.SchemaOf(resources.ResourceGroupArgs{}),
			Name: name(`[A-Za-z0-9_.()-]{0,89}[A-Za-z0-9_()-]`), NameRule: "1 to 90 letters, digits, '_', '-', '.' or parentheses, not ending in a dot",
			Check: located},
		{Token: "resources:Deployment", Schema: sim.SchemaOf(resources.DeploymentArgs{}),
			Name: name(`[A-Za-z0-9_.()-]{1,64}`), NameRule: "1 to 64 letters, digits, '_', '-', '.' or parentheses",
			Apply: deploy},
		{Token: "authorization:RoleAssignment", Schema: sim.SchemaOf(roles.RoleAssignmentArgs{}),
			Name: guid, NameRule: "a GUID", Apply: roleAssigned,
			Replaces: []string{"principalId", "roleDefinitionId", "principalType", "description"}},
		{Token: "authorization:ManagementLockByScope", Schema: sim.SchemaOf(locks.ManagementLockByScopeArgs{}),
			Name: name(`[^<>%&:\\?/]{1,90}`), NameRule: "1 to 90 characters, none of <>%&:\\?/",
			Check: func(p sim.Props) []sim.Failure { return oneOf(p, "level", "CanNotDelete", "ReadOnly") }},
		{Token: "managedidentity:UserAssignedIdentity", Schema: sim.SchemaOf(native.UserAssignedIdentityArgs{}),
			Name: name(`[A-Za-z0-9][A-Za-z0-9_-]{2,127}`), NameRule: "3 to 128 letters, digits, '_' or '-'",
			Check: located, Compute: identityOutputs},
		{Token: "managedidentity:FederatedIdentityCredential", Schema: sim.SchemaOf(native.FederatedIdentityCredentialArgs{}),
			Name: name(`[A-Za-z0-9][A-Za-z0-9_-]{2,119}`), NameRule: "3 to 120 letters, digits, '_' or '-'",
			Required: []string{"audiences"}, Apply: federationUnique},
		{Token: "keyvault:Vault", Schema: sim.SchemaOf(keyvault.VaultArgs{}),
			Name: name(`[A-Za-z](-?[A-Za-z0-9]){2,23}`), NameRule: "3 to 24 letters, digits or single hyphens, starting with a letter",
			Unique: true, SoftDelete: true, Check: vaultCheck, Apply: vaultApply, Compute: vaultOutputs},
		{Token: "keyvault:Key", Schema: sim.SchemaOf(keyvault.KeyArgs{}),
			Name: name(`[A-Za-z0-9-]{1,127}`), NameRule: "1 to 127 letters, digits or hyphens",
			Replaces: []string{"properties.kty", "properties.keySize", "properties.curveName"}, Compute: keyOutputs},
		{Token: "containerregistry:Registry", Schema: sim.SchemaOf(registry.RegistryArgs{}),
			Name: name(`[A-Za-z0-9]{5,50}`), NameRule: "5 to 50 letters or digits",
			Unique: true, Check: registryCheck, Demand: registryDemand,
			Compute: func(_ *sim.View, r *sim.Resource) sim.Props {
				return sim.Props{"loginServer": lower(r.Inputs["registryName"]) + ".azurecr.io"}
			}},
		{Token: "containerregistry:Replication", Schema: sim.SchemaOf(registry.ReplicationArgs{}),
			Name: name(`[A-Za-z0-9]{5,50}`), NameRule: "5 to 50 letters or digits",
			Apply: replicationApply, Demand: registryDemand},
	}
}

func watching() []sim.Kind {
	return []sim.Kind{
		{Token: "operationalinsights:Workspace", Schema: sim.SchemaOf(operational.WorkspaceArgs{}),
			Name: name(`[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]`), NameRule: "4 to 63 letters, digits or hyphens",
			Check: located, Compute: func(_ *sim.View, r *sim.Resource) sim.Props { return sim.Props{"customerId": guidOf(r.ID)} }},
		{Token: "insights:ActionGroup", Schema: sim.SchemaOf(actions.ActionGroupArgs{}),
			Check: func(p sim.Props) []sim.Failure {
				if s, _ := p["groupShortName"].(string); len(s) < 1 || len(s) > 12 {
					return []sim.Failure{{Path: "groupShortName", Reason: "must have 1 to 12 characters"}}
				}
				return nil
			}},
		{Token: "insights:MetricAlert", Schema: sim.SchemaOf(metrics.MetricAlertArgs{}),
			Required: []string{"scopes", "criteria"}, Check: metricCheck},
		{Token: "insights:ScheduledQueryRule", Schema: sim.SchemaOf(queries.ScheduledQueryRuleArgs{}),
			Required: []string{"scopes", "criteria"},
			Name:     name(`[^*<>%{}&:\\?/#|]{1,259}`), NameRule: "up to 259 characters", Check: queryCheck},
		{Token: "insights:DiagnosticSetting", Schema: sim.SchemaOf(diagnostics.DiagnosticSettingArgs{}),
			Check: diagnosticCheck},
	}
}
