// Package arm asks Azure Resource Manager about quota, sizes and identities, and what a resource group holds.
//
// It reads, and does so with the identity that is signed in (managed identity, workload
// identity, Azure CLI): the role Reader on the subscription suffices.
package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// SQLCores is the name that Free gives to the region's vCores of Azure SQL.
const SQLCores = "SQL vCores"

// Endpoint is Azure's public cloud.
const Endpoint = "https://management.azure.com"

// Versions of the interfaces that are asked.
const (
	computeUsages = "2024-07-01"
	computeSKUs   = "2021-07-01"
	sqlUsages     = "2023-08-01"
	groupItems    = "2024-11-01"
	identities    = "2023-01-31"
)

// maxPages bounds a listing that never ends.
const maxPages = 200

// Config says where and as whom to ask.
type Config struct {
	Subscription string
	Endpoint     string                 // Endpoint if empty
	Credential   azcore.TokenCredential // nil: who is signed in
	Transport    policy.Transporter     // nil: the usual one
}

// Client asks. Safe for concurrent use.
type Client struct {
	cfg  Config
	pipe runtime.Pipeline
}

// New makes a client. It makes no request.
func New(cfg Config) (*Client, error) {
	if cfg.Endpoint == "" {
		cfg.Endpoint = Endpoint
	}
	if cfg.Credential == nil {
		credential, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, fmt.Errorf("sign in to Azure: %w", err)
		}
		cfg.Credential = credential
	}
	bearer := runtime.NewBearerTokenPolicy(cfg.Credential, []string{cfg.Endpoint + "/.default"}, nil)
	pipe := runtime.NewPipeline("lifeboat", "", runtime.PipelineOptions{PerRetry: []policy.Policy{bearer}},
		&policy.ClientOptions{Transport: cfg.Transport})
	return &Client{cfg, pipe}, nil
}

// Free is how many vCPUs of each family, and vCores of SQL, are left in a region.
func (c *Client) Free(ctx context.Context, region string) (map[string]int64, error) {
	free := map[string]int64{}
	err := list(ctx, c, "providers/Microsoft.Compute/locations/"+region+"/usages", computeUsages, "", func(u struct {
		Limit, CurrentValue int64
		Name                struct{ Value string }
	}) {
		free[u.Name.Value] = u.Limit - u.CurrentValue
	})
	if err != nil {
		return nil, err
	}
	err = list(ctx, c, "providers/Microsoft.Sql/locations/"+region+"/usages", sqlUsages, "", func(u struct {
		Name       string
		Properties struct{ Limit, CurrentValue float64 }
	}) {
		if u.Name == "RegionalVCoreQuotaForSQLDBAndDW" {
			free[SQLCores] = int64(u.Properties.Limit - u.Properties.CurrentValue)
		}
	})
	return free, err
}

// Sizes are the sizes of virtual machine that the subscription may use in a region.
func (c *Client) Sizes(ctx context.Context, region string) ([]string, error) {
	var sizes []string
	err := list(ctx, c, "providers/Microsoft.Compute/skus", computeSKUs, "location eq '"+region+"'", func(s struct {
		ResourceType, Name string
		Restrictions       []struct{ Type string }
	}) {
		for _, r := range s.Restrictions {
			if r.Type == "Location" {
				return
			}
		}
		if s.ResourceType == "virtualMachines" {
			sizes = append(sizes, s.Name)
		}
	})
	slices.Sort(sizes)
	return sizes, err
}

// InGroups lists the resource groups that there are of those named, each followed by the
// resources in it, by id. What lies inside another resource, such as a database in its
// server, is not listed on its own.
func (c *Client) InGroups(ctx context.Context, groups ...string) ([]string, error) {
	var ids []string
	for _, name := range groups {
		path := "resourceGroups/" + url.PathEscape(name)
		var group struct{ ID string }
		err := c.get(ctx, c.address(path, url.Values{"api-version": {groupItems}}), &group)
		var refused *azcore.ResponseError
		if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound && refused.ErrorCode == "ResourceGroupNotFound" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for resource group %s: %w", name, err)
		}
		ids = append(ids, group.ID)
		var inside []string
		err = list(ctx, c, path+"/resources", groupItems, "", func(r struct{ ID string }) { inside = append(inside, r.ID) })
		if err != nil {
			return nil, err
		}
		slices.Sort(inside)
		ids = append(ids, inside...)
	}
	return ids, nil
}

// Identity tells the directory's id of a user-assigned identity, and its client id; both ""
// when there is none, or no such group.
func (c *Client) Identity(ctx context.Context, group, identity string) (principal, client string, err error) {
	path := "resourceGroups/" + url.PathEscape(group) + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + url.PathEscape(identity)
	var found struct {
		Properties struct{ PrincipalID, ClientID string }
	}
	err = c.get(ctx, c.address(path, url.Values{"api-version": {identities}}), &found)
	var refused *azcore.ResponseError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound && (refused.ErrorCode == "ResourceNotFound" || refused.ErrorCode == "ResourceGroupNotFound") {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("look for identity %s in %s: %w", identity, group, err)
	}
	p := found.Properties
	if p.PrincipalID == "" || p.ClientID == "" {
		return "", "", fmt.Errorf("look for identity %s in %s: the answer does not tell its principal and its client", identity, group)
	}
	return p.PrincipalID, p.ClientID, nil
}

// list visits every item of a listing under the subscription.
func list[T any](ctx context.Context, c *Client, path, version, filter string, visit func(T)) error {
	query := url.Values{"api-version": {version}}
	if filter != "" {
		query.Set("$filter", filter)
	}
	next, what := c.address(path, query), strings.TrimPrefix(path, "providers/")
	for range maxPages {
		var page struct {
			Value    []T
			NextLink string
		}
		if err := c.get(ctx, next, &page); err != nil {
			return fmt.Errorf("list %s: %w", what, err)
		}
		for _, item := range page.Value {
			visit(item)
		}
		if page.NextLink == "" {
			return nil
		}
		// The token goes to whoever is asked: never follow a link to another host.
		if !strings.HasPrefix(page.NextLink, c.cfg.Endpoint+"/") {
			return fmt.Errorf("list %s: it goes on at another host, %q", what, page.NextLink)
		}
		next = page.NextLink
	}
	return fmt.Errorf("list %s: it has over %d pages", what, maxPages)
}

// address is that of a path under the subscription.
func (c *Client) address(path string, query url.Values) string {
	return fmt.Sprintf("%s/subscriptions/%s/%s?%s", c.cfg.Endpoint, url.PathEscape(c.cfg.Subscription), path, query.Encode())
}

func (c *Client) get(ctx context.Context, address string, into any) error {
	request, err := runtime.NewRequest(ctx, http.MethodGet, address)
	if err != nil {
		return err
	}
	response, err := c.pipe.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if !runtime.HasStatusCode(response, http.StatusOK) {
		return runtime.NewResponseError(response)
	}
	body, err := runtime.Payload(response)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
