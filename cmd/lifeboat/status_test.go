package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/restore"
)

// A gap in an earlier epoch does not hide the end of the log, but what keeps the end from
// being restored has to be named.
func TestStatusNamesGapsOfEarlierEpochs(t *testing.T) {
	t.Parallel()
	runs := []restore.LogRun{{Broken: "log object log/00000003/0000000000000005: missing from the log"}, {Broken: "log object log/00000003/0000000000000005: missing from the log"}, {}, {Broken: "elsewhere", Off: true}}
	s := regionStatus{End: &eventlog.Position{Seq: 16}, Window: []restore.Range{{To: restore.Point{Seq: 10}}}}
	s.noteGaps(runs)
	require.Equal(t, []restore.Damage{{Object: "log", Detail: runs[0].Broken}}, s.Damage)
	whole := regionStatus{End: &eventlog.Position{Seq: 16}, Window: []restore.Range{{To: restore.Point{Seq: 16}}}}
	whole.noteGaps(runs)
	require.Empty(t, whole.Damage, "a later snapshot makes up for it")
	require.Equal(t, s.Damage, whole.Gaps)
	var text bytes.Buffer
	(&app{}).printStatus(&text, statusResult{Mirror: &whole})
	require.Contains(t, text.String(), runs[0].Broken)
	require.Contains(t, text.String(), "a later snapshot makes up for it")
}
