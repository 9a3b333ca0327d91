package azuresim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"lifeboat/infra/azure"
)

// Props are the plain properties of a resource.
type Props = map[string]any

// Kind is what the stand-in knows of one type of Azure resource.
type Kind struct {
	// Token is the type without the provider and the API version: "storage:StorageAccount".
	Token  string
	Schema *Schema
	// ID is the template of the resource's id; {property} stands for an input, {subscription}
	// for the provider's. The last property in it is the resource's own name.
	ID string
	// Name is what the own name must match, and says so in words.
	Name     *regexp.Regexp
	NameRule string
	// Unique names are taken for all of Azure, as host names are.
	Unique bool
	// Exclusive inputs force a replacement; those of ID and the location always do.
	Replaces []string
	// Required lists and maps, which the types do not tell.
	Required []string
	// Singleton resources exist with their parent: they are set, and reset, not made.
	Singleton bool
	// InUse resources cannot be deleted while another refers to them.
	InUse bool
	// SoftDelete keeps the name of a deleted resource taken.
	SoftDelete bool
	// Check refuses inputs that Azure would, beyond schema and name.
	Check func(Props) []Failure
	// Demand says what a region must have to make it.
	Demand func(Props) Demand
	// Compute gives the outputs that Azure computes.
	Compute func(*View, *Resource) Props
	// Apply has effects on others, or refuses; it runs at create and at update.
	Apply func(*View, *Resource) error
}

// Demand is what a resource needs of its region.
type Demand struct {
	Zones  bool           // availability zones
	Sizes  []string       // sizes that the region must sell
	VCPUs  map[string]int // quota family to vCPUs
	DTUs   int            // vCores of SQL
	Reason string         // what asks for it, for the error
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// nameProperty is the input that is the resource's own name.
func (k *Kind) nameProperty() string {
	all := placeholder.FindAllStringSubmatch(k.ID, -1)
	return all[len(all)-1][1]
}

// identity is the resource's id, or an error that names the input that is missing.
func (k *Kind) identity(subscription string, p Props) (string, error) {
	var missing error
	id := placeholder.ReplaceAllStringFunc(k.ID, func(m string) string {
		name := m[1 : len(m)-1]
		if name == "subscription" {
			return subscription
		}
		v, _ := p[name].(string)
		if v == "" {
			missing = fmt.Errorf("%s: input %s is missing", k.Token, name)
		}
		return strings.TrimSuffix(v, "/")
	})
	return id, missing
}

// replaces reports whether a change of the input at path makes another resource.
func (k *Kind) replaces(path string) bool {
	root, _, _ := strings.Cut(path, ".")
	root, _, _ = strings.Cut(root, "[")
	if root == "location" || slices.ContainsFunc(placeholder.FindAllStringSubmatch(k.ID, -1), func(m []string) bool { return m[1] == root }) {
		return true
	}
	return slices.ContainsFunc(k.Replaces, func(r string) bool {
		return path == r || strings.HasPrefix(path, r+".") || strings.HasPrefix(path, r+"[")
	})
}

// parentID is the id of the resource that the id lies in: the resource above it, the
// resource group, or for a scoped resource (a lock, a role) its scope.
func parentID(id string) string {
	parts := strings.Split(id, "/")
	if len(parts) < 3 {
		return ""
	}
	parts = parts[:len(parts)-2]
	if n := len(parts); n >= 2 && strings.EqualFold(parts[n-2], "providers") {
		parts = parts[:n-2]
	}
	return strings.Join(parts, "/")
}

// implicit are resources that exist with their parent.
var implicit = regexp.MustCompile(`(?i)/(blobServices/default|databases/master)$`)

// builtIn are ids that Azure itself keeps.
var builtIn = regexp.MustCompile(`(?i)^/subscriptions/[^/]+(/providers/Microsoft\.Authorization/roleDefinitions/[0-9a-f-]{36})?$`)

// location brings a region to the resource manager's spelling.
func location(v any) azure.Region {
	s, _ := v.(string)
	return azure.Region(strings.ToLower(strings.ReplaceAll(s, " ", "")))
}
