package azuresim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lifeboat/infra/azure"
)

// View is the cloud as a kind's functions see it, while it is locked for them.
type View struct{ c *Cloud }

// Get returns the resource with the id, or nil. What it returns may be changed.
func (v *View) Get(id string) *Resource { return v.c.live[strings.ToLower(id)] }

// Put adds a resource that another one brings along, e.g. a cluster's node group.
func (v *View) Put(r *Resource) { v.c.live[strings.ToLower(r.ID)] = r }

// Find returns the resources of a kind, in order of id.
func (v *View) Find(token string) []*Resource {
	var found []*Resource
	for _, id := range slices.Sorted(maps.Keys(v.c.live)) {
		if r := v.c.live[id]; r.Type == token {
			found = append(found, r)
		}
	}
	return found
}

// exists reports whether an id is of something that is there.
func (c *Cloud) exists(id string) bool {
	id = strings.TrimSuffix(id, "/")
	if _, ok := c.live[strings.ToLower(id)]; ok || builtIn.MatchString(id) {
		return true
	}
	return implicit.MatchString(id) && c.exists(parentID(id))
}

// regionOf is the region of a resource: its own, or that of what it lies in; and of its
// resource group, without whose region the control plane does not answer.
func (c *Cloud) regionOf(id string, p Props) []azure.Region {
	var regions []azure.Region
	if r := location(p["location"]); r != "" && r != "global" {
		regions = append(regions, r)
	}
	for at := parentID(id); at != ""; at = parentID(at) {
		if r, ok := c.live[strings.ToLower(at)]; ok && r.Region != "" && !slices.Contains(regions, r.Region) {
			regions = append(regions, r.Region)
		}
	}
	return regions
}

func first(regions []azure.Region) azure.Region {
	if len(regions) == 0 {
		return "global"
	}
	return regions[0]
}

// create makes a resource. With a TimedOut effect it returns the resource and the error.
func (c *Cloud) create(k *Kind, subscription string, inputs Props) (*Resource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := k.identity(subscription, inputs)
	if err != nil {
		return nil, err
	}
	regions := c.regionOf(id, inputs)
	effect := c.fault(Create, k.Token, regions...)
	if effect != "" && effect != TimedOut && effect != Lost {
		return nil, effect.error(first(regions))
	}
	r := &Resource{ID: id, Type: k.Token, Region: first(regions), Inputs: deepCopy(inputs).(Props), Outputs: Props{}}
	if err := c.admit(k, r); err != nil {
		return nil, err
	}
	c.live[strings.ToLower(id)] = r
	if err := c.settle(k, r); err != nil {
		delete(c.live, strings.ToLower(id))
		return nil, err
	}
	if effect == Lost {
		return nil, effect.error(r.Region)
	}
	return r.clone(), effect.error(r.Region)
}

// admit checks everything that Azure checks before it makes a resource.
func (c *Cloud) admit(k *Kind, r *Resource) error {
	low := strings.ToLower(r.ID)
	if _, taken := c.live[low]; taken && !k.Singleton {
		return fmt.Errorf("cannot create already existing resource '%s'", r.ID)
	}
	if parent := parentID(r.ID); !c.exists(parent) {
		return refuse(404, "ParentResourceNotFound", "%s: its parent %s does not exist", r.ID, parent)
	}
	if err := c.references(r); err != nil {
		return err
	}
	name := r.ID[strings.LastIndexByte(r.ID, '/')+1:]
	if k.SoftDelete {
		if _, kept := c.deleted[low]; kept {
			return refuse(409, "ConflictError", "%s was deleted and can be recovered; its name is taken until it is purged", name)
		}
	}
	if k.Unique {
		for _, other := range c.live {
			if other.Type == k.Token && strings.EqualFold(other.ID[strings.LastIndexByte(other.ID, '/')+1:], name) && other.ID != r.ID {
				return refuse(409, "NameNotAvailable", "the name %s is taken in Azure", name)
			}
		}
	}
	return c.afford(k, r)
}

// references refuses inputs that point at what is not there.
func (c *Cloud) references(r *Resource) error {
	var missing error
	walk(r.Inputs, func(v string) {
		if strings.HasPrefix(v, "/subscriptions/") && !c.exists(v) && !strings.EqualFold(v, r.ID) && missing == nil {
			missing = refuse(404, "ResourceNotFound", "%s refers to %s, which does not exist", r.ID, v)
		}
	})
	return missing
}

// walk calls f with every text in v.
func walk(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case Props:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			walk(v[k], f)
		}
	case []any:
		for _, x := range v {
			walk(x, f)
		}
	}
}

// afford checks that the region can make it.
func (c *Cloud) afford(k *Kind, r *Resource) error {
	if r.Region != "global" && !r.Region.Known() {
		return refuse(400, "LocationNotAvailableForResourceType", "%s: no region %q", r.ID, r.Region)
	}
	if k.Demand == nil {
		return nil
	}
	need, q := k.Demand(r.Inputs), c.quotas[r.Region]
	if need.Zones && !r.Region.Zones() {
		return refuse(400, "AvailabilityZoneNotSupported", "%s: %s has no availability zones, which %s asks for", r.ID, r.Region, need.Reason)
	}
	for _, size := range need.Sizes {
		if slices.Contains(q.Unsold, size) {
			return refuse(400, "SkuNotAvailable", "%s: size %s is not available in %s", r.ID, size, r.Region)
		}
	}
	used, cores := c.used(r)
	for _, family := range slices.Sorted(maps.Keys(need.VCPUs)) {
		if limit, ok := q.VCPUs[family]; ok && used[family]+need.VCPUs[family] > limit {
			return refuse(409, "QuotaExceeded", "%s: %s in %s: %d vCPUs used, %d more asked, limit %d", r.ID, family, r.Region, used[family], need.VCPUs[family], limit)
		}
	}
	if q.VCores > 0 && cores+need.DTUs > q.VCores {
		return refuse(409, "SubscriptionQuotaExceeded", "%s: SQL vCores in %s: %d used, %d more asked, limit %d", r.ID, r.Region, cores, need.DTUs, q.VCores)
	}
	return nil
}

// used sums what the others in the region take.
func (c *Cloud) used(r *Resource) (vcpus map[string]int, cores int) {
	vcpus = make(map[string]int)
	for _, other := range c.live {
		k := c.kinds[other.Type]
		if other.ID == r.ID || other.Region != r.Region || k == nil || k.Demand == nil {
			continue
		}
		d := k.Demand(other.Inputs)
		for family, n := range d.VCPUs {
			vcpus[family] += n
		}
		cores += d.DTUs
	}
	return vcpus, cores
}

// settle runs a kind's effects and computes its outputs.
func (c *Cloud) settle(k *Kind, r *Resource) error {
	v := &View{c}
	if k.Apply != nil {
		if err := k.Apply(v, r); err != nil {
			return err
		}
	}
	r.Outputs["id"], r.Outputs["name"] = r.ID, r.ID[strings.LastIndexByte(r.ID, '/')+1:]
	if k.Compute != nil {
		maps.Copy(r.Outputs, k.Compute(v, r))
	}
	return nil
}

// read returns a resource as it is now, or nil when it is gone.
func (c *Cloud) read(kind, id string) (*Resource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	regions := c.regionOf(id, nil)
	r, ok := c.live[strings.ToLower(id)]
	if ok {
		regions = append([]azure.Region{r.Region}, regions...)
	}
	if effect := c.fault(Read, kind, regions...); effect != "" {
		return nil, effect.error(first(regions))
	}
	if !ok {
		return nil, nil
	}
	return r.clone(), nil
}

// update changes a resource in place.
func (c *Cloud) update(k *Kind, id string, inputs Props) (*Resource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.live[strings.ToLower(id)]
	if !ok {
		return nil, refuse(404, "ResourceNotFound", "%s does not exist", id)
	}
	regions := append([]azure.Region{old.Region}, c.regionOf(id, nil)...)
	effect := c.fault(Update, k.Token, regions...)
	if effect != "" && effect != TimedOut && effect != Lost {
		return nil, effect.error(old.Region)
	}
	r := old.clone()
	r.Inputs = deepCopy(inputs).(Props)
	if err := c.references(r); err != nil {
		return nil, err
	}
	if err := c.afford(k, r); err != nil {
		return nil, err
	}
	if err := c.settle(k, r); err != nil {
		return nil, err
	}
	c.live[strings.ToLower(id)] = r
	return r.clone(), effect.error(r.Region)
}

// remove deletes a resource and what lies in it. Deleting what is gone is no error.
func (c *Cloud) remove(k *Kind, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.live[strings.ToLower(id)]
	if !ok {
		return nil
	}
	regions := append([]azure.Region{r.Region}, c.regionOf(id, nil)...)
	effect := c.fault(Delete, k.Token, regions...)
	if effect != "" && effect != TimedOut && effect != Lost {
		return effect.error(r.Region)
	}
	if err := c.release(k, r); err != nil {
		return err
	}
	c.drop(id)
	if k.SoftDelete {
		c.deleted[strings.ToLower(id)] = r
	}
	return effect.error(r.Region)
}

// lockKind is the kind whose resources forbid the deletion of their scope.
const lockKind = "authorization:ManagementLockByScope"

// release checks that nothing holds a resource: no lock on it, above it or below it,
// and, for kinds that can be in use, no one who refers to it.
func (c *Cloud) release(k *Kind, r *Resource) error {
	low := strings.ToLower(r.ID)
	for _, id := range slices.Sorted(maps.Keys(c.live)) {
		other := c.live[id]
		if other.Type == lockKind && id != low {
			scope := strings.ToLower(parentID(other.ID))
			if low == scope || strings.HasPrefix(low, scope+"/") || strings.HasPrefix(scope, low+"/") {
				return refuse(409, "ScopeLocked", "%s cannot be deleted: %s is locked by %s", r.ID, parentID(other.ID), other.ID)
			}
		}
		if k.InUse && id != low && !strings.HasPrefix(id, low+"/") {
			used := false
			walk(other.Inputs, func(v string) { used = used || strings.EqualFold(v, r.ID) })
			if used {
				return refuse(400, "InUseCannotBeDeleted", "%s is in use by %s", r.ID, other.ID)
			}
		}
	}
	return nil
}
