package azuresim

import (
	"fmt"
	"strings"
)

// createObject makes a Kubernetes object.
func (c *Cloud) createObject(o *ObjectKind, cluster *Resource, inputs Props) (*Resource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if effect := c.fault(Create, o.Type, cluster.Region); effect != "" {
		return nil, effect.error(cluster.Region)
	}
	short := shortID(inputs)
	r := &Resource{ID: objectID(o, cluster, short), Type: o.Type, Region: cluster.Region, Inputs: deepCopy(inputs).(Props), Outputs: Props{}}
	if _, taken := c.live[strings.ToLower(r.ID)]; taken {
		return nil, fmt.Errorf("%s %q already exists", o.Type, short)
	}
	space := text(inputs, "metadata.namespace")
	if o.Namespaced {
		id := strings.ToLower(cluster.ID + "/objects/core/v1:Namespace/" + space)
		namespace, ok := c.live[id]
		if !ok {
			return nil, fmt.Errorf("namespaces %q not found", space)
		}
		if o.Pods != nil {
			if err := c.judge(namespace, cluster, o.Pods(inputs), short); err != nil {
				return nil, err
			}
		}
	}
	c.live[strings.ToLower(r.ID)] = r
	return r.clone(), nil
}

// judge applies a namespace's pod security, and asks for what a pod refers to.
func (c *Cloud) judge(namespace, cluster *Resource, template Props, name string) error {
	labels, _ := lookup(namespace.Inputs, "metadata.labels").(Props)
	if labels["pod-security.kubernetes.io/enforce"] == "restricted" {
		if why := unrestricted(template); len(why) > 0 {
			return fmt.Errorf("pods of %q are forbidden: violates PodSecurity \"restricted\": %s", name, strings.Join(why, ", "))
		}
	}
	if account := text(template, "spec.serviceAccountName"); account != "" {
		id := strings.ToLower(cluster.ID + "/objects/core/v1:ServiceAccount/" + text(namespace.Inputs, "metadata.name") + "/" + account)
		if _, ok := c.live[id]; !ok {
			return fmt.Errorf("pods of %q are forbidden: error looking up service account %s: not found", name, account)
		}
	}
	return nil
}

// unrestricted lists what the restricted pod security standard forbids about a pod.
func unrestricted(template Props) []string {
	var why []string
	pod, _ := lookup(template, "spec.securityContext").(Props)
	containers, _ := lookup(template, "spec.containers").([]any)
	for _, item := range containers {
		c, _ := item.(Props)
		name, _ := c["name"].(string)
		own, _ := c["securityContext"].(Props)
		if own["allowPrivilegeEscalation"] != false {
			why = append(why, name+": allowPrivilegeEscalation != false")
		}
		if drop, _ := lookup(own, "capabilities.drop").([]any); len(drop) != 1 || drop[0] != "ALL" {
			why = append(why, name+": unrestricted capabilities")
		}
		if add, _ := lookup(own, "capabilities.add").([]any); len(add) > 1 || len(add) == 1 && add[0] != "NET_BIND_SERVICE" {
			why = append(why, name+": added capabilities")
		}
		if pod["runAsNonRoot"] != true && own["runAsNonRoot"] != true {
			why = append(why, name+": runAsNonRoot != true")
		}
		if seccomp := text(pod, "seccompProfile.type"); seccomp != "RuntimeDefault" && text(own, "seccompProfile.type") != "RuntimeDefault" {
			why = append(why, name+": seccompProfile")
		}
	}
	return why
}
