package record_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident/record"
	"lifeboat/internal/signers"
)

// BenchmarkRead reads and verifies an incident of 200 entries from one store in memory.
// Its limit is BenchmarkVerifySignature times 200: every entry has one signature.
func BenchmarkRead(b *testing.B) {
	o := newOffice(b)
	o.book = o.open(b, nil)
	stream := o.story(b, 199)
	for b.Loop() {
		c, err := o.book.Read(b.Context(), stream)
		require.NoError(b, err)
		require.Len(b, c.Entries, 200)
	}
}

// BenchmarkVerifySignature is one ed25519 signature, checked.
func BenchmarkVerifySignature(b *testing.B) {
	o := newOffice(b)
	doc, err := signers.Seal(o.keys["sam"], record.Namespace, []byte("text\n"))
	require.NoError(b, err)
	for b.Loop() {
		_, _, err := o.ring.Open(record.Namespace, doc, o.now)
		require.NoError(b, err)
	}
}
