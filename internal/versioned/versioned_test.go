package versioned_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/versioned"
)

var (
	errDamaged = errors.New("note is damaged")
	errNewer   = errors.New("note is of a newer lifeboat")
	kind       = versioned.Kind{Field: "format", Known: 2, Damaged: errDamaged, Newer: errNewer}
)

type note struct {
	Format int      `json:"format"`
	Text   string   `json:"text"`
	Pages  []uint64 `json:"pages,omitempty"`
}

func TestDecodeTellsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       error
		says       string
	}{
		{"oldest", `{"format":1,"text":"x"}`, nil, ""},
		{"newest known", ` {"text":"x","format":2} ` + "\n", nil, ""},
		{"newer", `{"format":3,"text":"x"}`, errNewer, "version 3, known 2: update lifeboat"},
		{"newer, with what is new", `{"format":3,"text":["x"],"images":{}}`, errNewer, "version 3"},
		{"newer, and cut", `{"format":3,"text":"x"`, errDamaged, "unexpected end"},
		{"an unknown field", `{"format":1,"words":"x"}`, errDamaged, `unknown field "words"`},
		{"no version", `{"text":"x"}`, errDamaged, "says its format 0 times"},
		{"two versions", `{"format":1,"FORMAT":3}`, errDamaged, "says its format 2 times"},
		{"version 0", `{"format":0}`, errDamaged, "version 0, known 1 to 2"},
		{"a version below", `{"format":-1}`, errDamaged, "version -1"},
		{"null for a version", `{"format":null}`, errDamaged, "version 0"},
		{"a version that is a text", `{"format":"1"}`, errDamaged, "string"},
		{"a version beyond all", `{"format":1e99}`, errDamaged, "1e99"},
		{"a field of another type", `{"format":1,"text":1}`, errDamaged, "number"},
		{"something behind", `{"format":1} {}`, errDamaged, "after top-level value"},
		{"nothing", ``, errDamaged, "unexpected end"},
		{"null", `null`, errDamaged, "0 times"},
		{"a list", `[1]`, errDamaged, "array"},
		{"no JSON", `format: 1`, errDamaged, "invalid character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, err := versioned.Decode[note](kind, []byte(tt.text))
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				require.ErrorContains(t, err, tt.says)
				require.Zero(t, n, "nothing is given of what cannot be read")
				return
			}
			require.Equal(t, "x", n.Text)
		})
	}
}

// TestWhatIsWrittenIsRead: every object of a known version is read as it was written, and
// cut anywhere it is damaged.
func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := note{rapid.IntRange(1, kind.Known).Draw(t, "format"), rapid.String().Draw(t, "text"), rapid.SliceOfN(rapid.Uint64(), 1, 4).Draw(t, "pages")}
		text, err := json.Marshal(want)
		require.NoError(t, err)
		got, err := versioned.Decode[note](kind, text)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &want)) // JSON has no invalid UTF-8
		require.Equal(t, want, got)

		_, err = versioned.Decode[note](kind, text[:rapid.IntRange(0, len(text)-1).Draw(t, "cut")])
		require.ErrorIs(t, err, errDamaged)
	})
}

// FuzzDecode: whatever the bytes are, the object is of a known version and has a spelling
// that is read as the same, or it is refused as one of the two.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{"format":1,"text":"x","pages":[1]}`, `{"format":3,"images":{}}`, `{"format":1,"ForMat":2}`, `{"format":1}{`, `null`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := versioned.Decode[note](kind, text)
		if err != nil {
			require.NotEqual(t, errors.Is(err, errDamaged), errors.Is(err, errNewer), "one of the two")
			return
		}
		require.True(t, n.Format >= 1 && n.Format <= kind.Known, "format %d", n.Format)
		spelt, err := json.Marshal(n)
		require.NoError(t, err)
		again, err := versioned.Decode[note](kind, spelt)
		require.NoError(t, err)
		if len(n.Pages) == 0 {
			n.Pages = nil // an empty list is not written
		}
		require.Equal(t, n, again)
	})
}
