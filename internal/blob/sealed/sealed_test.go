package sealed_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/blob/retry"
	"lifeboat/internal/blob/sealed"
	"lifeboat/internal/blob/sealed/agekey"
)

// person is somebody with an age key.
type person struct {
	recipient *agekey.Recipient
	opener    *agekey.Opener
}

func newPerson(t testing.TB, name string) person {
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	r, err := agekey.ParseRecipient(id.Recipient().String())
	require.NoError(t, err)
	o, err := agekey.ParseIdentities(strings.NewReader(id.String()), name)
	require.NoError(t, err)
	return person{r, o}
}

func configFor(people ...person) (c sealed.Config) {
	for _, p := range people {
		c.Recipients = append(c.Recipients, p.recipient)
		c.Openers = append(c.Openers, p.opener)
	}
	return c
}

func open(t testing.TB, inner blob.Store, c sealed.Config) *sealed.Store {
	s, err := sealed.New(inner, c)
	require.NoError(t, err)
	return s
}

func body(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// pair keeps a store and what it is made of, so that the suite can open it again.
type pair struct {
	*sealed.Store
	inner blob.Store
}

func TestStore(t *testing.T) {
	t.Parallel()
	c := configFor(newPerson(t, "test"))
	blobtest.Run(t, blobtest.Suite{
		New: func(t *testing.T) blob.Store {
			inner := memory.New()
			return pair{open(t, inner, c), inner}
		},
		Again: func(t *testing.T, s blob.Store) blob.Store {
			return open(t, s.(pair).inner, c)
		},
	})
}

// TestStoreUnderFaults: keys too are made, found and read through lost requests, lost
// answers and broken reads.
func TestStoreUnderFaults(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := configFor(newPerson(t, "test"))
	blobtest.Run(t, blobtest.Suite{Big: 300_000, New: func(t *testing.T) blob.Store {
		m := memory.New()
		m.Use(memory.Random(seed, memory.Rates{Failed: 0.1, DoneButFailed: 0.1, Cut: 0.1}))
		return open(t, retry.New(m, retry.Policy{Tries: 20, First: time.Microsecond, Longest: time.Microsecond}), c)
	}})
}

func TestRangesAcrossFrames(t *testing.T) {
	t.Parallel()
	const frame = 64 << 10
	s, ctx := open(t, memory.New(), configFor(newPerson(t, "test"))), t.Context()
	for i, size := range []int{1, frame - 1, frame, frame + 1, 2 * frame, 5*frame + 17, 9 * frame} {
		name, want := fmt.Sprintf("log/00000001/%d", i), body(byte(i), size)
		require.NoError(t, s.Create(ctx, name, want))
		info, err := s.Stat(ctx, name)
		require.NoError(t, err)
		require.EqualValues(t, size, info.Size)
		edges := []int64{0, 1, frame - 1, frame, frame + 1, 4*frame - 1, 4 * frame, 5 * frame, int64(size) - 1, int64(size), int64(size) + 1}
		for _, off := range edges {
			for _, n := range append([]int64{-1, 2 * frame, 1 << 62}, edges...) {
				from := min(off, int64(size))
				to := int64(size)
				if n >= 0 && n < to-from {
					to = from + n
				}
				r, err := s.Get(ctx, name, off, n)
				require.NoError(t, err, "%d bytes, range %d+%d", size, off, n)
				got, err := io.ReadAll(r)
				require.NoError(t, err, "%d bytes, range %d+%d", size, off, n)
				require.NoError(t, r.Close())
				require.True(t, bytes.Equal(want[from:to], got), "%d bytes, range %d+%d: got %d", size, off, n, len(got))
			}
		}
	}
}

// TestRequests: sealing adds no request to a Create or a small read, and what is there
// already is not read back.
func TestRequests(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	s := open(t, m, configFor(newPerson(t, "test")))
	chunk := body(1, 1<<20)
	name := fmt.Sprintf("chunks/%x", sha256.Sum256(chunk))
	require.NoError(t, s.Create(ctx, name, chunk)) // makes the keys
	m.ResetCounts()
	require.NoError(t, s.Create(ctx, name, chunk))
	require.NoError(t, s.Create(ctx, "chunks/other", chunk))
	require.Equal(t, memory.Counts{Create: 2, BytesIn: m.Counts().BytesIn}, m.Counts())
	_, err := blob.ReadAll(ctx, s, name, 2<<20)
	require.NoError(t, err)
	require.EqualValues(t, 1, m.Counts().Get)
	m.ResetCounts()
	r, err := s.Get(ctx, name, 1<<19, 100)
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.EqualValues(t, 2, m.Counts().Get)
	require.Less(t, m.Counts().BytesOut, int64(3*(64<<10)), "a range costs its frames, not the object")
	require.Empty(t, m.Violations())
}

// TestNothingIsPlain: neither bytes nor hashes of plaintext are found in the store, and
// what is the same in two places does not look the same.
func TestNothingIsPlain(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	s := open(t, m, configFor(newPerson(t, "test")))
	patient := []byte("Ada Lovelace, allergic to penicillin")
	text := bytes.Repeat(patient, 5_000)
	sum := fmt.Sprintf("%x", sha256.Sum256(text))
	for _, name := range []string{"log/00000001/0000000000000001", "log/00000001/0000000000000002", "snapshots/0000000000000001/manifest",
		"chunks/" + sum, "chunks/" + sum[:2] + "/" + sum} {
		require.NoError(t, s.Create(ctx, name, text))
	}
	seen := map[string]string{}
	for _, name := range m.Names() {
		require.NotContains(t, name, sum)
		require.NotContains(t, name, sum[:16])
		raw, _ := m.Bytes(name)
		require.False(t, bytes.Contains(raw, patient[:8]), name)
		require.False(t, bytes.Contains(raw, []byte(sum)), name)
		if strings.HasPrefix(name, "keys/") {
			continue
		}
		for at := 104; at+16 <= len(raw); at += 16 { // no block of ciphertext comes twice
			block := string(raw[at : at+16])
			require.Empty(t, seen[block], "%s at %d", name, at)
			seen[block] = name
		}
	}
}

// TestDamage: every flipped bit, every cut, an added byte, and a swap are found and told
// apart, and never give out a wrong byte.
func TestDamage(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	c := configFor(newPerson(t, "test"))
	s := open(t, m, c)
	want := body(1, 40)
	require.NoError(t, s.Create(ctx, "log/00000001/1", want))
	require.NoError(t, s.Create(ctx, "log/00000001/2", body(2, 40)))
	good, _ := m.Bytes("log/00000001/1")
	read := func() error {
		got, err := blob.ReadAll(ctx, s, "log/00000001/1", 1000)
		if err == nil {
			require.Equal(t, want, got)
		}
		return err
	}
	damaged := func(how string, is ...error) {
		t.Helper()
		err := read()
		for _, want := range append(is, blob.ErrPermanent) {
			require.ErrorIs(t, err, want, how)
		}
		require.ErrorContains(t, err, "log/00000001/1", how)
		m.Put("log/00000001/1", good)
	}
	for bit := range 8 * len(good) {
		m.Tamper("log/00000001/1", memory.Flip(bit))
		switch at := bit / 8; {
		case at < 8:
			damaged(fmt.Sprint("bit ", bit), sealed.ErrNotSealed, blob.ErrDamaged)
		case at == 8 && bit != 64:
			damaged(fmt.Sprint("bit ", bit), sealed.ErrNewerVersion)
		case at >= 16 && at < 32:
			damaged(fmt.Sprint("bit ", bit), sealed.ErrKeyGone, blob.ErrDamaged)
		default:
			damaged(fmt.Sprint("bit ", bit), sealed.ErrCorrupt, blob.ErrDamaged)
		}
	}
	for n := 1; n < len(good); n++ {
		m.Tamper("log/00000001/1", memory.Cut(n))
		damaged(fmt.Sprint("cut at ", n), sealed.ErrTruncated, blob.ErrDamaged)
	}
	m.Put("log/00000001/1", nil)
	damaged("emptied", sealed.ErrNotSealed, blob.ErrDamaged)
	m.Put("log/00000001/1", append(bytes.Clone(good), 0))
	damaged("a byte added", sealed.ErrCorrupt, blob.ErrDamaged)
	m.Swap("log/00000001/1", "log/00000001/2")
	damaged("swapped", sealed.ErrCorrupt, blob.ErrDamaged)
	require.NoError(t, read())

	m.Put("log/00000001/1", want)
	damaged("never sealed", sealed.ErrNotSealed, blob.ErrDamaged)
	require.Error(t, s.Create(ctx, "log/00000001/1", want[:10]))
}

// TestDamageOfFrames: frames cannot be dropped, swapped or cut off at their edges, also
// not for one who reads a range.
func TestDamageOfFrames(t *testing.T) {
	t.Parallel()
	const frame, stored = 64 << 10, 64<<10 + 16
	m, ctx := memory.New(), t.Context()
	s := open(t, m, configFor(newPerson(t, "test")))
	require.NoError(t, s.Create(ctx, "big", body(1, 10*frame)))
	good, _ := m.Bytes("big")
	at := func(i int) int { return 104 + i*stored }
	tests := map[string][]byte{
		"last frame cut off":      good[:at(9)],
		"half of them cut off":    good[:at(5)],
		"all cut off":             good[:at(0)],
		"frames swapped":          bytes.Join([][]byte{good[:at(6)], good[at(7):at(8)], good[at(6):at(7)], good[at(8):]}, nil),
		"a frame dropped":         bytes.Join([][]byte{good[:at(6)], good[at(7):]}, nil),
		"a frame doubled":         bytes.Join([][]byte{good[:at(7)], good[at(6):]}, nil),
		"the last frame twice":    bytes.Join([][]byte{good, good[at(9):]}, nil),
		"a bit of the last frame": memory.Flip(8 * (at(9) + 100))(bytes.Clone(good)),
	}
	for name, bad := range tests {
		m.Put("big", bad)
		_, err := blob.ReadAll(ctx, s, "big", 1<<30)
		require.ErrorIs(t, err, blob.ErrDamaged, name)
		r, err := s.Get(ctx, "big", 6*frame, 4*frame)
		if err == nil {
			_, err = io.ReadAll(r)
			require.NoError(t, r.Close())
		}
		require.ErrorIs(t, err, blob.ErrDamaged, "%s, in a range", name)
		if name == "frames swapped" {
			continue // the last frame is where it was
		}
		r, err = s.Get(ctx, "big", 9*frame+5, 10)
		if err == nil {
			_, err = io.ReadAll(r)
			require.NoError(t, r.Close())
		}
		require.ErrorIs(t, err, blob.ErrDamaged, "%s, in the last frame", name)
	}
}

func TestWhoCanOpen(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	vault, safe, stranger := newPerson(t, "vault"), newPerson(t, "safe"), newPerson(t, "stranger")
	both := configFor(vault, safe)
	require.NoError(t, open(t, m, both).Create(ctx, "log/00000001/1", []byte("secret")))
	for _, alone := range []person{vault, safe} {
		c := both
		c.Openers = []sealed.Opener{alone.opener}
		got, err := blob.ReadAll(ctx, open(t, m, c), "log/00000001/1", 100)
		require.NoError(t, err)
		require.Equal(t, "secret", string(got))
		require.NoError(t, open(t, m, c).Create(ctx, "log/00000001/1", []byte("secret")))
	}
	s := open(t, m, configFor(stranger))
	_, err := blob.ReadAll(ctx, s, "log/00000001/1", 100)
	require.ErrorIs(t, err, sealed.ErrNoOpener)
	require.NotErrorIs(t, err, blob.ErrDamaged, "the lack of a key is no damage")
	require.ErrorContains(t, err, vault.recipient.String()[len("age recipient "):])
	before := m.Names()
	require.ErrorIs(t, s.Create(ctx, "log/00000001/2", []byte("x")), sealed.ErrNoOpener)
	require.ErrorIs(t, s.Create(ctx, "log/00000002/1", []byte("x")), sealed.ErrNoOpener)
	require.Equal(t, before, m.Names(), "nothing is written that its writer cannot read")
}

// TestUnreachableOpener: a vault that does not answer is a passing failure, and the
// other opener is enough.
func TestUnreachableOpener(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	safe := newPerson(t, "safe")
	c := configFor(safe)
	require.NoError(t, open(t, m, c).Create(ctx, "log/00000001/1", []byte("secret")))
	down := errors.New("vault does not answer")
	c.Openers = []sealed.Opener{deadOpener{down}, safe.opener}
	_, err := blob.ReadAll(ctx, open(t, m, c), "log/00000001/1", 100)
	require.NoError(t, err)
	c.Openers = c.Openers[:1]
	_, err = blob.ReadAll(ctx, open(t, m, c), "log/00000001/1", 100)
	require.ErrorIs(t, err, down)
	require.NotErrorIs(t, err, blob.ErrPermanent)

	c.Recipients = append(c.Recipients, deadRecipient{err: down})
	c.Openers = []sealed.Opener{safe.opener}
	err = open(t, m, c).Create(ctx, "log/00000002/1", []byte("x"))
	require.ErrorIs(t, err, down, "a key that lacks a recipient is not used")
}

type deadOpener struct{ err error }

func (d deadOpener) Unwrap(context.Context, sealed.Wrap) ([]byte, error) { return nil, d.err }
func (d deadOpener) String() string                                      { return "dead" }

type deadRecipient struct{ err error }

func (d deadRecipient) Wrap(context.Context, []byte) (sealed.Wrap, error) {
	return sealed.Wrap{}, d.err
}
func (d deadRecipient) Covers(sealed.Wrap) bool { return false }
func (d deadRecipient) String() string          { return "dead" }

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	p := newPerson(t, "test")
	for _, c := range []sealed.Config{{}, {Recipients: []sealed.Recipient{p.recipient}}, {Openers: []sealed.Opener{p.opener}}} {
		_, err := sealed.New(memory.New(), c)
		require.ErrorContains(t, err, "at least one")
	}
	c := configFor(p)
	for _, root := range []string{"x", "abcd", strings.Repeat("a", 33)} {
		c.Root = root
		_, err := sealed.New(memory.New(), c)
		require.ErrorContains(t, err, "hex digits")
	}
}
