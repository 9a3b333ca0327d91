package eventlog_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
)

func degrading(t *testing.T, local, mirror blob.Store) *eventlog.Writer {
	w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{
		Local: local, Mirror: mirror, OnMirrorLoss: eventlog.Degrade, Patience: 5 * time.Second, AttemptTimeout: time.Second, Pipeline: 2})
	require.NoError(t, err)
	if w.Schema() == nil {
		_, err = w.Append(background, eventlog.Batch{Schema: schema(2)})
		require.NoError(t, err)
	}
	return w
}

// healed waits until f no longer fails for want of the mirror.
func healed(t *testing.T, f func() error) {
	for {
		err := f()
		if err == nil {
			return
		}
		require.ErrorIs(t, err, eventlog.ErrDegraded)
		time.Sleep(time.Second) //nolint:forbidigo // time of the bubble
	}
}

func notes(t *testing.T, store blob.Store) (kinds []string) {
	for f, err := range eventlog.OpenLog(store).Find(background, eventlog.Position{}, func(e eventlog.Event) bool { return e.Note != nil }) {
		require.NoError(t, err)
		kinds = append(kinds, f.Note.Kind)
	}
	return kinds
}

func TestDegradedMode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w := degrading(t, local, mirror)
		fill(t, w, 3)
		mirror.Use(memory.Always(memory.Failed()))
		cut := time.Now()
		for i := range 50 {
			seq, err := w.Append(background, one(fmt.Sprint("alone", i), insert("t0", 1, "x")))
			require.NoError(t, err)
			require.ErrorIs(t, w.WaitDurable(background, seq), eventlog.ErrDegraded)
		}
		at, err := w.Flush(background)
		require.ErrorIs(t, err, eventlog.ErrDegraded)
		require.EqualValues(t, 53, at.Seq)
		f := w.Frontier()
		require.True(t, f.Degraded)
		require.Equal(t, []eventlog.Seq{53, 53, 3}, []eventlog.Seq{f.Committed, f.Local, f.Durable})
		require.EqualValues(t, 50, f.Exposed)
		require.WithinDuration(t, cut, f.ExposedSince, time.Second)
		require.Contains(t, notes(t, local), eventlog.NoteDegraded)

		mirror.Use(memory.Always(memory.Fault{After: 20 * time.Millisecond}))
		healed(t, func() error { return w.WaitDurable(background, 53) })
		fill(t, w, 3)
		require.False(t, w.Frontier().Degraded)
		require.Zero(t, w.Frontier().Exposed)
		require.NoError(t, w.Close(background))
		require.Equal(t, []string{eventlog.NoteDegraded, eventlog.NoteHealed}, notes(t, mirror))
		require.Equal(t, segments(t, local), segments(t, mirror))
		require.Len(t, transactions(t, mirror), 56)
	})
}

// A mirror that is away at the start gets everything it missed: whole epochs too.
func TestDegradedStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w := degrading(t, local, mirror)
		fill(t, w, 2)
		require.NoError(t, w.Close(background))
		mirror.Use(memory.Always(memory.Hung()))
		for range 2 {
			w = degrading(t, local, mirror)
			require.True(t, w.Frontier().Degraded)
			seq, err := w.Append(background, one("alone"))
			require.NoError(t, err)
			require.ErrorIs(t, w.WaitDurable(background, seq), eventlog.ErrDegraded)
			require.LessOrEqual(t, w.Frontier().Durable, eventlog.Seq(2))
			require.ErrorIs(t, w.Close(background), eventlog.ErrDegraded)
		}
		w = degrading(t, local, mirror)
		mirror.Use(nil)
		healed(t, func() error { _, err := w.Flush(background); return err })
		fill(t, w, 2)
		require.NoError(t, w.Close(background))
		require.Equal(t, segments(t, local), segments(t, mirror))
		require.Equal(t, local.Names(), mirror.Names())
	})
}

// If the other side took over while the mirror could not be reached, the writer is
// fenced when it meets the mirror again.
func TestDegradedWriterIsFenced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w := degrading(t, local, mirror)
		fill(t, w, 2)
		mirror.Use(memory.Always(memory.Failed()))
		seq, err := w.Append(background, one("alone"))
		require.NoError(t, err)
		require.ErrorIs(t, w.WaitDurable(background, seq), eventlog.ErrDegraded)
		mirror.Use(nil)
		// The takeover cannot reach the old store; the writer cannot tell yet.
		_, err = eventlog.Takeover(background, eventlog.TakeoverConfig{DR: mirror, Reason: "partition"})
		require.NoError(t, err)
		<-w.Done()
		require.ErrorIs(t, w.Err(), eventlog.ErrFenced)
		_, err = w.Append(background, one("x"))
		require.ErrorIs(t, err, eventlog.ErrFenced)
	})
}

func TestPermanentErrors(t *testing.T) {
	t.Parallel()
	denied := fmt.Errorf("no permission: %w", blob.ErrPermanent)
	for _, c := range []struct {
		name  string
		mode  eventlog.MirrorLoss
		local bool
	}{{"local", eventlog.Block, true}, {"mirror", eventlog.Block, false}, {"local of a degrading writer", eventlog.Degrade, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				local, mirror := memory.New(), memory.New()
				w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, OnMirrorLoss: c.mode})
				require.NoError(t, err)
				bad := mirror
				if c.local {
					bad = local
				}
				bad.Use(memory.Always(memory.Fault{Err: denied, Effect: memory.Never}))
				_, err = w.Append(background, eventlog.Batch{Schema: schema(1)})
				require.NoError(t, err)
				_, err = w.Flush(background)
				require.ErrorIs(t, err, blob.ErrPermanent)
				require.ErrorIs(t, w.Err(), blob.ErrPermanent)
				require.ErrorIs(t, w.Close(background), blob.ErrPermanent)
				_, err = eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror})
				require.ErrorIs(t, err, blob.ErrPermanent)
			})
		})
	}
	t.Run("mirror of a degrading writer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			local, mirror := memory.New(), memory.New()
			w := degrading(t, local, mirror)
			mirror.Use(memory.Always(memory.Fault{Err: denied, Effect: memory.Never}))
			_, err := w.Append(background, one("x"))
			require.NoError(t, err)
			_, err = w.Flush(background)
			require.ErrorIs(t, err, eventlog.ErrDegraded)
			mirror.Use(nil)
			healed(t, func() error { _, err := w.Flush(background); return err })
			require.NoError(t, w.Close(background))
		})
	})
}
