package infra

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra/azure"
)

// Scope is where a component is made and what it is called.
type Scope struct {
	Names   azure.Names
	Region  azure.Region
	Tags    map[string]string
	Group   pulumi.StringInput // name of the resource group; it orders the component after it
	Protect bool               // refuse to delete what holds data
}

// Location is the scope's region as an input.
func (s Scope) Location() pulumi.String { return pulumi.String(s.Region) }

// TagMap is the scope's tags as an input.
func (s Scope) TagMap() pulumi.StringMap { return pulumi.ToStringMap(s.Tags) }

// Check notes what a scope lacks.
func (s Scope) Check(p *azure.Problems) {
	p.Check("region", azure.CheckRegion(s.Region))
	if s.Names.Org == "" || s.Names.Part == "" || s.Names.Subscription == "" {
		p.Addf("names", "incomplete: %+v", s.Names)
	}
	if s.Group == nil {
		p.Addf("group", "is missing")
	}
}

// Begin checks the arguments of a component and registers it; err lists every problem.
func Begin(ctx *pulumi.Context, c pulumi.ComponentResource, kind, name string, problems error, opts []pulumi.ResourceOption) error {
	if problems != nil {
		return fmt.Errorf("%s %s: %w", kind, name, problems)
	}
	if err := ctx.RegisterComponentResource("lifeboat:infra:"+kind, name, c, opts...); err != nil {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	return nil
}

// Data are the options of a child whose loss would lose data: never deleted while the
// scope says so, and never replaced by a twin of the same fixed name.
func (s Scope) Data(parent pulumi.Resource) []pulumi.ResourceOption {
	return []pulumi.ResourceOption{pulumi.Parent(parent), pulumi.Protect(s.Protect), pulumi.DeleteBeforeReplace(true)}
}

// Child are the options of any other child.
func Child(parent pulumi.Resource) []pulumi.ResourceOption {
	return []pulumi.ResourceOption{pulumi.Parent(parent), pulumi.DeleteBeforeReplace(true)}
}
