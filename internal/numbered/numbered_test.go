package numbered_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/numbered"
	"lifeboat/internal/versioned"
)

var (
	errNone    = errors.New("no album")
	errDamaged = errors.New("album is damaged")
	errNewer   = errors.New("album of a newer format")
	albums     = numbered.Series{
		What: "album", Manifests: "albums/manifests/", Most: 64 << 10, None: errNone,
		Part: func(digest string) string { return "albums/parts/" + digest },
		Kind: versioned.Kind{Field: "format", Known: 1, Damaged: errDamaged, Newer: errNewer},
	}
)

type album struct {
	Format int             `json:"format"`
	Parts  []numbered.Part `json:"parts"`
}

const first = "albums/manifests/0000000000000001"

// keep cuts the text into a new album.
func keep(ctx context.Context, store blob.Store, text []byte, size int) error {
	a := album{Format: 1}
	err := numbered.Cut(bytes.NewReader(text), make([]byte, size), func(p numbered.Part, body []byte) error {
		a.Parts = append(a.Parts, p)
		return store.Create(ctx, albums.Part(p.SHA256), body)
	})
	if err != nil {
		return err
	}
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return store.Create(ctx, albums.Name(1), body)
}

func load(ctx context.Context, store blob.Store) ([]byte, error) {
	a, err := numbered.Read[album](ctx, store, albums, 1)
	if err != nil {
		return nil, err
	}
	var text []byte
	for _, p := range a.Parts {
		body, err := albums.ReadPart(ctx, store, p)
		if err != nil {
			return nil, err
		}
		text = append(text, body...)
	}
	return text, nil
}

// TestWhatIsKeptIsReadBack: whatever is cut into parts of whatever size is joined again, and
// an object of it that is gone, cut or changed is named.
func TestWhatIsKeptIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		store := memory.New()
		text := rapid.SliceOf(rapid.Byte()).Draw(rt, "text")
		require.NoError(rt, keep(t.Context(), store, text, rapid.IntRange(1, 20).Draw(rt, "part")))
		got, err := load(t.Context(), store)
		require.NoError(rt, err)
		require.True(rt, bytes.Equal(text, got))

		var names []string
		for info, err := range store.List(t.Context(), "", "") {
			require.NoError(rt, err)
			names = append(names, info.Name)
		}
		name := rapid.SampledFrom(names).Draw(rt, "object")
		switch rapid.IntRange(0, 2).Draw(rt, "harm") {
		case 0:
			store.Remove(name)
		case 1:
			store.Tamper(name, memory.Flip(0))
		case 2:
			store.Tamper(name, func(b []byte) []byte { return append(b, '}') })
		}
		_, err = load(t.Context(), store)
		require.ErrorIs(rt, err, errDamaged)
		require.ErrorContains(rt, err, name)
	})
}

func TestLatest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		objects []string
		want    uint64
		err     error
	}{
		{"nothing", nil, 0, errNone},
		{"parts without a manifest", []string{"albums/parts/x"}, 0, errNone},
		{"one", []string{first}, 1, nil},
		{"with a gap", []string{first, "albums/manifests/0000000000000012"}, 12, nil},
		{"not a number", []string{first, "albums/manifests/latest"}, 0, errDamaged},
		{"another spelling", []string{"albums/manifests/1"}, 0, errDamaged},
		{"beyond all numbers", []string{"albums/manifests/99999999999999999999"}, 0, errDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			for _, name := range tt.objects {
				store.Put(name, []byte("x"))
			}
			got, err := albums.Latest(t.Context(), store)
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.want, got)
			if errors.Is(tt.err, errDamaged) {
				require.ErrorContains(t, err, tt.objects[len(tt.objects)-1])
			}
		})
	}
}

func TestReadTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       error
	}{
		{"missing", "", errDamaged},
		{"newer", `{"format":2,"covers":[]}`, errNewer},
		{"unknown", `{"format":1,"covers":[]}`, errDamaged},
		{"too large", `{"format":1}` + string(bytes.Repeat([]byte(" "), 64<<10)), blob.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			if tt.body != "" {
				store.Put(first, []byte(tt.body))
			}
			_, err := numbered.Read[album](t.Context(), store, albums, 1)
			require.ErrorIs(t, err, tt.want)
			require.ErrorContains(t, err, first)
		})
	}
}

func TestCutEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	full := errors.New("store is full")
	calls := 0
	err := numbered.Cut(bytes.NewReader(make([]byte, 10)), make([]byte, 3), func(numbered.Part, []byte) error { calls++; return full })
	require.ErrorIs(t, err, full)
	require.Equal(t, 1, calls)
}

// FuzzAlbum: whatever a store gives for a manifest is read to its parts, or refused by name.
func FuzzAlbum(f *testing.F) {
	blobtest.Hostile(f, nil, func(t *testing.T, body []byte) error {
		store := memory.New()
		store.Put(first, body)
		a, err := numbered.Read[album](t.Context(), store, albums, 1)
		if err != nil {
			return err
		}
		for _, p := range a.Parts {
			if !p.Possible() {
				continue
			}
			if _, err := albums.ReadPart(t.Context(), store, p); err != nil {
				return err
			}
		}
		return nil
	}, errDamaged, errNewer, blob.ErrTooLarge)
}
