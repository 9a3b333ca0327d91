package program

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra/storage"
)

// agentConfig is the lifeboat.yaml that every pod of Lifeboat reads. It holds addresses
// and no secret: the pods sign in with their identities.
func (r *region) agentConfig(p *place, database pulumi.StringOutput) pulumi.StringOutput {
	text := fmt.Sprintf("primary:\n  name: %s\n  store: %q\n", r.scope.Region, p.local.StoreURL(storage.Log))
	if p.mirror != nil {
		text += fmt.Sprintf("mirror:\n  name: mirror\n  store: %q\n", p.mirror.StoreURL(storage.Log))
	}
	text += fmt.Sprintf("log:\n  on_mirror_loss: %s\nsnapshot:\n  max_interval: %s\n", r.settings.Agent.Mirror, r.settings.Agent.SnapshotInterval)
	return pulumi.Sprintf("version: 1\ndatabase: %q\n%s", database, text)
}
