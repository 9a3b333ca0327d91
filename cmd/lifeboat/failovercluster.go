package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"lifeboat/failover/cluster"
	runs "lifeboat/failover/run"
	"lifeboat/internal/config"
	"lifeboat/stacks/outputs"
	"lifeboat/stacks/settings"
)

// restoresInCluster tells whether a run restores inside the network of the new region, and
// if not, why.
func restoresInCluster(file *config.File, s *settings.Settings) (in bool, why string, err error) {
	place, blocked := file.Failover.Restore, podsCannot(file)
	switch {
	case place.Where == config.LocalRestore:
		return false, "failover.restore.where says so", nil
	case place.Where == config.ClusterRestore && blocked != "":
		return false, "", fmt.Errorf("%w: failover.restore.where is cluster, and %s", errUsage, blocked)
	case place.Where == config.ClusterRestore && s == nil && (place.Kubeconfig == "" || place.Image == "" || file.Failover.Target == ""):
		return false, "", fmt.Errorf("%w: failover.restore.where is cluster, and there is no stack: give failover.restore.kubeconfig, failover.restore.image and failover.target", errUsage)
	case place.Where == config.ClusterRestore:
		return true, "", nil
	case s == nil:
		return false, "no stack makes a cluster", nil
	case file.Failover.Target != "":
		return false, "failover.target names a database of this machine's", nil
	case blocked != "":
		return false, blocked, nil
	}
	return true, "", nil
}

// podsCannot says what keeps pods from doing what this machine can; "" for nothing. They
// sign in as their service account, and no secret of this machine goes to them.
func podsCannot(file *config.File) string {
	e := file.Encryption
	switch {
	case file.Mirror.KeyFile != "" || file.Mirror.SASFile != "" || file.Mirror.Store.HoldsSecret():
		return "the mirror is opened with a secret of this machine"
	case e.Configured() && len(e.VaultKeys) == 0:
		return "the mirror is decrypted with a key of this machine alone (encryption.vault_keys is empty)"
	case file.Failover.Target.HoldsSecret():
		return "failover.target holds a secret"
	}
	return ""
}

// podConfig is the configuration of a run's pods: what they read, and no secret. JSON is
// YAML.
func podConfig(file *config.File) (string, error) {
	some := func(pairs map[string]any) map[string]any {
		for key, value := range pairs {
			if text, ok := value.(string); ok && text == "" {
				delete(pairs, key)
			}
			if list, ok := value.([]string); ok && len(list) == 0 {
				delete(pairs, key)
			}
		}
		return pairs
	}
	m, e := file.Mirror, file.Encryption
	doc := map[string]any{"version": config.Version, "mirror": some(map[string]any{
		"name": m.Name, "store": m.Store.Reveal(), "endpoint": m.Endpoint, "cloud": m.Cloud, "root_key": m.RootKey,
	})}
	if e.Configured() {
		doc["encryption"] = some(map[string]any{"age_recipients": e.AgeRecipients, "vault_keys": e.VaultKeys})
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return "", fmt.Errorf("configuration of the pods: %w", err)
	}
	return string(text) + "\n", nil
}

// permanent are the exit codes that no repetition changes. Usage is not among them: a
// database that cannot be opened (yet) ends with it.
func permanent() (codes []int32) {
	for _, e := range exits {
		if slices.Contains([]string{"refused", "fenced", "not restorable", "damaged", "newer"}, e.name) {
			codes = append(codes, int32(e.code))
		}
	}
	slices.Sort(codes)
	return codes
}

// inCluster puts the cluster between the run and its database.
func (e *expedition) inCluster(outside runs.Database) *cluster.Database {
	file := e.bridge.config
	return &cluster.Database{
		Database: outside, DR: e.bridge.dr, Open: e.openCluster,
		Shards: file.Failover.Restore.Shards, Memory: int64(file.Restore.Memory),
	}
}

// podMemory is what a pod whose restore may use so much needs, bytes: the program's own code
// is not counted in that, nor is all of what a driver holds.
func podMemory(restore config.Size) int64 { return int64(restore)*5/4 + 128<<20 }

func (e *expedition) openCluster(ctx context.Context, _ runs.Place) (*cluster.Cluster, error) {
	file := e.bridge.config
	place := file.Failover.Restore
	client, err := e.clusterClient(ctx)
	if err != nil {
		return nil, err
	}
	image := place.Image
	if s := e.bridge.stack; image == "" && s != nil {
		image = s.NamesOf(s.Regions.Hub).RegistryHost() + "/" + s.Agent.Image
	}
	text, err := podConfig(file)
	if err != nil {
		return nil, err
	}
	return cluster.New(cluster.Config{
		Client: client, Namespace: place.Namespace, Run: e.plan.ID, Image: image, Account: place.Account, File: text,
		Memory: podMemory(file.Restore.Memory), Scratch: int64(place.Scratch), Permanent: permanent(), Log: e.app.logger(),
	})
}

func (e *expedition) clusterClient(ctx context.Context) (cluster.Client, error) {
	if path := e.bridge.config.Failover.Restore.Kubeconfig; path != "" {
		return cluster.ConnectFile(beside(e.app.folder(), path))
	}
	out, err := e.standing(ctx)
	if err != nil {
		return nil, err
	}
	authority, err := base64.StdEncoding.DecodeString(out.ClusterAuthority)
	if err != nil {
		return nil, fmt.Errorf("the stack's output clusterAuthority: %w", err)
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, fmt.Errorf("sign in to Azure: %w", err)
	}
	return cluster.Connect(cluster.Server{URL: out.ClusterServer, Authority: authority, Token: func(ctx context.Context) (string, error) {
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{kubernetesScope}})
		return token.Token, err
	}})
}

// kubernetesScope is what a token for the API server of any AKS cluster under Entra ID is
// asked for: the application that all of them are.
const kubernetesScope = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"

// standing is what the run's stack says of itself.
func (e *expedition) standing(ctx context.Context) (*outputs.Outputs, error) {
	if e.outputs != nil {
		return e.outputs, nil
	}
	out, ok, err := e.stack.At(ctx, phases[runs.Standing])
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("the run's stack is not there, so there is no cluster")
	}
	e.outputs = out
	return out, nil
}

// restoreNote says in a plan's forecast where the restore will run; "" for here.
func restoreNote(file *config.File, s *settings.Settings) (string, error) {
	in, _, err := restoresInCluster(file, s)
	if err != nil || !in {
		return "", err
	}
	parts := []string{"in the new cluster"}
	if n := file.Failover.Restore.Shards; n > 1 {
		parts = append(parts, fmt.Sprintf("as %d shards", n))
	}
	return strings.Join(parts, ", "), nil
}
