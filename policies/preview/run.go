package preview

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"lifeboat/policies"
)

// Run runs `pulumi preview --json --show-sames` for a stack in the project's folder and reads what it
// prints. pulumi is the path of the command. It changes nothing in the cloud.
func Run(ctx context.Context, pulumi, dir, stack string) (*policies.Stack, error) {
	cmd := exec.CommandContext(ctx, pulumi, "preview", "--json", "--show-sames", "--non-interactive", "--stack", stack)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	s, err := Read(&stdout)
	if err == nil && runErr == nil {
		return s, nil
	}
	if runErr != nil {
		return nil, fmt.Errorf("%w: pulumi preview of stack %s: %w: %s", ErrFailed, stack, runErr, tail(stderr.String(), err))
	}
	return nil, fmt.Errorf("pulumi preview of stack %s: %w", stack, err)
}

// tail is the end of what a failed command said, or what its JSON says instead.
func tail(stderr string, err error) string {
	const most = 2000
	said := strings.TrimSpace(stderr)
	if said == "" && err != nil {
		said = err.Error()
	}
	if len(said) > most {
		said = "…" + said[len(said)-most:]
	}
	return said
}
