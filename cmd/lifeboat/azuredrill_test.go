package main

import (
	"bytes"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/drill/embedded"
)

var azureSeeds = flag.Int("azure-seeds", 1, "play so many drills of each loss in TestDrillOnAzure")

// TestDrillOnAzure plays each loss with both stores on Azurite and encrypted, and then
// looks for the database's values in the stores' raw bytes. It sets variables, as people
// do, for the drill's agent is another process: so it does not run beside other tests.
func TestDrillOnAzure(t *testing.T) {
	regions := []*azuritetest.Server{azuritetest.Start(t, "drillprimary"), azuritetest.Start(t, "drillmirror")}
	for _, s := range regions {
		t.Setenv("LIFEBOAT_AZURE_ENDPOINT_"+strings.ToUpper(s.Account), s.URL)
		t.Setenv("LIFEBOAT_AZURE_KEY_"+strings.ToUpper(s.Account), string(s.Key))
	}
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	home := t.TempDir()
	identity, conf := filepath.Join(home, "identity"), filepath.Join(home, "lifeboat.yaml")
	require.NoError(t, os.WriteFile(identity, []byte(id.String()+"\n"), 0o600))
	require.NoError(t, os.WriteFile(conf, []byte("version: 1\nencryption:\n  age_recipients: ["+id.Recipient().String()+"]\n  identity_file: "+identity+"\n"), 0o600))
	for seed := range *azureSeeds {
		for _, lose := range []string{"primary", "agent", "mirror-link"} {
			t.Run(fmt.Sprintf("%s, seed %d", lose, seed+1), func(t *testing.T) {
				drillOnAzure(t, conf, regions, "--lose", lose, "--seed", fmt.Sprint(seed+1))
			})
		}
	}
}

func drillOnAzure(t *testing.T, conf string, regions []*azuritetest.Server, flags ...string) {
	primary, mirror, dir := regions[0].Config(t), regions[1].Config(t), filepath.Join(t.TempDir(), "drill")
	args := append([]string{"drill", "--config", conf, "--quiet", "--primary", primary.String(), "--mirror", mirror.String()}, flags...)
	got := lifeboat(t, append(args, "--dir", dir, "--rows", "1500", "--duration", "1s", "--writers", "4", "--memory", "64MiB")...)
	require.Equal(t, 0, got.code, "%s%s", got.out, got.errout)
	require.Contains(t, got.out, "PROVEN")
	values := textValues(t, dir)
	require.Greater(t, len(values), 100)
	for _, c := range []azure.Config{primary, mirror} {
		searchStore(t, c, values)
	}
	again := lifeboat(t, args...)
	require.Equal(t, 3, again.code, "a store that is not empty: %s", again.errout)
}

// textValues are the longer texts of the restored database: long enough not to stand in
// random bytes by chance.
func textValues(t *testing.T, dir string) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "mirror", "database", "*.sqlite"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	db, err := embedded.OpenApp(paths[0])
	require.NoError(t, err)
	defer db.Close()
	values := map[string]bool{}
	for _, table := range column(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
		for _, name := range column(t, db, `SELECT name FROM pragma_table_info('`+table+`')`) {
			for _, v := range column(t, db, `SELECT "`+name+`" FROM "`+table+`" WHERE typeof("`+name+`") = 'text' AND length("`+name+`") >= 8 LIMIT 200`) {
				values[v] = true
			}
		}
	}
	return values
}

func column(t *testing.T, db *sql.DB, query string) (values []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var v string
		require.NoError(t, rows.Scan(&v))
		values = append(values, v)
	}
	require.NoError(t, rows.Err())
	return values
}

// searchStore reads what the service really holds, past the encryption.
func searchStore(t *testing.T, c azure.Config, values map[string]bool) {
	t.Helper()
	store, err := azure.Open(c)
	require.NoError(t, err)
	objects := 0
	for info, err := range store.List(t.Context(), "", "") {
		require.NoError(t, err)
		raw, err := blob.ReadAll(t.Context(), store, info.Name, 1<<30)
		require.NoError(t, err)
		objects++
		for v := range values {
			if bytes.Contains(raw, []byte(v)) || strings.Contains(info.Name, v) {
				t.Errorf("%s holds %q in the clear", info.Name, v)
			}
		}
	}
	require.Greater(t, objects, 10)
}
