package eventlog

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet")

func testID(b byte) (id ID) {
	for i := range id {
		id[i] = b
	}
	return id
}

func testTime(s int64) time.Time { return time.Unix(1_700_000_000+s, 123).UTC() }

// samples are one object of each kind, byte for byte the same for ever.
func samples(t testing.TB) map[string][]byte {
	control := func(magic string, r any) []byte {
		b, err := encodeControl(magic, r)
		require.NoError(t, err)
		return b
	}
	digest := Digest(bytes.Repeat([]byte{0xd1}, 32))
	return map[string][]byte{
		"store":       control(magicStore, storeRecord{testID(0x51)}),
		"fence":       control(magicFence, fenceRecord{Stream: testID(1), Epoch: 2, Slot: 3, By: testID(2), Time: testTime(0), Reason: "failover \"x\""}),
		"fence-ahead": control(magicFence, fenceRecord{Stream: testID(1), Epoch: 2, Slot: 3, By: testID(2), Time: testTime(0), Ahead: true}),
		"epoch": control(magicEpoch, epochRecord{Stream: testID(1), Epoch: 3, Writer: testID(2), Home: testID(0x51), Begun: testTime(1),
			Reason: "agent start", Takeover: true, End: Position{Seq: 41, Epoch: 2, Slot: 2, Digest: digest, Time: testTime(0)}}),
		"epoch-first":   control(magicEpoch, epochRecord{Stream: testID(1), Epoch: 1, Writer: testID(2), Home: testID(0x51), Begun: testTime(1)}),
		"segment":       sampleSegment(t, 1),
		"segment-empty": sampleSegment(t, 0),
		"segment-large": sampleSegment(t, 40_000),
		"pack":          samplePack(t),
	}
}

// samplePack holds the sample segment and one that follows it.
func samplePack(t testing.TB) []byte {
	o := newObjects(nil, nil)
	first, err := o.parse(sampleSegment(t, 1), 3, 7)
	require.NoError(t, err)
	enc, err := newEncoder()
	require.NoError(t, err)
	h := *first.segment.header
	h.rawLen, h.slot, h.prev, h.first = 0, 8, first.segment.info.Digest, h.last+1
	b := newBuilder(h)
	b.footer.schema, b.footer.tables = first.segment.footer.schema, first.segment.footer.tables
	b.transaction(h.lastTime+10, &Pending{TxID: "79"}, nil)
	body, _ := b.seal(enc)
	second, err := o.parse(body, 3, 8)
	require.NoError(t, err)
	return buildPack([]atSlot{first, second})
}

func sampleSchema(t testing.TB) *database.Schema {
	s := &database.Schema{Engine: "sqlite", Tables: []database.Table{
		{Name: "ward", Key: []int{0}, Columns: []database.Column{{Name: "id", Type: "INTEGER"}, {Name: "name", Type: "TEXT"}}},
		{Name: "patient", Key: []int{0}, Columns: []database.Column{{Name: "id", Type: "INTEGER"}}},
	}}
	require.NoError(t, s.Seal())
	return s
}

// sampleSegment has a schema, a note, an update, an empty transaction and n inserts.
func sampleSegment(t testing.TB, n int) []byte {
	enc, err := newEncoder()
	require.NoError(t, err)
	b := newBuilder(header{stream: testID(1), writer: testID(2), epoch: 3, slot: 7, first: 42, last: 41, schemaVersion: 5, floor: 6,
		prev: Digest(bytes.Repeat([]byte{0xd1}, 32))})
	b.footer.schema = schemaPlace{epoch: 3, slot: 7, after: 41}
	b.footer.tables = []tableState{{name: "ward"}, {name: "patient"}}
	at := testTime(0).UnixNano()
	encoded, err := sampleSchema(t).Encode()
	require.NoError(t, err)
	b.schema(at, encoded)
	b.note(at+1, &Note{Kind: NoteHealed, Text: "the mirror is back"})
	position := func(name string) int {
		return slices.IndexFunc(b.footer.tables, func(t tableState) bool { return t.name == name })
	}
	row := func(id int64, name string) []byte { return database.AppendText(database.AppendInt(nil, id), name) }
	if n > 0 {
		b.transaction(at+2, &Pending{TxID: "77", Changes: []database.Change{
			{Op: database.Delete, Table: "ward", Row: row(1, "north")},
			{Op: database.Insert, Table: "ward", Row: row(1, "South")},
			{Op: database.Delete, Table: "patient", Row: database.AppendInt(nil, -5)},
		}}, position)
		b.transaction(at+2, &Pending{TxID: ""}, position)
		many := &Pending{TxID: "78"}
		for i := range n {
			many.Changes = append(many.Changes, database.Change{Op: database.Insert, Table: "ward", Row: row(int64(i), fmt.Sprint("ward number ", i*7919))})
		}
		b.transaction(at+5, many, position)
	}
	b.footer.tables[0].state.Add(database.RowHash{31: 9})
	b.footer.taken.Add(100, 101, 102, 110)
	b.footer.outstanding.Add(-3, 50, 51, 100, 101, 102, 110)
	body, _ := b.seal(enc)
	return body
}

func decodeSample(name string, b []byte) error {
	switch kind, _, _ := strings.Cut(name, "-"); kind {
	case "store":
		return decodeControl(b, magicStore, &storeRecord{})
	case "fence":
		_, err := decodeFence(b, 2, 3)
		return err
	case "epoch":
		e := Epoch(3)
		if name == "epoch-first" {
			e = 1
		}
		_, err := decodeEpoch(b, e)
		return err
	case "pack":
		x, err := parsePackIndex(b, pack{epoch: 3, first: 7, last: 8})
		if err != nil {
			return err
		}
		for _, e := range x.entries {
			if _, err := newObjects(nil, nil).cutOut(b, e.offset, e); err != nil {
				return err
			}
		}
		return nil
	default:
		s, err := parseSegment(b, 3, 7)
		if err == nil {
			s.decoder = newDecoder
			err = s.check()
		}
		return err
	}
}

// Golden files are for ever: a release that cannot read them has broken the format, and
// one that writes other bytes for the same input breaks the agreement of two stores.
// What zstd makes of a block may change with its release; then the decoded form decides.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, made := range samples(t) {
		path := filepath.Join("testdata", "v1", name+".bin")
		if _, err := os.Stat(path); *update && os.IsNotExist(err) {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, made, 0o644))
		}
		golden, err := os.ReadFile(path)
		require.NoError(t, err, "run with -update once")
		require.NoError(t, decodeSample(name, golden), name)
		if name == "pack" {
			continue // holds segments
		}
		if !strings.HasPrefix(name, "segment") {
			require.Equal(t, golden, made, name)
			continue
		}
		require.Equal(t, dump(t, made), dump(t, golden), name)
	}
}

// dump is everything a segment says.
func dump(t testing.TB, b []byte) string {
	s, err := parseSegment(b, 3, 7)
	require.NoError(t, err)
	s.decoder = newDecoder
	h := *s.header
	h.bodyLen, h.footerLen = 0, 0
	var out strings.Builder
	fmt.Fprintf(&out, "%+v\n%+v %v %v %v\n", h, s.footer.schema, s.Ledger(), s.Taken().Ranges(), s.Outstanding().Ranges())
	for e, err := range s.Events() {
		require.NoError(t, err)
		switch {
		case e.Tx != nil:
			fmt.Fprintf(&out, "%d %v %q\n", e.Seq, e.Time, e.Tx.TxID)
			for _, c := range e.Tx.Changes {
				fmt.Fprintf(&out, "  %c %s %x\n", c.Op, c.Table, c.Row)
			}
		case e.Schema != nil:
			fmt.Fprintf(&out, "%d %v schema %d tables\n", e.Seq, e.Time, len(e.Schema.Tables))
		default:
			fmt.Fprintf(&out, "%d %v %+v\n", e.Seq, e.Time, *e.Note)
		}
	}
	return out.String()
}

// FORMAT.md is compared with the code, so that neither can change alone.
func TestFormatPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	have := map[string]int{
		"MaxSegmentBytes": MaxSegmentBytes, "MaxRowBytes": MaxRowBytes, "MaxSchemaBytes": MaxSchemaBytes, "MaxTextBytes": MaxTextBytes,
		"MaxPipeline": MaxPipeline, "blockTarget": blockTarget, "maxBlockBytes": maxBlockBytes, "maxFooterBytes": maxFooterBytes,
		"maxControlBytes": maxControlBytes, "maxAhead": maxAhead,
		"maxPackSegments": maxPackSegments, "maxPackBytes": maxPackBytes, "maxPackedBytes": maxPackedBytes,
	}
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\d+) \\|").FindAllStringSubmatch(string(page), -1)
	require.Len(t, rows, len(have))
	for _, row := range rows {
		n, err := strconv.Atoi(row[2])
		require.NoError(t, err)
		require.Equal(t, have[row[1]], n, row[1])
	}
	require.Contains(t, string(page), fmt.Sprintf("length of the header (%d)", headerLen))
	require.Contains(t, string(page), fmt.Sprintf("Preamble (%d bytes)", preambleLen))
	for _, magic := range []string{magicSegment, magicFence, magicEpoch, magicStore, magicPack} {
		require.Contains(t, string(page), magic)
	}
	vectors := regexp.MustCompile("(?ms)^`([a-z-]+)`\n\n((?:    [0-9a-f]+\n)+)").FindAllStringSubmatch(string(page), -1)
	require.Len(t, vectors, 4)
	for _, v := range vectors {
		b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "").Replace(v[2]))
		require.NoError(t, err)
		require.NoError(t, decodeSample(v[1], b), v[1])
		if v[1] != "segment" {
			require.Equal(t, samples(t)[v[1]], b, v[1])
		} else {
			require.Equal(t, dump(t, samples(t)[v[1]]), dump(t, b))
		}
	}
}
