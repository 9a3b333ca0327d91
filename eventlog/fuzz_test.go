package eventlog

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

// seedGolden gives a fuzz target every golden object, whole and cut.
func seedGolden(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "v1", "*.bin"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		if len(b) > 4096 {
			continue
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
}

func known(err error) bool {
	return err == nil || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrNewerVersion)
}

// resealed puts right every checksum that b's own lengths point to, so that the fuzzer
// gets past them.
func resealed(b []byte) []byte {
	if len(b) < headerLen+digestLen {
		return b
	}
	h := header{}
	copyHeader(&h, b)
	out := h.append(nil)
	out = append(out, b[headerLen:len(b)-digestLen]...)
	out, _ = appendDigest(out)
	return out
}

// copyHeader takes the fields as they lie in b and makes the lengths fit.
func copyHeader(h *header, b []byte) {
	if parsed, err := parseHeader(b); err == nil {
		*h = *parsed
	}
	h.epoch, h.slot, h.floor = 3, 7, 0
	body := len(b) - headerLen - digestLen
	h.footerLen = min(h.footerLen, uint32(body+digestLen))
	h.footerLen = max(h.footerLen, digestLen)
	h.bodyLen = uint64(body + digestLen - int(h.footerLen))
}

func FuzzSegment(f *testing.F) {
	shared := sync.OnceValues(newDecoder)
	seedGolden(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, resealed(b)} {
			s, err := parseSegment(b, 3, 7)
			if !known(err) {
				t.Fatalf("unclassified error %v", err)
			}
			if err != nil {
				continue
			}
			s.decoder = shared
			if err := s.check(); !known(err) {
				t.Fatalf("unclassified error %v", err)
			}
			n := 0
			_ = s.Changes(func(Seq, string, database.Op, []byte) error { n++; return nil })
		}
	})
}

// What the footer decodes to encodes to the same bytes: there is one form.
func FuzzFooter(f *testing.F) {
	for _, name := range []string{"segment", "segment-empty"} {
		b := samples(f)[name]
		s, err := parseSegment(b, 3, 7)
		require.NoError(f, err)
		f.Add(b[headerLen+int(s.header.bodyLen):len(b)-digestLen], s.header.bodyLen, s.header.rawLen, s.header.schemaVersion)
	}
	f.Fuzz(func(t *testing.T, b []byte, body, raw uint64, version uint32) {
		got, err := parseFooter(b, &header{bodyLen: body, rawLen: raw, schemaVersion: version})
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		require.Equal(t, b, got.append(nil))
	})
}

func FuzzHeader(f *testing.F) {
	seedGolden(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if !known(err) {
			t.Fatalf("unclassified error %v", err)
		}
		if err == nil {
			require.Equal(t, b[:headerLen], h.append(nil))
		}
	})
}

func FuzzControl(f *testing.F) {
	seedGolden(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := decodeEpoch(b, 3); err == nil {
			again, err := encodeControl(magicEpoch, *e)
			require.NoError(t, err)
			require.Equal(t, b, again)
		} else if !known(err) {
			t.Fatalf("unclassified error %v", err)
		}
		if r, err := decodeFence(b, 2, 3); err == nil {
			again, err := encodeControl(magicFence, *r)
			require.NoError(t, err)
			require.Equal(t, b, again)
		} else if !known(err) {
			t.Fatalf("unclassified error %v", err)
		}
		if err := decodeControl(b, magicStore, &storeRecord{}); !known(err) {
			t.Fatalf("unclassified error %v", err)
		}
	})
}

// FuzzRecords gives the record decoder any bytes as a block.
func FuzzRecords(f *testing.F) {
	shared := sync.OnceValues(newDecoder)
	s, err := parseSegment(samples(f)["segment"], 3, 7)
	require.NoError(f, err)
	s.decoder = shared
	enc, err := newEncoder()
	require.NoError(f, err)
	for block, err := range s.blocks {
		require.NoError(f, err)
		f.Add(block)
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		if len(block) == 0 {
			return
		}
		b := newBuilder(*s.header)
		b.header.rawLen = 0
		b.footer = *s.footer
		b.footer.blocks = nil
		b.blocks = [][]byte{block}
		object, _ := b.seal(enc)
		got, err := parseSegment(object, 3, 7)
		require.NoError(t, err)
		got.decoder = shared
		if err := got.check(); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}

// FuzzPackIndex gives the index decoder its input with the checksums put right, too.
func FuzzPackIndex(f *testing.F) {
	b := samples(f)["pack"]
	f.Add(b)
	f.Add(b[:packHeaderLen+60])
	p := pack{epoch: 3, first: 7, last: 8}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parsePackIndex(b, p); !known(err) {
			t.Fatalf("unclassified error %v", err)
		}
		if len(b) < packHeaderLen+digestLen {
			return
		}
		h := packHeader{epoch: 3, first: 7, count: 2, indexLen: uint32(len(b) - packHeaderLen)}
		fixed := append(h.append(nil), b[packHeaderLen:len(b)-digestLen]...)
		fixed, _ = appendDigest(fixed)
		if x, err := parsePackIndex(fixed, p); !known(err) {
			t.Fatalf("unclassified error %v", err)
		} else if err == nil {
			require.Len(t, x.entries, 2)
			require.Greater(t, x.size, int64(len(b)))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0000000000000001", "00000001", "+000000000000001", "d1d1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := ParseSeq(s); err == nil {
			require.Equal(t, s, v.String())
		}
		if v, err := ParseSlot(s); err == nil {
			require.Equal(t, s, v.String())
		}
		if v, err := ParseEpoch(s); err == nil {
			require.Equal(t, s, v.String())
		}
		if v, err := ParseDigest(s); err == nil {
			require.Equal(t, s, v.String())
		}
		if v, err := ParseID(s); err == nil {
			require.Equal(t, s, v.String())
		}
		var p Position
		if json.Unmarshal([]byte(s), &p) == nil {
			_, err := json.Marshal(p)
			require.NoError(t, err)
		}
	})
}
