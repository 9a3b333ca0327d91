package readiness_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob/memory"
	"lifeboat/internal/readiness"
)

var t0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func TestHistory(t *testing.T) {
	t.Parallel()
	store := memory.New()
	ctx := t.Context()
	for i := range 100 {
		n := uint64(i)
		require.NoError(t, readiness.Keep(ctx, store, readiness.Sample{At: t0.Add(time.Duration(i) * time.Hour), Exposed: &n}))
	}
	require.NoError(t, readiness.Keep(ctx, store, readiness.Sample{At: t0, Degraded: true}), "the first look stays")
	all, err := readiness.History(ctx, store, t0, t0.Add(100*time.Hour), 1000)
	require.NoError(t, err)
	require.Len(t, all, 100)
	require.False(t, all[0].Degraded)
	some, err := readiness.History(ctx, store, t0.Add(10*time.Hour), t0.Add(20*time.Hour), 4)
	require.NoError(t, err)
	require.Len(t, some, 4)
	require.Equal(t, uint64(19), *some[3].Exposed, "the end is exclusive, the newest is kept")
	require.True(t, some[0].At.Before(some[1].At))
	none, err := readiness.History(ctx, store, t0.Add(-time.Hour), t0, 10)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestUnknownIsNotZero(t *testing.T) {
	t.Parallel()
	store := memory.New()
	require.NoError(t, readiness.Keep(t.Context(), store, readiness.Sample{At: t0}))
	got, err := readiness.History(t.Context(), store, t0, t0.Add(time.Second), 10)
	require.NoError(t, err)
	require.Nil(t, got[0].Exposed)
	require.True(t, got[0].Audit.At.IsZero())
}

func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		`{"format":2}`: readiness.ErrNewerFormat, `{"format":1,"x":1}`: readiness.ErrCorrupt, `{`: readiness.ErrCorrupt,
		`{"format":1,"at":"2026-03-03T09:00:00Z"}`: readiness.ErrCorrupt,
	} {
		store := memory.New()
		store.Put("readiness/0001772442000000", []byte(body))
		_, err := readiness.History(t.Context(), store, t0.Add(-24*time.Hour), t0.Add(24*time.Hour), 10)
		require.ErrorIs(t, err, want, body)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("testdata/v1/sample.json")
	require.NoError(t, err)
	store := memory.New()
	store.Put("readiness/0001772442000000", body)
	got, err := readiness.History(t.Context(), store, t0, t0.Add(time.Second), 1)
	require.NoError(t, err)
	require.Equal(t, uint64(3), *got[0].Exposed)
	require.Equal(t, uint64(41), got[0].To.Seq)
	require.True(t, got[0].Proof.OK)
}

func TestMarks(t *testing.T) {
	t.Parallel()
	store := memory.New()
	never, _, err := readiness.Latest(t.Context(), store, readiness.Proved)
	require.NoError(t, err)
	require.True(t, never.At.IsZero())
	require.NoError(t, readiness.Mark(t.Context(), store, readiness.Proved, readiness.Event{At: t0, OK: true}, 12))
	require.NoError(t, readiness.Mark(t.Context(), store, readiness.Proved, readiness.Event{At: t0.Add(time.Hour), Detail: "dbo.Visit differs"}, 0))
	require.NoError(t, readiness.Mark(t.Context(), store, readiness.Forecast, readiness.Event{At: t0, OK: true}, 5400))
	last, _, err := readiness.Latest(t.Context(), store, readiness.Proved)
	require.NoError(t, err)
	require.Equal(t, readiness.Event{At: t0.Add(time.Hour), Detail: "dbo.Visit differs"}, last)
	_, seconds, err := readiness.Latest(t.Context(), store, readiness.Forecast)
	require.NoError(t, err)
	require.InDelta(t, 5400, seconds, 0)
	require.Error(t, readiness.Mark(t.Context(), store, "luck", readiness.Event{At: t0}, 0))
	none, err := readiness.History(t.Context(), store, t0, t0.AddDate(10, 0, 0), 10)
	require.NoError(t, err)
	require.Empty(t, none, "marks are no samples")
	store.Put("readiness/marks/proof/9999999999999999", []byte(`{"format":2}`))
	_, _, err = readiness.Latest(t.Context(), store, readiness.Proved)
	require.ErrorIs(t, err, readiness.ErrNewerFormat)
}
