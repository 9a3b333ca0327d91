package eventlog_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob/memory"
)

// hole is a mirror in which a crashed writer has left a later slot without an earlier one.
func hole(t *testing.T) (local, mirror *memory.Store) {
	local, mirror = memory.New(), memory.New()
	w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, PipelineBytes: 1, Pipeline: 8, Reason: "test"})
	require.NoError(t, err)
	withSchema(t, w)
	fill(t, w, 2)
	mirror.Use(&memory.Rule{Op: memory.Create, Prefix: eventlog.SegmentName(1, 3), Fault: memory.Failed()})
	for i := range 3 {
		_, err := w.Append(background, one(fmt.Sprint("pipelined ", i)))
		require.NoError(t, err)
		synctest.Wait()
	}
	crash(w)
	mirror.Use(nil)
	_, three := mirror.Bytes(eventlog.SegmentName(1, 3))
	_, four := mirror.Bytes(eventlog.SegmentName(1, 4))
	require.Equal(t, []bool{false, true}, []bool{three, four})
	return local, mirror
}

func TestHoleOfACrashedWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, mirror := hole(t)
		require.Len(t, transactions(t, mirror), 2, "reading ends at the hole")
		end, err := eventlog.OpenLog(mirror).End(background)
		require.NoError(t, err)
		require.EqualValues(t, 2, end.Seq)
		r := takeover(t, mirror, nil)
		require.EqualValues(t, 2, r.End.Seq)
		require.Equal(t, []string{eventlog.SegmentName(1, 4), eventlog.SegmentName(1, 5)}, names(r.Orphans))
		w := open(t, mirror, memory.New())
		fill(t, w, 2)
		require.NoError(t, w.Close(background))
		require.Len(t, transactions(t, mirror), 4)
		v, err := eventlog.OpenLog(mirror).Verify(background)
		require.NoError(t, err)
		require.Empty(t, v.Damage)
		require.Equal(t, r.Orphans, v.Orphans)
	})
}

func TestHoleIsFilledFromTheOtherStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := hole(t)
		w := open(t, local, mirror)
		require.EqualValues(t, 5, w.Frontier().Durable)
		require.NoError(t, w.Close(background))
		require.Equal(t, segments(t, local), segments(t, mirror))
		require.Len(t, transactions(t, mirror), 5)
	})
}

// An object lost is not a hole: nobody may go on before it.
func TestLostObjectIsNotFenced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		local, mirror := memory.New(), memory.New()
		w := openWithSchema(t, local, mirror)
		fill(t, w, 6)
		crash(w)
		lost := eventlog.SegmentName(1, 3)
		mirror.Remove(lost)
		var damage *eventlog.ObjectError
		_, err := eventlog.Takeover(background, eventlog.TakeoverConfig{DR: mirror, Reason: "drill"})
		require.ErrorIs(t, err, eventlog.ErrGap)
		require.ErrorAs(t, err, &damage)
		require.Equal(t, lost, damage.Object)
		_, err = eventlog.OpenLog(mirror).End(background)
		require.ErrorIs(t, err, eventlog.ErrGap)
		r := takeover(t, mirror, local)
		require.EqualValues(t, 6, r.End.Seq)
		require.Len(t, transactions(t, mirror), 6)
	})
}
