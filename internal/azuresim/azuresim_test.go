package azuresim_test

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"lifeboat/infra/azure"
	"lifeboat/internal/azuresim"
)

// A made-up service keeps these tests free of the SDK: groups, boxes in them, lids on
// boxes, locks, and tanks that a region may not have.

type boxArgs struct {
	Group    string            `pulumi:"resourceGroupName"`
	Name     *string           `pulumi:"boxName"`
	Location *string           `pulumi:"location"`
	Size     *int              `pulumi:"size"`
	Open     *bool             `pulumi:"open"`
	Inner    *inner            `pulumi:"inner"`
	Lids     []inner           `pulumi:"lids"`
	Tags     map[string]string `pulumi:"tags"`
	Any      any               `pulumi:"any"`
}

type inner struct {
	Must  string  `pulumi:"must"`
	Ref   *string `pulumi:"ref"`
	Again *inner  `pulumi:"again"` // types may contain themselves
}

type args struct{ t reflect.Type }

func (a args) ElementType() reflect.Type { return a.t }

func schema[T any]() *azuresim.Schema { return azuresim.SchemaOf(args{reflect.TypeFor[T]()}) }

const group = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}"

func toys() []azuresim.Kind {
	box := group + "/providers/Toys.Box/boxes/{boxName}"
	type groupArgs struct {
		Name     string  `pulumi:"resourceGroupName"`
		Location *string `pulumi:"location"`
	}
	type lidArgs struct {
		Group string  `pulumi:"resourceGroupName"`
		Box   string  `pulumi:"boxName"`
		Name  *string `pulumi:"lidName"`
		Ref   *string `pulumi:"ref"`
	}
	type lockArgs struct {
		Scope string `pulumi:"scope"`
		Name  string `pulumi:"lockName"`
	}
	return []azuresim.Kind{
		{Token: "resources:ResourceGroup", Schema: schema[groupArgs](), ID: group},
		{Token: "toys:Box", Schema: schema[boxArgs](), ID: box, Name: regexp.MustCompile(`^[a-z]{3,8}$`), NameRule: "3 to 8 small letters",
			Unique: true, InUse: true, SoftDelete: true, Replaces: []string{"inner.must"}, Required: []string{"lids"},
			Demand: func(p azuresim.Props) azuresim.Demand {
				n, _ := p["size"].(float64)
				return azuresim.Demand{Zones: p["open"] == true, Reason: "open", Sizes: []string{fmt.Sprint("box", n)}, VCPUs: map[string]int{"toys": int(n)}}
			},
			Compute: func(_ *azuresim.View, r *azuresim.Resource) azuresim.Props {
				return azuresim.Props{"address": r.Inputs["boxName"]}
			}},
		{Token: "toys:Lid", Schema: schema[lidArgs](), ID: box + "/lids/{lidName}"},
		{Token: "authorization:ManagementLockByScope", Schema: schema[lockArgs](), ID: "{scope}/providers/Microsoft.Authorization/locks/{lockName}"},
	}
}

// wire is a client of the stand-in provider, as the engine is one.
type wire struct {
	t      testing.TB
	cloud  *azuresim.Cloud
	client pulumirpc.ResourceProviderClient
}

func connect(t testing.TB) *wire {
	t.Helper()
	cloud := azuresim.New(azuresim.Options{Kinds: toys()})
	server, err := azuresim.Serve(cloud)
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	port := regexp.MustCompile(`azure-native:(\d+)`).FindStringSubmatch(server.Env())[1]
	conn, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	w := &wire{t: t, cloud: cloud, client: pulumirpc.NewResourceProviderClient(conn)}
	//lint:ignore SA1019 the engine still sends it, and the pinned providers read it
	_, err = w.client.Configure(t.Context(), &pulumirpc.ConfigureRequest{Variables: map[string]string{"azure-native:config:subscriptionId": "sub"}})
	require.NoError(t, err)
	return w
}

func (w *wire) props(p azuresim.Props) *structpb.Struct {
	w.t.Helper()
	s, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(p), plugin.MarshalOptions{KeepUnknowns: true})
	require.NoError(w.t, err)
	return s
}

func urn(kind, name string) string {
	return "urn:pulumi:s::p::azure-native:" + kind + "::" + name
}

func (w *wire) create(kind string, p azuresim.Props) (string, error) {
	r, err := w.client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn(kind, "n"), Properties: w.props(p)})
	return r.GetId(), err
}

func (w *wire) remove(kind, id string) error {
	_, err := w.client.Delete(context.Background(), &pulumirpc.DeleteRequest{Urn: urn(kind, "n"), Id: id})
	return err
}

func (w *wire) group(name, location string) string {
	w.t.Helper()
	id, err := w.create("resources:ResourceGroup", azuresim.Props{"resourceGroupName": name, "location": location})
	require.NoError(w.t, err)
	return id
}

func box(name string, more azuresim.Props) azuresim.Props {
	p := azuresim.Props{"resourceGroupName": "g", "boxName": name, "location": "uksouth", "lids": []any{azuresim.Props{"must": "m"}}}
	for k, v := range more {
		p[k] = v
	}
	return p
}

func TestCheckNamesEveryFailure(t *testing.T) {
	t.Parallel()
	w := connect(t)
	r, err := w.client.Check(t.Context(), &pulumirpc.CheckRequest{Urn: urn("toys/v20200101:Box", "n"), News: w.props(azuresim.Props{
		"boxName": "Wrong Name", "size": "large", "sise": 1, "open": 1, "tags": azuresim.Props{"a": 1}, "any": azuresim.Props{"whatever": true},
		"inner": azuresim.Props{"again": azuresim.Props{"must": "m", "mist": 1}},
	})})
	require.NoError(t, err)
	got := make(map[string]string)
	for _, f := range r.GetFailures() {
		got[f.GetProperty()] = f.GetReason()
	}
	for path, want := range map[string]string{
		"boxName": "3 to 8 small letters", "size": "is string, not a number", "sise": "unknown property; known: any, boxName", "open": "is number, not true or false",
		"tags.a": "not text", "inner.must": "missing required property", "inner.again.mist": "unknown property", "resourceGroupName": "missing required property", "lids": "missing required property",
	} {
		require.Contains(t, got[path], want, path)
	}
	require.Len(t, got, 9)
}

func TestUnknownTypesAreRefusedByName(t *testing.T) {
	t.Parallel()
	_, err := connect(t).create("toys:Car", azuresim.Props{})
	require.ErrorContains(t, err, "does not know azure-native:toys:Car")
}

func TestWhatAzureRefuses(t *testing.T) {
	t.Parallel()
	w := connect(t)
	g := w.group("g", "uksouth")
	west := w.group("west", "ukwest")
	id, err := w.create("toys:Box", box("abc", nil))
	require.NoError(t, err)
	require.Equal(t, g+"/providers/Toys.Box/boxes/abc", id)
	w.cloud.SetQuota("uksouth", azuresim.Quota{VCPUs: map[string]int{"toys": 8}, Unsold: []string{"box3"}})
	for name, c := range map[string]struct {
		kind string
		p    azuresim.Props
		want string
	}{
		"twice":         {"toys:Box", box("abc", nil), "cannot create already existing resource '" + id + "'"},
		"twice by case": {"toys:Box", box("ABC", nil), "cannot create already existing resource"},
		"taken":         {"toys:Box", box("abc", azuresim.Props{"resourceGroupName": "west"}), "NameNotAvailable"},
		"no group":      {"toys:Box", box("def", azuresim.Props{"resourceGroupName": "none"}), "ParentResourceNotFound"},
		"no parent":     {"toys:Lid", azuresim.Props{"resourceGroupName": "g", "boxName": "none", "lidName": "l"}, "ParentResourceNotFound"},
		"dangling":      {"toys:Box", box("def", azuresim.Props{"inner": azuresim.Props{"must": "m", "ref": west + "/providers/Toys.Box/boxes/none"}}), "which does not exist"},
		"no region":     {"toys:Box", box("def", azuresim.Props{"location": "atlantis"}), "LocationNotAvailable"},
		"no zones":      {"toys:Box", box("def", azuresim.Props{"location": "UK West", "open": true}), "AvailabilityZoneNotSupported"},
		"quota":         {"toys:Box", box("def", azuresim.Props{"size": 9}), "QuotaExceeded"},
		"unsold":        {"toys:Box", box("def", azuresim.Props{"size": 3}), "SkuNotAvailable"},
	} {
		_, err := w.create(c.kind, c.p)
		require.ErrorContains(t, err, c.want, name)
	}
	require.Len(t, w.cloud.IDs(), 3, "a refusal changed the cloud")
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	w := connect(t)
	g := w.group("g", "uksouth")
	id, err := w.create("toys:Box", box("abc", nil))
	require.NoError(t, err)
	lid, err := w.create("toys:Lid", azuresim.Props{"resourceGroupName": "g", "boxName": "abc", "lidName": "l"})
	require.NoError(t, err)
	user, err := w.create("toys:Box", box("user", azuresim.Props{"inner": azuresim.Props{"must": "m", "ref": id}}))
	require.NoError(t, err)
	require.ErrorContains(t, w.remove("toys:Box", id), "InUseCannotBeDeleted")
	require.NoError(t, w.remove("toys:Box", user))

	lock, err := w.create("authorization:ManagementLockByScope", azuresim.Props{"scope": id, "lockName": "keep"})
	require.NoError(t, err)
	for _, locked := range []string{g, id, lid} {
		require.ErrorContains(t, w.remove("toys:Box", locked), "ScopeLocked", "a lock holds what is above it and below it")
	}
	require.NoError(t, w.remove("authorization:ManagementLockByScope", lock))
	require.NoError(t, w.remove("toys:Box", id))
	require.Equal(t, []string{g}, w.cloud.IDs(), "what lies in a resource goes with it")
	require.NoError(t, w.remove("toys:Box", id), "deleting what is gone is no error")
	_, err = w.create("toys:Box", box("abc", nil))
	require.ErrorContains(t, err, "was deleted and can be recovered")
	require.Len(t, w.cloud.SoftDeleted(), 2)
}

func TestDiff(t *testing.T) {
	t.Parallel()
	w := connect(t)
	for name, c := range map[string]struct {
		from, to azuresim.Props
		kinds    map[string]pulumirpc.PropertyDiff_Kind
	}{
		"nothing":  {box("abc", nil), box("abc", nil), map[string]pulumirpc.PropertyDiff_Kind{}},
		"in place": {box("abc", azuresim.Props{"size": 1}), box("abc", azuresim.Props{"size": 2}), map[string]pulumirpc.PropertyDiff_Kind{"size": pulumirpc.PropertyDiff_UPDATE}},
		"own name": {box("abc", nil), box("abd", nil), map[string]pulumirpc.PropertyDiff_Kind{"boxName": pulumirpc.PropertyDiff_UPDATE_REPLACE}},
		"location": {box("abc", nil), box("abc", azuresim.Props{"location": "ukwest"}), map[string]pulumirpc.PropertyDiff_Kind{"location": pulumirpc.PropertyDiff_UPDATE_REPLACE}},
		"listed": {box("abc", azuresim.Props{"inner": azuresim.Props{"must": "a"}}), box("abc", azuresim.Props{"inner": azuresim.Props{"must": "b"}}),
			map[string]pulumirpc.PropertyDiff_Kind{"inner.must": pulumirpc.PropertyDiff_UPDATE_REPLACE}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := w.client.Diff(t.Context(), &pulumirpc.DiffRequest{Urn: urn("toys:Box", "n"), OldInputs: w.props(c.from), News: w.props(c.to)})
			require.NoError(t, err)
			got := make(map[string]pulumirpc.PropertyDiff_Kind)
			for path, d := range r.GetDetailedDiff() {
				got[path] = d.GetKind()
			}
			require.Equal(t, c.kinds, got)
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		effect azuresim.Effect
		want   string
		done   bool
	}{
		{azuresim.RegionDown, "ServiceUnavailable", false}, {azuresim.NoQuota, "QuotaExceeded", false}, {azuresim.Throttled, "TooManyRequests", false},
		{azuresim.TimedOut, "GatewayTimeout", true}, {azuresim.Lost, "ConnectionReset", true},
	} {
		t.Run(string(c.effect), func(t *testing.T) {
			t.Parallel()
			w := connect(t)
			g := w.group("g", "uksouth")
			id := g + "/providers/Toys.Box/boxes/abc"
			w.cloud.Inject(azuresim.Fault{Region: "uksouth", Type: "toys:Box", Verb: azuresim.Create, Effect: c.effect, Times: 1})
			_, err := w.create("toys:Box", box("abc", nil))
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.done, len(w.cloud.Left([]string{g})) == 1, "done or not")
			w.cloud.Inject(azuresim.Fault{Verb: azuresim.Delete, Effect: c.effect, Times: 1})
			if !c.done {
				_, err := w.create("toys:Box", box("abc", nil))
				require.NoError(t, err, "the fault was for one call")
			}
			require.ErrorContains(t, w.remove("toys:Box", id), c.want)
			require.Equal(t, c.done, len(w.cloud.Left([]string{g})) == 0)
			require.NoError(t, w.remove("toys:Box", id))
		})
	}
}

// TestAGroupsRegionCounts: a resource cannot be changed while its group's region is down.
func TestAGroupsRegionCounts(t *testing.T) {
	t.Parallel()
	w := connect(t)
	w.group("g", "ukwest")
	w.cloud.Inject(azuresim.Fault{Region: "ukwest", Effect: azuresim.RegionDown})
	_, err := w.create("toys:Box", box("abc", nil))
	require.ErrorContains(t, err, "ServiceUnavailable")
	w.cloud.Heal()
	_, err = w.create("toys:Box", box("abc", nil))
	require.NoError(t, err)
}

func TestDriftIsRead(t *testing.T) {
	t.Parallel()
	w := connect(t)
	w.group("g", "uksouth")
	id, err := w.create("toys:Box", box("abc", azuresim.Props{"inner": azuresim.Props{"must": "m"}}))
	require.NoError(t, err)
	require.True(t, w.cloud.Drift(strings.ToUpper(id), "inner.must", "changed"))
	require.False(t, w.cloud.Drift(id, "size.of", 1))
	require.False(t, w.cloud.Drift("/none", "size", 1))
	read := func() *pulumirpc.ReadResponse {
		r, err := w.client.Read(t.Context(), &pulumirpc.ReadRequest{Urn: urn("toys:Box", "n"), Id: id})
		require.NoError(t, err)
		return r
	}
	require.Equal(t, "changed", read().GetInputs().GetFields()["inner"].GetStructValue().GetFields()["must"].GetStringValue())
	w.cloud.Remove(id)
	require.Empty(t, read().GetId(), "what is gone reads as gone")
}

// TestOneWinner: of many who create one name at once, one does.
func TestOneWinner(t *testing.T) {
	t.Parallel()
	w := connect(t)
	w.group("g", "uksouth")
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		wins int
	)
	for range 16 {
		wg.Go(func() {
			if _, err := w.create("toys:Box", box("abc", nil)); err == nil {
				mu.Lock()
				wins++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, wins)
	require.Equal(t, 17, w.cloud.Calls(azuresim.Create))
}

// TestPreviewTouchesNothing and leaves open what only Azure knows.
func TestPreviewTouchesNothing(t *testing.T) {
	t.Parallel()
	w := connect(t)
	r, err := w.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn("toys:Box", "n"), Properties: w.props(box("abc", nil)), Preview: true})
	require.NoError(t, err)
	require.Equal(t, "abc", r.GetProperties().GetFields()["name"].GetStringValue())
	require.Equal(t, plugin.UnknownStringValue, r.GetProperties().GetFields()["address"].GetStringValue())
	require.Empty(t, w.cloud.IDs())
	require.Zero(t, w.cloud.Calls(azuresim.Create))
}

func TestRegionsAreTheFactsOfTheProject(t *testing.T) {
	t.Parallel()
	w := connect(t)
	for _, r := range azure.Regions() {
		w.group("rg-"+string(r), r.Display())
	}
	require.Len(t, w.cloud.IDs(), len(azure.Regions()))
}
