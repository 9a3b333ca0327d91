package run_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/run"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
)

// write makes a journal of three entries.
func write(t testing.TB) *memory.Store {
	t.Helper()
	store := memory.New()
	cfg := config(store, "lin@rescue")
	cfg.Who.Runner = "00112233445566778899aabbccddeeff"
	j, err := run.Open(t.Context(), cfg, opening)
	require.NoError(t, err)
	require.NoError(t, j.Write(t.Context(), run.Entry{Event: run.Begun, Step: "fence"}))
	require.NoError(t, j.Write(t.Context(), run.Entry{Event: run.Done, Step: "fence", Evidence: []byte(`{"epoch":"00000002"}`)}))
	return store
}

func read(t testing.TB, s blob.Store, n int) []byte {
	t.Helper()
	b, err := blob.ReadAll(t.Context(), s, fmt.Sprintf("failovers/%s/%08d", id, n), 1<<20)
	require.NoError(t, err)
	return b
}

func TestGoldenEntries(t *testing.T) {
	t.Parallel()
	store := write(t)
	for n := 1; n <= 3; n++ {
		want, err := os.ReadFile(fmt.Sprintf("testdata/v1/%08d", n))
		require.NoError(t, err)
		require.Equal(t, string(want), string(read(t, store, n)))
	}
}

// TestFormatPage: the vector in FORMAT.md is an entry that this code writes and reads.
func TestFormatPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	vector := regexp.MustCompile("(?s)```\n(.*?)```").FindSubmatch(page)
	require.NotNil(t, vector)
	require.Equal(t, string(read(t, write(t), 3)), string(vector[1]))
	e, err := run.DecodeEntry(vector[1])
	require.NoError(t, err)
	require.Equal(t, run.Done, e.Event)
	for name, limit := range map[string]int{"maxEntry": run.MaxEntry, "maxEntries": run.MaxEntries} {
		require.Contains(t, string(page), fmt.Sprintf("| `%s` | %d |", name, limit))
	}
}

// TestDamageIsNamed: every byte flipped, every length, every exchange of two entries and
// every missing one is an error, of its kind, that names the object.
func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	whole := write(t)
	rebuild := func(bodies map[int][]byte) error {
		store := memory.New()
		for n, b := range bodies {
			if len(b) > 0 {
				require.NoError(t, store.Create(t.Context(), fmt.Sprintf("failovers/%s/%08d", id, n), b))
			}
		}
		_, err := run.ReadHistory(t.Context(), store, id)
		return err
	}
	one, two, three := read(t, whole, 1), read(t, whole, 2), read(t, whole, 3)
	require.NoError(t, rebuild(map[int][]byte{1: one, 2: two, 3: three}))
	for i := range three {
		bad := bytes.Clone(three)
		bad[i] ^= 1
		err := rebuild(map[int][]byte{1: one, 2: two, 3: bad})
		require.Error(t, err, i)
		require.ErrorContains(t, err, "failovers/f1/00000003")
		err = rebuild(map[int][]byte{1: one, 2: two, 3: three[:i]})
		if i > 0 {
			require.ErrorIs(t, err, run.ErrTruncated)
		}
	}
	require.ErrorIs(t, rebuild(map[int][]byte{1: one, 2: three, 3: two}), run.ErrCorrupt)
	require.ErrorIs(t, rebuild(map[int][]byte{1: one, 3: three}), run.ErrCorrupt)
	require.ErrorIs(t, rebuild(map[int][]byte{2: two}), run.ErrCorrupt)
	require.ErrorIs(t, rebuild(nil), run.ErrNoRun)
	newer := bytes.Replace(three, []byte(`{"version":1`), []byte(`{"version":2,"more":1`), 1)
	require.ErrorIs(t, rebuild(map[int][]byte{1: one, 2: two, 3: run.Sum(newer)}), run.ErrNewerFormat)
	spaced := bytes.Replace(three, []byte(`{"version":1`), []byte(`{"version": 1`), 1)
	require.ErrorIs(t, rebuild(map[int][]byte{1: one, 2: two, 3: run.Sum(spaced)}), run.ErrCorrupt)
}

func FuzzDecodeEntry(f *testing.F) {
	s := write(f)
	for n := 1; n <= 3; n++ {
		f.Add(read(f, s, n))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		e, err := run.DecodeEntry(run.Sum(object)) // past the checksum, where decoding is
		if err == nil && (e.N == 0 || e.Version != run.EntryVersion) {
			t.Fatalf("accepted %+v", e)
		}
		_, _ = run.DecodeEntry(object) // must not panic
	})
}

// TestTwoOpen: of many that open the same run at once, one gets it.
func TestTwoOpen(t *testing.T) {
	t.Parallel()
	store := memory.New()
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = run.Open(t.Context(), config(store, "someone"), opening) })
	}
	all.Wait()
	opened := 0
	for _, err := range errs {
		if err == nil {
			opened++
			continue
		}
		require.ErrorIs(t, err, run.ErrRunExists)
	}
	require.Equal(t, 1, opened)
}

// TestTwoClaim: of many that resume the same run at once, one gets it, and the runner
// before it can write no more.
func TestTwoClaim(t *testing.T) {
	t.Parallel()
	store := memory.New()
	old, err := run.Open(t.Context(), config(store, "old"), opening)
	require.NoError(t, err)
	_, _, err = run.Claim(t.Context(), config(store, "new"), false)
	require.ErrorIs(t, err, run.ErrAlive, "nobody said that it stopped")
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, _, errs[i] = run.Claim(t.Context(), config(store, "new"), true) })
	}
	all.Wait()
	claims := 0
	for _, err := range errs {
		if err == nil {
			claims++ // each takes over from the one before
		} else {
			require.ErrorIs(t, err, run.ErrAlive)
		}
	}
	require.NotZero(t, claims)
	for range 2 { // for good
		require.ErrorIs(t, old.Write(t.Context(), run.Entry{Event: run.Finished}), run.ErrSuperseded)
	}
	require.NoError(t, run.Abandon(t.Context(), config(store, "ceo"), "wrong plan", true))
	_, _, err = run.Claim(t.Context(), config(store, "new"), true)
	require.ErrorIs(t, err, run.ErrOver)
}

// TestOneTurn: of several runs at once only one may move the log, until it is over.
func TestOneTurn(t *testing.T) {
	t.Parallel()
	store := memory.New()
	turn := func(id string) run.JournalConfig {
		cfg := config(store, "someone")
		cfg.ID = id
		return cfg
	}
	ids := []string{"f1", "f2", "b3", "f4"}
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		_, err := run.Open(t.Context(), turn(id), opening)
		require.NoError(t, err)
		all.Go(func() { errs[i] = run.TakeTurn(t.Context(), turn(id)) })
	}
	all.Wait()
	winner := ""
	for i, err := range errs {
		if err == nil {
			require.Empty(t, winner, "two have the turn")
			winner = ids[i]
			continue
		}
		require.ErrorIs(t, err, run.ErrBusy)
	}
	require.NotEmpty(t, winner)
	require.NoError(t, run.TakeTurn(t.Context(), turn(winner)), "it has it already")
	require.ErrorIs(t, run.TakeTurn(t.Context(), turn(other(ids, winner))), run.ErrBusy)
	require.NoError(t, run.Abandon(t.Context(), turn(winner), "wrong plan", true))
	require.NoError(t, run.TakeTurn(t.Context(), turn(other(ids, winner))))
	got, err := run.Runs(t.Context(), store)
	require.NoError(t, err)
	require.ElementsMatch(t, ids, got)
}

func other(ids []string, not string) string {
	for _, id := range ids {
		if id != not {
			return id
		}
	}
	return ""
}

// TestLostAnswerIsFoundOut: after a Create whose answer was lost the same bytes are sent
// again before anything else, so nothing is written twice and no number is left out.
func TestLostAnswerIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]memory.Fault{"done": memory.DoneButFailed(), "not done": memory.Failed()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			j, err := run.Open(t.Context(), config(store, "one"), opening)
			require.NoError(t, err)
			store.Use(memory.Always(fault))
			require.Error(t, j.Write(t.Context(), run.Entry{Event: run.Begun, Step: "fence"}))
			store.Use(nil)
			require.NoError(t, j.Write(t.Context(), run.Entry{Event: run.Stopped}))
			h, err := run.ReadHistory(t.Context(), store, id)
			require.NoError(t, err)
			require.Len(t, h.Entries, 3)
			require.Equal(t, run.Begun, h.Entries[1].Event)
			require.Equal(t, time.UTC, h.Last().Time.Location())
		})
	}
}
