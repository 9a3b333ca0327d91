package eventlog

import (
	"cmp"
	"slices"
)

// Planning is pure: what a store lists decides, so both stores come to the same packs.

func sortedPacks(packs []pack) []pack {
	slices.SortFunc(packs, func(a, b pack) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.last, a.last))
	})
	return packs
}

// uncovered are the singles that no pack holds.
func uncovered(singles []single, packs []pack) (out []single) {
	for _, s := range singles {
		for len(packs) > 0 && packs[0].last < s.slot {
			packs = packs[1:]
		}
		if p, _ := cover(packs, s.slot); p == nil {
			out = append(out, s)
		}
	}
	return out
}

// run gathers neighbours until they are a pack.
type run struct {
	pack
	segments int
}

func (r *run) next(first Slot) bool { return r.segments > 0 && r.last+1 == first }

func (r *run) add(p pack) {
	if r.segments == 0 {
		r.epoch, r.first = p.epoch, p.first
	}
	r.last = p.last
	r.size += p.size
	r.segments += p.count()
}

// planSmall cuts neighbouring segments into packs. The end of an open epoch waits until
// it fills one.
func planSmall(e Epoch, singles []single, l packLimits, closed bool) (packs []pack) {
	var r run
	finish := func(full bool) {
		if full && r.segments > 0 || r.segments >= l.least {
			packs = append(packs, r.pack)
		}
		r = run{}
	}
	for _, s := range singles {
		if s.size > maxPackedBytes { // it stays by itself, and cuts
			finish(false)
			continue
		}
		if r.segments > 0 && !r.next(s.slot) {
			finish(false)
		}
		if r.segments > 0 && (r.segments >= l.segments || r.size+s.size > l.bytes) {
			finish(true)
		}
		r.add(pack{epoch: e, first: s.slot, last: s.slot, size: s.size})
	}
	if closed || r.segments >= l.segments {
		finish(false)
	}
	return packs
}

// planBig joins neighbouring packs, in the same way.
func planBig(packs []pack, l packLimits, closed bool) (big []pack) {
	var r run
	joined := 0
	finish := func() {
		if joined > 1 {
			big = append(big, r.pack)
		}
		r, joined = run{}, 0
	}
	for _, p := range packs {
		if r.segments > 0 && (!r.next(p.first) || r.segments+p.count() > l.bigSegments || r.size+p.size > l.bigBytes) {
			finish()
		}
		r.add(p)
		joined++
	}
	if closed || r.segments == l.bigSegments {
		finish()
	}
	return big
}
