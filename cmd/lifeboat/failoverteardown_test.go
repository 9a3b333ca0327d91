package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover"
	"lifeboat/failover/preflight"
	"lifeboat/internal/config"
	"lifeboat/internal/repotest"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

// groups is a cloud that says what it holds.
type groups struct {
	preflight.Cloud
	asked, left []string
	err         error
}

func (g *groups) InGroups(_ context.Context, names ...string) ([]string, error) {
	g.asked = names
	return g.left, g.err
}

// TestTeardownAsksTheCloud: what a stack left is asked of its own resource groups; a cloud
// that does not answer does not undo the teardown, and is told.
func TestTeardownAsksTheCloud(t *testing.T) {
	t.Parallel()
	s, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	ask := func(cloud preflight.Cloud) ([]string, string) {
		e := &expedition{
			app:    &app{stderr: io.Discard, azure: func(*settings.Settings) (preflight.Cloud, preflight.Registry) { return cloud, nil }},
			bridge: &bridge{stack: s, config: &config.File{}}, plan: &failover.Plan{ID: "d1", Kind: failover.Drill},
		}
		left, err := e.inventory(t.Context(), "failover-d1")
		require.NoError(t, err)
		return left, e.unasked
	}
	g := &groups{left: []string{"/subscriptions/s/resourceGroups/rg-careful-d1"}}
	left, unasked := ask(g)
	require.Equal(t, g.left, left)
	require.Empty(t, unasked)
	require.Equal(t, []string{"rg-careful-d1", "rg-careful-d1-nodes"}, g.asked)
	left, unasked = ask(&groups{err: errors.New("no role here")})
	require.Empty(t, left)
	require.Equal(t, "no role here", unasked)
	_, unasked = ask(nil)
	require.NotEmpty(t, unasked)
}
