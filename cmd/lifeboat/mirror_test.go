package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/mirror"
)

// filled is a site with a log of several segments and two bases.
func filled(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	agent := s.agent()
	db := s.open()
	for range 3 {
		_, err := db.ExecContext(t.Context(), "UPDATE ward SET beds = beds + 1")
		require.NoError(t, err)
		agent.barrier(t)
	}
	require.Equal(t, 0, agent.stop().code)
	s.ok("snapshot", "take", "--base")
	return s
}

// inMemory copies a store of the site.
func (s *site) inMemory(name string) *memory.Store {
	s.t.Helper()
	from, err := dir.Open(s.path(name))
	require.NoError(s.t, err)
	to := memory.New()
	for info, err := range from.List(s.t.Context(), "", "") {
		require.NoError(s.t, err)
		body, err := blob.ReadAll(s.t.Context(), from, info.Name, 1<<30)
		require.NoError(s.t, err)
		to.Put(info.Name, body)
	}
	return to
}

func common(name string) bool {
	return slices.ContainsFunc([]string{"epochs/", "log/", "packs/", "chunks/", "snapshots/"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// TestMirrorVerifyNamesAndRepairHeals damages every object of either store in every way:
// verify names it, and repair makes both stores what they were.
func TestMirrorVerifyNamesAndRepairHeals(t *testing.T) {
	t.Parallel()
	site := filled(t)
	ctx := t.Context()
	stores := mirror.Stores{Primary: site.inMemory("primary"), Mirror: site.inMemory("mirror")}
	clean, err := mirror.Verify(ctx, stores, mirror.Options{})
	require.NoError(t, err)
	require.Empty(t, clean.Findings())
	damages := map[string]func(s *memory.Store, name, other string){
		"flip":   func(s *memory.Store, name, _ string) { s.Tamper(name, memory.Flip(77)) },
		"cut":    func(s *memory.Store, name, _ string) { s.Tamper(name, memory.Cut(5)) },
		"delete": func(s *memory.Store, name, _ string) { s.Remove(name) },
		"swap":   func(s *memory.Store, name, other string) { s.Swap(name, other) },
	}
	for side, store := range map[string]*memory.Store{"primary": stores.Primary.(*memory.Store), "mirror": stores.Mirror.(*memory.Store)} {
		names := slices.DeleteFunc(store.Names(), func(n string) bool { return !common(n) })
		require.Greater(t, len(names), 10)
		for i, name := range names {
			for how, damage := range damages {
				before := bodies(store)
				other := names[(i+1)%len(names)]
				damage(store, name, other)
				found, err := mirror.Verify(ctx, stores, mirror.Options{})
				require.NoError(t, err, "%s %s %s", how, side, name)
				here := found.Mirror
				if side == "primary" {
					here = found.Primary
				}
				var named []string
				for _, f := range here.Findings {
					require.NotEmpty(t, f.Advice)
					named = append(named, f.Object)
				}
				require.Contains(t, named, name, "%s in %s", how, side)
				if how == "swap" {
					require.Contains(t, named, other, "%s in %s", how, side)
				}
				if how != "delete" {
					r, err := mirror.Repair(ctx, stores, found, false)
					require.NoError(t, err)
					require.NotEmpty(t, r.Left(), "nothing is replaced unasked")
				}
				_, err = mirror.Repair(ctx, stores, found, true)
				require.NoError(t, err, "%s %s %s", how, side, name)
				require.Equal(t, before, bodies(store), "%s %s in %s", how, name, side)
			}
		}
	}
}

func bodies(s *memory.Store) map[string]string {
	all := map[string]string{}
	for _, n := range s.Names() {
		b, _ := s.Bytes(n)
		all[n] = string(b)
	}
	return all
}

func TestMirrorDamagedInBothRegions(t *testing.T) {
	t.Parallel()
	site := filled(t)
	primary, other := site.inMemory("primary"), site.inMemory("mirror")
	stores := mirror.Stores{Primary: primary, Mirror: other}
	name := slices.DeleteFunc(primary.Names(), func(n string) bool { return !strings.HasPrefix(n, "chunks/") })[0]
	primary.Tamper(name, memory.Flip(50))
	other.Tamper(name, memory.Flip(60))
	before := bodies(primary)
	found, err := mirror.Verify(t.Context(), stores, mirror.Options{})
	require.NoError(t, err)
	require.Len(t, found.Findings(), 2)
	require.NotEmpty(t, found.Mirror.Findings[0].Snapshots)
	require.NotEmpty(t, found.Mirror.Lost)
	r, err := mirror.Repair(t.Context(), stores, found, true)
	require.NoError(t, err)
	require.Len(t, r.Left(), 2)
	require.Equal(t, before, bodies(primary))
}

func TestMirrorVerbs(t *testing.T) {
	t.Parallel()
	s := filled(t)
	require.Zero(t, decode[mirrorStatus](t, s.ok("mirror", "status", "--json")).Transactions)
	s.ok("mirror", "verify", "--rate", "1GiB")
	store, err := dir.Open(s.path("mirror"))
	require.NoError(t, err)
	var last string
	for info, err := range store.List(t.Context(), "log/", "") {
		require.NoError(t, err)
		last = info.Name
	}
	require.NoError(t, store.Delete(t.Context(), last))
	got := s.run("mirror", "verify")
	require.Equal(t, 7, got.code, got.errout)
	require.Contains(t, got.out, last)
	require.Equal(t, 0, s.run("mirror", "repair").code)
	s.ok("mirror", "verify")
	s.ok("mirror", "verify", "--mirror-only")
	require.NoError(t, os.RemoveAll(s.path("primary")))
	s.ok("mirror", "verify", "--mirror-only")
}

func TestMirrorLag(t *testing.T) {
	t.Parallel()
	site := filled(t)
	primary, behind := site.inMemory("primary"), site.inMemory("mirror")
	stores := mirror.Stores{Primary: primary, Mirror: behind}
	all, err := mirror.Verify(t.Context(), stores, mirror.Options{})
	require.NoError(t, err)
	for _, n := range behind.Names() {
		if strings.HasPrefix(n, "log/") || strings.HasPrefix(n, "epochs/") {
			behind.Remove(n)
		}
	}
	got, err := mirror.Measure(t.Context(), stores)
	require.NoError(t, err)
	require.Equal(t, all.Primary.Log.Transactions, got.Transactions)
	require.Equal(t, all.Primary.Log.End, got.Primary)
	require.Positive(t, got.Bytes)
	require.Positive(t, got.Segments)
}

// A segment that the old primary wrote after a takeover must not come back into the log.
func TestMirrorDoesNotCopyWhatATakeoverSetAside(t *testing.T) {
	t.Parallel()
	site := filled(t)
	site.ok("takeover", "--reason", "test", "--primary-lost")
	primary, dr := site.inMemory("primary"), site.inMemory("mirror")
	var last string
	for _, n := range primary.Names() {
		if strings.HasPrefix(n, "log/") {
			last = n
		}
	}
	body, _ := primary.Bytes(last)
	after := last[:len(last)-1] + "9"
	require.NotContains(t, primary.Names(), after)
	primary.Put(after, body)
	before := bodies(dr)
	stores := mirror.Stores{Primary: primary, Mirror: dr}
	found, err := mirror.Verify(t.Context(), stores, mirror.Options{})
	require.NoError(t, err)
	_, err = mirror.Repair(t.Context(), stores, found, true)
	require.NoError(t, err)
	require.Equal(t, before, bodies(dr))
}
