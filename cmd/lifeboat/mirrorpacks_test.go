package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/mirror"
)

// TestMirrorWithPacks: the stores are compacted each by itself, so what is a pack in one
// may be single segments in the other. Verify knows, and repair heals one from the other.
func TestMirrorWithPacks(t *testing.T) {
	t.Parallel()
	primaryDir, mirrorDir := oldLog(t, 1030)
	s := &site{t: t, dir: filepath.Dir(strings.TrimPrefix(primaryDir, "dir:"))}
	require.NotEmpty(t, mirrorDir)
	singles, packed := s.inMemory("primary"), s.inMemory("mirror")
	_, err := eventlog.Compact(t.Context(), eventlog.CompactConfig{Store: packed, Delete: true})
	require.NoError(t, err)
	pack := slices.DeleteFunc(packed.Names(), func(n string) bool { return !strings.HasPrefix(n, "packs/") })[0]
	single := slices.DeleteFunc(singles.Names(), func(n string) bool { return !strings.HasPrefix(n, "log/") })[500]
	stores := mirror.Stores{Primary: singles, Mirror: packed}
	verify := func() *mirror.Report {
		r, err := mirror.Verify(t.Context(), stores, mirror.Options{})
		require.NoError(t, err)
		return r
	}
	clean := verify()
	require.Empty(t, clean.Findings(), "two forms of the same log are no damage")
	for what, damage := range map[string]func(){
		"pack flipped":   func() { packed.Tamper(pack, memory.Flip(8*5000)) },
		"pack cut":       func() { packed.Tamper(pack, memory.Cut(9)) },
		"pack deleted":   func() { packed.Remove(pack) },
		"single flipped": func() { singles.Tamper(single, memory.Flip(8*100)) },
		"single deleted": func() { singles.Remove(single) },
	} {
		keepSingles, keepPacked := bodies(singles), bodies(packed)
		damage()
		found := verify()
		require.NotEmpty(t, found.Findings(), what)
		for _, f := range found.Findings() {
			require.True(t, f.Elsewhere, "%s: %+v", what, f)
		}
		_, err := mirror.Repair(t.Context(), stores, found, true)
		require.NoError(t, err, what)
		healed := verify()
		require.Empty(t, healed.Findings(), what)
		require.Equal(t, clean.Mirror.Log.End, healed.Mirror.Log.End, what)
		require.Equal(t, clean.Primary.Log.End, healed.Primary.Log.End, what)
		for s, all := range map[*memory.Store]map[string]string{singles: keepSingles, packed: keepPacked} {
			for _, n := range s.Names() {
				s.Remove(n)
			}
			for n, body := range all {
				s.Put(n, []byte(body))
			}
		}
	}
}

// reading counts what is read, and stops after so many reads of objects.
type reading struct {
	blob.Store
	reads, most atomic.Int64
}

var errStopped = errors.New("stopped")

func (r *reading) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if r.reads.Add(1) > r.most.Load() {
		return nil, errStopped
	}
	return r.Store.Get(ctx, name, off, n)
}

// TestMirrorVerifyResumes: interrupted anywhere, a pass goes on, reads in all hardly more
// than one that was not, and ends with the same report, also of damage.
func TestMirrorVerifyResumes(t *testing.T) {
	t.Parallel()
	site := filled(t)
	ctx, store := t.Context(), site.inMemory("mirror")
	chunks := slices.DeleteFunc(store.Names(), func(n string) bool { return !strings.HasPrefix(n, "chunks/") })
	for _, damaged := range []bool{false, true} {
		if damaged {
			store.Tamper(chunks[len(chunks)/2], memory.Flip(60))
		}
		want, err := mirror.Verify(ctx, mirror.Stores{Mirror: store}, mirror.Options{})
		require.NoError(t, err)
		path, runs := filepath.Join(t.TempDir(), "pass"), 0
		for most := int64(10); ; most += 10 {
			r := &reading{Store: store}
			r.most.Store(most)
			pass, err := mirror.OpenPass(path)
			require.NoError(t, err)
			got, err := mirror.Verify(ctx, mirror.Stores{Mirror: r}, mirror.Options{Pass: pass})
			require.NoError(t, pass.Close(err == nil))
			runs++
			if err == nil {
				require.Equal(t, want, got)
				break
			}
			require.ErrorIs(t, err, errStopped)
		}
		require.Greater(t, runs, 2)
		require.NoFileExists(t, path, "the pass is over")
	}
	site.ok("mirror", "verify", "--mirror-only", "--resume", filepath.Join(t.TempDir(), "pass"))
	require.Equal(t, 2, site.run("mirror", "verify", "--resume", site.conf).code, "some other file")
}
