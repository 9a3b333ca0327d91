package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat/failover"
)

// Cloud answers questions about a region. It changes nothing. Safe for concurrent use.
type Cloud interface {
	// Free is how much of each quota is left, by its name: a family of virtual machines
	// such as "standardDDSv5Family", or "SQL vCores".
	Free(ctx context.Context, region string) (map[string]int64, error)
	// Sizes are the sizes of virtual machine that the subscription may use there.
	Sizes(ctx context.Context, region string) ([]string, error)
	// Identity tells the directory's id of an identity in a resource group, and its client id;
	// both "": there is none.
	Identity(ctx context.Context, group, identity string) (principal, client string, err error)
}

// Registry answers whether an image is there. ref is repository@sha256:…
type Registry interface {
	Has(ctx context.Context, ref string) (bool, error)
}

// Resolver answers how long resolvers may keep a public name's address.
type Resolver interface {
	TTL(ctx context.Context, host string) (time.Duration, error)
}

// Quotas asks whether the region has room for what a stack needs.
func Quotas(c Cloud, region string, need []failover.Quota) Probe {
	return Probe{
		Name: "quota in " + region,
		Fix:  "ask for more in the Azure portal (Subscriptions, Usage + quotas), or use smaller sizes in the stack's settings",
		Ask: func(ctx context.Context) (string, error) {
			if c == nil || len(need) == 0 {
				return "", Unasked("no cloud is configured to ask")
			}
			free, err := c.Free(ctx, region)
			if err != nil {
				return "", Unasked("quota of %s: %w", region, err)
			}
			var found []string
			var problems []error
			for _, q := range need {
				have, ok := free[q.Name]
				switch {
				case !ok:
					problems = append(problems, Unasked("%s does not tell how much of %s is left", region, q.Name))
				case have < q.Need:
					// What is known to be too little is never hidden behind what is not known.
					return "", fmt.Errorf("%d of %s are free, %d are needed", have, q.Name, q.Need)
				}
				found = append(found, fmt.Sprintf("%s: %d free, %d needed", q.Name, have, q.Need))
			}
			return strings.Join(found, "; "), errors.Join(problems...)
		},
	}
}

// Sizes asks whether the sizes of node can be had.
func Sizes(c Cloud, region string, want []string) Probe {
	return Probe{
		Name: "sizes in " + region,
		Fix:  "use other sizes in the stack's settings (cluster.system.size, cluster.user.size), or have the restriction lifted",
		Ask: func(ctx context.Context) (string, error) {
			if c == nil {
				return "", Unasked("no cloud is configured to ask")
			}
			have, err := c.Sizes(ctx, region)
			if err != nil {
				return "", Unasked("sizes in %s: %w", region, err)
			}
			for _, size := range want {
				if !slices.Contains(have, size) {
					return "", fmt.Errorf("%s cannot be had in %s", size, region)
				}
			}
			return strings.Join(want, ", "), nil
		},
	}
}

// Identity is one that a failover's pods will have, when it is made beforehand.
type Identity struct {
	Group, Name string // resource group and name; no Name: each failover makes its own
	Admins      string // Entra group that administers the database's server
}

// AgentIdentity asks whether the identity is there. Who is in the group of administrators
// only the directory could say, and it is not asked: a drill proves that.
func AgentIdentity(c Cloud, i Identity) Probe {
	return Probe{
		Name: "agent's identity",
		Fix: fmt.Sprintf("pulumi up on the standing mirror's stack makes it; then, once: az ad group member add --group %s --member-id \"$(az identity show --resource-group %s --name %s --query principalId --output tsv)\"",
			i.Admins, i.Group, i.Name),
		Ask: func(ctx context.Context) (string, error) {
			if i.Name == "" {
				return fmt.Sprintf("none is made beforehand (agent.standingIdentity): each failover waits, when its stack stands, until somebody makes its agent's identity a member of %s", i.Admins), nil
			}
			principal, _, err := i.in(ctx, c)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s is there; it has to be in %s: az ad group member check --group %s --member-id %s", i.Name, i.Admins, i.Admins, principal), nil
		},
	}
}

// in looks the identity up.
func (i Identity) in(ctx context.Context, c Cloud) (principal, client string, err error) {
	if c == nil {
		return "", "", Unasked("no cloud is configured to ask")
	}
	principal, client, err = c.Identity(ctx, i.Group, i.Name)
	switch {
	case err != nil:
		return "", "", Unasked("identity %s: %w", i.Name, err)
	case principal == "":
		return "", "", fmt.Errorf("there is no identity %s in %s, which agent.standingIdentity asks for: pulumi up on the standing mirror's stack makes it", i.Name, i.Group)
	}
	return principal, client, nil
}

// ApplicationLogin asks whether the database that a failover restores will know the
// application's identity. carried looks, by the client id, for the user that a restore from
// the mirror makes; its error says how to make it where there is none.
func ApplicationLogin(c Cloud, i Identity, carried func(ctx context.Context, client string) (string, error)) Probe {
	return Probe{
		Name: "application's login",
		Fix:  "run the statements once in the database that serves: the agent takes a new base then, and every restore from it makes the user too (docs/failover.md, The application's login)",
		Ask: func(ctx context.Context) (string, error) {
			if i.Name == "" {
				return "no identity is made beforehand (agent.standingIdentity): after each restore the application cannot sign in until somebody makes a user for its new identity (docs/failover.md, The application's login)", nil
			}
			_, client, err := i.in(ctx, c)
			if err != nil {
				return "", err
			}
			return carried(ctx, client)
		},
	}
}

// Images asks whether every image is in the registry by its digest.
func Images(r Registry, images []failover.Image) Probe {
	return Probe{
		Name: "images by digest",
		Fix:  "push the images to the registry in the DR region, and pin their digests in the stack's settings",
		Ask: func(ctx context.Context) (string, error) {
			if r == nil || len(images) == 0 {
				return "", Unasked("no registry is configured to ask")
			}
			var unasked []error
			for _, i := range images {
				ok, err := r.Has(ctx, i.Ref)
				switch {
				case err != nil:
					unasked = append(unasked, Unasked("%s: %w", i.Ref, err))
				case !ok:
					return "", fmt.Errorf("the registry does not have %s (%s)", i.Ref, i.Name)
				}
			}
			return fmt.Sprintf("%d are there", len(images)), errors.Join(unasked...)
		},
	}
}

// TTL asks whether a moved name would be followed soon enough.
func TTL(r Resolver, host string, most time.Duration) Probe {
	return Probe{
		Name: "time to live of the public name",
		Fix:  "set edge.ttl in the stack's settings and run pulumi up on the hub",
		Ask: func(ctx context.Context) (string, error) {
			if r == nil || host == "" {
				return "", Unasked("no public name is configured: set failover.edge_host")
			}
			ttl, err := r.TTL(ctx, host)
			if err != nil {
				return "", Unasked("%s: %w", host, err)
			}
			if ttl > most {
				return "", fmt.Errorf("resolvers keep %s for %s, longer than %s", host, ttl, most)
			}
			return fmt.Sprintf("%s: %s", host, ttl), nil
		},
	}
}
