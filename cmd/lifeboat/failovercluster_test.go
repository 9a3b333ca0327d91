package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/preflight"
	"lifeboat/internal/config"
	"lifeboat/internal/repotest"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

// afloat is a configuration whose run could restore in its stack's cluster.
func afloat(change func(*config.File)) *config.File {
	f := config.Defaults()
	f.Mirror.Store = "azblob://bcdrukwest/log"
	change(&f)
	return &f
}

func TestWhereARunRestores(t *testing.T) {
	t.Parallel()
	stack, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		change func(*config.File)
		stack  *settings.Settings
		in     bool
		says   string // why not, or the error
		fails  bool
	}{
		"the stack makes the database": {change: func(*config.File) {}, stack: stack, in: true},
		"no stack":                     {change: func(*config.File) {}, says: "no stack makes a cluster"},
		"another database":             {change: func(f *config.File) { f.Failover.Target = "sqlite:x" }, stack: stack, says: "failover.target"},
		"asked not to":                 {change: func(f *config.File) { f.Failover.Restore.Where = config.LocalRestore }, stack: stack, says: "says so"},
		"a key of this machine":        {change: func(f *config.File) { f.Mirror.KeyFile = "key" }, stack: stack, says: "a secret of this machine"},
		"a signature in the URL":       {change: func(f *config.File) { f.Mirror.Store += "?sig=secret" }, stack: stack, says: "a secret of this machine"},
		"an age key alone":             {change: func(f *config.File) { f.Encryption.IdentityFile = "age.txt" }, stack: stack, says: "a key of this machine alone"},
		"a key vault":                  {change: func(f *config.File) { f.Encryption.VaultKeys = []string{"https://v"} }, stack: stack, in: true},
		"asked to, and cannot": {change: func(f *config.File) {
			f.Failover.Restore.Where, f.Mirror.SASFile = config.ClusterRestore, "sas"
		}, stack: stack, says: "a secret of this machine", fails: true},
		"asked to, without a cluster": {change: func(f *config.File) { f.Failover.Restore.Where = config.ClusterRestore }, says: "failover.restore.kubeconfig", fails: true},
		"a cluster of its own": {change: func(f *config.File) {
			f.Failover.Restore.Where, f.Failover.Restore.Kubeconfig, f.Failover.Restore.Image, f.Failover.Target = config.ClusterRestore, "k", "i", "sqlite:x"
		}, in: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, why, err := restoresInCluster(afloat(tt.change), tt.stack)
			require.Equal(t, tt.in, in)
			if tt.fails {
				require.ErrorIs(t, err, errUsage)
				why = err.Error()
			}
			require.Contains(t, why, tt.says)
		})
	}
}

// TestWhatPodsSee is a configuration that lifeboat reads, with nothing secret in it.
func TestWhatPodsSee(t *testing.T) {
	t.Parallel()
	text, err := podConfig(afloat(func(f *config.File) {
		f.Mirror.RootKey, f.Mirror.Endpoint = "root", "https://bcdrukwest.privatelink.example"
		f.Mirror.KeyFile, f.Mirror.SASFile = "/secret/key", "/secret/sas"
		f.Database = "sqlserver://sa:hunter2@db"
		f.Encryption = config.Encryption{AgeRecipients: []string{"age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq"}, VaultKeys: []string{"https://v.vault.azure.net/keys/k"}, IdentityFile: "/secret/age"}
	}))
	require.NoError(t, err)
	for _, secret := range []string{"secret", "hunter2", "database"} {
		require.NotContains(t, text, secret)
	}
	seen, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	require.Equal(t, config.URL("azblob://bcdrukwest/log"), seen.Mirror.Store)
	require.Equal(t, "root", seen.Mirror.RootKey)
	require.Equal(t, []string{"https://v.vault.azure.net/keys/k"}, seen.Encryption.VaultKeys)
}

// TestWhatNoRepetitionChanges: what a Job must not try again, by the codes that its pods
// end with.
func TestWhatNoRepetitionChanges(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int32{3, 5, 6, 7, 9}, permanent())
}

// TestPlansFromBeforeRestoresHadAPlace keep their digest of the configuration.
func TestPlansFromBeforeRestoresHadAPlace(t *testing.T) {
	t.Parallel()
	without := config.Defaults()
	without.Failover.Restore = config.FailoverRestore{}
	old, err := configDigest(&without)
	require.NoError(t, err)
	now := config.Defaults()
	same, err := configDigest(&now)
	require.NoError(t, err)
	require.Equal(t, old, same)
	now.Failover.Restore.Shards = 4
	other, err := configDigest(&now)
	require.NoError(t, err)
	require.NotEqual(t, old, other)
}

// TestWhoseIdentityTheAgentHas: asked about only where a stack makes a database that it needs
// rights in.
func TestWhoseIdentityTheAgentHas(t *testing.T) {
	t.Parallel()
	s, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	lent := *s
	lent.Agent.StandingIdentity = true
	for name, tt := range map[string]struct {
		stack  *settings.Settings
		target config.URL
		asks   bool
		want   preflight.Identity
	}{
		"no stack": {},
		"a target": {stack: &lent, target: "sqlite:there.sqlite"},
		"its own":  {stack: s, asks: true, want: preflight.Identity{Admins: "sql-administrators"}},
		"lent":     {stack: &lent, asks: true, want: preflight.Identity{Group: "rg-careful-ukw", Name: "id-careful-ukw-agent", Admins: "sql-administrators"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, asks := (&bridge{config: &config.File{Failover: config.Failover{Target: tt.target}}, stack: tt.stack}).agentIdentity()
			require.Equal(t, tt.asks, asks)
			if asks {
				require.Equal(t, tt.want, got)
			}
		})
	}
}
