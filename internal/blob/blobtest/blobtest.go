// Package blobtest is the suite that every blob.Store passes. A store's own tests call
// Run with a way to make an empty store; nothing in the suite knows which store it is.
// Beside it, Hostile is for those who read what stores keep.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/blob"
)

// Suite says how to test a store.
type Suite struct {
	// New makes a store that is empty. Each part of the suite asks for its own.
	New func(t *testing.T) blob.Store
	// Again opens the same objects once more, as a second process would; nil if the
	// store cannot be opened twice.
	Again func(t *testing.T, s blob.Store) blob.Store
	// Big is the size in bytes of the large object; 0 = 9 MiB.
	Big int
}

// Run runs the suite.
func Run(t *testing.T, suite Suite) {
	if suite.Big == 0 {
		suite.Big = 9 << 20
	}
	if suite.Again == nil {
		suite.Again = func(_ *testing.T, s blob.Store) blob.Store { return s }
	}
	parts := map[string]func(*testing.T, Suite){
		"create and read back":     testCreate,
		"taken names":              testTaken,
		"racing creators":          testRace,
		"racing equal creators":    testEqualRace,
		"absent objects":           testAbsent,
		"ranges":                   testRanges,
		"big objects":              testBig,
		"names":                    testNames,
		"order of a list":          testList,
		"lists against a model":    testListModel,
		"list stops":               testListStops,
		"delete":                   testDelete,
		"cancelled":                testCancelled,
		"body belongs to caller":   testBody,
		"concurrent use":           testConcurrent,
		"visible to a second view": testAgain,
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, suite)
		})
	}
}

func read(t require.TestingT, s blob.Store, name string, off, n int64) []byte {
	r, err := s.Get(context.Background(), name, off, n)
	require.NoError(t, err)
	body, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return body
}

// random returns n bytes that are the same for the same seed.
func random(seed uint64, n int) []byte {
	var key [32]byte
	key[0] = byte(seed)
	body := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(body) // never fails
	return body
}

func testCreate(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	before := time.Now().Add(-5 * time.Minute) // the store's clock is its own
	for _, n := range []int{1, 2, 4095, 4096, 4097, 1 << 17} {
		name := fmt.Sprintf("log/00000001/%016d", n)
		want := random(1, n)
		require.NoError(t, s.Create(ctx, name, want))
		require.Equal(t, want, read(t, s, name, 0, -1))
		info, err := s.Stat(ctx, name)
		require.NoError(t, err)
		require.Equal(t, name, info.Name)
		require.Equal(t, int64(n), info.Size)
		require.Equal(t, time.UTC, info.Created.Location())
		require.True(t, info.Created.After(before), "created %v", info.Created)
	}
	require.ErrorIs(t, s.Create(ctx, "log/empty", nil), blob.ErrEmpty)
	require.ErrorIs(t, s.Create(ctx, "log/empty", []byte{}), blob.ErrEmpty)
	_, err := s.Stat(ctx, "log/empty")
	require.ErrorIs(t, err, blob.ErrNotExist)
}

func testTaken(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	want := random(2, 70_000)
	require.NoError(t, s.Create(ctx, "a/b", want))
	require.NoError(t, s.Create(ctx, "a/b", bytes.Clone(want)), "the same bytes again")
	flipped := bytes.Clone(want)
	flipped[len(flipped)-1] ^= 1
	for name, other := range map[string][]byte{
		"shorter":         want[:len(want)-1],
		"longer":          append(bytes.Clone(want), 0),
		"one bit differs": flipped,
	} {
		err := s.Create(ctx, "a/b", other)
		require.ErrorIs(t, err, blob.ErrExists, name)
		require.Contains(t, err.Error(), "a/b", name)
	}
	require.Equal(t, want, read(t, s, "a/b", 0, -1))
}

// testRace: 16 creators of different bytes; one wins, and its bytes are there.
func testRace(t *testing.T, suite Suite) {
	s := suite.New(t)
	const racers, rounds = 16, 8
	handles := make([]blob.Store, racers)
	for i := range handles {
		handles[i] = suite.Again(t, s)
	}
	for round := range rounds {
		name := fmt.Sprintf("race/%d/slot", round)
		errs := together(racers, func(i int) error {
			return handles[i].Create(t.Context(), name, []byte(fmt.Sprintf("racer %02d of round %d", i, round)))
		})
		winner := -1
		for i, err := range errs {
			if err == nil {
				require.Equal(t, -1, winner, "racers %d and %d both won round %d", winner, i, round)
				winner = i
				continue
			}
			require.ErrorIs(t, err, blob.ErrExists)
		}
		require.NotEqual(t, -1, winner, "nobody won round %d", round)
		require.Equal(t, fmt.Sprintf("racer %02d of round %d", winner, round), string(read(t, s, name, 0, -1)))
	}
}

func testEqualRace(t *testing.T, suite Suite) {
	s, body := suite.New(t), random(3, 100_000)
	for _, err := range together(16, func(int) error { return s.Create(t.Context(), "chunks/one", body) }) {
		require.NoError(t, err)
	}
	require.Equal(t, body, read(t, s, "chunks/one", 0, -1))
}

// together calls f n times at once.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func testAbsent(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	require.NoError(t, s.Create(ctx, "here/it/is", []byte("x")))
	for _, name := range []string{"nothing", "here/not", "here/it/is-not", "here/it", "here", "here/it/is/below"} {
		_, err := s.Stat(ctx, name)
		require.ErrorIs(t, err, blob.ErrNotExist, name)
		require.Contains(t, err.Error(), name)
		r, err := s.Get(ctx, name, 0, -1)
		if err == nil {
			_, err = io.ReadAll(r)
			require.NoError(t, r.Close())
		}
		require.ErrorIs(t, err, blob.ErrNotExist, name)
		require.NoError(t, s.Delete(ctx, name))
	}
	require.Equal(t, "x", string(read(t, s, "here/it/is", 0, -1)))
}

func testRanges(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	want := random(4, 10_000)
	require.NoError(t, s.Create(ctx, "ranged", want))
	for _, c := range []struct{ off, n int64 }{
		{0, -1}, {0, 0}, {0, 1}, {0, 10_000}, {0, 10_001}, {1, -1}, {9_999, 1}, {9_999, -1}, {9_999, 50},
		{10_000, -1}, {10_000, 1}, {10_001, -1}, {1 << 40, 1}, {1 << 40, -1}, {5_000, 100}, {0, 1<<62 - 1},
	} {
		from := min(c.off, 10_000)
		to := int64(10_000)
		if c.n >= 0 {
			to = min(to, from+c.n)
		}
		got := read(t, s, "ranged", c.off, c.n)
		require.True(t, bytes.Equal(want[from:to], got), "range %d+%d: got %d bytes, want %d", c.off, c.n, len(got), to-from)
	}
	_, err := s.Get(ctx, "ranged", -1, 1)
	require.Error(t, err, "negative offset")
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.Int64Range(0, 10_000).Draw(t, "off")
		n := rapid.Int64Range(0, 10_000-off).Draw(t, "n")
		require.True(t, bytes.Equal(want[off:off+n], read(t, s, "ranged", off, n)))
	})
}

func testBig(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	want := random(5, suite.Big)
	require.NoError(t, s.Create(ctx, "big/one", want))
	require.NoError(t, s.Create(ctx, "big/one", want))
	h := sha256.New()
	r, err := s.Get(ctx, "big/one", 0, -1)
	require.NoError(t, err)
	n, err := io.Copy(h, r)
	require.NoError(t, errors.Join(err, r.Close()))
	require.Equal(t, int64(len(want)), n)
	sum := sha256.Sum256(want)
	require.Equal(t, sum[:], h.Sum(nil))
	middle := int64(len(want) / 2)
	require.True(t, bytes.Equal(want[middle:middle+100_000], read(t, s, "big/one", middle, 100_000)))
	other := bytes.Clone(want)
	other[len(other)/2] ^= 0x80
	require.ErrorIs(t, s.Create(ctx, "big/one", other), blob.ErrExists)
	require.True(t, bytes.Equal(want[middle:middle+10], read(t, s, "big/one", middle, 10)))

	errs := together(4, func(i int) error { return s.Create(ctx, "big/race", random(uint64(10+i), suite.Big)) })
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			require.True(t, bytes.Equal(random(uint64(10+i), suite.Big), read(t, s, "big/race", 0, -1)))
			continue
		}
		require.ErrorIs(t, err, blob.ErrExists)
	}
	require.Equal(t, 1, won, "winners of a race of large objects")
}

func testNames(t *testing.T, suite Suite) {
	s, ctx := suite.New(t), t.Context()
	good := []string{
		"a", "A0", "0", "a-b", "a.b", "a_b", "-", "_", "--x", "log/00000001/0000000000000001", "a.tar.gz",
		"x/" + strings.Repeat("n", blob.MaxSegmentLen),
		strings.Repeat("dddddddddd/", 46) + "leaf", // 510 bytes
	}
	for _, name := range good {
		require.NoError(t, s.Create(ctx, name, []byte(name)), name)
		require.Equal(t, name, string(read(t, s, name, 0, -1)))
	}
	bad := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.hidden", "a.", "a./b",
		"a b", "a\x00b", "a\nb", `a\b`, "a:b", "a%2fb", "a?b", "a#b", "é", "a+b", "~", "a*", "COM1:", "a\u202eb",
		strings.Repeat("n", blob.MaxSegmentLen+1), strings.Repeat("a/", 300) + "a",
	}
	for _, name := range bad {
		require.ErrorIs(t, s.Create(ctx, name, []byte("x")), blob.ErrName, "%q", name)
		_, err := s.Stat(ctx, name)
		require.ErrorIs(t, err, blob.ErrName, "%q", name)
		_, err = s.Get(ctx, name, 0, -1)
		require.ErrorIs(t, err, blob.ErrName, "%q", name)
		require.ErrorIs(t, s.Delete(ctx, name), blob.ErrName, "%q", name)
	}
	names, err := list(s, "", "")
	require.NoError(t, err)
	slices.Sort(good)
	require.Equal(t, good, names)
}

func list(s blob.Store, prefix, after string) ([]string, error) {
	var names []string
	for info, err := range s.List(context.Background(), prefix, after) {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}
