package mirror_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/mirror"
)

// FuzzPass: a file that is no interrupted verification is refused, and one that is can be
// opened again.
func FuzzPass(f *testing.F) {
	f.Add([]byte(`{"version":1,"region":"mirror"}` + "\n"))
	f.Add([]byte(`{"version":2,"region":"mirror"}` + "\n"))
	f.Add([]byte(`{"version":1,"region":"mirror","chunk":{}}` + "\n" + `{"version":1,"reg`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "pass")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		p, err := mirror.OpenPass(path)
		if err != nil {
			return
		}
		require.NoError(t, p.Close(false))
		p, err = mirror.OpenPass(path)
		require.NoError(t, err)
		require.NoError(t, p.Close(true))
		require.NoFileExists(t, path)
	})
}
