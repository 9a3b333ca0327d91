package sealed_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/blob/sealed"
)

// TestEncryptionIsForEmptyStores: switching it on for a store that holds plaintext would
// leave half of it unencrypted.
func TestEncryptionIsForEmptyStores(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	require.NoError(t, m.Create(ctx, "log/00000001/1", []byte("plain")))
	s := open(t, m, configFor(newPerson(t, "test")))
	err := s.Create(ctx, "log/00000001/2", []byte("x"))
	require.ErrorIs(t, err, sealed.ErrKeyGone)
	require.ErrorContains(t, err, "empty store")
	_, err = blob.ReadAll(ctx, s, "log/00000001/1", 100)
	require.ErrorIs(t, err, sealed.ErrNotSealed)
	_, err = s.Stat(ctx, "chunks/"+strings.Repeat("a", 64))
	require.NotErrorIs(t, err, blob.ErrNotExist)
	require.Equal(t, []string{"log/00000001/1"}, m.Names())
}

func TestApplied(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	yes, err := sealed.Applied(ctx, m)
	require.NoError(t, err)
	require.False(t, yes)
	require.NoError(t, open(t, m, configFor(newPerson(t, "test"))).Create(ctx, "a", []byte("x")))
	yes, err = sealed.Applied(ctx, m)
	require.NoError(t, err)
	require.True(t, yes)
	m.Use(memory.Always(memory.Failed()))
	_, err = sealed.Applied(ctx, m)
	require.ErrorIs(t, err, memory.ErrInjected)
}

func TestPlainRefusesWhatIsSealed(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	require.NoError(t, open(t, m, configFor(newPerson(t, "test"))).Create(ctx, "a", []byte("x")))
	before := m.Names()
	s := sealed.Plain(m)
	require.ErrorIs(t, s.Create(ctx, "b", []byte("y")), sealed.ErrSealedStore)
	require.ErrorIs(t, s.Delete(ctx, "a"), sealed.ErrSealedStore)
	_, err := s.Get(ctx, "a", 0, -1)
	require.ErrorIs(t, err, sealed.ErrSealedStore)
	_, err = s.Stat(ctx, "a")
	require.ErrorIs(t, err, sealed.ErrSealedStore)
	for _, err := range s.List(ctx, "", "") {
		require.ErrorIs(t, err, sealed.ErrSealedStore)
		require.ErrorIs(t, err, blob.ErrPermanent)
	}
	require.Equal(t, before, m.Names())
}

func TestPlainAsksAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	m.Use(memory.Always(memory.Failed()))
	s := sealed.Plain(m)
	require.ErrorIs(t, s.Create(ctx, "b", []byte("y")), memory.ErrInjected)
	m.Use(nil)
	require.NoError(t, s.Create(ctx, "b", []byte("y")))
}

func TestKeysAreHidden(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	s := open(t, m, configFor(newPerson(t, "test")))
	require.NoError(t, s.Create(ctx, "z", []byte("x")))
	require.Contains(t, m.Names(), "keys/top/wrap-0001")
	for info, err := range s.List(ctx, "", "") {
		require.NoError(t, err)
		require.Equal(t, "z", info.Name)
	}
	for info := range s.List(ctx, "keys/", "") {
		t.Errorf("%s is shown", info.Name)
	}
	for _, name := range []string{"keys/top/wrap-0001", "keys/x", "root/x"} {
		_, err := s.Get(ctx, name, 0, -1)
		require.ErrorIs(t, err, blob.ErrName)
		require.ErrorIs(t, s.Create(ctx, name, []byte("x")), blob.ErrName)
		require.ErrorIs(t, s.Delete(ctx, name), blob.ErrName)
	}
}

func TestOneKeyForEachScope(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	s := open(t, m, configFor(newPerson(t, "test")))
	for _, name := range []string{
		"log/00000001/1", "log/00000001/2", "log/00000002/1", "snapshots/7/manifest", "snapshots/7/a/b", "epochs/1", "epochs/2",
		"chunks/" + strings.Repeat("a", 64), "chunks/bb/" + strings.Repeat("b", 64), "top-level",
	} {
		require.NoError(t, s.Create(ctx, name, []byte(name)))
	}
	var keys []string
	for _, name := range m.Names() {
		if strings.HasPrefix(name, "keys/") {
			keys = append(keys, strings.TrimPrefix(name, "keys/"))
		}
	}
	require.Equal(t, []string{"chunks/wrap-0001", "epochs/wrap-0001", "log/00000001/wrap-0001", "log/00000002/wrap-0001",
		"root/wrap-0001", "snapshots/7/wrap-0001", "top/wrap-0001"}, keys)
}

// TestRacingForKeys: of many processes that meet an empty store at the same time each
// can read what any wrote.
func TestRacingForKeys(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	c := configFor(newPerson(t, "test"))
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		s := open(t, m, c)
		wg.Go(func() { errs[i] = s.Create(ctx, fmt.Sprintf("log/00000001/%02d", i), []byte("x")) })
	}
	wg.Wait()
	s := open(t, m, c)
	for i, err := range errs {
		require.NoError(t, err)
		_, err = blob.ReadAll(ctx, s, fmt.Sprintf("log/00000001/%02d", i), 10)
		require.NoError(t, err)
	}
	require.Len(t, m.Names(), len(errs)+2)
}

// TestLostAnswersOfKeys: in both forms of failure a second call goes on, with the key
// that the first one may have left.
func TestLostAnswersOfKeys(t *testing.T) {
	t.Parallel()
	for _, fault := range []memory.Fault{memory.Failed(), memory.DoneButFailed()} {
		for skip := range 3 { // root key, scope's key, the object itself
			m, ctx := memory.New(), t.Context()
			c := configFor(newPerson(t, "test"))
			m.Use(&memory.Rule{Op: memory.Create, Skip: skip, Times: 1, Fault: fault})
			s := open(t, m, c)
			require.ErrorIs(t, s.Create(ctx, "log/00000001/1", []byte("x")), memory.ErrInjected)
			require.NoError(t, s.Create(ctx, "log/00000001/1", []byte("x")))
			_, err := blob.ReadAll(ctx, open(t, m, c), "log/00000001/1", 10)
			require.NoError(t, err)
			require.Len(t, m.Names(), 3)
		}
	}
}

// TestDamageOfKeys: no flipped byte of a key object goes unnoticed, and the key object is
// named. (Some make the wrap open to nobody; which error it is depends on them.) One bit
// of each byte, for each costs several rounds of X25519.
func TestDamageOfKeys(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	c := configFor(newPerson(t, "test"))
	require.NoError(t, open(t, m, c).Create(ctx, "log/00000001/1", []byte("secret")))
	for _, key := range []string{"keys/log/00000001/wrap-0001", "keys/root/wrap-0001"} {
		good, _ := m.Bytes(key)
		check := func(how string) {
			t.Helper()
			got, err := blob.ReadAll(ctx, open(t, m, c), "log/00000001/1", 100)
			require.ErrorIs(t, err, blob.ErrPermanent, "%s of %s: %q", how, key, got)
			if how != "removed" {
				require.ErrorContains(t, err, key, how)
			}
			m.Put(key, good)
		}
		for i := range good {
			bit := 8*i + i%8
			m.Tamper(key, memory.Flip(bit))
			check(fmt.Sprint("bit ", bit))
		}
		for n := range len(good) {
			m.Tamper(key, memory.Cut(n))
			check(fmt.Sprint("cut at ", n))
		}
		m.Put(key, []byte(strings.Repeat("x", 1<<17)))
		check("too large")
		m.Put(key, []byte(strings.Replace(string(good), `"version": 1`, `"version": 2`, 1)))
		_, err := blob.ReadAll(ctx, open(t, m, c), "log/00000001/1", 100)
		require.ErrorIs(t, err, sealed.ErrNewerVersion)
		m.Put(key, good)
		m.Remove(key)
		check("removed")
	}
}

// TestPlantedKeys: one who can write to the store, and knows the public recipients,
// cannot have data sealed under a key of their own.
func TestPlantedKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	honest := newPerson(t, "honest")
	c := configFor(honest)
	build := func() (*memory.Store, string) {
		m := memory.New()
		s := open(t, m, c)
		require.NoError(t, s.Create(ctx, "log/00000001/1", []byte("secret")))
		root, err := s.RootID(ctx)
		require.NoError(t, err)
		return m, root
	}
	// The attacker's own store, for the same recipients.
	evil := memory.New()
	require.NoError(t, open(t, evil, c).Create(ctx, "log/00000002/1", []byte("x")))
	planted, _ := evil.Bytes("keys/log/00000002/wrap-0001")
	evilRoot, _ := evil.Bytes("keys/root/wrap-0001")

	m, _ := build()
	m.Put("keys/log/00000002/wrap-0001", planted)
	err := open(t, m, c).Create(ctx, "log/00000002/1", []byte("secret"))
	require.ErrorIs(t, err, sealed.ErrForeignRoot, "a planted key")

	m, _ = build()
	m.Put("keys/root/wrap-0001", evilRoot)
	_, err = blob.ReadAll(ctx, open(t, m, c), "log/00000001/1", 100)
	require.ErrorIs(t, err, sealed.ErrForeignRoot, "another root key")

	m, root := build()
	m.Put("keys/root/wrap-0002", evilRoot)
	_, err = blob.ReadAll(ctx, open(t, m, c), "log/00000001/1", 100)
	require.ErrorIs(t, err, sealed.ErrForeignRoot, "a second root key")

	pinned := c
	pinned.Root = root
	got, err := blob.ReadAll(ctx, open(t, func() *memory.Store { m.Remove("keys/root/wrap-0002"); return m }(), pinned), "log/00000001/1", 100)
	require.NoError(t, err)
	require.Equal(t, "secret", string(got))
	_, err = open(t, evil, pinned).RootID(ctx)
	require.ErrorIs(t, err, sealed.ErrForeignRoot, "a whole store of the attacker's, against the pin")
	require.ErrorIs(t, open(t, memory.New(), pinned).Create(ctx, "log/00000001/1", []byte("x")), sealed.ErrForeignRoot)

	m, _ = build() // a key moved to another scope
	own, _ := m.Bytes("keys/log/00000001/wrap-0001")
	m.Put("keys/log/00000003/wrap-0001", own)
	require.ErrorIs(t, open(t, m, c).Create(ctx, "log/00000003/1", []byte("x")), sealed.ErrCorrupt)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	vault, safe := newPerson(t, "vault"), newPerson(t, "safe")
	c := configFor(vault, safe)
	report, err := open(t, m, c).Check(ctx)
	require.NoError(t, err)
	require.Empty(t, report.Scopes)
	require.NoError(t, report.Err())

	s := open(t, m, c)
	for _, name := range []string{"log/00000001/1", "log/00000001/2", "snapshots/1/manifest", "chunks/" + strings.Repeat("a", 64)} {
		require.NoError(t, s.Create(ctx, name, []byte(name)))
	}
	root, err := s.RootID(ctx)
	require.NoError(t, err)
	before := m.Counts()
	report, err = open(t, m, c).Check(ctx)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Equal(t, root, report.RootID)
	require.Equal(t, before.Create, m.Counts().Create, "a check writes nothing")
	var opened []string
	for _, r := range report.Scopes {
		require.Len(t, r.Openers, 2)
		opened = append(opened, r.Scope+": "+r.Object)
	}
	require.Equal(t, []string{"chunks: chunks/" + strings.Repeat("a", 64), "log/00000001: log/00000001/2", "root: ", "snapshots/1: snapshots/1/manifest"}, opened)

	// The vault's key is gone: each scope says so, though the other opener still opens it.
	stranger := newPerson(t, "stranger")
	c.Openers = []sealed.Opener{stranger.opener, safe.opener}
	report, err = open(t, m, c).Check(ctx)
	require.NoError(t, err)
	require.ErrorIs(t, report.Err(), sealed.ErrNoOpener)
	require.ErrorContains(t, report.Err(), "scope snapshots/1: age identities of stranger")
	require.NotContains(t, report.Err().Error(), "safe:")

	c = configFor(vault, safe)
	m.Tamper("log/00000001/2", memory.Flip(1000))
	m.Remove("keys/snapshots/1/wrap-0001")
	report, err = open(t, m, c).Check(ctx)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "scope log/00000001: read log/00000001/2: sealed bytes were changed")
	require.ErrorContains(t, report.Err(), "scope snapshots/1: its data key is not in the store")
	m.Remove("keys/root/wrap-0001")
	report, err = open(t, m, c).Check(ctx)
	require.NoError(t, err)
	require.ErrorIs(t, report.Err(), sealed.ErrKeyGone)

	m.Use(memory.Always(memory.Failed()))
	_, err = open(t, m, c).Check(ctx)
	require.ErrorIs(t, err, memory.ErrInjected)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = open(t, m, c).Check(cancelled)
	require.ErrorIs(t, err, context.Canceled)
}

// TestRewrap: a new recipient is added; afterwards it alone is enough, and the sealed
// objects did not change.
func TestRewrap(t *testing.T) {
	t.Parallel()
	m, ctx := memory.New(), t.Context()
	old, fresh := newPerson(t, "old"), newPerson(t, "new")
	s := open(t, m, configFor(old))
	require.NoError(t, s.Create(ctx, "log/00000001/1", []byte("secret")))
	sealedBytes, _ := m.Bytes("log/00000001/1")

	c := sealed.Config{Recipients: []sealed.Recipient{fresh.recipient}, Openers: []sealed.Opener{old.opener}}
	report, err := open(t, m, c).Check(ctx)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "not wrapped for "+fresh.recipient.String())
	made, err := open(t, m, c).Rewrap(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"keys/log/00000001/wrap-0002", "keys/root/wrap-0002"}, made)
	made, err = open(t, m, c).Rewrap(ctx)
	require.NoError(t, err)
	require.Empty(t, made, "once is enough")

	alone := configFor(fresh)
	got, err := blob.ReadAll(ctx, open(t, m, alone), "log/00000001/1", 100)
	require.NoError(t, err)
	require.Equal(t, "secret", string(got))
	require.NoError(t, open(t, m, alone).Create(ctx, "log/00000001/1", []byte("secret")))
	same, _ := m.Bytes("log/00000001/1")
	require.Equal(t, sealedBytes, same)
	report, err = open(t, m, alone).Check(ctx)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}
