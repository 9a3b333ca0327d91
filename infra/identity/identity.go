// Package identity makes the user-assigned identities of a region and grants them the
// least that their work needs. There is no password, key or secret anywhere: a pod is
// its service account, its service account is an identity, and the identity has roles.
package identity

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	authorization "github.com/pulumi/pulumi-azure-native-sdk/authorization/v2/v20220401"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
	"lifeboat/infra/native"
)

// Role is a built-in role of Azure.
type Role string

// The roles that are granted anywhere, by the name Azure shows.
const (
	BlobContributor  Role = "Storage Blob Data Contributor"
	BlobReader       Role = "Storage Blob Data Reader"
	KeyUser          Role = "Key Vault Crypto User"
	SecretUser       Role = "Key Vault Secrets User"
	ImagePuller      Role = "AcrPull"
	NetworkUser      Role = "Network Contributor"
	IdentityOperator Role = "Managed Identity Operator"
	Reader           Role = "Reader"
)

// definitions are Azure's fixed ids of its built-in roles (docs, "built-in roles", 2025-09).
var definitions = map[Role]string{
	BlobContributor:  "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
	BlobReader:       "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
	KeyUser:          "12338af0-0e69-4776-bea7-57ae8d297424",
	SecretUser:       "4633458b-17de-408a-b874-0445c86b69e6",
	ImagePuller:      "7f951dda-4ed3-4680-a7ca-43fe172d538d",
	NetworkUser:      "4d97b98b-1d4f-4787-a291-c67834d212e7",
	IdentityOperator: "f1a07417-d97a-45cb-824c-7a7467783830",
	Reader:           "acdd72a7-3385-48ef-bd42-f606fba81ae7",
}

// Args name the identities to make.
type Args struct {
	Scope infra.Scope
	Names []string // e.g. "agent": short, unique
}

// Identities is the component.
type Identities struct {
	pulumi.ResourceState

	scope infra.Scope
	made  map[string]*native.UserAssignedIdentity
	lent  map[string]azure.Names // of those in made that another stack made: whose they are
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	if len(a.Names) == 0 {
		p.Addf("names", "no identity to make")
	}
	for i, name := range a.Names {
		if name == "" || slices.Contains(a.Names[:i], name) {
			p.Addf("names", "%q is empty or there twice", name)
		}
	}
	return p.Err()
}

// New makes the identities.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Identities, error) {
	ids := &Identities{scope: args.Scope, made: make(map[string]*native.UserAssignedIdentity), lent: make(map[string]azure.Names)}
	if err := infra.Begin(ctx, ids, "Identity", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	outputs := pulumi.Map{}
	for _, n := range args.Names {
		id, err := native.NewUserAssignedIdentity(ctx, name+"-"+n, &native.UserAssignedIdentityArgs{
			ResourceGroupName: args.Scope.Group,
			ResourceName:      pulumi.String(args.Scope.Names.Identity(n)),
			Location:          args.Scope.Location(),
			Tags:              args.Scope.TagMap(),
		}, infra.Child(ids)...)
		if err != nil {
			return nil, err
		}
		ids.made[n] = id
		outputs[n] = id.ClientID
	}
	return ids, ctx.RegisterResourceOutputs(ids, outputs)
}

// Borrow finds an identity that another stack made, to use it as one of these.
func (ids *Identities) Borrow(ctx *pulumi.Context, name string, from azure.Names) error {
	id, err := native.LookupUserAssignedIdentity(ctx, from.Group(), from.Identity(name))
	if err != nil {
		return err
	}
	ids.made[name], ids.lent[name] = id, from
	return nil
}

// Get returns an identity that New made or Borrow found; asking for another is an error of the program.
func (ids *Identities) Get(name string) (*native.UserAssignedIdentity, error) {
	id, ok := ids.made[name]
	if !ok {
		return nil, fmt.Errorf("identity %q was not made in %s", name, ids.scope.Names.Part)
	}
	return id, nil
}

// Grant gives an identity a role on exactly one resource.
type Grant struct {
	Identity string
	Role     Role
	On       string             // a short word for the resource, in the assignment's name
	Scope    pulumi.StringInput // its id
	Under    string             // of a store: only objects whose names begin so; "": all
}

// Grant makes the role assignment, once what it is on is there.
func (ids *Identities) Grant(ctx *pulumi.Context, g *Grant, after ...pulumi.Resource) (pulumi.Resource, error) {
	id, err := ids.Get(g.Identity)
	if err != nil {
		return nil, err
	}
	definition, ok := definitions[g.Role]
	if !ok {
		return nil, fmt.Errorf("grant %s on %s: no built-in role %q is known", g.Identity, g.On, g.Role)
	}
	name := fmt.Sprintf("%s-%s-%s", g.Identity, definition[:8], g.On)
	args := &authorization.RoleAssignmentArgs{
		RoleAssignmentName: pulumi.String(guid(ids.scope.Names, name)),
		PrincipalId:        id.PrincipalID,
		// Stating the type spares the look-up that fails while a new identity is still
		// spreading through the directory.
		PrincipalType:    pulumi.String("ServicePrincipal"),
		RoleDefinitionId: pulumi.String("/subscriptions/" + ids.scope.Names.Subscription + "/providers/Microsoft.Authorization/roleDefinitions/" + definition),
		Scope:            g.Scope,
		Description:      pulumi.Sprintf("%s: %s on %s", g.Identity, string(g.Role), g.On),
	}
	if g.Under != "" {
		args.Condition, args.ConditionVersion = pulumi.String(under(g.Under)), pulumi.String("2.0")
	}
	return authorization.NewRoleAssignment(ctx, name, args, append(infra.Child(ids), pulumi.DependsOn(after))...)
}

// under is Azure's condition that lets a role touch only blobs whose names begin with a
// prefix (docs, "role assignment conditions for Blob Storage").
func under(prefix string) string {
	const blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
	var others []string
	for _, action := range []string{"read", "write", "add/action", "delete", "deleteBlobVersion/action", "move/action", "filter/action", "tags/read", "tags/write", "immutableStorage/runAsSuperUser/action"} {
		others = append(others, "!(ActionMatches{'"+blobs+"/"+action+"'})")
	}
	return "((" + strings.Join(others, " AND ") + ") OR (@Resource[" + blobs + ":path] StringLike '" + prefix + "*'))"
}

// Federation lets the holder of a token of another issuer act as an identity.
type Federation struct {
	Identity string
	Name     string
	Issuer   pulumi.StringInput
	Subject  string
}

// Federate makes the credential. Azure changes one credential of an identity at a time;
// after are those that must be there first.
func (ids *Identities) Federate(ctx *pulumi.Context, f *Federation, after ...pulumi.Resource) (pulumi.Resource, error) {
	id, err := ids.Get(f.Identity)
	if err != nil {
		return nil, err
	}
	group, credential := ids.scope.Group, f.Name
	if owner, lent := ids.lent[f.Identity]; lent { // it has one for each stack that uses it
		group, credential = pulumi.String(owner.Group()), f.Name+"-"+ids.scope.Names.Part
	}
	return native.NewFederatedIdentityCredential(ctx, f.Identity+"-"+f.Name, &native.FederatedIdentityCredentialArgs{
		ResourceGroupName: group,
		ResourceName:      id.Name,
		CredentialName:    pulumi.String(credential),
		Issuer:            f.Issuer,
		Subject:           pulumi.String(f.Subject),
		Audiences:         pulumi.StringArray{pulumi.String("api://AzureADTokenExchange")},
	}, append(infra.Child(ids), pulumi.DependsOn(after))...)
}

// guid derives the GUID that Azure wants as an assignment's name from what the
// assignment is, so that running the program anywhere names it alike.
func guid(n azure.Names, what string) string {
	h := sha256.Sum256([]byte(n.Subscription + "/" + n.Group() + "/" + what))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80 // version 8, RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
