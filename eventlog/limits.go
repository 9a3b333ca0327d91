package eventlog

// Limits of the format. A writer refuses more, a reader takes more for damage.
const (
	// MaxSegmentBytes is the most that one segment may hold before compression, and so
	// the largest transaction: 1 GiB, about two million updated rows of 250 bytes. A
	// transaction is encoded in memory, which is what sets the limit.
	MaxSegmentBytes = 1 << 30
	// MaxRowBytes is the largest row image: 256 MiB.
	MaxRowBytes = 256 << 20
)
