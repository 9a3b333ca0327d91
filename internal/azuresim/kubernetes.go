package azuresim

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// ObjectKind is what the stand-in knows of one type of Kubernetes object.
type ObjectKind struct {
	Type       string // e.g. "kubernetes:apps/v1:Deployment"
	Schema     *Schema
	Namespaced bool
	Immutable  []string // paths that the API server does not let change
	Check      func(Props) []Failure
	// Pods gives the pod template that the object makes pods from, for the namespace's
	// pod security to judge.
	Pods func(Props) Props
}

// kubernetesProvider serves "kubernetes".
type kubernetesProvider struct {
	base

	cloud *Cloud
	mu    sync.Mutex
	host  string // of the cluster's API server, from the kubeconfig
}

var serverLine = regexp.MustCompile(`server: https://(\S+)`)

// kubeconfig is what a user of the cluster gets.
func kubeconfig(cluster *Resource) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters:\n- name: %s\n  cluster:\n    server: https://%s:443\n", cluster.Outputs["name"], cluster.Outputs["privateFQDN"])
}

// Configure remembers which cluster the kubeconfig is of.
func (k *kubernetesProvider) Configure(_ context.Context, q *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	//lint:ignore SA1019 the engine still sends it, and the pinned providers read it
	config := q.GetVariables()["kubernetes:config:kubeconfig"]
	if m := serverLine.FindStringSubmatch(config); m != nil {
		k.mu.Lock()
		k.host = strings.TrimSuffix(m[1], ":443")
		k.mu.Unlock()
	}
	return &pulumirpc.ConfigureResponse{SupportsPreview: true, AcceptResources: true}, nil
}

// cluster finds the configured cluster, or says that it cannot be reached.
func (k *kubernetesProvider) cluster() (*Resource, error) {
	k.mu.Lock()
	host := k.host
	k.mu.Unlock()
	for _, r := range k.cloud.Resources() {
		if r.Type == "containerservice:ManagedCluster" && host != "" && r.Outputs["privateFQDN"] == host {
			return &r, nil
		}
	}
	return nil, status.Errorf(codes.Unavailable, "configured Kubernetes cluster is unreachable: no such host %q", host)
}

func (k *kubernetesProvider) kind(urn string) (*ObjectKind, error) {
	t := string(resource.URN(urn).Type())
	o, ok := k.cloud.objects[t]
	if !ok {
		return nil, status.Errorf(codes.Unimplemented, "the stand-in cluster does not know %s: describe it in azuresim/kinds", t)
	}
	return o, nil
}

// objectName is what names may be (RFC 1123 subdomain).
var objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// Check refuses what the API server would.
func (k *kubernetesProvider) Check(_ context.Context, q *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	o, err := k.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := properties(q.GetNews())
	if err != nil {
		return nil, err
	}
	failures := o.Schema.Check(news)
	if !news.ContainsUnknowns() {
		p := news.Mappable()
		if name := text(p, "metadata.name"); !objectName.MatchString(name) {
			failures = append(failures, Failure{"metadata.name", fmt.Sprintf("%q is not a DNS name", name)})
		}
		if o.Namespaced && text(p, "metadata.namespace") == "" {
			failures = append(failures, Failure{"metadata.namespace", "is missing: the object would land in the default namespace"})
		}
		if o.Check != nil {
			failures = append(failures, o.Check(p)...)
		}
	}
	inputs, err := plugin.MarshalProperties(news, plugin.MarshalOptions{KeepUnknowns: true})
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failed(failures)}, nil
}

// Diff replaces an object whose name, namespace or immutable part changed.
func (k *kubernetesProvider) Diff(_ context.Context, q *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	o, err := k.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	return diff(q, func(path string) bool {
		for _, fixed := range append([]string{"metadata.name", "metadata.namespace"}, o.Immutable...) {
			if path == fixed || strings.HasPrefix(path, fixed+".") {
				return true
			}
		}
		return false
	})
}

// Create makes the object in the configured cluster.
func (k *kubernetesProvider) Create(_ context.Context, q *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	o, err := k.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	if q.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: q.GetProperties()}, nil
	}
	inputs, err := plainProps(q.GetProperties())
	if err != nil {
		return nil, err
	}
	cluster, err := k.cluster()
	if err != nil {
		return nil, err
	}
	r, err := k.cloud.createObject(o, cluster, inputs)
	if err != nil {
		return nil, answer(err)
	}
	state, err := r.state()
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: shortID(inputs), Properties: state}, nil
}

// Read returns the object as it is.
func (k *kubernetesProvider) Read(_ context.Context, q *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	o, err := k.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	cluster, err := k.cluster()
	if err != nil {
		return nil, err
	}
	r, err := k.cloud.read(o.Type, objectID(o, cluster, q.GetId()))
	if err != nil {
		return nil, answer(err)
	}
	out, err := readResponse(r)
	if err == nil && r != nil {
		out.Id = q.GetId()
	}
	return out, err
}

// Update changes the object in place.
func (k *kubernetesProvider) Update(_ context.Context, q *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	o, err := k.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	if q.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: q.GetNews()}, nil
	}
	inputs, err := plainProps(q.GetNews())
	if err != nil {
		return nil, err
	}
	cluster, err := k.cluster()
	if err != nil {
		return nil, err
	}
	r, err := k.cloud.update(o.kind(), objectID(o, cluster, q.GetId()), inputs)
	if err != nil {
		return nil, answer(err)
	}
	state, err := r.state()
	if err != nil {
		return nil, err
	}
	return &pulumirpc.UpdateResponse{Properties: state}, nil
}

// Delete removes the object.
func (k *kubernetesProvider) Delete(_ context.Context, q *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	o, err := k.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	cluster, err := k.cluster()
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, answer(k.cloud.remove(o.kind(), objectID(o, cluster, q.GetId())))
}

// kind is the object's kind as the cloud's operations need it.
func (o *ObjectKind) kind() *Kind { return &Kind{Token: o.Type} }

// shortID is the engine's id of an object: namespace/name, or name.
func shortID(p Props) string {
	name := text(p, "metadata.name")
	if space := text(p, "metadata.namespace"); space != "" {
		return space + "/" + name
	}
	return name
}

// objectID is where an object is kept: below its cluster, so that it goes with it.
func objectID(o *ObjectKind, cluster *Resource, short string) string {
	return cluster.ID + "/objects/" + strings.TrimPrefix(o.Type, "kubernetes:") + "/" + short
}

// text returns the text at a dotted path, or "".
func text(p Props, path string) string {
	s, _ := lookup(p, path).(string)
	return s
}

// lookup returns the value at a dotted path, or nil.
func lookup(p Props, path string) any {
	var at any = p
	for name := range strings.SplitSeq(path, ".") {
		m, ok := at.(Props)
		if !ok {
			return nil
		}
		at = m[name]
	}
	return at
}
