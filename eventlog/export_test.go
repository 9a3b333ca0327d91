package eventlog

// SmallPacks makes Compact join few segments, for tests.
func SmallPacks(c CompactConfig, segments, big, least int) CompactConfig {
	c.limits = packLimits{segments: segments, bigSegments: big, bytes: 1 << 20, bigBytes: 1 << 20, least: least}
	return c
}

// SmallCopies makes a start of a writer join few segments while it copies.
func SmallCopies(c WriterConfig, segments, least int) WriterConfig {
	c.limits = packLimits{segments: segments, bytes: 1 << 20, least: least}
	return c
}

// SmallTakeoverCopies is SmallCopies for a takeover.
func SmallTakeoverCopies(c TakeoverConfig, segments, least int) TakeoverConfig {
	c.limits = packLimits{segments: segments, bytes: 1 << 20, least: least}
	return c
}
