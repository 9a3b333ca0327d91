package eventlog

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

// hospital are changes as an application makes them: half updates, rows of about 120 bytes.
func hospital(n int) []Pending {
	rng := rand.New(rand.NewPCG(1, 2))
	row := func(id int64) []byte {
		r := database.AppendInt(nil, id)
		r = database.AppendText(r, fmt.Sprintf("patient %d of ward %d", id, rng.IntN(40)))
		r = database.AppendDateTime2(r, 638_000_000_000_000_000+rng.Int64N(1e12))
		r = database.AppendText(r, []string{"admitted", "discharged", "to be reviewed by the consultant on call", "for handover"}[rng.IntN(4)])
		return database.AppendInt(r, rng.Int64N(100))
	}
	var out []Pending
	for i := range n {
		id := int64(i % 5000)
		out = append(out, Pending{TxID: fmt.Sprint(1000 + i), Changes: []database.Change{
			{Op: database.Delete, Table: "patient", Row: row(id)}, {Op: database.Insert, Table: "patient", Row: row(id)},
			{Op: database.Insert, Table: "task", Row: row(int64(i))}, {Op: database.Insert, Table: "audit", Row: row(int64(i))},
		}})
	}
	return out
}

func hospitalSchema(b testing.TB) *database.Schema {
	s := &database.Schema{Engine: "bench"}
	for _, name := range []string{"patient", "task", "audit"} {
		s.Tables = append(s.Tables, database.Table{Name: name, Key: []int{0}, Columns: []database.Column{
			{Name: "id", Type: "bigint"}, {Name: "name", Type: "text"}, {Name: "at", Type: "datetime2"}, {Name: "state", Type: "text"}, {Name: "n", Type: "int"}}})
	}
	require.NoError(b, s.Seal())
	return s
}

// encodeSegment is what Append and the sender do between them, without a store.
func encodeSegment(b testing.TB, w *Writer, txs []Pending) ([]byte, int) {
	p := prepared{batch: &Batch{Transactions: txs}, limit: MaxSegmentBytes}
	require.NoError(b, p.measure())
	require.NoError(b, p.hash(w.schema))
	w.queue, w.queued = nil, 0
	w.add(&p)
	w.closeOpen()
	raw := w.queue[0].bytes
	body, _ := w.queue[0].seal(w.enc)
	return body, raw
}

func benchWriter(b testing.TB) *Writer {
	enc, err := newEncoder()
	require.NoError(b, err)
	return &Writer{cfg: WriterConfig{SegmentBytes: 64 << 20, Clock: time.Now}, enc: enc, schema: hospitalSchema(b), tableAt: map[string]int{},
		kick: make(chan struct{}, 1), record: epochRecord{Epoch: 1}}
}

// BenchmarkEncode: batch to object (check, SHA-256 of each row, records, zstd, SHA-256 of
// the whole), in changes a second; beside it what each physical part takes alone.
func BenchmarkEncode(b *testing.B) {
	txs := hospital(10_000)
	w := benchWriter(b)
	object, raw := encodeSegment(b, w, txs)
	b.Run("segment", func(b *testing.B) {
		b.SetBytes(int64(raw))
		for b.Loop() {
			encodeSegment(b, w, txs)
		}
		b.ReportMetric(40_000*float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		b.ReportMetric(float64(len(object))/float64(raw), "ratio")
	})
	var block []byte
	for _, tx := range txs {
		for _, c := range tx.Changes {
			block = append(block, c.Row...)
		}
	}
	b.Run("limit/copy", func(b *testing.B) {
		dst := make([]byte, len(block))
		b.SetBytes(int64(len(block)))
		for b.Loop() {
			copy(dst, block)
		}
	})
	b.Run("limit/sha256-of-rows", func(b *testing.B) {
		s := hospitalSchema(b)
		var scratch []byte
		b.SetBytes(int64(len(block)))
		for b.Loop() {
			for _, tx := range txs {
				for _, c := range tx.Changes {
					_, scratch = s.Tables[0].Hash(scratch, c.Row)
				}
			}
		}
		b.ReportMetric(40_000*float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	})
	b.Run("limit/zstd", func(b *testing.B) {
		b.SetBytes(int64(len(block)))
		var dst []byte
		for b.Loop() {
			for rest := block; len(rest) > 0; rest = rest[min(blockTarget, len(rest)):] {
				dst = w.enc.EncodeAll(rest[:min(blockTarget, len(rest))], dst[:0])
			}
		}
	})
	b.Run("limit/sha256", func(b *testing.B) {
		b.SetBytes(int64(len(object)))
		for b.Loop() {
			sha256.Sum256(object)
		}
	})
}

// BenchmarkDecode: object to changes, verified, in changes a second on one core; beside
// it decompression and hashing alone.
func BenchmarkDecode(b *testing.B) {
	w := benchWriter(b)
	object, raw := encodeSegment(b, w, hospital(10_000))
	shared := sync.OnceValues(newDecoder)
	parse := func(b *testing.B) *Segment {
		s, err := parseSegment(object, 1, w.nextSlot-1)
		require.NoError(b, err)
		s.decoder = shared
		return s
	}
	b.Run("segment", func(b *testing.B) {
		b.SetBytes(int64(raw))
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			err := parse(b).Changes(func(_ Seq, _ string, _ database.Op, row []byte) error { n += len(row); return nil })
			require.NoError(b, err)
		}
		b.ReportMetric(40_000*float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	})
	b.Run("events", func(b *testing.B) {
		b.SetBytes(int64(raw))
		for b.Loop() {
			for _, err := range parse(b).Events() {
				require.NoError(b, err)
			}
		}
		b.ReportMetric(40_000*float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	})
	b.Run("limit/zstd", func(b *testing.B) {
		b.SetBytes(int64(raw))
		s := parse(b)
		for b.Loop() {
			for _, err := range s.blocks {
				require.NoError(b, err)
			}
		}
	})
	b.Run("limit/sha256", func(b *testing.B) {
		b.SetBytes(int64(len(object)))
		for b.Loop() {
			sha256.Sum256(object)
		}
	})
}
