package identity_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"lifeboat/infra/codebackup"
	"lifeboat/infra/identity"
	"lifeboat/infra/infratest"
)

func TestGrantsAndTrust(t *testing.T) {
	t.Parallel()
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		ids, err := identity.New(ctx, "ids", &identity.Args{Scope: infratest.Scope("uksouth"), Names: []string{"agent", "proof"}})
		if err != nil {
			return err
		}
		if _, err := ids.Grant(ctx, &identity.Grant{Identity: "nobody", Role: identity.BlobReader, On: "store", Scope: pulumi.String("/store")}); err == nil {
			t.Error("granted a role to an identity that was not made")
		}
		if _, err := ids.Grant(ctx, &identity.Grant{Identity: "agent", Role: "Owner", On: "store", Scope: pulumi.String("/store")}); err == nil {
			t.Error("granted a role that is not on the list")
		}
		if _, err := ids.Grant(ctx, &identity.Grant{Identity: "proof", Role: identity.BlobReader, On: "store", Scope: pulumi.String("/store")}); err != nil {
			return err
		}
		if _, err := ids.Grant(ctx, &identity.Grant{Identity: "proof", Role: identity.BlobContributor, On: "marks", Scope: pulumi.String("/store"), Under: "readiness/marks/"}); err != nil {
			return err
		}
		_, err = ids.Federate(ctx, &identity.Federation{Identity: "proof", Name: "cluster", Issuer: pulumi.String("https://issuer"), Subject: "system:serviceaccount:lifeboat:proof"})
		return err
	})
	grant := infratest.One(t, all, "RoleAssignment", "proof-2a2b9908-store")
	require.Equal(t, "/store", grant.Inputs["scope"])
	require.Equal(t, "ServicePrincipal", grant.Inputs["principalType"])
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, grant.Inputs["roleAssignmentName"])
	require.NotContains(t, grant.Inputs, "condition")
	marks := infratest.One(t, all, "RoleAssignment", "proof-ba92f5b4-marks")
	require.Equal(t, "2.0", marks.Inputs["conditionVersion"])
	require.Contains(t, marks.Inputs["condition"], "!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'})")
	require.Contains(t, marks.Inputs["condition"], "OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringLike 'readiness/marks/*'))")
	trust := infratest.One(t, all, "FederatedIdentityCredential", "proof-cluster")
	require.Equal(t, "system:serviceaccount:lifeboat:proof", trust.Inputs["subject"])
	require.Equal(t, []any{"api://AzureADTokenExchange"}, trust.Inputs["audiences"])
}

// TestBorrowedIdentityStaysWhereItIs: it is found, not made, and its trust in a cluster is
// told from other stacks' by its name.
func TestBorrowedIdentityStaysWhereItIs(t *testing.T) {
	t.Parallel()
	scope := infratest.Scope("uksouth")
	owner := scope.Names
	owner.Part = "ukw"
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		ids, err := identity.New(ctx, "ids", &identity.Args{Scope: scope, Names: []string{"proof"}})
		if err != nil {
			return err
		}
		if err := ids.Borrow(ctx, "agent", owner); err != nil {
			return err
		}
		_, err = ids.Federate(ctx, &identity.Federation{Identity: "agent", Name: "cluster", Issuer: pulumi.String("https://issuer"), Subject: "system:serviceaccount:lifeboat:agent"})
		return err
	})
	require.Equal(t, 1, infratest.Count(all, "UserAssignedIdentity"))
	trust := infratest.One(t, all, "FederatedIdentityCredential", "agent-cluster")
	require.Equal(t, owner.Group(), trust.Inputs["resourceGroupName"])
	require.Equal(t, owner.Identity("agent"), trust.Inputs["resourceName"])
	require.Equal(t, "cluster-"+scope.Names.Part, trust.Inputs["federatedIdentityCredentialResourceName"])
}

func TestCodeBackupTrustsOneBranchAndWritesOnlyCode(t *testing.T) {
	t.Parallel()
	all := infratest.Record(t, func(ctx *pulumi.Context) error {
		ids, err := identity.New(ctx, "ids", &identity.Args{Scope: infratest.Scope("uksouth"), Names: []string{codebackup.Identity}})
		if err != nil {
			return err
		}
		_, err = codebackup.New(ctx, "code", &codebackup.Args{
			Scope: infratest.Scope("uksouth"), Identities: ids, Repository: "acme/app", Branch: "main",
			Containers: map[string]string{"local": "/a/containers/code", "mirror": "/b/containers/code"},
		})
		return err
	})
	require.Equal(t, "repo:acme/app:ref:refs/heads/main", infratest.One(t, all, "FederatedIdentityCredential", "code-github").Inputs["subject"])
	require.Equal(t, 2, infratest.Count(all, "RoleAssignment"))
	require.Equal(t, "/b/containers/code", infratest.One(t, all, "RoleAssignment", "code-ba92f5b4-code-mirror").Inputs["scope"])
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	why := infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := identity.New(ctx, "ids", &identity.Args{Names: []string{"a", "a", ""}})
		return err
	})
	require.Contains(t, why, `names: "a" is empty or there twice`)
	require.Contains(t, why, "group: is missing")
	why = infratest.Refused(t, func(ctx *pulumi.Context) error {
		_, err := codebackup.New(ctx, "code", &codebackup.Args{Scope: infratest.Scope("uksouth"), Containers: map[string]string{"local": "x"}})
		return err
	})
	require.Contains(t, why, "containers: the code must be in both regions, not in 1")
	require.Contains(t, why, "repository: ")
}
