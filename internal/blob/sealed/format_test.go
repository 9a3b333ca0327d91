package sealed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/blob/memory"
)

var update = flag.Bool("update", false, "make golden files that are not there yet")

func testKey(t testing.TB) *dataKey {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i)
	}
	k, err := newDataKey(secret)
	require.NoError(t, err)
	return k
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

// TestFormatPage keeps FORMAT.md and the code from drifting apart.
func TestFormatPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	has := func(format string, args ...any) {
		t.Helper()
		require.Contains(t, string(page), fmt.Sprintf(format, args...))
	}
	has("| magic | `%s` |", magic)
	has("| version | %d |", version)
	has("| header, bytes | %d |", headerSize)
	has("| plaintext of a frame, bytes | %d |", frameSize)
	has("| tag of a frame, bytes | %d |", tagSize)
	has("| plaintext of an object, bytes | 1 to %d |", int64(maxLength))
	has("| key object, bytes | up to %d |", maxKeyObject)
	for _, label := range []string{labelID, labelSalt, labelHeader, labelRing, labelNames, strings.TrimSuffix(labelObject, "\x00")} {
		has("%q", label)
	}
	key := testKey(t)
	for _, n := range []int{1, frameSize, frameSize + 1} {
		sealed, err := key.seal("log/00000001/0000000000000001", pattern(n))
		require.NoError(t, err)
		has("| %d | %x |", n, sha256.Sum256(sealed))
	}
	names, err := newNames(key)
	require.NoError(t, err)
	has("as root key: `%s`", names.seal(bytes.Repeat([]byte{0xab}, 32)))
}

// TestGolden: a whole store that version 1 wrote, with its key, stays readable.
func TestGolden(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("testdata", "v1")
	want := map[string][]byte{
		"epochs/00000001":               pattern(100),
		"log/00000001/0000000000000001": pattern(70_000),
		"chunks/" + fmt.Sprintf("%x", sha256.Sum256([]byte("chunk"))):             []byte("chunk"),
		"chunks/fa/fa" + fmt.Sprintf("%x", sha256.Sum256([]byte("another")))[:62]: []byte("another"),
	}
	if _, err := os.Stat(folder); err != nil && *update {
		makeGolden(t, folder, want)
	}
	keys, err := os.ReadFile(filepath.Join(folder, "identity-for-tests-only.txt"))
	require.NoError(t, err)
	identity, err := age.ParseX25519Identity(strings.TrimSpace(string(keys)))
	require.NoError(t, err)
	store := goldenStore(t, folder, identity)
	var names []string
	for info, err := range store.List(t.Context(), "", "") {
		require.NoError(t, err)
		names = append(names, info.Name)
		got, err := blob.ReadAll(t.Context(), store, info.Name, 1<<20)
		require.NoError(t, err)
		require.Equal(t, want[info.Name], got, info.Name)
	}
	require.Len(t, names, len(want))
	report, err := store.Check(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

func goldenStore(t *testing.T, folder string, identity *age.X25519Identity) *Store {
	inner, err := dir.Init(filepath.Join(folder, "store"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, inner.Close()) })
	p := &plainAge{identity}
	s, err := New(inner, Config{Recipients: []Recipient{p}, Openers: []Opener{p}})
	require.NoError(t, err)
	return s
}

func makeGolden(t *testing.T, folder string, objects map[string][]byte) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "identity-for-tests-only.txt"), []byte(identity.String()+"\n"), 0o644))
	s := goldenStore(t, folder, identity)
	for name, body := range objects {
		require.NoError(t, s.Create(t.Context(), name, body))
	}
	require.NoError(t, os.RemoveAll(filepath.Join(folder, "store", ".tmp")))
}

func TestSizes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 10*frameSize).Draw(t, "n")
		if got := plainSize(sealedSize(n)); got != n {
			t.Fatalf("%d bytes: sealed %d, back %d", n, sealedSize(n), got)
		}
		any := rapid.Int64().Draw(t, "stored")
		if p := plainSize(any); p < 0 || p > 0 && sealedSize(p) != any {
			t.Fatalf("stored %d: plain %d", any, p)
		}
	})
}

// TestListInPages: with pages far smaller than the folder, the list is that of the
// plain names in their order.
func TestListInPages(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	p := &plainAge{identity}
	inner := memory.New()
	s, err := New(inner, Config{Recipients: []Recipient{p}, Openers: []Opener{p}})
	require.NoError(t, err)
	s.ring.page = 3
	ctx := t.Context()
	all := []string{"chun", "chunk", "chunks-", "chunks.a/x", "chunks/notes", "chunks/zz/more", "chunks0", "d/e", "a/b", "log/1/2", "zz"}
	for i := range 25 {
		h := fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i)}))
		all = append(all, "chunks/"+h, "chunks/"+h[:2]+"/"+h)
	}
	for _, name := range all {
		require.NoError(t, s.Create(ctx, name, []byte(name)))
	}
	slices.Sort(all)
	prefixes := append([]string{"", "c", "chunks", "chunks/", "chunks/0", "chunks/9", "chunks/a/", "chunks0", "chunks-", "keys", "d", "z"}, all[8][:12])
	for _, prefix := range prefixes {
		for _, after := range append([]string{"", "a", "chunks", "chunks/", "chunks/~", "d", "zzz"}, all...) {
			var want, got []string
			for _, name := range all {
				if strings.HasPrefix(name, prefix) && name > after {
					want = append(want, name)
				}
			}
			for info, err := range s.List(ctx, prefix, after) {
				require.NoError(t, err)
				require.EqualValues(t, len(info.Name), info.Size)
				got = append(got, info.Name)
			}
			require.Equal(t, want, got, "prefix %q after %q", prefix, after)
		}
	}
	inner.Put("chunks/"+strings.Repeat("ab", 48), []byte("x"))
	var last error
	for _, err := range s.List(ctx, "chunks/", "") {
		last = err
	}
	require.ErrorIs(t, last, ErrCorrupt, "a name of somebody else's")
}

func FuzzObject(f *testing.F) {
	key := testKey(f)
	for _, n := range []int{1, 100, frameSize + 1} {
		sealed, err := key.seal("name", pattern(n))
		require.NoError(f, err)
		f.Add(sealed, int64(0), int64(-1))
		f.Add(sealed[:len(sealed)-1], int64(3), int64(10))
	}
	f.Add([]byte(magic), int64(0), int64(1))
	f.Fuzz(func(t *testing.T, stored []byte, off, n int64) {
		inner := memory.New()
		inner.Put("name", stored)
		p := &plainAge{}
		s, err := New(inner, Config{Recipients: []Recipient{p}, Openers: []Opener{p}})
		require.NoError(t, err)
		s.ring.slot(topScope).keys = []*dataKey{key}
		r, err := s.Get(t.Context(), "name", off, n)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(r)
			require.NoError(t, r.Close())
		}
		if err != nil || len(got) == 0 {
			return
		}
		// What opened must be what the key's owner sealed: seal it all again.
		whole, err := blob.ReadAll(t.Context(), s, "name", int64(len(stored)))
		if err != nil {
			return // the range was whole, the rest is not
		}
		again, err := key.seal("name", whole)
		require.NoError(t, err)
		require.True(t, bytes.Equal(stored, again))
		require.True(t, bytes.Equal(whole[off:off+int64(len(got))], got))
	})
}

func FuzzKeyObject(f *testing.F) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(f, err)
	p := &plainAge{identity}
	good, err := makeKeyObject(f.Context(), "log/00000001", testKey(f), nil, []Recipient{p})
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:100])
	f.Add([]byte(`{"format":"lifeboat key","version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := decodeKeyObject(b)
		if err != nil {
			require.ErrorIs(t, err, blob.ErrPermanent)
			return
		}
		again, err := o.encode()
		require.NoError(t, err)
		require.Equal(t, b, again)
		if key, err := o.open(t.Context(), []Opener{p}); err == nil && o.verify(key, nil) == nil {
			require.Equal(t, good, b, "another object verifies")
		}
	})
}

// TestLabelsDiffer: two purposes with one label would share a key.
func TestLabelsDiffer(t *testing.T) {
	t.Parallel()
	labels := []string{labelID, labelSalt, labelObject, labelHeader, labelRing, labelNames}
	slices.Sort(labels)
	require.Len(t, slices.Compact(labels), 6)
	require.Regexp(t, `\x00$`, labelObject, "a name is appended")
	require.Len(t, hex.EncodeToString(make([]byte, keyIDSize)), 32)
}

func BenchmarkSeal(b *testing.B) {
	key := testKey(b)
	for _, n := range []int{4 << 10, 1 << 20} {
		body := pattern(n)
		b.Run(fmt.Sprintf("seal/%dKiB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for range b.N {
				if _, err := key.seal("chunks/x", body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("open/%dKiB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(n))
			inner := memory.New()
			p := &plainAge{}
			s, err := New(inner, Config{Recipients: []Recipient{p}, Openers: []Opener{p}})
			require.NoError(b, err)
			s.ring.slot(topScope).keys = []*dataKey{key}
			require.NoError(b, s.Create(b.Context(), "x", body))
			for range b.N {
				r, err := s.Get(b.Context(), "x", 0, -1)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
		})
		b.Run(fmt.Sprintf("bare gcm/%dKiB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(n))
			s, err := key.sealer("x", &header{length: int64(n)}, false)
			require.NoError(b, err)
			out := make([]byte, 0, n+tagSize)
			for range b.N {
				s.aead.Seal(out, s.nonce(0), body, s.aad)
			}
		})
		b.Run(fmt.Sprintf("bare sha256/%dKiB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(n))
			for range b.N {
				sha256.Sum256(body)
			}
		})
	}
}
