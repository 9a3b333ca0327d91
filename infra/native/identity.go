package native

import (
	"fmt"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// UserAssignedIdentity is an identity that outlives the thing that uses it.
type UserAssignedIdentity struct {
	pulumi.CustomResourceState

	Name        pulumi.StringOutput `pulumi:"name"`
	ClientID    pulumi.StringOutput `pulumi:"clientId"`
	PrincipalID pulumi.StringOutput `pulumi:"principalId"`
	TenantID    pulumi.StringOutput `pulumi:"tenantId"`
}

// UserAssignedIdentityArgs are its inputs (API 2023-01-31).
type UserAssignedIdentityArgs struct {
	ResourceGroupName pulumi.StringInput    `pulumi:"resourceGroupName" need:"yes"`
	ResourceName      pulumi.StringInput    `pulumi:"resourceName"`
	Location          pulumi.StringInput    `pulumi:"location"`
	Tags              pulumi.StringMapInput `pulumi:"tags"`
}

// ElementType tells the engine the resolved form.
func (UserAssignedIdentityArgs) ElementType() reflect.Type {
	return plain(reflect.TypeFor[UserAssignedIdentityArgs]())
}

// NewUserAssignedIdentity registers an identity.
func NewUserAssignedIdentity(ctx *pulumi.Context, name string, args *UserAssignedIdentityArgs, opts ...pulumi.ResourceOption) (*UserAssignedIdentity, error) {
	var r UserAssignedIdentity
	return &r, register(ctx, "managedidentity:UserAssignedIdentity", name, args, &r, opts)
}

// LookupUserAssignedIdentity finds an identity that another stack made. It has no id here:
// this stack must not change it.
func LookupUserAssignedIdentity(ctx *pulumi.Context, group, name string) (*UserAssignedIdentity, error) {
	args := &struct {
		Group string `pulumi:"resourceGroupName"`
		Name  string `pulumi:"resourceName"`
	}{group, name}
	var answer struct {
		Client    string `pulumi:"clientId"`
		Principal string `pulumi:"principalId"`
		Tenant    string `pulumi:"tenantId"`
	}
	if err := ctx.Invoke("azure-native:managedidentity:getUserAssignedIdentity", args, &answer, pulumi.Version(Version)); err != nil {
		return nil, fmt.Errorf("look for the identity %s in %s: %w", name, group, err)
	}
	text := func(s string) pulumi.StringOutput { return pulumi.String(s).ToStringOutput() }
	return &UserAssignedIdentity{Name: text(name), ClientID: text(answer.Client), PrincipalID: text(answer.Principal), TenantID: text(answer.Tenant)}, nil
}

// FederatedIdentityCredential lets a token of another issuer act as an identity.
type FederatedIdentityCredential struct {
	pulumi.CustomResourceState

	Name pulumi.StringOutput `pulumi:"name"`
}

// FederatedIdentityCredentialArgs are its inputs (API 2023-01-31).
type FederatedIdentityCredentialArgs struct {
	ResourceGroupName pulumi.StringInput      `pulumi:"resourceGroupName" need:"yes"`
	ResourceName      pulumi.StringInput      `pulumi:"resourceName" need:"yes"` // the identity's name
	CredentialName    pulumi.StringInput      `pulumi:"federatedIdentityCredentialResourceName"`
	Issuer            pulumi.StringInput      `pulumi:"issuer" need:"yes"`
	Subject           pulumi.StringInput      `pulumi:"subject" need:"yes"`
	Audiences         pulumi.StringArrayInput `pulumi:"audiences" need:"yes"`
}

// ElementType tells the engine the resolved form.
func (FederatedIdentityCredentialArgs) ElementType() reflect.Type {
	return plain(reflect.TypeFor[FederatedIdentityCredentialArgs]())
}

// NewFederatedIdentityCredential registers a credential.
func NewFederatedIdentityCredential(ctx *pulumi.Context, name string, args *FederatedIdentityCredentialArgs, opts ...pulumi.ResourceOption) (*FederatedIdentityCredential, error) {
	var r FederatedIdentityCredential
	return &r, register(ctx, "managedidentity:FederatedIdentityCredential", name, args, &r, opts)
}
