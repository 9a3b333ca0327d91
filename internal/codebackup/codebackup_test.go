package codebackup_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/codebackup"
)

// repository is a real git repository that a test works in.
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	r := repository{t, t.TempDir()}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"-C", r.dir, "-c", "user.name=Ada", "-c", "user.email=ada@careful.example", "-c", "commit.gpgsign=false"}, args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

func (r repository) commit(text string) string {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, "file"), []byte(text), 0o600))
	r.git("add", "file")
	r.git("commit", "--quiet", "-m", text)
	return r.git("rev-parse", "HEAD")
}

func (r repository) refs() string { return r.git("for-each-ref", "--format=%(objectname) %(refname)") }

func (r repository) backup(stores ...blob.Store) (*codebackup.Manifest, bool) {
	r.t.Helper()
	m, fresh, err := codebackup.Backup(r.t.Context(), codebackup.Config{Repository: r.dir, Stores: stores})
	require.NoError(r.t, err)
	return m, fresh
}

func TestEveryBackupRestoresWhatTheRepositoryWas(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	near, far := memory.New(), memory.New()
	steps := []struct {
		name   string
		change func()
		fresh  bool
		parent uint64
		parts  int
	}{
		{"first", func() { r.commit("one") }, true, 0, 1},
		{"nothing new", func() {}, false, 0, 1},
		{"a commit", func() { r.commit("two") }, true, 1, 1},
		{"a branch at a known commit", func() { r.git("branch", "release", "HEAD~1") }, true, 2, 0},
		{"an annotated tag", func() { r.git("tag", "-a", "v1", "-m", "first release") }, true, 3, 1},
		{"the tag is deleted", func() { r.git("tag", "-d", "v1") }, true, 4, 0},
		{"history is rewritten", func() { r.git("reset", "--quiet", "--hard", "HEAD~1"); r.commit("other") }, true, 5, 1},
	}
	restored := map[uint64]string{}
	for _, s := range steps {
		s.change()
		m, fresh := r.backup(near, far)
		require.Equal(t, s.fresh, fresh, s.name)
		require.Equal(t, s.parent, m.Parent, s.name)
		require.Len(t, m.Parts, s.parts, s.name)
		restored[m.Number] = r.refs()
	}
	for number, refs := range restored {
		folder := filepath.Join(t.TempDir(), "clone")
		m, err := codebackup.Restore(t.Context(), far, number, folder, false)
		require.NoError(t, err, "backup %d", number)
		clone := repository{t, folder}
		require.Equal(t, refs, clone.refs(), "backup %d", number)
		require.Equal(t, m.Commit, clone.git("rev-parse", "HEAD"))
		require.Empty(t, clone.git("status", "--porcelain"), "the work tree is checked out whole")
	}
	require.Empty(t, near.Violations())
	require.Empty(t, far.Violations())
}

func TestPrunedHistoryIsBackedUpInFull(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	store := memory.New()
	r.commit("one")
	r.backup(store)
	r.git("checkout", "--quiet", "--orphan", "fresh")
	r.commit("unrelated")
	r.git("branch", "-D", "main")
	r.git("reflog", "expire", "--expire=now", "--all")
	r.git("gc", "--quiet", "--prune=now")
	m, _ := r.backup(store)
	require.Zero(t, m.Parent, "what the last backup had is gone here")
	_, err := codebackup.Verify(t.Context(), store, 0)
	require.NoError(t, err)
}

func TestDamageOfAnyObjectIsNamed(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	whole := memory.New()
	r.commit("one")
	r.backup(whole)
	r.commit("two")
	r.backup(whole)
	var names []string
	for info, err := range whole.List(t.Context(), "code/", "") {
		require.NoError(t, err)
		names = append(names, info.Name)
	}
	require.Len(t, names, 4)
	for _, name := range names {
		for how, harm := range map[string]func(*memory.Store){
			"missing": func(s *memory.Store) { s.Remove(name) },
			"flipped": func(s *memory.Store) { s.Tamper(name, memory.Flip(3)) },
			"cut":     func(s *memory.Store) { s.Tamper(name, memory.Cut(5)) },
		} {
			store := whole.Clone()
			harm(store)
			_, err := codebackup.Verify(t.Context(), store, 2)
			require.Error(t, err, "%s %s", name, how)
			require.ErrorContains(t, err, name, how)
			_, err = codebackup.Check(t.Context(), store, 0)
			if name == "code/manifests/0000000000000002" && how == "missing" {
				continue // without its manifest a backup does not exist: the newest is the one before
			}
			require.Error(t, err, "without a clone: %s %s", name, how)
			require.ErrorContains(t, err, name, how)
		}
	}
	m, err := codebackup.Check(t.Context(), whole, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, m.Number)
	_, err = codebackup.Check(t.Context(), memory.New(), 0)
	require.ErrorIs(t, err, codebackup.ErrNone)
}

// denied fails every Create of names with the prefix, as a store that is down does.
type denied struct {
	blob.Store
	prefix string
}

var errDown = errors.New("store is down")

func (d denied) Create(ctx context.Context, name string, body []byte) error {
	if strings.HasPrefix(name, d.prefix) {
		return errDown
	}
	return d.Store.Create(ctx, name, body)
}

func TestAStoreThatWasDownIsCompletedLater(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"code/parts/", "code/manifests/"} {
		r := newRepository(t)
		near, far := memory.New(), memory.New()
		r.commit("one")
		_, _, err := codebackup.Backup(t.Context(), codebackup.Config{Repository: r.dir, Stores: []blob.Store{near, denied{far, prefix}}})
		require.ErrorIs(t, err, errDown)
		_, err = codebackup.Verify(t.Context(), far, 0)
		require.ErrorIs(t, err, codebackup.ErrNone, "without its manifest it does not exist")

		m, _ := r.backup(near, far)
		require.EqualValues(t, 1, m.Number)
		for _, s := range []blob.Store{near, far} {
			_, err := codebackup.Verify(t.Context(), s, 0)
			require.NoError(t, err)
		}
	}
}

func TestTwoBackupsAtOnceTakeTwoNumbers(t *testing.T) {
	t.Parallel()
	near, far := memory.New(), memory.New()
	numbers := make([]uint64, 2)
	var wg sync.WaitGroup
	for i := range numbers {
		r := newRepository(t)
		r.commit(string(rune('a' + i)))
		wg.Go(func() {
			m, _, err := codebackup.Backup(t.Context(), codebackup.Config{
				Repository: r.dir, Stores: []blob.Store{near, far},
				Clock: func() time.Time { return time.Unix(int64(i), 0) },
			})
			if err != nil {
				t.Error(err)
				return
			}
			numbers[i] = m.Number
		})
	}
	wg.Wait()
	require.ElementsMatch(t, []uint64{1, 2}, numbers)
	for n := range uint64(2) {
		_, err := codebackup.Verify(t.Context(), far, n+1)
		require.NoError(t, err)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.commit("one")
	r.commit("two")
	shallow := filepath.Join(t.TempDir(), "shallow")
	r.git("clone", "--quiet", "--depth=1", "file://"+r.dir, shallow)
	for name, dir := range map[string]string{"shallow clone": shallow, "no repository": t.TempDir(), "no folder": filepath.Join(t.TempDir(), "none")} {
		store := memory.New()
		_, _, err := codebackup.Backup(t.Context(), codebackup.Config{Repository: dir, Stores: []blob.Store{store}})
		require.ErrorIs(t, err, codebackup.ErrRepository, name)
		_, err = codebackup.Latest(t.Context(), store)
		require.ErrorIs(t, err, codebackup.ErrNone, name)
	}
	store := memory.New()
	r.backup(store)
	_, err := codebackup.Restore(t.Context(), store, 0, r.dir, false)
	require.ErrorIs(t, err, codebackup.ErrNotEmpty)
}

const golden = "testdata/v1/manifest.json"

func TestGoldenManifestIsStillRead(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(golden)
	require.NoError(t, err)
	store := memory.New()
	require.NoError(t, store.Create(t.Context(), "code/manifests/0000000000000002", body))
	m, err := codebackup.Read(t.Context(), store, 2)
	require.NoError(t, err)
	require.Equal(t, "refs/heads/main", m.Head)
	require.EqualValues(t, 1, m.Parent)
	require.EqualValues(t, 283, m.Bytes())

	newer := memory.New()
	require.NoError(t, newer.Create(t.Context(), "code/manifests/0000000000000002", []byte(strings.Replace(string(body), `"version":1`, `"version":2`, 1))))
	_, err = codebackup.Read(t.Context(), newer, 2)
	require.ErrorIs(t, err, codebackup.ErrNewer)
}

// FuzzRead: whatever a store gives for a manifest is one, or is refused by name.
func FuzzRead(f *testing.F) {
	blobtest.Hostile(f, []string{golden}, func(t *testing.T, body []byte) error {
		store := memory.New()
		store.Put("code/manifests/0000000000000002", body)
		m, err := codebackup.Read(t.Context(), store, 2)
		if err == nil && (m.Number != 2 || m.Parent >= 2) {
			t.Fatalf("accepted %+v", m)
		}
		return err
	}, codebackup.ErrDamaged, codebackup.ErrNewer)
}
