package readiness_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/readiness"
)

// FuzzSample and FuzzMark: whatever a store gives for one is one, or is refused by name.
func FuzzSample(f *testing.F) {
	blobtest.Hostile(f, []string{"testdata/v1/sample.json", "testdata/v1/mark.json"}, func(t *testing.T, body []byte) error {
		s := memory.New()
		s.Put("readiness/0001772442000000", body)
		_, err := readiness.History(t.Context(), s, t0.Add(-24*time.Hour), t0.Add(24*time.Hour), 10)
		return err
	}, readiness.ErrCorrupt, readiness.ErrNewerFormat)
}

func FuzzMark(f *testing.F) {
	blobtest.Hostile(f, []string{"testdata/v1/sample.json", "testdata/v1/mark.json"}, func(t *testing.T, body []byte) error {
		s := memory.New()
		s.Put("readiness/marks/proof/0001772442000000", body)
		_, _, err := readiness.Latest(t.Context(), s, readiness.Proved)
		return err
	}, readiness.ErrCorrupt, readiness.ErrNewerFormat)
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
