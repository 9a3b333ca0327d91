// Package codebackup lets two writers put git bundles in the code containers of both
// regions, and nothing else anywhere: the nightly job in the cluster, and the
// repository's own workflow on its main branch. Neither holds a password: GitHub's and
// the cluster's tokens are traded for the identity's.
package codebackup

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
	"lifeboat/infra/identity"
)

// gitHubIssuer signs the tokens of GitHub's workflows.
const gitHubIssuer = "https://token.actions.githubusercontent.com"

// Identity is the name of the identity among a region's identities.
const Identity = "code"

// Args describe the code backup.
type Args struct {
	Scope      infra.Scope
	Identities *identity.Identities
	Repository string            // "owner/name" on GitHub
	Branch     string            // the only one whose workflow may write
	Containers map[string]string // region's short word to the code container's id
	After      []pulumi.Resource // the containers of this stack
}

// CodeBackup is the component.
type CodeBackup struct {
	pulumi.ResourceState

	ClientID pulumi.StringOutput
	Trust    pulumi.Resource // the credential made for GitHub
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	if a.Repository == "" || a.Branch == "" {
		p.Addf("repository", "repository and branch are needed")
	}
	if len(a.Containers) < 2 {
		p.Addf("containers", "the code must be in both regions, not in %d", len(a.Containers))
	}
	if a.Identities == nil {
		p.Addf("identities", "are missing")
	}
	return p.Err()
}

// New trusts the repository's branch and grants both containers.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*CodeBackup, error) {
	c := &CodeBackup{}
	if err := infra.Begin(ctx, c, "CodeBackup", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	id, err := args.Identities.Get(Identity)
	if err != nil {
		return nil, err
	}
	c.Trust, err = args.Identities.Federate(ctx, &identity.Federation{
		Identity: Identity, Name: "github", Issuer: pulumi.String(gitHubIssuer),
		Subject: fmt.Sprintf("repo:%s:ref:refs/heads/%s", args.Repository, args.Branch),
	})
	if err != nil {
		return nil, err
	}
	for region, container := range args.Containers {
		_, err := args.Identities.Grant(ctx, &identity.Grant{
			Identity: Identity, Role: identity.BlobContributor, On: "code-" + region, Scope: pulumi.String(container),
		}, args.After...)
		if err != nil {
			return nil, err
		}
	}
	c.ClientID = id.ClientID
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"clientId": c.ClientID})
}
