package eventlog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob/memory"
)

func TestReadingPositions(t *testing.T) {
	t.Parallel()
	l := newSmallLog(t)
	log := eventlog.OpenLog(l.store)
	end, err := log.End(background)
	require.NoError(t, err)
	require.Equal(t, l.infos[len(l.infos)-1].End(), end)
	for from := range len(l.infos) + 1 {
		var after eventlog.Position
		if from > 0 {
			after = l.infos[from-1].End()
		}
		var got []eventlog.SegmentInfo
		for s, err := range log.Segments(background, after) {
			require.NoError(t, err)
			require.NotNil(t, s.Schema())
			got = append(got, s.Info())
		}
		require.Equal(t, l.infos[from:], append([]eventlog.SegmentInfo{}, got...))
		got = nil
		for i, err := range log.Headers(background, after) {
			require.NoError(t, err)
			got = append(got, i)
		}
		require.Equal(t, l.infos[from:], append([]eventlog.SegmentInfo{}, got...))
	}
	wrong := end
	wrong.Digest[0]++
	far := end
	far.Epoch = 9
	behind := l.infos[1].End()
	behind.Slot = 5
	for _, after := range []eventlog.Position{wrong, far, behind} {
		n := 0
		for _, err := range log.Segments(background, after) {
			require.Error(t, err, after)
			n++
		}
		require.Equal(t, 1, n)
		for _, err := range log.Headers(background, after) {
			require.Error(t, err, after)
		}
	}
	for range log.Segments(background, eventlog.Position{}) {
		break // must not leave anything behind
	}
	for range log.Headers(background, eventlog.Position{}) {
		break
	}
	require.Empty(t, l.store.Violations())
}

// Headers see what Segments see, damage included.
func TestHeadersOfADamagedLog(t *testing.T) {
	t.Parallel()
	l := newSmallLog(t)
	for _, name := range l.names {
		body, _ := l.store.Bytes(name)
		l.store.Remove(name)
		var want, got []eventlog.SegmentInfo
		var wantErr, gotErr error
		for s, err := range eventlog.OpenLog(l.store).Segments(background, eventlog.Position{}) {
			if wantErr = err; err == nil {
				want = append(want, s.Info())
			}
		}
		for i, err := range eventlog.OpenLog(l.store).Headers(background, eventlog.Position{}) {
			if gotErr = err; err == nil {
				got = append(got, i)
			}
		}
		require.Equal(t, want, got, name)
		require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(gotErr), name)
		l.store.Put(name, body)
	}
}

func TestTailAndFind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w := openWithSchema(t, local, mirror)
		ctx, cancel := context.WithCancel(background)
		var seen []eventlog.Seq
		done := make(chan struct{})
		go func() {
			defer close(done)
			for s, err := range eventlog.OpenLog(mirror).Tail(ctx, eventlog.Position{}, 100*time.Millisecond) {
				if err != nil {
					t.Error(err)
					return
				}
				seen = append(seen, s.Info().Last)
			}
		}()
		fill(t, w, 3)
		time.Sleep(time.Second) //nolint:forbidigo // time of the bubble
		fill(t, w, 2)
		require.NoError(t, w.Close(background))
		w = open(t, local, mirror)
		fill(t, w, 1)
		time.Sleep(time.Second) //nolint:forbidigo // time of the bubble
		cancel()
		<-done
		require.Equal(t, []eventlog.Seq{0, 1, 2, 3, 4, 5, 6}, seen)
		require.NoError(t, w.Close(background))

		n := 0
		for f, err := range eventlog.OpenLog(mirror).Find(background, eventlog.Position{}, func(e eventlog.Event) bool {
			return e.Tx != nil && strings.HasSuffix(e.Tx.TxID, "-1")
		}) {
			require.NoError(t, err)
			require.Equal(t, f.Tx.Seq, f.Segment.Info().Last)
			n++
		}
		require.Equal(t, 2, n)
	})
}
