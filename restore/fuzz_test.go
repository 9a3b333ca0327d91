package restore

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
)

func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/v1/*.lbsn")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden files", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// FuzzObject feeds bytes that have the digest they should have: what a hostile writer of
// the store can do.
func FuzzObject(f *testing.F) {
	seeds(f)
	c := newCodec(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := parseHeader(body)
		if err != nil || h.raw > 1<<20 {
			return
		}
		ref := Ref{Digest: sha256.Sum256(body), Size: int64(len(body)), Raw: int64(h.raw), Entries: int64(h.entries)}
		payload, err := c.Decode(nil, h.kind, ref, body)
		if err == nil && len(payload) != int(h.raw) {
			t.Fatalf("%d bytes, want %d", len(payload), h.raw)
		}
		_, _ = DecodeManifest(c, ManifestName(7, ref.Digest), body)
	})
}

// FuzzManifest: what decodes encodes to the same bytes.
func FuzzManifest(f *testing.F) {
	f.Add(goldens(f)["manifest"].payload)
	c := newCodec(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		body := mustEncode(t, c, KindManifest, 1, payload)
		s, err := DecodeManifest(c, ManifestName(7, sha256.Sum256(body)), body)
		if err != nil {
			return
		}
		again, err := json.Marshal(s.Manifest)
		if err != nil || !bytes.Equal(again, payload) {
			t.Fatalf("%s decodes to %s", payload, again)
		}
	})
}

// FuzzList: what decodes encodes to the same bytes.
func FuzzList(f *testing.F) {
	f.Add(goldens(f)["list"].payload, int64(2))
	f.Fuzz(func(t *testing.T, payload []byte, entries int64) {
		chunks, err := parseList(payload, entries)
		if err != nil {
			return
		}
		again, err := parseList(appendList(nil, chunks), entries)
		if err != nil || len(again) != len(chunks) {
			t.Fatal("decodes once only", err)
		}
	})
}

// FuzzChunks reads payloads of rows and of changes to their end, through everything that
// a merge does to them.
func FuzzChunks(f *testing.F) {
	f.Add(goldens(f)["rows"].payload)
	f.Add(goldens(f)["changes"].payload)
	schema := goldenSchema(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, err := NewNet(NetConfig{Schema: schema, Memory: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		b := n.Batch()
		for rest := payload; len(rest) > 0; {
			op, row, next, err := NextChange(rest)
			if err != nil || b.Add(0, op, row) != nil {
				break
			}
			rest = next
		}
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := n.Seal(); errors.Is(err, database.ErrRow) {
			return // adding looked at lengths alone; what the key is made of is seen here
		} else if err != nil {
			t.Fatal(err)
		}
		drop := func([]byte) error { return nil }
		m, err := n.Merger(0, Rows{Keep: drop, Add: drop})
		if err != nil {
			t.Fatal(err)
		}
		_ = m.Chunk(Chunk{}, payload, nil)
		_ = m.Finish()
		for rest := payload; len(rest) > 0; {
			row, next, err := NextRow(rest)
			if err != nil {
				break
			}
			_ = (&database.Table{}).CheckRow(row)
			rest = next
		}
	})
}

// FuzzPin: whatever a store gives for a pin is one, or is refused by name.
func FuzzPin(f *testing.F) {
	f.Add(goldenFile(f, "pin.json"))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := decodePin(body)
		if named(err) && (err != nil || !p.Expires.IsZero()) {
			return
		}
		t.Fatal(p, err)
	})
}

// FuzzProof: likewise for what a restore in a cluster says.
func FuzzProof(f *testing.F) {
	f.Add(goldenFile(f, "proof.json"))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := ParseProof(body)
		if named(err) && (err != nil || p.States != "") {
			return
		}
		t.Fatal(p, err)
	})
}

func goldenFile(t testing.TB, name string) []byte {
	body, err := os.ReadFile("testdata/v1/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func named(err error) bool {
	return err == nil || errors.Is(err, eventlog.ErrCorrupt) || errors.Is(err, eventlog.ErrNewerVersion)
}

func TestGoldenPinAndProof(t *testing.T) {
	t.Parallel()
	pin, err := decodePin(goldenFile(t, "pin.json"))
	if err != nil || len(pin.Snapshots) != 1 || pin.Expires.Sub(pin.Created) != PinTTL {
		t.Fatal(pin, err)
	}
	proof, err := ParseProof(goldenFile(t, "proof.json"))
	if err != nil || proof.Seq != 7 || proof.Rows != 2 {
		t.Fatal(proof, err)
	}
	if _, err := decodePin([]byte(`{"version":2,"new":1}`)); !errors.Is(err, eventlog.ErrNewerVersion) {
		t.Fatal(err)
	}
}
