package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
)

// encrypted adds an encryption section to the site's configuration, and returns the
// configuration as it was.
func (s *site) encrypted() (before []byte) {
	s.t.Helper()
	id, err := age.GenerateX25519Identity()
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(s.path("identity"), []byte(id.String()+"\n"), 0o600))
	before, err = os.ReadFile(s.conf)
	require.NoError(s.t, err)
	text, _, ok := strings.Cut(string(before), "encryption:\n")
	require.True(s.t, ok)
	_, after, ok := strings.Cut(string(before), "identity_file:")
	require.True(s.t, ok)
	_, after, _ = strings.Cut(after, "\n")
	text += "encryption:\n  age_recipients: [" + id.Recipient().String() + "]\n  identity_file: " + s.path("identity") + "\n" + after
	require.NoError(s.t, os.WriteFile(s.conf, []byte(text), 0o600))
	return before
}

func TestEncryptedStoresFromInitToRestore(t *testing.T) {
	t.Parallel()
	s := bareSite(t)
	before := s.encrypted()
	s.hospital()
	got := decode[keysResult](t, s.ok("keys", "check", "--json"))
	require.True(t, got.Proven)
	require.Len(t, got.Regions, 2)
	for _, r := range got.Regions {
		require.NotEmpty(t, r.RootKey)
		require.NotEmpty(t, r.Scopes)
	}
	require.NotEqual(t, got.Regions[0].RootKey, got.Regions[1].RootKey)
	s.ok("restore", "--latest", "--into", "sqlite:"+s.path("restored.sqlite"))

	t.Run("mirror repair works on what is encrypted", func(t *testing.T) {
		files, err := filepath.Glob(s.path("mirror") + "/chunks/*/*")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		require.NoError(t, os.Remove(files[0]))
		require.Equal(t, 7, s.run("mirror", "verify").code)
		s.ok("mirror", "repair")
		s.ok("mirror", "verify")
	})
	t.Run("without the section the stores are refused", func(t *testing.T) {
		encrypted, err := os.ReadFile(s.conf)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(s.conf, before, 0o600))
		defer func() { require.NoError(t, os.WriteFile(s.conf, encrypted, 0o600)) }()
		for _, args := range [][]string{{"log", "verify"}, {"snapshot", "take", "--base"}} {
			got := s.run(args...)
			require.Equal(t, 3, got.code, "%v: %s", args, got.errout)
			require.Contains(t, got.errout, "holds encrypted objects")
		}
		require.Equal(t, 2, s.run("keys", "check").code)
	})
	t.Run("a key that opens nothing is found", func(t *testing.T) {
		id, err := age.GenerateX25519Identity()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(s.path("identity"), []byte(id.String()+"\n"), 0o600))
		got := s.run("keys", "check", "--json")
		require.Equal(t, 1, got.code, got.errout)
		require.False(t, decode[keysResult](t, got.out).Proven)
	})
}

func TestNoSecretIsPrintedForAzure(t *testing.T) {
	t.Parallel()
	got := lifeboat(t, "log", "verify", "--mirror", "azblob://account/container?sig=hunter2")
	require.Equal(t, 2, got.code)
	require.NotContains(t, got.errout, "hunter2")
}
