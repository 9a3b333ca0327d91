package agekey_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob/sealed"
	"lifeboat/internal/blob/sealed/agekey"
)

func TestWrapAndUnwrap(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	mine, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	other, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	to, err := agekey.ParseRecipient(" " + mine.Recipient().String() + "\n")
	require.NoError(t, err)
	key := []byte("0123456789abcdef0123456789abcdef")
	w, err := to.Wrap(ctx, key)
	require.NoError(t, err)
	require.True(t, to.Covers(w))
	require.False(t, bytes.Contains(w.Data, key))

	// The age tool alone, without this program, opens it too.
	r, err := age.Decrypt(bytes.NewReader(w.Data), mine)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, key, got)

	both, err := agekey.ParseIdentities(strings.NewReader("# a comment\n"+other.String()+"\n"+mine.String()+"\n"), "safe.txt")
	require.NoError(t, err)
	got, err = both.Unwrap(ctx, w)
	require.NoError(t, err)
	require.Equal(t, key, got)

	stranger, err := agekey.ParseIdentities(strings.NewReader(other.String()), "stranger.txt")
	require.NoError(t, err)
	_, err = stranger.Unwrap(ctx, w)
	require.ErrorIs(t, err, sealed.ErrNotMine)
	w.Kind = "something else"
	_, err = both.Unwrap(ctx, w)
	require.ErrorIs(t, err, sealed.ErrNotMine)
	require.False(t, to.Covers(w))
}

func TestDamagedWraps(t *testing.T) {
	t.Parallel()
	mine, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	to, err := agekey.ParseRecipient(mine.Recipient().String())
	require.NoError(t, err)
	opener, err := agekey.ParseIdentities(strings.NewReader(mine.String()), "safe.txt")
	require.NoError(t, err)
	w, err := to.Wrap(t.Context(), make([]byte, 32))
	require.NoError(t, err)
	good := w.Data
	for i := range good {
		w.Data = bytes.Clone(good)
		w.Data[i] ^= 1
		_, err := opener.Unwrap(t.Context(), w)
		require.Error(t, err, "byte %d", i)
		w.Data = good[:i]
		_, err = opener.Unwrap(t.Context(), w)
		require.Error(t, err, "cut at %d", i)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	for _, bad := range []string{"", "age1", "hello", id.Recipient().String() + "\n" + id.Recipient().String()} {
		_, err := agekey.ParseRecipient(bad)
		require.ErrorContains(t, err, "age1…")
	}
	secret := id.String()
	for _, bad := range []string{"", "hello", secret[:len(secret)-1], secret[:len(secret)-1] + "Q"} {
		_, err := agekey.ParseIdentities(strings.NewReader(bad), "safe.txt")
		require.ErrorContains(t, err, "safe.txt")
		require.NotContains(t, err.Error(), secret[20:30])
	}
	opener, err := agekey.ParseIdentities(strings.NewReader(secret), "safe.txt")
	require.NoError(t, err)
	require.NotContains(t, opener.String(), "SECRET")
}
