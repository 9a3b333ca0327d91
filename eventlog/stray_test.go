package eventlog_test

import (
	"context"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
)

// meddled is a store in which something happens just before segments are first listed.
type meddled struct {
	blob.Store
	once sync.Once
	do   func()
}

func (m *meddled) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	if strings.HasPrefix(prefix, "log/") {
		m.once.Do(m.do)
	}
	return m.Store.List(ctx, prefix, after)
}

// TestEpochBeginsWhileLooking: an epoch that begins between the listing of epochs and
// that of segments is no lost record, for a reader nor for another starter.
func TestEpochBeginsWhileLooking(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, 1} { // epochs
		local, mirror := memory.New(), memory.New()
		for range before {
			w := openWithSchema(t, local, mirror)
			fill(t, w, 2)
			require.NoError(t, w.Close(background))
		}
		begin := func() {
			w := openWithSchema(t, local, mirror)
			fill(t, w, 2)
			crash(w)
		}
		reader := eventlog.OpenLog(&meddled{Store: mirror, do: begin})
		for _, err := range reader.Segments(background, eventlog.Position{}) {
			require.NoError(t, err)
		}
		w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{
			Local: &meddled{Store: local, do: begin}, Mirror: mirror, Reason: "test"})
		if err == nil {
			crash(w)
		} else {
			require.ErrorIs(t, err, eventlog.ErrFenced)
		}
		for segment, err := range eventlog.OpenLog(mirror).Segments(background, eventlog.Position{}) {
			require.NoError(t, err)
			require.NotNil(t, segment)
		}
	}
}
