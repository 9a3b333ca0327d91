package program

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra/azure"
	"lifeboat/infra/keyvault"
	"lifeboat/infra/storage"
)

// agentConfig is the file that every pod of Lifeboat reads. It holds addresses and no
// secret: the pods sign in with their identities.
func (r *region) agentConfig(p *place, database pulumi.StringOutput) pulumi.StringOutput {
	var b strings.Builder
	fmt.Fprintf(&b, "primary: %q\n", storeURL(p.local))
	if p.mirror != nil {
		fmt.Fprintf(&b, "mirror: %q\n", storeURL(*p.mirror))
	}
	fmt.Fprintf(&b, "mode: %q\n", r.settings.Agent.Mirror)
	fmt.Fprintf(&b, "snapshot_interval: %q\n", r.settings.Agent.SnapshotInterval)
	fmt.Fprintf(&b, "key: %q\n", p.local.VaultURL()+"/keys/"+keyvault.KeyName)
	return pulumi.Sprintf("database: %q\n%s", database, b.String())
}

// storeURL is a region's store: the account, whose containers the agent knows.
func storeURL(n azure.Names) string { return n.StoreURL(storage.Log) }
