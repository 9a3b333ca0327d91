// Package outputs is the contract between a stack and the command line: the names of the
// stack's outputs, and their typed form.
//
// A stack exports only what its role has. Decode refuses outputs of another version,
// names that are missing for the role, and values of the wrong type, all at once; names
// it does not know are of a newer program and are refused too.
package outputs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"lifeboat/infra/azure"
)

// Version is the version of this contract.
const Version = 1

// Outputs is what a stack says about itself. The tag is the output's name; after it
// stand the roles that have it, or none for all.
type Outputs struct {
	Version       int    `output:"version"`
	Role          string `output:"role"`
	Region        string `output:"region"`
	ResourceGroup string `output:"resourceGroup"`
	WorkspaceID   string `output:"workspaceId"`

	// The region's store. A failover's is the mirror it stands beside.
	StoreAccount string `output:"storeAccount"`
	StoreBlobURL string `output:"storeBlobUrl"`
	LogURL       string `output:"logUrl"`       // azblob://account/container
	SnapshotsURL string `output:"snapshotsUrl"` //
	RecordsURL   string `output:"recordsUrl"`   //
	CodeURL      string `output:"codeUrl"`      //
	MirrorLogURL string `output:"mirrorLogUrl" roles:"primary"`
	VaultURL     string `output:"vaultUrl"`
	KeyURL       string `output:"keyUrl"`

	// StateURL is the backend to `pulumi login` to, in the DR region.
	StateURL string `output:"stateUrl" roles:"dr"`

	// What serves.
	DatabaseHost string `output:"databaseHost" roles:"primary failover"`
	DatabaseName string `output:"databaseName" roles:"primary failover"`
	DatabaseURL  string `output:"databaseUrl" roles:"primary failover"`
	DatabaseSKU  string `output:"databaseSku" roles:"primary failover"` // "" of a container
	ClusterName  string `output:"clusterName" roles:"primary failover"`
	ClusterID    string `output:"clusterId" roles:"primary failover"`
	// The cluster's API server, and in base64 who signs for it ("": one that every system trusts).
	ClusterServer    string `output:"clusterServer" roles:"primary failover"`
	ClusterAuthority string `output:"clusterAuthority" roles:"primary failover"`

	Namespace    string `output:"namespace" roles:"primary failover"`
	AppNamespace string `output:"appNamespace" roles:"primary failover"`
	AppHost      string `output:"appHost" roles:"primary failover"` // of this stack; "" in a drill
	AgentClient  string `output:"agentClientId" roles:"primary failover"`
	ProofClient  string `output:"proofClientId" roles:"primary failover"`
	EndpointName string `output:"endpointName" roles:"primary failover"`

	// The hub only.
	RegistryHost string   `output:"registryHost"`
	PublicHost   string   `output:"publicHost"` // what users type
	ProfileID    string   `output:"profileId"`
	NameServers  []string `output:"nameServers" roles:"hub"`
}

// ErrOutputs marks outputs that do not keep the contract; the error lists why.
var ErrOutputs = errors.New("bad stack outputs")

// Names are the outputs' names in the order of the structure.
func Names() []string {
	var names []string
	for f := range reflect.TypeFor[Outputs]().Fields() {
		names = append(names, f.Tag.Get("output"))
	}
	return names
}

// Has reports whether a role's stack exports the named output.
func Has(role, name string) bool {
	for f := range reflect.TypeFor[Outputs]().Fields() {
		if f.Tag.Get("output") == name {
			return has(f, role)
		}
	}
	return false
}

// has: an output of the hub may be absent, since not every DR stack is the hub.
func has(f reflect.StructField, role string) bool {
	roles := strings.Fields(f.Tag.Get("roles"))
	return len(roles) == 0 || slices.Contains(roles, role)
}

// Decode reads what the engine says a stack exports: of the Automation API,
// stack.Outputs with each Value taken out.
func Decode(values map[string]any) (*Outputs, error) {
	var (
		o Outputs
		p azure.Problems
	)
	if v := number(values["version"]); v != Version {
		return nil, fmt.Errorf("%w: version %v; this program reads %d: use the program the stack was made with", ErrOutputs, values["version"], Version)
	}
	role, _ := values["role"].(string)
	known := Names()
	for name := range values {
		if !slices.Contains(known, name) {
			p.Addf(name, "unknown output")
		}
	}
	target := reflect.ValueOf(&o).Elem()
	for f := range target.Type().Fields() {
		name := f.Tag.Get("output")
		value, ok := values[name]
		if !ok {
			if has(f, role) {
				p.Addf(name, "missing from a stack of role %q", role)
			}
			continue
		}
		p.Check(name, set(target.FieldByIndex(f.Index), value))
	}
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("%w:\n%w", ErrOutputs, err)
	}
	return &o, nil
}

// number reads the whole number that JSON made a float of.
func number(v any) int {
	switch n := v.(type) {
	case float64:
		return int(n)
	case int:
		return n
	default:
		return 0
	}
}

func set(field reflect.Value, value any) error {
	switch field.Kind() {
	case reflect.Int:
		field.SetInt(int64(number(value)))
		return nil
	case reflect.String:
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("is %T, not text", value)
		}
		field.SetString(s)
		return nil
	default: // []string
		items, ok := value.([]any)
		if !ok {
			return fmt.Errorf("is %T, not a list", value)
		}
		for _, item := range items {
			s, ok := item.(string)
			if !ok {
				return fmt.Errorf("holds %T, not text", item)
			}
			field.Set(reflect.Append(field, reflect.ValueOf(s)))
		}
		return nil
	}
}
