package eventlog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A year of a segment a second: what a listing of the log costs, and what a restore from
// yesterday's snapshot reads.
func TestObjectsAfterAYear(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * 3600
	for _, size := range []int64{500, 4 << 10} {
		l := packLimits{}.orUsual()
		var r run // what planSmall makes of singles, without 31 million of them at once
		var packs []pack
		var singles int
		for s := range Slot(year) {
			if r.segments == l.segments || r.segments > 0 && r.size+size > l.bytes {
				packs = append(packs, r.pack)
				r = run{}
			}
			r.add(pack{epoch: 1, first: s, last: s, size: size})
		}
		singles = r.segments
		big := planBig(packs, l, false)
		outer, _ := nested(sortedPacks(append(packs, big...)))
		t.Logf("segments of %d bytes: %d objects after a year, %d of them single", size, len(outer)+singles, singles)
		require.Less(t, len(outer), 1200)
		require.LessOrEqual(t, singles, l.segments)
		day := 0
		for _, p := range outer {
			if p.last >= year-24*3600 {
				day++
			}
		}
		require.Less(t, day, 150, "packs of the last day")
	}
}

// Planning a part at a time comes to the same packs as planning all at once.
func TestPlanIsTheSameWheneverItIsMade(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := packLimits{segments: 4, bigSegments: 12, bytes: 100, bigBytes: 300, least: 2}
		var all []single
		for s := range rapid.IntRange(0, 60).Draw(t, "segments") {
			size := rapid.SampledFrom([]int64{5, 20, 60, 150, maxPackedBytes + 1}).Draw(t, "size")
			all = append(all, single{slot: Slot(s), size: size, created: time.Now()})
		}
		var packs []pack
		grow := func(upTo int, closed bool) {
			packs = append(packs, planSmall(1, uncovered(all[:upTo], sortedPacks(packs)), l, closed)...)
			outer, _ := nested(sortedPacks(packs))
			packs = append(packs, planBig(outer, l, closed)...)
		}
		for at := 0; at < len(all); at += rapid.IntRange(1, 20).Draw(t, "step") {
			grow(at, false)
		}
		grow(len(all), true)
		inParts, _ := nested(sortedPacks(packs))
		packs = nil
		grow(len(all), true)
		atOnce, _ := nested(sortedPacks(packs))
		require.Equal(t, atOnce, inParts)
		for _, p := range inParts {
			require.LessOrEqual(t, p.count(), l.bigSegments)
		}
	})
}
