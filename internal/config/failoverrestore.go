package config

import (
	"fmt"
	"regexp"
)

// RestorePlace says where a run's restore happens.
type RestorePlace string

// The places.
const (
	AutoRestore    RestorePlace = "auto"
	LocalRestore   RestorePlace = "local"
	ClusterRestore RestorePlace = "cluster"
)

// FailoverRestore says where a run restores and, in a cluster, with what.
type FailoverRestore struct {
	Where      RestorePlace `yaml:"where,omitempty" doc:"Where a run restores, arms and tries the database: 'local', on the machine of the run; 'cluster', as Jobs in the new region's cluster; 'auto': in the cluster if the stack makes a database there, whose endpoint is private, and the pods can read the mirror without secrets of this machine."`
	Shards     int          `yaml:"shards,omitempty" doc:"Over how many pods at once the load is divided, by key ranges (up to 64). 0 and 1: one."`
	Kubeconfig string       `yaml:"kubeconfig,omitempty" doc:"File with the way to the cluster, its current context, instead of the stack's own: for a tunnel, or a cluster that no stack makes."`
	Namespace  string       `yaml:"namespace,omitempty" doc:"Namespace of the Jobs."`
	Account    string       `yaml:"account,omitempty" doc:"Service account of the pods: its identity reads the mirror and owns the new database."`
	Image      string       `yaml:"image,omitempty" doc:"Image of the pods, pinned; the stack's agent image when empty." example:"registry.example/lifeboat@sha256:…"`
	Scratch    Size         `yaml:"scratch,omitempty" doc:"Room on a node's disk that a pod may use."`
}

const maxShards = 64

var pinnedImage = regexp.MustCompile(`^\S+@sha256:[0-9a-f]{64}$`)

func (r FailoverRestore) problems() map[string]error {
	found := map[string]error{}
	switch r.Where {
	case AutoRestore, LocalRestore, ClusterRestore:
	default:
		found["where"] = fmt.Errorf("%q is none of %q, %q and %q", r.Where, AutoRestore, LocalRestore, ClusterRestore)
	}
	if r.Shards < 0 || r.Shards > maxShards {
		found["shards"] = fmt.Errorf("%d is outside 0 to %d", r.Shards, maxShards)
	}
	if r.Image != "" && !pinnedImage.MatchString(r.Image) {
		found["image"] = fmt.Errorf("%q is not pinned as NAME@sha256:…: a tag could be another image on the day", r.Image)
	}
	if r.Scratch < 0 {
		found["scratch"] = fmt.Errorf("is negative")
	}
	return found
}
