package memory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
)

func TestFaultsOfCreate(t *testing.T) {
	t.Parallel()
	own := errors.New("own error")
	tests := []struct {
		name       string
		fault      memory.Fault
		want       error
		there      bool // at once
		thereLater bool // after two more calls
	}{
		{"none", memory.Fault{}, nil, true, true},
		{"failed", memory.Failed(), memory.ErrInjected, false, false},
		{"done but failed", memory.DoneButFailed(), memory.ErrInjected, true, true},
		{"own error", memory.Fault{Err: own, Effect: memory.Never}, own, false, false},
		{"lost without an error of its own", memory.Fault{Effect: memory.Never}, memory.ErrInjected, false, false},
		{"late", memory.Delayed(2), memory.ErrInjected, false, true},
		{"twice", memory.Fault{Effect: memory.Twice, Calls: 2}, nil, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, ctx := memory.New(), t.Context()
			rule := &memory.Rule{Op: memory.Create, Prefix: "log/", Times: 1, Fault: tt.fault}
			s.Use(rule)
			require.NoError(t, s.Create(ctx, "other", []byte("x")))
			body := []byte("body")
			require.ErrorIs(t, s.Create(ctx, "log/1", body), tt.want)
			clear(body)
			_, there := s.Bytes("log/1")
			require.Equal(t, tt.there, there)
			for range 2 {
				_, err := s.Stat(ctx, "other")
				require.NoError(t, err)
			}
			got, there := s.Bytes("log/1")
			require.Equal(t, tt.thereLater, there)
			if there {
				require.Equal(t, "body", string(got))
			}
			require.Equal(t, 1, rule.Hits())
			require.Empty(t, s.Violations())
		})
	}
}

// TestLateRequests: a late Create neither replaces what came before it nor is held
// against anybody; a duplicate may bring back what was deleted.
func TestLateRequests(t *testing.T) {
	t.Parallel()
	s, ctx := memory.New(), t.Context()
	s.Use(&memory.Rule{Op: memory.Create, Times: 1, Fault: memory.Delayed(100)})
	require.Error(t, s.Create(ctx, "log/1", []byte("old writer")))
	require.NoError(t, s.Create(ctx, "log/1", []byte("fence")))
	s.Deliver()
	got, _ := s.Bytes("log/1")
	require.Equal(t, "fence", string(got))
	require.Empty(t, s.Violations())

	s.Use(&memory.Rule{Op: memory.Create, Times: 1, Fault: memory.Fault{Effect: memory.Twice, Calls: 100}})
	require.NoError(t, s.Create(ctx, "log/2", []byte("x")))
	require.NoError(t, s.Delete(ctx, "log/2"))
	s.Deliver()
	_, there := s.Bytes("log/2")
	require.True(t, there)

	s.Use(&memory.Rule{Op: memory.Delete, Times: 1, Fault: memory.Delayed(100)})
	require.Error(t, s.Delete(ctx, "log/2"))
	s.Deliver()
	_, there = s.Bytes("log/2")
	require.False(t, there)
}

func TestFaultsOfReads(t *testing.T) {
	t.Parallel()
	s, ctx := memory.New(), t.Context()
	for i := range 5 {
		require.NoError(t, s.Create(ctx, fmt.Sprintf("n/%d", i), []byte("0123456789")))
	}
	s.Use(memory.Always(memory.Failed()))
	_, err := s.Get(ctx, "n/0", 0, -1)
	require.ErrorIs(t, err, memory.ErrInjected)
	_, err = s.Stat(ctx, "n/0")
	require.ErrorIs(t, err, memory.ErrInjected)
	for _, err := range s.List(ctx, "n/", "") {
		require.ErrorIs(t, err, memory.ErrInjected)
	}

	s.Use(memory.Always(memory.Fault{Err: memory.ErrInjected, Cut: 3}))
	r, err := s.Get(ctx, "n/0", 2, -1)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.ErrorIs(t, err, memory.ErrInjected)
	require.Equal(t, "234", string(got))
	require.NoError(t, r.Close())
	seen := 0
	for _, err := range s.List(ctx, "n/", "") {
		if err != nil {
			require.ErrorIs(t, err, memory.ErrInjected)
			break
		}
		seen++
	}
	require.Equal(t, 3, seen)
}

func TestDelayAndHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		s.Use(memory.Always(memory.Fault{Before: 2 * time.Second, After: 3 * time.Second}))
		start := time.Now()
		require.NoError(t, s.Create(t.Context(), "a", []byte("x")))
		require.Equal(t, 5*time.Second, time.Since(start))

		before, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Create(before, "b", []byte("x")), context.DeadlineExceeded)
		after, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		require.ErrorIs(t, s.Create(after, "c", []byte("x")), context.DeadlineExceeded)
		require.Equal(t, []string{"a", "c"}, s.Names(), "the wait for c's answer was given up, not c")

		s.Use(memory.Always(memory.Hung()))
		hung, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start = time.Now()
		_, err := s.Get(hung, "a", 0, -1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Hour, time.Since(start))
	})
}

func TestRandomIsRepeatable(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (trace string) {
		s, ctx := memory.New(), context.Background()
		s.Use(memory.Random(seed, memory.Rates{Failed: 0.1, DoneButFailed: 0.1, Late: 0.1, Twice: 0.1, Cut: 0.1}))
		for i := range 200 {
			err := s.Create(ctx, fmt.Sprint(i), []byte("x"))
			_, serr := s.Stat(ctx, fmt.Sprint(i))
			trace += fmt.Sprintln(err, serr)
		}
		return trace + fmt.Sprint(s.Names())
	}
	first := run(7)
	require.Equal(t, first, run(7))
	require.NotEqual(t, first, run(8))
}

// TestRandomRates: over many calls each fault comes about as often as asked.
func TestRandomRates(t *testing.T) {
	t.Parallel()
	plan := memory.Random(1, memory.Rates{Failed: 0.1, DoneButFailed: 0.2, Late: 0.05, Twice: 0.05})
	counts := map[string]float64{}
	const n = 100_000
	for range n {
		switch f := plan.Decide(memory.Call{Op: memory.Create}); {
		case f == memory.Failed():
			counts["failed"]++
		case f == memory.DoneButFailed():
			counts["done"]++
		case f.Effect == memory.Late:
			counts["late"]++
		case f.Effect == memory.Twice:
			counts["twice"]++
		}
	}
	for name, want := range map[string]float64{"failed": 0.1, "done": 0.2, "late": 0.05, "twice": 0.05} {
		require.InDelta(t, want, counts[name]/n, 0.01, name)
	}
}

// TestFaultsNeverBreakTheContract: whatever is injected, a name keeps the bytes it was
// first seen with, and an acknowledged Create is there.
func TestFaultsNeverBreakTheContract(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, ctx := memory.New(), context.Background()
		s.Use(memory.Random(rapid.Uint64().Draw(t, "seed"), memory.Rates{Failed: 0.1, DoneButFailed: 0.1, Late: 0.2, Twice: 0.1}))
		first := map[string]string{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			body := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "body")
			err := s.Create(ctx, name, []byte(body))
			got, there := s.Bytes(name)
			if err == nil && string(got) != body {
				t.Fatalf("acknowledged %s=%s, found %q", name, body, got)
			}
			if was := first[name]; was != "" && string(got) != was {
				t.Fatalf("%s changed from %q to %q", name, was, got)
			}
			if there {
				first[name] = string(got)
			}
		}
	})
}

func TestViolations(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for want, misdeed := range map[string]func(s *memory.Store){
		"other bytes under the taken name a": func(s *memory.Store) { _ = s.Create(ctx, "a", []byte("y")) },
		"a created again after its deletion": func(s *memory.Store) {
			_ = s.Delete(ctx, "a")
			_ = s.Create(ctx, "a", []byte("x"))
		},
		"b/c beside b/c/d":            func(s *memory.Store) { _ = s.Create(ctx, "b/c", []byte("x")) },
		"a/b beside a":                func(s *memory.Store) { _ = s.Create(ctx, "a/b", []byte("x")) },
		"empty object":                func(s *memory.Store) { _ = s.Create(ctx, "e", nil) },
		"bad object name":             func(s *memory.Store) { _, _ = s.Stat(ctx, "../a") },
		"reader of a is not closed":   func(s *memory.Store) { _, _ = s.Get(ctx, "a", 0, -1) },
		"bad object name: \"/a\": em": func(s *memory.Store) { _ = s.Delete(ctx, "/a") },
	} {
		s := memory.New()
		require.NoError(t, s.Create(ctx, "a", []byte("x")))
		require.NoError(t, s.Create(ctx, "b/c/d", []byte("x")))
		require.Empty(t, s.Violations())
		misdeed(s)
		require.Len(t, s.Violations(), 1)
		require.Contains(t, s.Violations()[0], want)
	}
}

func TestTamper(t *testing.T) {
	t.Parallel()
	s, ctx := memory.New(), t.Context()
	require.NoError(t, s.Create(ctx, "a", []byte("abc")))
	require.NoError(t, s.Create(ctx, "b", []byte("xyz")))
	before := s.Clone()
	require.True(t, s.Tamper("a", memory.Flip(9)))
	got, _ := s.Bytes("a")
	require.Equal(t, "a`c", string(got))
	require.True(t, s.Tamper("a", memory.Cut(1)))
	s.Swap("a", "b")
	got, _ = s.Bytes("a")
	require.Equal(t, "xyz", string(got))
	got, _ = s.Bytes("b")
	require.Equal(t, "a", string(got))
	s.Remove("a")
	require.False(t, s.Tamper("a", memory.Cut(0)))
	s.Put("c", nil)
	require.Equal(t, []string{"b", "c"}, s.Names())
	require.Equal(t, []string{"a", "b"}, before.Names())
	got, _ = before.Bytes("a")
	require.Equal(t, "abc", string(got))
}

func TestCounts(t *testing.T) {
	t.Parallel()
	s, ctx := memory.New(), t.Context()
	s.Use(&memory.Rule{Op: memory.Create, Times: 1, Fault: memory.Failed()})
	require.Error(t, s.Create(ctx, "a", []byte("abc")))
	require.NoError(t, s.Create(ctx, "a", []byte("abc")))
	_, err := blob.ReadAll(ctx, s, "a", 10)
	require.NoError(t, err)
	_, err = s.Stat(ctx, "a")
	require.NoError(t, err)
	for range s.List(ctx, "", "") {
	}
	require.NoError(t, s.Delete(ctx, "a"))
	require.Equal(t, memory.Counts{Create: 2, Get: 1, Stat: 1, List: 1, Delete: 1, BytesIn: 6, BytesOut: 3}, s.Counts())
	s.ResetCounts()
	require.Zero(t, s.Counts())
}

// BenchmarkCreateUnderFaults is the cost of a call in a seeded soak test.
func BenchmarkCreateUnderFaults(b *testing.B) {
	s, body := memory.New(), make([]byte, 200)
	s.Use(memory.Random(1, memory.Rates{Failed: 0.1, DoneButFailed: 0.1, Late: 0.1}))
	for i := range b.N {
		_ = s.Create(b.Context(), fmt.Sprintf("log/%016d", i), body)
	}
}
