package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"lifeboat/infra/azure"
)

// adopt takes into the engine's state what the cloud was making when an update died, and
// what an update failed to create. The engine knows that it had begun, and cannot know
// whether it came to be; left at that, the next update would find the name taken. But the id of each follows from its inputs:
// it is entered under that id and then looked up. What is there stays, to be brought to
// what the program wants; what is not there is forgotten, and made anew.
//
// Killed between the two, the next adopt looks them up: they have no outputs yet. The
// state goes out and in as the backend keeps it, so its secrets stay encrypted; a stack
// that another update has locked is left alone, with ErrLocked.
func (s *Stack) adopt(ctx context.Context, stack *auto.Stack, say func(string), failed []apitype.StepEventStateMetadata) error {
	state, err := s.pulumi(ctx, nil, "stack", "export", "--stack", s.name)
	if err != nil {
		return err
	}
	want, err := s.settings(Phase{})
	if err != nil {
		return err
	}
	settled, unsure, err := settle(state, want.Subscription, failed)
	if err != nil {
		return fmt.Errorf("state of stack %s: %w", s.name, err)
	}
	if settled != nil {
		if _, err := s.pulumi(ctx, settled, "stack", "import", "--stack", s.name); err != nil {
			return err
		}
	}
	if len(unsure) == 0 {
		return nil
	}
	if say != nil {
		say(fmt.Sprintf("looks for %d resources that an update was making", len(unsure)))
	}
	_, err = stack.Refresh(ctx, optrefresh.SuppressProgress(), optrefresh.Target(unsure))
	return err
}

// entry is what has to be known of a resource in the state.
type entry struct {
	URN     string          `json:"urn"`
	Type    string          `json:"type"`
	Custom  bool            `json:"custom"`
	ID      string          `json:"id"`
	Inputs  map[string]any  `json:"inputs"`
	Outputs json.RawMessage `json:"outputs"`
}

// creation is a resource that was being made, as the state has it.
type creation struct {
	Type     apitype.OperationType `json:"type"`
	Resource json.RawMessage       `json:"resource"`
}

// creations are those that failed. Their inputs have no secrets: looking them up finds the
// real ones, and the next update sees to the rest.
func creations(failed []apitype.StepEventStateMetadata) ([]creation, error) {
	var list []creation
	for _, f := range failed {
		text, err := json.Marshal(map[string]any{"urn": f.URN, "type": f.Type, "custom": f.Custom, "parent": f.Parent,
			"provider": f.Provider, "protect": f.Protect, "retainOnDelete": f.RetainOnDelete, "inputs": f.Inputs})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.URN, err)
		}
		list = append(list, creation{apitype.OperationTypeCreating, text})
	}
	return list, nil
}

// settle enters the creations that a state has open, and those that failed, among its
// resources; settled is nil when there are none. unsure are the URNs of all resources that have not been looked up.
// What this program does not know of a state is kept as it is.
func settle(state []byte, subscription string, failed []apitype.StepEventStateMetadata) (settled []byte, unsure []string, err error) {
	var whole apitype.UntypedDeployment
	var deployment map[string]json.RawMessage
	var open struct {
		Resources []json.RawMessage `json:"resources"`
		Pending   []creation        `json:"pending_operations"`
	}
	err = json.Unmarshal(state, &whole)
	if err == nil && len(whole.Deployment) > 0 {
		err = errors.Join(json.Unmarshal(whole.Deployment, &deployment), json.Unmarshal(whole.Deployment, &open))
	}
	if err != nil {
		return nil, nil, err
	}
	known := map[string]bool{}
	for _, raw := range open.Resources {
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, nil, err
		}
		known[e.URN] = true
		if e.Custom && e.ID != "" && len(e.Outputs) == 0 {
			unsure = append(unsure, e.URN)
		}
	}
	more, err := creations(failed)
	if err != nil {
		return nil, nil, err
	}
	if open.Pending = append(open.Pending, more...); len(open.Pending) == 0 {
		return nil, unsure, nil
	}
	for _, p := range open.Pending {
		made, urn := identified(p.Resource, subscription)
		// A resource that is there already was being replaced: the update does that again.
		if p.Type == apitype.OperationTypeCreating && made != nil && !known[urn] {
			open.Resources, unsure = append(open.Resources, made), append(unsure, urn)
			known[urn] = true
		}
	}
	delete(deployment, "pending_operations")
	if deployment["resources"], err = json.Marshal(open.Resources); err != nil {
		return nil, nil, err
	}
	if whole.Deployment, err = json.Marshal(deployment); err != nil {
		return nil, nil, err
	}
	settled, err = json.Marshal(whole)
	return settled, unsure, err
}

// identified is a resource with the id that it has if it exists; nil when that does not
// follow from its inputs: such as a provider's, which lives in the state alone.
func identified(resource json.RawMessage, subscription string) (made json.RawMessage, urn string) {
	var e entry
	var fields map[string]json.RawMessage
	if errors.Join(json.Unmarshal(resource, &e), json.Unmarshal(resource, &fields)) != nil || !e.Custom {
		return nil, ""
	}
	id := objectID(e)
	if id == "" {
		var err error
		if id, err = azure.ResourceID(e.Type, subscription, e.Inputs); err != nil {
			return nil, ""
		}
	}
	text, err := json.Marshal(id)
	if err != nil {
		return nil, ""
	}
	fields["id"] = text
	made, err = json.Marshal(fields)
	if err != nil {
		return nil, ""
	}
	return made, e.URN
}

// objectID is the id of a Kubernetes object: namespace and name.
func objectID(e entry) string {
	if !strings.HasPrefix(e.Type, "kubernetes:") {
		return ""
	}
	meta, _ := e.Inputs["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if space, _ := meta["namespace"].(string); space != "" && name != "" {
		return space + "/" + name
	}
	return name
}

// lockedText is how the engine says that another update has the stack: in a backend of
// files and blobs, and in Pulumi's own.
var lockedText = []string{"the stack is currently locked by", "Another update is currently in progress"}

// pulumi runs the command beside the Automation API, which always decrypts what it exports.
func (s *Stack) pulumi(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	out, errout, _, err := s.command.Run(ctx, s.work, bytes.NewReader(stdin), nil, nil, s.env, args...)
	if err == nil {
		return []byte(out), nil
	}
	said := strings.TrimSpace(errout)
	for _, text := range lockedText {
		if strings.Contains(said, text) {
			err = ErrLocked
		}
	}
	return nil, fmt.Errorf("pulumi %s: %w: %s", strings.Join(args, " "), err, said)
}

// isLocked reports whether an update found the stack locked.
func isLocked(err error) bool { return auto.IsConcurrentUpdateError(err) || errors.Is(err, ErrLocked) }
