package eventlog

// Limits of the format. A writer refuses more; a reader takes more for damage, since a
// length that comes from a store is not to be trusted with memory.
const (
	// MaxSegmentBytes is the most that one segment may hold before compression, and so
	// the largest transaction: 1 GiB, about two million updated rows of 250 bytes. A
	// transaction is encoded in memory, which is what sets the limit.
	MaxSegmentBytes = 1 << 30
	// MaxRowBytes is the largest row image: 256 MiB.
	MaxRowBytes = 256 << 20
	// MaxSchemaBytes is the largest encoded schema: 64 MiB.
	MaxSchemaBytes = 64 << 20
	// MaxTextBytes bounds a transaction id, a table name, a note and a reason: 64 KiB.
	MaxTextBytes = 64 << 10
	// MaxPipeline bounds how many slots may be under way to one store at once, and so
	// how far behind a gap a crashed writer may have left segments.
	MaxPipeline = 64

	// maxObjectBytes: what compression cannot shrink grows by less than 1/1,000, and the
	// footer is bounded on its own.
	maxObjectBytes = MaxSegmentBytes + MaxSegmentBytes/1000 + maxFooterBytes + headerLen
	// maxFooterBytes holds some ten million ranges of change ids.
	maxFooterBytes = 64 << 20
	// maxBlockBytes is one block before compression: blockTarget, or one row more.
	maxBlockBytes = MaxRowBytes + 2*blockTarget
	// blockTarget is where a block is closed: large enough to compress well, small
	// enough that rows kept from it pin little, and that blocks spread over cores.
	blockTarget = 1 << 20
	// maxControlBytes bounds the JSON of a fence, an epoch or a store's identity.
	maxControlBytes = 1 << 20
)
