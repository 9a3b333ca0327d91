// Package record lists what a Pulumi program would register, without an engine, a
// provider or a cloud: it runs the program against a recording monitor.
//
// Values that only Azure knows are stood in for by names in angle brackets, and secrets
// by Masked, so the same program always gives the same list.
package record

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Resource is one registered resource.
type Resource struct {
	Type      string         `json:"type"`
	Name      string         `json:"name"`
	Parent    string         `json:"parent,omitempty"` // "type name" of the parent; empty for the stack
	Protect   bool           `json:"protect,omitempty"`
	DependsOn []string       `json:"dependsOn,omitempty"` // "type name", sorted
	Inputs    map[string]any `json:"inputs,omitempty"`
}

// Key is what Parent and DependsOn say of a resource.
func (r *Resource) Key() string { return r.Type + " " + r.Name }

// Masked stands for every secret value.
const Masked = "[secret]"

// Stack is what a program is run as.
type Stack struct {
	Project string
	Name    string
	Config  map[string]string // by full key
	Secrets []string          // the keys that are encrypted
}

// Run runs the program and returns what it registered, sorted by key. What was registered
// before an error is returned beside it.
func Run(s *Stack, program pulumi.RunFunc) ([]Resource, error) {
	rec := &recorder{}
	err := pulumi.RunErr(program, pulumi.WithMocks(s.Project, s.Name, rec), func(info *pulumi.RunInfo) {
		info.Config, info.ConfigSecretKeys = s.Config, s.Secrets
	})
	slices.SortFunc(rec.made, func(a, b Resource) int { return strings.Compare(a.Key(), b.Key()) })
	return rec.made, err
}

// recorder is the monitor: it notes every registration and answers with what Azure
// would have computed.
type recorder struct {
	mu   sync.Mutex
	made []Resource
}

// Call answers the invokes that the program makes.
func (r *recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	if strings.HasPrefix(args.Token, "azure-native:network/") && strings.HasSuffix(args.Token, ":getProfile") {
		return resource.PropertyMap{}, nil // with no endpoint
	}
	if args.Token == "azure-native:managedidentity:getUserAssignedIdentity" {
		return resource.NewPropertyMapFromMap(map[string]any{"clientId": "<standing client>", "principalId": "<standing principal>"}), nil
	}
	if args.Token != "azure-native:containerservice:listManagedClusterUserCredentials" {
		return nil, fmt.Errorf("record: no answer for %s", args.Token)
	}
	config := base64.StdEncoding.EncodeToString([]byte("<kubeconfig>"))
	return resource.NewPropertyMapFromMap(map[string]any{
		"kubeconfigs": []any{map[string]any{"name": "clusterUser", "value": config}},
	}), nil
}

// NewResource notes a registration.
func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	made := Resource{Type: args.TypeToken, Name: args.Name, Inputs: plain(args.Inputs)}
	if rpc := args.RegisterRPC; rpc != nil {
		made.Protect = rpc.GetProtect()
		if parent := resource.URN(rpc.GetParent()); parent != "" && parent.Type() != resource.RootStackType {
			made.Parent = key(parent)
		}
		for _, d := range rpc.GetDependencies() {
			if k := key(resource.URN(d)); !slices.Contains(made.DependsOn, k) {
				made.DependsOn = append(made.DependsOn, k)
			}
		}
		slices.Sort(made.DependsOn)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = append(r.made, made)
	return "<" + args.Name + ">", outputs(args), nil
}

func key(urn resource.URN) string { return string(urn.Type()) + " " + urn.Name() }

// outputs are a resource's inputs and what else the program reads of it.
func outputs(args pulumi.MockResourceArgs) resource.PropertyMap {
	out := args.Inputs.Copy()
	set := func(name string, value any) { out[resource.PropertyKey(name)] = resource.NewPropertyValue(value) }
	for _, name := range []string{"resourceGroupName", "virtualNetworkName", "accountName", "serverName", "databaseName", "vaultName", "registryName", "resourceName", "zoneName", "privateZoneName", "privateEndpointName", "workspaceName"} {
		if v, ok := args.Inputs[resource.PropertyKey(name)]; ok && !out.HasValue("name") && last(args.TypeToken, name) {
			out["name"] = v
		}
	}
	for name, value := range computed {
		if strings.HasSuffix(args.TypeToken, ":"+name[:strings.IndexByte(name, '.')]) {
			set(name[strings.IndexByte(name, '.')+1:], value)
		}
	}
	return out
}

// owners says which input is the resource's own name.
var owners = map[string]string{
	"ResourceGroup": "resourceGroupName", "VirtualNetwork": "virtualNetworkName", "StorageAccount": "accountName",
	"Server": "serverName", "Database": "databaseName", "Vault": "vaultName", "Registry": "registryName",
	"UserAssignedIdentity": "resourceName", "ManagedCluster": "resourceName", "Zone": "zoneName", "PrivateZone": "privateZoneName",
	"PrivateEndpoint": "privateEndpointName", "Workspace": "workspaceName",
}

func last(token, input string) bool {
	return owners[token[strings.LastIndexByte(token, ':')+1:]] == input
}

// computed is what the program reads that is not an input.
var computed = map[string]any{
	"UserAssignedIdentity.clientId":    "<client>",
	"UserAssignedIdentity.principalId": "<principal>",
	"StorageAccount.primaryEndpoints":  map[string]any{"blob": "<blob>", "dfs": "", "file": "", "queue": "", "table": "", "web": ""},
	"Server.fullyQualifiedDomainName":  "<server>",
	"Key.keyUri":                       "<key>",
	"Registry.loginServer":             "<registry>",
	"ManagedCluster.oidcIssuerProfile": map[string]any{"enabled": true, "issuerURL": "<issuer>"},
	"Zone.nameServers":                 []any{"<ns1>", "<ns2>"},
}

// plain turns property values into JSON's, secrets masked.
func plain(m resource.PropertyMap) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[string(k)] = plainValue(v)
	}
	return out
}

func plainValue(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return Masked
	case v.IsOutput():
		if v.OutputValue().Secret {
			return Masked
		}
		return plainValue(v.OutputValue().Element)
	case v.IsObject():
		return plain(v.ObjectValue())
	case v.IsArray():
		items := make([]any, len(v.ArrayValue()))
		for i, item := range v.ArrayValue() {
			items[i] = plainValue(item)
		}
		return items
	case v.IsNull():
		return nil
	default:
		return v.V
	}
}
