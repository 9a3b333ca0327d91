package azuresim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"lifeboat/infra/azure"
)

// Options describe a cloud.
type Options struct {
	Kinds   []Kind
	Objects []ObjectKind // of Kubernetes
	// Quotas limit regions; a region that is not named has plenty.
	Quotas map[azure.Region]Quota
}

// Quota is what one region has to give.
type Quota struct {
	VCPUs  map[string]int // family to vCPUs; a family that is not named has plenty
	VCores int            // of SQL; 0 is plenty
	// Unsold sizes are not offered in the region.
	Unsold []string
}

// Resource is one thing in the cloud.
type Resource struct {
	ID      string
	Type    string // the kind's token, or "Kind.apiVersion" of a Kubernetes object
	Region  azure.Region
	Inputs  Props
	Outputs Props // what Azure computed, beside the inputs
}

// Cloud is the simulated cloud. It is safe for concurrent use.
type Cloud struct {
	kinds   map[string]*Kind
	objects map[string]*ObjectKind

	mu      sync.Mutex
	quotas  map[azure.Region]Quota
	live    map[string]*Resource // by lower-case id
	deleted map[string]*Resource // soft-deleted
	faults  []*Fault
	calls   map[Verb]int
}

// New makes an empty cloud.
func New(o Options) *Cloud {
	c := &Cloud{
		kinds: make(map[string]*Kind), objects: make(map[string]*ObjectKind), quotas: maps.Clone(o.Quotas),
		live: make(map[string]*Resource), deleted: make(map[string]*Resource), calls: make(map[Verb]int),
	}
	for _, k := range o.Kinds {
		c.kinds[k.Token] = &k
	}
	for _, k := range o.Objects {
		c.objects[k.Type] = &k
	}
	if c.quotas == nil {
		c.quotas = make(map[azure.Region]Quota)
	}
	return c
}

// Resources lists what exists, in order of id: what is left after a destroy.
func (c *Cloud) Resources() []Resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	return list(c.live)
}

// SoftDeleted lists what was deleted and still holds its name.
func (c *Cloud) SoftDeleted() []Resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	return list(c.deleted)
}

func list(m map[string]*Resource) []Resource {
	all := make([]Resource, 0, len(m))
	for _, r := range m {
		all = append(all, *r.clone())
	}
	slices.SortFunc(all, func(a, b Resource) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// IDs lists the ids of what exists, in order.
func (c *Cloud) IDs() []string {
	all := c.Resources()
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	return ids
}

// Left lists the ids that exist and are not among those before: what a teardown forgot.
func (c *Cloud) Left(before []string) []string {
	return slices.DeleteFunc(c.IDs(), func(id string) bool { return slices.Contains(before, id) })
}

// Calls counts the calls of a verb that reached the cloud.
func (c *Cloud) Calls(v Verb) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[v]
}

// SetQuota changes what a region has to give.
func (c *Cloud) SetQuota(r azure.Region, q Quota) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quotas[r] = q
}

// Drift changes a property behind the engine's back, as a person in the portal would.
// It reports whether the resource and the property's parents were there.
func (c *Cloud) Drift(id, path string, value any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.live[strings.ToLower(id)]
	if !ok {
		return false
	}
	at := r.Inputs
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		next, ok := at[name].(Props)
		if !ok {
			return false
		}
		at = next
	}
	at[names[len(names)-1]] = value
	return true
}

// Remove deletes a resource and what lies in it behind the engine's back.
func (c *Cloud) Remove(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(id)
}

// drop removes a resource and everything below it, as Azure does.
func (c *Cloud) drop(id string) {
	low := strings.ToLower(id)
	delete(c.live, low)
	for other := range c.live {
		if strings.HasPrefix(other, low+"/") {
			delete(c.live, other)
		}
	}
}

func (r *Resource) clone() *Resource {
	d := *r
	d.Inputs, d.Outputs = deepCopy(r.Inputs).(Props), deepCopy(r.Outputs).(Props)
	return &d
}

func deepCopy(v any) any {
	switch v := v.(type) {
	case Props:
		m := make(Props, len(v))
		for k, x := range v {
			m[k] = deepCopy(x)
		}
		return m
	case []any:
		items := make([]any, len(v))
		for i, x := range v {
			items[i] = deepCopy(x)
		}
		return items
	default:
		return v
	}
}
