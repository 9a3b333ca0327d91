package azuresim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// base is what both providers answer alike.
type base struct {
	pulumirpc.UnimplementedResourceProviderServer

	version string
}

// Attach accepts the engine. There is no Handshake, so the engine asks Configure for what
// this provider can do.
func (base) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// GetPluginInfo says the version that stands in.
func (b base) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: b.version}, nil
}

// CheckConfig takes any provider configuration.
func (base) CheckConfig(_ context.Context, q *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: q.GetNews()}, nil
}

// DiffConfig never replaces a provider: it would replace everything made with it.
func (base) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{}, nil
}

// Cancel has nothing to cancel: no call takes time.
func (base) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// properties reads what the engine sends; values that are not known yet stay so.
func properties(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true})
}

func plainProps(s *structpb.Struct) (Props, error) {
	m, err := properties(s)
	if err != nil {
		return nil, err
	}
	return m.Mappable(), nil
}

func marshal(p Props) (*structpb.Struct, error) {
	return plugin.MarshalProperties(resource.NewPropertyMapFromMap(p), plugin.MarshalOptions{KeepUnknowns: true})
}

// azureProvider serves "azure-native".
type azureProvider struct {
	base

	cloud *Cloud
	mu    sync.Mutex
	sub   string // subscription
}

// Configure takes the subscription. Without secrets in what it is sent, the engine marks
// them again by itself.
func (a *azureProvider) Configure(_ context.Context, q *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range []string{"azure-native:config:subscriptionId", "subscriptionId"} {
		//lint:ignore SA1019 the engine still sends it, and the pinned providers read it
		if v := q.GetVariables()[key]; v != "" {
			a.sub = v
		}
	}
	if a.sub == "" {
		return nil, status.Error(codes.InvalidArgument, "azure-native:subscriptionId is not configured")
	}
	return &pulumirpc.ConfigureResponse{SupportsPreview: true, AcceptResources: true}, nil
}

func (a *azureProvider) subscription() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sub
}

// kind finds what is known of a type: azure-native:storage/v20230501:StorageAccount.
func (a *azureProvider) kind(urn string) (*Kind, error) {
	t := string(resource.URN(urn).Type())
	parts := strings.Split(t, ":")
	if len(parts) == 3 {
		module, _, _ := strings.Cut(parts[1], "/")
		if k, ok := a.cloud.kinds[module+":"+parts[2]]; ok {
			return k, nil
		}
	}
	return nil, status.Errorf(codes.Unimplemented, "the stand-in cloud does not know %s: describe it in azuresim/kinds", t)
}

// Check refuses what the schema, the name rules and the kind's own rule do.
func (a *azureProvider) Check(_ context.Context, q *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	k, err := a.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := properties(q.GetNews())
	if err != nil {
		return nil, err
	}
	k.autoname(news, q)
	failures := k.Schema.Check(news)
	for _, path := range k.Required {
		if v, ok := news[resource.PropertyKey(path)]; !ok || v.IsNull() {
			failures = append(failures, Failure{path, "missing required property"})
		}
	}
	failures = append(failures, k.checkName(news)...)
	if k.Check != nil && !news.ContainsUnknowns() {
		failures = append(failures, k.Check(news.Mappable())...)
	}
	inputs, err := plugin.MarshalProperties(news, plugin.MarshalOptions{KeepUnknowns: true})
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failed(failures)}, nil
}

func failed(failures []Failure) []*pulumirpc.CheckFailure {
	var out []*pulumirpc.CheckFailure
	for _, f := range failures {
		out = append(out, &pulumirpc.CheckFailure{Property: f.Path, Reason: f.Path + ": " + f.Reason})
	}
	return out
}

// autoname gives a name to a resource that was not given one, as the provider does: it
// keeps the old one, or makes one of the logical name and the engine's random seed.
func (k *Kind) autoname(news resource.PropertyMap, q *pulumirpc.CheckRequest) {
	name := resource.PropertyKey(k.nameProperty())
	if v, ok := news[name]; ok && !v.IsNull() {
		return
	}
	if olds, err := properties(q.GetOlds()); err == nil && olds[name].IsString() {
		news[name] = olds[name]
		return
	}
	seed := q.GetRandomSeed()
	news[name] = resource.NewProperty(resource.URN(q.GetUrn()).Name() + hex.EncodeToString(seed[:min(4, len(seed))]))
}

func (k *Kind) checkName(news resource.PropertyMap) []Failure {
	name := k.nameProperty()
	v := news[resource.PropertyKey(name)]
	if k.Name == nil || !v.IsString() || k.Name.MatchString(v.StringValue()) {
		return nil
	}
	return []Failure{{name, fmt.Sprintf("%q is not a name for %s: %s", v.StringValue(), k.Token, k.NameRule)}}
}

// Diff compares inputs.
func (a *azureProvider) Diff(_ context.Context, q *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	k, err := a.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	return diff(q, k.replaces)
}

// diff compares the inputs of a request, property by property.
func diff(q *pulumirpc.DiffRequest, replaces func(path string) bool) (*pulumirpc.DiffResponse, error) {
	olds, err := properties(q.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := properties(q.GetNews())
	if err != nil {
		return nil, err
	}
	ignored := q.GetIgnoreChanges()
	out := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, DetailedDiff: make(map[string]*pulumirpc.PropertyDiff), HasDetailedDiff: true}
	object := olds.Diff(news)
	if object == nil {
		return out, nil
	}
	for path, d := range plugin.NewDetailedDiffFromObjectDiff(object, true) {
		root, _, _ := strings.Cut(path, ".")
		if slices.Contains(ignored, path) || slices.Contains(ignored, root) {
			continue
		}
		kind := pulumirpc.PropertyDiff_Kind(d.Kind)
		if replaces(path) {
			kind = promote(kind)
			out.Replaces = append(out.Replaces, root)
		}
		out.Changes = pulumirpc.DiffResponse_DIFF_SOME
		out.Diffs = append(out.Diffs, root)
		out.DetailedDiff[path] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: true}
	}
	return out, nil
}

// promote turns a change into one that replaces.
func promote(k pulumirpc.PropertyDiff_Kind) pulumirpc.PropertyDiff_Kind {
	switch k {
	case pulumirpc.PropertyDiff_ADD:
		return pulumirpc.PropertyDiff_ADD_REPLACE
	case pulumirpc.PropertyDiff_DELETE:
		return pulumirpc.PropertyDiff_DELETE_REPLACE
	default:
		return pulumirpc.PropertyDiff_UPDATE_REPLACE
	}
}

// state is what the engine keeps of a resource: its inputs and what Azure computed.
func (r *Resource) state() (*structpb.Struct, error) {
	all := deepCopy(r.Inputs).(Props)
	for k, v := range r.Outputs {
		all[k] = v
	}
	return marshal(all)
}

// Create makes the resource.
func (a *azureProvider) Create(_ context.Context, q *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	k, err := a.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	if q.GetPreview() {
		state, err := a.preview(k, q.GetProperties())
		return &pulumirpc.CreateResponse{Properties: state}, err
	}
	inputs, err := plainProps(q.GetProperties())
	if err != nil {
		return nil, err
	}
	r, cerr := a.cloud.create(k, a.subscription(), inputs)
	if r == nil {
		return nil, answer(cerr)
	}
	state, err := r.state()
	if err != nil {
		return nil, err
	}
	if cerr != nil {
		return nil, partial(r.ID, state, q.GetProperties(), cerr)
	}
	return &pulumirpc.CreateResponse{Id: r.ID, Properties: state}, nil
}

// preview is what is known of a resource before it is made: its inputs and its name; what
// Azure computes is there and unknown.
func (a *azureProvider) preview(k *Kind, inputs *structpb.Struct) (*structpb.Struct, error) {
	state, err := properties(inputs)
	if err != nil {
		return nil, err
	}
	if name, ok := state[resource.PropertyKey(k.nameProperty())]; ok {
		state["name"] = name
	}
	if k.Compute != nil {
		for key := range k.Compute(&View{&Cloud{}}, &Resource{Inputs: state.Mappable(), Outputs: Props{}}) {
			state[resource.PropertyKey(key)] = resource.MakeComputed(resource.NewProperty(""))
		}
	}
	return plugin.MarshalProperties(state, plugin.MarshalOptions{KeepUnknowns: true})
}

// partial tells the engine that a resource exists but was not seen to finish.
func partial(id string, state, inputs *structpb.Struct, reason error) error {
	s := status.New(codes.Unknown, reason.Error())
	detailed, err := s.WithDetails(&pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: state, Inputs: inputs, Reasons: []string{reason.Error()},
	})
	if err != nil {
		return errors.Join(reason, err)
	}
	return detailed.Err()
}

// answer turns the cloud's errors into gRPC's.
func answer(err error) error {
	if err == nil {
		return nil
	}
	var ce *CloudError
	if errors.As(err, &ce) && ce.Status == 503 {
		return status.Error(codes.Unknown, ce.Error())
	}
	return status.Error(codes.Unknown, err.Error())
}

// Read returns the resource as it is, or an empty answer when it is gone.
func (a *azureProvider) Read(_ context.Context, q *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	k, err := a.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	r, err := a.cloud.read(k.Token, q.GetId())
	if err != nil {
		return nil, answer(err)
	}
	return readResponse(r)
}

func readResponse(r *Resource) (*pulumirpc.ReadResponse, error) {
	if r == nil {
		return &pulumirpc.ReadResponse{}, nil
	}
	state, err := r.state()
	if err != nil {
		return nil, err
	}
	inputs, err := marshal(r.Inputs)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.ReadResponse{Id: r.ID, Properties: state, Inputs: inputs}, nil
}

// Update changes the resource in place.
func (a *azureProvider) Update(_ context.Context, q *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	k, err := a.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	if q.GetPreview() {
		state, err := foresee(q)
		return &pulumirpc.UpdateResponse{Properties: state}, err
	}
	inputs, err := plainProps(q.GetNews())
	if err != nil {
		return nil, err
	}
	r, err := a.cloud.update(k, q.GetId(), inputs)
	if err != nil {
		return nil, answer(err)
	}
	state, err := r.state()
	if err != nil {
		return nil, err
	}
	return &pulumirpc.UpdateResponse{Properties: state}, nil
}

// foresee is a resource after an update that is only previewed: what it was, with the
// new inputs.
func foresee(q *pulumirpc.UpdateRequest) (*structpb.Struct, error) {
	state, err := properties(q.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := properties(q.GetNews())
	if err != nil {
		return nil, err
	}
	before, err := properties(q.GetOldInputs())
	if err != nil {
		return nil, err
	}
	for key, v := range news {
		if !before[key].DeepEquals(v) {
			state[key] = v
		}
	}
	return plugin.MarshalProperties(state, plugin.MarshalOptions{KeepUnknowns: true})
}

// Delete removes the resource.
func (a *azureProvider) Delete(_ context.Context, q *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	k, err := a.kind(q.GetUrn())
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, answer(a.cloud.remove(k, q.GetId()))
}
