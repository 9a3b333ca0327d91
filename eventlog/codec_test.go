package eventlog

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

// Whatever is put into a segment comes out of it, in order, whole.
func TestSegmentRoundTrip(t *testing.T) {
	t.Parallel()
	enc, err := newEncoder()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		b := newBuilder(header{epoch: 3, slot: 7, first: 1, floor: 7})
		names := rapid.SliceOfNDistinct(rapid.StringN(1, 20, 20), 1, 4, rapid.ID).Draw(t, "tables")
		for _, name := range names {
			b.footer.tables = append(b.footer.tables, tableState{name: name})
		}
		position := func(name string) int { return slices.Index(names, name) }
		big := rapid.SampledFrom([]int{10, 1000, 400_000, 3 << 20}).Draw(t, "big")
		var want []Transaction
		at := int64(0)
		for i := range rapid.IntRange(0, 8).Draw(t, "transactions") {
			at += rapid.Int64Range(0, 5).Draw(t, "ns")
			p := Pending{TxID: rapid.StringN(0, 10, 30).Draw(t, "tx")}
			for range rapid.IntRange(0, 12).Draw(t, "changes") {
				c := database.Change{
					Op:    rapid.SampledFrom([]database.Op{database.Delete, database.Insert}).Draw(t, "op"),
					Table: rapid.SampledFrom(names).Draw(t, "table"),
					Row:   make([]byte, rapid.IntRange(0, big).Draw(t, "length")),
				}
				if len(c.Row) > 0 {
					c.Row[0] = rapid.Byte().Draw(t, "byte")
				}
				p.Changes = append(p.Changes, c)
			}
			b.transaction(at, &p, position)
			want = append(want, Transaction{Seq: Seq(i + 1), Time: fromNanos(at), TxID: p.TxID, Changes: p.Changes})
		}
		if len(want) == 0 {
			b.note(at, &Note{Kind: "k"})
		}
		object, digest := b.seal(enc)
		s, err := parseSegment(object, 3, 7)
		require.NoError(t, err)
		s.decoder = newDecoder
		require.Equal(t, digest, s.Info().Digest)
		checkSegment(t, s, want)
	})
}

func checkSegment(t require.TestingT, s *Segment, want []Transaction) {
	var got []Transaction
	for e, err := range s.Events() {
		require.NoError(t, err)
		if e.Tx != nil {
			got = append(got, *e.Tx)
		}
	}
	require.Len(t, got, len(want))
	i, j := 0, 0
	err := s.Changes(func(seq Seq, table string, op database.Op, row []byte) error {
		for j == len(want[i].Changes) {
			i, j = i+1, 0
		}
		require.Equal(t, want[i].Seq, seq)
		require.Equal(t, want[i].Changes[j].Table, table)
		require.Equal(t, want[i].Changes[j].Op, op)
		require.True(t, slices.Equal(want[i].Changes[j].Row, row))
		j++
		return nil
	})
	require.NoError(t, err)
	for i := range want {
		require.Equal(t, want[i].Seq, got[i].Seq)
		require.Equal(t, want[i].TxID, got[i].TxID)
		require.Equal(t, want[i].Time, got[i].Time)
		require.Len(t, got[i].Changes, len(want[i].Changes))
		for j, c := range want[i].Changes {
			require.Equal(t, c.Op, got[i].Changes[j].Op)
			require.Equal(t, c.Table, got[i].Changes[j].Table)
			require.True(t, slices.Equal(c.Row, got[i].Changes[j].Row))
		}
	}
}

// Rows stay what they are after the next block is read.
func TestRowsMayBeKept(t *testing.T) {
	t.Parallel()
	s, err := parseSegment(samples(t)["segment-large"], 3, 7)
	require.NoError(t, err)
	s.decoder = newDecoder
	require.Greater(t, len(s.footer.blocks), 1)
	var rows [][]byte
	var sums []uint32
	require.NoError(t, s.Changes(func(_ Seq, _ string, _ database.Op, row []byte) error {
		rows = append(rows, row)
		sums = append(sums, crc32.ChecksumIEEE(row))
		return nil
	}))
	for i, row := range rows {
		require.Equal(t, sums[i], crc32.ChecksumIEEE(row))
		require.Equal(t, len(row), cap(row), "a row's owner could write into the next")
	}
}

func TestChangesStopAtTheVisitorsError(t *testing.T) {
	t.Parallel()
	s, err := parseSegment(samples(t)["segment"], 3, 7)
	require.NoError(t, err)
	s.decoder = newDecoder
	stop := fmt.Errorf("enough")
	n := 0
	err = s.Changes(func(Seq, string, database.Op, []byte) error {
		if n++; n == 2 {
			return stop
		}
		return nil
	})
	require.Equal(t, stop, err)
	require.Equal(t, 2, n)
	for range s.Events() {
		break // must not panic or go on
	}
}

func TestDecodingAllocatesPerBlockOnly(t *testing.T) {
	s, err := parseSegment(samples(t)["segment-large"], 3, 7)
	require.NoError(t, err)
	dec, err := newDecoder()
	require.NoError(t, err)
	s.decoder = func() (*zstd.Decoder, error) { return dec, nil }
	n := 0
	allocs := testing.AllocsPerRun(5, func() {
		require.NoError(t, s.Changes(func(Seq, string, database.Op, []byte) error { n++; return nil }))
	})
	require.Less(t, allocs, 60.0, "for 40,000 changes")
}

// Three errors that tell what to do.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	for name, b := range samples(t) {
		b = slices.Clone(b)
		binary.BigEndian.PutUint32(b[8:], formatVersion+1)
		binary.BigEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
		err := decodeSample(name, b)
		require.ErrorIs(t, err, ErrNewerVersion, name)
		require.NotErrorIs(t, err, ErrCorrupt, name)
		require.ErrorContains(t, err, "version 2", name)
	}
}

// A hostile object must not make the reader take memory that it does not hold.
func TestLengthsAreNotTrusted(t *testing.T) {
	t.Parallel()
	enc, err := newEncoder()
	require.NoError(t, err)
	build := func(change func(b *builder, frame []byte) []byte) []byte {
		b := newBuilder(header{epoch: 3, slot: 7, first: 1, last: 0})
		b.note(0, &Note{Kind: "k"})
		block := b.blocks[0]
		frame := change(b, enc.EncodeAll(block, nil))
		out := append(make([]byte, headerLen), frame...)
		b.header.bodyLen = uint64(len(frame))
		at := len(out)
		out = b.footer.append(out)
		b.header.footerLen = uint32(len(out) - at + digestLen)
		b.header.append(out[:0])
		out, _ = appendDigest(out)
		return out
	}
	cases := map[string]func(b *builder, frame []byte) []byte{
		"a block that decompresses to more than it says": func(b *builder, frame []byte) []byte {
			bomb := enc.EncodeAll(make([]byte, 64<<20), nil)
			b.footer.blocks = []blockSize{{len(bomb), 100}}
			b.header.rawLen = 100
			return bomb
		},
		"a block that decompresses to less": func(b *builder, frame []byte) []byte {
			b.footer.blocks = []blockSize{{len(frame), 1 << 20}}
			b.header.rawLen = 1 << 20
			return frame
		},
		"a block beyond the limit": func(b *builder, frame []byte) []byte {
			b.footer.blocks = []blockSize{{len(frame), maxBlockBytes + 1}}
			b.header.rawLen = maxBlockBytes + 1
			return frame
		},
		"not zstd": func(b *builder, frame []byte) []byte {
			b.footer.blocks = []blockSize{{4, 10}}
			b.header.rawLen = 10
			return []byte("text")
		},
	}
	for name, change := range cases {
		s, err := parseSegment(build(change), 3, 7)
		if err == nil {
			s.decoder = newDecoder
			err = s.check()
		}
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
	for _, h := range []header{
		{first: 1, rawLen: MaxSegmentBytes * 2, bodyLen: 1, footerLen: 32}, {first: 1, bodyLen: math.MaxUint64, rawLen: 1, footerLen: 32},
		{first: 1, footerLen: 31}, {first: 1, footerLen: math.MaxUint32}, {first: 0, footerLen: 32}, {first: 5, last: 3, footerLen: 32},
		{first: 1, last: math.MaxUint64, footerLen: 32}, {first: 1, firstTime: 2, lastTime: 1, footerLen: 32},
		{first: 1, floor: 1, footerLen: 32}, {first: 1, rawLen: 1, footerLen: 32},
	} {
		_, err := parseHeader(h.append(nil))
		require.ErrorIs(t, err, ErrCorrupt, "%+v", h)
	}
}

func TestControlIsCanonical(t *testing.T) {
	t.Parallel()
	body := []byte(`{"store":"51515151515151515151515151515151"}`)
	for name, bad := range map[string]string{
		"a field more":   `{"store":"51515151515151515151515151515151","x":1}`,
		"white space":    `{"store": "51515151515151515151515151515151"}`,
		"upper case":     `{"store":"5151515151515151515151515151515A"}`,
		"not JSON":       `{`,
		"something else": `[]`,
		"two values":     string(body) + string(body),
	} {
		b := append(appendPreamble(nil, magicStore, uint32(len(bad))), bad...)
		b, _ = appendDigest(b)
		require.ErrorIs(t, decodeControl(b, magicStore, &storeRecord{}), ErrCorrupt, name)
	}
	for name, r := range map[string]epochRecord{
		"ends in itself":       {Epoch: 3, End: Position{Epoch: 3, Digest: Digest{1}}},
		"end without a digest": {Epoch: 3, End: Position{Seq: 3, Epoch: 1}},
		"another epoch":        {Epoch: 4},
	} {
		b, err := encodeControl(magicEpoch, r)
		require.NoError(t, err)
		_, err = decodeEpoch(b, 3)
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

func TestNumbersRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Position{
			Seq: Seq(rapid.Uint64Range(0, 1e16-1).Draw(t, "seq")), Epoch: Epoch(rapid.Uint32Range(0, 1e8-1).Draw(t, "epoch")),
			Slot: Slot(rapid.Uint64Range(0, 1e16-1).Draw(t, "slot")), Time: fromNanos(rapid.Int64().Draw(t, "time")),
		}
		copy(p.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		b, err := json.Marshal(p)
		require.NoError(t, err)
		var got Position
		require.NoError(t, json.Unmarshal(b, &got))
		require.Equal(t, p, got)
		require.Equal(t, p.IsZero(), p.Digest == Digest{})
	})
	require.Equal(t, "0000000000000042", Seq(42).String())
	require.Equal(t, "00000042", Epoch(42).String())
	require.Equal(t, "log/00000001/0000000000000002", SegmentName(1, 2))
	require.Equal(t, "epochs/00000007", EpochName(7))
	for _, bad := range []string{"", "1", "00000000000000001", "-000000000000001", "+000000000000001", "000000000000000a", "0000000000000 01"} {
		_, err := ParseSeq(bad)
		require.Error(t, err, "%q", bad)
		_, err = ParseSlot(bad)
		require.Error(t, err, "%q", bad)
		_, err = ParseEpoch(bad)
		require.Error(t, err, "%q", bad)
		_, err = ParseDigest(bad)
		require.Error(t, err, "%q", bad)
	}
}

func TestIDSetIsASet(t *testing.T) {
	t.Parallel()
	ids := rapid.SliceOf(rapid.OneOf(rapid.Int64Range(-5, 30), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MaxInt64 - 1})))
	rapid.Check(t, func(t *rapid.T) {
		var s IDSet
		model := map[int64]bool{}
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			some := ids.Draw(t, "ids")
			if rapid.Bool().Draw(t, "add") {
				s.Add(some...)
				for _, id := range some {
					model[id] = true
				}
			} else {
				s.Remove(some...)
				for _, id := range some {
					delete(model, id)
				}
			}
			require.Equal(t, slices.Sorted(maps.Keys(model)), slices.Collect(s.All()))
			require.EqualValues(t, len(model), s.Len())
			for _, r := range s.Ranges() {
				require.LessOrEqual(t, r.First, r.Last)
			}
			for _, id := range some {
				require.Equal(t, model[id], s.Contains(id))
			}
			c := &cursor{b: s.append(nil)}
			got := c.ids()
			require.False(t, c.bad)
			require.Empty(t, c.b)
			require.True(t, slices.Equal(s.Ranges(), got.Ranges()))
			require.True(t, slices.Equal(s.Ranges(), s.Clone().Ranges()))
		}
	})
}
