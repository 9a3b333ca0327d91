package measure_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/readiness"
	"lifeboat/internal/readiness/measure"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// lost is a store of a region that does not answer.
type lost struct{ blob.Store }

var errLost = errors.New("region lost")

func (lost) List(context.Context, string, string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, errLost) }
}

func (lost) Get(context.Context, string, int64, int64) (io.ReadCloser, error) { return nil, errLost }

func (lost) Stat(context.Context, string) (blob.Info, error) { return blob.Info{}, errLost }

func TestWhatIsMarkedIsMeasured(t *testing.T) {
	t.Parallel()
	mirror := memory.New()
	require.NoError(t, readiness.Mark(t.Context(), mirror, readiness.Proved, readiness.Event{At: now, OK: true}, 12))
	require.NoError(t, readiness.Mark(t.Context(), mirror, readiness.Forecast, readiness.Event{At: now, OK: true}, 5700))
	for name, primary := range map[string]blob.Store{"primary not asked": nil, "primary there": memory.New(), "primary lost": lost{}} {
		s, err := measure.Stores(t.Context(), primary, mirror, now)
		if name == "primary lost" {
			require.ErrorIs(t, err, measure.ErrExposure)
			require.ErrorIs(t, err, errLost)
		} else {
			require.NoError(t, err, name)
		}
		require.Equal(t, name == "primary there", s.Exposed != nil, "%s: unknown is not zero", name)
		require.True(t, s.Proof.OK, name)
		require.True(t, s.Audit.At.IsZero(), name)
		require.InDelta(t, 5700, *s.Forecast, 0, name)
	}
	_, err := measure.Stores(t.Context(), nil, lost{}, now)
	require.ErrorIs(t, err, errLost)
	require.NotErrorIs(t, err, measure.ErrExposure)
}
