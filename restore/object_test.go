package restore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet")

func newCodec(t testing.TB) *Codec {
	c, err := NewCodec(1)
	require.NoError(t, err)
	return c
}

// goldenSchema, goldenRows and so on are what the files in testdata/v1 hold.
func goldenSchema(t testing.TB) *database.Schema {
	s := &database.Schema{Engine: "sqlite", NotCarried: []string{"Album.checksum: computed"}, Tables: []database.Table{{
		Name: "Album", Columns: []database.Column{{Name: "AlbumId", Type: "INTEGER", Identity: true}, {Name: "Title", Type: "TEXT", Nullable: true}},
		Key: []int{0}, SQL: "CREATE TABLE Album(AlbumId INTEGER PRIMARY KEY AUTOINCREMENT, Title TEXT)",
	}}}
	require.NoError(t, s.Seal())
	return s
}

func goldenRow(id int64, title string) []byte {
	return database.AppendText(database.AppendInt(nil, id), title)
}

type golden struct {
	kind    Kind
	entries int
	payload []byte
}

func goldens(t testing.TB) map[string]golden {
	schema, err := goldenSchema(t).Encode()
	require.NoError(t, err)
	rows := AppendRow(AppendRow(nil, goldenRow(1, "Balls to the Wall")), goldenRow(2, "Jagged Little Pill"))
	changes := AppendChange(nil, database.Delete, goldenRow(2, "Jagged Little Pill"))
	changes = AppendChange(changes, database.Insert, goldenRow(2, "Jagged Little Pills"))
	list := appendList(nil, []Chunk{
		{Ref: Ref{Digest: sha256.Sum256([]byte("one")), Size: 100, Raw: 300, Entries: 3}},
		{Ref: Ref{Digest: sha256.Sum256([]byte("two")), Size: 200, Raw: 600, Entries: 6}, Start: []byte{2, 0x80}},
	})
	manifest, err := json.Marshal(goldenManifest(t))
	require.NoError(t, err)
	return map[string]golden{
		"schema": {KindSchema, 1, schema}, "rows": {KindRows, 2, rows}, "changes": {KindChanges, 2, changes},
		"list": {KindList, 2, list}, "manifest": {KindManifest, 1, manifest},
	}
}

func goldenManifest(t testing.TB) *Manifest {
	schema := goldenSchema(t)
	fingerprint, err := schema.Fingerprint()
	require.NoError(t, err)
	table := &schema.Tables[0]
	var state, ledger database.State
	for i, row := range [][]byte{goldenRow(1, "Balls to the Wall"), goldenRow(2, "Jagged Little Pill")} {
		h, _ := table.Hash(nil, row)
		state.Add(h)
		if i == 1 {
			ledger.Add(h)
		}
	}
	at := time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)
	return &Manifest{
		Kind: Base, Position: eventlog.Position{Seq: 7, Epoch: 1, Slot: 3, Digest: sha256.Sum256([]byte("segment")), Time: at},
		Created: at.Add(time.Second), SchemaVersion: 1, Fingerprint: fingerprint,
		Schema: Ref{Digest: sha256.Sum256([]byte("schema")), Size: 250, Raw: 400, Entries: 1},
		Tables: []TableEntry{{
			Name: table.Name, Version: table.Version(), State: state, Ledger: ledger, Ordered: true, Entries: 2, Raw: 46, Size: 70,
			Lists: []Ref{{Digest: sha256.Sum256([]byte("list")), Size: 80, Raw: 45, Entries: 1}},
		}},
		Counters: map[string]int64{"Album": 2}, NotCarried: schema.NotCarried,
	}
}

// Files of format version 1 are read for ever.
func TestGoldenObjects(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	for name, g := range goldens(t) {
		path := filepath.Join("testdata", "v1", name+".lbsn")
		if _, err := os.Stat(path); *update && os.IsNotExist(err) {
			body, _, err := c.Encode(nil, g.kind, g.entries, g.payload)
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, body, 0o644))
		}
		body, err := os.ReadFile(path)
		require.NoError(t, err)
		ref := Ref{Digest: sha256.Sum256(body), Size: int64(len(body)), Raw: int64(len(g.payload)), Entries: int64(g.entries)}
		payload, err := c.Decode(nil, g.kind, ref, body)
		require.NoError(t, err, name)
		require.Equal(t, g.payload, payload, name)
		if g.kind == KindManifest {
			s, err := DecodeManifest(c, ManifestName(7, ref.Digest), body)
			require.NoError(t, err)
			require.Equal(t, goldenManifest(t), s.Manifest)
		}
	}
}

// FORMAT.md shows the bytes of the golden files.
func TestFormatShowsTheGoldenBytes(t *testing.T) {
	t.Parallel()
	spec, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	plain := strings.Join(strings.Fields(string(spec)), " ")
	for _, name := range []string{"rows", "changes", "list"} {
		body, err := os.ReadFile(filepath.Join("testdata", "v1", name+".lbsn"))
		require.NoError(t, err)
		require.Contains(t, plain, spaced(body[:headerLen]), "header of %s", name)
		require.Contains(t, plain, spaced(goldens(t)[name].payload), "payload of %s", name)
	}
	for _, constant := range []string{
		"`" + objectMagic + "`", "24 bytes", "1,073,741,824", "8,192", "4,096", "262,144", "786,432", "4,194,304",
		ManifestName(7, sha256.Sum256([]byte("x"))), ChunkName(sha256.Sum256([]byte("x"))),
	} {
		require.Contains(t, plain, constant)
	}
}

func spaced(b []byte) string {
	var s []string
	for _, c := range b {
		s = append(s, hex.EncodeToString([]byte{c}))
	}
	return strings.Join(s, " ")
}

func encodeRows(t testing.TB, c *Codec) ([]byte, Ref) {
	g := goldens(t)["rows"]
	body, ref, err := c.Encode(nil, g.kind, g.entries, g.payload)
	require.NoError(t, err)
	return body, ref
}

func TestEveryFlippedBitIsCorruptAndEveryCutTruncated(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	body, ref := encodeRows(t, c)
	manifest, snapshot, err := goldenManifest(t).Encode(c)
	require.NoError(t, err)
	for _, o := range []struct {
		body   []byte
		decode func([]byte) error
	}{
		{body, func(b []byte) error { _, err := c.Decode(nil, KindRows, ref, b); return err }},
		{manifest, func(b []byte) error { _, err := DecodeManifest(c, snapshot.Name(), b); return err }},
	} {
		require.NoError(t, o.decode(o.body))
		for bit := range 8 * len(o.body) {
			b := bytes.Clone(o.body)
			b[bit/8] ^= 1 << (bit % 8)
			require.Error(t, o.decode(b), "bit %d", bit)
			require.NotErrorIs(t, o.decode(b), eventlog.ErrNewerVersion, "bit %d", bit)
		}
		for n := range o.body {
			require.ErrorIs(t, o.decode(o.body[:n]), eventlog.ErrTruncated, "%d bytes", n)
		}
		require.ErrorIs(t, o.decode(append(bytes.Clone(o.body), 0)), eventlog.ErrCorrupt)
	}
}

func TestDecodeTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	body, good := encodeRows(t, c)
	for _, x := range []struct {
		name   string
		change func(b []byte, ref *Ref) []byte
		want   error
	}{
		{"a later version", func(b []byte, _ *Ref) []byte { b[4]++; return b }, eventlog.ErrNewerVersion},
		{"a later version of another shape", func([]byte, *Ref) []byte { return []byte(objectMagic + "\x02 anything") }, eventlog.ErrNewerVersion},
		{"version 0", func(b []byte, _ *Ref) []byte { b[4] = 0; return b }, eventlog.ErrCorrupt},
		{"another magic", func(b []byte, _ *Ref) []byte { b[0]++; return b }, eventlog.ErrCorrupt},
		{"another kind", func(b []byte, _ *Ref) []byte {
			return mustEncode(t, c, KindChanges, 2, goldens(t)["rows"].payload)
		}, eventlog.ErrCorrupt},
		{"more bytes than the header says", func(b []byte, _ *Ref) []byte { return append(b, 0) }, eventlog.ErrCorrupt},
		{"fewer bytes than the header says", func(b []byte, _ *Ref) []byte { return b[:len(b)-1] }, eventlog.ErrTruncated},
		{"another count than the reference", func(b []byte, ref *Ref) []byte { ref.Entries++; return b }, eventlog.ErrCorrupt},
		{"another size than the reference", func(b []byte, ref *Ref) []byte { ref.Raw++; return b }, eventlog.ErrCorrupt},
		{"no frame", func(b []byte, _ *Ref) []byte { return reheader(b, b[headerLen:headerLen]) }, eventlog.ErrCorrupt},
		{"a frame of something longer", func(b []byte, _ *Ref) []byte {
			return reheader(b, mustEncode(t, c, KindRows, 2, bytes.Repeat(goldens(t)["rows"].payload, 2))[headerLen:])
		}, eventlog.ErrCorrupt},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			ref := good
			b := x.change(bytes.Clone(body), &ref)
			ref.Digest, ref.Size = sha256.Sum256(b), int64(len(b)) // as if it had been stored like that
			_, err := c.Decode(nil, KindRows, ref, b)
			require.ErrorIs(t, err, x.want)
			var damage *DamageError
			require.ErrorAs(t, err, &damage)
			require.Equal(t, ref.Name(), damage.Object)
		})
	}
}

func mustEncode(t testing.TB, c *Codec, kind Kind, entries int, payload []byte) []byte {
	body, _, err := c.Encode(nil, kind, entries, payload)
	require.NoError(t, err)
	return body
}

func TestManifestIsCanonical(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	good, err := json.Marshal(goldenManifest(t))
	require.NoError(t, err)
	for _, x := range []struct{ name, old, new string }{
		{"an unknown field", `{"kind"`, `{"mood":"fine","kind"`},
		{"white space", `,"position"`, `, "position"`},
		{"a field twice", `{"kind"`, `{"kind":"base","kind"`},
		{"an unknown kind", `"kind":"base"`, `"kind":"guess"`},
		{"a delta without a parent", `"kind":"base"`, `"kind":"delta"`},
		{"rows that do not fit the state", `"entries":2,"raw":46`, `"entries":3,"raw":46`},
		{"a second document", `"not_carried":["Album.checksum: computed"]}`, `"not_carried":["Album.checksum: computed"]} {}`},
		{"another seq than in the name", `"seq":"0000000000000007"`, `"seq":"0000000000000008"`},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, string(good), x.old)
			body := mustEncode(t, c, KindManifest, 1, []byte(strings.Replace(string(good), x.old, x.new, 1)))
			_, err := DecodeManifest(c, ManifestName(7, sha256.Sum256(body)), body)
			require.ErrorIs(t, err, eventlog.ErrCorrupt)
		})
	}
}

func TestNamesOfManifests(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seq := eventlog.Seq(rapid.Uint64Range(0, 9_999_999_999_999_999).Draw(t, "seq"))
		d := eventlog.Digest(sha256.Sum256(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		s, e, err := ParseManifestName(ManifestName(seq, d))
		require.NoError(t, err)
		require.Equal(t, seq, s)
		require.Equal(t, d, e)
		back, ok := ParseChunkName(ChunkName(d))
		require.True(t, ok)
		require.Equal(t, d, back)
	})
	for _, bad := range []string{"", "snapshots/", "snapshots/7/manifest-00", "snapshots/0000000000000007/manifest", "chunks/ab/ab", "chunks/"} {
		_, _, err := ParseManifestName(bad)
		require.Error(t, err, bad)
		_, ok := ParseChunkName(bad)
		require.False(t, ok, bad)
	}
}

func TestChunksAreCutByTheirKeysAlone(t *testing.T) {
	t.Parallel()
	cut := Cut{Min: 500, Spread: 1500, Max: 8000}
	rows := func(from, to int) (keys [][]byte) {
		for i := from; i < to; i++ {
			keys = append(keys, goldenRow(int64(i), "")[:5])
		}
		return keys
	}
	starts := func(keys [][]byte) map[string]bool {
		set := make(map[string]bool)
		filled := 0
		for _, k := range keys {
			if cut.Before(filled, k, 20) {
				filled = 0
				set[string(k)] = true
			}
			filled += 20
		}
		return set
	}
	whole := starts(rows(100_000, 120_000))
	require.Greater(t, len(whole), 100)
	// Rows inserted at the front move the cuts only as far as the next common one.
	shifted := starts(rows(99_937, 120_000))
	common := 0
	for k := range whole {
		if shifted[k] {
			common++
		}
	}
	require.Greater(t, common, len(whole)-5)
}

// reheader puts the header of an object before another frame, lengths made to fit.
func reheader(object, frame []byte) []byte {
	b := append(bytes.Clone(object[:headerLen]), frame...)
	binary.BigEndian.PutUint32(b[16:], uint32(len(frame)))
	binary.BigEndian.PutUint32(b[20:], crc32.Checksum(b[:20], crc32.MakeTable(crc32.Castagnoli)))
	return b
}
