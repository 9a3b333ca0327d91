package readiness_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob/memory"
	"lifeboat/internal/readiness"
)

// FuzzSample: whatever a store gives for a sample or a mark is one, or is refused by name.
func FuzzSample(f *testing.F) {
	for _, name := range []string{"sample", "mark"} {
		golden, err := os.ReadFile("testdata/v1/" + name + ".json")
		require.NoError(f, err)
		f.Add(golden)
	}
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return // no store keeps it
		}
		store := memory.New()
		store.Put("readiness/0001772442000000", body)
		store.Put("readiness/marks/proof/0001772442000000", body)
		_, err := readiness.History(t.Context(), store, t0.Add(-24*time.Hour), t0.Add(24*time.Hour), 10)
		known(t, err)
		_, _, err = readiness.Latest(t.Context(), store, readiness.Proved)
		known(t, err)
	})
}

func known(t *testing.T, err error) {
	t.Helper()
	require.True(t, err == nil || errors.Is(err, readiness.ErrCorrupt) || errors.Is(err, readiness.ErrNewerFormat), "%v", err)
}

func TestGoldenMark(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("testdata/v1/mark.json")
	require.NoError(t, err)
	store := memory.New()
	store.Put("readiness/marks/proof/0001772442000000", body)
	e, seconds, err := readiness.Latest(t.Context(), store, readiness.Proved)
	require.NoError(t, err)
	require.Equal(t, readiness.Event{At: t0, OK: true, Detail: "every table"}, e)
	require.InDelta(t, 12.5, seconds, 0)
}
