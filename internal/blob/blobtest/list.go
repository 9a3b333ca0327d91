package blobtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/blob"
)

// testList: byte order of whole names, which is not the order of a tree walked folder by
// folder: '-' and '.' sort before '/', digits and letters after.
func testList(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	want := []string{
		"a-b", "a-b-c", "a.b", "a/b", "a/b-c/d", "a/b.c", "a/c/d", "a/c0", "a0", "a_b", "ab/c", "b",
		"log/00000001/0000000000000009", "log/00000001/0000000000000010", "log/00000002/0000000000000001", "z/z/z/z",
	}
	slices.Sort(want)
	for i := range want {
		name := want[(i*7)%len(want)] // not created in order
		require.NoError(t, s.Create(ctx, name, []byte(name)))
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/c", "a-", "log/", "log/00000001/", "log/0000", "none", "z/z/z/z", "z/z/z/z/", "b", "zz"} {
		for _, after := range append([]string{"", "0", "a/", "a/c", "a/b-c", "log/00000001", "zzz", "A"}, want...) {
			var expect []string
			for _, name := range want {
				if strings.HasPrefix(name, prefix) && name > after {
					expect = append(expect, name)
				}
			}
			got, err := list(s, prefix, after)
			require.NoError(t, err)
			require.Equal(t, expect, got, "prefix %q after %q", prefix, after)
		}
	}
	for info, err := range s.List(ctx, "a/b-c/", "") {
		require.NoError(t, err)
		require.Equal(t, int64(len(info.Name)), info.Size)
		require.False(t, info.Created.IsZero())
	}
}

func testListModel(t *testing.T, suite Suite) {
	name := rapid.StringMatching(`[a-c0._-]{1,3}(/[a-c0._-]{1,3}){0,3}`).Filter(func(n string) bool { return blob.CheckName(n) == nil })
	prefixes := rapid.StringMatching(`([a-c0._-]{1,2}/?){0,3}`)
	runs := 0
	s := suite.New(t)
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		root := fmt.Sprintf("run%d/", runs)
		taken := map[string]bool{}
		for _, n := range rapid.SliceOfNDistinct(name, 0, 12, rapid.ID).Draw(rt, "names") {
			if !clashes(taken, n) {
				taken[n] = true
				require.NoError(rt, s.Create(context.Background(), root+n, []byte(n)))
			}
		}
		prefix := rapid.OneOf(prefixes, name).Draw(rt, "prefix")
		after := rapid.OneOf(prefixes, name).Draw(rt, "after")
		var want []string
		for n := range taken {
			if strings.HasPrefix(n, prefix) && n > after {
				want = append(want, root+n)
			}
		}
		slices.Sort(want)
		got, err := list(s, root+prefix, root+after)
		require.NoError(rt, err)
		require.Equal(rt, want, got)
		for n := range taken { // stores that slow down with many objects
			require.NoError(rt, s.Delete(context.Background(), root+n))
		}
	})
}

// clashes tells whether one name is a folder of the other, which stores may refuse.
func clashes(taken map[string]bool, n string) bool {
	for other := range taken {
		if strings.HasPrefix(n, other+"/") || strings.HasPrefix(other, n+"/") {
			return true
		}
	}
	return false
}

func testListStops(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	for i := range 20 {
		require.NoError(t, s.Create(ctx, fmt.Sprintf("n/%02d", i), []byte("x")))
	}
	seen := 0
	for _, err := range s.List(ctx, "n/", "n/03") {
		require.NoError(t, err)
		if seen++; seen == 5 {
			break
		}
	}
	require.Equal(t, 5, seen)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	ended := false
	for _, err := range s.List(cancelled, "n/", "") {
		require.False(t, ended, "the list goes on after an error")
		require.ErrorIs(t, err, context.Canceled)
		ended = true
	}
	require.True(t, ended, "a cancelled list ends with an error")
}

func testDelete(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	require.NoError(t, s.Create(ctx, "d/one", []byte("1")))
	require.NoError(t, s.Create(ctx, "d/two", []byte("2")))
	require.NoError(t, s.Delete(ctx, "d/one"))
	require.NoError(t, s.Delete(ctx, "d/one"), "what is absent")
	_, err := s.Stat(ctx, "d/one")
	require.ErrorIs(t, err, blob.ErrNotExist)
	names, err := list(s, "", "")
	require.NoError(t, err)
	require.Equal(t, []string{"d/two"}, names)
	require.NoError(t, s.Create(ctx, "d/one", []byte("other")), "the name is free again")
	require.Equal(t, "other", string(read(t, s, "d/one", 0, -1)))
}

// testCancelled: nothing changes once the context has ended.
func testCancelled(t *testing.T, suite Suite) {
	s := suite.New(t)
	require.NoError(t, s.Create(t.Context(), "kept", []byte("x")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Create(ctx, "new", []byte("x")), context.Canceled)
	require.ErrorIs(t, s.Delete(ctx, "kept"), context.Canceled)
	_, err := s.Stat(ctx, "kept")
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Get(ctx, "kept", 0, -1)
	require.ErrorIs(t, err, context.Canceled)
	names, err := list(s, "", "")
	require.NoError(t, err)
	require.Equal(t, []string{"kept"}, names)
}

func testBody(t *testing.T, suite Suite) {
	s := suite.New(t)
	body := bytes.Repeat([]byte("x"), 5000)
	require.NoError(t, s.Create(t.Context(), "mine", body))
	clear(body)
	got := read(t, s, "mine", 0, -1)
	require.Equal(t, byte('x'), got[4999])
	clear(got)
	require.Equal(t, byte('x'), read(t, s, "mine", 0, -1)[0])
}

func testConcurrent(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	const workers, each = 8, 12
	errs := together(workers, func(w int) error {
		for i := range each {
			name := fmt.Sprintf("c/%d/%04d", i%3, w*each+i)
			if err := s.Create(ctx, name, random(uint64(w), 3000+i)); err != nil {
				return err
			}
			if got, err := blob.ReadAll(ctx, s, name, 1<<20); err != nil || len(got) != 3000+i {
				return fmt.Errorf("read %s: %d bytes, %w", name, len(got), err)
			}
			if _, err := list(s, "c/1/", ""); err != nil {
				return err
			}
		}
		return nil
	})
	for _, err := range errs {
		require.NoError(t, err)
	}
	names, err := list(s, "c/", "")
	require.NoError(t, err)
	require.Len(t, names, workers*each)
	require.True(t, slices.IsSorted(names))
}

func testAgain(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	require.NoError(t, s.Create(ctx, "seen/by/all", []byte("x")))
	again := suite.Again(t, s)
	require.Equal(t, "x", string(read(t, again, "seen/by/all", 0, -1)))
	require.ErrorIs(t, again.Create(ctx, "seen/by/all", []byte("y")), blob.ErrExists)
	require.NoError(t, again.Create(ctx, "seen/by/all", []byte("x")))
}
