package eventlog

// gatherer holds neighbouring segments back until they fill a pack, which it cuts where
// planSmall does.
type gatherer struct {
	limits   packLimits
	segments []atSlot
	size     int64
}

// full reports whether a segment has no room with those that wait.
func (g *gatherer) full(at atSlot) bool {
	return len(g.segments) > 0 && (len(g.segments) >= g.limits.segments || g.size+int64(len(at.bytes)) > g.limits.bytes)
}

func (g *gatherer) add(at atSlot) {
	// Of the segment only what a pack's index needs: footers can be large.
	at.segment = &Segment{info: at.segment.info, header: at.segment.header}
	g.segments = append(g.segments, at)
	g.size += int64(len(at.bytes))
}

// done lets go of what has gathered; worth tells whether it is enough for a pack.
func (g *gatherer) done() (segments []atSlot, size int64, worth bool) {
	segments, size = g.segments, g.size
	g.segments, g.size = nil, 0
	return segments, size, len(segments) >= g.limits.least
}

// packOf is the pack that holds these segments.
func packOf(segments []atSlot) pack {
	first, last := segments[0].segment.info, segments[len(segments)-1].segment.info
	return pack{epoch: first.Epoch, first: first.Slot, last: last.Slot}
}
