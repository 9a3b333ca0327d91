package azuritetest

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithoutNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	folder := filepath.Join(t.TempDir(), "azurite")
	err := installInto(folder, filepath.Join(folder, "program"))
	require.ErrorContains(t, err, "install node and npm")
	require.NoDirExists(t, folder)
}

// TestLock: every package is pinned by its hash, and none to somebody's own registry.
func TestLock(t *testing.T) {
	t.Parallel()
	var file struct {
		Packages map[string]struct {
			Version, Resolved, Integrity string
			Link                         bool
		}
	}
	require.NoError(t, json.Unmarshal(lock, &file))
	require.Greater(t, len(file.Packages), 100)
	for name, p := range file.Packages {
		if name == "" {
			continue
		}
		require.NotEmpty(t, p.Version, name)
		require.True(t, strings.HasPrefix(p.Integrity, "sha512-"), name)
		require.Empty(t, p.Resolved, "%s: the user's own npm settings say where from", name)
	}
}
