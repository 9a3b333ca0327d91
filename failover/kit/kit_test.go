package kit_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/kit"
	"lifeboat/internal/blob/memory"
)

var t0 = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func contents(t *testing.T) kit.Contents {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), mode))
		return file
	}
	return kit.Contents{Platform: "linux/amd64", Code: 7, Versions: map[string]string{"lifeboat": "0.1.0"}, Clock: func() time.Time { return t0 },
		Items: []kit.Item{{Path: "lifeboat.yaml", From: write("a", "version: 1\n", 0o600)}, {Path: "bin/lifeboat", From: write("b", strings.Repeat("program", 1000), 0o755)},
			{Path: "empty", From: write("c", "", 0o600)}}}
}

func TestBuildAndUnpack(t *testing.T) {
	t.Parallel()
	store, ctx := memory.New(), t.Context()
	_, err := kit.Latest(ctx, store)
	require.ErrorIs(t, err, kit.ErrNone)
	c := contents(t)
	m, fresh, err := kit.Build(ctx, store, c)
	require.NoError(t, err)
	require.True(t, fresh)
	require.Equal(t, uint64(1), m.Number)
	c.Clock = func() time.Time { return t0.Add(time.Hour) }
	again, fresh, err := kit.Build(ctx, store, c)
	require.NoError(t, err)
	require.False(t, fresh, "nothing changed")
	require.Equal(t, m, again)
	c.Code = 8
	m, fresh, err = kit.Build(ctx, store, c)
	require.NoError(t, err)
	require.True(t, fresh)
	require.Equal(t, uint64(2), m.Number)

	folder := filepath.Join(t.TempDir(), "kit")
	got, err := kit.Unpack(ctx, store, 0, folder)
	require.NoError(t, err)
	require.Equal(t, m, got)
	text, err := os.ReadFile(filepath.Join(folder, "lifeboat.yaml"))
	require.NoError(t, err)
	require.Equal(t, "version: 1\n", string(text))
	info, err := os.Stat(filepath.Join(folder, "bin", "lifeboat"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100)
	require.Equal(t, int64(7000), info.Size())
	_, err = kit.Unpack(ctx, store, 0, folder)
	require.ErrorIs(t, err, kit.ErrNotEmpty)
}

// TestEveryDamageIsFound flips, cuts and drops each object in turn.
func TestEveryDamageIsFound(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"flipped": func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
		"cut":     func(b []byte) []byte { return b[:len(b)-1] },
		"longer":  func(b []byte) []byte { return append(bytes.Clone(b), '{') },
		"dropped": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, original := t.Context(), memory.New()
			_, _, err := kit.Build(ctx, original, contents(t))
			require.NoError(t, err)
			for info, err := range original.List(ctx, "", "") {
				require.NoError(t, err)
				store := memory.New()
				for other, err := range original.List(ctx, "", "") {
					require.NoError(t, err)
					body := read(t, original, other.Name)
					if other.Name == info.Name {
						if damage == nil {
							continue
						}
						body = damage(body)
					}
					store.Put(other.Name, body)
				}
				folder := filepath.Join(t.TempDir(), "kit")
				_, err = kit.Unpack(ctx, store, 1, folder)
				require.ErrorIs(t, err, kit.ErrDamaged, info.Name)
				_, err = os.Stat(folder)
				require.ErrorIs(t, err, os.ErrNotExist, "nothing is left of a kit that is not whole")
			}
		})
	}
}

func read(t *testing.T, store *memory.Store, name string) []byte {
	t.Helper()
	r, err := store.Get(t.Context(), name, 0, -1)
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	require.NoError(t, err)
	return b.Bytes()
}

func TestManifestsThatLeaveTheFolderAreRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		`{"format":2,"new":1}`: kit.ErrNewer,
		`{"format":1,"number":1,"files":[{"path":"../x","size":0,"sha256":"` + strings.Repeat("a", 64) + `"}]}`:   kit.ErrDamaged,
		`{"format":1,"number":1,"files":[{"path":"/etc/x","size":0,"sha256":"` + strings.Repeat("a", 64) + `"}]}`: kit.ErrDamaged,
		`{"format":1,"number":2}`:                  kit.ErrDamaged,
		`{"format":1,"number":1,"unknown":1}`:      kit.ErrDamaged,
		`{"format":1,"number":1,"files":[]} again`: kit.ErrDamaged,
	} {
		store := memory.New()
		store.Put("kits/manifests/0000000000000001", []byte(body))
		_, err := kit.Unpack(t.Context(), store, 0, t.TempDir())
		require.ErrorIs(t, err, want, body)
	}
}

func TestGoldenManifest(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("testdata/v1/manifest.json")
	require.NoError(t, err)
	store := memory.New()
	store.Put("kits/manifests/0000000000000001", body)
	m, err := kit.Read(t.Context(), store, 1)
	require.NoError(t, err)
	require.Equal(t, "0.1.0", m.Versions["lifeboat"])
	require.Equal(t, int64(11), m.Bytes())
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	t.Parallel()
	_, _, err := kit.Build(t.Context(), memory.New(), kit.Contents{Items: []kit.Item{{Path: "x", From: t.TempDir()}}})
	require.Error(t, err)
	_, _, err = kit.Build(t.Context(), memory.New(), kit.Contents{Items: []kit.Item{{Path: "x", From: "/nowhere"}}})
	require.Error(t, err)
}
