package eventlog

// SmallPacks makes Compact join few segments, for tests.
func SmallPacks(c CompactConfig, segments, big, least int) CompactConfig {
	c.limits = packLimits{segments: segments, bigSegments: big, bytes: 1 << 20, bigBytes: 1 << 20, least: least}
	return c
}
